//! The files of the classical guides load, and their pairs fit together.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a failing test may panic

use std::path::{Path, PathBuf};

use keepalived_conf::compare::{Comparison, Node, compare};
use keepalived_conf::model::LvsMethod;
use keepalived_conf::{FileSystem, Options, Parsed, codes, load, render};

fn path(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/guides")).join(name)
}

fn read(name: &str) -> Parsed {
    let parsed = load(&path(name), &mut FileSystem, &Options::default());
    let text = render::concise(&parsed.diagnostics, &parsed.sources);
    assert!(!parsed.diagnostics.has_errors(), "{text}");
    parsed
}

fn pair(first: &str, second: &str) -> Comparison {
    let options = Options::default();
    let [first, second] = [path(first), path(second)];
    let node = |path| Node {
        path,
        options: &options,
    };
    compare(node(&first), node(&second), &mut FileSystem)
}

#[test]
fn pairs_are_clean() {
    for (a, b) in [
        ("mutual-master-1.conf", "mutual-master-2.conf"),
        ("dr-1.conf", "dr-2.conf"),
        ("nginx-1.conf", "nginx-2.conf"),
    ] {
        read(a);
        read(b);
        let found = pair(a, b);
        let text = render::concise(&found.findings, &found.sources);
        assert!(found.findings.is_empty(), "{text}");
    }
}

#[test]
fn the_script_moves_mastership() {
    let found = pair("nginx-1.conf", "nginx-2.conf");
    assert_eq!(found.failovers.len(), 1);
    assert_eq!(found.failovers[0].first_is_master, Some(true));
    assert_eq!(found.failovers[0].priorities, [100, 95]);
    assert_eq!(found.failovers[0].moved_by, [["script chk_nginx"]]);
}

#[test]
fn old_words_mean_what_they_meant() {
    let parsed = read("nat.conf");
    assert_eq!(
        parsed.config.global_defs.router_id.value.as_deref(),
        Some("LVS_01")
    );
    let daemon = &parsed.config.vrrp_instance[0].lvs_sync_daemon_interface;
    assert_eq!(daemon.value.as_deref(), Some("eth1"));
    assert_eq!(
        parsed.config.virtual_server[0].lb_kind.value,
        LvsMethod::Nat
    );
    let codes_found: Vec<_> = parsed.diagnostics.iter().map(|d| d.code).collect();
    assert!(codes_found.contains(&codes::OLD_SPELLING));
    assert!(codes_found.contains(&codes::OBSOLETE));
}

//! `examine` finds what `load` finds, without keeping the virtual servers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a failing test may panic

use std::path::{Path, PathBuf};

use keepalived_conf::{FileSystem, InMemory, Loader, Options, examine, load, render};

/// Loads both ways; gives how many virtual servers there are and how many were kept.
fn both(path: &Path, loader: &mut dyn Loader) -> (usize, usize) {
    let options = Options::default();
    let whole = load(path, loader, &options);
    let mut seen = 0;
    let examined = examine(path, loader, &options, &mut |_, server| {
        seen += 1;
        let same = |known: &&keepalived_conf::model::VirtualServer| known.span.0 == server.span.0;
        let known = whole.config.virtual_server.iter().find(same).unwrap();
        assert_eq!(known.lb_algo, server.lb_algo);
        assert_eq!(known.quorum, server.quorum);
        assert_eq!(known.real_server.len(), server.real_server.len());
        for (a, b) in known.real_server.iter().zip(&server.real_server) {
            assert_eq!((a.port, &a.weight), (b.port, &b.weight));
        }
    });
    assert_eq!(
        render::json(&whole.diagnostics, &whole.sources),
        render::json(&examined.diagnostics, &examined.sources),
        "{}",
        path.display()
    );
    assert_eq!(seen, whole.config.virtual_server.len());
    (seen, examined.config.virtual_server.len())
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "conf"))
        .collect()
}

#[test]
fn the_corpus_is_judged_alike() {
    let files = [files("tests/corpus"), files("examples/guides")].concat();
    assert!(files.len() > 60);
    for file in files {
        both(&file, &mut FileSystem);
    }
}

#[test]
fn what_concerns_several_servers_is_found() {
    let server = |address: &str, extra: &str| {
        format!(
            "virtual_server {address} 80 {{\n protocol TCP\n lb_algo rr\n lb_kind NAT\n {extra}\n \
             real_server 10.0.1.1 80 {{\n TCP_CHECK {{\n }}\n }}\n}}\n"
        )
    };
    let text = [
        server("10.0.0.1", ""),
        server("10.0.0.2", ""),
        server("10.0.0.3", "smtp_alert"),
        server("10.0.0.2", "quorum 9"),
        server("10.0.0.1", "quorum_up /bin/true"),
        server("10.0.0.4", "hysteresis 3"),
        server("group G", ""),
        String::from("virtual_server_group G {\n 10.0.0.9 80\n}\n"),
        String::from("vrrp_instance A {\n virtual_router_id 1\n interface eth0\n"),
        String::from("virtual_ipaddress {\n 10.0.0.1\n }\n}\nglobal_defs {\n smtp_alert\n}\n"),
    ]
    .concat();
    let mut loader = InMemory::new().with("f", text);
    assert_eq!(both(Path::new("f"), &mut loader), (7, 4));
}

#[test]
fn many_servers_are_not_kept() {
    let mut text = String::new();
    for index in 0..500 {
        text.push_str(&format!(
            "virtual_server 10.0.{}.{} 80 {{\n real_server 10.1.0.1 80 {{\n weigth 3\n }}\n}}\n",
            index / 250,
            index % 250
        ));
    }
    let mut loader = InMemory::new().with("f", text);
    assert_eq!(both(Path::new("f"), &mut loader), (500, 1));
}

//! The generated documents of the project are current. `UPDATE_DOCS=1` writes them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // test

use std::path::Path;

fn current(name: &str, wanted: &str) {
    let docs = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"));
    if !docs.is_dir() {
        println!("skipped: the crate stands alone, without the project's docs/");
        return;
    }
    let path = docs.join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, wanted).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/{name} is out of date; run `UPDATE_DOCS=1 cargo test -p keepalived-conf --test documents`"
    );
}

#[test]
fn the_keyword_reference_is_current() {
    current("configuration.md", &keepalived_conf::reference::markdown());
}

#[test]
fn the_diagnostics_page_is_current() {
    current("diagnostics.md", keepalived_conf::explain::PAGES);
}

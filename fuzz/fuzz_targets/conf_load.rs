//! Any bytes as a configuration file: diagnostics with places, never a panic.
#![no_main]

use std::path::Path;

use keepalived_conf::{InMemory, Options, load, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut loader = InMemory::new().with("keepalived.conf", bytes).with("other.conf", "router_id x");
    let parsed = load(Path::new("keepalived.conf"), &mut loader, &Options::default());
    let _ = render::concise(&parsed.diagnostics, &parsed.sources);
    for diagnostic in &parsed.diagnostics {
        let span = diagnostic.span().expect("every diagnostic has a place");
        assert!(parsed.sources.locate(span).is_some());
    }
});

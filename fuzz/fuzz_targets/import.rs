//! Any bytes as a file of another director: a configuration of the right form, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lvs_import::{NoNames, Options, Source, import};

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, text)) = bytes.split_first() else { return };
    let source = match kind % 3 {
        0 => Source::Ipvsadm,
        1 => Source::Ldirectord,
        _ => Source::Piranha,
    };
    let text = String::from_utf8_lossy(text);
    let mut options = Options::default();
    options.interface = Some("eth0".to_owned());
    let imported = import(source, &text, &options, &NoNames);
    let parsed = keepalived_conf::load_str(&imported.configuration);
    for diagnostic in &parsed.diagnostics {
        let form = diagnostic.code.to_string().starts_with("KC00");
        assert!(!form || diagnostic.severity != keepalived_conf::Severity::Error, "{}", diagnostic.message);
    }
});

//! Formatting is idempotent and keeps the meaning; the tree keeps every byte.
#![no_main]

use keepalived_conf::tree::Tree;
use keepalived_conf::{FormatError, format, load_str};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    assert_eq!(Tree::parse(text).print(), text);
    match format(text) {
        Ok(once) => {
            assert!(load_str(text).config == load_str(&once).config);
            assert_eq!(format(&once).as_deref(), Ok(once.as_str()));
        }
        Err(FormatError::Structure { line, .. }) => assert!(line > 0),
        Err(_) => {}
    }
});

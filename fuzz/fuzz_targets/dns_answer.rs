//! A datagram is the answer to our question or is refused, and never makes the reader panic.
#![no_main]

use healthcheck::dns::{Answer, Question, RecordType};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let Ok(name) = "www.example.org".parse() else { return };
    let question = Question { name, record_type: RecordType::A };
    if Answer::parse(octets, 7, &question).is_ok() {
        assert!(octets.starts_with(&[0, 7]));
        assert!(octets.len() >= 12);
    }
});

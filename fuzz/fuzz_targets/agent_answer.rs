//! The line of an agent never panics the reader, and nothing that it says upsets a log or a table.
#![no_main]

use healthcheck::agent::{AgentAnswer, InvalidAgentAnswer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let printable = |text: &str| !text.chars().any(char::is_control) && text.chars().count() <= 120;
    match String::from_utf8_lossy(octets).parse::<AgentAnswer>() {
        Ok(answer) => {
            assert!(printable(&answer.text));
            assert!(answer.down.is_none_or(|word| printable(&word)));
            // The greatest weight of the kernel, and the least one of a server that has one.
            for full in [0, 1, u32::MAX] {
                let _ = answer.weight.map(|weight| weight.apply(full));
            }
        }
        Err(InvalidAgentAnswer::UnknownWord(word)) => assert!(printable(&word)),
        Err(_) => {}
    }
});

//! The replies of a mail server in two pieces give what they give in one. The first octet says
//! where to cut.
#![no_main]

use healthcheck::smtp::{Session, Stage};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let Some((cut, octets)) = octets.split_first() else { return };
    let (first, second) = octets.split_at(octets.len() * usize::from(*cut) / 256);
    let mut whole = Session::new("fuzz.example");
    let expected = whole.receive(octets);
    let mut split = Session::new("fuzz.example");
    let got = split.receive(first).and_then(|()| split.receive(second));
    assert_eq!(got, expected);
    assert_eq!(split.stage(), whole.stage());
    let said = split.take_output();
    assert_eq!(said, whole.take_output());
    if split.stage() == Stage::Done {
        assert!(said.ends_with(b"QUIT\r\n"));
    }
});

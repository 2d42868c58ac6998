//! An HTTP answer in two pieces gives what it gives in one, and never panics. The first octet
//! says where to cut.
#![no_main]

use healthcheck::http::{Header, ResponseError, ResponseReader, Step};
use libfuzzer_sys::fuzz_target;

fn read(pieces: &[&[u8]]) -> (Result<Step, ResponseError>, Option<Header>, Vec<u8>) {
    let mut reader = ResponseReader::new();
    let mut body = Vec::new();
    let mut step = Ok(Step::NeedMore);
    for piece in pieces {
        step = reader.receive(piece, |octets| body.extend_from_slice(octets));
        if step != Ok(Step::NeedMore) {
            break;
        }
    }
    let header = reader.header().copied();
    if step == Ok(Step::NeedMore) {
        let _ = reader.closed();
    }
    (step, header, body)
}

fuzz_target!(|octets: &[u8]| {
    let Some((cut, octets)) = octets.split_first() else { return };
    let (first, second) = octets.split_at(octets.len() * usize::from(*cut) / 256);
    let whole = read(&[octets]);
    let split = read(&[first, second]);
    assert_eq!(whole.0, split.0);
    assert_eq!(whole.1, split.1);
    if whole.0.is_ok() {
        assert_eq!(whole.2, split.2);
    }
});

//! Any datagrams at any times for a BFD session; what decodes encodes again.
#![no_main]

use bfd_proto::{ControlPacket, LENGTH, Session, SessionConfig};
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

fuzz_target!(|bytes: &[u8]| {
    let mut session = Session::new(SessionConfig::default(), 7);
    let mut now = Duration::ZERO;
    // Each step: how long to wait, a number for the spreading, then a datagram.
    for step in bytes.chunks(3 + LENGTH) {
        let Some(([first, second, random], datagram)) = step.split_first_chunk::<3>() else {
            return;
        };
        now += Duration::from_micros(u64::from(*first) << (second % 16));
        session.handle_timeout(now);
        if let Some(packet) = session.poll_transmit(now, (*random).into()) {
            assert_eq!(ControlPacket::decode(&packet.encode()), Ok(packet));
        }
        if let Ok(packet) = ControlPacket::decode(datagram) {
            assert_eq!(ControlPacket::decode(&packet.encode()), Ok(packet));
            let _ = session.handle_packet(now, &packet);
        }
        while session.poll_event().is_some() {}
        let _ = session.poll_timeout();
    }
});

//! Any bytes as a packet to routers with each kind of authentication. The first byte chooses; a
//! checksum over the message is put right, so that the fuzzer gets past it.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use vrrp_proto::auth::{Authentication, HmacKey, Password, Signing};
use vrrp_proto::{
    Config, Event, Family, Instant, Interval, Received, State, UnixTime, Verdict, VirtualRouter,
    Vrid,
};

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, rest)) = bytes.split_first() else {
        return;
    };
    let mut config = Config::new(Vrid::new(51).expect("not 0"), Family::V4);
    config.source = Some(IpAddr::V4(Ipv4Addr::new(10, 66, 0, 9)));
    config.addresses = vec![IpAddr::V4(Ipv4Addr::new(10, 66, 0, 100))];
    match choice % 3 {
        0 => config.authentication = Authentication::Password(Password::new(b"s3cret12")),
        1 => config.authentication = Authentication::Header(Password::new(b"ahsecret")),
        _ => {
            let secret: Vec<u8> = (0..32).collect();
            let key = HmacKey::new(7, &secret).expect("32 bytes");
            config.signing = Some(Box::new(Signing::new(key, Interval::DEFAULT)));
        }
    }
    let mut router = VirtualRouter::new(config).expect("a good configuration");
    let now = Instant::from_millis(1);
    router.handle_event(now, Event::Startup);
    let time = UnixTime::new(Duration::from_secs(1_795_229_277));
    router.handle_event(now, Event::WallClock(time));
    let mut packet = rest.to_vec();
    mend(&mut packet);
    for packet in [rest, &packet] {
        let Ok(received) = Received::from_ipv4(packet) else {
            continue;
        };
        let before = router.poll_timeout();
        if let Verdict::Dropped(_) = router.handle_packet(now, &received) {
            assert_eq!(router.poll_timeout(), before);
            assert_eq!(router.state(), State::Backup);
        }
    }
});

/// Makes the checksum of a version 2 message right.
fn mend(packet: &mut [u8]) {
    let Some(first) = packet.first() else { return };
    let at = usize::from(first & 0xf) * 4 + if packet.get(9) == Some(&51) { 24 } else { 0 };
    let Some(message) = packet.get_mut(at..) else {
        return;
    };
    let Some(count) = message.get(3) else { return };
    let len = 16 + usize::from(*count) * 4;
    let Some(message) = message.get_mut(..len) else {
        return;
    };
    message[6..8].fill(0);
    let mut sum: u32 = message
        .chunks_exact(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    message[6..8].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}

//! Any bytes as an IPv4 datagram and as a message of either family; what decodes encodes again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vrrp_proto::wire::{MAX_ENCODED_LEN, Packet, PseudoHeader, peek};
use vrrp_proto::{Family, Received};

fuzz_target!(|bytes: &[u8]| {
    let _ = peek(112, bytes);
    let _ = peek(51, bytes);
    if let Ok(received) = Received::from_ipv4(bytes) {
        let _ = received.peek();
        message(received.payload, Family::V4);
    }
    message(bytes, Family::V4);
    message(bytes, Family::V6);
});

fn message(bytes: &[u8], family: Family) {
    let Ok(packet) = Packet::new_checked(bytes, family) else {
        return;
    };
    let addresses = match family {
        Family::V4 => PseudoHeader::V4([10, 66, 0, 1].into(), [224, 0, 0, 18].into()),
        Family::V6 => PseudoHeader::V6(
            0xfe80_u128.rotate_right(16).into(),
            (0xff02_u128.rotate_right(16) | 0x12).into(),
        ),
    };
    let form = packet.verify_checksum(&addresses);
    assert_eq!(packet.addresses().count(), usize::from(packet.count()));
    let Some(meaning) = packet.to_advertisement() else {
        return;
    };
    let mut out = [0; MAX_ENCODED_LEN];
    let len = meaning
        .encode(&addresses, form.unwrap_or_default(), &mut out)
        .expect("what was decoded can be encoded");
    let again = Packet::new_checked(&out[..len], family).expect("and decoded again");
    assert_eq!(again.to_advertisement(), Some(meaning));
    assert!(again.verify_checksum(&addresses).is_ok());
}

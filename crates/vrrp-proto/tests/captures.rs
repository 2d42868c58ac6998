//! Real packets, and what each must decode to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test file: a capture that does not read is a failure"
)]

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use vrrp_proto::auth::{
    Authentication, AuthenticationHeader, HeaderKey, HmacKey, Password, Signing, Trailer,
};
use vrrp_proto::wire::{AuthData, ChecksumForm, Packet, PseudoHeader};
use vrrp_proto::{
    Accepted, Config, DropReason, Event, Family, Instant, Interval, Priority, Received, State,
    UnixTime, Verdict, Version, VirtualRouter, Vrid,
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}

/// The IP packets of a capture of Ethernet frames, with padding as captured.
fn ip_packets(name: &str) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(folder().join(format!("{name}.pcap"))).unwrap();
    let mut rest = &bytes[24..];
    let mut packets = Vec::new();
    while rest.len() >= 16 {
        let len = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        packets.push(rest[16..16 + len][14..].to_vec());
        rest = &rest[16 + len..];
    }
    packets
}

/// Every VRRP packet of the captures with its expectation.
fn vrrp_packets() -> Vec<(Value, Vec<u8>)> {
    let expected = std::fs::read_to_string(folder().join("expect.jsonl")).unwrap();
    let mut found = Vec::new();
    let mut open: Option<(String, Vec<Vec<u8>>)> = None;
    for line in expected.lines() {
        let expected: Value = serde_json::from_str(line).unwrap();
        let name = expected["pcap"].as_str().unwrap().to_owned();
        if open.as_ref().is_none_or(|(known, _)| *known != name) {
            open = Some((name.clone(), ip_packets(&name)));
        }
        if expected["kind"] == "vrrp" {
            let index = expected["n"].as_u64().unwrap() as usize - 1;
            let packet = open.as_ref().unwrap().1[index].clone();
            found.push((expected, packet));
        }
    }
    assert_eq!(found.len(), 62);
    found
}

fn received(packet: &[u8]) -> Received<'_> {
    if packet[0] >> 4 == 4 {
        return Received::from_ipv4(packet).unwrap();
    }
    let len = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
    let address = |at: usize| {
        let octets: [u8; 16] = packet[at..at + 16].try_into().unwrap();
        IpAddr::from(octets)
    };
    assert_eq!(packet[6], 112);
    Received::new(address(8), address(24), packet[7], &packet[40..40 + len])
}

fn secrets(capture: &str) -> Value {
    let configs = std::fs::read_to_string(folder().join("configs.json")).unwrap();
    let configs: Value = serde_json::from_str(&configs).unwrap();
    configs[capture]["secrets"].clone()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|index| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap())
        .collect()
}

fn signing() -> Signing {
    let secret = secrets("v2-hmac")["hmac"]["7"].as_str().unwrap().to_owned();
    Signing::new(HmacKey::new(7, &hex(&secret)).unwrap(), Interval::DEFAULT)
}

#[test]
fn every_captured_packet_decodes_to_what_it_says() {
    for (expected, bytes) in vrrp_packets() {
        let context = format!("{} packet {}", expected["pcap"], expected["n"]);
        let received = received(&bytes);
        assert_eq!(received.source.to_string(), expected["ip_src"], "{context}");
        assert_eq!(
            received.destination.to_string(),
            expected["ip_dst"],
            "{context}"
        );
        assert_eq!(received.hop_limit, expected["ttl"], "{context}");
        assert_eq!(received.protocol, expected["proto"], "{context}");
        let message = match AuthenticationHeader::parse(received.payload) {
            Some((header, message)) if received.protocol == 51 => {
                assert_eq!(header.spi.to_string(), expected["ah"]["spi"], "{context}");
                assert_eq!(header.sequence, expected["ah"]["seq"], "{context}");
                assert_eq!(
                    header.icv.to_vec(),
                    hex(expected["ah"]["icv"].as_str().unwrap())
                );
                message
            }
            _ => received.payload,
        };
        let packet = Packet::new_checked(message, received.family()).unwrap();
        assert_eq!(packet.version().number(), expected["version"], "{context}");
        assert_eq!(packet.vrid().value(), expected["vrid"], "{context}");
        assert_eq!(received.peek().unwrap().vrid, packet.vrid(), "{context}");
        assert_eq!(packet.priority().value(), expected["prio"], "{context}");
        assert_eq!(packet.count(), expected["count"], "{context}");
        let interval = packet.interval().unwrap();
        assert_eq!(
            interval.centiseconds(),
            expected["adver_int_cs"],
            "{context}"
        );
        let addresses: Vec<_> = packet.addresses().map(|it| it.to_string()).collect();
        assert_eq!(Value::from(addresses), expected["addresses"], "{context}");
        let checksum = format!("{:#06x}", packet.checksum());
        assert_eq!(checksum, expected["checksum"], "{context}");
        let addresses = PseudoHeader::new(received.source, received.destination).unwrap();
        let form = match expected["checksum_form"].as_str().unwrap() {
            "message" => ChecksumForm::Message,
            _ => ChecksumForm::PseudoHeader,
        };
        assert_eq!(packet.verify_checksum(&addresses), Ok(form), "{context}");
        assert_eq!(packet.message().len(), expected["vrrp_len"], "{context}");
        assert_eq!(packet.trailing().len(), expected["trailing"], "{context}");
        if packet.version() == Version::V2 {
            assert_eq!(packet.auth_type().unwrap(), expected["auth_type"]);
            let data = hex(expected["auth_data"].as_str().unwrap());
            assert_eq!(packet.auth_data().unwrap().to_vec(), data, "{context}");
        }
        if let Some(wanted) = expected.get("hmac_trailer") {
            let trailer = Trailer::new(packet.trailing()).unwrap();
            assert_eq!(trailer.kind(), wanted["ext_type"], "{context}");
            assert_eq!(trailer.key_id(), wanted["key_id"], "{context}");
            assert_eq!(trailer.reserved(), wanted["reserved"], "{context}");
            assert_eq!(trailer.stamp().seconds(), wanted["sec"], "{context}");
            assert_eq!(trailer.mac().to_vec(), hex(wanted["mac"].as_str().unwrap()));
        }
    }
}

#[test]
fn encoding_what_was_decoded_gives_the_captured_bytes() {
    for (expected, bytes) in vrrp_packets() {
        let received = received(&bytes);
        let message = match received.protocol {
            51 => &received.payload[24..],
            _ => received.payload,
        };
        let packet = Packet::new_checked(message, received.family()).unwrap();
        let addresses = PseudoHeader::new(received.source, received.destination).unwrap();
        let form = packet.verify_checksum(&addresses).unwrap();
        let meaning = packet.to_advertisement().unwrap();
        let mut out = [0u8; 256];
        let len = meaning.encode(&addresses, form, &mut out).unwrap();
        assert_eq!(out[..len], *packet.message(), "{expected}");
    }
}

#[test]
fn item_096_captured_authentication_headers_verify() {
    let key = HeaderKey::new(&Password::new(b"ahsecret"));
    let other = HeaderKey::new(&Password::new(b"ahsecreT"));
    let mut seen = 0;
    for (expected, bytes) in vrrp_packets() {
        if expected["pcap"] != "v2-ah" {
            continue;
        }
        let received = received(&bytes);
        let ip_header = received.ipv4_header.unwrap();
        let (header, message) = AuthenticationHeader::parse(received.payload).unwrap();
        assert!(key.verify(ip_header, &header, message), "{expected}");
        assert_eq!(key.sign(ip_header, &header, message), header.icv);
        assert!(!other.verify(ip_header, &header, message));
        seen += 1;
    }
    assert!(seen > 5);
}

fn router(edit: impl FnOnce(&mut Config)) -> VirtualRouter {
    let mut config = Config::new(Vrid::new(51).unwrap(), Family::V4);
    config.source = Some("10.66.0.9".parse().unwrap());
    config.addresses = vec!["10.66.0.100".parse().unwrap()];
    edit(&mut config);
    let mut router = VirtualRouter::new(config).unwrap();
    router.handle_event(Instant::ZERO, Event::Startup);
    assert_eq!(router.state(), State::Backup);
    router
}

/// A third router that only listens accepts everything, in order.
#[test]
fn a_silent_backup_accepts_every_captured_advert() {
    let mut routers = [
        ("v2-noauth", router(|_| {})),
        (
            "v2-pass",
            router(|config| {
                config.authentication = Authentication::Password(Password::new(b"s3cret12"));
            }),
        ),
        (
            "v2-ah",
            router(|config| {
                config.authentication = Authentication::Header(Password::new(b"ahsecret"));
            }),
        ),
        (
            "v2-hmac",
            router(|config| config.signing = Some(Box::new(signing()))),
        ),
        ("v3-ipv4", router(|config| config.version = Version::V3)),
        (
            "v3-ipv6",
            router(|config| {
                config.family = Family::V6;
                config.version = Version::V3;
                config.transport = vrrp_proto::Transport::Multicast("ff02::12".parse().unwrap());
                config.source = Some("fe80::9".parse().unwrap());
                config.addresses = ["fe80::66:100", "fd66::100", "fd66::101"]
                    .map(|it| it.parse().unwrap())
                    .to_vec();
            }),
        ),
    ];
    for (name, router) in &mut routers {
        router
            .reconfigure(Instant::ZERO, {
                let mut config = router.config().clone();
                config.priority = Priority::new(1);
                config
            })
            .unwrap();
        let mut accepted = 0;
        for (expected, bytes) in vrrp_packets() {
            if expected["pcap"] != *name {
                continue;
            }
            let now = Instant::from_micros((expected["t"].as_f64().unwrap() * 1e6) as u64);
            if let Some(trailer) = expected.get("hmac_trailer") {
                let seconds = trailer["sec"].as_u64().unwrap();
                let time = UnixTime::new(Duration::from_secs(seconds));
                router.handle_event(now, Event::WallClock(time));
            }
            let verdict = router.handle_packet(now, &received(&bytes));
            let wanted = if expected["prio"] == 0 {
                Accepted::MasterResigned
            } else {
                Accepted::MasterAlive
            };
            assert_eq!(verdict, Verdict::Accepted(wanted), "{expected}");
            accepted += 1;
        }
        assert!(accepted >= 5, "{name}");
        assert_eq!(router.stats().dropped_total(), 0, "{name}");
    }
}

#[test]
fn item_097_item_098_captured_signatures_verify_and_replays_and_changes_do_not() {
    let mut router = router(|config| {
        config.signing = Some(Box::new(signing()));
        config.priority = Priority::new(1);
    });
    for (expected, bytes) in vrrp_packets() {
        if expected["pcap"] != "v2-hmac" {
            continue;
        }
        assert_eq!(expected["hmac_trailer"]["mac_valid"], true);
        let seconds = expected["hmac_trailer"]["sec"].as_u64().unwrap();
        let clock = |seconds| Event::WallClock(UnixTime::new(Duration::from_secs(seconds)));
        router.handle_event(Instant::ZERO, clock(seconds));
        // One bit changed anywhere in the signed message or the digest, checksum made right again.
        for at in [2, 20 + 12, 20 + 27] {
            let mut changed = bytes.clone();
            changed[20 + at] ^= 1;
            if at == 2 {
                // The priority is the high half of its word.
                let sum = u16::from_be_bytes([changed[26], changed[27]]);
                let fixed = if changed[22] & 1 == 1 {
                    sum.wrapping_sub(256)
                } else {
                    sum.wrapping_add(256)
                };
                changed[26..28].copy_from_slice(&fixed.to_be_bytes());
            }
            let verdict = router.handle_packet(Instant::ZERO, &received(&changed));
            assert_eq!(
                verdict,
                Verdict::Dropped(DropReason::SignatureInvalid),
                "byte {at} of {expected}"
            );
        }
        let verdict = router.handle_packet(Instant::ZERO, &received(&bytes));
        assert!(matches!(verdict, Verdict::Accepted(_)), "{expected}");
        let verdict = router.handle_packet(Instant::ZERO, &received(&bytes));
        assert_eq!(verdict, Verdict::Dropped(DropReason::SignatureReplay));
        router.handle_event(Instant::ZERO, clock(seconds + 6));
        let verdict = router.handle_packet(Instant::ZERO, &received(&bytes));
        assert_eq!(verdict, Verdict::Dropped(DropReason::SignatureStale));
    }
}

#[test]
fn passwords_are_found_in_the_capture_and_not_in_debug_output() {
    let (_, bytes) = vrrp_packets()
        .into_iter()
        .find(|(expected, _)| expected["pcap"] == "v2-pass")
        .unwrap();
    let received = received(&bytes);
    let packet = Packet::new_checked(received.payload, Family::V4).unwrap();
    let meaning = packet.to_advertisement().unwrap();
    assert_eq!(
        meaning.auth,
        AuthData::password(&Password::new(b"s3cret12"))
    );
    assert!(!format!("{packet:?} {meaning:?}").contains("s3cret"));
}

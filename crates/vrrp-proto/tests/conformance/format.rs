//! A: packet format and transmission.

use vrrp_proto::wire::{ChecksumForm, EncodeError, Ipv4Header, Packet, PseudoHeader};
use vrrp_proto::{
    Action, ConfigError, Event, Family, Interval, Peer, Priority, Received, Transport, Version,
    VirtualRouter, Warning,
};

use crate::harness::{Bench, OURS, config, ip};

fn datagram(bench: &Bench) -> Vec<u8> {
    let advert = bench.adverts()[0];
    let mut out = vec![0; bench.router.encoded_len()];
    let destination = bench.router.config().transport.destinations().next();
    let len = bench
        .router
        .encode_datagram(&advert, destination.unwrap(), &mut out)
        .unwrap();
    assert_eq!(len, out.len());
    out
}

#[test]
fn item_001_item_002_item_005_item_007_item_024_the_ipv4_header_of_an_advert() {
    let bench = Bench::master(config(Version::V2, 100));
    let datagram = datagram(&bench);
    let (header, _, payload) = Ipv4Header::parse(&datagram).unwrap();
    assert_eq!(header.protocol, 112);
    assert_eq!(header.destination.to_string(), "224.0.0.18");
    assert_eq!(header.ttl, 255);
    assert_eq!(header.source.to_string(), OURS);
    assert_eq!(header.tos, 0xc0);
    assert_eq!(header.identification, 1);
    assert_eq!(payload.len(), 8 + 2 * 4 + 8);
}

#[test]
fn item_003_item_006_ipv6_goes_to_its_group_with_hop_limit_255() {
    let bench = Bench::master(ipv6());
    let advert = bench.adverts()[0];
    assert_eq!(advert.hop_limit, 255);
    let to: Vec<_> = bench.router.config().transport.destinations().collect();
    assert_eq!(to, [ip("ff02::12")]);
}

fn ipv6() -> vrrp_proto::Config {
    let mut config = vrrp_proto::Config::new(crate::harness::vrid(), Family::V6);
    config.source = Some(ip("fe80::5"));
    config.addresses = vec![ip("fe80::100"), ip("fd00::100")];
    config
}

#[test]
fn item_009_defaults_are_version_2_for_ipv4_and_3_for_ipv6_and_type_1() {
    let vrid = crate::harness::vrid();
    assert_eq!(
        vrrp_proto::Config::new(vrid, Family::V4).version,
        Version::V2
    );
    assert_eq!(
        vrrp_proto::Config::new(vrid, Family::V6).version,
        Version::V3
    );
    for (version, first) in [(Version::V2, 0x21), (Version::V3, 0x31)] {
        let bench = Bench::master(config(version, 100));
        assert_eq!(bench.encode(&bench.adverts()[0])[0], first);
    }
}

#[test]
fn item_009_version_2_over_ipv6_has_no_authentication_data() {
    let mut config = ipv6();
    config.version = Version::V2;
    let bench = Bench::master(config);
    assert_eq!(bench.encode(&bench.adverts()[0]).len(), 8 + 2 * 16);
}

#[test]
fn item_010_item_011_the_identifier_and_priority_of_an_advert() {
    let bench = Bench::master(config(Version::V2, 100));
    let bytes = bench.encode(&bench.adverts()[0]);
    assert_eq!(bytes[1..3], [51, 100]);
    let bench = Bench::master(config(Version::V2, 255));
    assert_eq!(bench.encode(&bench.adverts()[0])[2], 255);
}

#[test]
fn item_011_configured_priority_zero_is_refused_and_tracking_cannot_reach_0_or_255() {
    let refused = VirtualRouter::new(config(Version::V2, 0)).unwrap_err();
    assert_eq!(refused, ConfigError::PriorityZero);
    let mut bench = Bench::backup(config(Version::V2, 100));
    for (tracked, effective) in [(0, 1), (255, 254), (33, 33)] {
        bench.event(Event::TrackedPriority(Priority::new(tracked)));
        assert_eq!(bench.router.effective_priority().value(), effective);
    }
    let mut owner = Bench::master(config(Version::V2, 255));
    owner.event(Event::TrackedPriority(Priority::new(10)));
    assert!(owner.router.effective_priority().is_owner());
}

#[test]
fn item_012_item_013_addresses_are_counted_and_in_configured_order() {
    let mut config = config(Version::V3, 100);
    config.addresses = ["10.0.0.9", "10.0.0.1", "10.0.0.200"].map(ip).to_vec();
    let wanted = config.addresses.clone();
    let bench = Bench::master(config);
    let bytes = bench.encode(&bench.adverts()[0]);
    let packet = Packet::new_checked(&bytes, Family::V4).unwrap();
    assert_eq!(packet.count(), 3);
    assert_eq!(packet.addresses().collect::<Vec<_>>(), wanted);
}

#[test]
fn item_012_255_addresses_go_and_256_are_refused() {
    let many = |count: u32| {
        let mut config = config(Version::V3, 100);
        config.addresses = (0..count)
            .map(|n| std::net::Ipv4Addr::from(0x0a00_0100 + n).into())
            .collect();
        config
    };
    let bench = Bench::master(many(255));
    assert_eq!(datagram(&bench).len(), 20 + 8 + 255 * 4);
    assert_eq!(
        VirtualRouter::new(many(256)).unwrap_err(),
        ConfigError::TooManyAddresses(256)
    );
}

#[test]
fn item_014_an_ipv6_list_that_does_not_start_link_local_is_reported() {
    let mut config = ipv6();
    config.addresses.reverse();
    let mut bench = Bench::new(config);
    bench.event(Event::Startup);
    assert_eq!(bench.warnings(), [Warning::LinkLocalNotFirst]);
    let mut bench = Bench::new(ipv6());
    bench.event(Event::Startup);
    assert_eq!(bench.warnings(), []);
}

#[test]
fn item_015_addresses_of_the_other_family_are_refused() {
    let mut config = config(Version::V3, 100);
    config.addresses.push(ip("fd00::1"));
    assert!(matches!(
        VirtualRouter::new(config),
        Err(ConfigError::Family { .. })
    ));
}

#[test]
fn item_016_item_017_version_3_sends_centiseconds_under_a_zero_nibble() {
    let mut config = config(Version::V3, 100);
    config.interval = Interval::MAX_V3;
    let bench = Bench::master(config.clone());
    assert_eq!(bench.encode(&bench.adverts()[0])[4..6], [0x0f, 0xff]);
    config.interval = Interval::from_centiseconds(4_096).unwrap();
    assert!(matches!(
        VirtualRouter::new(config),
        Err(ConfigError::Interval { .. })
    ));
}

#[test]
fn item_018_version_2_sends_whole_seconds() {
    let mut config = config(Version::V2, 100);
    config.interval = Interval::from_seconds(7).unwrap();
    let bench = Bench::master(config.clone());
    assert_eq!(bench.encode(&bench.adverts()[0])[4..6], [0, 7]);
    config.interval = Interval::from_centiseconds(150).unwrap();
    assert!(matches!(
        VirtualRouter::new(config),
        Err(ConfigError::Interval { .. })
    ));
}

fn sum(bytes: &[u8]) -> u16 {
    let mut sum = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)))
        .sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[test]
fn item_019_the_version_2_checksum_covers_the_message_alone() {
    let bench = Bench::master(config(Version::V2, 100));
    assert_eq!(sum(&bench.encode(&bench.adverts()[0])), 0xffff);
}

#[test]
fn item_020_the_ipv6_checksum_has_the_pseudo_header() {
    let bench = Bench::master(ipv6());
    let bytes = bench.encode(&bench.adverts()[0]);
    let mut whole = Vec::new();
    for address in [ip("fe80::5"), ip("ff02::12")] {
        let std::net::IpAddr::V6(address) = address else {
            unreachable!()
        };
        whole.extend(address.octets());
    }
    whole.extend([0, 0, 0, bytes.len() as u8, 0, 0, 0, 112]);
    whole.extend(&bytes);
    assert_eq!(sum(&whole), 0xffff);
}

#[test]
fn item_021_both_forms_are_sent_as_configured_and_either_is_accepted() {
    for form in [ChecksumForm::PseudoHeader, ChecksumForm::Message] {
        let mut config = config(Version::V3, 100);
        config.checksum = form;
        let bench = Bench::master(config);
        let bytes = bench.encode(&bench.adverts()[0]);
        let packet = Packet::new_checked(&bytes, Family::V4).unwrap();
        let addresses = PseudoHeader::new(ip(OURS), ip("224.0.0.18")).unwrap();
        assert_eq!(packet.verify_checksum(&addresses), Ok(form));
    }
    assert_eq!(
        config(Version::V3, 100).checksum,
        ChecksumForm::PseudoHeader
    );
}

fn unicast() -> vrrp_proto::Config {
    let mut config = config(Version::V3, 100);
    config.transport = Transport::Unicast {
        peers: vec![Peer::new(ip("10.0.0.1")), Peer::new(ip("10.0.0.2"))],
        check_source: false,
    };
    config
}

#[test]
fn item_022_each_unicast_copy_sums_its_own_destination() {
    let bench = Bench::master(unicast());
    let advert = bench.adverts()[0];
    for peer in ["10.0.0.1", "10.0.0.2"] {
        let mut out = [0; 64];
        let len = bench
            .router
            .encode_message(&advert, ip(peer), &mut out)
            .unwrap();
        let packet = Packet::new_checked(&out[..len], Family::V4).unwrap();
        let addresses = PseudoHeader::new(ip(OURS), ip(peer)).unwrap();
        assert_eq!(
            packet.verify_checksum(&addresses),
            Ok(ChecksumForm::PseudoHeader)
        );
    }
}

#[test]
fn item_022_the_old_unicast_form_is_recognised_and_followed_unless_told_not_to() {
    let old = crate::harness::Other::new(Version::V3, "10.0.0.1", 50).with(|other| {
        other.destination = ip(OURS);
        other.form = ChecksumForm::MulticastPseudoHeader;
    });
    for (follow, wanted) in [
        (true, ChecksumForm::MulticastPseudoHeader),
        (false, ChecksumForm::PseudoHeader),
    ] {
        let mut config = unicast();
        config.follow_old_unicast_checksum = follow;
        let mut bench = Bench::master(config);
        bench.accepts(&old, vrrp_proto::Accepted::LowerPriority);
        let bytes = bench.encode(&bench.adverts()[0]);
        let packet = Packet::new_checked(&bytes, Family::V4).unwrap();
        let addresses = PseudoHeader::new(ip(OURS), ip("10.0.0.1")).unwrap();
        assert_eq!(packet.verify_checksum(&addresses), Ok(wanted));
    }
}

#[test]
fn a_buffer_that_is_too_small_is_an_error_that_tells_the_size() {
    let bench = Bench::master(config(Version::V2, 100));
    let advert = bench.adverts()[0];
    let need = bench.router.encoded_len() - 20;
    for have in 0..need {
        let mut out = vec![0; have];
        let refused = bench
            .router
            .encode_message(&advert, ip("224.0.0.18"), &mut out);
        assert_eq!(refused, Err(EncodeError::Buffer { need, have }));
    }
    let mut out = vec![0; need];
    let to = ip("ff02::12");
    let refused = bench.router.encode_message(&advert, to, &mut out);
    assert!(matches!(refused, Err(EncodeError::Family { .. })));
}

#[test]
fn what_one_router_sends_another_accepts_as_a_whole_datagram() {
    let mut sender = Bench::new(config(Version::V2, 200));
    sender.router = VirtualRouter::new({
        let mut config = config(Version::V2, 200);
        config.source = Some(ip("10.0.0.1"));
        config
    })
    .unwrap();
    sender.event(Event::Startup);
    sender.run_until_next();
    let datagram = datagram(&sender);
    let mut receiver = Bench::backup(config(Version::V2, 100));
    let received = Received::from_ipv4(&datagram).unwrap();
    let verdict = receiver.packet(&received);
    assert!(matches!(verdict, vrrp_proto::Verdict::Accepted(_)));
    assert!(matches!(sender.actions[0], Action::SendAdvert(_)));
}

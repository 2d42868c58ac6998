//! B: receiving.

use vrrp_proto::wire::ChecksumForm;
use vrrp_proto::{
    Accepted, AddressCheck, DropReason, Event, Interval, Peer, State, Transport, Verdict, Version,
    Warning,
};

use crate::harness::{Bench, OURS, Other, config, ip, millis, names, seconds};

fn better(version: Version) -> Other {
    Other::new(version, "10.0.0.9", 200)
}

#[test]
fn item_026_multicast_needs_hop_limit_255() {
    for version in [Version::V2, Version::V3] {
        let mut bench = Bench::backup(config(version, 100));
        for hop_limit in [0, 1, 64, 254] {
            let far = better(version).with(|other| other.hop_limit = hop_limit);
            bench.drops(&far, DropReason::HopLimit);
        }
        bench.accepts(&better(version), Accepted::MasterAlive);
    }
}

fn unicast(peers: Vec<Peer>, check_source: bool) -> Bench {
    let mut config = config(Version::V3, 100);
    config.transport = Transport::Unicast {
        peers,
        check_source,
    };
    Bench::backup(config)
}

fn to_us(source: &str, hop_limit: u8) -> Other {
    Other::new(Version::V3, source, 200).with(|other| {
        other.destination = ip(OURS);
        other.hop_limit = hop_limit;
    })
}

#[test]
fn item_026_unicast_checks_the_hop_limit_only_within_a_peers_bounds() {
    let mut bench = unicast(vec![Peer::new(ip("10.0.0.9"))], false);
    bench.accepts(&to_us("10.0.0.9", 3), Accepted::MasterAlive);
    let mut bounded = Peer::new(ip("10.0.0.9"));
    bounded.min_hop_limit = 250;
    let mut bench = unicast(vec![bounded], false);
    bench.drops(&to_us("10.0.0.9", 249), DropReason::PeerHopLimit);
    bench.accepts(&to_us("10.0.0.9", 250), Accepted::MasterAlive);
}

#[test]
fn item_027_the_other_version_is_dropped() {
    let mut bench = Bench::backup(config(Version::V2, 100));
    bench.drops(&better(Version::V3), DropReason::Version);
    let mut bench = Bench::backup(config(Version::V3, 100));
    bench.drops(&better(Version::V2), DropReason::Version);
}

fn changed(version: Version, edit: impl FnOnce(&mut Vec<u8>)) -> Verdict {
    let mut bench = Bench::backup(config(version, 100));
    let other = better(version);
    let mut bytes = other.encode();
    edit(&mut bytes);
    bench.packet(&other.received(&bytes))
}

#[test]
fn item_028_another_type_is_dropped() {
    for kind in (0..16).filter(|kind| *kind != 1) {
        assert_eq!(
            changed(Version::V2, |bytes| bytes[0] = 0x20 | kind),
            Verdict::Dropped(DropReason::Type)
        );
    }
}

#[test]
fn item_029_incomplete_messages_are_dropped_at_every_length() {
    for version in [Version::V2, Version::V3] {
        let whole = better(version).encode().len();
        for len in 0..whole {
            let verdict = changed(version, |bytes| bytes.truncate(len));
            assert_eq!(verdict, Verdict::Dropped(DropReason::Truncated), "{len}");
        }
    }
}

#[test]
fn item_030_excess_inside_the_ip_length_is_dropped_and_padding_after_it_ignored() {
    for extra in [1, 2, 4, 27, 28, 29, 200] {
        let verdict = changed(Version::V2, |bytes| bytes.extend(vec![0; extra]));
        assert_eq!(verdict, Verdict::Dropped(DropReason::Excess), "{extra}");
    }
    let mut sender = Bench::master({
        let mut config = config(Version::V2, 200);
        config.source = Some(ip("10.0.0.9"));
        config
    });
    let advert = sender.adverts()[0];
    let mut datagram = vec![0; sender.router.encoded_len()];
    sender
        .router
        .encode_datagram(&advert, ip("224.0.0.18"), &mut datagram)
        .unwrap();
    datagram.extend([0xaa; 6]);
    sender.event(Event::Shutdown);
    let mut bench = Bench::backup(config(Version::V2, 100));
    let received = vrrp_proto::Received::from_ipv4(&datagram).unwrap();
    assert_eq!(
        bench.packet(&received),
        Verdict::Accepted(Accepted::MasterAlive)
    );
}

#[test]
fn item_031_a_bad_checksum_is_dropped_also_without_pseudo_header() {
    for version in [Version::V2, Version::V3] {
        let verdict = changed(version, |bytes| bytes[7] ^= 1);
        assert_eq!(verdict, Verdict::Dropped(DropReason::Checksum));
    }
    let mut config = config(Version::V3, 100);
    config.checksum = ChecksumForm::Message;
    let mut bench = Bench::backup(config);
    let other = better(Version::V3);
    let mut bytes = other.encode();
    bytes[6] ^= 0x40;
    assert_eq!(
        bench.packet(&other.received(&bytes)),
        Verdict::Dropped(DropReason::Checksum)
    );
}

#[test]
fn item_021_version_3_over_ipv4_accepts_the_sum_with_and_without_pseudo_header() {
    let mut bench = Bench::backup(config(Version::V3, 100));
    for form in [ChecksumForm::Message, ChecksumForm::PseudoHeader] {
        let other = better(Version::V3).with(|other| other.form = form);
        bench.accepts(&other, Accepted::MasterAlive);
    }
}

#[test]
fn item_032_another_virtual_router_is_not_ours() {
    let verdict = changed(Version::V3, |bytes| {
        bytes[1] = 52;
        bytes[7] = bytes[7].wrapping_sub(1);
    });
    assert_eq!(verdict, Verdict::Dropped(DropReason::Vrid));
    let verdict = changed(Version::V3, |bytes| bytes[1] = 0);
    assert_eq!(verdict, Verdict::Dropped(DropReason::Vrid));
}

#[test]
fn item_033_an_owner_ignores_adverts_if_told_to() {
    let mut config = config(Version::V2, 255);
    config.owner_ignore_adverts = true;
    let mut bench = Bench::master(config);
    for priority in [1, 255] {
        let other = Other::new(Version::V2, "10.0.0.9", priority);
        bench.drops(&other, DropReason::OwnerIgnores);
        assert_eq!(names(&bench.actions), Vec::<&str>::new());
    }
}

#[test]
fn item_034_version_3_with_interval_0_is_dropped() {
    let verdict = changed(Version::V3, |bytes| {
        bytes[5] = 0;
        bytes[7] += 100;
    });
    assert_eq!(verdict, Verdict::Dropped(DropReason::IntervalZero));
}

#[test]
fn item_035_no_addresses_are_accepted_only_by_a_router_without_addresses() {
    let none = better(Version::V3).with(|other| other.addresses.clear());
    let mut bench = Bench::backup(config(Version::V3, 100));
    bench.drops(&none, DropReason::NoAddresses);
    let mut config = config(Version::V3, 100);
    config.addresses.clear();
    let mut bench = Bench::backup(config);
    bench.accepts(&none, Accepted::MasterAlive);
}

#[test]
fn item_036_item_037_other_addresses_are_reported_and_the_advert_counts() {
    for version in [Version::V2, Version::V3] {
        let mut bench = Bench::backup(config(version, 100));
        let other = better(version).with(|other| other.addresses[1] = ip("10.0.0.77"));
        bench.accepts(&other, Accepted::MasterAlive);
        assert_eq!(
            bench.warnings(),
            [Warning::AddressListMismatch {
                source: ip("10.0.0.9")
            }]
        );
        assert_eq!(bench.router.stats().address_list_mismatches, 1);
        // The same addresses in another order are the same list.
        let turned = better(version).with(|other| other.addresses.reverse());
        bench.accepts(&turned, Accepted::MasterAlive);
        assert_eq!(bench.router.stats().address_list_mismatches, 1);
    }
}

#[test]
fn item_037_the_strict_switch_drops_other_addresses_in_version_2_except_from_an_owner() {
    let strict = |version| {
        let mut config = config(version, 100);
        config.address_check = AddressCheck::Drop;
        Bench::backup(config)
    };
    let fewer = |version, priority| {
        Other::new(version, "10.0.0.9", priority).with(|other| {
            other.addresses.pop();
        })
    };
    strict(Version::V2).drops(&fewer(Version::V2, 200), DropReason::AddressList);
    strict(Version::V2).accepts(&fewer(Version::V2, 255), Accepted::MasterAlive);
    strict(Version::V3).accepts(&fewer(Version::V3, 200), Accepted::MasterAlive);
}

#[test]
fn skipping_the_list_of_a_known_master() {
    let mut config = config(Version::V3, 100);
    config.address_check = AddressCheck::SkipKnownMaster;
    let mut bench = Bench::backup(config);
    let other = better(Version::V3).with(|other| other.addresses[1] = ip("10.0.0.77"));
    bench.accepts(&other, Accepted::MasterAlive);
    bench.accepts(&other, Accepted::MasterAlive);
    assert_eq!(bench.router.stats().address_list_mismatches, 1);
}

#[test]
fn item_038_version_2_with_another_interval_is_dropped() {
    let mut bench = Bench::backup(config(Version::V2, 100));
    let slow = better(Version::V2).with(|other| {
        other.interval = Interval::from_seconds(2).unwrap();
    });
    bench.drops(&slow, DropReason::IntervalMismatch);
}

#[test]
fn item_039_version_3_with_another_interval_is_reported_and_counts() {
    let mut bench = Bench::backup(config(Version::V3, 100));
    let fast = better(Version::V3).with(|other| {
        other.interval = Interval::from_centiseconds(10).unwrap();
    });
    bench.accepts(&fast, Accepted::MasterAlive);
    assert!(matches!(
        bench.warnings()[..],
        [Warning::IntervalDiffers { .. }]
    ));
}

#[test]
fn item_040_the_reserved_nibble_is_ignored() {
    let verdict = changed(Version::V3, |bytes| {
        bytes[4] |= 0xf0;
        let sum = u16::from_be_bytes([bytes[6], bytes[7]]);
        let (less, borrow) = sum.overflowing_sub(0xf000);
        let fixed = less - u16::from(borrow);
        bytes[6..8].copy_from_slice(&fixed.to_be_bytes());
    });
    assert_eq!(verdict, Verdict::Accepted(Accepted::MasterAlive));
}

#[test]
fn item_043_drops_are_counted_by_reason_and_reported_at_a_bounded_rate() {
    let mut bench = Bench::backup(config(Version::V3, 100));
    let far = better(Version::V3).with(|other| other.hop_limit = 1);
    let mut reports = 0;
    for _ in 0..100 {
        bench.drops(&far, DropReason::HopLimit);
        reports += bench.warnings().len();
    }
    assert_eq!(reports, 1);
    // Another kind is not hidden by the first.
    bench.drops(&better(Version::V2), DropReason::Version);
    assert_eq!(bench.warnings().len(), 1);
    let stats = bench.router.stats();
    assert_eq!(stats.dropped(DropReason::HopLimit), 100);
    assert_eq!(stats.dropped(DropReason::Version), 1);
    assert_eq!(stats.dropped_total(), 101);
    assert_eq!(stats.adverts_received, 0);
}

/// Bad packets at three times the advert rate: adverts keep their times, a backup its timer.
#[test]
fn item_044_a_dropped_packet_changes_nothing() {
    for version in [Version::V2, Version::V3] {
        let other = better(version);
        let good = other.encode();
        let mut bad = vec![vec![], good[..7].to_vec(), [&good[..], &[0; 4]].concat()];
        for (at, bit) in [(0, 0x10), (0, 2), (1, 1), (2, 1), (3, 1), (7, 1)] {
            let mut bytes = good.clone();
            bytes[at] ^= bit;
            bad.push(bytes);
        }
        let mut master = Bench::master(config(version, 100));
        let began = master.now;
        let mut adverts = 0;
        for step in 1..=300usize {
            adverts += master.run(millis(333)).len();
            let received = other.received(&bad[step % bad.len()]);
            let before = master.router.poll_timeout();
            assert!(matches!(master.packet(&received), Verdict::Dropped(_)));
            assert_eq!(master.router.poll_timeout(), before);
            assert_eq!(master.router.state(), State::Master);
        }
        let elapsed = (master.now - began).as_secs();
        // One per second, and the second burst of announcements.
        assert_eq!(adverts as u64, elapsed + 1);

        let mut backup = Bench::backup(config(version, 100));
        let due = backup.router.poll_timeout();
        for bytes in &bad {
            backup.pass(millis(100));
            assert!(matches!(
                backup.packet(&other.received(bytes)),
                Verdict::Dropped(_)
            ));
        }
        assert_eq!(backup.router.poll_timeout(), due);
    }
}

#[test]
fn item_045_multicast_where_unicast_is_configured_and_the_reverse_are_dropped() {
    let mut bench = unicast(vec![Peer::new(ip("10.0.0.9"))], false);
    bench.drops(&better(Version::V3), DropReason::Destination);
    let mut bench = Bench::backup(config(Version::V3, 100));
    bench.drops(&to_us("10.0.0.9", 255), DropReason::Destination);
}

#[test]
fn item_046_a_sender_that_is_no_peer_is_accepted_unless_sources_are_checked() {
    let peers = || vec![Peer::new(ip("10.0.0.1"))];
    unicast(peers(), false).accepts(&to_us("10.0.0.9", 255), Accepted::MasterAlive);
    unicast(peers(), true).drops(&to_us("10.0.0.9", 255), DropReason::UnknownSource);
    let mut bounded = peers();
    bounded[0].max_hop_limit = 200;
    unicast(bounded, false).drops(&to_us("10.0.0.9", 255), DropReason::UnknownSource);
}

#[test]
fn item_048_our_own_adverts_are_dropped() {
    let mut bench = Bench::master(config(Version::V2, 100));
    let own = Other::new(Version::V2, OURS, 100);
    bench.drops(&own, DropReason::OwnAdvert);
    assert_eq!(
        bench.warnings(),
        [Warning::DuplicateSource { source: ip(OURS) }]
    );
    assert_eq!(bench.router.state(), State::Master);
}

#[test]
fn nothing_is_heard_before_the_start_or_at_fault() {
    let mut bench = Bench::new(config(Version::V2, 100));
    bench.drops(&better(Version::V2), DropReason::NotListening);
    bench.pass(seconds(1));
    bench.event(Event::Startup);
    let fault = vrrp_proto::Fault::InterfaceDown("eth0".into());
    bench.event(Event::FaultRaised(fault));
    bench.drops(&better(Version::V2), DropReason::NotListening);
    assert_eq!(bench.warnings(), []);
}

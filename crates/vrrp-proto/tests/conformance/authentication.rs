//! I: authentication.

use std::time::Duration;

use vrrp_proto::auth::{AntiReplay, Authentication, HmacKey, Password, Signing, SigningMode};
use vrrp_proto::wire::AuthData;
use vrrp_proto::{
    Accepted, Config, ConfigError, DropReason, Event, Family, Interval, Received, State, UnixTime,
    Verdict, Version, VirtualRouter,
};

use crate::harness::{Bench, Other, config, ip, seconds};

fn with(auth: Authentication, priority: u8, source: &str) -> Config {
    let mut config = config(Version::V2, priority);
    config.authentication = auth;
    config.source = Some(ip(source));
    config
}

fn password(secret: &str) -> Authentication {
    Authentication::Password(Password::new(secret.as_bytes()))
}

#[test]
fn item_095_passwords_are_compared_whole() {
    let mut bench = Bench::backup(with(password("s3cret12"), 100, "10.0.0.5"));
    let other = |secret: &str| {
        Other::new(Version::V2, "10.0.0.9", 200).with(|other| {
            other.auth = AuthData::password(&Password::new(secret.as_bytes()));
        })
    };
    bench.accepts(&other("s3cret12"), Accepted::MasterAlive);
    bench.accepts(&other("s3cret12 and more"), Accepted::MasterAlive);
    bench.drops(&other("s3cret1"), DropReason::Password);
    bench.drops(&other("S3cret12"), DropReason::Password);
    bench.drops(&other(""), DropReason::Password);
}

#[test]
fn item_041_the_authentication_type_must_be_ours_and_known() {
    let kind = |kind| {
        Other::new(Version::V2, "10.0.0.9", 200).with(|other| {
            other.auth = AuthData::Typed { kind, data: [0; 8] };
        })
    };
    let mut none = Bench::backup(with(Authentication::None, 100, "10.0.0.5"));
    none.accepts(&kind(0), Accepted::MasterAlive);
    none.drops(&kind(1), DropReason::AuthTypeMismatch);
    none.drops(&kind(2), DropReason::AuthTypeMismatch);
    for unknown in 3..=255 {
        none.drops(&kind(unknown), DropReason::AuthTypeUnknown);
    }
    let mut pass = Bench::backup(with(password("x"), 100, "10.0.0.5"));
    pass.drops(&kind(0), DropReason::AuthTypeMismatch);
}

#[test]
fn item_042_the_data_of_type_0_is_ignored_though_summed() {
    let mut bench = Bench::backup(with(Authentication::None, 100, "10.0.0.5"));
    let other = Other::new(Version::V2, "10.0.0.9", 200).with(|other| {
        other.auth = AuthData::Typed {
            kind: 0,
            data: *b"anything",
        };
    });
    bench.accepts(&other, Accepted::MasterAlive);
    let mut bytes = other.encode();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let verdict = bench.packet(&other.received(&bytes));
    assert_eq!(verdict, Verdict::Dropped(DropReason::Checksum));
}

fn header() -> Authentication {
    Authentication::Header(Password::new(b"ahsecret"))
}

/// The adverts of a sender as datagrams.
fn next_datagram(sender: &mut Bench) -> Vec<u8> {
    if sender.router.state() == State::Initialize {
        sender.event(Event::Startup);
    }
    sender.run_until_next();
    let advert = sender.adverts()[0];
    let mut out = vec![0; sender.router.encoded_len()];
    let to = sender.router.config().transport.destinations().next();
    sender
        .router
        .encode_datagram(&advert, to.unwrap(), &mut out)
        .unwrap();
    out
}

fn give(receiver: &mut Bench, datagram: &[u8]) -> Verdict {
    receiver.packet(&Received::from_ipv4(datagram).unwrap())
}

#[test]
fn item_096_the_header_is_verified_and_the_sequence_must_grow() {
    let mut sender = Bench::new(with(header(), 200, "10.0.0.9"));
    let mut receiver = Bench::backup(with(header(), 100, "10.0.0.5"));
    let first = next_datagram(&mut sender);
    let second = next_datagram(&mut sender);
    let alive = Verdict::Accepted(Accepted::MasterAlive);
    assert_eq!(give(&mut receiver, &first), alive);
    let replay = Verdict::Dropped(DropReason::HeaderReplay);
    assert_eq!(give(&mut receiver, &first), replay);
    for at in [16 + 3, 20 + 8, 20 + 12, 20 + 24 + 2] {
        let mut changed = second.clone();
        changed[at] ^= 1;
        let verdict = give(&mut receiver, &changed);
        assert!(matches!(verdict, Verdict::Dropped(_)), "byte {at}");
    }
    assert_eq!(give(&mut receiver, &second), alive);
    // Type of service, fragment field and checksum may change; the TTL of multicast may not.
    let third = next_datagram(&mut sender);
    let mut changed = third.clone();
    changed[1] = 0;
    changed[6] = 0x40;
    assert_eq!(give(&mut receiver, &changed), alive);
}

#[test]
fn item_096_a_backup_goes_on_from_the_masters_counter() {
    let mut sender = Bench::new(with(header(), 200, "10.0.0.9"));
    let mut receiver = Bench::backup(with(header(), 100, "10.0.0.5"));
    let mut third = Bench::backup(with(header(), 50, "10.0.0.3"));
    for _ in 0..10 {
        let datagram = next_datagram(&mut sender);
        give(&mut receiver, &datagram);
        give(&mut third, &datagram);
    }
    let taken_over = next_datagram(&mut receiver);
    assert_eq!(
        give(&mut third, &taken_over),
        Verdict::Accepted(Accepted::MasterAlive)
    );
    assert_eq!(taken_over[20 + 8..20 + 12], [0, 0, 0, 11]);
}

#[test]
fn item_096_a_sender_that_lost_its_counter_catches_up() {
    let mut old = Bench::new(with(header(), 100, "10.0.0.5"));
    for _ in 0..20 {
        next_datagram(&mut old);
    }
    let mut restarted = Bench::new(with(header(), 200, "10.0.0.9"));
    let behind = next_datagram(&mut restarted);
    assert_eq!(
        give(&mut old, &behind),
        Verdict::Dropped(DropReason::HeaderReplay)
    );
    let ahead = next_datagram(&mut old);
    assert_eq!(
        give(&mut restarted, &ahead),
        Verdict::Accepted(Accepted::LowerPriority)
    );
    let advert = restarted.adverts()[0];
    let mut answer = vec![0; restarted.router.encoded_len()];
    let to = ip("224.0.0.18");
    restarted
        .router
        .encode_datagram(&advert, to, &mut answer)
        .unwrap();
    assert_eq!(
        give(&mut old, &answer),
        Verdict::Accepted(Accepted::Yielded)
    );
}

/// Both send number N before either hears the other.
#[test]
fn item_096_two_masters_that_count_in_step_still_hear_each_other() {
    let mut low = Bench::new(with(header(), 100, "10.0.0.5"));
    let mut high = Bench::new(with(header(), 200, "10.0.0.9"));
    for _ in 0..20 {
        let (from_low, from_high) = (next_datagram(&mut low), next_datagram(&mut high));
        assert_eq!(from_low[28..32], from_high[28..32]);
    }
    let (from_low, from_high) = (next_datagram(&mut low), next_datagram(&mut high));
    assert_eq!(
        give(&mut high, &from_low),
        Verdict::Accepted(Accepted::LowerPriority)
    );
    assert_eq!(
        give(&mut high, &from_low),
        Verdict::Dropped(DropReason::HeaderReplay)
    );
    assert_eq!(
        give(&mut low, &from_high),
        Verdict::Accepted(Accepted::Yielded)
    );
}

#[test]
fn item_096_a_header_where_none_is_configured_and_the_reverse_are_dropped() {
    let mut sender = Bench::new(with(header(), 200, "10.0.0.9"));
    let mut plain = Bench::backup(with(Authentication::None, 100, "10.0.0.5"));
    let datagram = next_datagram(&mut sender);
    let mismatch = Verdict::Dropped(DropReason::AuthTypeMismatch);
    assert_eq!(give(&mut plain, &datagram), mismatch);
    let mut wants = Bench::backup(with(header(), 100, "10.0.0.5"));
    let plain = Other::new(Version::V2, "10.0.0.9", 200);
    wants.drops(&plain, DropReason::AuthTypeMismatch);
    let bare = plain.with(|other| other.auth = AuthData::HEADER);
    wants.drops(&bare, DropReason::AuthTypeMismatch);
}

fn key(id: u8) -> HmacKey {
    HmacKey::new(id, &[id; 32]).unwrap()
}

fn signed(mode: SigningMode, priority: u8, source: &str) -> Config {
    let mut config = config(Version::V3, priority);
    let mut signing = Signing::new(key(1), Interval::DEFAULT);
    signing.mode = mode;
    config.signing = Some(Box::new(signing));
    config.source = Some(ip(source));
    config
}

#[test]
fn item_023_item_097_the_trailer_follows_the_message_outside_the_ipv4_checksum() {
    let mut sender = Bench::new(signed(SigningMode::Enforce, 200, "10.0.0.9"));
    let datagram = next_datagram(&mut sender);
    assert_eq!(datagram.len(), 20 + 16 + 28);
    assert_eq!(datagram[20 + 16..20 + 20], [1, 1, 0, 0]);
    let mut receiver = Bench::backup(signed(SigningMode::Enforce, 100, "10.0.0.5"));
    // The two clocks are the same count here, as both benches start alike.
    receiver.now = sender.now;
    assert_eq!(
        give(&mut receiver, &datagram),
        Verdict::Accepted(Accepted::MasterAlive)
    );
}

#[test]
fn item_097_ipv6_and_version_2_are_signed_too() {
    for version in [Version::V2, Version::V3] {
        let ipv6 = |priority, source| {
            let mut config = Config::new(crate::harness::vrid(), Family::V6);
            config.version = version;
            config.priority = vrrp_proto::Priority::new(priority);
            config.signing = Some(Box::new(Signing::new(key(1), Interval::DEFAULT)));
            config.source = Some(ip(source));
            config.addresses = vec![ip("fe80::100")];
            config
        };
        let sender = Bench::master(ipv6(200, "fe80::9"));
        let mut receiver = Bench::backup(ipv6(100, "fe80::5"));
        receiver.now = sender.now;
        let bytes = sender.encode(&sender.adverts()[0]);
        let received = Received::new(ip("fe80::9"), ip("ff02::12"), 255, &bytes);
        assert_eq!(
            receiver.packet(&received),
            Verdict::Accepted(Accepted::MasterAlive)
        );
        let mut changed = bytes.clone();
        let last = changed.len() - 1;
        changed[last] ^= 1;
        let received = Received::new(ip("fe80::9"), ip("ff02::12"), 255, &changed);
        assert_eq!(
            receiver.packet(&received),
            Verdict::Dropped(DropReason::Checksum),
            "over IPv6 the checksum covers the trailer"
        );
    }
}

#[test]
fn item_098_the_three_modes() {
    for (mode, signs, takes_unsigned) in [
        (SigningMode::Enforce, true, false),
        (SigningMode::Permissive, true, true),
        (SigningMode::ReceiveOnly, false, true),
    ] {
        let sender = Bench::master(signed(mode, 200, "10.0.0.9"));
        let len = sender.encode(&sender.adverts()[0]).len();
        assert_eq!(len == 16 + 28, signs);
        let mut receiver = Bench::backup(signed(mode, 100, "10.0.0.5"));
        let unsigned = Other::new(Version::V3, "10.0.0.9", 200);
        let verdict = receiver.hear(&unsigned);
        let wanted = if takes_unsigned {
            Verdict::Accepted(Accepted::MasterAlive)
        } else {
            Verdict::Dropped(DropReason::SignatureMissing)
        };
        assert_eq!(verdict, wanted);
        // A signature that is there must be right in every mode.
        let mut forged = Bench::new(signed(SigningMode::Enforce, 200, "10.0.0.9"));
        let mut datagram = next_datagram(&mut forged);
        receiver.now = forged.now;
        let last = datagram.len() - 1;
        datagram[last] ^= 1;
        assert_eq!(
            give(&mut receiver, &datagram),
            Verdict::Dropped(DropReason::SignatureInvalid)
        );
    }
}

#[test]
fn item_098_keys_are_changed_without_an_interruption() {
    let sender = |active| {
        let mut config = signed(SigningMode::Enforce, 200, "10.0.0.9");
        let mut signing = config.signing.take().unwrap();
        signing.add_key(key(2));
        assert!(signing.activate(active));
        config.signing = Some(signing);
        config
    };
    let mut receiver = Bench::backup(signed(SigningMode::Enforce, 100, "10.0.0.5"));
    let mut new = Bench::new(sender(2));
    let datagram = next_datagram(&mut new);
    receiver.now = new.now;
    assert_eq!(
        give(&mut receiver, &datagram),
        Verdict::Dropped(DropReason::SignatureUnknownKey)
    );
    let mut config = receiver.router.config().clone();
    config.signing.as_mut().unwrap().add_key(key(2));
    receiver.router.reconfigure(receiver.now, config).unwrap();
    assert_eq!(
        give(&mut receiver, &datagram),
        Verdict::Accepted(Accepted::MasterAlive)
    );
    let mut unknown = Signing::new(key(1), Interval::DEFAULT);
    assert!(!unknown.activate(9));
    assert_eq!(unknown.active_key(), 1);
}

#[test]
fn item_098_malformed_stale_and_replayed_signatures_are_told_apart() {
    let mut sender = Bench::new(signed(SigningMode::Enforce, 200, "10.0.0.9"));
    let mut receiver = Bench::backup(signed(SigningMode::Enforce, 100, "10.0.0.5"));
    let datagram = next_datagram(&mut sender);
    receiver.now = sender.now;
    for (at, wanted) in [
        (20 + 16, DropReason::SignatureMalformed),
        (20 + 16 + 3, DropReason::SignatureMalformed),
        (20 + 16 + 1, DropReason::SignatureUnknownKey),
        (20 + 16 + 6, DropReason::SignatureStale),
        (20 + 16 + 11, DropReason::SignatureInvalid),
    ] {
        let mut changed = datagram.clone();
        changed[at] ^= 0x10;
        assert_eq!(give(&mut receiver, &changed), Verdict::Dropped(wanted));
    }
    let alive = Verdict::Accepted(Accepted::MasterAlive);
    assert_eq!(give(&mut receiver, &datagram), alive);
    assert_eq!(
        give(&mut receiver, &datagram),
        Verdict::Dropped(DropReason::SignatureReplay)
    );
    receiver.pass(seconds(6));
    assert_eq!(
        give(&mut receiver, &datagram),
        Verdict::Dropped(DropReason::SignatureStale)
    );
}

#[test]
fn item_098_without_clocks_the_counter_alone_decides() {
    let monotonic = |priority, source| {
        let mut config = signed(SigningMode::Enforce, priority, source);
        config.signing.as_mut().unwrap().anti_replay = AntiReplay::Monotonic;
        config
    };
    let mut sender = Bench::new(monotonic(200, "10.0.0.9"));
    let mut receiver = Bench::backup(monotonic(100, "10.0.0.5"));
    let year_2001 = UnixTime::new(Duration::from_secs(1_000_000_000));
    receiver.event(Event::WallClock(year_2001));
    let first = next_datagram(&mut sender);
    let second = next_datagram(&mut sender);
    let alive = Verdict::Accepted(Accepted::MasterAlive);
    assert_eq!(give(&mut receiver, &second), alive);
    assert_eq!(
        give(&mut receiver, &first),
        Verdict::Dropped(DropReason::SignatureReplay)
    );
}

#[test]
fn item_097_the_stamp_grows_though_the_clock_stands() {
    let mut bench = Bench::master(signed(SigningMode::Enforce, 255, "10.0.0.9"));
    bench.event(Event::WallClock(UnixTime::from_micros(1_000_000_000)));
    let mut last = 0;
    for source in ["10.0.0.10", "10.0.0.11", "10.0.0.12"] {
        // A new source address is advertised at once, at the same moment.
        bench.event(Event::SourceChanged(Some(source.parse().unwrap())));
        let bytes = bench.encode(&bench.adverts()[0]);
        let packet = vrrp_proto::wire::Packet::new_checked(&bytes, Family::V4).unwrap();
        let trailer = vrrp_proto::auth::Trailer::new(packet.trailing()).unwrap();
        assert!(trailer.stamp().value() > last);
        last = trailer.stamp().value();
    }
}

#[test]
fn contradicting_authentication_is_refused() {
    let mut config = with(password("x"), 100, "10.0.0.5");
    config.version = Version::V3;
    assert_eq!(
        VirtualRouter::new(config.clone()).unwrap_err(),
        ConfigError::AuthenticationVersion
    );
    config.version = Version::V2;
    config.signing = Some(Box::new(Signing::new(key(1), Interval::DEFAULT)));
    assert_eq!(
        VirtualRouter::new(config).unwrap_err(),
        ConfigError::AuthenticationAndSigning
    );
    assert!(HmacKey::new(0, &[0; 32]).is_err());
    assert!(HmacKey::new(1, &[0; 31]).is_err());
    assert!(HmacKey::new(1, &[0; 65]).is_err());
}

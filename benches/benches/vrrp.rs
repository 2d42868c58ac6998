//! VRRP messages: decode with checksum, encode, the demultiplexer's look, a whole advert through the
//! state machine.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::borrow::Cow;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use criterion::{Criterion, criterion_group, criterion_main};
use vrrp_proto::auth::{Authentication, HmacKey, Password, Signing};
use vrrp_proto::wire::{
    Advertisement, AuthData, ChecksumForm, MAX_ENCODED_LEN, Packet, PseudoHeader, peek,
};
use vrrp_proto::{
    Action, Config, Event, Family, Instant, Interval, Priority, Received, Version, VirtualRouter,
    Vrid,
};

const VRID: Vrid = match Vrid::new(51) {
    Some(vrid) => vrid,
    None => unreachable!(),
};
const SOURCE_V4: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 1);
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

fn headers(family: Family) -> PseudoHeader {
    match family {
        Family::V4 => PseudoHeader::V4(SOURCE_V4, GROUP_V4),
        Family::V6 => PseudoHeader::V6(
            Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12),
        ),
    }
}

fn addresses(family: Family, count: u8) -> Vec<IpAddr> {
    let address = |last: u8| match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::new(10, 66, 0, last)),
        Family::V6 => IpAddr::V6(Ipv6Addr::new(0xfd66, 0, 0, 0, 0, 0, 0, last.into())),
    };
    (100..100 + count).map(address).collect()
}

fn codec(criterion: &mut Criterion) {
    let cases = [
        ("v2 ipv4 pass, 1 address", Version::V2, Family::V4, 1),
        ("v3 ipv4, 1 address", Version::V3, Family::V4, 1),
        ("v3 ipv6, 3 addresses", Version::V3, Family::V6, 3),
        ("v3 ipv4, 100 addresses", Version::V3, Family::V4, 100),
    ];
    for (name, version, family, count) in cases {
        let list = addresses(family, count);
        let advertisement = Advertisement {
            version,
            family,
            vrid: VRID,
            priority: Priority::DEFAULT,
            interval: Interval::DEFAULT,
            addresses: Cow::Borrowed(&list),
            auth: match version {
                Version::V2 => AuthData::password(&Password::new(b"s3cret12")),
                Version::V3 => AuthData::None,
            },
        };
        let header = headers(family);
        let mut buffer = [0u8; MAX_ENCODED_LEN];
        let form = ChecksumForm::PseudoHeader;
        let len = advertisement.encode(&header, form, &mut buffer);
        let bytes = buffer.get(..len.unwrap_or(0)).unwrap_or_default().to_vec();
        criterion.bench_function(&format!("decode with checksum: {name}"), |bench| {
            bench.iter(|| {
                let packet = Packet::new_checked(black_box(&bytes), family)?;
                packet.verify_checksum(black_box(&header))?;
                Ok::<_, vrrp_proto::wire::ParseError>((packet.priority(), packet.interval()))
            });
        });
        criterion.bench_function(&format!("encode: {name}"), |bench| {
            bench.iter(|| {
                black_box(&advertisement).encode(black_box(&header), form, black_box(&mut buffer))
            });
        });
        criterion.bench_function(&format!("peek: {name}"), |bench| {
            bench.iter(|| peek(112, black_box(&bytes)));
        });
    }
}

fn config(authentication: Authentication, signed: bool, source: Ipv4Addr, priority: u8) -> Config {
    let mut config = Config::new(VRID, Family::V4);
    config.authentication = authentication;
    config.priority = Priority::new(priority);
    config.source = Some(source.into());
    config.addresses = addresses(Family::V4, 1);
    if signed {
        config.signing = HmacKey::new(1, &[1; 32])
            .ok()
            .map(|key| Box::new(Signing::new(key, Interval::DEFAULT)));
    }
    config
}

/// One advert: made and encoded by a master, and taken by a backup.
fn machine(criterion: &mut Criterion) {
    let cases = [
        ("no authentication", Authentication::None, false),
        (
            "password",
            Authentication::Password(Password::new(b"s3cret12")),
            false,
        ),
        (
            "authentication header",
            Authentication::Header(Password::new(b"s3cret12")),
            false,
        ),
        ("signed", Authentication::None, true),
    ];
    for (name, authentication, signed) in cases {
        let (Ok(mut master), Ok(mut backup)) = (
            VirtualRouter::new(config(authentication.clone(), signed, SOURCE_V4, 255)),
            VirtualRouter::new(config(
                authentication,
                signed,
                Ipv4Addr::new(10, 66, 0, 2),
                100,
            )),
        ) else {
            continue;
        };
        let mut now = Instant::ZERO;
        for router in [&mut master, &mut backup] {
            router.handle_event(now, Event::Startup);
            while router.poll_action().is_some() {}
        }
        let mut buffer = [0u8; 256];
        criterion.bench_function(&format!("advert sent and taken: {name}"), |bench| {
            bench.iter(|| {
                now = master.poll_timeout().unwrap_or(now);
                master.handle_timeout(now);
                while let Some(action) = master.poll_action() {
                    if let Action::SendAdvert(advert) = action
                        && let Ok(len) =
                            master.encode_datagram(&advert, GROUP_V4.into(), &mut buffer)
                        && let Some(datagram) = buffer.get(..len)
                        && let Ok(received) = Received::from_ipv4(datagram)
                    {
                        black_box(backup.handle_packet(now, &received));
                    }
                }
                while backup.poll_action().is_some() {}
            });
        });
    }
}

criterion_group!(benches, codec, machine);
criterion_main!(benches);

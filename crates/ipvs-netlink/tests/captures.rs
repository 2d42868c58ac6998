//! Answers of a real kernel (Linux 6.1, x86-64), kept as bytes; `captures_can_be_made_again` in
//! `kernel.rs` makes them.
#![cfg(target_endian = "little")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    dead_code,
    reason = "a test, with a part of the suite's helpers"
)]

mod suite;

use ipvs_netlink::wire::{Answer, Body, Incoming, Query, decode};
use ipvs_netlink::{DaemonRole, Name, Service, SyncDaemon, Timeouts};
use suite::{tables, tcp};

fn read(query: Query, bytes: &[u8]) -> Vec<Incoming> {
    decode(&query, bytes).collect::<Result<_, _>>().unwrap()
}

fn answers(query: Query, bytes: &[u8]) -> Vec<Answer> {
    let incoming = read(query, bytes).into_iter();
    let answers = incoming.filter_map(|message| match message.body {
        Body::Answer(answer) => Some(answer),
        _ => None,
    });
    answers.collect()
}

#[test]
fn the_family() {
    let bytes = include_bytes!("captures/family.bin");
    assert!(matches!(
        answers(Query::Family, bytes)[..],
        [Answer::Family(16..)]
    ));
    let end = read(Query::Family, bytes).pop().unwrap().body;
    assert_eq!(
        end,
        Body::Acknowledgement {
            errno: 0,
            text: None
        }
    );
}

#[test]
fn info_and_timeouts() {
    let info = answers(Query::Info, include_bytes!("captures/info.bin"));
    let [Answer::Info(info)] = info[..] else {
        panic!("{info:?}")
    };
    assert_eq!(
        info.to_string(),
        "IP Virtual Server version 1.2.1 (size=4096)"
    );
    let timeouts = answers(Query::Timeouts, include_bytes!("captures/timeouts.bin"));
    assert_eq!(timeouts, [Answer::Timeouts(Timeouts::KERNEL_DEFAULT)]);
}

#[test]
fn services() {
    let bytes = include_bytes!("captures/services.bin");
    let mut read: Vec<Service> = answers(Query::Services, bytes)
        .into_iter()
        .map(|answer| match answer {
            Answer::Service(entry) => entry.service,
            other => panic!("{other:?}"),
        })
        .collect();
    read.sort_by_key(|service| service.id);
    let wished: Vec<Service> = tables::every_kind()
        .services
        .into_values()
        .map(|service| service.service)
        .collect();
    assert_eq!(read, wished);
}

#[test]
fn destinations() {
    let id = tcp("192.0.2.100:0");
    let bytes = include_bytes!("captures/destinations.bin");
    let read = answers(Query::Destinations(id), bytes);
    let wished = tables::every_kind()
        .services
        .remove(&id)
        .unwrap()
        .destinations;
    assert_eq!(read.len(), wished.len());
    for answer in read {
        let Answer::Destination(entry) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(Some(&entry.destination), wished.get(&entry.destination.id));
        assert_eq!(
            (entry.active_connections, entry.stats.counters.connections),
            (0, 0)
        );
    }
}

#[test]
fn daemons() {
    let read = answers(Query::Daemons, include_bytes!("captures/daemons.bin"));
    let running = |role| SyncDaemon {
        max_length: Some(1472),
        group: Some("224.0.0.81".parse().unwrap()),
        port: Some(8848),
        ttl: Some(1),
        ..SyncDaemon::new(role, Name::new("eth0").unwrap(), 3)
    };
    let both = [DaemonRole::Master, DaemonRole::Backup]
        .map(running)
        .map(Answer::Daemon);
    assert_eq!(read, both);
}

#[test]
fn a_refusal() {
    let read = read(Query::Info, include_bytes!("captures/refusal.bin"));
    let bodies: Vec<Body> = read.into_iter().map(|message| message.body).collect();
    assert_eq!(
        bodies,
        [Body::Acknowledgement {
            errno: 2,
            text: None
        }]
    );
}

/// Any cut and any changed byte of a real answer is an error or another answer, never a panic.
#[test]
fn damaged_answers_are_harmless() {
    let id = tcp("192.0.2.100:0");
    let captures: [(Query, &[u8]); 5] = [
        (Query::Services, include_bytes!("captures/services.bin")),
        (
            Query::Destinations(id),
            include_bytes!("captures/destinations.bin"),
        ),
        (Query::Daemons, include_bytes!("captures/daemons.bin")),
        (Query::Family, include_bytes!("captures/family.bin")),
        (Query::Info, include_bytes!("captures/refusal.bin")),
    ];
    for (query, bytes) in captures {
        let bytes = &bytes[..bytes.len().min(1500)];
        for cut in 0..bytes.len() {
            decode(&query, &bytes[..cut]).for_each(drop);
        }
        let mut damaged = bytes.to_vec();
        for position in 0..bytes.len() {
            for value in [0, 1, 3, 5, 0x7f, 0xff] {
                damaged[position] = value;
                decode(&query, &damaged).for_each(drop);
            }
            damaged[position] = bytes[position];
        }
    }
}

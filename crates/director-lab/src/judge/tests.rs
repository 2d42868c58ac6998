use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::event::{AddressFact, Event, Happening, Request};
use crate::ipvs::{Destination, Forward, Service, Table};
use crate::scenario::duration::Span;
use crate::scenario::{Prefix, ProcessId, Scenario};

const VIP: &str = "172.16.1.8";

fn scenario() -> Scenario {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/two-nodes");
    Scenario::load(&root).unwrap()
}

fn at(milliseconds: u64) -> Moment {
    Moment(milliseconds * 1_000_000)
}

fn frame(began: u64, now: u64) -> Frame {
    Frame {
        step_began: at(began),
        now: at(now),
        slack: Duration::from_millis(100),
    }
}

fn browser() -> ProcessId {
    ProcessId {
        node: "client".to_owned(),
        process: "browser".to_owned(),
    }
}

fn request(world: &mut World, sequence: u64, started: u64, by: Result<&str, &str>) -> Vec<String> {
    let request = Request {
        sequence,
        started: at(started),
        finished: at(started + 5),
        address: VIP.parse().ok(),
        by: by.ok().map(str::to_owned),
        error: by.err().map(str::to_owned),
    };
    let what = Happening::Request {
        process: browser(),
        request,
    };
    let notes = world.observe(Event {
        at: at(started + 5),
        what,
    });
    notes.into_iter().map(|note| note.text).collect()
}

fn address(world: &mut World, node: &str, label: Option<&str>, present: bool) {
    let fact = AddressFact {
        interface: "eth0".to_owned(),
        prefix: Prefix::parse(VIP).unwrap(),
        label: label.map(str::to_owned),
    };
    let what = Happening::Address {
        node: node.to_owned(),
        fact,
        present,
    };
    world.observe(Event { at: at(1), what });
}

fn vip() -> IpAddr {
    VIP.parse().unwrap()
}

#[test]
fn addresses_are_where_they_were_announced_last() {
    let mut world = World::new(&scenario());
    let what = What::Address {
        address: vip(),
        on: vec!["server".to_owned()],
        not_on: vec!["client".to_owned()],
        label: Some("eth0:0".to_owned()),
    };
    let judged = |world: &World| judge(world, &what, frame(0, 2));
    assert_eq!(
        judged(&world),
        Judgement::NotYet("no watched node has 172.16.1.8".to_owned())
    );
    address(&mut world, "server", None, true);
    assert!(judged(&world).seen().contains("has the label eth0"));
    address(&mut world, "server", Some("eth0:0"), true);
    assert!(judged(&world).holds());
    address(&mut world, "client", None, true);
    assert_eq!(
        judged(&world),
        Judgement::NotYet("172.16.1.8 is on client".to_owned())
    );
    address(&mut world, "client", None, false);
    assert!(judged(&world).holds());
}

#[test]
fn a_table_must_hold_exactly_what_is_listed() {
    let mut world = World::new(&scenario());
    let wished = |weights: &[(&str, i64)]| What::Table {
        nodes: vec!["server".to_owned()],
        service: "tcp 172.16.1.8:80".parse().unwrap(),
        present: true,
        scheduler: Some("rr".to_owned()),
        destinations: Some(
            weights
                .iter()
                .map(|(a, w)| (a.parse().unwrap(), *w))
                .collect(),
        ),
        forward: None,
    };
    let one = wished(&[("172.16.1.4:80", 1)]);
    assert!(
        judge(&world, &one, frame(0, 1))
            .seen()
            .contains("no IPVS table")
    );
    let table = Table {
        heading: String::new(),
        services: vec![Service {
            key: "tcp 172.16.1.8:80".parse().unwrap(),
            scheduler: "rr".to_owned(),
            flags: String::new(),
            destinations: vec![Destination {
                address: "172.16.1.4:80".parse().unwrap(),
                forward: Forward::Route,
                weight: 1,
                active: 0,
                inactive: 0,
            }],
        }],
    };
    let what = Happening::Table {
        node: "server".to_owned(),
        table,
    };
    let notes = world.observe(Event { at: at(1), what });
    assert_eq!(notes.len(), 1);
    assert!(judge(&world, &one, frame(0, 1)).holds());
    let other = judge(&world, &wished(&[("172.16.1.4:80", 0)]), frame(0, 1));
    assert!(other.seen().contains("172.16.1.4:80 weight 1"), "{other:?}");
}

#[test]
fn a_failure_before_the_mark_does_not_count_one_after_it_is_final() {
    let mut world = World::new(&scenario());
    let what = What::NoFailures {
        requests: 2,
        since: Some("quiet".to_owned()),
    };
    request(&mut world, 1, 10, Err("refused"));
    world.set_mark("quiet", at(20));
    request(&mut world, 2, 30, Ok("rs1"));
    assert!(!judge(&world, &what, frame(0, 40)).holds());
    request(&mut world, 3, 40, Ok("rs2"));
    assert!(judge(&world, &what, frame(0, 50)).holds());
    request(&mut world, 4, 50, Err("refused"));
    assert!(matches!(
        judge(&world, &what, frame(0, 60)),
        Judgement::Never(_)
    ));
}

#[test]
fn shares_count_the_last_requests_only() {
    let mut world = World::new(&scenario());
    let what = What::Shares {
        requests: 4,
        scheduler: "rr".to_owned(),
        weights: BTreeMap::from([("rs1".to_owned(), 1), ("rs2".to_owned(), 1)]),
        address: None,
        tolerance: None,
        since: None,
    };
    for (sequence, server) in ["rs1", "rs1", "rs1", "rs2"].into_iter().enumerate() {
        request(
            &mut world,
            sequence as u64,
            10 * (sequence as u64 + 1),
            Ok(server),
        );
    }
    let judged = judge(&world, &what, frame(0, 100));
    assert!(
        judged.seen().contains("rs1 answered 3 of 4, promised 2"),
        "{judged:?}"
    );
    request(&mut world, 5, 60, Ok("rs1"));
    request(&mut world, 6, 70, Ok("rs2"));
    assert!(judge(&world, &what, frame(0, 100)).holds());
    // Requests from before the step are not its own.
    assert!(!judge(&world, &what, frame(50, 100)).holds());
}

#[test]
fn an_open_gap_counts_and_a_long_one_is_final() {
    let mut world = World::new(&scenario());
    let what = What::Gap {
        address: vip(),
        at_most: Span::parse("500ms").unwrap(),
        since: Some("cut".to_owned()),
    };
    request(&mut world, 1, 100, Ok("rs1"));
    world.set_mark("cut", at(150));
    assert!(matches!(
        judge(&world, &what, frame(200, 400)),
        Judgement::NotYet(_)
    ));
    request(&mut world, 2, 500, Ok("rs1"));
    assert!(judge(&world, &what, frame(200, 510)).holds());
    assert!(matches!(
        judge(&world, &what, frame(200, 1300)),
        Judgement::Never(_)
    ));
    let count = world.traffic.count(at(0));
    assert_eq!(
        count.longest_gap.get(&vip()),
        Some(&Duration::from_millis(400))
    );
}

#[test]
fn an_outage_is_told_once_at_each_end() {
    let mut world = World::new(&scenario());
    assert!(request(&mut world, 1, 10, Ok("rs1")).is_empty());
    let first = request(&mut world, 2, 20, Err("refused"));
    assert_eq!(first, ["request 2 to 172.16.1.8 fails: refused"]);
    assert!(request(&mut world, 3, 30, Err("refused")).is_empty());
    let mut told = Vec::new();
    for sequence in 4..40 {
        told.extend(request(&mut world, sequence, sequence * 10, Ok("rs1")));
    }
    assert_eq!(
        told,
        ["172.16.1.8 answers steadily again; 2 requests failed, longest silence 0.03 s"]
    );
}

#[test]
fn the_end_of_a_process_is_judged_by_its_kind() {
    let mut world = World::new(&scenario());
    let process = browser();
    let killed = What::Exited {
        process: process.clone(),
        status: None,
        signal: Some("KILL".to_owned()),
    };
    let running = What::Running(process.clone());
    let event = |what| Event { at: at(1), what };
    world.observe(event(Happening::Started {
        process: process.clone(),
        pid: 7,
    }));
    assert!(judge(&world, &running, frame(0, 1)).holds());
    assert!(!judge(&world, &killed, frame(0, 1)).holds());
    let ending = Ending {
        status: Some(0),
        signal: None,
    };
    world.observe(event(Happening::Exited {
        process: process.clone(),
        ending,
    }));
    assert!(matches!(
        judge(&world, &killed, frame(0, 1)),
        Judgement::Never(_)
    ));
    assert!(!judge(&world, &running, frame(0, 1)).holds());
}

#[test]
fn logs_count_from_the_step_or_the_mark() {
    let mut world = World::new(&scenario());
    let what = |since: Option<&str>| What::Log {
        process: browser(),
        contains: "ready".to_owned(),
        since: since.map(str::to_owned),
    };
    world.set_mark("early", at(0));
    let line = Happening::Line {
        process: browser(),
        text: "now ready".to_owned(),
    };
    world.observe(Event {
        at: at(5),
        what: line,
    });
    assert!(!judge(&world, &what(None), frame(10, 20)).holds());
    assert!(judge(&world, &what(Some("early")), frame(10, 20)).holds());
    assert_eq!(world.last_lines("client", 3).len(), 1);
}

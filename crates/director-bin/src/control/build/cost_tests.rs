//! What a snapshot of many servers costs. The time is printed; only what no machine should need fails the test.

use super::*;
use crate::config::Plan;
use crate::control::{Clock, ConfigState, Facts, Journal, Overrides};
use crate::lvs::{CheckStart, Fate, Model, RealServer, VirtualServer};
use crate::metrics::{Format, page};
use crate::script::HookLedger;
use director_control::snapshot::{Director, Lag};
use healthcheck::{Monitor, MonitorSettings};
use ipvs_netlink::{Destination, Forwarding, Scheduler, Service, ServiceId};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn virtual_server(number: u8) -> Arc<VirtualServer> {
    let real = |last: u8| RealServer {
        destination: Destination::new(
            SocketAddr::from(([10, 0, number, last], 80)),
            Forwarding::DirectRouting,
        ),
        inhibit_on_failure: false,
        snmp_name: None,
        recovery: crate::recovery::RecoverySettings::default(),
        checks: [CheckStart {
            kind: "TCP_CHECK",
            alpha: false,
        }]
        .into(),
        place: keepalived_conf::model::Origin::default(),
    };
    Arc::new(VirtualServer {
        name: format!("[10.1.0.{number}]:tcp:80").into(),
        services: vec![Service::new(
            ServiceId::tcp(SocketAddr::from(([10, 1, 0, number], 80))),
            Scheduler::RoundRobin,
        )],
        quorum: 1,
        hysteresis: 0,
        real_servers: (0..100).map(real).collect(),
        sorry_server: None,
        ha_suspend: false,
        snmp_name: None,
        place: keepalived_conf::model::Origin::default(),
    })
}

#[tokio::test]
async fn a_snapshot_of_ten_thousand_real_servers() {
    let servers: Vec<_> = (0..100).map(virtual_server).collect();
    let mut model = Model::default();
    model.replace(&servers, |_| Fate::New);
    let (monitor, _events) = Monitor::spawn(MonitorSettings::default());
    let now = Clock::now();
    let started = Instant::now();
    let facts = Facts {
        clock: now,
        director: Director {
            version: "0".to_owned(),
            pid: 1,
            node: "n".to_owned(),
            started: now.wall,
            log_levels: None,
            log_levels_until: None,
        },
        configuration: ConfigState::default(),
        overrides: Overrides::default(),
        loop_lag: Lag::default(),
        plan: Arc::new(Plan::default()),
        model: model.clone(),
        vrrp: None,
        peers: crate::control::PeerBook::default(),
        trackers: std::collections::BTreeMap::new(),
        hooks: HookLedger::default(),
        monitor,
        journal: Journal::new(),
        has_table: false,
    };
    let taken = started.elapsed();
    let snapshot = snapshot(facts, Path::new("/f"), &KernelReader::default()).await;
    let built = started.elapsed();
    let text = serde_json::to_vec(&snapshot).unwrap();
    let written = started.elapsed();
    let metrics = page(&snapshot, Format::Openmetrics);
    let scraped = started.elapsed();
    assert_eq!(
        snapshot
            .virtual_servers
            .iter()
            .map(|server| server.real_servers.len())
            .sum::<usize>(),
        10_000
    );
    println!(
        "10,000 real servers: the loop gives {taken:?} of its time, snapshot {built:?}, {} bytes of JSON after {written:?}, {} bytes of metrics in {:?}",
        text.len(),
        metrics.len(),
        scraped.saturating_sub(written)
    );
    // All of it off the loop but the first figure.
    assert!(taken < Duration::from_secs(1), "{taken:?}");
}

//! Tests of the table's reconciliation on the in-memory kernel.

use super::*;
use crate::lvs::{
    CheckId, CheckStart, Fate, Model, RealServer, SorryServer, Touched, Verdict, VirtualServer,
};
use ipvs_netlink::fake::{FakeKernel, FakeTransport};
use ipvs_netlink::{DaemonRole, Destination, Forwarding, Name, Scheduler, Service, SyncDaemon};
use keepalived_conf::model::Origin;
use proptest::prelude::*;
use std::net::SocketAddr;
use std::sync::Arc;
use tempfile::TempDir;

fn address(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], port))
}

fn service(last: u8, servers: &[(u8, u32)]) -> VirtualService {
    let destination = |(last, weight): &(u8, u32)| {
        Destination::new(address(*last, 80), Forwarding::DirectRouting).with_weight(*weight)
    };
    let service = Service::new(
        ServiceId::tcp(address(last, 80)),
        Scheduler::WeightedRoundRobin,
    );
    VirtualService::with_destinations(service, servers.iter().map(destination))
}

fn table(services: &[VirtualService]) -> Table {
    services.iter().cloned().collect()
}

/// The services alone; timeouts and daemons are the kernel's own.
fn services(kernel: &FakeKernel) -> Table {
    kernel.table().services.into_values().collect()
}

fn director(kernel: &FakeKernel, folder: &TempDir) -> IpvsTable<FakeTransport> {
    let client = Client::with_transport(kernel.transport()).unwrap();
    IpvsTable::new(client, OwnedServices::of(folder.path()))
}

#[test]
fn services_of_others_stay_and_leftovers_of_a_killed_director_go() {
    let (kernel, folder) = (FakeKernel::new(), tempfile::tempdir().unwrap());
    let mut other = Client::with_transport(kernel.transport()).unwrap();
    other
        .add_service(Service::new(
            ServiceId::tcp(address(99, 443)),
            Scheduler::RoundRobin,
        ))
        .unwrap();
    let foreign = kernel.table().services.into_values().next().unwrap();

    let mut first = director(&kernel, &folder);
    first
        .replace(
            table(&[service(1, &[(4, 1)]), service(2, &[(4, 1)])]),
            false,
        )
        .unwrap();
    drop(first);
    let _ = kernel.take_log();

    // The successor keeps what is still wished, without touching it, and removes the rest.
    let mut second = director(&kernel, &folder);
    let wished = [service(2, &[(4, 1), (5, 1)]), service(3, &[])];
    let changes = second.replace(table(&wished), false).unwrap();
    assert_eq!(changes.len(), 3, "{changes:?}");
    let touched: Vec<_> = kernel
        .take_log()
        .iter()
        .filter(|c| c.service() == Some(&ServiceId::tcp(address(2, 80))))
        .cloned()
        .collect();
    assert_eq!(touched.len(), 1, "only the new server: {touched:?}");
    assert_eq!(
        services(&kernel),
        table(&[wished[0].clone(), wished[1].clone(), foreign.clone()])
    );

    second.clear(false).unwrap();
    assert_eq!(services(&kernel), table(&[foreign]));
}

#[test]
fn a_refused_part_takes_everything_back() {
    let (kernel, folder) = (FakeKernel::new(), tempfile::tempdir().unwrap());
    let mut director = director(&kernel, &folder);
    let before = table(&[service(1, &[(4, 1), (5, 1)])]);
    director.replace(before.clone(), false).unwrap();
    kernel.remove_scheduler(&Scheduler::MaglevHashing);
    let mut refused = service(2, &[(4, 1)]);
    refused.service.scheduler = Scheduler::MaglevHashing;
    let error = director
        .replace(table(&[service(1, &[(4, 1)]), refused]), false)
        .unwrap_err();
    assert!(
        crate::output::chain(&error).contains("modprobe ip_vs_mh"),
        "{error}"
    );
    assert_eq!(services(&kernel), before);
    // A successor does not take the refused service for its own.
    assert_eq!(
        OwnedServices::of(folder.path()).read().services,
        before.services.keys().copied().collect()
    );
}

#[test]
fn a_record_that_names_too_much_refuses_nothing() {
    let (kernel, folder) = (FakeKernel::new(), tempfile::tempdir().unwrap());
    let mut director = director(&kernel, &folder);
    let both = table(&[service(1, &[(4, 1)]), service(2, &[(4, 1)])]);
    director.replace(both.clone(), false).unwrap();
    // From now on the record cannot be written: something is in the way of its new version.
    let record = std::fs::read_dir(folder.path()).unwrap().next().unwrap();
    let record = record.unwrap().path();
    std::fs::create_dir(record.with_extension("new")).unwrap();
    let one = table(&[service(1, &[(5, 1)])]);
    for _ in 0..2 {
        director.replace(one.clone(), false).unwrap();
        assert_eq!(services(&kernel), one);
    }
    let recorded = OwnedServices::of(folder.path()).read().services;
    assert_eq!(recorded, both.services.keys().copied().collect());
    // What a successor would not know of stays out.
    let error = director
        .replace(table(&[service(3, &[])]), false)
        .unwrap_err();
    assert!(matches!(error, TableError::Record(_)), "{error}");
    assert_eq!(services(&kernel), one);
}

#[test]
fn an_update_sends_one_command_and_repairs_what_others_have_changed() {
    let (kernel, folder) = (FakeKernel::new(), tempfile::tempdir().unwrap());
    let mut director = director(&kernel, &folder);
    director
        .replace(
            table(&[service(1, &[(4, 1), (5, 1)]), service(2, &[(4, 1)])]),
            false,
        )
        .unwrap();
    let _ = kernel.take_log();
    director.change(whole(service(1, &[(5, 1)]))).unwrap();
    assert_eq!(kernel.take_log().len(), 1);
    assert!(
        director
            .change(whole(service(1, &[(5, 1)])))
            .unwrap()
            .is_empty()
    );
    assert!(kernel.take_log().is_empty());

    let mut other = Client::with_transport(kernel.transport()).unwrap();
    other
        .remove_service(ServiceId::tcp(address(1, 80)))
        .unwrap();
    director
        .change(whole(service(1, &[(4, 1), (5, 1)])))
        .unwrap();
    assert_eq!(
        services(&kernel),
        table(&[service(1, &[(4, 1), (5, 1)]), service(2, &[(4, 1)])])
    );
}

#[test]
fn a_step_of_the_audit_repairs_what_others_have_changed() {
    let (kernel, folder) = (FakeKernel::new(), tempfile::tempdir().unwrap());
    let mut director = director(&kernel, &folder);
    let wished: Vec<_> = (1..=5)
        .map(|last| service(last, &[(4, 1), (5, 1)]))
        .collect();
    director.replace(table(&wished), false).unwrap();
    assert_eq!(director.audit(100).unwrap(), (vec![], true));
    let mut other = Client::with_transport(kernel.transport()).unwrap();
    let id = |last| ServiceId::tcp(address(last, 80));
    other
        .remove_destination(id(2), address(5, 80).into())
        .unwrap();
    let heavy = Destination::new(address(4, 80), Forwarding::DirectRouting).with_weight(9);
    other.edit_destination(id(4), heavy).unwrap();
    other.remove_service(id(5)).unwrap();
    let stray = Destination::new(address(77, 80), Forwarding::DirectRouting);
    other.add_destination(id(1), stray).unwrap();
    let _ = kernel.take_log();
    let mut repaired = Vec::new();
    loop {
        let (changes, over) = director.audit(2).unwrap();
        repaired.push(changes.len());
        if over {
            break;
        }
    }
    // Two services at a time: a stray and a missing server; a weight; a service with two servers.
    assert_eq!(repaired, [2, 1, 3]);
    assert_eq!(kernel.take_log().len(), 6);
    assert_eq!(services(&kernel), table(&wished));
}

#[test]
fn sync_daemons_and_timeouts_are_ours_too() {
    let (kernel, folder) = (FakeKernel::new(), tempfile::tempdir().unwrap());
    let mut director = director(&kernel, &folder);
    let daemon = |role| {
        let daemon = SyncDaemon::new(role, Name::new("lo").unwrap(), 7);
        BTreeMap::from([(role, daemon)])
    };
    let running = |kernel: &FakeKernel| {
        let daemons = kernel.table().daemons.unwrap_or_default();
        daemons.into_keys().collect::<Vec<_>>()
    };
    let mut wished = table(&[service(1, &[(4, 1)])]);
    wished.daemons = Some(daemon(DaemonRole::Backup));
    director.replace(wished, false).unwrap();
    assert_eq!(running(&kernel), [DaemonRole::Backup]);
    let to = |daemons| Delta {
        daemons: Some(daemons),
        ..Delta::default()
    };
    let changes = director.change(to(daemon(DaemonRole::Master))).unwrap();
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert_eq!(running(&kernel), [DaemonRole::Master]);
    // Somebody stops it: the audit starts it again.
    let mut other = Client::with_transport(kernel.transport()).unwrap();
    other.stop_daemon(DaemonRole::Master).unwrap();
    assert_eq!(director.audit(10).unwrap().0.len(), 1);
    assert_eq!(running(&kernel), [DaemonRole::Master]);
    // A successor that has none in its file stops what a killed director has left.
    drop(director);
    let mut second = self::director(&kernel, &folder);
    second
        .replace(table(&[service(1, &[(4, 1)])]), false)
        .unwrap();
    assert!(running(&kernel).is_empty());
    second.change(to(daemon(DaemonRole::Backup))).unwrap();
    second.clear(false).unwrap();
    assert!(running(&kernel).is_empty());
}

#[test]
fn connections_of_what_would_go_are_told() {
    let (kernel, folder) = (FakeKernel::new(), tempfile::tempdir().unwrap());
    let mut director = director(&kernel, &folder);
    let wished = table(&[service(1, &[(4, 1), (5, 1)]), service(2, &[(4, 1)])]);
    director.replace(wished, false).unwrap();
    let less = table(&[service(1, &[(4, 1)])]);
    let changes = director.difference(&less, false).unwrap();
    assert_eq!(changes.len(), 2);
    assert_eq!(
        director.at_stake(&changes).unwrap(),
        [],
        "nobody is connected"
    );
    let id = |last| ServiceId::tcp(address(last, 80));
    for (service, server, active) in [(1, 4, 9), (1, 5, 3), (2, 4, 2)] {
        let server = address(server, 80).into();
        kernel.edit_destination_entry(&id(service), &server, |entry| {
            (entry.active_connections, entry.inactive_connections) = (active, 1);
        });
    }
    let stakes = director.at_stake(&changes).unwrap();
    let told: Vec<_> = stakes
        .iter()
        .map(|stake| (stake.service, stake.active))
        .collect();
    assert_eq!(told, [(id(1), 3), (id(2), 2)]);
}

#[test]
fn with_flushing_nobody_else_has_services() {
    let (kernel, folder) = (FakeKernel::new(), tempfile::tempdir().unwrap());
    let mut other = Client::with_transport(kernel.transport()).unwrap();
    let foreign = Service::new(ServiceId::tcp(address(99, 443)), Scheduler::RoundRobin);
    other.add_service(foreign.clone()).unwrap();
    let mut director = director(&kernel, &folder);
    let wished = table(&[service(1, &[(4, 1)])]);
    let difference = director.difference(&wished, true).unwrap();
    assert_eq!(director.replace(wished.clone(), true).unwrap(), difference);
    assert_eq!(services(&kernel), wished);
    other.add_service(foreign).unwrap();
    director.clear(true).unwrap();
    assert!(services(&kernel).services.is_empty());
}

#[test]
fn a_stop_does_not_mind_what_is_gone_already() {
    let (kernel, folder) = (FakeKernel::new(), tempfile::tempdir().unwrap());
    let mut director = director(&kernel, &folder);
    let wished = [service(1, &[(4, 1)]), service(2, &[])];
    director.replace(table(&wished), false).unwrap();
    let mut other = Client::with_transport(kernel.transport()).unwrap();
    other
        .remove_service(ServiceId::tcp(address(1, 80)))
        .unwrap();
    director.clear(false).unwrap();
    assert!(services(&kernel).services.is_empty());
    assert!(OwnedServices::of(folder.path()).read().is_empty());
}

#[test]
fn a_refused_change_is_taken_back_and_names_what_was_refused() {
    let (kernel, folder) = (FakeKernel::new(), tempfile::tempdir().unwrap());
    let mut director = director(&kernel, &folder);
    let before = table(&[service(1, &[(4, 1)])]);
    director.replace(before.clone(), false).unwrap();
    kernel.remove_scheduler(&Scheduler::MaglevHashing);
    let mut refused = service(2, &[(4, 1)]);
    refused.service.scheduler = Scheduler::MaglevHashing;
    let delta = Delta {
        services: vec![service(1, &[(5, 1)]), refused],
        ..Delta::default()
    };
    let error = director.change(delta).unwrap_err();
    assert_eq!(
        error.refused(),
        Some((ServiceId::tcp(address(2, 80)), None))
    );
    assert_eq!(services(&kernel), before);
    assert!(director.is_unsure(), "the next change looks first");
    director.replace(before.clone(), false).unwrap();
    assert!(!director.is_unsure());
}

fn whole(service: VirtualService) -> Delta {
    Delta {
        services: vec![service],
        ..Delta::default()
    }
}

fn virtual_server(name: u8, weights: &[u32], inhibit: bool) -> VirtualServer {
    let real = |(index, weight): (usize, &u32)| RealServer {
        destination: Destination::new(
            address(u8::try_from(index).unwrap() + 100, 80),
            Forwarding::DirectRouting,
        )
        .with_weight(*weight),
        inhibit_on_failure: inhibit,
        snmp_name: None,
        recovery: crate::recovery::RecoverySettings::default(),
        checks: [CheckStart {
            kind: "TCP_CHECK",
            alpha: false,
        }]
        .into(),
        place: Origin::default(),
    };
    VirtualServer {
        name: name.to_string().into(),
        services: vec![Service::new(
            ServiceId::tcp(address(name, 80)),
            Scheduler::RoundRobin,
        )],
        quorum: 1,
        hysteresis: 0,
        real_servers: weights.iter().enumerate().map(real).collect(),
        sorry_server: Some(SorryServer {
            destination: Destination::new(address(200, 80), Forwarding::DirectRouting),
            inhibit,
        }),
        ha_suspend: false,
        snmp_name: None,
        place: Origin::default(),
    }
}

#[derive(Debug, Clone)]
enum Step {
    Verdict { server: u8, real: u8, up: bool },
    Reload { servers: Vec<Vec<u32>> },
    Restart,
    Interference { server: u8 },
    Audit,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let verdict = (1_u8..4, 100_u8..104, any::<bool>())
        .prop_map(|(server, real, up)| Step::Verdict { server, real, up });
    let reload = prop::collection::vec(prop::collection::vec(0_u32..3, 1..4), 0..4)
        .prop_map(|servers| Step::Reload { servers });
    let interference = (1_u8..4).prop_map(|server| Step::Interference { server });
    prop::collection::vec(
        prop_oneof![8 => verdict, 2 => reload, 1 => Just(Step::Restart), 1 => interference, 1 => Just(Step::Audit)],
        1..40,
    )
}

fn configuration(servers: &[Vec<u32>]) -> Vec<Arc<VirtualServer>> {
    let number = |index: usize| u8::try_from(index).unwrap() + 1;
    servers
        .iter()
        .enumerate()
        .map(|(index, weights)| Arc::new(virtual_server(number(index), weights, index == 1)))
        .collect()
}

#[test]
fn a_hundred_thousand_destinations() {
    let (kernel, folder) = (FakeKernel::new(), tempfile::tempdir().unwrap());
    let mut director = director(&kernel, &folder);
    let service = |number: u32| {
        let address = SocketAddr::from(((0x0a00_0000 + number).to_be_bytes(), 80));
        let servers = (0_u32..100).map(|server| {
            let address = SocketAddr::from(((0xac10_0000 + server).to_be_bytes(), 80));
            Destination::new(address, Forwarding::DirectRouting)
        });
        let service = Service::new(ServiceId::tcp(address), Scheduler::WeightedLeastConnection);
        VirtualService::with_destinations(service, servers)
    };
    let wished: Table = (1..=1000).map(service).collect();
    let changes = director.replace(wished.clone(), false).unwrap();
    assert_eq!(changes.len(), 101_000);
    assert_eq!(services(&kernel), wished);
    // One of them is another one: what that takes does not depend on the others.
    let _ = kernel.take_log();
    let mut one = service(500);
    let (id, first) = one
        .destinations
        .iter()
        .next()
        .map(|(id, first)| (*id, *first))
        .unwrap();
    one.destinations.insert(id, first.with_weight(7));
    assert_eq!(director.change(whole(one.clone())).unwrap().len(), 1);
    assert_eq!(kernel.take_log().len(), 1);
    // The look for what others have changed never asks for much at once.
    let mut other = Client::with_transport(kernel.transport()).unwrap();
    other
        .remove_destination(
            ServiceId::tcp(SocketAddr::from(([10, 0, 2, 188], 80))),
            address_of(3),
        )
        .unwrap();
    let (mut repaired, mut looks) = (0, 0);
    loop {
        let (changes, over) = director.audit(125).unwrap();
        repaired += changes.len();
        looks += 1;
        if over {
            break;
        }
    }
    assert_eq!(repaired, 1);
    assert!(looks >= 100_000 / AUDIT_DESTINATIONS, "{looks}");
    // A successor adopts all of it as it is.
    let _ = kernel.take_log();
    let mut successor = self::director(&kernel, &folder);
    let mut wished = wished;
    wished.insert(one);
    assert_eq!(successor.replace(wished, false).unwrap(), []);
    assert_eq!(kernel.take_log(), []);
    successor.clear(false).unwrap();
    assert!(services(&kernel).services.is_empty());
}

fn address_of(server: u32) -> DestinationId {
    SocketAddr::from(((0xac10_0000 + server).to_be_bytes(), 80)).into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens, the kernel has exactly what the model wishes; after interference, from the next audit or change of
    /// that service on.
    #[test]
    fn the_kernel_always_has_what_is_wished(steps in steps()) {
        let (kernel, folder) = (FakeKernel::new(), tempfile::tempdir().unwrap());
        let mut director = director(&kernel, &folder);
        let mut config = configuration(&[vec![1, 2], vec![1]]);
        let mut model = Model::default();
        model.replace(&config, |_| Fate::Kept);
        director.replace(model.wished(), false).unwrap();
        let mut disturbed = false;
        for step in steps {
            match step {
                Step::Verdict { server, real, up } => {
                    let id = CheckId { virtual_server: server.to_string().into(), real_server: address(real, 80).into(), index: 0 };
                    let mut touched = Touched::default();
                    model.observe(&id, Verdict::made(up, None, ""), &mut touched);
                    director.change(model.delta(&touched)).unwrap();
                }
                Step::Reload { servers } => {
                    config = configuration(&servers);
                    let before = model.clone();
                    model.replace(&config, |_| Fate::Kept);
                    director.change(before.delta_to(&model)).unwrap();
                }
                Step::Restart => {
                    director = self::director(&kernel, &folder);
                    model = Model::default();
                    model.replace(&config, |_| Fate::Kept);
                    director.replace(model.wished(), false).unwrap();
                    disturbed = false;
                }
                Step::Interference { server } => {
                    let mut other = Client::with_transport(kernel.transport()).unwrap();
                    disturbed |= other.remove_service(ServiceId::tcp(address(server, 80))).is_ok();
                }
                Step::Audit => {
                    while !director.audit(1).unwrap().1 {}
                    disturbed = false;
                }
            }
            if !disturbed {
                prop_assert_eq!(services(&kernel), model.wished());
            }
        }
        director.clear(false).unwrap();
        prop_assert!(services(&kernel).services.is_empty());
    }
}

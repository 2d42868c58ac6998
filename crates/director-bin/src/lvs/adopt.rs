//! Taking over from a director that was killed: what it knew can be read from the table it left.

use super::{CheckId, VirtualServer};
use ipvs_netlink::{Destination, Table};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The checks of servers that a predecessor had taken out. They start as failed, so that no traffic goes to a dead server
/// until it is found dead once more. `inherited` is what the predecessor left of its own services.
pub(crate) fn taken_out(servers: &[Arc<VirtualServer>], inherited: &Table) -> BTreeSet<CheckId> {
    let mut checks = BTreeSet::new();
    if inherited.services.is_empty() {
        return checks;
    }
    for server in servers {
        let left: Option<Vec<_>> = server
            .services
            .iter()
            .map(|service| inherited.services.get(&service.id))
            .collect();
        // A virtual server of which a part is new says nothing about its real servers.
        let Some(left) = left.filter(|left| !left.is_empty()) else {
            continue;
        };
        for real in &server.real_servers {
            let out = |destination: Option<&Destination>| {
                destination.is_none_or(|found| found.weight == 0 && real.destination.weight > 0)
            };
            if !left
                .iter()
                .all(|service| out(service.destinations.get(&real.destination.id)))
            {
                continue;
            }
            checks.extend((0..real.checks.len()).map(|index| CheckId {
                virtual_server: Arc::clone(&server.name),
                real_server: real.destination.id,
                index,
            }));
        }
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lvs::{CheckStart, Fate, Model, RealServer};
    use ipvs_netlink::{Forwarding, Scheduler, Service, ServiceId, VirtualService};
    use keepalived_conf::model::Origin;
    use std::net::SocketAddr;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 80))
    }

    fn destination(last: u8) -> Destination {
        Destination::new(address(last), Forwarding::DirectRouting)
    }

    fn virtual_server(last: u8) -> Arc<VirtualServer> {
        let real = |last| RealServer {
            destination: destination(last),
            inhibit_on_failure: false,
            snmp_name: None,
            recovery: crate::recovery::RecoverySettings::default(),
            checks: [CheckStart {
                kind: "TCP_CHECK",
                alpha: false,
            }]
            .into(),
            place: Origin::default(),
        };
        Arc::new(VirtualServer {
            name: last.to_string().into(),
            services: vec![Service::new(
                ServiceId::tcp(address(last)),
                Scheduler::RoundRobin,
            )],
            quorum: 1,
            hysteresis: 0,
            real_servers: vec![real(4), real(5), real(6)],
            sorry_server: None,
            ha_suspend: false,
            snmp_name: None,
            place: Origin::default(),
        })
    }

    #[test]
    fn what_was_out_stays_out_until_it_passes_a_check() {
        let servers = [virtual_server(1), virtual_server(2)];
        let left = [destination(4), destination(5).with_weight(0)];
        let inherited: Table = [VirtualService::with_destinations(
            servers[0].services[0].clone(),
            left,
        )]
        .into_iter()
        .collect();
        let out = taken_out(&servers, &inherited);
        assert_eq!(out.len(), 2, "absent or inhibited: {out:?}");
        let mut model = Model::default();
        model.replace(&servers, |id| {
            if out.contains(id) {
                Fate::TakenOut
            } else {
                Fate::New
            }
        });
        let wished = model.wished();
        let present = |last| {
            let service = &wished.services[&ServiceId::tcp(address(last))];
            service.destinations.len()
        };
        assert_eq!(
            (present(1), present(2)),
            (1, 3),
            "the second virtual server is new"
        );
    }
}

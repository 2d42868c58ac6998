//! Taking over from a director that was killed: what it knew can be read from the table it left.

use super::{CheckId, VirtualServer};
use ipvs_netlink::{Destination, Table};
use std::collections::BTreeSet;

/// Lets the checks of servers that a predecessor had taken out start as failed, so that no traffic goes to a dead server
/// until it is found dead once more. `inherited` is what the predecessor left of its own services. Tells which checks.
pub(crate) fn adopt(servers: &mut [VirtualServer], inherited: &Table) -> BTreeSet<CheckId> {
    let mut adopted = BTreeSet::new();
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
        for real in &mut server.real_servers {
            let out = |destination: Option<&Destination>| {
                destination.is_none_or(|found| found.weight == 0 && real.destination.weight > 0)
            };
            if !left
                .iter()
                .all(|service| out(service.destinations.get(&real.destination.id)))
            {
                continue;
            }
            for (index, check) in real.checks.iter_mut().enumerate() {
                check.alpha = true;
                let (virtual_server, real_server) = (server.name.clone(), real.destination.id);
                adopted.insert(CheckId {
                    virtual_server,
                    real_server,
                    index,
                });
            }
        }
    }
    adopted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lvs::{CheckStart, Model, RealServer};
    use ipvs_netlink::{Forwarding, Scheduler, Service, ServiceId, VirtualService};
    use std::net::SocketAddr;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 80))
    }

    fn destination(last: u8) -> Destination {
        Destination::new(address(last), Forwarding::DirectRouting)
    }

    fn virtual_server(last: u8) -> VirtualServer {
        let real = |last| RealServer {
            destination: destination(last),
            inhibit_on_failure: false,
            checks: vec![CheckStart {
                kind: "TCP_CHECK",
                alpha: false,
            }],
        };
        VirtualServer {
            name: last.to_string(),
            services: vec![Service::new(
                ServiceId::tcp(address(last)),
                Scheduler::RoundRobin,
            )],
            quorum: 1,
            hysteresis: 0,
            real_servers: vec![real(4), real(5), real(6)],
            sorry_server: None,
        }
    }

    #[test]
    fn what_was_out_stays_out_until_it_passes_a_check() {
        let mut servers = vec![virtual_server(1), virtual_server(2)];
        let left = [destination(4), destination(5).with_weight(0)];
        let inherited: Table = [VirtualService::with_destinations(
            servers[0].services[0].clone(),
            left,
        )]
        .into_iter()
        .collect();
        let adopted = adopt(&mut servers, &inherited);
        assert_eq!(adopted.len(), 2, "absent or inhibited: {adopted:?}");
        let mut model = Model::default();
        model.replace(servers, |_| false);
        let present = |name: &str| model.wished_of(name)[0].destinations.len();
        assert_eq!(
            (present("1"), present("2")),
            (1, 3),
            "the second virtual server is new"
        );
    }
}

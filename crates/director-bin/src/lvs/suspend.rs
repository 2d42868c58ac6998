//! `ha_suspend`: a node that does not hold the virtual address leaves the checks to the one that does.

use super::VirtualServer;
use ipvs_netlink::ServiceId;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

/// The virtual servers whose checks rest, when this machine has the addresses `present`. A virtual server that stands for
/// several addresses is checked while one of them is there; one by firewall marks alone has none, so it is always checked.
pub(crate) fn suspended(
    servers: &[Arc<VirtualServer>],
    present: &BTreeSet<IpAddr>,
) -> BTreeSet<Arc<str>> {
    let rests = |server: &&Arc<VirtualServer>| {
        let mut addresses = server
            .services
            .iter()
            .filter_map(|service| match service.id {
                ServiceId::Address { address, .. } => Some(address),
                _ => None,
            })
            .peekable();
        server.ha_suspend
            && addresses.peek().is_some()
            && !addresses.any(|address| present.contains(&address))
    };
    let resting = servers.iter().filter(rests);
    resting.map(|server| Arc::clone(&server.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipvs_netlink::{Family, Scheduler, Service};
    use keepalived_conf::model::Origin;

    fn server(name: &str, ids: Vec<ServiceId>, ha_suspend: bool) -> Arc<VirtualServer> {
        let service = |id| Service::new(id, Scheduler::RoundRobin);
        Arc::new(VirtualServer {
            name: name.into(),
            services: ids.into_iter().map(service).collect(),
            quorum: 1,
            hysteresis: 0,
            real_servers: Vec::new(),
            sorry_server: None,
            ha_suspend,
            snmp_name: None,
            place: Origin::default(),
        })
    }

    #[test]
    fn checks_rest_while_the_address_is_elsewhere() {
        let tcp = |last: u8| ServiceId::tcp(([10, 0, 0, last], 80).into());
        let mark = ServiceId::fwmark(7, Family::V4).unwrap();
        let servers = [
            server("one", vec![tcp(1)], true),
            server("group", vec![tcp(2), tcp(3)], true),
            server("mark", vec![mark], true),
            server("always", vec![tcp(4)], false),
        ];
        let resting = |present: &[u8]| {
            let present = present.iter().map(|last| IpAddr::from([10, 0, 0, *last]));
            suspended(&servers, &present.collect())
        };
        let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
        assert_eq!(resting(&[]), names(&["one", "group"]));
        assert_eq!(resting(&[3]), names(&["one"]));
        assert_eq!(resting(&[1, 2]), names(&[]));
    }
}

//! What is known of the machine, and the reading of the texts that the kernel tells it in.

use super::filter::Ruleset;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

/// An interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) up: bool,
    /// It has a carrier.
    pub(crate) running: bool,
    pub(crate) multicast: bool,
    pub(crate) mtu: u32,
    pub(crate) mac: Option<[u8; 6]>,
    pub(crate) addresses: Vec<IpAddr>,
}

/// Where packets to an address go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hop {
    pub(crate) interface: String,
    /// `None` on the same network.
    pub(crate) gateway: Option<IpAddr>,
}

/// What became of asking a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Accepted.
    Open,
    /// Somebody is there and refuses.
    Refused,
    /// Silence, or an error with this text.
    Nothing(String),
}

/// Everything that was found out. A fact that could not be had is absent, and [`unknown`](Self::unknown) says why.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// Values below /proc/sys, by their names with dots.
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) interfaces: BTreeMap<String, Interface>,
    /// Modules that are loaded, and those built into the kernel or found on disk.
    pub(crate) loaded: BTreeSet<String>,
    pub(crate) available: BTreeSet<String>,
    /// The kernel has an IPVS table here.
    pub(crate) ipvs: bool,
    /// Ways to the real servers.
    pub(crate) hops: BTreeMap<IpAddr, Hop>,
    /// Way of the default route.
    pub(crate) default_hop: Option<Hop>,
    /// The packet filter; `None` if it cannot be read.
    pub(crate) filter: Option<Ruleset>,
    /// Answers of real servers to a connection from here.
    pub(crate) answers: BTreeMap<(IpAddr, u16), Answer>,
    /// Who answers ARP requests for a virtual address, on its interface; own interfaces are not among them.
    pub(crate) claims: BTreeMap<IpAddr, BTreeSet<[u8; 6]>>,
    /// Ethernet addresses of real servers.
    pub(crate) neighbours: BTreeMap<IpAddr, [u8; 6]>,
    /// Whether a real server took a packet to the virtual address; absent if that was not tried.
    pub(crate) takes: BTreeMap<(IpAddr, u16, IpAddr), Answer>,
    /// Whether the answer of a NAT server to a client elsewhere came through here.
    pub(crate) returns: BTreeMap<(IpAddr, u16), bool>,
    /// Advertisements heard on an interface: source and VRID.
    pub(crate) heard: BTreeMap<String, BTreeSet<(IpAddr, u8)>>,
    /// Connections tracked, and the most.
    pub(crate) tracked: Option<(u64, u64)>,
    /// The clock is steered; `None` if the kernel does not say.
    pub(crate) clock_steered: Option<bool>,
    /// Differences between this node's file and its partner's.
    pub(crate) pair: Option<Vec<String>>,
    /// What could not be found out, by the name of the fact.
    pub(crate) unknown: BTreeMap<&'static str, String>,
}

impl Facts {
    pub(crate) fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    /// The greater of the values for all interfaces and for one, as the kernel takes it for `rp_filter` and the like.
    pub(crate) fn effective(&self, name: &str, interface: &str) -> Option<u32> {
        let of = |what: &str| {
            self.setting(&format!("net.ipv4.conf.{what}.{name}"))?
                .parse::<u32>()
                .ok()
        };
        match (of("all"), of(interface)) {
            (Some(all), Some(own)) => Some(all.max(own)),
            (one, other) => one.or(other),
        }
    }

    /// Which interface holds an address.
    pub(crate) fn holder(&self, address: IpAddr) -> Option<&str> {
        self.interfaces
            .iter()
            .find(|(_, interface)| interface.addresses.contains(&address))
            .map(|(name, _)| name.as_str())
    }
}

/// `02:00:00:00:00:01`
pub(crate) fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Reads such a text.
pub(crate) fn mac(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.trim().split(':');
    for byte in &mut bytes {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

/// A line of /proc/net/route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    interface: String,
    destination: u32,
    mask: u32,
    gateway: u32,
    metric: u32,
}

/// Reads /proc/net/route.
pub(crate) fn routes(text: &str) -> Vec<Route> {
    text.lines().skip(1).filter_map(route).collect()
}

fn route(line: &str) -> Option<Route> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let number = |at: usize| {
        u32::from_str_radix(fields.get(at)?, 16)
            .ok()
            .map(u32::from_be)
    };
    // RTF_UP
    let flags = u32::from_str_radix(fields.get(3)?, 16).ok()?;
    let route = Route {
        interface: (*fields.first()?).to_owned(),
        destination: number(1)?,
        gateway: number(2)?,
        mask: number(7)?,
        metric: fields.get(6)?.parse().ok()?,
    };
    (flags & 1 != 0).then_some(route)
}

/// The way to an address: the longest prefix, then the least metric.
pub(crate) fn hop(routes: &[Route], to: Ipv4Addr) -> Option<Hop> {
    let to = u32::from(to);
    let matching = routes
        .iter()
        .filter(|route| to & route.mask == route.destination);
    let best = matching
        .max_by_key(|route| (route.mask.leading_ones(), std::cmp::Reverse(route.metric)))?;
    Some(Hop {
        interface: best.interface.clone(),
        gateway: (best.gateway != 0).then(|| Ipv4Addr::from(best.gateway).into()),
    })
}

/// Reads /proc/net/arp: complete entries only.
pub(crate) fn neighbours(text: &str) -> BTreeMap<IpAddr, [u8; 6]> {
    let entry = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let flags = u32::from_str_radix(fields.get(2)?.trim_start_matches("0x"), 16).ok()?;
        let mac = mac(fields.get(3)?)?;
        (flags & 2 != 0)
            .then(|| Some((fields.first()?.parse().ok()?, mac)))
            .flatten()
    };
    text.lines().skip(1).filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_wins() {
        let text = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
            eth0\t00000000\t010110AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            eth1\t000010AC\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
            eth2\t000010AC\t00000000\t0000\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n";
        let routes = routes(text);
        let near = hop(&routes, "172.16.0.9".parse().unwrap()).unwrap();
        assert_eq!((near.interface.as_str(), near.gateway), ("eth1", None));
        let far = hop(&routes, "8.8.8.8".parse().unwrap()).unwrap();
        assert_eq!(
            (far.interface.as_str(), far.gateway),
            ("eth0", Some("172.16.1.1".parse().unwrap()))
        );
    }

    #[test]
    fn incomplete_neighbours_are_none() {
        let text = "IP address       HW type     Flags       HW address            Mask     Device\n\
            172.16.1.4       0x1         0x2         02:00:00:00:00:04     *        eth0\n\
            172.16.1.5       0x1         0x0         00:00:00:00:00:00     *        eth0\n";
        let all = neighbours(text);
        assert_eq!(all.len(), 1);
        assert_eq!(
            mac_text(all[&"172.16.1.4".parse::<IpAddr>().unwrap()]),
            "02:00:00:00:00:04"
        );
    }
}

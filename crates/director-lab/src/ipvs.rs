//! The IPVS table of a node, shown as `ipvsadm -Ln` shows it.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::str::FromStr;

use ipvs_netlink::{
    DestinationEntry, Forwarding, ServiceEntry, ServiceId, ServiceSnapshot, Snapshot, listing,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What identifies a virtual service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum ServiceKey {
    Address {
        protocol: Protocol,
        address: SocketAddr,
    },
    Mark(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_uppercase().as_str() {
            "TCP" => Some(Self::Tcp),
            "UDP" => Some(Self::Udp),
            "SCTP" => Some(Self::Sctp),
            _ => None,
        }
    }

    fn of(protocol: ipvs_netlink::Protocol) -> Option<Self> {
        match protocol {
            ipvs_netlink::Protocol::Tcp => Some(Self::Tcp),
            ipvs_netlink::Protocol::Udp => Some(Self::Udp),
            ipvs_netlink::Protocol::Sctp => Some(Self::Sctp),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { protocol, address } => {
                write!(f, "{} {address}", protocol.name().to_ascii_lowercase())
            }
            Self::Mark(mark) => write!(f, "fwmark {mark}"),
        }
    }
}

/// A service as scenarios write it: `tcp 172.16.1.8:80`, `172.16.1.8:80`, `fwmark 1`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not a virtual service: write `tcp ADDRESS:PORT`, `udp ADDRESS:PORT` or `fwmark N`"
)]
pub(crate) struct ServiceKeyError(String);

impl FromStr for ServiceKey {
    type Err = ServiceKeyError;

    fn from_str(text: &str) -> Result<Self, ServiceKeyError> {
        let wrong = || ServiceKeyError(text.to_owned());
        match text.split_once(char::is_whitespace) {
            None => {
                let address = text.parse().map_err(|_| wrong())?;
                Ok(Self::Address {
                    protocol: Protocol::Tcp,
                    address,
                })
            }
            Some(("fwmark", mark)) => Ok(Self::Mark(mark.trim().parse().map_err(|_| wrong())?)),
            Some((protocol, address)) => Ok(Self::Address {
                protocol: Protocol::parse(protocol).ok_or_else(wrong)?,
                address: address.trim().parse().map_err(|_| wrong())?,
            }),
        }
    }
}

/// How packets reach a destination, by the names of the kernel's listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Forward {
    /// Direct routing.
    Route,
    /// Network address translation.
    Masq,
    /// Encapsulation.
    Tunnel,
    /// The node itself.
    Local,
}

impl Forward {
    fn of(forwarding: Forwarding) -> Option<Self> {
        match forwarding {
            Forwarding::DirectRouting => Some(Self::Route),
            Forwarding::Masquerading => Some(Self::Masq),
            Forwarding::Tunnel(_) => Some(Self::Tunnel),
            Forwarding::Local => Some(Self::Local),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Route => "Route",
            Self::Masq => "Masq",
            Self::Tunnel => "Tunnel",
            Self::Local => "Local",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Destination {
    pub(crate) address: SocketAddr,
    pub(crate) forward: Forward,
    pub(crate) weight: i64,
    pub(crate) active: u64,
    pub(crate) inactive: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Service {
    pub(crate) key: ServiceKey,
    pub(crate) scheduler: String,
    /// `ops`, `persistent 300` and the like, as `ipvsadm` prints them.
    pub(crate) flags: String,
    pub(crate) destinations: Vec<Destination>,
}

/// One reading of the table, in a stable order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Table {
    /// The kernel's first line.
    pub(crate) heading: String,
    pub(crate) services: Vec<Service>,
}

impl Table {
    /// What the kernel has, without the few kinds of things that no scenario can name.
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let mut services: Vec<Service> = snapshot
            .services
            .iter()
            .filter_map(|found| service(&found.entry, &found.destinations))
            .collect();
        services.sort_by(|a, b| a.key.cmp(&b.key));
        Self {
            heading: snapshot.info.to_string(),
            services,
        }
    }

    pub(crate) fn service(&self, key: &ServiceKey) -> Option<&Service> {
        self.services.iter().find(|service| service.key == *key)
    }

    /// The same table with every connection count at zero: what was configured.
    pub(crate) fn without_counts(&self) -> Self {
        let mut table = self.clone();
        for destination in table.services.iter_mut().flat_map(|s| &mut s.destinations) {
            destination.active = 0;
            destination.inactive = 0;
        }
        table
    }

    /// Connections of all destinations.
    pub(crate) fn connections(&self) -> u64 {
        self.services
            .iter()
            .flat_map(|s| &s.destinations)
            .map(|d| d.active + d.inactive)
            .sum()
    }

    /// What somebody changed between `before` and this table, one phrase each.
    pub(crate) fn changes_since(&self, before: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        for old in &before.services {
            if self.service(&old.key).is_none() {
                changes.push(format!("{} removed", old.key));
            }
        }
        for new in &self.services {
            let Some(old) = before.service(&new.key) else {
                let mut text = format!("{} added ({}", new.key, new.scheduler);
                for destination in &new.destinations {
                    let _ = write!(
                        text,
                        ", {} weight {}",
                        destination.address, destination.weight
                    );
                }
                changes.push(text + ")");
                continue;
            };
            if old.scheduler != new.scheduler {
                changes.push(format!(
                    "{}: scheduler {} -> {}",
                    new.key, old.scheduler, new.scheduler
                ));
            }
            let was: BTreeMap<SocketAddr, &Destination> =
                old.destinations.iter().map(|d| (d.address, d)).collect();
            let is: BTreeMap<SocketAddr, &Destination> =
                new.destinations.iter().map(|d| (d.address, d)).collect();
            for address in was.keys().filter(|address| !is.contains_key(address)) {
                changes.push(format!("{}: {address} removed", new.key));
            }
            for (address, destination) in is {
                match was.get(&address) {
                    None => changes.push(format!(
                        "{}: {address} added, weight {}",
                        new.key, destination.weight
                    )),
                    Some(old) if old.weight != destination.weight => changes.push(format!(
                        "{}: {address} weight {} -> {}",
                        new.key, old.weight, destination.weight
                    )),
                    Some(_) => {}
                }
            }
        }
        changes
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.heading)?;
        writeln!(f, "Prot LocalAddress:Port Scheduler Flags")?;
        write!(
            f,
            "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn"
        )?;
        for service in &self.services {
            match &service.key {
                ServiceKey::Address { protocol, address } => {
                    write!(
                        f,
                        "\n{:<4} {address} {}",
                        protocol.name(),
                        service.scheduler
                    )?;
                }
                ServiceKey::Mark(mark) => write!(f, "\nFWM  {mark} {}", service.scheduler)?,
            }
            if !service.flags.is_empty() {
                write!(f, " {}", service.flags)?;
            }
            for destination in &service.destinations {
                write!(
                    f,
                    "\n  -> {:<28} {:<7} {:<6} {:<10} {:<10}",
                    destination.address.to_string(),
                    destination.forward.name(),
                    destination.weight,
                    destination.active,
                    destination.inactive
                )?;
            }
        }
        Ok(())
    }
}

fn service(entry: &ServiceEntry, destinations: &[DestinationEntry]) -> Option<Service> {
    let key = match entry.service.id {
        ServiceId::Fwmark { mark, .. } => ServiceKey::Mark(mark.get()),
        ServiceId::Address {
            protocol,
            address,
            port,
        } => ServiceKey::Address {
            protocol: Protocol::of(protocol)?,
            address: SocketAddr::new(address, port),
        },
    };
    // What follows protocol, address and scheduler in the line of the listing.
    let alone = ServiceSnapshot {
        entry: entry.clone(),
        destinations: Vec::new(),
    };
    let shown = listing::Listing::default().service(&alone);
    let line = shown.lines().last().unwrap_or_default();
    let flags: Vec<&str> = line.split_whitespace().skip(3).collect();
    let mut destinations: Vec<Destination> = destinations.iter().filter_map(destination).collect();
    destinations.sort_by_key(|destination| destination.address);
    Some(Service {
        key,
        scheduler: entry.service.scheduler.to_string(),
        flags: flags.join(" "),
        destinations,
    })
}

fn destination(entry: &DestinationEntry) -> Option<Destination> {
    let id = entry.destination.id;
    Some(Destination {
        address: SocketAddr::new(id.address, id.port),
        forward: Forward::of(entry.destination.forwarding)?,
        weight: entry.destination.weight.into(),
        active: entry.active_connections.into(),
        inactive: entry.inactive_connections.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use ipvs_netlink::{Family, Netmask, Persistence, Scheduler, Service as Kernel, Tunnel};

    fn service(
        kernel: Kernel,
        destinations: &[(&str, Forwarding, u32, u32, u32)],
    ) -> ServiceSnapshot {
        ServiceSnapshot {
            entry: ServiceEntry {
                service: kernel,
                stats: Default::default(),
            },
            destinations: destinations
                .iter()
                .map(|&(address, forwarding, weight, active, inactive)| {
                    let address: SocketAddr = address.parse().unwrap();
                    DestinationEntry {
                        destination: ipvs_netlink::Destination::new(address, forwarding)
                            .with_weight(weight),
                        active_connections: active,
                        inactive_connections: inactive,
                        persistent_connections: 0,
                        stats: Default::default(),
                    }
                })
                .collect(),
        }
    }

    fn snapshot() -> Snapshot {
        let scheduler = |name: &str| name.parse::<Scheduler>().unwrap();
        let tcp = |address: &str| ServiceId::tcp(address.parse().unwrap());
        let mut persistent = Kernel::new(tcp("172.16.1.9:80"), scheduler("wrr"));
        let netmask = Netmask::V4("255.255.255.0".parse().unwrap());
        persistent.persistence = Some(Persistence {
            timeout: 300,
            netmask,
        });
        Snapshot {
            info: ipvs_netlink::Info {
                version: 0x01_02_01,
                connection_table_size: 4096,
            },
            services: vec![
                service(persistent, &[]),
                service(
                    Kernel::new(tcp("172.16.1.8:80"), scheduler("rr")),
                    &[
                        ("172.16.1.5:80", Forwarding::DirectRouting, 1, 0, 7),
                        ("172.16.1.4:80", Forwarding::DirectRouting, 3, 2, 0),
                    ],
                ),
                service(
                    Kernel::new(tcp("[fd00::8]:443"), scheduler("sh")),
                    &[("[fd00::4]:443", Forwarding::Tunnel(Tunnel::ipip()), 1, 0, 0)],
                ),
                service(
                    Kernel::new(ServiceId::fwmark(10, Family::V4).unwrap(), scheduler("rr")),
                    &[],
                ),
            ],
            ..Snapshot::default()
        }
    }

    #[test]
    fn shown_as_ipvsadm_shows_it() {
        let expected = "\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  172.16.1.8:80 rr
  -> 172.16.1.4:80                Route   3      2          0         
  -> 172.16.1.5:80                Route   1      0          7         
TCP  172.16.1.9:80 wrr persistent 300 mask 255.255.255.0
TCP  [fd00::8]:443 sh
  -> [fd00::4]:443                Tunnel  1      0          0         
FWM  10 rr";
        assert_eq!(Table::of(&snapshot()).to_string(), expected);
    }

    #[test]
    fn changes_are_told() {
        let before = Table::of(&snapshot());
        let mut changed = snapshot();
        changed.services.pop();
        let destinations = &mut changed.services[1].destinations;
        destinations[0].destination.weight = 0;
        destinations[1].destination.id.address = "172.16.1.6".parse().unwrap();
        let after = Table::of(&changed);
        assert_eq!(
            after.changes_since(&before),
            [
                "fwmark 10 removed",
                "tcp 172.16.1.8:80: 172.16.1.4:80 removed",
                "tcp 172.16.1.8:80: 172.16.1.5:80 weight 1 -> 0",
                "tcp 172.16.1.8:80: 172.16.1.6:80 added, weight 3",
            ]
        );
        assert!(after.changes_since(&after).is_empty());
    }
}

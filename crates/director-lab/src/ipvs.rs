//! The IPVS table of a node, read from `/proc/net/ip_vs` of its namespace and shown as
//! `ipvsadm -Ln` shows it.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

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
    fn parse(text: &str) -> Option<Self> {
        match text {
            "Route" => Some(Self::Route),
            "Masq" => Some(Self::Masq),
            "Tunnel" => Some(Self::Tunnel),
            "Local" => Some(Self::Local),
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
    /// Reads the text of `/proc/net/ip_vs`; lines it cannot understand are left out.
    pub(crate) fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        let mut table = Self {
            heading: lines.next().unwrap_or_default().to_owned(),
            services: Vec::new(),
        };
        for line in lines {
            if let Some(rest) = line.trim_start().strip_prefix("->") {
                if let (Some(service), Some(found)) =
                    (table.services.last_mut(), parse_destination(rest))
                {
                    service.destinations.push(found);
                }
            } else if let Some(service) = parse_service(line) {
                table.services.push(service);
            }
        }
        for service in &mut table.services {
            service
                .destinations
                .sort_by_key(|destination| destination.address);
        }
        table.services.sort_by(|a, b| a.key.cmp(&b.key));
        table
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

fn parse_service(line: &str) -> Option<Service> {
    let mut words = line.split_whitespace();
    let kind = words.next()?;
    let what = words.next()?;
    let key = if kind == "FWM" {
        ServiceKey::Mark(u32::from_str_radix(what, 16).ok()?)
    } else {
        ServiceKey::Address {
            protocol: Protocol::parse(kind)?,
            address: parse_address(what)?,
        }
    };
    let scheduler = words.next()?.to_owned();
    let mut flags = Vec::new();
    while let Some(word) = words.next() {
        if word == "persistent" {
            flags.push(format!("persistent {}", words.next()?));
            let mask = u32::from_str_radix(words.next().unwrap_or("FFFFFFFF"), 16).ok();
            // A mask for single clients is not shown; for IPv6 it is a prefix length.
            match (&key, mask) {
                (
                    ServiceKey::Address {
                        address: SocketAddr::V4(_),
                        ..
                    },
                    Some(mask),
                ) if mask != u32::MAX => {
                    flags.push(format!("mask {}", Ipv4Addr::from(mask)));
                }
                _ => {}
            }
        } else {
            flags.push(word.to_owned());
        }
    }
    Some(Service {
        key,
        scheduler,
        flags: flags.join(" "),
        destinations: Vec::new(),
    })
}

fn parse_destination(text: &str) -> Option<Destination> {
    let mut words = text.split_whitespace();
    Some(Destination {
        address: parse_address(words.next()?)?,
        forward: Forward::parse(words.next()?)?,
        weight: words.next()?.parse().ok()?,
        active: words.next()?.parse().ok()?,
        inactive: words.next()?.parse().ok()?,
    })
}

/// `AC100108:0050` or `[fd00:0000:...:0001]:0050`, the port in hexadecimal.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.rsplit_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let address = match address
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(six) => IpAddr::V6(six.parse::<Ipv6Addr>().ok()?),
        None => IpAddr::V4(Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?)),
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  AC100109:0050 wrr persistent 300 FFFFFF00
TCP  AC100108:0050 rr  
  -> AC100105:0050      Route   1      0          7         
  -> AC100104:0050      Route   3      2          0         
TCP  [fd00:0000:0000:0000:0000:0000:0000:0008]:01BB sh 
  -> [fd00:0000:0000:0000:0000:0000:0000:0004]:01BB      Masq    1      0          0         
FWM  0000000A rr 
";

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
  -> [fd00::4]:443                Masq    1      0          0         
FWM  10 rr";
        assert_eq!(Table::parse(TEXT).to_string(), expected);
    }

    #[test]
    fn changes_are_told() {
        let before = Table::parse(TEXT);
        let after = Table::parse(
            &TEXT
                .replace(
                    "  -> AC100104:0050      Route   3",
                    "  -> AC100106:0050      Route   3",
                )
                .replace("Route   1 ", "Route   0 ")
                .replace("FWM  0000000A rr \n", ""),
        );
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

    #[test]
    fn damaged_lines_are_left_out() {
        let table = Table::parse("x\nTCP\nTCP nowhere:80 rr\n  -> AC100104:0050 Route 1 0 0\n");
        assert!(table.services.is_empty());
    }

    #[test]
    fn services_are_named_as_people_do() {
        let tcp = "172.16.1.8:80".parse::<ServiceKey>().unwrap();
        assert_eq!(tcp, "tcp 172.16.1.8:80".parse().unwrap());
        assert_eq!(
            "fwmark 3".parse::<ServiceKey>().unwrap(),
            ServiceKey::Mark(3)
        );
        assert!("www:80".parse::<ServiceKey>().is_err());
    }
}

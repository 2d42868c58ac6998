//! Destinations from `/proc/net/ip_vs`, which holds those of all services at once.

use std::net::{IpAddr, Ipv4Addr};

use crate::table::ServiceSnapshot;
use crate::types::{
    Destination, DestinationEntry, DestinationId, Forwarding, Protocol, ServiceEntry, ServiceId,
    Stats, Tunnel,
};

/// The services with their destinations, taken from the text of `/proc/net/ip_vs` of the same
/// network namespace.
///
/// The text tells of a destination what [`View::Table`](super::View::Table) shows, and no more:
/// thresholds, a tunnel's options, persistent connections and counters are zero. Reading it takes
/// a fraction of the time of asking for each service's destinations.
///
/// `None` if the text does not have the same services in the same order, because the table has
/// changed in between, or if it is not understood.
#[must_use]
pub fn with_destinations(services: Vec<ServiceEntry>, text: &str) -> Option<Vec<ServiceSnapshot>> {
    let all = Destinations::of(&services, text)?;
    let entries = services.into_iter().enumerate();
    entries
        .map(|(position, entry)| {
            Some(ServiceSnapshot {
                destinations: all.service(position)?,
                entry,
            })
        })
        .collect()
}

/// Where in the text of `/proc/net/ip_vs` the destinations of each service stand: as
/// [`with_destinations`], for one service after the other.
#[derive(Clone, Debug)]
pub struct Destinations<'a> {
    lines: Vec<&'a str>,
}

impl<'a> Destinations<'a> {
    /// `None` if the text does not have the same services in the same order.
    #[must_use]
    pub fn of(services: &[ServiceEntry], text: &'a str) -> Option<Self> {
        let mut rest = text;
        for _ in 0..3 {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
        let mut lines = Vec::with_capacity(services.len());
        for entry in services {
            let (line, below) = rest.split_once('\n')?;
            if !is_of(line, &entry.service.id) {
                return None;
            }
            let mut end = 0;
            while let Some(here) = below.get(end..).filter(|here| here.starts_with("  -> ")) {
                end += here.find('\n').map_or(here.len(), |at| at + 1);
            }
            let (own, after) = below.split_at_checked(end)?;
            lines.push(own);
            rest = after;
        }
        rest.is_empty().then_some(Self { lines })
    }

    /// The destinations of the service at this position among those given; `None` if there is no
    /// such one, or a line is not understood.
    #[must_use]
    pub fn service(&self, position: usize) -> Option<Vec<DestinationEntry>> {
        self.lines.get(position)?.lines().map(destination).collect()
    }
}

/// Whether a line such as `TCP  AC100108:0050 wrr` or `FWM  00000007 wlc` is of this service.
fn is_of(line: &str, id: &ServiceId) -> bool {
    let mut words = line.split_ascii_whitespace();
    let (Some(kind), Some(place)) = (words.next(), words.next()) else {
        return false;
    };
    match *id {
        ServiceId::Fwmark { mark, .. } => {
            kind == "FWM" && u32::from_str_radix(place, 16) == Ok(mark.get())
        }
        ServiceId::Address {
            protocol,
            address,
            port,
        } => {
            let name = match protocol {
                Protocol::Tcp => "TCP",
                Protocol::Udp => "UDP",
                Protocol::Sctp => "SCTP",
                Protocol::Other(_) => return false,
            };
            kind == name && endpoint(place) == Some(DestinationId { address, port })
        }
    }
}

/// `  -> AC100104:0050      Route   1      0          0`.
fn destination(line: &str) -> Option<DestinationEntry> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let id = endpoint(words.next()?)?;
    let forwarding = match words.next()? {
        "Route" => Forwarding::DirectRouting,
        "Masq" => Forwarding::Masquerading,
        "Tunnel" => Forwarding::Tunnel(Tunnel::ipip()),
        "Local" => Forwarding::Local,
        "Bypass" => Forwarding::Bypass,
        _ => return None,
    };
    let weight = words.next()?.parse().ok()?;
    Some(DestinationEntry {
        destination: Destination::new(id, forwarding).with_weight(weight),
        active_connections: words.next()?.parse().ok()?,
        inactive_connections: words.next()?.parse().ok()?,
        persistent_connections: 0,
        stats: Stats::default(),
    })
}

/// `AC100104:0050`, or an IPv6 address in brackets with its port in hexadecimal.
fn endpoint(text: &str) -> Option<DestinationId> {
    let (address, port) = text.rsplit_once(':')?;
    let address = match address.strip_prefix('[') {
        Some(rest) => IpAddr::V6(rest.strip_suffix(']')?.parse().ok()?),
        None => IpAddr::V4(Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?)),
    };
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(DestinationId { address, port })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Family, Scheduler, Service};

    /// As a kernel wrote it.
    const TEXT: &str = "\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  C0000209:0035 wlc  persistent 10000 FFFFFFFF
  -> C0000201:14E9      Masq    7      1          2         
  -> C0000203:0035      Tunnel  1      0          0         
TCP  [0000:0000:0000:0000:0000:0000:0000:0001]:0050 wlc 
  -> [0000:0000:0000:0000:0000:0000:0000:0001]:0050      Route   1      0          0         
FWM  00000007 wlc 
";

    fn entries(ids: &[ServiceId]) -> Vec<ServiceEntry> {
        ids.iter()
            .map(|id| ServiceEntry {
                service: Service::new(*id, Scheduler::default()),
                stats: Stats::default(),
            })
            .collect()
    }

    #[test]
    fn services_get_their_destinations() {
        let ids = [
            ServiceId::tcp("192.0.2.9:53".parse().unwrap()),
            ServiceId::tcp("[::1]:80".parse().unwrap()),
            ServiceId::fwmark(7, Family::V6).unwrap(),
        ];
        let read = with_destinations(entries(&ids), TEXT).unwrap();
        let counts: Vec<usize> = read.iter().map(|s| s.destinations.len()).collect();
        assert_eq!(counts, [2, 1, 0]);
        let first = read[0].destinations[0];
        assert_eq!(
            first.destination.to_string(),
            "192.0.2.1:5353 masq weight 7"
        );
        assert_eq!(
            (first.active_connections, first.inactive_connections),
            (1, 2)
        );

        // A service more or less, or another order: the table has changed.
        assert_eq!(with_destinations(entries(&ids[..2]), TEXT), None);
        assert_eq!(
            with_destinations(entries(&[ids[1], ids[0], ids[2]]), TEXT),
            None
        );
        let four = [ids[0], ids[1], ids[2], ids[2]];
        assert_eq!(with_destinations(entries(&four), TEXT), None);
        let weird = TEXT.replace("Masq", "Magic");
        assert_eq!(with_destinations(entries(&ids), &weird), None);
        assert_eq!(with_destinations(Vec::new(), ""), Some(Vec::new()));
    }
}

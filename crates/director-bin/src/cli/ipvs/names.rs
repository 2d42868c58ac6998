//! Names of hosts and services as this machine knows them.

use ipvs_netlink::Protocol;
use ipvs_netlink::ipvsadm::Resolver;
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};

/// The system's resolver, and the file of services. Each host is asked for once.
#[derive(Debug, Default)]
pub(in crate::cli) struct SystemNames {
    services: OnceCell<Vec<ServiceName>>,
    hosts: RefCell<BTreeMap<IpAddr, Option<String>>>,
}

/// A line of `/etc/services`.
#[derive(Debug, PartialEq, Eq)]
struct ServiceName {
    names: Vec<String>,
    port: u16,
    protocol: String,
}

impl Resolver for SystemNames {
    fn host(&self, name: &str) -> Option<Ipv4Addr> {
        let addresses = (name, 0).to_socket_addrs().ok()?;
        addresses
            .filter_map(|address| match address {
                SocketAddr::V4(v4) => Some(*v4.ip()),
                SocketAddr::V6(_) => None,
            })
            .next()
    }

    fn port(&self, service: &str, protocol: Protocol) -> Option<u16> {
        let protocol = protocol_name(protocol)?;
        let mut known = self.services().iter();
        known
            .find(|known| known.protocol == protocol && known.names.iter().any(|n| n == service))
            .map(|known| known.port)
    }

    fn host_name(&self, address: IpAddr) -> Option<String> {
        let mut hosts = self.hosts.borrow_mut();
        hosts
            .entry(address)
            .or_insert_with(|| {
                let name = dns_lookup::lookup_addr(&address).ok()?;
                // The address itself comes back for a host without a name.
                name.parse::<IpAddr>().is_err().then_some(name)
            })
            .clone()
    }

    fn service_name(&self, port: u16, protocol: Protocol) -> Option<String> {
        let protocol = protocol_name(protocol)?;
        let mut known = self.services().iter();
        known
            .find(|known| known.protocol == protocol && known.port == port)
            .and_then(|known| known.names.first().cloned())
    }
}

impl SystemNames {
    fn services(&self) -> &[ServiceName] {
        self.services.get_or_init(|| {
            let text = std::fs::read_to_string("/etc/services").unwrap_or_default();
            text.lines().filter_map(service_name).collect()
        })
    }
}

fn protocol_name(protocol: Protocol) -> Option<&'static str> {
    match protocol {
        Protocol::Tcp => Some("tcp"),
        Protocol::Udp => Some("udp"),
        Protocol::Sctp => Some("sctp"),
        _ => None,
    }
}

/// `http 80/tcp www # World Wide Web`.
fn service_name(line: &str) -> Option<ServiceName> {
    let line = line.split('#').next()?;
    let mut words = line.split_ascii_whitespace();
    let name = words.next()?;
    let (port, protocol) = words.next()?.split_once('/')?;
    Some(ServiceName {
        names: std::iter::once(name)
            .chain(words)
            .map(str::to_owned)
            .collect(),
        port: port.parse().ok()?,
        protocol: protocol.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_services_are_read() {
        let read = service_name("http\t\t80/tcp\t\twww  # WorldWideWeb").unwrap();
        assert_eq!((read.port, read.protocol.as_str()), (80, "tcp"));
        assert_eq!(read.names, ["http", "www"]);
        for bad in [
            "",
            "# comment",
            "http",
            "http 80",
            "http x/tcp",
            "http 99999/tcp",
        ] {
            assert_eq!(service_name(bad), None, "{bad}");
        }
    }
}

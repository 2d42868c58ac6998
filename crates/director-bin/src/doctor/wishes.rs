//! What the machine is to do, as far as the doctor must know it.

use crate::config::Plan;
use ipvs_netlink::{Forwarding, Protocol, ServiceId};
use serde::Serialize;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// How a real server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub(crate) enum Method {
    /// Direct routing.
    Dr,
    Nat,
    Tun,
    /// Served by the director itself, or in no way known here.
    Other,
}

/// A real server of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) method: Method,
}

/// A virtual service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) name: String,
    /// `None` for a firewall mark.
    pub(crate) address: Option<(IpAddr, u16)>,
    /// 6 or 17; 0 for a firewall mark.
    pub(crate) protocol: u8,
    /// Firewall mark.
    pub(crate) mark: Option<u32>,
    pub(crate) scheduler: String,
    pub(crate) servers: Vec<Server>,
}

/// A VRRP instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) name: String,
    pub(crate) interface: String,
    pub(crate) v6: bool,
    /// Empty for multicast.
    pub(crate) peers: Vec<IpAddr>,
    /// With the interface each belongs on.
    pub(crate) addresses: Vec<(IpAddr, String)>,
    /// Advertisements per silence after which a backup takes over, in seconds, rounded up.
    pub(crate) patience: u64,
}

/// Everything wished.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    pub(crate) instances: Vec<Instance>,
    pub(crate) services: Vec<Service>,
    /// The machine is a real server of these addresses, reached in this way.
    pub(crate) real_server: Option<(Vec<IpAddr>, Method)>,
}

impl Wishes {
    /// Of a director with this plan.
    pub(crate) fn of_plan(plan: &Plan) -> Self {
        let instances = plan.vrrp.instances.iter().map(|instance| {
            let device = |device: &Option<String>| {
                device
                    .clone()
                    .unwrap_or_else(|| instance.interface.to_string())
            };
            let router = &instance.router;
            Instance {
                name: instance.name.to_string(),
                interface: instance.interface.to_string(),
                v6: router.family == vrrp_proto::Family::V6,
                peers: match &router.transport {
                    vrrp_proto::Transport::Multicast(_) => Vec::new(),
                    vrrp_proto::Transport::Unicast { peers, .. } => {
                        peers.iter().map(|peer| peer.address).collect()
                    }
                },
                addresses: instance
                    .all_addresses()
                    .map(|address| (address.address, device(&address.device)))
                    .collect(),
                patience: 4,
            }
        });
        let services = plan.virtual_servers.iter().flat_map(|server| {
            server.services.iter().map(|service| {
                let (address, protocol, mark) = match service.id {
                    ServiceId::Address {
                        protocol,
                        address,
                        port,
                    } => {
                        let number = if protocol == Protocol::Udp { 17 } else { 6 };
                        (Some((address, port)), number, None)
                    }
                    ServiceId::Fwmark { mark, .. } => (None, 0, Some(mark.get())),
                };
                let real = server.real_servers.iter().map(|real| &real.destination);
                Service {
                    name: server.name.to_string(),
                    address,
                    protocol,
                    mark,
                    scheduler: service.scheduler.to_string(),
                    servers: real
                        .map(|destination| Server {
                            address: destination.id.address,
                            port: destination.id.port,
                            method: match destination.forwarding {
                                Forwarding::DirectRouting => Method::Dr,
                                Forwarding::Masquerading => Method::Nat,
                                Forwarding::Tunnel(_) => Method::Tun,
                                _ => Method::Other,
                            },
                        })
                        .collect(),
                }
            })
        });
        Self {
            instances: instances.collect(),
            services: services.collect(),
            real_server: None,
        }
    }

    /// Of a real server.
    pub(crate) fn of_real_server(addresses: Vec<IpAddr>, method: Method) -> Self {
        Self {
            real_server: Some((addresses, method)),
            ..Self::default()
        }
    }

    /// Whether any server is reached in this way.
    pub(crate) fn uses(&self, method: Method) -> bool {
        self.servers().any(|(_, server)| server.method == method)
    }

    /// Every server with its service.
    pub(crate) fn servers(&self) -> impl Iterator<Item = (&Service, &Server)> {
        self.services
            .iter()
            .flat_map(|service| service.servers.iter().map(move |server| (service, server)))
    }

    /// Virtual addresses: those of instances, and those of services.
    pub(crate) fn virtual_addresses(&self) -> BTreeSet<IpAddr> {
        let held = self
            .instances
            .iter()
            .flat_map(|instance| instance.addresses.iter().map(|(address, _)| *address));
        let served = self
            .services
            .iter()
            .filter_map(|service| service.address.map(|(address, _)| address));
        held.chain(served).collect()
    }
}

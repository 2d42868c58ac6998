//! A table as text, byte for byte as `ipvsadm -Ln` of version 1.31 prints it.
//!
//! ```
//! use ipvs_netlink::Snapshot;
//!
//! let listing = ipvs_netlink::listing::table(&Snapshot::default());
//! assert!(listing.starts_with("IP Virtual Server version 0.0.0 (size=0)\nProt LocalAddress:Port"));
//! ```

mod order;
mod procfs;

use std::fmt::{self, Write};
use std::net::{IpAddr, SocketAddr};

use crate::connections::{Connection, ConnectionProtocol};
use crate::ipvsadm::{Numeric, Resolver, endpoint};
use crate::table::{ServiceSnapshot, Snapshot};
use crate::types::{
    Counters, Destination, DestinationEntry, Family, Forwarding, Info, Protocol, Rates, Scheduler,
    SchedulerFlags, Service, ServiceEntry, ServiceId, SyncDaemon, Timeouts, Tunnel, TunnelFlags,
    TunnelKind,
};

pub use procfs::{Destinations, with_destinations};

/// Characters of an address with its port, when names are printed.
const NAME_WIDTH: usize = 28;

/// Which columns a listing has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum View {
    /// Forwarding, weight and connections: `ipvsadm -Ln`.
    #[default]
    Table,
    /// Totals: `--stats`.
    Stats,
    /// Rates: `--rate`.
    Rate,
    /// Connection limits: `--thresholds`.
    Thresholds,
    /// Persistent connections: `--persistent-conn`.
    PersistentConnections,
    /// Forwarding with the tunnel's options: `--tun-info`.
    Tunnels,
}

/// How to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listing {
    /// Columns.
    pub view: View,
    /// By family, protocol, address and port, as ipvsadm does unless it is told `--nosort`.
    pub sorted: bool,
    /// All digits of large numbers (`--exact`), not `123456K`.
    pub exact: bool,
}

impl Default for Listing {
    fn default() -> Self {
        Self {
            view: View::Table,
            sorted: true,
            exact: false,
        }
    }
}

/// The whole table as `ipvsadm -Ln` prints it.
#[must_use]
pub fn table(snapshot: &Snapshot) -> String {
    Listing::default().table(snapshot)
}

/// The timeouts as `ipvsadm -Ln --timeout` prints them.
#[must_use]
pub fn timeouts(timeouts: &Timeouts) -> String {
    let Timeouts { tcp, tcp_fin, udp } = timeouts;
    format!("Timeout (tcp tcpfin udp): {tcp} {tcp_fin} {udp}\n")
}

/// The sync daemons as `ipvsadm -Ln --daemon` prints them.
#[must_use]
pub fn daemons(daemons: &[SyncDaemon]) -> String {
    let mut out = String::new();
    for daemon in daemons {
        let SyncDaemon {
            role,
            interface,
            sync_id,
            max_length,
            group,
            port,
            ttl,
        } = daemon;
        put(
            &mut out,
            format_args!("{role} sync daemon (mcast={interface}, syncid={sync_id}"),
        );
        if let Some(length) = max_length {
            put(&mut out, format_args!(", maxlen={length}"));
        }
        if let Some(group) = group {
            put(&mut out, format_args!(", group={group}"));
        }
        if let Some(port) = port {
            put(&mut out, format_args!(", port={port}"));
        }
        if let Some(ttl) = ttl {
            put(&mut out, format_args!(", ttl={ttl}"));
        }
        out.push_str(")\n");
    }
    out
}

/// Connections as `ipvsadm -Lnc` prints them; with `persistent` as with `--persistent-conn`, which
/// adds the persistence engine and its data.
#[must_use]
pub fn connections<'a>(
    connections: impl IntoIterator<Item = &'a Connection>,
    persistent: bool,
) -> String {
    connections_named(connections, persistent, &Numeric)
}

/// As [`connections`], with the names of hosts and services: `ipvsadm -Lc`.
#[must_use]
pub fn connections_named<'a>(
    connections: impl IntoIterator<Item = &'a Connection>,
    persistent: bool,
    names: &dyn Resolver,
) -> String {
    let mut out = String::from("IPVS connection entries\npro expire state       ");
    out.push_str("source             virtual            destination");
    out.push_str(if persistent {
        "        pe name          pe_data\n"
    } else {
        "\n"
    });
    for connection in connections {
        connection_row(&mut out, connection, persistent, names);
    }
    out
}

fn connection_row(
    out: &mut String,
    connection: &Connection,
    persistent: bool,
    names: &dyn Resolver,
) {
    let Connection {
        protocol,
        client,
        virtual_server,
        destination,
        state,
        expires,
        engine,
    } = connection;
    let (minutes, seconds) = (expires / 60, expires % 60);
    let ports_of = match protocol {
        ConnectionProtocol::Transport(protocol) => Some(*protocol),
        _ => None,
    };
    let name = |at: &SocketAddr| endpoint(at.ip(), at.port(), ports_of, names);
    let (client, virtual_server) = (name(client), name(virtual_server));
    let destination = name(destination);
    put(
        out,
        format_args!("{protocol:<3} {minutes:02}:{seconds:02}  {state:<11} "),
    );
    put(out, format_args!("{client:<18} {virtual_server:<18} "));
    match engine {
        Some(engine) if persistent => {
            put(
                out,
                format_args!("{destination:<16} {:<18} {}\n", engine.name, engine.data),
            );
        }
        _ => put(out, format_args!("{destination}\n")),
    }
}

/// Services and destinations in ipvsadm's order.
pub(crate) fn in_order(
    snapshot: &Snapshot,
) -> impl Iterator<Item = (&Service, impl Iterator<Item = &Destination>)> {
    let mut services: Vec<&ServiceSnapshot> = snapshot.services.iter().collect();
    order::services(&mut services);
    services.into_iter().map(|service| {
        let mut destinations: Vec<&DestinationEntry> = service.destinations.iter().collect();
        order::destinations(&mut destinations);
        let destinations = destinations.into_iter().map(|entry| &entry.destination);
        (&service.entry.service, destinations)
    })
}

impl Listing {
    /// Everything.
    #[must_use]
    pub fn table(&self, snapshot: &Snapshot) -> String {
        self.table_named(snapshot, &Numeric)
    }

    /// Everything with the names of hosts and services, as without ipvsadm's `--numeric`.
    #[must_use]
    pub fn table_named(&self, snapshot: &Snapshot, names: &dyn Resolver) -> String {
        let mut out = self.beginning(&snapshot.info);
        let mut services: Vec<&ServiceSnapshot> = snapshot.services.iter().collect();
        if self.sorted {
            order::services(&mut services);
        }
        for service in services {
            self.append(&mut out, &service.entry, &service.destinations, names);
        }
        out
    }

    /// The version and the heading, for those who read one service after the other: then
    /// [`order`](Self::order) and [`append`](Self::append) give what [`table`](Self::table) gives,
    /// and only one service's destinations have to be in memory.
    #[must_use]
    pub fn beginning(&self, info: &Info) -> String {
        let mut out = format!("{info}\n");
        self.heading(&mut out);
        out
    }

    /// The order in which the services are listed, as positions.
    #[must_use]
    pub fn order(&self, services: &[ServiceEntry]) -> Vec<usize> {
        if self.sorted {
            order::entries(services)
        } else {
            (0..services.len()).collect()
        }
    }

    /// One service, as `ipvsadm -Ln -t …` prints it: without the line that names the version.
    #[must_use]
    pub fn service(&self, service: &ServiceSnapshot) -> String {
        self.service_named(service, &Numeric)
    }

    /// One service with the names of hosts and services.
    #[must_use]
    pub fn service_named(&self, service: &ServiceSnapshot, names: &dyn Resolver) -> String {
        let mut out = String::new();
        self.heading(&mut out);
        self.append(&mut out, &service.entry, &service.destinations, names);
        out
    }

    fn heading(self, out: &mut String) {
        let (first, second) = match self.view {
            View::Table => (
                "Scheduler Flags",
                "           Forward Weight ActiveConn InActConn",
            ),
            View::Stats => (
                "              Conns   InPkts  OutPkts  InBytes OutBytes",
                "",
            ),
            View::Rate => (
                "                CPS    InPPS   OutPPS    InBPS   OutBPS",
                "",
            ),
            View::Thresholds => ("           Uthreshold Lthreshold ActiveConn InActConn ", ""),
            View::PersistentConnections => {
                ("           Weight    PersistConn ActiveConn InActConn ", "")
            }
            View::Tunnels => (
                "Scheduler Flags",
                "           Forward TunnelInfo    Weight ActiveConn InActConn",
            ),
        };
        put(
            out,
            format_args!("Prot LocalAddress:Port {first}\n  -> RemoteAddress:Port{second}\n"),
        );
    }

    /// Appends the rows of one service.
    pub fn append(
        &self,
        out: &mut String,
        entry: &ServiceEntry,
        destinations: &[DestinationEntry],
        names: &dyn Resolver,
    ) {
        let name = service_name(&entry.service.id, names);
        let protocol = match entry.service.id {
            ServiceId::Address { protocol, .. } => Some(protocol),
            ServiceId::Fwmark { .. } => None,
        };
        match self.view {
            View::Stats => self.numbers(out, &name, totals(&entry.stats.counters)),
            View::Rate => self.numbers(out, &name, rates(&entry.stats.rates)),
            _ => {
                out.push_str(&name);
                settings(out, &entry.service);
                out.push('\n');
            }
        }
        let mut destinations: Vec<&DestinationEntry> = destinations.iter().collect();
        if self.sorted {
            order::destinations(&mut destinations);
        }
        for destination in destinations {
            let id = destination.destination.id;
            let name = row_name(id.address, id.port, protocol, names);
            self.destination(out, destination, &name);
        }
    }

    fn destination(self, out: &mut String, entry: &DestinationEntry, name: &str) {
        let destination = &entry.destination;
        let name = format!("  -> {name:<28}");
        let method = method(destination.forwarding);
        let weight = destination.weight;
        let (active, inactive) = (entry.active_connections, entry.inactive_connections);
        match self.view {
            View::Stats => self.numbers(out, &name, totals(&entry.stats.counters)),
            View::Rate => self.numbers(out, &name, rates(&entry.stats.rates)),
            View::Table => put(
                out,
                format_args!("{name} {method:<7} {weight:<6} {active:<10} {inactive:<10}\n"),
            ),
            View::Thresholds => put(
                out,
                format_args!(
                    "{name} {:<10} {:<10} {active:<10} {inactive:<10}\n",
                    destination.upper_threshold, destination.lower_threshold
                ),
            ),
            View::PersistentConnections => put(
                out,
                format_args!(
                    "{name} {weight:<9} {:<11} {active:<10} {inactive:<10}\n",
                    entry.persistent_connections
                ),
            ),
            View::Tunnels => {
                let tunnel = tunnel_info(destination.forwarding);
                put(
                    out,
                    format_args!(
                        "{name} {method:<7} {tunnel:<13} {weight:<6} {active:<10} {inactive:<10}\n"
                    ),
                );
            }
        }
    }

    fn numbers(self, out: &mut String, name: &str, numbers: [u64; 5]) {
        put(out, format_args!("{name:<33}"));
        for number in numbers {
            let (value, unit) = if self.exact {
                (number, "")
            } else {
                scaled(number)
            };
            let width = 8 - unit.len();
            put(out, format_args!(" {value:>width$}{unit}"));
        }
        out.push('\n');
    }
}

/// Appends; writing to a `String` cannot fail.
fn put(out: &mut String, text: fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// The mark is printed as a signed number, as ipvsadm does.
fn service_name(id: &ServiceId, names: &dyn Resolver) -> String {
    match id {
        ServiceId::Address {
            protocol,
            address,
            port,
        } => {
            let name = row_name(*address, *port, Some(*protocol), names);
            format!("{protocol:<4} {name}")
        }
        ServiceId::Fwmark { mark, family } => {
            let family = if *family == Family::V6 { " IPv6" } else { "" };
            format!("FWM  {}{family}", mark.get().cast_signed())
        }
    }
}

/// Long names are cut, numbers are not.
fn row_name(
    address: IpAddr,
    port: u16,
    protocol: Option<Protocol>,
    names: &dyn Resolver,
) -> String {
    let name = endpoint(address, port, protocol, names);
    if address.is_ipv4() {
        name.chars().take(NAME_WIDTH).collect()
    } else {
        name
    }
}

/// The flags that ipvsadm shows: the third only of schedulers whose other two have no names.
pub(crate) fn shown_flags(service: &Service) -> SchedulerFlags {
    let flags = service.scheduler_flags;
    match service.scheduler {
        Scheduler::SourceHashing | Scheduler::MaglevHashing => SchedulerFlags::from_bits_truncate(
            flags.bits()
                & SchedulerFlags::HASH_FALLBACK
                    .union(SchedulerFlags::HASH_PORT)
                    .bits(),
        ),
        _ => flags,
    }
}

fn settings(out: &mut String, service: &Service) {
    put(out, format_args!(" {}", service.scheduler));
    // Empty brackets if only a flag that is not shown is set.
    if !service.scheduler_flags.is_empty() {
        let names = shown_flags(service).names(&service.scheduler);
        put(out, format_args!(" ({names})"));
    }
    if let Some(persistence) = service.persistence {
        put(out, format_args!(" persistent {}", persistence.timeout));
        if !persistence.netmask.is_host() {
            put(out, format_args!(" mask {}", persistence.netmask));
        }
        // ipvsadm does not show the engine of a service that is not persistent.
        if let Some(engine) = &service.persistence_engine {
            put(out, format_args!(" pe {engine}"));
        }
    }
    if service.one_packet {
        out.push_str(" ops");
    }
}

const fn method(forwarding: Forwarding) -> &'static str {
    match forwarding {
        Forwarding::DirectRouting => "Route",
        Forwarding::Masquerading => "Masq",
        Forwarding::Tunnel(_) => "Tunnel",
        Forwarding::Local => "Local",
        // ipvsadm has no name for these, and prints what C prints for none.
        Forwarding::Bypass | Forwarding::Other(_) => "(null)",
    }
}

fn tunnel_info(forwarding: Forwarding) -> String {
    let Forwarding::Tunnel(Tunnel { kind, port, flags }) = forwarding else {
        return "n/a".to_owned();
    };
    let checksum = match flags {
        TunnelFlags::NO_CHECKSUM => "-c",
        TunnelFlags::CHECKSUM => "+c",
        TunnelFlags::REMOTE_CHECKSUM => "r+c",
        // As for the forwarding methods without a name.
        _ => "(null)",
    };
    match kind {
        TunnelKind::Ipip => "ipip".to_owned(),
        TunnelKind::Gue => format!("gue:{port}:{checksum}"),
        TunnelKind::Gre => format!("gre:{checksum}"),
        TunnelKind::Other(_) => "n/a".to_owned(),
    }
}

const fn totals(counters: &Counters) -> [u64; 5] {
    let Counters {
        connections,
        packets_in,
        packets_out,
        bytes_in,
        bytes_out,
    } = *counters;
    [connections, packets_in, packets_out, bytes_in, bytes_out]
}

const fn rates(rates: &Rates) -> [u64; 5] {
    let Rates {
        connections,
        packets_in,
        packets_out,
        bytes_in,
        bytes_out,
    } = *rates;
    [connections, packets_in, packets_out, bytes_in, bytes_out]
}

const fn scaled(number: u64) -> (u64, &'static str) {
    match number {
        0..100_000_000 => (number, ""),
        100_000_000..1_000_000_000 => (number / 1_000, "K"),
        1_000_000_000..100_000_000_000 => (number / 1_000_000, "M"),
        100_000_000_000..100_000_000_000_000 => (number / 1_000_000_000, "G"),
        _ => (number / 1_000_000_000_000, "T"),
    }
}

#[cfg(test)]
mod tests;

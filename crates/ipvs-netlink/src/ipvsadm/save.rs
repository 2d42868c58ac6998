use std::fmt::Write;

use super::{Numeric, Resolver, endpoint};
use crate::listing;
use crate::table::Snapshot;
use crate::types::{
    Destination, Family, Forwarding, Protocol, Service, ServiceId, SyncDaemon, TunnelFlags,
    TunnelKind,
};

/// `--save` and its options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Save {
    /// Numbers in place of names of hosts and services (`--numeric`).
    pub numeric: bool,
    /// With what ipvsadm leaves out: thresholds, timeouts, sync daemons, and the third flag of
    /// hashing schedulers; and with marks above 2147483647 as they are, where ipvsadm saves a
    /// negative number that it refuses to restore (`--complete`). ipvsadm reads these lines too.
    pub complete: bool,
}

/// The table as lines that `--restore` reads, in ipvsadm's order of services and servers.
///
/// Without [`Save::complete`] it is byte for byte what ipvsadm writes.
#[must_use]
pub fn save(snapshot: &Snapshot, options: Save, names: &dyn Resolver) -> String {
    let names = if options.numeric { &Numeric } else { names };
    let mut out = String::new();
    if options.complete {
        let timeouts = snapshot.timeouts;
        put(
            &mut out,
            format_args!(
                "--set {} {} {}\n",
                timeouts.tcp, timeouts.tcp_fin, timeouts.udp
            ),
        );
    }
    for (service, destinations) in listing::in_order(snapshot) {
        let id = selector(&service.id, options, names);
        put(
            &mut out,
            format_args!("-A {id}{}\n", scheduling(service, options)),
        );
        for destination in destinations {
            let server = server(destination, &service.id, names);
            put(&mut out, format_args!("-a {id} -r {server}"));
            if options.complete && destination.upper_threshold != 0 {
                put(
                    &mut out,
                    format_args!(" -x {}", destination.upper_threshold),
                );
            }
            if options.complete && destination.lower_threshold != 0 {
                put(
                    &mut out,
                    format_args!(" -y {}", destination.lower_threshold),
                );
            }
            out.push('\n');
        }
    }
    if options.complete {
        for daemon in &snapshot.daemons {
            start_daemon(&mut out, daemon);
        }
    }
    out
}

/// Appends; writing to a `String` cannot fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// A protocol without an option of its own is written as TCP's, as ipvsadm does.
fn selector(id: &ServiceId, options: Save, names: &dyn Resolver) -> String {
    match *id {
        ServiceId::Address {
            protocol,
            address,
            port,
        } => {
            let option = match protocol {
                Protocol::Udp => "-u",
                Protocol::Sctp => "--sctp-service",
                _ => "-t",
            };
            format!(
                "{option} {}",
                endpoint(address, port, Some(protocol), names)
            )
        }
        ServiceId::Fwmark { mark, family } => {
            let option = if options.complete {
                format!("-f {mark}")
            } else {
                format!("-f {}", mark.get().cast_signed())
            };
            match family {
                Family::V4 => option,
                Family::V6 => option + " -6",
            }
        }
    }
}

fn scheduling(service: &Service, options: Save) -> String {
    let mut out = format!(" -s {}", service.scheduler);
    if let Some(persistence) = service.persistence {
        put(&mut out, format_args!(" -p {}", persistence.timeout));
        if !persistence.netmask.is_host() {
            put(&mut out, format_args!(" -M {}", persistence.netmask));
        }
    }
    if let Some(engine) = &service.persistence_engine {
        put(&mut out, format_args!(" --pe {engine}"));
    }
    if service.one_packet {
        out.push_str(" -o");
    }
    let flags = if options.complete {
        service.scheduler_flags
    } else {
        listing::shown_flags(service)
    };
    if !flags.is_empty() {
        let names = flags.names(&service.scheduler);
        put(&mut out, format_args!(" -b {names}"));
    }
    out
}

fn server(destination: &Destination, service: &ServiceId, names: &dyn Resolver) -> String {
    let protocol = match service {
        ServiceId::Address { protocol, .. } => Some(*protocol),
        ServiceId::Fwmark { .. } => None,
    };
    let id = destination.id;
    let mut out = endpoint(id.address, id.port, protocol, names);
    let method = match destination.forwarding {
        Forwarding::Masquerading => "-m",
        Forwarding::Tunnel(_) => "-i",
        _ => "-g",
    };
    put(
        &mut out,
        format_args!(" {method} -w {}", destination.weight),
    );
    if let Forwarding::Tunnel(tunnel) = destination.forwarding {
        let checksum = match tunnel.flags {
            TunnelFlags::CHECKSUM => "--tun-csum",
            TunnelFlags::REMOTE_CHECKSUM => "--tun-remcsum",
            _ => "--tun-nocsum",
        };
        match tunnel.kind {
            TunnelKind::Gue => put(
                &mut out,
                format_args!(" --tun-type gue --tun-port {} {checksum}", tunnel.port),
            ),
            TunnelKind::Gre => put(&mut out, format_args!(" --tun-type gre {checksum}")),
            _ => out.push_str(" --tun-type ipip"),
        }
    }
    out
}

fn start_daemon(out: &mut String, daemon: &SyncDaemon) {
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
        out,
        format_args!("--start-daemon {role} --mcast-interface {interface} --syncid {sync_id}"),
    );
    if let Some(length) = max_length {
        put(out, format_args!(" --sync-maxlen {length}"));
    }
    if let Some(group) = group {
        put(out, format_args!(" --mcast-group {group}"));
    }
    if let Some(port) = port {
        put(out, format_args!(" --mcast-port {port}"));
    }
    if let Some(ttl) = ttl {
        put(out, format_args!(" --mcast-ttl {ttl}"));
    }
    out.push('\n');
}

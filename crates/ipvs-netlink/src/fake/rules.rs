//! The kernel's rules for single values.

use std::net::{IpAddr, Ipv4Addr};

use crate::errno;
use crate::types::{Destination, Forwarding, Netmask, Service, SyncDaemon, Timeouts, TunnelKind};

type Refused = i32;

pub(super) fn service(service: &Service) -> Result<(), Refused> {
    match service.persistence.map(|persistence| persistence.netmask) {
        Some(Netmask::V6(bits)) if !(1..=128).contains(&bits) => Err(errno::EINVAL),
        _ => Ok(()),
    }
}

pub(super) fn destination(destination: &Destination) -> Result<(), Refused> {
    if i32::try_from(destination.weight).is_err()
        || destination.lower_threshold > destination.upper_threshold
    {
        return Err(errno::ERANGE);
    }
    match destination.forwarding {
        Forwarding::Tunnel(tunnel) if tunnel.kind == TunnelKind::Gue && tunnel.port == 0 => {
            Err(errno::EINVAL)
        }
        _ => Ok(()),
    }
}

/// What is looked at only when a destination is made.
pub(super) fn new_destination(destination: &Destination) -> Result<(), Refused> {
    let good = match destination.id.address {
        IpAddr::V4(v4) => {
            let [first, ..] = v4.octets();
            first != 0 && v4 != Ipv4Addr::BROADCAST && !v4.is_multicast()
        }
        IpAddr::V6(v6) => !v6.is_multicast() && !v6.is_unspecified() && !v6.is_unicast_link_local(),
    };
    if good { Ok(()) } else { Err(errno::EINVAL) }
}

/// Seconds are kept as a signed number of clock ticks.
pub(super) fn timeouts(timeouts: &Timeouts) -> Result<(), Refused> {
    const TICKS_PER_SECOND: u32 = 1000;
    let most = i32::MAX.unsigned_abs() / TICKS_PER_SECOND;
    let fits = [timeouts.tcp, timeouts.tcp_fin, timeouts.udp]
        .into_iter()
        .all(|t| t <= most);
    if fits { Ok(()) } else { Err(errno::EINVAL) }
}

pub(super) fn daemon(daemon: &SyncDaemon) -> Result<(), Refused> {
    let multicast = daemon.group.is_none_or(|group| group.is_multicast());
    if daemon.sync_id <= 255 && multicast {
        Ok(())
    } else {
        Err(errno::EINVAL)
    }
}

/// A daemon as it runs: with what the request left open.
pub(super) fn with_defaults(daemon: &SyncDaemon, mtu: u16) -> SyncDaemon {
    let group = daemon
        .group
        .unwrap_or(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 81)));
    // Room for the IP and UDP headers.
    let headers = if group.is_ipv4() { 28 } else { 48 };
    let longest = mtu.saturating_sub(headers);
    SyncDaemon {
        role: daemon.role,
        interface: daemon.interface.clone(),
        sync_id: daemon.sync_id,
        max_length: Some(
            daemon
                .max_length
                .map_or(longest, |wished| wished.min(longest)),
        ),
        group: Some(group),
        port: Some(daemon.port.unwrap_or(8848)),
        ttl: Some(daemon.ttl.unwrap_or(1)),
    }
}

//! Capabilities: what the director needs, said before anything is changed; the rest is given up.

use crate::config::Plan;
use caps::{CapSet, Capability, CapsHashSet};
use socket2::{Domain, Protocol, Socket, Type};

/// Kept while running. Scripts that run as root get back what the bounding set allows when they are started.
const KEPT: [Capability; 11] = [
    // Addresses, IPVS, socket options.
    Capability::CAP_NET_ADMIN,
    // VRRP and ARP sockets, ICMP checks.
    Capability::CAP_NET_RAW,
    Capability::CAP_NET_BROADCAST,
    // Configuration files of another owner, at a reload.
    Capability::CAP_DAC_READ_SEARCH,
    // Checks that are bound to a low port.
    Capability::CAP_NET_BIND_SERVICE,
    // vrrp_rt_priority, vrrp_no_swap.
    Capability::CAP_SYS_NICE,
    Capability::CAP_IPC_LOCK,
    // script_user, and ending its scripts.
    Capability::CAP_SETUID,
    Capability::CAP_SETGID,
    Capability::CAP_KILL,
    // FIFOs that belong to another user.
    Capability::CAP_CHOWN,
];

/// Needed, but not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} needs {capability}; run as root, or give it to the program with AmbientCapabilities= in its unit or with setcap"
)]
pub(crate) struct MissingPrivilege {
    /// What needs it.
    pub(crate) what: &'static str,
    /// Which capability.
    pub(crate) capability: Capability,
}

/// Says which of the wanted capabilities are missing.
pub(crate) fn missing(vrrp: bool, ipvs: bool) -> Vec<MissingPrivilege> {
    let wanted = [
        (
            vrrp,
            "vrrp_instance (virtual addresses)",
            Capability::CAP_NET_ADMIN,
        ),
        (
            vrrp,
            "vrrp_instance (advertisements)",
            Capability::CAP_NET_RAW,
        ),
        (
            ipvs,
            "virtual_server (the kernel's IPVS table)",
            Capability::CAP_NET_ADMIN,
        ),
    ];
    lacking(wanted)
}

/// What of the configuration will not work for want of a privilege, though the rest does.
pub(crate) fn hindrances(plan: &Plan) -> Vec<MissingPrivilege> {
    let (needs, settings) = (plan.needs, &plan.vrrp_settings);
    let owned_fifos = plan.notices.fifos.iter().any(|fifo| fifo.owner.is_some());
    lacking([
        (
            needs.other_users,
            "a script of another user (script_user)",
            Capability::CAP_SETUID,
        ),
        (
            needs.other_users,
            "the groups of a script of another user",
            Capability::CAP_SETGID,
        ),
        (
            needs.other_users,
            "ending a script of another user",
            Capability::CAP_KILL,
        ),
        (
            owned_fifos,
            "a FIFO that belongs to another user",
            Capability::CAP_CHOWN,
        ),
        (
            settings.realtime_priority.is_some(),
            "vrrp_rt_priority",
            Capability::CAP_SYS_NICE,
        ),
        (
            settings.lock_memory,
            "vrrp_no_swap",
            Capability::CAP_IPC_LOCK,
        ),
        (
            needs.low_ports,
            "a check from a port below 1024 (bind_port)",
            Capability::CAP_NET_BIND_SERVICE,
        ),
        (
            needs.marks,
            "a check with a firewall mark (fwmark)",
            Capability::CAP_NET_ADMIN,
        ),
        (
            needs.pings && !may_ping(),
            "PING_CHECK (or a group within net.ipv4.ping_group_range)",
            Capability::CAP_NET_RAW,
        ),
    ])
}

/// Whether ICMP echoes need no privilege here.
fn may_ping() -> bool {
    Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::ICMPV4)).is_ok()
}

/// Those of the wanted capabilities that are used and missing.
fn lacking<const COUNT: usize>(
    wanted: [(bool, &'static str, Capability); COUNT],
) -> Vec<MissingPrivilege> {
    // A set that cannot be read says nothing: the operation itself will tell.
    let held = caps::read(None, CapSet::Effective).ok();
    let lacks =
        |capability: &Capability| held.as_ref().is_some_and(|held| !held.contains(capability));
    wanted
        .into_iter()
        .filter(|(used, _, capability)| *used && lacks(capability))
        .map(|(_, what, capability)| MissingPrivilege { what, capability })
        .collect()
}

/// Gives up every capability that the director does not use, for this thread and those it starts.
pub(crate) fn restrict() -> Result<(), caps::errors::CapsError> {
    let kept: CapsHashSet = KEPT.into_iter().collect();
    for set in [CapSet::Effective, CapSet::Permitted] {
        let held = caps::read(None, set)?;
        let reduced: CapsHashSet = held.intersection(&kept).copied().collect();
        if reduced.len() != held.len() {
            caps::set(None, set, &reduced)?;
        }
    }
    Ok(())
}

//! Capabilities: what the director needs, said before anything is changed; the rest is given up.

use caps::{CapSet, Capability, CapsHashSet};

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

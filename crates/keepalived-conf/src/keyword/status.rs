//! What director does with each keyword. Everything that is not listed here is done.

use super::Scope;

/// What director does with a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// It does what keepalived does.
    Done,
    /// Understood and checked, without effect, because of the reason given.
    NoEffect(&'static str),
    /// Not accepted, because of the reason given.
    Refused(&'static str),
    /// Understood and checked; the effect is not built yet.
    NotBuilt,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::NoEffect(reason) => write!(f, "accepted: no effect because {reason}"),
            Self::Refused(reason) => write!(f, "refused: {reason}"),
            Self::NotBuilt => f.write_str("not built yet"),
        }
    }
}

/// Keywords by block whose effect is not built yet.
#[rustfmt::skip]
const NOT_BUILT: &[(Scope, &[&str])] = &[
    (Scope::Root, &[
        "net_namespace", "net_namespace_ipvs", "instance",
    ]),
    (Scope::GlobalDefs, &[
        "snmp_socket",
        "enable_traps", "enable_snmp_vrrp", "enable_snmp_checker", "enable_snmp_rfc",
        "enable_snmp_rfcv2", "enable_snmp_rfcv3", "snmp_vs_stats_update_interval",
        "snmp_rs_stats_update_interval", "enable_dbus", "dbus_service_name",
        "dbus_no_interface_name", "reload_check_config", "reload_time_file", "reload_repeat",
        "reload_file", "config_save_dir", "data_use_instance",
    ]),
];

/// Keywords that are accepted without effect, and why.
#[rustfmt::skip]
const NO_EFFECT: &[(Scope, &[&str], &str)] = &[
    (Scope::Root, &["namespace_with_ipsets"], "it concerns kernels before 3.13"),
    (Scope::Root, &["use_pid_dir", "child_wait_time"], "director is one process"),
    (Scope::GlobalDefs, &[
        "process_names", "process_name", "vrrp_process_name", "checker_process_name",
        "bfd_process_name", "vrrp_priority", "checker_priority", "bfd_priority",
        "checker_no_swap", "bfd_no_swap", "checker_rt_priority", "bfd_rt_priority",
        "checker_cpu_affinity", "bfd_cpu_affinity", "checker_rlimit_rttime", "bfd_rlimit_rttime",
    ], "director is one process"),
    (Scope::GlobalDefs, &["random_seed", "stats_dump_file", "json_dump_file"],
        "it has none in keepalived either"),
    (Scope::GlobalDefs, &["tmp_config_directory"], "director reads its files only once"),
    (Scope::GlobalDefs, &[
        "lvs_netlink_cmd_rcv_bufs", "lvs_netlink_cmd_rcv_bufs_force",
        "lvs_netlink_monitor_rcv_bufs", "lvs_netlink_monitor_rcv_bufs_force",
        "vrrp_netlink_cmd_rcv_bufs", "vrrp_netlink_cmd_rcv_bufs_force",
        "vrrp_netlink_monitor_rcv_bufs", "vrrp_netlink_monitor_rcv_bufs_force",
        "process_monitor_rcv_bufs", "process_monitor_rcv_bufs_force",
    ], "director reads its sockets without backlog"),
    (Scope::GlobalDefs, &["vrrp_iptables", "vrrp_ipsets"],
        "director filters in a table of its own in nftables"),
    (Scope::Root, &["linkbeat_interfaces", "linkbeat_use_polling"],
        "the kernel tells of the carrier of every interface"),
    (Scope::Instance, &["linkbeat_use_polling"],
        "the kernel tells of the carrier of every interface"),
    (Scope::Instance, &["timer_expired_backup"],
        "every instance listens before it speaks when it was held up"),
    (Scope::GlobalDefs, &["vrrp_rlimit_rttime"],
        "the kernel would end the whole of director"),
    (Scope::Instance, &["debug"], "it has none in keepalived either"),
    (Scope::VrrpScript, &["init_fail"], "it has none in keepalived either"),
    (Scope::VirtualServer, &["hashed"], "it has none in keepalived either"),
    (Scope::Url, &["regex_stack"], "the matcher needs no stack of its own"),
    (Scope::SslUrl, &["regex_stack"], "the matcher needs no stack of its own"),
];

/// Keywords that are refused, and why.
const REFUSED: &[(Scope, &[&str], &str)] = &[];

/// What director does with the keyword `name` of a block.
#[must_use]
pub fn of(scope: Scope, name: &str) -> Status {
    if REFUSED.is_empty() && !listed(scope) {
        return Status::Done;
    }
    for (block, names, reason) in REFUSED {
        if *block == scope && names.contains(&name) {
            return Status::Refused(reason);
        }
    }
    for (block, names, reason) in NO_EFFECT {
        if *block == scope && names.contains(&name) {
            return Status::NoEffect(reason);
        }
    }
    for (block, names) in NOT_BUILT {
        if *block == scope && names.contains(&name) {
            return Status::NotBuilt;
        }
    }
    Status::Done
}

/// All entries of this file, for the test that each names a keyword.
#[cfg(test)]
pub(crate) fn entries() -> Vec<(Scope, &'static str)> {
    let mut all = Vec::new();
    all.extend(
        NOT_BUILT
            .iter()
            .flat_map(|(s, n)| n.iter().map(|n| (*s, *n))),
    );
    all.extend(
        NO_EFFECT
            .iter()
            .flat_map(|(s, n, _)| n.iter().map(|n| (*s, *n))),
    );
    all.extend(
        REFUSED
            .iter()
            .flat_map(|(s, n, _)| n.iter().map(|n| (*s, *n))),
    );
    all
}

fn listed(scope: Scope) -> bool {
    NOT_BUILT.iter().any(|(s, _)| *s == scope) || NO_EFFECT.iter().any(|(s, _, _)| *s == scope)
}

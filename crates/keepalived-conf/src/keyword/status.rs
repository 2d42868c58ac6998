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
        "linkbeat_use_polling", "net_namespace", "net_namespace_ipvs", "instance",
        "track_group",
        "linkbeat_interfaces", "interface_up_down_delays", "garp_group",
        "vrrp_track_process", "bfd_instance",
    ]),
    (Scope::GlobalDefs, &[
        "startup_script", "startup_script_timeout", "shutdown_script", "shutdown_script_timeout",
        "use_symlink_paths", "set_supplementary_groups",
        "notification_email", "notification_email_from", "smtp_server", "smtp_helo_name",
        "smtp_connect_timeout", "smtp_alert", "smtp_alert_vrrp", "smtp_alert_checker",
        "no_email_faults", "no_checker_emails", "rs_init_notifies",
        "default_interface", "vrrp_garp_interval", "vrrp_gna_interval",
        "vrrp_garp_extra_if",
        "vrrp_strict",
        "vrrp_notify_priority_changes", "vrrp_startup_delay", "vrrp_delay_after_boot",
        "log_unknown_vrids", "vrrp_rx_bufs_policy", "vrrp_rx_bufs_multiplier", "vmac_prefix",
        "vmac_addr_prefix", "disable_local_igmp", "iproute_usr_dir", "iproute_etc_dir",
        "vrrp_iptables", "vrrp_ipsets", "nftables", "nftables_priority", "nftables_ifindex",
        "nftables_counters", "nftables_ipvs", "nftables_ipvs_priority",
        "nftables_ipvs_start_fwmark", "notify_fifo", "notify_fifo_script",
        "vrrp_notify_fifo", "vrrp_notify_fifo_script", "lvs_notify_fifo",
        "lvs_notify_fifo_script", "fifo_write_vrrp_states_on_reload", "snmp_socket",
        "enable_traps", "enable_snmp_vrrp", "enable_snmp_checker", "enable_snmp_rfc",
        "enable_snmp_rfcv2", "enable_snmp_rfcv3", "snmp_vs_stats_update_interval",
        "snmp_rs_stats_update_interval", "enable_dbus", "dbus_service_name",
        "dbus_no_interface_name", "reload_check_config", "reload_time_file", "reload_repeat",
        "reload_file", "config_save_dir", "data_use_instance",
        "state_dump_file", "json_version", "umask", "max_auto_priority",
        "min_auto_priority_delay", "vrrp_cpu_affinity",
        "vrrp_rlimit_rttime",
    ]),
    (Scope::Instance, &[
        "vrf", "use_vmac", "use_vmac_addr", "vmac_xmit_base", "use_ipvlan", "native_ipv6",
        "kernel_rx_buf_size", "linkbeat_use_polling",
        "timer_expired_backup", "strict_mode",
        "no_accept", "promote_secondaries",
        "track_process", "track_bfd",
        "notify_priority_changes", "smtp_alert", "garp_extra_if",
    ]),
    (Scope::SyncGroup, &[
        "track_process", "track_bfd", "smtp_alert", "notify_priority_changes",
        "sync_group_tracking_weight",
    ]),
    (Scope::VirtualServer, &["smtp_alert", "snmp_name", "slow_start", "flap_damping", "flap_limit"]),
    (Scope::RealServer, &["smtp_alert", "snmp_name", "BFD_CHECK", "slow_start", "flap_damping", "flap_limit"]),
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

//! `global_defs`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::setting::settings;
use super::{Script, ScriptUser, Secret, Spanned, VrrpVersion};

settings! {
    /// All `global_defs` blocks together.
    pub struct GlobalDefs {
        /// Give children names of their own.
        process_names: bool = false,
        /// Name of the main process, at most 15 bytes.
        process_name: Option<String> = None,
        /// Name of the VRRP process.
        vrrp_process_name: Option<String> = None,
        /// Name of the checker process.
        checker_process_name: Option<String> = None,
        /// Name of the BFD process.
        bfd_process_name: Option<String> = None,
        /// Do not resolve symbolic links in script paths.
        use_symlink_paths: bool = false,
        /// Scripts always get the user's supplementary groups.
        set_supplementary_groups: bool = false,
        /// Run once before anything starts.
        startup_script: Option<Script> = None,
        /// When it is killed, 1 s to 1000 s.
        startup_script_timeout: Duration = Duration::from_secs(10),
        /// Run once after everything ended.
        shutdown_script: Option<Script> = None,
        /// When it is killed, 1 s to 1000 s.
        shutdown_script_timeout: Duration = Duration::from_secs(10),
        /// Default identity of scripts; `None` is `keepalived_script` if it exists, else root.
        script_user: Option<ScriptUser> = None,
        /// Refuse scripts run as root that others could have written.
        enable_script_security: bool = false,
        /// Raise the scheduling priority when timers are late.
        max_auto_priority: AutoPriority = AutoPriority::Off,
        /// Lateness that triggers this.
        min_auto_priority_delay: Duration = Duration::from_secs(1),
        /// Nice value of the VRRP process, -20 to 19.
        vrrp_priority: i8 = 0,
        /// Nice value of the checker process.
        checker_priority: i8 = 0,
        /// Nice value of the BFD process.
        bfd_priority: i8 = 0,
        /// Lock the VRRP process in memory.
        vrrp_no_swap: bool = false,
        /// Lock the checker process in memory.
        checker_no_swap: bool = false,
        /// Lock the BFD process in memory.
        bfd_no_swap: bool = false,
        /// Real-time priority of the VRRP process, 1 to 99.
        vrrp_rt_priority: Option<u8> = None,
        /// Real-time priority of the checker process.
        checker_rt_priority: Option<u8> = None,
        /// Real-time priority of the BFD process.
        bfd_rt_priority: Option<u8> = None,
        /// Processors of the VRRP process; empty is all.
        vrrp_cpu_affinity: Vec<u32> = Vec::new(),
        /// Processors of the checker process.
        checker_cpu_affinity: Vec<u32> = Vec::new(),
        /// Processors of the BFD process.
        bfd_cpu_affinity: Vec<u32> = Vec::new(),
        /// Longest run without a system call under real-time scheduling.
        vrrp_rlimit_rttime: Duration = Duration::from_millis(10),
        /// The same for the checker process.
        checker_rlimit_rttime: Duration = Duration::from_millis(10),
        /// The same for the BFD process.
        bfd_rlimit_rttime: Duration = Duration::from_millis(10),
        /// File mode creation mask.
        umask: u32 = 0o177,
        /// Seed of `${_RANDOM}`. No effect in keepalived.
        random_seed: Option<u32> = None,
        /// Name of this machine in mails and SNMP; `None` is the host name.
        router_id: Option<String> = None,
        /// Recipients of mails.
        notification_email: Vec<Spanned<String>> = Vec::new(),
        /// Sender of mails; `None` is `USER@HOST`.
        notification_email_from: Option<String> = None,
        /// Mail server; `None` sends no mail.
        smtp_server: Option<SmtpServer> = None,
        /// Argument of HELO; `None` is the host name.
        smtp_helo_name: Option<String> = None,
        /// Limit for connecting and each reply.
        smtp_connect_timeout: Duration = Duration::from_secs(30),
        /// How the connection to the mail server is protected.
        smtp_tls: SmtpTls = SmtpTls::No,
        /// Take any certificate of the mail server.
        smtp_no_verify: bool = false,
        /// Authorities of the mail server's certificate; `None` is those of the system.
        smtp_ca_file: Option<String> = None,
        /// User at the mail server; `None` sends without authentication.
        smtp_user: Option<String> = None,
        /// That user's password.
        smtp_password: Option<Secret> = None,
        /// File with that password.
        smtp_password_file: Option<String> = None,
        /// How long alerts are collected into one mail; zero sends each by itself.
        smtp_batch_delay: Duration = Duration::from_secs(5),
        /// Default of all alerts.
        smtp_alert: Option<bool> = None,
        /// Default of alerts of instances and sync groups.
        smtp_alert_vrrp: Option<bool> = None,
        /// Default of alerts of virtual and real servers.
        smtp_alert_checker: Option<bool> = None,
        /// No mail for FAULT.
        no_email_faults: bool = false,
        /// Mail only when a real server is added or removed, not for each checker.
        no_checker_emails: bool = false,
        /// Default of `log_all_failures`.
        checker_log_all_failures: bool = false,
        /// Notify for real servers that start up.
        rs_init_notifies: bool = false,
        /// Default version of IPv4 instances.
        vrrp_version: VrrpVersion = VrrpVersion::V2,
        /// IPv4 multicast group.
        vrrp_mcast_group4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18),
        /// IPv6 multicast group.
        vrrp_mcast_group6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12),
        /// Interface of static addresses without one.
        default_interface: String = String::from("eth0"),
        /// Interfaces may be absent.
        dynamic_interfaces: DynamicInterfaces = DynamicInterfaces::No,
        /// Delay of the second burst of gratuitous ARPs; zero for none.
        vrrp_garp_master_delay: Duration = Duration::from_secs(5),
        /// Packets per address and burst, from 1.
        vrrp_garp_master_repeat: u32 = 5,
        /// Period of the refresh while master; zero for none.
        vrrp_garp_master_refresh: Duration = Duration::ZERO,
        /// Packets per address and refresh, from 1.
        vrrp_garp_master_refresh_repeat: u32 = 1,
        /// Delay of the second burst after an advert of lower priority; `vrrp_garp_master_delay` unless written.
        vrrp_garp_lower_prio_delay: Duration = Duration::from_secs(5),
        /// Packets after an advert of lower priority; `vrrp_garp_master_repeat` unless written.
        vrrp_garp_lower_prio_repeat: u32 = 5,
        /// Spacing of gratuitous ARPs on an interface.
        vrrp_garp_interval: Duration = Duration::ZERO,
        /// Spacing of unsolicited neighbour advertisements.
        vrrp_gna_interval: Duration = Duration::ZERO,
        /// One gratuitous ARP only.
        vrrp_min_garp: bool = false,
        /// Periodic announcements on other interfaces.
        vrrp_garp_extra_if: Option<ExtraInterfaceGarp> = None,
        /// Missed adverts until the master counts as down, 1 to 100.
        vrrp_down_timer_adverts: u8 = 3,
        /// Do not answer adverts of lower priority.
        vrrp_lower_prio_no_advert: bool = false,
        /// Send one more advert before yielding.
        vrrp_higher_prio_send_advert: bool = false,
        /// VRRPv3 IPv4 checksum without pseudo header.
        v3_checksum_as_v2: bool = false,
        /// Drop unicast adverts from others than peers.
        vrrp_check_unicast_src: bool = false,
        /// Compare addresses only in the first advert of a master.
        vrrp_skip_check_adv_addr: bool = false,
        /// Owners ignore adverts.
        vrrp_owner_ignore_adverts: bool = false,
        /// Default of `strict_mode`.
        vrrp_strict: bool = false,
        /// Default of `notify_priority_changes`.
        vrrp_notify_priority_changes: bool = false,
        /// Hold all instances after the start.
        vrrp_startup_delay: Duration = Duration::ZERO,
        /// Hold all instances after the boot.
        vrrp_delay_after_boot: Duration = Duration::ZERO,
        /// Log adverts for unknown VRIDs.
        log_unknown_vrids: bool = false,
        /// Size of receive buffers.
        vrrp_rx_bufs_policy: Option<ReceiveBufferPolicy> = None,
        /// Factor for the policies MTU and ADVERT.
        vrrp_rx_bufs_multiplier: u32 = 3,
        /// Prefix of names of virtual MAC interfaces.
        vmac_prefix: String = String::from("vrrp"),
        /// The same for addresses on other interfaces.
        vmac_addr_prefix: Option<String> = None,
        /// No IGMP reports for link-local groups.
        disable_local_igmp: bool = false,
        /// Directory of iproute2's name tables.
        iproute_usr_dir: Option<String> = None,
        /// Directory of the site's name tables.
        iproute_etc_dir: Option<String> = None,
        /// Use iptables chains.
        vrrp_iptables: Option<Iptables> = None,
        /// Names of ipsets; empty for none.
        vrrp_ipsets: Option<Vec<String>> = None,
        /// Use nftables with this table.
        nftables: Option<String> = None,
        /// Priority of the chains.
        nftables_priority: i32 = -1,
        /// Sets keyed by interface index.
        nftables_ifindex: bool = false,
        /// Counters on rules.
        nftables_counters: bool = false,
        /// Use firewall marks for virtual server groups, with this table.
        nftables_ipvs: Option<String> = None,
        /// Priority of those chains.
        nftables_ipvs_priority: i32 = -1,
        /// First mark to use.
        nftables_ipvs_start_fwmark: u32 = 1000,
        /// Connection timeouts of IPVS; `None` leaves them.
        lvs_timeouts: Option<LvsTimeouts> = None,
        /// Flush the IPVS table at start.
        lvs_flush: bool = false,
        /// Flush the IPVS table at stop.
        lvs_flush_on_stop: FlushOnStop = FlushOnStop::No,
        /// `change_guard`: hold what would take out more than this share of all real servers at once, in per cent.
        change_guard: Option<u8> = None,
        /// Connection synchronisation.
        lvs_sync_daemon: Option<LvsSyncDaemon> = None,
        /// Receive buffer in bytes.
        lvs_netlink_cmd_rcv_bufs: Option<u32> = None,
        /// Beyond the system limit.
        lvs_netlink_cmd_rcv_bufs_force: bool = false,
        /// Receive buffer in bytes.
        lvs_netlink_monitor_rcv_bufs: Option<u32> = None,
        /// Beyond the system limit.
        lvs_netlink_monitor_rcv_bufs_force: bool = false,
        /// Receive buffer in bytes.
        vrrp_netlink_cmd_rcv_bufs: Option<u32> = None,
        /// Beyond the system limit.
        vrrp_netlink_cmd_rcv_bufs_force: bool = false,
        /// Receive buffer in bytes.
        vrrp_netlink_monitor_rcv_bufs: Option<u32> = None,
        /// Beyond the system limit.
        vrrp_netlink_monitor_rcv_bufs_force: bool = false,
        /// Receive buffer in bytes.
        process_monitor_rcv_bufs: Option<u32> = None,
        /// Beyond the system limit.
        process_monitor_rcv_bufs_force: bool = false,
        /// FIFO for all events.
        notify_fifo: Option<NotifyFifo> = None,
        /// Its reader.
        notify_fifo_script: Option<Script> = None,
        /// FIFO for VRRP events.
        vrrp_notify_fifo: Option<NotifyFifo> = None,
        /// Its reader.
        vrrp_notify_fifo_script: Option<Script> = None,
        /// FIFO for LVS events.
        lvs_notify_fifo: Option<NotifyFifo> = None,
        /// Its reader.
        lvs_notify_fifo_script: Option<Script> = None,
        /// Write all states again after a reload.
        fifo_write_vrrp_states_on_reload: bool = false,
        /// AgentX socket.
        snmp_socket: Option<String> = None,
        /// Send SNMP traps.
        enable_traps: bool = false,
        /// VRRP part of the MIB.
        enable_snmp_vrrp: bool = false,
        /// Checker part of the MIB.
        enable_snmp_checker: bool = false,
        /// Both RFC MIBs.
        enable_snmp_rfc: bool = false,
        /// RFC 2787.
        enable_snmp_rfcv2: bool = false,
        /// RFC 6527.
        enable_snmp_rfcv3: bool = false,
        /// Greatest age of virtual server statistics.
        snmp_vs_stats_update_interval: Duration = Duration::from_secs(5),
        /// The same for real servers.
        snmp_rs_stats_update_interval: Duration = Duration::from_secs(5),
        /// Offer the D-Bus interface.
        enable_dbus: bool = false,
        /// D-Bus name; `None` is `org.keepalived.Vrrp1`.
        dbus_service_name: Option<String> = None,
        /// Path element for instances without interface; `None` is `none`.
        dbus_no_interface_name: Option<String> = None,
        /// Check a new file before a reload; the log file, `/dev/null` unless given.
        reload_check_config: Option<String> = None,
        /// File with the time of the next reload.
        reload_time_file: Option<String> = None,
        /// Keep that file.
        reload_repeat: bool = false,
        /// File that exists while the configuration is read; empty for the default name.
        reload_file: Option<String> = None,
        /// Checks of `include`.
        include_check: IncludeChecks = IncludeChecks::default(),
        /// Where copies of the configuration are kept.
        config_save_dir: Option<String> = None,
        /// Where the consolidated copy lives.
        tmp_config_directory: Option<String> = None,
        /// Put the instance into names of dumps.
        data_use_instance: bool = false,
        /// Name of the state dump.
        state_dump_file: Option<String> = None,
        /// Name of the statistics dump. No effect in keepalived.
        stats_dump_file: Option<String> = None,
        /// Name of the JSON dump. No effect in keepalived.
        json_dump_file: Option<String> = None,
        /// Version of the JSON dump, 1 or 2.
        json_version: u8 = 1,
    }
}

/// `max_auto_priority`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum AutoPriority {
    /// Never, and do not hint at it either (-1).
    Silent,
    /// Never.
    Off,
    /// Up to this real-time priority.
    UpTo(u8),
}

/// `smtp_server HOST [PORT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SmtpServer {
    /// Address or name.
    pub host: String,
    /// Port; 25 unless written.
    pub port: u16,
}

/// `smtp_tls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum SmtpTls {
    /// Plain text, as keepalived does.
    No,
    /// Plain text until the command STARTTLS (RFC 3207); never without.
    StartTls,
    /// From the first octet on (RFC 8314).
    Tls,
}

/// `dynamic_interfaces`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum DynamicInterfaces {
    /// Every interface must exist.
    No,
    /// Interfaces may come and go.
    Yes,
    /// They may also change type or parent.
    AllowChanges,
}

/// `[all] SECS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ExtraInterfaceGarp {
    /// All interfaces, not only virtual MAC interfaces.
    pub all: bool,
    /// Period; zero switches it off.
    pub interval: Duration,
}

/// `vrrp_rx_bufs_policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum ReceiveBufferPolicy {
    /// By the interface's MTU.
    Mtu,
    /// By the size of adverts.
    Advert,
    /// Bytes.
    Bytes(u32),
}

/// `vrrp_iptables [IN [OUT]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Iptables {
    /// Chain for incoming packets.
    pub input: String,
    /// Chain for outgoing packets; `None` if only the input chain was given.
    pub output: Option<String>,
}

/// `lvs_timeouts`; `None` leaves a timeout as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LvsTimeouts {
    /// `tcp`: established connections, up to 31 days.
    pub tcp: Option<Duration>,
    /// `tcpfin`: connections after FIN.
    pub tcpfin: Option<Duration>,
    /// `udp`.
    pub udp: Option<Duration>,
}

/// `lvs_flush_on_stop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum FlushOnStop {
    /// Leave foreign services alone.
    No,
    /// Flush everything.
    All,
    /// `VS`: delete the own virtual services without their destinations first.
    VirtualServers,
}

/// `lvs_sync_daemon IF [[inst] VI] [id N] [maxlen N] [port N] [ttl N] [group ADDR]`.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LvsSyncDaemon {
    /// Interface.
    pub interface: Spanned<String>,
    /// Instance whose state decides between master and backup; `None` runs both.
    pub inst: Option<Spanned<String>>,
    /// Synchronisation id: written, else the instance's VRID, else 0.
    pub id: Option<u8>,
    /// Longest message, 1 to 65507.
    pub maxlen: Option<u16>,
    /// UDP port; the kernel's default is 8848.
    pub port: Option<u16>,
    /// Time to live, from 1.
    pub ttl: Option<u8>,
    /// Multicast group; the kernel's default is 224.0.0.81.
    pub group: Option<IpAddr>,
}

/// `PATH [USER [GROUP]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NotifyFifo {
    /// Path.
    pub path: String,
    /// Owner.
    pub user: Option<ScriptUser>,
}

/// `include_check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct IncludeChecks {
    /// Files must be readable.
    pub read: bool,
    /// Something must match.
    pub matched: bool,
    /// Also a wildcard must match.
    pub wildcard: bool,
    /// Every brace alternative must match.
    pub brace: bool,
}

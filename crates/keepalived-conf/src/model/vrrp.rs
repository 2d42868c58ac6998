//! `vrrp_instance` and `vrrp_sync_group`.

use std::net::IpAddr;
use std::time::Duration;

use super::setting::settings;
use super::{
    ExtraInterfaceGarp, Family, Origin, Prefix, Route, Rule, Script, Secret, Spanned, Trackers,
    VirtualAddress,
};

/// Version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum VrrpVersion {
    /// RFC 3768.
    V2,
    /// RFC 9568.
    V3,
}

/// `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[allow(missing_docs)]
pub enum InitialState {
    Master,
    Backup,
}

settings! {
    /// `vrrp_instance NAME { }`.
    pub struct VrrpInstance {
        /// Interface to run on; `None` only for unicast.
        interface: Option<String> = None,
        /// VRF to bind to, for unicast without interface.
        vrf: Option<String> = None,
        /// Run on a virtual MAC interface.
        use_vmac: Option<UseVmac> = None,
        /// Virtual MAC interfaces also for addresses on other interfaces.
        use_vmac_addr: bool = false,
        /// Send and receive on the base interface.
        vmac_xmit_base: bool = false,
        /// Run on an ipvlan interface.
        use_ipvlan: Option<UseIpvlan> = None,
        /// Force IPv6.
        native_ipv6: bool = false,
        /// Source address of multicast adverts (`mcast_src_ip`); `None` is the interface's first.
        mcast_src_ip: Option<IpAddr> = None,
        /// Source address of unicast adverts (`unicast_src_ip`).
        unicast_src_ip: Option<IpAddr> = None,
        /// Fault while the source address is absent.
        track_src_ip: bool = false,
        /// Multicast group; `None` is the global one.
        mcast_dst_ip: Option<IpAddr> = None,
        /// Fault rather than multicast if there is no peer.
        unicast_fault_no_peer: bool = false,
        /// Drop adverts whose source is not a peer.
        check_unicast_src: bool = false,
        /// Time to live of unicast adverts; `None` is 255 (IPv4) or the kernel's (IPv6).
        unicast_ttl: Option<u8> = None,
        /// Checksum of older keepalived versions (VRRPv3, IPv4, unicast).
        old_unicast_checksum: Option<OldUnicastChecksum> = None,
        /// VRRPv3 IPv4 checksum without pseudo header.
        v3_checksum_as_v2: bool = false,
        /// Size of the receive buffer in bytes.
        kernel_rx_buf_size: Option<u32> = None,
        /// Poll the link state.
        linkbeat_use_polling: bool = false,

        /// 1 to 255; mandatory, 0 if it was not given (an error was reported).
        virtual_router_id: u8 = 0,
        /// Protocol version: written, else 3 for IPv6, else the global one.
        version: VrrpVersion = VrrpVersion::V2,
        /// Wished first state; derived from the priority if nobody wrote it.
        state: InitialState = InitialState::Backup,
        /// 1 to 255; 100 unless written, 255 with `state MASTER` and no priority.
        priority: u8 = 100,
        /// Advert interval, 10 ms to 255 s; version 2 has whole seconds, version 3 at most 40.95 s.
        advert_int: Duration = Duration::from_secs(1),
        /// Missed adverts until the master counts as down, 1 to 100.
        down_timer_adverts: u8 = 3,
        /// Never take over from a live master of lower priority.
        nopreempt: bool = false,
        /// Wait before preempting, up to 1000 s.
        preempt_delay: Duration = Duration::ZERO,
        /// Priority assumed when the process was held up too long; `None` is off.
        timer_expired_backup: Option<u8> = None,
        /// Follow the RFC strictly.
        strict_mode: bool = false,
        /// Compare addresses only in the first advert of a master.
        skip_check_adv_addr: bool = false,
        /// Do not answer adverts of lower priority.
        lower_prio_no_advert: bool = false,
        /// Send one more advert before yielding.
        higher_prio_send_advert: bool = false,
        /// An owner ignores adverts.
        owner_ignore_adverts: bool = false,
        /// Accept packets to the virtual addresses (`accept`, `no_accept`).
        accept: bool = true,
        /// Debug level, 0 to 4. No effect in keepalived.
        debug: u8 = 0,

        /// No address is fine.
        no_virtual_ipaddress: bool = false,
        /// Set `promote_secondaries` on the interface.
        promote_secondaries: bool = false,
        /// Ignore faults of the own interface.
        dont_track_primary: bool = false,
        /// Events for changes of priority.
        notify_priority_changes: bool = false,
        /// Send mail at transitions: written, else `smtp_alert_vrrp`, else `smtp_alert`.
        smtp_alert: bool = false,
        /// Report DELETED rather than FAULT when a reload removes the instance.
        notify_deleted: bool = false,
        /// Interface of the connection synchronisation daemon (deprecated here).
        lvs_sync_daemon_interface: Option<String> = None,

        /// Delay of the second burst of gratuitous ARPs; zero for none.
        garp_master_delay: Duration = Duration::from_secs(5),
        /// Packets per address and burst, from 1.
        garp_master_repeat: u32 = 5,
        /// Period of the refresh while master; zero for none.
        garp_master_refresh: Duration = Duration::ZERO,
        /// Packets per address and refresh, from 1.
        garp_master_refresh_repeat: u32 = 1,
        /// Delay of the second burst after an advert of lower priority.
        garp_lower_prio_delay: Duration = Duration::from_secs(5),
        /// Packets per address after an advert of lower priority; 0 for none.
        garp_lower_prio_repeat: u32 = 5,
        /// Periodic announcements on other interfaces.
        garp_extra_if: Option<ExtraInterfaceGarp> = None,
    } plus {
        /// Name of the instance.
        name: Spanned<String> = Spanned::new(String::new(), Origin::default().0),
        /// Family of the adverts.
        family: Family = Family::Inet,
        /// True if a keyword asked for unicast.
        unicast: bool = false,
        /// Peers in the order of transmission; empty means multicast.
        unicast_peer: Vec<UnicastPeer> = Vec::new(),
        /// Advertised addresses, all of one family.
        virtual_ipaddress: Vec<VirtualAddress> = Vec::new(),
        /// Addresses that are configured but not advertised.
        virtual_ipaddress_excluded: Vec<VirtualAddress> = Vec::new(),
        /// Routes while master.
        virtual_routes: Vec<Route> = Vec::new(),
        /// Rules while master.
        virtual_rules: Vec<Rule> = Vec::new(),
        /// `track_*` blocks.
        track: Trackers = Trackers::default(),
        /// `notify*` scripts.
        notify: Notify = Notify::default(),
        /// Authentication in force (VRRPv2 only); `None` if there is none.
        authentication: Option<Authentication> = None,
        /// keepalived's own authentication extension.
        auth_hmac: Option<AuthHmac> = None,
        /// Sync group the instance belongs to.
        sync_group: Option<String> = None,
        /// Where the block stands.
        span: Origin = Origin::default(),
    }
}

impl VrrpInstance {
    /// Source address of the adverts, whichever keyword set it.
    #[must_use]
    pub fn source_address(&self) -> Option<IpAddr> {
        self.unicast_src_ip.value.or(self.mcast_src_ip.value)
    }

    /// True if adverts go to peers.
    #[must_use]
    pub const fn is_unicast(&self) -> bool {
        !self.unicast_peer.is_empty()
    }
}

/// The `notify*` scripts of an instance or a sync group.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Notify {
    /// `notify_master`.
    pub notify_master: Option<Script>,
    /// `notify_backup`.
    pub notify_backup: Option<Script>,
    /// `notify_fault`.
    pub notify_fault: Option<Script>,
    /// `notify_stop`.
    pub notify_stop: Option<Script>,
    /// `notify_deleted` (instances only).
    pub notify_deleted: Option<Script>,
    /// `notify`: any transition, with four more arguments.
    pub notify: Option<Script>,
    /// `notify_master_rx_lower_pri` (instances only).
    pub notify_master_rx_lower_pri: Option<Script>,
}

/// `ADDR [min_ttl N] [max_ttl N]`.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct UnicastPeer {
    /// The peer.
    pub address: IpAddr,
    /// Smallest accepted time to live; `None` is not checked.
    pub min_ttl: Option<u8>,
    /// Greatest accepted time to live.
    pub max_ttl: Option<u8>,
    /// Where the entry stands.
    pub span: Origin,
}

/// `use_vmac [[name] IF] [MAC] [netlink_notify_msg] [group G]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct UseVmac {
    /// Name of the interface; `None` is `PREFIX.VRID`.
    pub name: Option<String>,
    /// Hardware address; `None` is 00:00:5e:00:01:VRID (IPv4) or 00:00:5e:00:02:VRID (IPv6).
    pub mac: Option<[u8; 6]>,
    /// Announce the interface with a netlink message.
    pub netlink_notify_msg: bool,
    /// Link group.
    pub group: Option<String>,
}

/// `use_ipvlan [[name] IF] [ADDR[/LEN]] [bridge|private|vepa] [group G]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct UseIpvlan {
    /// Name of the interface.
    pub name: Option<String>,
    /// Its address, also the source of adverts.
    pub address: Option<Prefix>,
    /// Mode.
    pub mode: IpvlanMode,
    /// Link group.
    pub group: Option<String>,
}

/// Mode of an ipvlan interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[allow(missing_docs)]
pub enum IpvlanMode {
    #[default]
    Bridge,
    Private,
    Vepa,
}

/// `old_unicast_checksum [never]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum OldUnicastChecksum {
    /// Always the old form.
    Always,
    /// Never detect the old form.
    Never,
}

/// `auth_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum AuthType {
    /// Simple password.
    Pass,
    /// IPsec authentication header.
    Ah,
}

/// `authentication { }`.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Authentication {
    /// Kind.
    pub auth_type: AuthType,
    /// First 8 bytes of what was written.
    pub auth_pass: Secret,
    /// Where `auth_type` stands.
    pub type_span: Origin,
    /// Where `auth_pass` stands.
    pub pass_span: Origin,
}

/// `auth_hmac { }`.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct AuthHmac {
    /// `key` lines.
    pub key: Vec<HmacKey>,
    /// Key that signs, 1 to 255.
    pub active_key: u8,
    /// Accepted difference of clocks, 1 s to 300 s.
    pub time_window: Duration,
    /// Kind of replay protection.
    pub anti_replay: AntiReplay,
    /// What is accepted.
    pub mode: HmacMode,
    /// Where the block stands.
    pub span: Origin,
}

/// `key ID VALUE`.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct HmacKey {
    /// 1 to 255.
    pub id: u8,
    /// 32 to 64 bytes; read from the file for `file:PATH`.
    pub key: Secret,
    /// Where the line stands.
    pub span: Origin,
}

/// `anti_replay`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[allow(missing_docs)]
pub enum AntiReplay {
    #[default]
    Time,
    Monotonic,
}

/// `mode` of `auth_hmac`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[allow(missing_docs)]
pub enum HmacMode {
    #[default]
    Enforce,
    Permissive,
    ReceiveOnly,
}

settings! {
    /// `vrrp_sync_group NAME { }`.
    pub struct VrrpSyncGroup {
        /// Send mail at transitions.
        smtp_alert: bool = false,
        /// Events for changes of priority, for members.
        notify_priority_changes: bool = false,
        /// Keep weights of members' trackers.
        sync_group_tracking_weight: bool = false,
    } plus {
        /// Name of the group.
        name: Spanned<String> = Spanned::new(String::new(), Origin::default().0),
        /// Members; names that are not defined are left out (an error was reported).
        group: Vec<Spanned<String>> = Vec::new(),
        /// `track_*` blocks, for all members.
        track: Trackers = Trackers::default(),
        /// `notify*` scripts.
        notify: Notify = Notify::default(),
        /// Where the block stands.
        span: Origin = Origin::default(),
    }
}

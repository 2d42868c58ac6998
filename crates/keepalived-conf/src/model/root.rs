//! The whole configuration, and the small blocks of the root level.

use std::time::Duration;

use super::setting::settings;
use super::{
    BfdInstance, GlobalDefs, Origin, Route, Rule, Secret, Spanned, TrackFile, TrackProcess,
    VirtualAddress, VirtualServer, VirtualServerGroup, VrrpInstance, VrrpScript, VrrpSyncGroup,
};

settings! {
    /// Everything a configuration says.
    pub struct Config {
        /// Poll link states of every instance's interface.
        linkbeat_use_polling: bool = false,
        /// Network namespace to run in.
        net_namespace: Option<String> = None,
        /// Network namespace of IPVS; `Some("")` is the default namespace.
        net_namespace_ipvs: Option<String> = None,
        /// Allow ipsets inside a namespace on old kernels.
        namespace_with_ipsets: bool = false,
        /// Process id files in a directory of their own.
        use_pid_dir: bool = false,
        /// Name of this instance of the daemon.
        instance: Option<String> = None,
        /// How long children may take to exit.
        child_wait_time: Duration = Duration::from_secs(5),
    } plus {
        /// All `global_defs` blocks together.
        global_defs: GlobalDefs = GlobalDefs::default(),
        /// `track_group` blocks.
        track_group: Vec<TrackGroup> = Vec::new(),
        /// `static_ipaddress` entries.
        static_ipaddress: Vec<VirtualAddress> = Vec::new(),
        /// `static_routes` entries.
        static_routes: Vec<Route> = Vec::new(),
        /// `static_rules` entries.
        static_rules: Vec<Rule> = Vec::new(),
        /// `linkbeat_interfaces` entries.
        linkbeat_interfaces: Vec<LinkbeatInterface> = Vec::new(),
        /// `interface_up_down_delays` entries.
        interface_up_down_delays: Vec<InterfaceDelay> = Vec::new(),
        /// `garp_group` blocks.
        garp_group: Vec<GarpGroup> = Vec::new(),
        /// `vrrp_script` blocks.
        vrrp_script: Vec<VrrpScript> = Vec::new(),
        /// `vrrp_track_process` blocks.
        vrrp_track_process: Vec<TrackProcess> = Vec::new(),
        /// `track_file` blocks.
        track_file: Vec<TrackFile> = Vec::new(),
        /// `bfd_instance` blocks.
        bfd_instance: Vec<BfdInstance> = Vec::new(),
        /// `vrrp_sync_group` blocks.
        vrrp_sync_group: Vec<VrrpSyncGroup> = Vec::new(),
        /// `vrrp_instance` blocks.
        vrrp_instance: Vec<VrrpInstance> = Vec::new(),
        /// The `SSL` block.
        ssl: Option<SslKeys> = None,
        /// `virtual_server_group` blocks.
        virtual_server_group: Vec<VirtualServerGroup> = Vec::new(),
        /// `virtual_server` blocks.
        virtual_server: Vec<VirtualServer> = Vec::new(),
    }
}

settings! {
    /// `SSL { }`: the client certificate of `SSL_GET`.
    pub struct SslKeys {
        /// Password of the key.
        password: Option<Secret> = None,
        /// File of trusted authorities.
        ca: Option<String> = None,
        /// Certificate file.
        certificate: Option<String> = None,
        /// Key file.
        key: Option<String> = None,
    } plus {
        /// Where the block stands.
        span: Origin = Origin::default(),
    }
}

/// `track_group NAME { group { ... } }`.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TrackGroup {
    /// Name of the group.
    pub name: Spanned<String>,
    /// Instances that fault together with the static item.
    pub group: Vec<Spanned<String>>,
    /// Where the block stands.
    pub span: Origin,
}

/// An entry of `linkbeat_interfaces`: `IF [MII|ETHTOOL|IOCTL]`.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LinkbeatInterface {
    /// The interface.
    pub interface: Spanned<String>,
    /// Method: `MII`, `ETHTOOL` or `IOCTL`; `None` is the best that works.
    pub method: Option<&'static str>,
}

/// An entry of `interface_up_down_delays`: `IF DOWN [UP]`.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct InterfaceDelay {
    /// The interface.
    pub interface: Spanned<String>,
    /// Hold before a loss counts, up to 255 s.
    pub down: Duration,
    /// Hold before a return counts; zero if absent.
    pub up: Duration,
}

settings! {
    /// `garp_group { }`.
    pub struct GarpGroup {
        /// Spacing of gratuitous ARPs over the group.
        garp_interval: Duration = Duration::ZERO,
        /// Spacing of unsolicited neighbour advertisements over the group.
        gna_interval: Duration = Duration::ZERO,
    } plus {
        /// `interface` and `interfaces`.
        interfaces: Vec<Spanned<String>> = Vec::new(),
        /// Where the block stands.
        span: Origin = Origin::default(),
    }
}

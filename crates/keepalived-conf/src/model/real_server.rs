//! `real_server`.

use std::net::IpAddr;
use std::time::Duration;

use super::setting::settings;
use super::{Checker, LvsMethod, Origin, Script, Setting};

/// Check keywords of a virtual server or real server that its checkers inherit. A field nobody
/// wrote holds `None`; the effective values are in the [`Checker`]s.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct CheckDefaults {
    /// `retry`.
    pub retry: Setting<Option<u32>>,
    /// `delay_before_retry`.
    pub delay_before_retry: Setting<Option<Duration>>,
    /// `warmup`.
    pub warmup: Setting<Option<Duration>>,
    /// `connect_timeout`.
    pub connect_timeout: Setting<Option<Duration>>,
    /// `delay_loop`.
    pub delay_loop: Setting<Option<Duration>>,
    /// `slow_start`: time in which the weight of a server that came back grows to its full value.
    pub slow_start: Setting<Option<Duration>>,
    /// `flap_damping`: half-life of the count of a server's failures.
    pub flap_damping: Setting<Option<Duration>>,
    /// `flap_limit`: that count from which on a failed server is held down.
    pub flap_limit: Setting<Option<u32>>,
}

settings! {
    /// `real_server ADDR [PORT] { }`.
    pub struct RealServer {
        /// Weight, 0 to 2147483647: written, else the virtual server's.
        weight: u32 = 1,
        /// Forwarding method: written, else the virtual server's.
        lvs_method: LvsMethod = LvsMethod::Nat,
        /// Most connections; 0 for no limit.
        uthreshold: u32 = 0,
        /// Connections at which the server is used again; 0 for none.
        lthreshold: u32 = 0,
        /// Stay in the table with weight 0 when failed.
        inhibit_on_failure: bool = false,
        /// Start as down.
        alpha: bool = false,
        /// Send mail; true unless written here or globally.
        smtp_alert: bool = true,
    } plus {
        /// Address.
        address: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        /// Effective port: written, else the virtual server's; `None` for every port.
        port: Option<u16> = None,
        /// `retry` and its kin; `None` if none is written here.
        checks: Option<Box<CheckDefaults>> = None,
        /// `virtualhost` and `snmp_name`, if written.
        names: Option<Box<RealServerNames>> = None,
        /// Run when the server comes up.
        notify_up: Option<Box<Script>> = None,
        /// Run when the server goes down.
        notify_down: Option<Box<Script>> = None,
        /// The checkers; without any the server is always up.
        checkers: Vec<Checker> = Vec::new(),
        /// Where the header stands.
        span: Origin = Origin::default(),
    }
}

/// Rarely used texts of a real server.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RealServerNames {
    /// `virtualhost`: default HTTP host name of checkers.
    pub virtualhost: Setting<Option<String>>,
    /// `snmp_name`.
    pub snmp_name: Setting<Option<String>>,
}

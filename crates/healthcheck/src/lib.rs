#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod agent;
pub mod dial;
pub mod dns;
pub mod file;
pub mod http;
pub mod misc;
mod monitor;
mod outcome;
pub mod ping;
mod probe;
mod regex;
mod schedule;
mod shared;
pub mod smtp;
pub mod talk;
pub mod tcp;
pub mod tls;
pub mod udp;

pub use agent::{AgentProbe, AgentSettings};
pub use dial::Dialer;
pub use dns::{DnsProbe, DnsSettings};
pub use file::{FileProbe, FileSettings};
pub use http::{HttpProbe, HttpSettings, HttpUrl};
pub use misc::{MiscProbe, MiscSettings};
pub use monitor::{Check, Event, Events, Latency, Monitor, MonitorSettings, Snapshot, Stats};
pub use outcome::{Cause, Detail, Outcome, SystemError, Wanted, Weight};
pub use ping::{PingProbe, PingSettings};
pub use probe::{Attempt, Probe, ProbeKey};
pub use schedule::{Change, Policy, Tracker, Verdict};
pub use smtp::{SmtpProbe, SmtpSettings};
pub use talk::{TalkProbe, TalkSettings};
pub use tcp::{TcpProbe, TcpSettings};
pub use tls::TlsSettings;
pub use udp::{UdpProbe, UdpSettings};

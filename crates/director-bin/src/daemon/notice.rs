//! What there is to tell, and how scripts, FIFOs and mails say it. Pure.

use super::notify::{
    Announced, Trigger, group_object, instance_object, real_server_object, virtual_server_object,
};
use crate::fifo::Line;
use crate::lvs::Happening;
use crate::mail::Alert;
use ipvs_netlink::DestinationId;
use serde_json::{Map, Value};
use std::time::{SystemTime, UNIX_EPOCH};

/// Something that scripts, FIFOs and mails are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// An instance enters a state.
    Instance {
        name: String,
        state: Announced,
        previous: Option<&'static str>,
        priority: u8,
        reason: String,
    },
    /// The effective priority of an instance changes (`notify_priority_changes`).
    Priority {
        name: String,
        master: bool,
        priority: u8,
    },
    /// As master it has heard an advertisement of lower priority.
    LowerPriority {
        name: String,
        priority: u8,
        by: std::net::IpAddr,
        heard: u8,
    },
    /// A sync group enters a state.
    Group {
        name: String,
        state: Announced,
        previous: Option<&'static str>,
    },
    /// A real server comes up or goes down.
    RealServer {
        virtual_server: String,
        real_server: DestinationId,
        up: bool,
        reason: String,
    },
    /// A virtual server gains or loses its quorum.
    Quorum {
        virtual_server: String,
        up: bool,
        weight: u64,
        needed: u64,
    },
}

/// How keepalived names a real server: by its virtual server's protocol.
pub(crate) fn real_server_name(virtual_server: &str, server: DestinationId) -> String {
    let protocol = virtual_server
        .strip_prefix('[')
        .and_then(|rest| rest.rsplit_once("]:"))
        .and_then(|(_, rest)| rest.split_once(':'))
        .map_or("none", |(protocol, _)| protocol);
    real_server_with(protocol, server)
}

fn real_server_with(protocol: &str, server: DestinationId) -> String {
    format!("[{}]:{protocol}:{}", server.address, server.port)
}

impl Notice {
    /// What a change in the LVS model means for scripts and FIFOs; a change of weight is not told.
    pub(crate) fn of(happening: &Happening) -> Option<Self> {
        Some(match happening {
            Happening::RealServerUp {
                virtual_server,
                real_server,
                reason,
            } => Self::RealServer {
                virtual_server: virtual_server.clone(),
                real_server: *real_server,
                up: true,
                reason: reason.clone(),
            },
            Happening::RealServerDown {
                virtual_server,
                real_server,
                reason,
            } => Self::RealServer {
                virtual_server: virtual_server.clone(),
                real_server: *real_server,
                up: false,
                reason: reason.clone(),
            },
            Happening::QuorumGained {
                virtual_server,
                weight,
                needed,
            } => Self::Quorum {
                virtual_server: virtual_server.clone(),
                up: true,
                weight: *weight,
                needed: *needed,
            },
            Happening::QuorumLost {
                virtual_server,
                weight,
                needed,
                ..
            } => Self::Quorum {
                virtual_server: virtual_server.clone(),
                up: false,
                weight: *weight,
                needed: *needed,
            },
            _ => return None,
        })
    }

    /// The name of the object under which its scripts queue.
    pub(crate) fn object(&self) -> String {
        match self {
            Self::Instance { name, .. }
            | Self::Priority { name, .. }
            | Self::LowerPriority { name, .. } => instance_object(name),
            Self::Group { name, .. } => group_object(name),
            Self::RealServer {
                virtual_server,
                real_server,
                ..
            } => real_server_object(virtual_server, real_server),
            Self::Quorum { virtual_server, .. } => virtual_server_object(virtual_server),
        }
    }

    /// Whose script is run.
    pub(super) const fn trigger(&self) -> Option<Trigger> {
        Some(match self {
            Self::Instance { state, .. } | Self::Group { state, .. } => state.trigger(),
            Self::LowerPriority { .. } => Trigger::LowerPriority,
            Self::RealServer { up: true, .. } => Trigger::Up,
            Self::RealServer { up: false, .. } => Trigger::Down,
            Self::Quorum { up: true, .. } => Trigger::QuorumUp,
            Self::Quorum { up: false, .. } => Trigger::QuorumDown,
            Self::Priority { .. } => return None,
        })
    }

    /// The four arguments of `notify`, where that is run.
    pub(super) fn arguments(&self) -> Option<Vec<String>> {
        let (kind, name, state, priority) = match self {
            Self::Instance {
                name,
                state,
                priority,
                ..
            } => ("INSTANCE", name, state, *priority),
            Self::Group { name, state, .. } => ("GROUP", name, state, 0),
            _ => return None,
        };
        let (state, priority) = (state.word().to_owned(), priority.to_string());
        Some(vec![kind.to_owned(), name.clone(), state, priority])
    }

    /// The line for the FIFOs. `real_server` names a real server.
    pub(super) fn line(&self, real_server: impl Fn(&str, DestinationId) -> String) -> Line {
        match self {
            Self::Instance {
                name,
                state,
                priority,
                ..
            } => Line::instance(name, state.word(), *priority),
            Self::Priority {
                name,
                master,
                priority,
            } => {
                let word = if *master {
                    "MASTER_PRIORITY"
                } else {
                    "BACKUP_PRIORITY"
                };
                Line::instance(name, word, *priority)
            }
            Self::LowerPriority { name, priority, .. } => {
                Line::instance(name, "MASTER_RX_LOWER_PRI", *priority)
            }
            Self::Group { name, state, .. } => Line::group(name, state.word()),
            Self::RealServer {
                virtual_server,
                real_server: server,
                up,
                ..
            } => Line::real_server(&real_server(virtual_server, *server), virtual_server, *up),
            Self::Quorum {
                virtual_server, up, ..
            } => Line::virtual_server(virtual_server, *up),
        }
    }

    /// Everything that is known, for a script.
    pub(super) fn facts(&self, keyword: &'static str, router_id: &str) -> Facts {
        let mut facts = Facts::default();
        facts.add("keyword", keyword);
        facts.add("router_id", router_id);
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs());
        facts.add("time", now);
        match self {
            Self::Instance {
                name,
                state,
                previous,
                priority,
                reason,
            } => {
                facts.add("event", "vrrp_instance");
                facts.add("name", name.as_str());
                facts.add("state", state.word());
                if let Some(previous) = previous {
                    facts.add("previous_state", *previous);
                }
                facts.add("priority", *priority);
                facts.add("reason", reason.as_str());
            }
            Self::Priority { name, priority, .. } => {
                facts.add("event", "vrrp_priority");
                facts.add("name", name.as_str());
                facts.add("priority", *priority);
            }
            Self::LowerPriority {
                name,
                priority,
                by,
                heard,
            } => {
                facts.add("event", "vrrp_lower_priority");
                facts.add("name", name.as_str());
                facts.add("state", "MASTER");
                facts.add("priority", *priority);
                facts.add("other_router", by.to_string());
                facts.add("other_priority", *heard);
            }
            Self::Group {
                name,
                state,
                previous,
            } => {
                facts.add("event", "vrrp_sync_group");
                facts.add("name", name.as_str());
                facts.add("state", state.word());
                if let Some(previous) = previous {
                    facts.add("previous_state", *previous);
                }
            }
            Self::RealServer {
                virtual_server,
                real_server,
                up,
                reason,
            } => {
                facts.add("event", "real_server");
                facts.add("virtual_server", virtual_server.as_str());
                facts.add("real_server", real_server.to_string());
                facts.add("address", real_server.address.to_string());
                facts.add("port", real_server.port);
                facts.add("state", if *up { "UP" } else { "DOWN" });
                facts.add("reason", reason.as_str());
            }
            Self::Quorum {
                virtual_server,
                up,
                weight,
                needed,
            } => {
                facts.add("event", "quorum");
                facts.add("virtual_server", virtual_server.as_str());
                facts.add("state", if *up { "UP" } else { "DOWN" });
                facts.add("weight", *weight);
                facts.add("needed", *needed);
            }
        }
        facts
    }
}

/// Names and values: environment variables, and one line of JSON.
#[derive(Debug, Default)]
pub(super) struct Facts(Map<String, Value>);

impl Facts {
    fn add(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// `DIRECTOR_NAME=VI_1` and so on.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let variable = |(name, value): (&String, &Value)| {
            let text = match value {
                Value::String(text) => text.replace('\0', ""),
                other => other.to_string(),
            };
            (format!("DIRECTOR_{}", name.to_uppercase()), text)
        };
        self.0.iter().map(variable).collect()
    }

    /// One object on one line.
    pub(super) fn line(&self) -> String {
        let mut line = Value::Object(self.0.clone()).to_string();
        line.push('\n');
        line
    }
}

/// The mail about an instance or group that enters a state, in keepalived's words.
pub(super) fn vrrp_alert(group: bool, name: &str, state: Announced, reason: &str) -> Alert {
    let kind = if group { "VRRP Group" } else { "VRRP Instance" };
    let event = match state {
        Announced::Master => "Entering MASTER state",
        Announced::Backup => "Entering BACKUP state",
        Announced::Fault => "Entering FAULT state",
        Announced::Stop => "Stopping",
        Announced::Deleted => "Deleted",
    };
    let body = match (group, state) {
        (false, Announced::Master) => "=> VRRP Instance is now owning VRRP VIPs <=",
        (false, Announced::Backup | Announced::Fault) => {
            "=> VRRP Instance is no longer owning VRRP VIPs <="
        }
        (false, Announced::Stop) => "=> VRRP Instance stopping <=",
        (_, Announced::Deleted) => "=> VRRP Deleted at reload <=",
        (true, Announced::Master) => "=> All VRRP group instances are now in MASTER state <=",
        (true, Announced::Backup) => "=> All VRRP group instances are now in BACKUP state <=",
        (true, Announced::Fault) => "=> All VRRP group instances are now in FAULT state <=",
        (true, Announced::Stop) => "=> All VRRP group instances are now stopping <=",
    };
    alert(format!("{kind} {name} - {event}"), body.to_owned(), reason)
}

/// The mail about a check of a real server. `server_up` is what it makes of the server.
pub(super) fn check_alert(
    (virtual_server, real_server): (&str, &str),
    kind: &str,
    passed: bool,
    server_up: bool,
    reason: &str,
) -> Alert {
    let body = match (kind, passed) {
        ("TCP_CHECK", true) => "=> TCP CHECK succeed on service <=".to_owned(),
        ("TCP_CHECK", false) => "=> TCP CHECK failed on service <=".to_owned(),
        ("UDP_CHECK", true) => "=> UDP CHECK succeed on service <=".to_owned(),
        ("UDP_CHECK", false) => "=> UDP CHECK failed on service <=".to_owned(),
        ("PING_CHECK", true) => "=> ICMP CHECK succeed on service <=".to_owned(),
        ("PING_CHECK", false) => "=> ICMP CHECK failed on service <=".to_owned(),
        ("DNS_CHECK", true) => "=> DNS_CHECK: succeed on service <=".to_owned(),
        ("DNS_CHECK", false) => "=> DNS_CHECK: failed on service <=".to_owned(),
        ("MISC_CHECK", true) => "=> MISC CHECK succeeded on service <=".to_owned(),
        ("MISC_CHECK", false) => "=> MISC CHECK failed on service <=".to_owned(),
        ("HTTP_GET" | "SSL_GET" | "SMTP_CHECK", true) => {
            "=> CHECK succeed on service <=".to_owned()
        }
        ("HTTP_GET" | "SSL_GET", false) => {
            "=> CHECK failed on service : HTTP request failed <=".to_owned()
        }
        (_, true) => format!("=> {} succeeded on service <=", kind.replace('_', " ")),
        ("SMTP_CHECK", false) => format!("=> CHECK failed on service : {reason} <="),
        (_, false) => format!("=> {} failed on service <=", kind.replace('_', " ")),
    };
    server_alert(virtual_server, real_server, server_up, body, reason)
}

/// The mail about a real server.
pub(super) fn server_alert(
    virtual_server: &str,
    real_server: &str,
    up: bool,
    body: String,
    reason: &str,
) -> Alert {
    let state = if up { "UP" } else { "DOWN" };
    let subject = format!("Realserver {real_server} of virtual server {virtual_server} - {state}");
    alert(subject, body, reason)
}

/// How a virtual server came to its quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// When the daemon started.
    Start,
    /// While it ran.
    Running,
    /// When it stopped.
    Stop,
}

/// The mail about the quorum of a virtual server.
pub(super) fn quorum_alert(
    virtual_server: &str,
    up: bool,
    (quorum, hysteresis): (u32, u32),
    (weight, needed): (u64, u64),
    moment: Moment,
) -> Alert {
    let state = if up { "UP" } else { "DOWN" };
    let what = match (moment, up) {
        (Moment::Stop, _) => {
            let subject = format!("Virtualserver {virtual_server} - {state}");
            return alert(subject, "=> Shutting down <=".to_owned(), "");
        }
        (Moment::Start, true) => "Starting with quorum up",
        (Moment::Start, false) => "Starting with quorum down",
        (Moment::Running, true) => "Gained quorum",
        (Moment::Running, false) => "Lost quorum",
    };
    // keepalived writes a plus even where it has subtracted.
    let body = format!("=> {what} {quorum}+{hysteresis}={needed} <= {weight} <=");
    alert(
        format!("Virtualserver {virtual_server} - {state}"),
        body,
        "",
    )
}

fn alert(subject: String, body: String, reason: &str) -> Alert {
    Alert {
        subject,
        body,
        reason: reason.to_owned(),
        at: SystemTime::now(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> DestinationId {
        let address: std::net::SocketAddr = text.parse().unwrap();
        DestinationId {
            address: address.ip(),
            port: address.port(),
        }
    }

    #[test]
    fn real_servers_are_named_like_keepalived_s() {
        for (virtual_server, real, name) in [
            (
                "[10.9.0.9]:tcp:80",
                "127.0.0.1:8081",
                "[127.0.0.1]:tcp:8081",
            ),
            (
                "[2001:db8::1]:udp:53",
                "[2001:db8::7]:53",
                "[2001:db8::7]:udp:53",
            ),
            ("FWM 7", "127.0.0.3:0", "[127.0.0.3]:none:0"),
        ] {
            assert_eq!(real_server_name(virtual_server, server(real)), name);
        }
    }

    #[test]
    fn mails_use_keepalived_s_words() {
        let text = |alert: Alert| format!("{}|{}", alert.subject, alert.body);
        assert_eq!(
            text(vrrp_alert(false, "V2", Announced::Fault, "x")),
            "VRRP Instance V2 - Entering FAULT state|=> VRRP Instance is no longer owning VRRP VIPs <="
        );
        assert_eq!(
            text(vrrp_alert(true, "G", Announced::Master, "")),
            "VRRP Group G - Entering MASTER state|=> All VRRP group instances are now in MASTER state <="
        );
        let names = ("[10.9.0.9]:tcp:80", "[127.0.0.1]:tcp:8082");
        assert_eq!(
            text(check_alert(names, "TCP_CHECK", true, false, "")),
            "Realserver [127.0.0.1]:tcp:8082 of virtual server [10.9.0.9]:tcp:80 - DOWN|=> TCP CHECK succeed on service <="
        );
        assert_eq!(
            text(quorum_alert("FWM 7", true, (1, 0), (1, 1), Moment::Running)),
            "Virtualserver FWM 7 - UP|=> Gained quorum 1+0=1 <= 1 <="
        );
    }
}

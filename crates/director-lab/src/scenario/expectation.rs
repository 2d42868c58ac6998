//! What a step expects, and how that reads in a report.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::duration::Span;
use super::{Forward, ProcessId};
use crate::ipvs::ServiceKey;

#[derive(Debug, Clone)]
pub(crate) struct Expectation {
    pub(crate) what: What,
    /// Counted from the step's first action; the scenario's slack comes on top.
    pub(crate) within: Span,
    /// It must hold without a break for this long before it counts.
    pub(crate) holds_for: Option<Span>,
}

/// The start of the requests or log lines that count: a mark, or else the start of the step.
pub(crate) type Since = Option<String>;

#[derive(Debug, Clone)]
pub(crate) enum What {
    Address {
        address: IpAddr,
        on: Vec<String>,
        not_on: Vec<String>,
        label: Option<String>,
    },
    Table {
        nodes: Vec<String>,
        service: ServiceKey,
        present: bool,
        scheduler: Option<String>,
        destinations: Option<BTreeMap<SocketAddr, i64>>,
        forward: Option<Forward>,
    },
    Shares {
        requests: usize,
        scheduler: String,
        weights: BTreeMap<String, u32>,
        address: Option<IpAddr>,
        tolerance: Option<f64>,
        since: Since,
    },
    NoFailures {
        requests: usize,
        since: Since,
    },
    Failures {
        at_least: usize,
        since: Since,
    },
    AnsweredBy {
        servers: Vec<String>,
        requests: usize,
        address: Option<IpAddr>,
        since: Since,
    },
    AddressesUsed {
        addresses: Vec<IpAddr>,
        requests: usize,
    },
    Gap {
        address: IpAddr,
        at_most: Span,
        since: Since,
    },
    Running(ProcessId),
    Exited {
        process: ProcessId,
        status: Option<i32>,
        signal: Option<String>,
    },
    File {
        node: String,
        path: String,
        contains: String,
    },
    Log {
        process: ProcessId,
        contains: String,
        since: Since,
    },
}

impl What {
    /// The nodes whose logs help when this does not hold.
    pub(crate) fn nodes(&self) -> Vec<&str> {
        match self {
            Self::Address { on, not_on, .. } => {
                on.iter().chain(not_on).map(String::as_str).collect()
            }
            Self::Table { nodes, .. } => nodes.iter().map(String::as_str).collect(),
            Self::Running(process) | Self::Exited { process, .. } | Self::Log { process, .. } => {
                vec![process.node.as_str()]
            }
            Self::File { node, .. } => vec![node.as_str()],
            Self::Shares { .. }
            | Self::NoFailures { .. }
            | Self::Failures { .. }
            | Self::AnsweredBy { .. }
            | Self::AddressesUsed { .. }
            | Self::Gap { .. } => Vec::new(),
        }
    }

    /// Whether a client's requests decide it.
    pub(crate) fn is_about_traffic(&self) -> bool {
        self.nodes().is_empty()
    }

    /// How many requests it needs to see.
    pub(crate) fn requests(&self) -> usize {
        match self {
            Self::Shares { requests, .. }
            | Self::NoFailures { requests, .. }
            | Self::AnsweredBy { requests, .. }
            | Self::AddressesUsed { requests, .. } => *requests,
            Self::Failures { at_least, .. } => *at_least,
            _ => 0,
        }
    }
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => "nobody".to_owned(),
    }
}

struct After<'a>(&'a Since);

impl fmt::Display for After<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(mark) => write!(f, " since {mark}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address {
                address,
                on,
                not_on,
                label,
            } => {
                write!(f, "{address}")?;
                if !on.is_empty() {
                    write!(f, " on {}", list(on))?;
                }
                if let Some(label) = label {
                    write!(f, " as {label}")?;
                }
                if !not_on.is_empty() {
                    let comma = if on.is_empty() { "" } else { "," };
                    write!(f, "{comma} not on {}", list(not_on))?;
                }
                Ok(())
            }
            Self::Table {
                nodes,
                service,
                present: false,
                ..
            } => {
                write!(f, "{service} not in the table of {}", list(nodes))
            }
            Self::Table {
                nodes,
                service,
                scheduler,
                destinations,
                forward,
                ..
            } => {
                write!(f, "{service} in the table of {}", list(nodes))?;
                if let Some(scheduler) = scheduler {
                    write!(f, ", {scheduler}")?;
                }
                if let Some(forward) = forward {
                    write!(f, ", {}", forward.name())?;
                }
                match destinations {
                    Some(all) if all.is_empty() => f.write_str(", no destination"),
                    Some(all) => write!(
                        f,
                        ", to {}",
                        list(
                            all.iter()
                                .map(|(address, weight)| format!("{address} weight {weight}"))
                        )
                    ),
                    None => Ok(()),
                }
            }
            Self::Shares {
                requests,
                scheduler,
                weights,
                address,
                since,
                ..
            } => {
                write!(f, "{requests} requests")?;
                if let Some(address) = address {
                    write!(f, " to {address}")?;
                }
                write!(
                    f,
                    " shared as {scheduler} promises: {}{}",
                    weights
                        .iter()
                        .map(|(name, weight)| format!("{name} {weight}"))
                        .collect::<Vec<_>>()
                        .join(", "),
                    After(since)
                )
            }
            Self::NoFailures { requests, since } => {
                write!(f, "{requests} requests and none fails{}", After(since))
            }
            Self::Failures { at_least, since } => {
                write!(f, "{at_least} or more requests fail{}", After(since))
            }
            Self::AnsweredBy {
                servers,
                requests,
                address,
                since,
            } => {
                write!(f, "{requests} requests")?;
                if let Some(address) = address {
                    write!(f, " to {address}")?;
                }
                write!(f, " answered by {} only{}", list(servers), After(since))
            }
            Self::AddressesUsed {
                addresses,
                requests,
            } => {
                write!(f, "{requests} requests went to {} in turn", list(addresses))
            }
            Self::Gap {
                address,
                at_most,
                since,
            } => {
                write!(f, "{address} silent for at most {at_most}{}", After(since))
            }
            Self::Running(process) => write!(f, "{process} runs"),
            Self::Exited {
                process,
                status,
                signal,
            } => {
                write!(f, "{process} has ended")?;
                if let Some(status) = status {
                    write!(f, " with exit status {status}")?;
                }
                if let Some(signal) = signal {
                    write!(f, " by SIG{signal}")?;
                }
                Ok(())
            }
            Self::File {
                node,
                path,
                contains,
            } => {
                write!(f, "{path} on {node} contains {contains:?}")
            }
            Self::Log {
                process,
                contains,
                since,
            } => {
                write!(f, "{process} logs {contains:?}{}", After(since))
            }
        }
    }
}

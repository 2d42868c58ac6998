//! `scenario.toml` as it is written; `check` turns it into a [`super::Scenario`].

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;
use toml::Spanned;

use super::duration::Span;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) ipvs: bool,
    pub(crate) slack: Option<Span>,
    pub(crate) networks: Vec<Spanned<String>>,
    pub(crate) node: BTreeMap<Spanned<String>, Spanned<Node>>,
    #[serde(default)]
    pub(crate) step: Vec<Spanned<Step>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Node {
    pub(crate) role: Option<super::Role>,
    pub(crate) interfaces: BTreeMap<Spanned<String>, Interface>,
    #[serde(default)]
    pub(crate) loopback: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) sysctl: BTreeMap<Spanned<String>, SysctlValue>,
    #[serde(default)]
    pub(crate) routes: Vec<Spanned<Route>>,
    pub(crate) name_server: Option<IpAddr>,
    #[serde(default)]
    pub(crate) process: BTreeMap<Spanned<String>, Spanned<Process>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Interface {
    pub(crate) network: Spanned<String>,
    #[serde(default)]
    pub(crate) addresses: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a number or a string")]
pub(crate) enum SysctlValue {
    Number(i64),
    Text(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    pub(crate) to: String,
    pub(crate) via: IpAddr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Director,
    Web,
    Client,
    Named,
    Nginx,
    Command,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Process {
    pub(crate) kind: Kind,
    pub(crate) config: Option<String>,
    pub(crate) program: Option<String>,
    pub(crate) listen: Option<Vec<SocketAddr>>,
    pub(crate) name: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) rate: Option<f64>,
    pub(crate) timeout: Option<Span>,
    pub(crate) command: Option<Vec<String>>,
    pub(crate) environment: Option<BTreeMap<String, String>>,
    pub(crate) ready: Option<String>,
    pub(crate) autostart: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) title: String,
    #[serde(default, rename = "do")]
    pub(crate) actions: Vec<Spanned<Action>>,
    #[serde(default)]
    pub(crate) expect: Vec<Spanned<Expect>>,
}

/// One action; each is a table with one key.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    Start(String),
    Stop(String),
    Kill(String),
    Reload(String),
    LinkDown(String),
    LinkUp(String),
    Run(Run),
    Copy(Copy),
    Mark(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    pub(crate) node: String,
    pub(crate) command: Vec<String>,
    #[serde(default)]
    pub(crate) status: i32,
    #[serde(default)]
    pub(crate) show: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Copy {
    pub(crate) node: String,
    pub(crate) from: String,
    pub(crate) to: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a node's name or a list of names")]
pub(crate) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    pub(crate) fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::More(more) => more,
        }
    }
}

/// One expectation: exactly one of the keys up to `log`, and the qualifiers that go with it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    pub(crate) address: Option<IpAddr>,
    pub(crate) ipvs: Option<Ipvs>,
    pub(crate) shares: Option<Shares>,
    pub(crate) no_failures: Option<NoFailures>,
    pub(crate) failures: Option<Failures>,
    pub(crate) answered_by: Option<AnsweredBy>,
    pub(crate) gap: Option<Gap>,
    pub(crate) addresses_used: Option<AddressesUsed>,
    pub(crate) running: Option<String>,
    pub(crate) exited: Option<Exited>,
    pub(crate) file: Option<FileContains>,
    pub(crate) log: Option<Log>,

    pub(crate) on: Option<OneOrMore>,
    pub(crate) not_on: Option<OneOrMore>,
    pub(crate) label: Option<String>,
    pub(crate) within: Option<Span>,
    pub(crate) holds_for: Option<Span>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ipvs {
    pub(crate) service: String,
    pub(crate) scheduler: Option<String>,
    pub(crate) destinations: Option<BTreeMap<String, i64>>,
    pub(crate) forward: Option<super::Forward>,
    pub(crate) present: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shares {
    pub(crate) requests: usize,
    pub(crate) scheduler: String,
    pub(crate) weights: BTreeMap<String, u32>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) tolerance: Option<f64>,
    pub(crate) since: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoFailures {
    pub(crate) requests: usize,
    pub(crate) since: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Failures {
    pub(crate) at_least: usize,
    pub(crate) since: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnsweredBy {
    pub(crate) servers: Vec<String>,
    pub(crate) requests: usize,
    pub(crate) address: Option<IpAddr>,
    pub(crate) since: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddressesUsed {
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) requests: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gap {
    pub(crate) address: IpAddr,
    pub(crate) at_most: Span,
    pub(crate) since: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exited {
    pub(crate) process: String,
    pub(crate) status: Option<i32>,
    pub(crate) signal: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileContains {
    pub(crate) node: String,
    pub(crate) path: String,
    pub(crate) contains: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) process: String,
    pub(crate) contains: String,
    pub(crate) since: Option<String>,
}

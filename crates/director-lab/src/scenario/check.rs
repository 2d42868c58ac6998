//! From the written scenario to the checked one: every reference resolved, every value in range,
//! all problems reported together.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use super::duration::Span;
use super::format;
use super::{
    Action, Expectation, Interface, Node, Prefix, Process, ProcessId, ProcessKind, Role, Route,
    Scenario, Step, What,
};
use crate::ipvs::ServiceKey;

type Found = Vec<(Range<usize>, String)>;

/// What is added to deadlines unless the scenario says otherwise.
const DEFAULT_SLACK: Duration = Duration::from_secs(2);
/// How long an expectation may take unless it says otherwise, in seconds.
const DEFAULT_WITHIN: u64 = 30;

pub(super) fn check(raw: format::File, directory: &Path) -> Result<Scenario, Found> {
    let mut checker = Checker {
        found: Vec::new(),
        directory,
    };
    let networks = checker.networks(raw.networks);
    let mut nodes = Vec::new();
    for (name, node) in raw.node {
        nodes.push(checker.node(&name, node, &networks));
    }
    let directory_name = directory
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let mut scenario = Scenario {
        directory: directory.to_owned(),
        name: raw
            .name
            .or(directory_name)
            .unwrap_or_else(|| "scenario".to_owned()),
        description: raw.description.trim().to_owned(),
        ipvs: raw.ipvs,
        slack: raw.slack.map_or(DEFAULT_SLACK, |slack| slack.value),
        networks,
        nodes,
        steps: Vec::new(),
    };
    if scenario.nodes.is_empty() {
        checker.say(0..0, "a scenario needs at least one node: [node.NAME]");
    }
    if raw.step.is_empty() {
        checker.say(0..0, "a scenario needs at least one step: [[step]]");
    }
    let mut marks = BTreeSet::new();
    for step in raw.step {
        let step = checker.step(step.into_inner(), &scenario, &mut marks);
        scenario.steps.push(step);
    }
    if checker.found.is_empty() {
        Ok(scenario)
    } else {
        checker.found.sort_by_key(|(span, _)| span.start);
        Err(checker.found)
    }
}

struct Checker<'a> {
    found: Found,
    directory: &'a Path,
}

impl Checker<'_> {
    fn say(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.found.push((span, message.into()));
    }

    fn networks(&mut self, raw: Vec<Spanned<String>>) -> Vec<String> {
        let mut networks = Vec::new();
        for network in raw {
            let span = network.span();
            let name = network.into_inner();
            if !is_name(&name, 12) {
                self.say(
                    span,
                    format!("`{name}` is no name for a network: {NAME_RULE} (12 at most)"),
                );
            } else if networks.contains(&name) {
                self.say(span, format!("network `{name}` is listed twice"));
            }
            networks.push(name);
        }
        networks
    }

    fn node(
        &mut self,
        name: &Spanned<String>,
        raw: Spanned<format::Node>,
        networks: &[String],
    ) -> Node {
        let raw = raw.into_inner();
        if !is_name(name.get_ref(), 32) {
            self.say(
                name.span(),
                format!("`{}` is no name for a node: {NAME_RULE}", name.get_ref()),
            );
        }
        let mut interfaces = Vec::new();
        for (interface, settings) in raw.interfaces {
            if !is_name(interface.get_ref(), 15) || interface.get_ref() == "lo" {
                self.say(
                    interface.span(),
                    format!(
                        "`{}` is no name for an interface: {NAME_RULE} (15 at most)",
                        interface.get_ref()
                    ),
                );
            }
            if !networks.contains(settings.network.get_ref()) {
                self.say(
                    settings.network.span(),
                    format!(
                        "there is no network `{}`; `networks` lists {}",
                        settings.network.get_ref(),
                        networks.join(", ")
                    ),
                );
            }
            interfaces.push(Interface {
                name: interface.into_inner(),
                network: settings.network.into_inner(),
                addresses: self.prefixes(settings.addresses),
            });
        }
        let mut sysctls = Vec::new();
        for (key, value) in raw.sysctl {
            let path = key.get_ref();
            let separator = if path.contains('/') { '/' } else { '.' };
            if path
                .split(separator)
                .any(|part| matches!(part, "" | "." | ".."))
            {
                self.say(
                    key.span(),
                    format!("`{path}` is not a sysctl: write it as net.ipv4.ip_forward"),
                );
            }
            let value = match value {
                format::SysctlValue::Number(number) => number.to_string(),
                format::SysctlValue::Text(text) => text,
            };
            sysctls.push((key.into_inner(), value));
        }
        let mut routes = Vec::new();
        for route in raw.routes {
            let span = route.span();
            let format::Route { to, via } = route.into_inner();
            let to = if to == "default" {
                None
            } else {
                Some(Prefix::parse(&to))
            };
            match to {
                None => routes.push(Route { to: None, via }),
                Some(Some(to)) => routes.push(Route { to: Some(to), via }),
                Some(None) => {
                    self.say(span, "`to` must be `default` or ADDRESS/LENGTH");
                }
            }
        }
        let mut processes = Vec::new();
        for (process, settings) in raw.process {
            if !is_name(process.get_ref(), 32) {
                self.say(
                    process.span(),
                    format!(
                        "`{}` is no name for a process: {NAME_RULE}",
                        process.get_ref()
                    ),
                );
            }
            if let Some(process) = self.process(name.get_ref(), process.into_inner(), settings) {
                processes.push(process);
            }
        }
        Node {
            name: name.get_ref().clone(),
            role: raw.role.unwrap_or(Role::Other),
            interfaces,
            loopback: self.prefixes(raw.loopback),
            sysctls,
            routes,
            name_server: raw.name_server,
            processes,
        }
    }

    fn prefixes(&mut self, raw: Vec<Spanned<String>>) -> Vec<Prefix> {
        let mut prefixes = Vec::new();
        for text in raw {
            match Prefix::parse(text.get_ref()) {
                Some(prefix) => prefixes.push(prefix),
                None => self.say(
                    text.span(),
                    format!(
                        "`{}` is not an address: write ADDRESS/LENGTH, 172.16.1.2/24",
                        text.get_ref()
                    ),
                ),
            }
        }
        prefixes
    }

    fn process(
        &mut self,
        node: &str,
        name: String,
        raw: Spanned<format::Process>,
    ) -> Option<Process> {
        let span = raw.span();
        let raw = raw.into_inner();
        let given: Vec<&str> = [
            ("config", raw.config.is_some()),
            ("program", raw.program.is_some()),
            ("listen", raw.listen.is_some()),
            ("name", raw.name.is_some()),
            ("url", raw.url.is_some()),
            ("rate", raw.rate.is_some()),
            ("timeout", raw.timeout.is_some()),
            ("command", raw.command.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, given)| given.then_some(key))
        .collect();
        let (kind, needs, may): (&str, &[&str], &[&str]) = match raw.kind {
            format::Kind::Director => ("director", &["config"], &["program"]),
            format::Kind::Web => ("web", &["listen"], &["name"]),
            format::Kind::Client => ("client", &["url"], &["rate", "timeout"]),
            format::Kind::Named => ("named", &["config"], &[]),
            format::Kind::Nginx => ("nginx", &["config"], &[]),
            format::Kind::Command => ("command", &["command"], &[]),
        };
        for key in given
            .iter()
            .filter(|key| !needs.contains(key) && !may.contains(key))
        {
            let allowed: Vec<&str> = needs.iter().chain(may).copied().collect();
            self.say(
                span.clone(),
                format!(
                    "`{key}` does not go with kind = \"{kind}\", which takes {}, environment, ready \
                     and autostart",
                    allowed.join(", ")
                ),
            );
        }
        for key in needs.iter().filter(|key| !given.contains(key)) {
            self.say(span.clone(), format!("kind = \"{kind}\" needs `{key}`"));
        }
        if let Some(config) = &raw.config {
            self.file_of_scenario(&span, config);
        }
        let kind = match raw.kind {
            format::Kind::Director => ProcessKind::Director {
                config: raw.config?,
                program: raw.program.map(PathBuf::from),
            },
            format::Kind::Web => ProcessKind::Web {
                listen: raw.listen?,
                name: raw.name.unwrap_or_else(|| node.to_owned()),
            },
            format::Kind::Client => {
                let url = raw.url?;
                if !url.starts_with("http://") {
                    self.say(
                        span.clone(),
                        format!(
                            "`{url}` is not a URL that the client knows: http://HOST[:PORT]/PATH"
                        ),
                    );
                }
                let rate = raw.rate.unwrap_or(10.0);
                if !(0.1..=1000.0).contains(&rate) {
                    self.say(
                        span.clone(),
                        format!("`rate` is {rate} requests a second, it must be 0.1 to 1000"),
                    );
                }
                ProcessKind::Client {
                    url,
                    rate,
                    timeout: raw
                        .timeout
                        .map_or(Duration::from_secs(1), |timeout| timeout.value),
                }
            }
            format::Kind::Named => ProcessKind::Named {
                config: raw.config?,
            },
            format::Kind::Nginx => ProcessKind::Nginx {
                config: raw.config?,
            },
            format::Kind::Command => {
                let command = raw.command?;
                if command.is_empty() {
                    self.say(span, "`command` needs at least the program");
                }
                ProcessKind::Command(command)
            }
        };
        let on_its_own = !matches!(
            kind,
            ProcessKind::Director { .. } | ProcessKind::Client { .. }
        );
        Some(Process {
            name,
            autostart: raw.autostart.unwrap_or(on_its_own),
            ready: raw.ready,
            environment: raw.environment.unwrap_or_default(),
            kind,
        })
    }

    /// A file named in the scenario must lie inside its directory.
    fn file_of_scenario(&mut self, span: &Range<usize>, file: &str) {
        let path = Path::new(file);
        if path
            .components()
            .any(|part| !matches!(part, Component::Normal(_) | Component::CurDir))
        {
            self.say(
                span.clone(),
                format!("`{file}` must be a path inside the scenario's directory"),
            );
        } else if !self.directory.join(path).is_file() {
            self.say(
                span.clone(),
                format!("there is no file `{file}` in {}", self.directory.display()),
            );
        }
    }

    fn step(
        &mut self,
        raw: format::Step,
        scenario: &Scenario,
        marks: &mut BTreeSet<String>,
    ) -> Step {
        let mut actions = Vec::new();
        for action in raw.actions {
            let span = action.span();
            if let Some(action) = self.action(&span, action.into_inner(), scenario, marks) {
                actions.push(action);
            }
        }
        let mut expectations = Vec::new();
        for expect in raw.expect {
            let span = expect.span();
            if let Some(expectation) = self.expectation(&span, expect.into_inner(), scenario, marks)
            {
                expectations.push(expectation);
            }
        }
        Step {
            title: raw.title,
            actions,
            expectations,
        }
    }

    fn action(
        &mut self,
        span: &Range<usize>,
        raw: format::Action,
        scenario: &Scenario,
        marks: &mut BTreeSet<String>,
    ) -> Option<Action> {
        Some(match raw {
            format::Action::Start(id) => Action::Start(self.process_id(span, &id, scenario)?),
            format::Action::Stop(id) => Action::Stop(self.process_id(span, &id, scenario)?),
            format::Action::Kill(id) => Action::Kill(self.process_id(span, &id, scenario)?),
            format::Action::Reload(id) => Action::Reload(self.process_id(span, &id, scenario)?),
            format::Action::LinkDown(link) => self.link(span, &link, scenario, false)?,
            format::Action::LinkUp(link) => self.link(span, &link, scenario, true)?,
            format::Action::Run(run) => {
                self.known_node(span, &run.node, scenario)?;
                if run.command.is_empty() {
                    self.say(span.clone(), "`command` needs at least the program");
                }
                Action::Run {
                    node: run.node,
                    command: run.command,
                    status: run.status,
                }
            }
            format::Action::Copy(copy) => {
                self.known_node(span, &copy.node, scenario)?;
                self.file_of_scenario(span, &copy.from);
                self.file_of_scenario(span, &copy.to);
                Action::Copy {
                    node: copy.node,
                    from: copy.from,
                    to: copy.to,
                }
            }
            format::Action::Mark(name) => {
                marks.insert(name.clone());
                Action::Mark(name)
            }
        })
    }

    fn link(
        &mut self,
        span: &Range<usize>,
        text: &str,
        scenario: &Scenario,
        up: bool,
    ) -> Option<Action> {
        let Some((node, interface)) = text.split_once('/') else {
            self.say(span.clone(), format!("`{text}` is not NODE/INTERFACE"));
            return None;
        };
        let known = self.known_node(span, node, scenario)?;
        if !known.interfaces.iter().any(|i| i.name == interface) {
            let names: Vec<&str> = known.interfaces.iter().map(|i| i.name.as_str()).collect();
            self.say(
                span.clone(),
                format!(
                    "{node} has no interface `{interface}`, it has {}",
                    names.join(", ")
                ),
            );
        }
        Some(Action::Link {
            node: node.to_owned(),
            interface: interface.to_owned(),
            up,
        })
    }

    fn known_node<'s>(
        &mut self,
        span: &Range<usize>,
        name: &str,
        scenario: &'s Scenario,
    ) -> Option<&'s Node> {
        let node = scenario.node(name);
        if node.is_none() {
            let names: Vec<&str> = scenario
                .nodes
                .iter()
                .map(|node| node.name.as_str())
                .collect();
            self.say(
                span.clone(),
                format!(
                    "there is no node `{name}`, the nodes are {}",
                    names.join(", ")
                ),
            );
        }
        node
    }

    fn process_id(
        &mut self,
        span: &Range<usize>,
        text: &str,
        scenario: &Scenario,
    ) -> Option<ProcessId> {
        let Some((node, process)) = text.split_once('/') else {
            self.say(span.clone(), format!("`{text}` is not NODE/PROCESS"));
            return None;
        };
        let known = self.known_node(span, node, scenario)?;
        if !known.processes.iter().any(|p| p.name == process) {
            let names: Vec<&str> = known.processes.iter().map(|p| p.name.as_str()).collect();
            self.say(
                span.clone(),
                format!(
                    "{node} has no process `{process}`, it has {}",
                    names.join(", ")
                ),
            );
            return None;
        }
        Some(ProcessId {
            node: node.to_owned(),
            process: process.to_owned(),
        })
    }

    fn nodes(
        &mut self,
        span: &Range<usize>,
        raw: Option<format::OneOrMore>,
        scenario: &Scenario,
    ) -> Vec<String> {
        let names = raw.map(format::OneOrMore::into_vec).unwrap_or_default();
        for name in &names {
            self.known_node(span, name, scenario);
        }
        names
    }

    fn expectation(
        &mut self,
        span: &Range<usize>,
        mut raw: format::Expect,
        scenario: &Scenario,
        marks: &BTreeSet<String>,
    ) -> Option<Expectation> {
        let on = self.nodes(span, raw.on.take(), scenario);
        let not_on = self.nodes(span, raw.not_on.take(), scenario);
        let (within, holds_for, label) =
            (raw.within.take(), raw.holds_for.take(), raw.label.take());
        let qualifiers = (!on.is_empty(), !not_on.is_empty(), label.is_some());
        let is_address = raw.address.is_some();
        let is_table = raw.ipvs.is_some();

        let mut found = Vec::new();
        if let Some(address) = raw.address.take() {
            if on.is_empty() && not_on.is_empty() {
                self.say(span.clone(), "`address` needs `on` or `not_on`");
            }
            found.push(What::Address {
                address,
                on: on.clone(),
                not_on,
                label,
            });
        }
        if let Some(ipvs) = raw.ipvs.take() {
            if on.is_empty() {
                self.say(span.clone(), "`ipvs` needs `on`");
            }
            found.extend(self.table(span, ipvs, on));
        }
        found.extend(raw.shares.take().map(|s| What::Shares {
            requests: s.requests,
            scheduler: s.scheduler,
            weights: s.weights,
            address: s.address,
            tolerance: s.tolerance,
            since: s.since,
        }));
        found.extend(raw.no_failures.take().map(|n| What::NoFailures {
            requests: n.requests,
            since: n.since,
        }));
        found.extend(raw.failures.take().map(|n| What::Failures {
            at_least: n.at_least,
            since: n.since,
        }));
        found.extend(raw.answered_by.take().map(|a| What::AnsweredBy {
            servers: a.servers,
            requests: a.requests,
            address: a.address,
            since: a.since,
        }));
        found.extend(raw.gap.take().map(|g| What::Gap {
            address: g.address,
            at_most: g.at_most,
            since: g.since,
        }));
        found.extend(raw.addresses_used.take().map(|a| What::AddressesUsed {
            addresses: a.addresses,
            requests: a.requests,
        }));
        if let Some(id) = raw.running.take() {
            found.push(What::Running(self.process_id(span, &id, scenario)?));
        }
        if let Some(exited) = raw.exited.take() {
            let process = self.process_id(span, &exited.process, scenario)?;
            let signal = exited
                .signal
                .map(|s| s.trim_start_matches("SIG").to_owned());
            found.push(What::Exited {
                process,
                status: exited.status,
                signal,
            });
        }
        if let Some(file) = raw.file.take() {
            self.known_node(span, &file.node, scenario)?;
            found.push(What::File {
                node: file.node,
                path: file.path,
                contains: file.contains,
            });
        }
        if let Some(log) = raw.log.take() {
            let process = self.process_id(span, &log.process, scenario)?;
            found.push(What::Log {
                process,
                contains: log.contains,
                since: log.since,
            });
        }

        let misplaced = [
            ("on", qualifiers.0 && !is_address && !is_table),
            ("not_on", qualifiers.1 && !is_address),
            ("label", qualifiers.2 && !is_address),
        ];
        for (key, _) in misplaced.into_iter().filter(|(_, wrong)| *wrong) {
            self.say(
                span.clone(),
                format!("`{key}` goes with `address` (`on` also with `ipvs`) only"),
            );
        }
        if found.len() != 1 {
            self.say(
                span.clone(),
                "an expectation is one of address, ipvs, shares, no_failures, failures, answered_by, \
                 addresses_used, gap, running, exited, file and log",
            );
            return None;
        }
        let what = found.pop()?;
        self.since(span, &what, marks);
        let within = within.unwrap_or_else(|| default_within(&what, scenario));
        if what.is_about_traffic() && slowest_client(scenario).is_none() {
            self.say(
                span.clone(),
                "this needs a process of kind = \"client\" on some node",
            );
        }
        if what.requests() > 100_000 {
            self.say(span.clone(), "`requests` must be 100000 or less");
        }
        Some(Expectation {
            what,
            within,
            holds_for,
        })
    }

    fn since(&mut self, span: &Range<usize>, what: &What, marks: &BTreeSet<String>) {
        let (What::Shares { since, .. }
        | What::NoFailures { since, .. }
        | What::Failures { since, .. }
        | What::AnsweredBy { since, .. }
        | What::Gap { since, .. }
        | What::Log { since, .. }) = what
        else {
            return;
        };
        if let Some(mark) = since.as_ref().filter(|mark| !marks.contains(*mark)) {
            let known: Vec<&str> = marks.iter().map(String::as_str).collect();
            let known = if known.is_empty() {
                "none so far".to_owned()
            } else {
                known.join(", ")
            };
            self.say(
                span.clone(),
                format!("no `mark = \"{mark}\"` stands before this; the marks are {known}"),
            );
        }
    }

    fn table(
        &mut self,
        span: &Range<usize>,
        raw: format::Ipvs,
        nodes: Vec<String>,
    ) -> Option<What> {
        let service: ServiceKey = match raw.service.parse() {
            Ok(service) => service,
            Err(error) => {
                self.say(span.clone(), error.to_string());
                return None;
            }
        };
        let destinations = raw.destinations.map(|all| {
            let mut destinations = std::collections::BTreeMap::new();
            for (address, weight) in all {
                match address.parse::<SocketAddr>() {
                    Ok(address) => {
                        destinations.insert(address, weight);
                    }
                    Err(_) => self.say(
                        span.clone(),
                        format!("`{address}` is not a destination: write ADDRESS:PORT"),
                    ),
                }
            }
            destinations
        });
        Some(What::Table {
            nodes,
            service,
            present: raw.present.unwrap_or(true),
            scheduler: raw.scheduler,
            destinations,
            forward: raw.forward,
        })
    }
}

/// Time for the requests at the client's rate, twice, besides the usual wait.
fn default_within(what: &What, scenario: &Scenario) -> Span {
    let rate = slowest_client(scenario).unwrap_or(1.0).max(0.1);
    let requests = u32::try_from(what.requests()).unwrap_or(u32::MAX);
    Span::seconds(DEFAULT_WITHIN + (2.0 * f64::from(requests) / rate).ceil() as u64)
}

fn slowest_client(scenario: &Scenario) -> Option<f64> {
    let rates = scenario
        .nodes
        .iter()
        .flat_map(|node| &node.processes)
        .filter_map(|process| match process.kind {
            ProcessKind::Client { rate, .. } => Some(rate),
            _ => None,
        });
    rates.reduce(f64::min)
}

const NAME_RULE: &str = "letters, digits, `-`, `_` and `.`";

fn is_name(name: &str, longest: usize) -> bool {
    !name.is_empty()
        && name.len() <= longest
        && !name.starts_with(['-', '.'])
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

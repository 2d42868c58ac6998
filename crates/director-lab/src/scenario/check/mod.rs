//! From the written scenario to the checked one: every reference resolved, every value in range,
//! all problems reported together.

mod step;

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use super::format;
use super::{Interface, Node, Prefix, Process, ProcessId, ProcessKind, Role, Route, Scenario};

type Found = Vec<(Range<usize>, String)>;

/// What is added to deadlines unless the scenario says otherwise.
const DEFAULT_SLACK: Duration = Duration::from_secs(2);

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

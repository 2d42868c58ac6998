//! Two nodes' files read as a pair.
//!
//! Reports what must be equal on both routers and is not, what must differ and does not, and which
//! tracked failures move mastership.

mod failover;
mod lvs;

use std::path::Path;

pub use failover::Failover;

use crate::codes;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::loader::Loader;
use crate::model::{Config, InitialState, VrrpInstance};
use crate::source::{SourceMap, Span};
use crate::{Options, Parsed, lower};

/// What a comparison found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Comparison {
    /// The first node's configuration.
    pub first: Config,
    /// The second node's configuration.
    pub second: Config,
    /// Errors within the files themselves; differences are judged only where the text is sound.
    pub own: Diagnostics,
    /// What the comparison found.
    pub findings: Diagnostics,
    /// For each pair of instances: who is master, and which failures move mastership.
    pub failovers: Vec<Failover>,
    /// The text of both files.
    pub sources: SourceMap,
}

impl Comparison {
    /// True if a finding or one of the files is in error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.own.has_errors() || self.findings.has_errors()
    }
}

/// One node of a pair.
#[derive(Debug, Clone, Copy)]
pub struct Node<'n> {
    /// Its configuration file.
    pub path: &'n Path,
    /// How the file is read there: two nodes may share one file and differ in their
    /// [`Options::config_id`].
    pub options: &'n Options,
}

/// Loads two files and compares them. Levels for the findings of the comparison are those of the
/// first node's options and of comments in both files.
#[must_use]
pub fn compare(first: Node<'_>, second: Node<'_>, loader: &mut dyn Loader) -> Comparison {
    let a = lower::load(first.path, loader, first.options, SourceMap::default());
    let Parsed {
        config: config_a,
        diagnostics: own_a,
        sources,
        mut levels,
        ..
    } = a;
    let b = lower::load(second.path, loader, second.options, sources);
    levels.comments.extend(b.levels.comments);
    let mut own: Vec<Diagnostic> = own_a.into_iter().chain(b.diagnostics).collect();
    own.retain(|diagnostic| diagnostic.severity == Severity::Error);
    let mut pair = Pair {
        a: &config_a,
        b: &b.config,
        names: node_names(first, second),
        findings: Vec::new(),
    };
    pair.globals();
    pair.instances();
    pair.groups();
    lvs::compare(&mut pair);
    let failovers = failover::failovers(&mut pair);
    let findings = std::mem::take(&mut pair.findings);
    let findings = findings
        .into_iter()
        .filter_map(|finding| levels.apply(finding, &b.sources))
        .collect();
    Comparison {
        own: Diagnostics { list: own },
        findings: Diagnostics { list: findings },
        failovers,
        sources: b.sources,
        first: config_a,
        second: b.config,
    }
}

/// What the nodes are called: their files, or their configuration ids if they share one.
#[must_use]
pub fn node_names(first: Node<'_>, second: Node<'_>) -> [String; 2] {
    let name = |node: Node<'_>| match &node.options.config_id {
        Some(id) if first.path == second.path => format!("{} (@{id})", node.path.display()),
        _ => node.path.display().to_string(),
    };
    [name(first), name(second)]
}

/// Two configurations and what was found about them.
struct Pair<'c> {
    a: &'c Config,
    b: &'c Config,
    names: [String; 2],
    findings: Vec<Diagnostic>,
}

/// Two instances that are one virtual router.
#[derive(Clone, Copy)]
struct Match<'c> {
    a: &'c VrrpInstance,
    b: &'c VrrpInstance,
}

impl<'c> Pair<'c> {
    /// Something differs; the places are in the first and in the second file.
    fn differs(&mut self, severity: Severity, message: String, a: Span, b: Span) {
        let diagnostic = Diagnostic::new(codes::MUST_BE_EQUAL, severity, message, a)
            .label(b, "differs from this");
        self.findings.push(diagnostic);
    }

    fn globals(&mut self) {
        let (a, b) = (&self.a.global_defs.router_id, &self.b.global_defs.router_id);
        if let (Some(x), Some(y), Some(name), Some(other)) = (a.span, b.span, &a.value, &b.value)
            && name == other
        {
            let diagnostic = Diagnostic::new(
                codes::MUST_DIFFER,
                Severity::Warning,
                format!("both nodes have `router_id {name}`"),
                x,
            )
            .label(y, "the same here")
            .note("mails and SNMP do not tell which node they come from");
            self.findings.push(diagnostic);
        }
    }

    /// Pairs of instances: by VRID and family, else by name.
    fn matches(&self) -> Vec<Match<'c>> {
        let mut taken: Vec<bool> = vec![false; self.b.vrrp_instance.len()];
        let mut found = Vec::new();
        for by_name in [false, true] {
            for a in &self.a.vrrp_instance {
                if found.iter().any(|m: &Match<'_>| std::ptr::eq(m.a, a)) {
                    continue;
                }
                let hit = self.b.vrrp_instance.iter().enumerate().find(|(index, b)| {
                    let free = !taken.get(*index).copied().unwrap_or(true);
                    free && if by_name {
                        a.name.value == b.name.value
                    } else {
                        a.virtual_router_id.value == b.virtual_router_id.value
                            && a.family == b.family
                    }
                });
                if let Some((index, b)) = hit {
                    if let Some(slot) = taken.get_mut(index) {
                        *slot = true;
                    }
                    found.push(Match { a, b });
                }
            }
        }
        found
    }

    fn instances(&mut self) {
        let matches = self.matches();
        for pair in &matches {
            self.instance(*pair);
        }
        let lonely = [
            (&self.a.vrrp_instance, 1, true),
            (&self.b.vrrp_instance, 0, false),
        ];
        let mut alone = Vec::new();
        for (list, other, first) in lonely {
            for instance in list {
                let matched = matches
                    .iter()
                    .any(|m| std::ptr::eq(if first { m.a } else { m.b }, instance));
                if !matched {
                    let other = self.names.get(other).cloned().unwrap_or_default();
                    alone.push((instance, other));
                }
            }
        }
        for (instance, other) in alone {
            let diagnostic = Diagnostic::new(
                codes::ONE_SIDED,
                Severity::Warning,
                format!(
                    "instance `{}` has no counterpart in {other}",
                    instance.name.value
                ),
                instance.span.0,
            )
            .note("nobody takes over its addresses");
            self.findings.push(diagnostic);
        }
    }

    fn instance(&mut self, pair: Match<'_>) {
        let Match { a, b } = pair;
        let name = &a.name.value;
        let at = |setting: Option<Span>, whole: &VrrpInstance| setting.unwrap_or(whole.span.0);
        let error = Severity::Error;
        if a.virtual_router_id.value != b.virtual_router_id.value {
            let message = format!(
                "instance `{name}` has VRID {} here and {} there: two routers that never see each \
                 other, both master",
                a.virtual_router_id.value, b.virtual_router_id.value
            );
            let (x, y) = (
                at(a.virtual_router_id.span, a),
                at(b.virtual_router_id.span, b),
            );
            self.differs(error, message, x, y);
        }
        if a.version.value != b.version.value {
            let message = format!("the protocol versions of `{name}` differ; adverts are dropped");
            self.differs(error, message, at(a.version.span, a), at(b.version.span, b));
        }
        if a.advert_int.value != b.advert_int.value {
            let message = format!(
                "the advert intervals of `{name}` differ: {} s and {} s",
                a.advert_int.value.as_secs_f64(),
                b.advert_int.value.as_secs_f64()
            );
            self.differs(
                error,
                message,
                at(a.advert_int.span, a),
                at(b.advert_int.span, b),
            );
        }
        self.authentication(pair);
        self.addresses(pair);
        self.transport(pair);
        if a.priority.value == b.priority.value {
            let diagnostic = Diagnostic::new(
                codes::MUST_DIFFER,
                Severity::Warning,
                format!("both nodes give `{name}` priority {}", a.priority.value),
                at(a.priority.span, a),
            )
            .label(at(b.priority.span, b), "the same here")
            .note("the greater source address decides who is master");
            self.findings.push(diagnostic);
        }
        let masters = [a, b]
            .iter()
            .all(|i| i.state.value == InitialState::Master && i.state.is_written());
        if masters {
            let diagnostic = Diagnostic::new(
                codes::MUST_DIFFER,
                Severity::Warning,
                format!("`{name}` has `state MASTER` on both nodes"),
                at(a.state.span, a),
            )
            .label(at(b.state.span, b), "the same here");
            self.findings.push(diagnostic);
        }
    }

    fn authentication(&mut self, pair: Match<'_>) {
        let Match { a, b } = pair;
        let name = &a.name.value;
        let error = Severity::Error;
        match (&a.authentication, &b.authentication) {
            (Some(x), Some(y)) => {
                if x.auth_type != y.auth_type {
                    let message = format!("the authentication types of `{name}` differ");
                    self.differs(error, message, x.type_span.0, y.type_span.0);
                }
                if x.auth_pass != y.auth_pass {
                    let message = format!("the passwords of `{name}` differ; adverts are dropped");
                    self.differs(error, message, x.pass_span.0, y.pass_span.0);
                }
            }
            (Some(x), None) => {
                let message = format!("only one node has authentication for `{name}`");
                self.differs(error, message, x.type_span.0, b.span.0);
            }
            (None, Some(y)) => {
                let message = format!("only one node has authentication for `{name}`");
                self.differs(error, message, a.span.0, y.type_span.0);
            }
            (None, None) => {}
        }
        if a.auth_hmac.is_some() != b.auth_hmac.is_some() {
            let message = format!("only one node has `auth_hmac` for `{name}`");
            self.differs(error, message, a.span.0, b.span.0);
        } else if let (Some(x), Some(y)) = (&a.auth_hmac, &b.auth_hmac) {
            let known = |hmac: &crate::model::AuthHmac, of: &crate::model::AuthHmac| {
                let signing = of.key.iter().find(|key| key.id == of.active_key);
                signing.is_some_and(|s| hmac.key.iter().any(|k| k.id == s.id && k.key == s.key))
            };
            if !known(x, y) || !known(y, x) {
                let message = format!("a node signs `{name}` with a key the other does not have");
                self.differs(error, message, x.span.0, y.span.0);
            }
        }
    }

    fn addresses(&mut self, pair: Match<'_>) {
        let Match { a, b } = pair;
        let lists = [
            (
                &a.virtual_ipaddress,
                &b.virtual_ipaddress,
                Severity::Error,
                "virtual address",
            ),
            (
                &a.virtual_ipaddress_excluded,
                &b.virtual_ipaddress_excluded,
                Severity::Warning,
                "excluded address",
            ),
        ];
        for (mine, theirs, severity, what) in lists {
            let orders = [(mine, theirs, b, 1), (theirs, mine, a, 0)];
            for (have, lack, whole, other) in orders {
                for vip in have {
                    if lack.iter().any(|v| v.address == vip.address) {
                        continue;
                    }
                    let other = self.names.get(other).cloned().unwrap_or_default();
                    let message = format!(
                        "{what} {} of `{}` is missing in {other}",
                        vip.address, a.name.value
                    );
                    let diagnostic =
                        Diagnostic::new(codes::MUST_BE_EQUAL, severity, message, vip.span.0)
                            .label(whole.span.0, "not in this instance");
                    self.findings.push(diagnostic);
                }
            }
            for vip in mine {
                let twin = theirs.iter().find(|v| v.address == vip.address);
                if let Some(twin) = twin.filter(|v| v.prefix_length != vip.prefix_length) {
                    let message = format!(
                        "{} has prefix length {} here and {} there",
                        vip.address, vip.prefix_length, twin.prefix_length
                    );
                    self.differs(Severity::Warning, message, vip.span.0, twin.span.0);
                }
            }
        }
    }

    fn transport(&mut self, pair: Match<'_>) {
        let Match { a, b } = pair;
        let name = &a.name.value;
        if a.is_unicast() != b.is_unicast() {
            let message = format!("`{name}` is unicast on one node and multicast on the other");
            self.differs(Severity::Error, message, a.span.0, b.span.0);
            return;
        }
        if !a.is_unicast() {
            if a.mcast_dst_ip.value != b.mcast_dst_ip.value {
                let message = format!("the multicast groups of `{name}` differ");
                self.differs(Severity::Error, message, a.span.0, b.span.0);
            }
            return;
        }
        if let (Some(x), Some(y)) = (a.source_address(), b.source_address())
            && x == y
        {
            let span = |i: &VrrpInstance| i.unicast_src_ip.span.unwrap_or(i.span.0);
            let diagnostic = Diagnostic::new(
                codes::MUST_DIFFER,
                Severity::Error,
                format!("both nodes send `{name}` from {x}"),
                span(a),
            )
            .label(span(b), "the same here");
            self.findings.push(diagnostic);
            return;
        }
        for (from, to) in [(a, b), (b, a)] {
            let Some(source) = from.source_address() else {
                continue;
            };
            if to.unicast_peer.iter().any(|peer| peer.address == source) {
                continue;
            }
            let place = to
                .unicast_peer
                .first()
                .map_or(to.span.0, |peer| peer.span.0);
            let sender = from.unicast_src_ip.span.unwrap_or(from.span.0);
            let diagnostic = Diagnostic::new(
                codes::MIRROR,
                Severity::Error,
                format!("the peers of `{name}` do not include {source}, the other node's source"),
                place,
            )
            .label(sender, "its source")
            .note("this node sends its adverts elsewhere; the other one becomes master as well");
            self.findings.push(diagnostic);
        }
    }

    fn groups(&mut self) {
        for group in &self.a.vrrp_sync_group {
            let twin = self
                .b
                .vrrp_sync_group
                .iter()
                .find(|g| g.name.value == group.name.value);
            let Some(twin) = twin else {
                let diagnostic = Diagnostic::new(
                    codes::ONE_SIDED,
                    Severity::Warning,
                    format!("sync group `{}` is on one node only", group.name.value),
                    group.span.0,
                );
                self.findings.push(diagnostic);
                continue;
            };
            let members = |g: &crate::model::VrrpSyncGroup| {
                let mut names: Vec<String> = g.group.iter().map(|m| m.value.clone()).collect();
                names.sort_unstable();
                names
            };
            if members(group) != members(twin) {
                let message = format!("the members of sync group `{}` differ", group.name.value);
                self.differs(Severity::Warning, message, group.span.0, twin.span.0);
            }
        }
    }
}

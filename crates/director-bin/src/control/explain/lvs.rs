//! Virtual servers and real servers.

use super::{Explainer, fact};
use crate::output;
use director_control::snapshot::{
    Check, CheckVerdict, InstanceState, RealServer, ServerState, VirtualServer,
};
use director_control::{Explanation, Fact, Override, OverrideKind};
use std::net::SocketAddr;

impl Explainer<'_> {
    pub(super) fn virtual_server(&self, server: &VirtualServer) -> Explanation {
        let takes = |real: &&RealServer| real.wished_weight.is_some_and(|weight| weight > 0);
        let serving = server.real_servers.iter().filter(takes).count();
        let all = output::count(server.real_servers.len(), "real server");
        let quorum = &server.quorum;
        let is = if quorum.up { "is there" } else { "is missing" };
        let mut because = vec![fact(
            None,
            format!(
                "the quorum of {} {is}: the live real servers have weight {} together",
                quorum.needed, quorum.weight
            ),
        )];
        if let Some(held) = &server.held {
            because.push(fact(
                Some(held.since),
                format!("the change guard holds it: {}", held.reason),
            ));
        }
        for real in server
            .real_servers
            .iter()
            .filter(|real| real.state != ServerState::Up)
        {
            because.push(fact(
                real.since,
                format!(
                    "{} is {}: {}",
                    real.address,
                    real.state,
                    real.reasons.join("; ")
                ),
            ));
        }
        because.extend(self.address_of(server));
        let mut would_change = Vec::new();
        if quorum.up {
            let keep = u64::from(quorum.needed.saturating_sub(quorum.hysteresis)).max(1);
            would_change.push(format!(
                "it loses its quorum when the live weight falls below {keep}{}",
                match &server.sorry_server {
                    Some(sorry) =>
                        format!("; then the sorry server {} answers alone", sorry.address),
                    None => String::new(),
                }
            ));
        } else {
            let gain = u64::from(quorum.needed).saturating_add(u64::from(quorum.hysteresis));
            would_change.push(format!("it gains its quorum with a live weight of {gain}"));
        }
        let state = match &server.sorry_server {
            Some(sorry) if sorry.in_use => {
                format!("the sorry server {} answers alone", sorry.address)
            }
            _ => format!(
                "{serving} of {all} take connections, shared by {}",
                server.scheduler
            ),
        };
        let name = server.name.clone();
        Explanation {
            subject: format!("virtual server {}", server.name),
            state,
            because,
            would_change,
            history: self.history(move |event| event.text("virtual_server") == Some(&name)),
        }
    }

    pub(super) fn real_server(&self, server: &VirtualServer, real: &RealServer) -> Explanation {
        let mut because = Vec::new();
        if let Some(set) = &real.set {
            because.push(self.set(set));
        }
        for check in &real.checks {
            because.push(self.check(check));
        }
        if real.checks.is_empty() {
            because.push(fact(None, "it has no check, so it counts as up"));
        }
        if real.state == ServerState::Standby {
            because.push(fact(
                None,
                format!(
                    "the quorum of {} is missing, so the sorry server answers alone",
                    server.quorum.needed
                ),
            ));
        }
        if let (ServerState::Held, Some(held)) = (real.state, &server.held) {
            because.push(fact(
                Some(held.since),
                format!("the change guard keeps it: {}", held.reason),
            ));
        }
        if let Some(wished) = real.wished_weight
            && wished != real.configured_weight
            && real.set.is_none()
        {
            let from = real.configured_weight;
            because.push(fact(
                None,
                format!("its weight is {wished} in place of the configured {from}"),
            ));
        }
        match (real.wished_weight, real.kernel_weight) {
            (Some(wished), Some(kernel)) if wished != kernel => because.push(fact(
                None,
                format!("the kernel has weight {kernel} in place of {wished}; that is repaired within a minute"),
            )),
            (Some(_), None) if server.traffic.is_some() => because.push(fact(
                None,
                "the kernel does not have it, although it should; that is repaired within a minute",
            )),
            _ => {}
        }
        because.extend(self.address_of(server));
        let (name, address) = (server.name.clone(), real.address.clone());
        Explanation {
            subject: format!("real server {} of {}", real.address, server.name),
            state: state(real),
            because,
            would_change: self.server_changes(server, real),
            history: self.history(move |event| {
                event.text("virtual_server") == Some(&name)
                    && event.text("real_server") == Some(&address)
            }),
        }
    }

    fn set(&self, set: &Override) -> Fact {
        let by = set
            .by
            .as_ref()
            .map_or_else(|| "somebody".to_owned(), ToString::to_string);
        let what = match &set.kind {
            OverrideKind::Drain { ended: None, .. } => format!("{by} drains it"),
            OverrideKind::Drain { ended: Some(_), .. } => format!("{by} has drained it"),
            OverrideKind::Weight { weight } => format!("{by} has set its weight to {weight}"),
            OverrideKind::Maintenance { file } => {
                format!("the file {file} puts it into maintenance")
            }
        };
        let reason = set.reason.as_deref();
        fact(
            Some(set.since),
            reason.map_or_else(|| what.clone(), |reason| format!("{what}: {reason}")),
        )
    }

    fn check(&self, check: &Check) -> Fact {
        let says = match check.verdict {
            CheckVerdict::Up => "passes",
            CheckVerdict::Down => "fails",
            CheckVerdict::AssumedUp => "has no result yet, taken as passed",
            CheckVerdict::AssumedDown => "has no result yet, taken as failed",
        };
        let mut text = format!("{} {says}: {}", check.kind, check.reason);
        if let Some(last) = check
            .last_outcome
            .as_ref()
            .filter(|last| **last != check.reason)
        {
            text.push_str(&format!("; the last attempt saw: {last}"));
        }
        if let Some(at) = check.last_attempt {
            text.push_str(&format!(
                "; {} of {} failed, the last one was {} ago",
                check.failures,
                output::count(
                    usize::try_from(check.attempts).unwrap_or(usize::MAX),
                    "attempt"
                ),
                self.since(at)
            ));
        }
        if check.suspended {
            text.push_str("; it is suspended (ha_suspend)");
        }
        fact(check.since, text)
    }

    fn server_changes(&self, server: &VirtualServer, real: &RealServer) -> Vec<String> {
        let mut changes = Vec::new();
        let failing = real.checks.iter().filter(|check| {
            matches!(
                check.verdict,
                CheckVerdict::Down | CheckVerdict::AssumedDown
            )
        });
        for check in failing {
            let next = match check.next_in_seconds {
                Some(seconds) => format!("the next attempt is in {seconds:.1} s"),
                None if check.suspended => "it is suspended".to_owned(),
                None => "an attempt runs now".to_owned(),
            };
            changes.push(format!(
                "{} must pass; {next} (`director check-now {}`)",
                check.kind, real.address
            ));
        }
        match real.set.as_ref() {
            Some(set) => {
                if let OverrideKind::Drain {
                    deadline,
                    ended: None,
                } = &set.kind
                {
                    let left = real.connections.unwrap_or_default();
                    let end = match deadline {
                        Some(deadline) => format!(", at the latest in {}", self.left(*deadline)),
                        None => String::new(),
                    };
                    changes.push(format!(
                        "it is drained when {} active and {} inactive connections and {} of persistent clients are gone{end}",
                        left.active, left.inactive, left.persistent
                    ));
                }
                if let Some(until) = set.until {
                    changes.push(format!(
                        "what was set takes itself back in {}",
                        self.left(until)
                    ));
                }
                match &set.kind {
                    OverrideKind::Maintenance { file } => {
                        changes.push(format!("removing {file} ends it"));
                    }
                    OverrideKind::Drain { .. } | OverrideKind::Weight { .. } => {
                        changes.push(format!("`director undrain {}` takes it back", real.address));
                    }
                }
            }
            None if real.state == ServerState::Up => {
                changes.push("a failed check takes it out".to_owned());
                changes.push(format!(
                    "`director drain {}` lets its connections run out",
                    real.address
                ));
            }
            None if real.state == ServerState::Standby => {
                let gain = u64::from(server.quorum.needed)
                    .saturating_add(u64::from(server.quorum.hysteresis));
                changes.push(format!(
                    "a live weight of {gain} (now {}) brings the real servers back",
                    server.quorum.weight
                ));
            }
            None => {}
        }
        changes
    }

    /// Whether clients come to this node at all.
    fn address_of(&self, server: &VirtualServer) -> Vec<Fact> {
        let addresses = server.services.iter().filter_map(|service| {
            let (_, address) = service.split_once(' ')?;
            address.parse::<SocketAddr>().ok()
        });
        let mut facts = Vec::new();
        for address in addresses {
            let address = address.ip();
            for instance in &self.snapshot.instances {
                if !instance
                    .addresses
                    .iter()
                    .any(|held| held.address == address)
                {
                    continue;
                }
                let text = if instance.state == InstanceState::Master {
                    format!("clients reach {address} here: {} is MASTER", instance.name)
                } else {
                    format!(
                        "clients do not come here: {} is {}, so {address} is elsewhere",
                        instance.name, instance.state
                    )
                };
                let new = fact(Some(instance.since), text);
                if !facts.contains(&new) {
                    facts.push(new);
                }
            }
        }
        facts
    }
}

fn state(real: &RealServer) -> String {
    let connections = real.connections.map(|connections| {
        format!(
            ", with {} active and {} inactive connections",
            connections.active, connections.inactive
        )
    });
    let connections = connections.unwrap_or_default();
    let weight = real.wished_weight.unwrap_or_default();
    match real.state {
        ServerState::Up => format!("it takes connections with weight {weight}{connections}"),
        ServerState::Down if real.wished_weight.is_some() => {
            format!("it is down and stands in the table with weight 0{connections}")
        }
        ServerState::Down => "it is down and not in the table".to_owned(),
        ServerState::Idle => {
            format!("it is well, but its weight is 0, so it gets no new connections{connections}")
        }
        ServerState::Draining => format!("it is draining: no new connections{connections}"),
        ServerState::Drained => "it is drained and not in the table".to_owned(),
        ServerState::Standby => "it is well, but the sorry server answers alone".to_owned(),
        ServerState::Held => format!(
            "its checks fail, but it is kept in the table with weight {weight}{connections}"
        ),
    }
}

//! Why something is as it is: the chain of causes with their times and what would change it, in sentences. Pure: from a
//! snapshot and the journal.

mod lvs;
mod vrrp;

#[cfg(test)]
mod tests;

use super::target::{self, ServerTarget};
use director_control::{Event, Explanation, Fact, Snapshot, Timestamp};
use std::net::{IpAddr, SocketAddr};

/// Events of a history.
const HISTORY: usize = 8;

/// The last events that a predicate picks, oldest first.
pub(crate) type History<'a> = &'a dyn Fn(&dyn Fn(&Event) -> bool, usize) -> Vec<Event>;

/// Explains everything that `word` names. Empty if it names nothing.
pub(crate) fn explain(snapshot: &Snapshot, word: &str, history: History<'_>) -> Vec<Explanation> {
    let word = word.trim();
    let all = Explainer { snapshot, history };
    let mut explanations = Vec::new();
    explanations.extend(
        snapshot
            .instance(word)
            .map(|instance| all.instance(instance)),
    );
    for group in snapshot.groups.iter().filter(|group| group.name == word) {
        explanations.push(all.group(group));
    }
    for tracker in snapshot
        .trackers
        .iter()
        .filter(|tracker| tracker.name == word)
    {
        explanations.push(all.tracker(tracker));
    }
    if let Ok(address) = word.split('/').next().unwrap_or(word).parse::<IpAddr>() {
        explanations.extend(all.address(address));
    }
    for server in &snapshot.virtual_servers {
        if target::names_virtual_server(word, &server.name, &server.services) {
            explanations.push(all.virtual_server(server));
        }
    }
    if let Ok(wanted) = ServerTarget::parse(word) {
        for server in &snapshot.virtual_servers {
            for real in &server.real_servers {
                let parsed = real.address.parse::<SocketAddr>();
                if parsed.is_ok_and(|address| wanted.names(&server.name, &server.services, address))
                {
                    explanations.push(all.real_server(server, real));
                }
            }
        }
    }
    explanations
}

struct Explainer<'a> {
    snapshot: &'a Snapshot,
    history: History<'a>,
}

impl Explainer<'_> {
    fn history(&self, wanted: impl Fn(&Event) -> bool) -> Vec<Fact> {
        let events = (self.history)(&wanted, HISTORY);
        let fact = |event: &Event| Fact {
            at: Some(event.time),
            text: event.message.clone(),
        };
        events.iter().map(fact).collect()
    }

    /// `42 s`
    fn since(&self, time: Timestamp) -> String {
        crate::cli::duration(self.snapshot.taken.since(time))
    }

    fn left(&self, time: Timestamp) -> String {
        crate::cli::duration(time.since(self.snapshot.taken))
    }
}

fn fact(at: Option<Timestamp>, text: impl Into<String>) -> Fact {
    Fact {
        at,
        text: text.into(),
    }
}

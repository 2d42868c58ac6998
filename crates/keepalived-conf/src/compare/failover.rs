//! Which tracked failures move mastership from one node to the other.

use super::{Match, Pair};
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{Config, TrackEntry, VrrpInstance};

/// Trackers whose combinations are tried; more are taken together.
const MAX_COMBINED: usize = 12;

/// What moves the mastership of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failover {
    /// Name of the instance on the node that is master when all is well.
    pub instance: String,
    /// True if the first node is master; false if the second; `None` if the addresses decide.
    pub first_is_master: Option<bool>,
    /// Effective priorities of the first and second node when all is well.
    pub priorities: [u8; 2],
    /// Least sets of tracked failures on the master that move mastership.
    pub moved_by: Vec<Vec<String>>,
    /// What is tracked there and moves it in no combination.
    pub without_effect: Vec<String>,
    /// The other node never preempts (`nopreempt`), so a lowered priority moves nothing.
    pub held_by_nopreempt: bool,
}

struct Tracked {
    what: String,
    weight: i64,
}

fn tracked(instance: &VrrpInstance, config: &Config) -> Vec<Tracked> {
    let group = config
        .vrrp_sync_group
        .iter()
        .find(|g| Some(&g.name.value) == instance.sync_group.as_ref());
    let weights_kept = group.is_none_or(|g| g.sync_group_tracking_weight.value);
    let mut all = Vec::new();
    let mut add = |what: &str, entries: &[TrackEntry], own: bool| {
        for entry in entries.iter().filter(|e| e.resolved) {
            let weight = entry.weight.value;
            let mut value = i64::from(weight.weight) * if weight.reverse { -1 } else { 1 };
            if own && !weights_kept && value != 0 {
                // keepalived drops weighted scripts of members and faults for interfaces.
                if what != "interface" {
                    continue;
                }
                value = 0;
            }
            all.push(Tracked {
                what: format!("{what} {}", entry.name.value),
                weight: value,
            });
        }
    };
    let own = &instance.track;
    add("script", &own.track_script, true);
    add("interface", &own.track_interface, true);
    add("process", &own.track_process, true);
    add("BFD session", &own.track_bfd, true);
    if let Some(group) = group {
        add("script", &group.track.track_script, false);
        add("interface", &group.track.track_interface, false);
        add("process", &group.track.track_process, false);
        add("BFD session", &group.track.track_bfd, false);
    }
    all
}

/// Effective priority when the trackers in `failed` are down; `None` is a fault.
fn effective(base: u8, tracked: &[Tracked], failed: impl Fn(usize) -> bool) -> Option<i64> {
    let mut total = i64::from(base);
    for (index, tracker) in tracked.iter().enumerate() {
        let down = failed(index);
        if tracker.weight == 0 {
            if down {
                return None;
            }
        } else if (tracker.weight < 0) == down {
            total += tracker.weight;
        }
    }
    Some(if base == 255 {
        255
    } else {
        total.clamp(1, 254)
    })
}

pub(super) fn failovers(pair: &mut Pair<'_>) -> Vec<Failover> {
    let matches = pair.matches();
    matches.into_iter().map(|m| one(pair, m)).collect()
}

fn one(pair: &mut Pair<'_>, both: Match<'_>) -> Failover {
    let Match { a, b } = both;
    let (track_a, track_b) = (tracked(a, pair.a), tracked(b, pair.b));
    let well = |instance: &VrrpInstance, tracked: &[Tracked]| {
        effective(instance.priority.value, tracked, |_| false).unwrap_or(0)
    };
    let (first, second) = (well(a, &track_a), well(b, &track_b));
    let first_is_master = if first == second {
        None
    } else {
        Some(first > second)
    };
    let (master, tracked, rival, other) = if first_is_master == Some(false) {
        (b, track_b, first, a)
    } else {
        (a, track_a, second, b)
    };
    let held = other.nopreempt.value;
    let moves = |set: u32| {
        let down = |index: usize| set >> index & 1 == 1;
        match effective(master.priority.value, &tracked, down) {
            None => true,
            Some(priority) => !held && priority < rival,
        }
    };
    let count = tracked.len().min(MAX_COMBINED);
    let mut least: Vec<u32> = Vec::new();
    let mut sets: Vec<u32> = (1..1_u32 << count).collect();
    sets.sort_by_key(|set| set.count_ones());
    for set in sets {
        let contained = least.iter().any(|known| known & set == *known);
        if !contained && moves(set) {
            least.push(set);
        }
    }
    let name = |index: usize| {
        tracked
            .get(index)
            .map_or_else(String::new, |t| t.what.clone())
    };
    let members = |set: u32| (0..count).filter(|i| set >> i & 1 == 1).map(name).collect();
    let useful: u32 = least.iter().fold(0, |all, set| all | set);
    let failover = Failover {
        instance: master.name.value.clone(),
        first_is_master,
        priorities: [first, second].map(|p| u8::try_from(p).unwrap_or(u8::MAX)),
        moved_by: least.iter().map(|set| members(*set)).collect(),
        without_effect: (0..count)
            .filter(|i| useful >> i & 1 == 0)
            .map(name)
            .collect(),
        held_by_nopreempt: held,
    };
    report(pair, master, &failover, rival);
    failover
}

fn report(pair: &mut Pair<'_>, master: &VrrpInstance, failover: &Failover, rival: i64) {
    if failover.without_effect.is_empty() {
        return;
    }
    let name = &failover.instance;
    let list = failover.without_effect.join(", ");
    let mut diagnostic = if failover.moved_by.is_empty() {
        Diagnostic::new(
            codes::NEVER_FAILS_OVER,
            Severity::Warning,
            format!("no tracked failure ever moves the mastership of `{name}`"),
            master.span.0,
        )
        .note(format!("tracked without effect: {list}"))
    } else {
        Diagnostic::new(
            codes::NEVER_FAILS_OVER,
            Severity::Note,
            format!("these trackers of `{name}` move mastership in no combination: {list}"),
            master.span.0,
        )
    };
    diagnostic = if failover.held_by_nopreempt {
        diagnostic.note("the other node has `nopreempt`: it takes over from a dead master only")
    } else {
        diagnostic
            .note(format!(
                "the other node has priority {rival}, which stays below the lowered one"
            ))
            .help("raise the weights above the difference of the priorities, or use weight 0")
    };
    pair.findings.push(diagnostic);
}

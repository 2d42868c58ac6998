//! Priority tracking: what scripts, interfaces, processes and files do to a priority.
//!
//! Pure arithmetic: tell a [`Tracking`] what each tracker says and read the [`Effective`] priority
//! with its terms, which `Display` writes out: `100 - 20 (check_nginx failed) = 80`.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::ids::Priority;

/// What a tracked object does to the priority (`weight W [reverse]`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Tracker {
    /// Its name, as operators know it; what thousands of routers track has it once.
    pub name: Arc<str>,
    /// Added while good if positive, subtracted while bad if negative; 0 means fault while bad.
    /// -253 to 253; for files the factor of their value.
    pub weight: i16,
    /// Turns the sign round; with weight 0 good means fault.
    pub reverse: bool,
}

/// What a tracked object says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum TrackerState {
    /// Nothing yet. With weight 0 the router waits for it.
    #[default]
    Pending,
    /// Good: script succeeded, interface up, enough processes.
    Up,
    /// Bad.
    Down,
    /// A file's value (`track_file`), multiplied by the weight. With weight 0 anything but 0 is a
    /// fault, reversed 0 is.
    Value(i32),
}

/// The trackers of one virtual router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracking {
    base: Priority,
    trackers: Vec<(Tracker, TrackerState)>,
}

impl Tracking {
    /// No trackers on a base priority. An owner (255) keeps its priority whatever trackers say;
    /// only those with weight 0 count.
    pub const fn new(base: Priority) -> Self {
        Self {
            base,
            trackers: Vec::new(),
        }
    }

    /// The configured priority.
    pub const fn base(&self) -> Priority {
        self.base
    }

    /// Changes the configured priority.
    pub fn set_base(&mut self, base: Priority) {
        self.base = base;
    }

    /// Adds a tracker that has said nothing yet, or changes weight and direction of the one of that
    /// name and keeps what it said.
    pub fn add(&mut self, tracker: Tracker) {
        match self.find(&tracker.name) {
            Some((known, _)) => *known = tracker,
            None => {
                // There are few, and never many more than at the start.
                self.trackers.reserve_exact(1);
                self.trackers.push((tracker, TrackerState::Pending));
            }
        }
    }

    /// Removes a tracker; `false` if there is none of that name.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.trackers.len();
        self.trackers.retain(|(tracker, _)| &*tracker.name != name);
        self.trackers.len() < before
    }

    /// Notes what a tracker says; `false` if there is none of that name.
    pub fn set(&mut self, name: &str, state: TrackerState) -> bool {
        match self.find(name) {
            Some((_, known)) => {
                *known = state;
                true
            }
            None => false,
        }
    }

    /// Every tracker with what it said last.
    pub fn trackers(&self) -> impl Iterator<Item = (&Tracker, TrackerState)> + '_ {
        self.trackers
            .iter()
            .map(|(tracker, state)| (tracker, *state))
    }

    fn find(&mut self, name: &str) -> Option<&mut (Tracker, TrackerState)> {
        self.trackers
            .iter_mut()
            .find(|(tracker, _)| &*tracker.name == name)
    }

    /// The priority that all this makes.
    pub fn effective(&self) -> Effective {
        let mut terms = Vec::new();
        let mut faults = Vec::new();
        let mut pending = Vec::new();
        for (tracker, state) in &self.trackers {
            match contribution(tracker, *state) {
                Contribution::Nothing => {}
                Contribution::Pending => pending.push(tracker.name.to_string()),
                Contribution::Fault => faults.push(tracker.name.to_string()),
                Contribution::Term(_) if self.base.is_owner() => {}
                Contribution::Term(change) => terms.push(Term {
                    tracker: tracker.name.to_string(),
                    state: *state,
                    change,
                }),
            }
        }
        let total = terms
            .iter()
            .fold(i32::from(self.base.value()), |total, term| {
                total.saturating_add(term.change)
            });
        Effective {
            base: self.base,
            total,
            priority: if self.base.is_owner() {
                Priority::OWNER
            } else {
                Priority::clamped(total)
            },
            terms,
            faults,
            pending,
        }
    }
}

enum Contribution {
    Nothing,
    Pending,
    Fault,
    Term(i32),
}

fn contribution(tracker: &Tracker, state: TrackerState) -> Contribution {
    let weight = i32::from(tracker.weight);
    let sign = if tracker.reverse { -1 } else { 1 };
    match state {
        TrackerState::Pending if weight == 0 => Contribution::Pending,
        TrackerState::Pending => Contribution::Nothing,
        TrackerState::Up | TrackerState::Down if weight == 0 => {
            if (state == TrackerState::Up) == tracker.reverse {
                Contribution::Fault
            } else {
                Contribution::Nothing
            }
        }
        TrackerState::Up if weight > 0 => Contribution::Term(weight * sign),
        TrackerState::Down if weight < 0 => Contribution::Term(weight * sign),
        TrackerState::Up | TrackerState::Down => Contribution::Nothing,
        TrackerState::Value(value) if weight == 0 => {
            if (value == 0) == tracker.reverse {
                Contribution::Fault
            } else {
                Contribution::Nothing
            }
        }
        TrackerState::Value(value) => match value.saturating_mul(weight).saturating_mul(sign) {
            ..=-254 => Contribution::Fault,
            0 => Contribution::Nothing,
            change => Contribution::Term(change.min(253)),
        },
    }
}

/// A priority with the sum that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Effective {
    /// The configured priority.
    pub base: Priority,
    /// What was added and subtracted, in the order of the trackers.
    pub terms: Vec<Term>,
    /// The sum before it is brought into 1 to 254.
    pub total: i32,
    /// The priority in force.
    pub priority: Priority,
    /// Trackers that put the router at fault.
    pub faults: Vec<String>,
    /// Trackers with weight 0 that have said nothing yet.
    pub pending: Vec<String>,
}

/// One part of the sum.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Term {
    /// The tracker.
    pub tracker: String,
    /// What it says.
    pub state: TrackerState,
    /// What that adds; negative if it subtracts.
    pub change: i32,
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.base)?;
        for term in &self.terms {
            let sign = if term.change < 0 { '-' } else { '+' };
            write!(
                f,
                " {sign} {} ({} ",
                term.change.unsigned_abs(),
                term.tracker
            )?;
            match term.state {
                TrackerState::Pending => f.write_str("has not reported)")?,
                TrackerState::Up => f.write_str("is up)")?,
                TrackerState::Down => f.write_str("failed)")?,
                TrackerState::Value(value) => write!(f, "says {value})")?,
            }
        }
        if !self.terms.is_empty() {
            write!(f, " = {}", self.total)?;
        }
        if !self.base.is_owner() && i32::from(self.priority.value()) != self.total {
            write!(f, ", limited to {}", self.priority)?;
        }
        for fault in &self.faults {
            write!(f, ", fault: {fault}")?;
        }
        for name in &self.pending {
            write!(f, ", waiting for {name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracking(base: u8, trackers: &[(&str, i16, bool, TrackerState)]) -> Tracking {
        let mut tracking = Tracking::new(Priority::new(base));
        for (name, weight, reverse, state) in trackers {
            tracking.add(Tracker {
                name: (*name).into(),
                weight: *weight,
                reverse: *reverse,
            });
            assert!(tracking.set(name, *state));
        }
        tracking
    }

    fn priority(base: u8, weight: i16, reverse: bool, state: TrackerState) -> u8 {
        tracking(base, &[("t", weight, reverse, state)])
            .effective()
            .priority
            .value()
    }

    use TrackerState::{Down, Pending, Up, Value};

    #[test]
    fn item_101_positive_adds_while_good_and_negative_subtracts_while_bad() {
        assert_eq!(priority(100, 20, false, Up), 120);
        assert_eq!(priority(100, 20, false, Down), 100);
        assert_eq!(priority(100, -20, false, Up), 100);
        assert_eq!(priority(100, -20, false, Down), 80);
        assert_eq!(priority(100, 20, true, Up), 80);
        assert_eq!(priority(100, -20, true, Down), 120);
        assert_eq!(priority(100, 20, false, Pending), 100);
    }

    #[test]
    fn item_101_weight_zero_means_fault() {
        let faults = |reverse, state| {
            tracking(100, &[("t", 0, reverse, state)])
                .effective()
                .faults
                .len()
        };
        assert_eq!(faults(false, Down), 1);
        assert_eq!(faults(false, Up), 0);
        assert_eq!(faults(true, Up), 1);
        assert_eq!(faults(true, Down), 0);
        assert_eq!(faults(false, Value(3)), 1);
        assert_eq!(faults(false, Value(0)), 0);
        assert_eq!(faults(true, Value(0)), 1);
        let waiting = tracking(100, &[("t", 0, false, Pending)]).effective();
        assert_eq!((waiting.pending.len(), waiting.faults.len()), (1, 0));
    }

    #[test]
    fn item_011_the_sum_is_limited_and_an_owner_keeps_255() {
        assert_eq!(priority(100, -200, false, Down), 1);
        assert_eq!(priority(100, 200, false, Up), 254);
        assert_eq!(priority(255, -200, false, Down), 255);
    }

    #[test]
    fn files_multiply_and_far_below_is_a_fault() {
        assert_eq!(priority(100, 2, false, Value(10)), 120);
        assert_eq!(priority(100, 2, true, Value(10)), 80);
        let far = tracking(100, &[("f", 1, false, Value(-254))]).effective();
        assert_eq!(far.faults, ["f"]);
        assert_eq!(priority(1, 1, false, Value(i32::MAX)), 254);
    }

    #[test]
    fn the_sum_is_shown() {
        let shown = tracking(
            100,
            &[
                ("check_nginx", -20, false, Down),
                ("eth1", 5, false, Up),
                ("quiet", -3, false, Up),
            ],
        )
        .effective();
        assert_eq!(
            shown.to_string(),
            "100 - 20 (check_nginx failed) + 5 (eth1 is up) = 85"
        );
        let limited = tracking(10, &[("x", -50, false, Down)]).effective();
        assert_eq!(
            limited.to_string(),
            "10 - 50 (x failed) = -40, limited to 1"
        );
    }

    #[test]
    fn adding_again_keeps_what_was_said() {
        let mut tracking = tracking(100, &[("t", -20, false, Down)]);
        tracking.add(Tracker {
            name: "t".into(),
            weight: -30,
            reverse: false,
        });
        assert_eq!(tracking.effective().priority.value(), 70);
        assert!(tracking.remove("t"));
        assert!(!tracking.remove("t"));
        assert!(!tracking.set("t", Up));
    }
}

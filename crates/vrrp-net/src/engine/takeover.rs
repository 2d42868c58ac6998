//! Taking over at the very moment.
//!
//! A thread that has slept needs a tenth of a millisecond to come to itself, and more where the processor slept too or is a
//! guest on another machine. So a backup wakes somewhat early and stays awake until its time has come.

use std::time::Duration;

use vrrp_proto::Instant;

use super::core::Core;

/// How long before a takeover its backup wakes.
const AHEAD: Duration = Duration::from_micros(250);

/// When to wake for a takeover that is due at `deadline`.
fn ahead_of(deadline: Instant, now: Instant) -> Instant {
    let left = deadline.saturating_duration_since(now);
    left.checked_sub(AHEAD).map_or(deadline, |left| now + left)
}

impl Core {
    /// When to wake for the router that has to act first.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let &(deadline, _) = self.deadlines.first()?;
        Some(if self.next_takes_over() {
            ahead_of(deadline, self.clock.now())
        } else {
            deadline
        })
    }

    /// Waits for a takeover that is at hand, a quarter of a millisecond at most, and takes in what has arrived meanwhile: the
    /// master may have spoken.
    pub(super) fn await_takeover(&mut self) {
        while let Some(&(deadline, id)) = self.deadlines.first() {
            if self.put_off(deadline, id) {
                continue;
            }
            let left = deadline.saturating_duration_since(self.clock.now());
            if left.is_zero() || left > AHEAD || !self.next_takes_over() {
                return;
            }
            while self.clock.now() < deadline {
                std::hint::spin_loop();
            }
            self.armed = Some(deadline);
            return self.read_arrived();
        }
    }

    fn next_takes_over(&self) -> bool {
        let next = self.deadlines.first();
        next.and_then(|(_, id)| self.instances.get(id))
            .is_some_and(|instance| !instance.is_master())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_wakes_before_its_takeover_and_never_after() {
        let deadline = Instant::from_micros(1_000_000);
        let early = Instant::from_micros(1_000_000 - 250);
        for before in [900_000, 251, 250] {
            let now = Instant::from_micros(1_000_000 - before);
            assert_eq!(ahead_of(deadline, now), early);
        }
        for at in [999_751, 999_900, 1_000_000, 1_000_001] {
            assert_eq!(ahead_of(deadline, Instant::from_micros(at)), deadline);
        }
    }
}

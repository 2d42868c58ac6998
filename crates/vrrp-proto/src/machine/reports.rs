//! Bounds the rate of reports.

use alloc::vec::Vec;
use core::mem;

use super::action::Report;
use super::reason::{DropReason, Warning};
use crate::time::{Instant, micros};

/// Reports of the same kind are equal to an operator whoever caused them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Dropped(DropReason),
    Other(mem::Discriminant<Warning>),
}

/// When each kind of report was last made. As long as the list of kinds, at most.
#[derive(Clone, Debug, Default)]
pub(super) struct Reports {
    made: Vec<(Kind, Instant, u64)>,
}

impl Reports {
    /// The report to make of `warning`, unless one of its kind was made less than `interval` ago.
    pub(super) fn make(
        &mut self,
        now: Instant,
        interval: core::time::Duration,
        warning: Warning,
    ) -> Option<Report> {
        let kind = match &warning {
            Warning::Dropped { reason, .. } => Kind::Dropped(*reason),
            other => Kind::Other(mem::discriminant(other)),
        };
        let Some((_, last, suppressed)) = self.made.iter_mut().find(|(made, ..)| *made == kind)
        else {
            self.made.push((kind, now, 0));
            return Some(Report {
                warning,
                suppressed: 0,
            });
        };
        if now.micros_since(*last) < micros(interval) {
            *suppressed += 1;
            return None;
        }
        *last = now;
        Some(Report {
            warning,
            suppressed: mem::take(suppressed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{IpAddr, Ipv4Addr};
    use core::time::Duration;

    #[test]
    fn item_043_each_kind_is_reported_once_per_interval_and_the_rest_counted() {
        let mut reports = Reports::default();
        let dropped = |reason| Warning::Dropped {
            reason,
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let mut made = |millis, reason| {
            reports.make(
                Instant::from_millis(millis),
                Duration::from_secs(60),
                dropped(reason),
            )
        };
        assert!(made(0, DropReason::Checksum).is_some());
        assert!(made(1, DropReason::Checksum).is_none());
        assert!(made(2, DropReason::Checksum).is_none());
        assert!(made(3, DropReason::Truncated).is_some());
        assert_eq!(
            made(60_000, DropReason::Checksum).map(|made| made.suppressed),
            Some(2)
        );
        assert!(made(60_001, DropReason::Checksum).is_none());
    }
}

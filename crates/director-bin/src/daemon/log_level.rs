//! What is logged, changed by an operator while the program runs.

use super::actions::{Told, bad, because};
use super::running::Running;
use crate::log;
use director_control::{Order, Problem, Timestamp, Who};

/// Levels that go back by themselves.
#[derive(Debug, Clone)]
pub(crate) struct LevelsUntil {
    /// When.
    pub(crate) at: Timestamp,
    /// To what.
    before: String,
}

impl Running {
    /// Changes the level of everything or of one part, or says what it would be.
    pub(super) fn change_log_level(
        &mut self,
        (subsystem, level): (Option<&str>, Option<&str>),
        until: Option<Timestamp>,
        order: &Order,
        who: &Who,
    ) -> Result<Told, Problem> {
        let usual = self.arguments.log.log_level.to_string();
        let before = log::levels();
        let wanted = log::changed(&before, &usual, subsystem, level)
            .map_err(|error| bad(error.to_string()))?;
        let mut told = Told::default();
        if wanted == before {
            told.notes
                .push(format!("the log level is {before} already"));
        } else {
            told.changes
                .push(format!("the log level is {wanted}, was {before}"));
        }
        if order.dry_run {
            return Ok(told);
        }
        let why = because(who, order.reason.as_deref());
        tracing::info!(event = "log_level_ordered", %who, reason = order.reason, levels = wanted, "the log level is set to {wanted} {why}");
        self.set_log_levels(&wanted);
        // What was there before the first of several orders with an end.
        let first = self.control.levels_until.take();
        self.control.levels_until = until.map(|at| LevelsUntil {
            at,
            before: first.map_or(before, |first| first.before),
        });
        Ok(told)
    }

    /// Takes the levels back if their time is over.
    pub(super) fn take_back_log_levels(&mut self, now: Timestamp) {
        let over = self.control.levels_until.take_if(|until| until.at <= now);
        if let Some(until) = over {
            self.set_log_levels(&until.before);
        }
    }

    /// As the signals do.
    pub(super) fn set_log_levels(&mut self, levels: &str) {
        if let Err(error) = log::set_levels(levels) {
            tracing::warn!(event = "log_level", %error, "{error}");
        }
    }
}

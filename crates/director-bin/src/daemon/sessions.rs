//! `BFD_CHECK`: a real server is as its BFD session is, from the moment the session changes.

use super::running::Running;
use crate::bfd::session_of;
use crate::track::Report;
use healthcheck::{Cause, Detail, Outcome};
use std::collections::BTreeMap;
use std::time::Duration;
use vrrp_net::TrackerState;

/// What BFD sessions have last said of themselves.
#[derive(Debug, Default)]
pub(super) struct Sessions(BTreeMap<String, Outcome>);

impl Sessions {
    /// Takes note, and gives the session whose state it is.
    fn observe<'a>(&mut self, report: &'a Report) -> Option<&'a str> {
        let session = session_of(&report.name)?;
        let outcome = outcome(session, report.state == TrackerState::Up, &report.reason);
        self.0.insert(session.to_owned(), outcome);
        Some(session)
    }

    /// The state of a session; down if nothing is known of it.
    fn outcome(&self, session: &str) -> Outcome {
        let known = self.0.get(session).cloned();
        known.unwrap_or_else(|| outcome(session, false, "it has not come up yet"))
    }
}

fn outcome(session: &str, up: bool, reason: &str) -> Outcome {
    let result = if up {
        Ok(Detail::Told(format!("BFD session {session} is up")))
    } else {
        let text = format!("BFD session {session} is down: {reason}");
        Err(Cause::Told(text))
    };
    Outcome::from_result(result, Duration::ZERO)
}

impl Running {
    /// Hands a report on to the checks that hear from its session.
    pub(super) fn feed_checks(&mut self, report: &Report) {
        if let Some(changed) = self.sessions.observe(report) {
            for (id, session) in self.plan.checks.fed() {
                if session == changed {
                    self.monitor.report(id, self.sessions.outcome(session));
                }
            }
        }
    }

    /// Tells all checks what is known of their sessions: some of them may be new.
    pub(super) fn feed_all_checks(&self) {
        for (id, session) in self.plan.checks.fed() {
            self.monitor.report(id, self.sessions.outcome(session));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_down_until_it_says_otherwise() {
        let mut sessions = Sessions::default();
        let mut report = Report {
            kind: "bfd_instance",
            name: crate::bfd::bfd_tracker("b"),
            state: TrackerState::Up,
            reason: String::new(),
        };
        assert!(!sessions.outcome("b").is_up());
        assert_eq!(sessions.observe(&report), Some("b"));
        assert!(sessions.outcome("b").is_up());
        report.state = TrackerState::Down;
        report.reason = "nothing heard".to_owned();
        sessions.observe(&report);
        let told = sessions.outcome("b").to_string();
        assert_eq!(told, "BFD session b is down: nothing heard");
        report.name = "a script".to_owned();
        assert_eq!(sessions.observe(&report), None);
    }
}

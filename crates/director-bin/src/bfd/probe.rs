//! `BFD_CHECK`: a real server is as its BFD session is.

use super::is_up;
use healthcheck::{Attempt, Cause, Detail, Outcome, Probe, ProbeKey};
use std::time::Duration;

/// Looks whether the session is up. Costs nothing, so it can be asked often.
#[derive(Debug)]
pub(crate) struct BfdProbe {
    name: String,
}

impl BfdProbe {
    /// How often to ask.
    pub(crate) const INTERVAL: Duration = Duration::from_millis(50);

    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
        }
    }
}

impl Probe for BfdProbe {
    fn run(&self) -> Attempt<'_> {
        let result = if is_up(&self.name) {
            Ok(Detail::Told(format!("BFD session {} is up", self.name)))
        } else {
            Err(Cause::Told(format!("BFD session {} is down", self.name)))
        };
        Box::pin(std::future::ready(Outcome::from_result(
            result,
            Duration::ZERO,
        )))
    }

    fn key(&self) -> Option<ProbeKey> {
        Some(ProbeKey::new(("BFD_CHECK", self.name.clone())))
    }
}

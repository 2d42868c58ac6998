//! Scripts that run once: when the daemon starts, and when it has stopped.

use super::{Given, Program, run};
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// `startup_script` or `shutdown_script`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Once {
    /// The keyword, for messages.
    pub(crate) keyword: &'static str,
    /// What to run.
    pub(crate) program: Program,
    /// How long it may take.
    pub(crate) limit: Duration,
}

impl Once {
    /// Runs it and waits for it. A failure is told and stops nothing, as with keepalived.
    pub(crate) async fn run(&self) {
        let started = Instant::now();
        let ended = run(&self.program, &Given::default(), self.limit).await;
        let (keyword, command) = (self.keyword, self.program.line());
        let seconds = started.elapsed().as_secs_f64();
        if ended.success() {
            info!(
                event = "hook_done",
                keyword, command, seconds, "{keyword} done in {seconds:.3} s"
            );
        } else {
            warn!(event = "hook_failed", keyword, command, seconds, reason = %ended, "{keyword} `{command}`: {ended}");
        }
    }
}

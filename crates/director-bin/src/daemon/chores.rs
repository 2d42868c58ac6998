//! What the loop looks after without being asked: what operators have set for a time, the service manager, memory.
//!
//! It is done within half a second after anything has happened, and when its time has come. While nothing happens it is not
//! done: a daemon at rest does not wake for it.

use super::running::Running;
use std::time::{Duration, Instant};

/// The shortest time from one round to the next.
const PAUSE: Duration = Duration::from_millis(500);

/// When the last round was, and whether there is something to look at.
#[derive(Debug)]
pub(super) struct Chores {
    last: Instant,
    stirred: bool,
}

impl Chores {
    /// The first round is near.
    pub(super) fn new() -> Self {
        Self {
            last: Instant::now(),
            stirred: true,
        }
    }

    /// Something has happened.
    pub(super) const fn stir(&mut self) {
        self.stirred = true;
    }
}

impl Running {
    /// When the next round is due.
    pub(super) fn chores_due(&self) -> Option<Instant> {
        let soonest = self.chores.last.checked_add(PAUSE)?;
        let due = [
            self.chores.stirred.then_some(soonest),
            self.control.due(),
            self.service_manager.due(),
            self.release_memory_at,
        ];
        let first = due.into_iter().flatten().min();
        first.map(|due| due.max(soonest))
    }

    /// One round.
    pub(super) async fn chores(&mut self) {
        self.chores = Chores {
            last: Instant::now(),
            stirred: false,
        };
        self.tell_missed();
        self.keep_overrides().await;
        let vrrp = self.vrrp.as_ref();
        let vrrp = vrrp.map(|vrrp| vrrp.engine.snapshots().latest());
        self.control.peers(vrrp.as_deref());
        self.service_manager.beat(vrrp.as_deref(), &self.model);
        if self
            .release_memory_at
            .is_some_and(|at| at <= Instant::now())
        {
            self.release_memory_at = None;
            super::sys::release_program();
            // Elsewhere what checks and routers keep in memory counts for more than some milliseconds of the next reload.
            if self.plan.checks.len() == 0 && !self.plan.virtual_servers.is_empty() {
                self.rehearse_reload();
                super::sys::release_heap_but_spare();
            } else {
                super::sys::release_heap();
            }
        }
    }
}

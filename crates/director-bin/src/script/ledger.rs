//! What runs for whom, and how the last run of each ended: for the status.

use director_control::Timestamp;
use director_control::snapshot::{Hook, HookRun};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Shared by the queues of all objects; clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct HookLedger {
    objects: Arc<Mutex<BTreeMap<String, Entry>>>,
}

#[derive(Debug, Default)]
struct Entry {
    running: Option<Run>,
    last: Option<(Run, f64, String)>,
    waiting: u64,
    succeeded: u64,
    failed: u64,
    dropped: u64,
}

#[derive(Debug, Clone)]
struct Run {
    keyword: &'static str,
    command: String,
    started: Instant,
}

impl HookLedger {
    fn entry(&self, object: &str, change: impl FnOnce(&mut Entry)) {
        let mut objects = self.lock();
        match objects.get_mut(object) {
            Some(entry) => change(entry),
            None => change(objects.entry(object.to_owned()).or_default()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more waits.
    pub(crate) fn queued(&self, object: &str) {
        self.entry(object, |entry| {
            entry.waiting = entry.waiting.saturating_add(1);
        });
    }

    /// One had to be left out.
    pub(crate) fn dropped(&self, object: &str) {
        self.entry(object, |entry| {
            entry.dropped = entry.dropped.saturating_add(1);
        });
    }

    /// One that waited runs.
    pub(crate) fn began(&self, object: &str, keyword: &'static str, command: String, now: Instant) {
        self.entry(object, |entry| {
            entry.waiting = entry.waiting.saturating_sub(1);
            entry.running = Some(Run {
                keyword,
                command,
                started: now,
            });
        });
    }

    /// The one that ran has ended.
    pub(crate) fn ended(&self, object: &str, success: bool, result: String, now: Instant) {
        self.entry(object, |entry| {
            let count = if success {
                &mut entry.succeeded
            } else {
                &mut entry.failed
            };
            *count = count.saturating_add(1);
            if let Some(run) = entry.running.take() {
                let seconds = now.saturating_duration_since(run.started).as_secs_f64();
                entry.last = Some((run, seconds, result));
            }
        });
    }

    /// For the status; `wall` gives the time of day of a moment.
    pub(crate) fn snapshot(&self, wall: &dyn Fn(Instant) -> Timestamp, now: Instant) -> Vec<Hook> {
        let told = |run: &Run, seconds: f64, result: Option<String>| HookRun {
            keyword: run.keyword.to_owned(),
            command: run.command.clone(),
            started: wall(run.started),
            seconds,
            result,
        };
        let so_far = |run: &Run| now.saturating_duration_since(run.started).as_secs_f64();
        let objects = self.lock();
        let each = objects.iter().map(|(object, entry)| Hook {
            object: object.clone(),
            running: entry
                .running
                .as_ref()
                .map(|run| told(run, so_far(run), None)),
            last: entry
                .last
                .as_ref()
                .map(|(run, seconds, result)| told(run, *seconds, Some(result.clone()))),
            waiting: entry.waiting,
            succeeded: entry.succeeded,
            failed: entry.failed,
            dropped: entry.dropped,
        });
        each.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_last_result_stays_while_the_next_runs() {
        let ledger = HookLedger::default();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let object = "vrrp_instance VI_1";
        ledger.queued(object);
        ledger.queued(object);
        ledger.began(object, "notify_master", "/m".to_owned(), start);
        ledger.ended(object, false, "exit status 1".to_owned(), after(2));
        ledger.began(object, "notify", "/n".to_owned(), after(2));
        let hooks = ledger.snapshot(&|_| Timestamp::default(), after(5));
        let [hook] = hooks.as_slice() else {
            panic!("{hooks:?}")
        };
        let last = hook.last.as_ref().unwrap();
        assert_eq!(
            (last.seconds, last.result.as_deref()),
            (2.0, Some("exit status 1"))
        );
        assert_eq!(hook.running.as_ref().unwrap().seconds, 3.0);
        assert_eq!((hook.waiting, hook.failed, hook.succeeded), (0, 1, 0));
    }
}

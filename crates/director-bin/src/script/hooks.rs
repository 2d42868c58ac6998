//! Notification scripts: for each object one at a time and in the order of the events.

use super::{Given, HookLedger, Program, run};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{debug, warn};

/// How long one notification may run before it is ended, so that the next one is not held up for ever.
const DEADLINE: Duration = Duration::from_secs(60);

/// Notifications of one object that may wait behind the running one.
const QUEUE: usize = 64;

/// One notification to run.
#[derive(Debug, Clone)]
pub(crate) struct Hook {
    /// The keyword that asked for it, such as `notify_master`.
    pub(crate) keyword: &'static str,
    /// What to run.
    pub(crate) program: Program,
    /// Arguments behind the configured ones, such as `INSTANCE VI_1 MASTER 100`, and what says more than they do.
    pub(crate) given: Given,
}

/// Runs hooks, each object's own in order and different objects' side by side.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    queues: BTreeMap<String, mpsc::Sender<Hook>>,
    tasks: JoinSet<()>,
    ledger: HookLedger,
}

impl Hooks {
    /// Queues `hook` behind the earlier ones of `object`, a name such as `vrrp_instance VI_1`.
    pub(crate) fn send(&mut self, object: &str, hook: Hook) {
        // Reap tasks whose queues have been dropped.
        while self.tasks.try_join_next().is_some() {}
        let (tasks, ledger) = (&mut self.tasks, &self.ledger);
        let queue = self.queues.entry(object.to_owned()).or_insert_with(|| {
            let (queue, waiting) = mpsc::channel(QUEUE);
            tasks.spawn(run_in_order(object.to_owned(), waiting, ledger.clone()));
            queue
        });
        let (keyword, line) = (hook.keyword, hook.program.line());
        if queue.try_send(hook).is_ok() {
            ledger.queued(object);
        } else {
            ledger.dropped(object);
            warn!(
                event = "hook_dropped",
                object,
                keyword,
                command = line,
                "{object}: {keyword} is not run, {QUEUE} earlier notifications are still waiting; make the script faster"
            );
        }
    }

    /// What runs, and how the last runs ended.
    pub(crate) const fn ledger(&self) -> &HookLedger {
        &self.ledger
    }

    /// Lets what is queued finish, at most until `deadline`, then ends the rest. No hook may be sent afterwards.
    pub(crate) async fn finish(mut self, deadline: Duration) {
        self.queues.clear();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(deadline, all).await.is_err() {
            warn!(
                event = "hook_dropped",
                "notification scripts still running after {} s are ended",
                deadline.as_secs_f64()
            );
            self.tasks.shutdown().await;
        }
    }
}

async fn run_in_order(object: String, mut waiting: mpsc::Receiver<Hook>, ledger: HookLedger) {
    while let Some(hook) = waiting.recv().await {
        let started = Instant::now();
        let (keyword, command) = (hook.keyword, hook.program.line());
        ledger.began(&object, keyword, command.clone(), started);
        let ended = run(&hook.program, &hook.given, DEADLINE).await;
        ledger.ended(&object, ended.success(), ended.to_string(), Instant::now());
        let seconds = started.elapsed().as_secs_f64();
        if ended.success() {
            debug!(
                event = "hook_done",
                object, keyword, command, seconds, "{object}: {keyword} done in {seconds:.3} s"
            );
        } else {
            warn!(event = "hook_failed", object, keyword, command, seconds, reason = %ended, "{object}: {keyword} `{command}`: {ended}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(path: &std::path::Path, text: &str, delay: &str) -> Hook {
        let script = format!("sleep {delay}; echo {text} \"$@\" >> {}", path.display());
        let arguments = ["/bin/sh", "-c", &script, "sh"].map(str::to_owned).to_vec();
        Hook {
            keyword: "notify",
            program: Program::new(arguments),
            given: Given {
                arguments: vec!["x".to_owned()],
                ..Given::default()
            },
        }
    }

    #[tokio::test]
    async fn an_objects_hooks_run_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut hooks = Hooks::default();
        // The first takes longest: without the queue the others would overtake it.
        for (text, delay) in [("one", "0.3"), ("two", "0.1"), ("three", "0")] {
            hooks.send("vrrp_instance VI_1", append(&path, text, delay));
        }
        hooks.finish(Duration::from_secs(30)).await;
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "one x\ntwo x\nthree x\n"
        );
    }
}

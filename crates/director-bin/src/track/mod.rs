//! What the priority of an instance may depend on, besides interfaces: scripts, files, processes and BFD sessions.

mod file;
mod process;
mod script;

pub(crate) use file::{TrackFile, file_tracker};
pub(crate) use process::{Parameters, Pattern, TrackProcess, process_tracker};
pub(crate) use script::TrackScript;

use crate::bfd::{Bfd, BfdPlan, bfd_tracker};
use std::collections::BTreeMap;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use vrrp_net::TrackerState;

/// Something to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Watched {
    /// A `vrrp_script`.
    Script(TrackScript),
    /// A `track_file`.
    File(TrackFile),
    /// All `vrrp_track_process` together: one look at the processes serves them all.
    Processes(Vec<TrackProcess>),
    /// All `bfd_instance` together: one thread serves them all.
    Bfd(Vec<BfdPlan>),
}

/// The state of something watched has changed, or is known for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// The keyword of its block.
    pub(crate) kind: &'static str,
    /// Its name for the VRRP engine.
    pub(crate) name: String,
    /// Good, bad, or a value.
    pub(crate) state: TrackerState,
    /// What was seen, such as `exit status 1`.
    pub(crate) reason: String,
}

/// Everything that is being watched.
#[derive(Debug)]
pub(crate) struct Trackers {
    running: BTreeMap<String, (Watched, JoinHandle<()>)>,
    /// The daemon has just started: files get their first value (`init_file`), which a reload does not give.
    starting: bool,
    /// The thread with the BFD sessions, once there has been one.
    bfd: Option<Bfd>,
    reports: mpsc::Sender<Report>,
}

impl Watched {
    /// A name that no other one has.
    fn name(&self) -> String {
        match self {
            Self::Script(script) => script.name.clone(),
            Self::File(file) => file_tracker(&file.name),
            Self::Processes(_) => process_tracker("*"),
            Self::Bfd(_) => bfd_tracker("*"),
        }
    }
}

impl Trackers {
    /// Reports go to `reports`.
    pub(crate) const fn new(reports: mpsc::Sender<Report>) -> Self {
        Self {
            running: BTreeMap::new(),
            starting: true,
            bfd: None,
            reports,
        }
    }

    /// Watches exactly `wished`. What is unchanged goes on and keeps its counts.
    pub(crate) fn replace(&mut self, wished: Vec<Watched>) {
        let mut before = std::mem::take(&mut self.running);
        let starting = std::mem::take(&mut self.starting);
        let mut sessions = Vec::new();
        for watched in wished {
            if let Watched::Bfd(plans) = watched {
                sessions = plans;
                continue;
            }
            let name = watched.name();
            let entry = match before.remove(&name) {
                Some((same, task)) if same == watched => (same, task),
                other => {
                    if let Some((_, task)) = other {
                        task.abort();
                    }
                    let reports = self.reports.clone();
                    let task = match watched.clone() {
                        Watched::Script(script) => tokio::spawn(script::repeat(script, reports)),
                        Watched::File(file) => tokio::spawn(file::watch(file, starting, reports)),
                        Watched::Processes(all) => tokio::spawn(process::watch(all, reports)),
                        // Not a task of its own; taken out above.
                        Watched::Bfd(_) => continue,
                    };
                    (watched, task)
                }
            };
            self.running.insert(name, entry);
        }
        for (_, task) in before.into_values() {
            task.abort();
        }
        self.replace_sessions(sessions);
    }

    fn replace_sessions(&mut self, sessions: Vec<BfdPlan>) {
        if self.bfd.is_none() && !sessions.is_empty() {
            match Bfd::start(self.reports.clone()) {
                Ok(bfd) => self.bfd = Some(bfd),
                Err(error) => {
                    tracing::error!(event = "bfd_failed", %error, "BFD sessions cannot be run, they count as down: {error}");
                }
            }
        }
        if let Some(bfd) = &self.bfd {
            bfd.replace(sessions);
        }
    }

    /// Ends all of them and what they have started.
    pub(crate) async fn stop(&mut self) {
        self.bfd = None;
        for (_, task) in std::mem::take(&mut self.running).into_values() {
            task.abort();
            // Only to be sure that the process group has been killed.
            drop(task.await);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Program;
    use std::time::Duration;

    #[tokio::test]
    async fn a_changed_result_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let flag = folder.path().join("flag");
        let arguments = ["/usr/bin/test", "-e", flag.to_str().unwrap()]
            .map(str::to_owned)
            .to_vec();
        let script = Watched::Script(TrackScript {
            name: "flag".to_owned(),
            program: Program::new(arguments),
            interval: Duration::from_millis(20),
            timeout: Duration::from_secs(10),
            rise: 1,
            fall: 1,
        });
        let (send, mut reports) = mpsc::channel(8);
        let mut trackers = Trackers::new(send);
        trackers.replace(vec![script.clone()]);
        let first = reports.recv().await.unwrap();
        assert_eq!(
            (first.state, first.reason.as_str()),
            (TrackerState::Down, "exit status 1")
        );
        std::fs::write(&flag, "").unwrap();
        assert_eq!(reports.recv().await.unwrap().state, TrackerState::Up);
        // The same script again does not start anew: its state is known, so nothing is reported
        // until it changes.
        trackers.replace(vec![script]);
        std::fs::remove_file(&flag).unwrap();
        assert_eq!(reports.recv().await.unwrap().state, TrackerState::Down);
        trackers.stop().await;
    }

    #[tokio::test]
    async fn a_files_value_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("value");
        let (send, mut reports) = mpsc::channel(8);
        let mut trackers = Trackers::new(send);
        let file = TrackFile {
            name: "f".to_owned(),
            path: path.clone(),
            initial: Some(5),
            overwrite: false,
        };
        trackers.replace(vec![Watched::File(file)]);
        let first = reports.recv().await.unwrap();
        assert_eq!(
            (first.name.as_str(), first.state),
            ("file f", TrackerState::Value(5))
        );
        std::fs::write(&path, "-0x10\nmore").unwrap();
        assert_eq!(
            reports.recv().await.unwrap().state,
            TrackerState::Value(-16)
        );
        std::fs::remove_file(&path).unwrap();
        assert_eq!(reports.recv().await.unwrap().state, TrackerState::Value(0));
        trackers.stop().await;
    }

    #[tokio::test]
    async fn a_pipe_is_refused_without_waiting_for_a_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for initial in [None, Some(5)] {
            let (send, mut reports) = mpsc::channel(8);
            let mut trackers = Trackers::new(send);
            let file = TrackFile {
                name: "f".to_owned(),
                path: path.clone(),
                initial,
                overwrite: true,
            };
            trackers.replace(vec![Watched::File(file)]);
            let report = tokio::time::timeout(Duration::from_secs(60), reports.recv());
            let report = report.await.expect("nothing blocks").unwrap();
            assert_eq!(report.state, TrackerState::Value(0));
            assert!(
                report.reason.contains("not a regular file"),
                "{}",
                report.reason
            );
            trackers.stop().await;
        }
    }
}

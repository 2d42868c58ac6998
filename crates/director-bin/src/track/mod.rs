//! What the priority of an instance may depend on, besides interfaces: scripts, files, processes and BFD sessions.

mod file;
mod process;
mod script;

pub(crate) use file::{TrackFile, file_tracker};
use process::Tallies;
pub(crate) use process::{Cause, Parameters, Pattern, Tally, TrackProcess, process_tracker};
pub(crate) use script::TrackScript;

use crate::bfd::{Bfd, BfdPlan, bfd_tracker};
use std::collections::BTreeMap;
use tokio::sync::{mpsc, watch};
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
    processes: Option<Processes>,
    /// The daemon has just started: files get their first value (`init_file`), which a reload does not give.
    starting: bool,
    /// The thread with the BFD sessions, once there has been one.
    bfd: Option<Bfd>,
    reports: mpsc::Sender<Report>,
}

/// What goes to and comes from the task that watches the processes.
#[derive(Debug)]
struct Processes {
    wished: mpsc::UnboundedSender<Vec<TrackProcess>>,
    tallies: watch::Receiver<Tallies>,
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
            processes: None,
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
                Some((_, task)) if self.change_processes(&watched) => (watched, task),
                other => {
                    if let Some((_, task)) = other {
                        task.abort();
                    }
                    let reports = self.reports.clone();
                    let task = match watched.clone() {
                        Watched::Script(script) => tokio::spawn(script::repeat(script, reports)),
                        Watched::File(file) => tokio::spawn(file::watch(file, starting, reports)),
                        Watched::Processes(all) => {
                            let (wished, wishes) = mpsc::unbounded_channel();
                            let (tell, tallies) = watch::channel(Tallies::new());
                            self.processes = Some(Processes { wished, tallies });
                            tokio::spawn(process::watch(all, wishes, tell, reports))
                        }
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

    /// The process trackers, each with where it stands.
    pub(crate) fn processes(&self) -> Vec<(TrackProcess, Tally)> {
        let running = self.running.get(&process_tracker("*"));
        let (Some((Watched::Processes(all), _)), Some(processes)) = (running, &self.processes)
        else {
            return Vec::new();
        };
        let tallies = processes.tallies.borrow();
        let tally = |tracker: &TrackProcess| tallies.get(&tracker.name).copied();
        all.iter()
            .map(|tracker| (tracker.clone(), tally(tracker).unwrap_or_default()))
            .collect()
    }

    /// Tells the task that watches the processes that they are others now, if that is what has changed.
    fn change_processes(&self, watched: &Watched) -> bool {
        match (watched, &self.processes) {
            (Watched::Processes(all), Some(processes)) => {
                processes.wished.send(all.clone()).is_ok()
            }
            _ => false,
        }
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

//! The stage's child processes: those that nodes wait for themselves, and the orphans which fall
//! to the stage as process 1 (or as subreaper) and must be reaped.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// Processes that somebody waits for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Children {
    known: Arc<Mutex<BTreeSet<u32>>>,
}

impl Children {
    /// Starts a process in the calling thread's namespaces. The lock is held meanwhile, so that
    /// one which ends at once is not taken for an orphan.
    pub(crate) fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.spawn()?;
        known.extend(child.id());
        Ok(child)
    }

    /// To be called once a process has been waited for.
    pub(crate) fn forget(&self, pid: u32) {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&pid);
    }

    /// Reaps orphans for as long as the runtime lives.
    pub(crate) async fn reap_orphans(self) {
        let Ok(mut ended) = signal(SignalKind::child()) else {
            return;
        };
        let own = std::process::id();
        while ended.recv().await.is_some() {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            for process in processes() {
                if process.state == 'Z' && process.parent == own && !known.contains(&process.pid) {
                    let _ = waitpid(pid_of(process.pid), Some(WaitPidFlag::WNOHANG));
                }
            }
        }
    }
}

/// One line of `/proc/*/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ProcessLine {
    pid: u32,
    state: char,
    parent: u32,
    group: u32,
}

fn processes() -> Vec<ProcessLine> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| {
            entry
                .file_name()
                .as_encoded_bytes()
                .first()
                .is_some_and(u8::is_ascii_digit)
        })
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok())
        .filter_map(|text| parse_stat(&text))
        .collect()
}

/// `pid (command) state parent group ...`; the command may hold anything.
fn parse_stat(text: &str) -> Option<ProcessLine> {
    let (pid, rest) = text.split_once(' ')?;
    let (_, rest) = rest.rsplit_once(')')?;
    let mut words = rest.split_whitespace();
    Some(ProcessLine {
        pid: pid.parse().ok()?,
        state: words.next()?.chars().next()?,
        parent: words.next()?.parse().ok()?,
        group: words.next()?.parse().ok()?,
    })
}

/// Ends a process with its process group and all its descendants, as a crash would: all are
/// stopped first, so that none can react to the end of another.
pub(crate) fn kill_tree(root: u32) -> nix::Result<()> {
    let mut doomed = BTreeSet::from([root]);
    let _ = kill(pid_of(root), Signal::SIGSTOP);
    // Until nothing new is found: what was not stopped yet may have made another one.
    loop {
        let all = processes();
        let found: Vec<u32> = all
            .iter()
            .filter(|process| doomed.contains(&process.parent) || process.group == root)
            .map(|process| process.pid)
            .filter(|pid| !doomed.contains(pid))
            .collect();
        if found.is_empty() {
            break;
        }
        for pid in found {
            let _ = kill(pid_of(pid), Signal::SIGSTOP);
            doomed.insert(pid);
        }
    }
    for pid in doomed.iter().rev().filter(|pid| **pid != root) {
        let _ = kill(pid_of(*pid), Signal::SIGKILL);
    }
    kill(pid_of(root), Signal::SIGKILL)
}

/// Sends one signal to one process.
pub(crate) fn send_signal(pid: u32, signal: Signal) -> nix::Result<()> {
    kill(pid_of(pid), signal)
}

fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_blanks_and_brackets_are_read() {
        let line = parse_stat("17 (a) (b c)) Z 1 16 16 0 -1 4194560").unwrap();
        assert_eq!(
            line,
            ProcessLine {
                pid: 17,
                state: 'Z',
                parent: 1,
                group: 16
            }
        );
        assert_eq!(parse_stat("17"), None);
    }
}

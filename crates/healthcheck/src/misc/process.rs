//! Runs a program in a process group of its own, with a deadline.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;
use tokio::time::timeout;

use super::MiscSettings;

/// From `SIGTERM` to `SIGKILL`.
const GRACE: Duration = Duration::from_millis(500);

/// How a program came to its end.
pub(super) enum Ended {
    /// By itself.
    Exited(ExitStatus),
    /// It took too long and was killed.
    TimedOut,
}

/// Kills the group when the attempt is dropped before the program ended.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // Fails only if nobody is left, which is what we want.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

pub(super) async fn run(settings: &MiscSettings) -> io::Result<Ended> {
    let mut words = settings.command.iter();
    let Some(program) = words.next() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut command = Command::new(program);
    command
        .args(words)
        .envs(
            settings
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(credentials) = settings.credentials {
        command.uid(credentials.user).gid(credentials.group);
    }
    let mut child = command.spawn()?;
    // The runtime reaps the child even if this future is dropped before it has ended.
    let pid = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    let mut group = Group(pid);

    if let Ok(status) = timeout(settings.timeout, child.wait()).await {
        // What the program leaves running in the background is its own business.
        group.0 = None;
        return status.map(Ended::Exited);
    }
    group.signal(Signal::TERM);
    let _ = timeout(GRACE, child.wait()).await;
    // Also for members of the group that outlive the program itself.
    group.signal(Signal::KILL);
    group.0 = None;
    // One that hangs in the kernel, on a dead file server for instance, is not waited for.
    let _ = timeout(GRACE, child.wait()).await;
    Ok(Ended::TimedOut)
}

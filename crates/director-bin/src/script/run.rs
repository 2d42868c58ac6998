//! Running one program to its end, or to its deadline.

use super::Program;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};

/// Between the request to end (SIGTERM) and SIGKILL, as keepalived has it.
const GRACE: Duration = Duration::from_secs(2);

/// How a run ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The program exited by itself.
    Exited(i32),
    /// Somebody else ended it with this signal.
    Signalled(i32),
    /// It ran longer than allowed and was ended by us.
    TimedOut(Duration),
    /// It could not be started.
    NotStarted(std::io::Error),
}

impl Ended {
    /// Exit status 0.
    pub(crate) const fn success(&self) -> bool {
        matches!(self, Self::Exited(0))
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exit status {status}"),
            Self::Signalled(signal) => match Signal::try_from(*signal) {
                Ok(name) => write!(f, "ended by {name}"),
                Err(_) => write!(f, "ended by signal {signal}"),
            },
            Self::TimedOut(limit) => write!(f, "no result within {} s", limit.as_secs_f64()),
            Self::NotStarted(error) => write!(f, "could not be started: {error}"),
        }
    }
}

/// Runs `program` with `extra` arguments behind its own and waits for it, at most `limit`; then its process group gets
/// SIGTERM and, two seconds later, SIGKILL. Dropping the future kills the group at once.
pub(crate) async fn run(program: &Program, extra: &[String], limit: Duration) -> Ended {
    let mut child = match start(program, extra) {
        Ok(child) => child,
        Err(error) => return Ended::NotStarted(error),
    };
    let mut group = Group::of(&child);
    let ended = tokio::time::timeout(limit, child.wait()).await;
    if let Ok(status) = ended {
        group.disarm();
        return status.map_or_else(Ended::NotStarted, from_status);
    }
    group.signal(Signal::SIGTERM);
    drop(tokio::time::timeout(GRACE, child.wait()).await);
    // Whatever the leader did, nothing of its group may stay behind.
    group.signal(Signal::SIGKILL);
    drop(child.wait().await);
    group.disarm();
    Ended::TimedOut(limit)
}

fn start(program: &Program, extra: &[String]) -> std::io::Result<Child> {
    let (name, arguments) = program
        .arguments
        .split_first()
        .ok_or_else(|| std::io::Error::from(std::io::ErrorKind::InvalidInput))?;
    let mut command = Command::new(name);
    command.args(arguments).args(extra);
    command
        .env_remove("IFS")
        .env_remove("LD_PRELOAD")
        .env_remove("LD_LIBRARY_PATH")
        .env_remove("NOTIFY_SOCKET");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.process_group(0).kill_on_drop(true);
    if let Some(identity) = program.identity {
        // Setting the user also empties the supplementary groups.
        command.uid(identity.uid).gid(identity.gid);
    }
    command.spawn()
}

fn from_status(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, signal) => Ended::Signalled(signal.unwrap_or(0)),
    }
}

/// The process group of a child; killed when dropped unless disarmed.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(
            child
                .id()
                .and_then(|id| i32::try_from(id).ok())
                .map(Pid::from_raw),
        )
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // ESRCH only says that all of them are gone already.
            let _ = killpg(group, signal);
        }
    }

    const fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(text: &str) -> Program {
        Program {
            arguments: vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()],
            identity: None,
        }
    }

    fn block<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn the_exit_status_is_told() {
        let limit = Duration::from_secs(20);
        assert!(block(run(&shell("exit 0"), &[], limit)).success());
        assert!(matches!(
            block(run(&shell("exit 3"), &[], limit)),
            Ended::Exited(3)
        ));
        assert!(matches!(
            block(run(&shell("kill -9 $$"), &[], limit)),
            Ended::Signalled(9)
        ));
        let missing = Program {
            arguments: vec!["/nowhere/at/all".to_owned()],
            identity: None,
        };
        assert!(matches!(
            block(run(&missing, &[], limit)),
            Ended::NotStarted(_)
        ));
    }

    #[test]
    fn extra_arguments_follow_the_configured_ones() {
        let mut program = shell("test \"$0 $1 $2\" = 'a b c d'");
        program.arguments.push("a".to_owned());
        let extra = ["b c".to_owned(), "d".to_owned()];
        assert!(block(run(&program, &extra, Duration::from_secs(20))).success());
    }

    #[test]
    fn the_whole_group_ends_at_the_deadline() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        let text = format!(
            "trap '' TERM; sleep 600 & echo $! > {}; wait; wait",
            path.display()
        );
        assert!(matches!(
            block(run(&shell(&text), &[], Duration::from_millis(500))),
            Ended::TimedOut(_)
        ));
        let pid: i32 = std::fs::read_to_string(&path)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        // The grandchild is reaped by init; until then it is a zombie.
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(
            state.is_empty() || state.contains(") Z "),
            "still there: {state}"
        );
    }
}

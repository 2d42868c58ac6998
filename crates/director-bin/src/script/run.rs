//! Running one program to its end, or to its deadline.

use super::{Program, ProgramError, sys};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStdin, Command};

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
    NotStarted(StartError),
}

/// Why a program was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// Somebody else could have changed it, or it is gone.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The system refused.
    #[error("{0}")]
    System(#[from] std::io::Error),
}

/// What a run gets besides the configured arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Given {
    /// Arguments behind the configured ones.
    pub(crate) arguments: Vec<String>,
    /// Environment variables on top of ours.
    pub(crate) environment: Vec<(String, String)>,
    /// What it can read from its standard input; less than what a pipe holds.
    pub(crate) input: String,
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

/// A program that runs. Dropping it kills its whole process group.
#[derive(Debug)]
pub(crate) struct Child {
    child: tokio::process::Child,
    group: Group,
}

/// Runs `program` and waits for it, at most `limit`; then its process group gets SIGTERM and, two seconds later, SIGKILL.
/// Dropping the future kills the group at once.
pub(crate) async fn run(program: &Program, given: &Given, limit: Duration) -> Ended {
    let mut child = match program.start(given) {
        Ok(child) => child,
        Err(error) => return Ended::NotStarted(error),
    };
    match tokio::time::timeout(limit, child.wait()).await {
        Ok(ended) => ended,
        Err(_) => {
            child.end().await;
            Ended::TimedOut(limit)
        }
    }
}

impl Program {
    /// Starts it: without a shell, in a process group of its own, as its user, with nothing open but what it is given.
    pub(crate) fn start(&self, given: &Given) -> Result<Child, StartError> {
        self.check()?;
        let (name, arguments) = self.arguments.split_first().ok_or(ProgramError::Empty)?;
        let mut command = Command::new(self.file());
        command.arg0(name).args(arguments).args(&given.arguments);
        command
            .env_remove("IFS")
            .env_remove("LD_PRELOAD")
            .env_remove("LD_LIBRARY_PATH")
            .env_remove("NOTIFY_SOCKET")
            .envs(given.environment.iter().map(|(name, value)| (name, value)));
        let input = if given.input.is_empty() {
            Stdio::null()
        } else {
            Stdio::piped()
        };
        command
            .stdin(input)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.process_group(0).kill_on_drop(true);
        sys::become_user(&mut command, self.identity.as_ref());
        let mut child = command.spawn()?;
        let group = Group::of(&child);
        if let Some(stdin) = child.stdin.take() {
            tokio::spawn(feed(stdin, given.input.clone()));
        }
        Ok(Child { child, group })
    }
}

/// Most scripts never read it, and end before it is all written.
async fn feed(mut stdin: ChildStdin, input: String) {
    let _ = stdin.write_all(input.as_bytes()).await;
}

impl Child {
    /// Waits for its end.
    pub(crate) async fn wait(&mut self) -> Ended {
        let status = self.child.wait().await;
        self.group.disarm();
        match status {
            Ok(status) => from_status(status),
            Err(error) => Ended::NotStarted(error.into()),
        }
    }

    /// Ends it and its whole process group: SIGTERM, and two seconds later SIGKILL.
    pub(crate) async fn end(&mut self) {
        self.group.signal(Signal::SIGTERM);
        drop(tokio::time::timeout(GRACE, self.child.wait()).await);
        // Whatever the leader did, nothing of its group may stay behind.
        self.group.signal(Signal::SIGKILL);
        drop(self.child.wait().await);
        self.group.disarm();
    }
}

fn from_status(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, signal) => Ended::Signalled(signal.unwrap_or(0)),
    }
}

/// The process group of a child; killed when dropped unless disarmed.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    fn of(child: &tokio::process::Child) -> Self {
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
        Program::new(["/bin/sh", "-c", text].map(str::to_owned).to_vec())
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
        assert!(block(run(&shell("exit 0"), &Given::default(), limit)).success());
        assert!(matches!(
            block(run(&shell("exit 3"), &Given::default(), limit)),
            Ended::Exited(3)
        ));
        assert!(matches!(
            block(run(&shell("kill -9 $$"), &Given::default(), limit)),
            Ended::Signalled(9)
        ));
        let missing = Program::new(vec!["/nowhere/at/all".to_owned()]);
        assert!(matches!(
            block(run(&missing, &Given::default(), limit)),
            Ended::NotStarted(_)
        ));
    }

    #[test]
    fn extra_arguments_follow_the_configured_ones() {
        let mut program = shell("test \"$0 $1 $2\" = 'a b c d'");
        program.arguments.push("a".to_owned());
        let given = Given {
            arguments: vec!["b c".to_owned(), "d".to_owned()],
            ..Given::default()
        };
        assert!(block(run(&program, &given, Duration::from_secs(20))).success());
    }

    #[test]
    fn a_program_can_read_what_it_is_given() {
        let text = "test \"$DIRECTOR_NAME\" = VI_1 && test \"$(cat)\" = '{\"a\":1}'";
        let given = Given {
            environment: vec![("DIRECTOR_NAME".to_owned(), "VI_1".to_owned())],
            input: "{\"a\":1}\n".to_owned(),
            ..Given::default()
        };
        assert!(block(run(&shell(text), &given, Duration::from_secs(20))).success());
        // Nor does it have to.
        assert!(block(run(&shell("exit 0"), &given, Duration::from_secs(20))).success());
        assert!(
            block(run(
                &shell("test -z \"$(cat)\""),
                &Given::default(),
                Duration::from_secs(20)
            ))
            .success()
        );
    }

    #[test]
    fn another_user_has_the_groups_it_was_given_and_no_more() {
        if !nix::unistd::Uid::effective().is_root() {
            println!("skipped: only root can become somebody else");
            return;
        }
        for (groups, wanted) in [(vec![], "65534"), (vec![65_534, 1], "65534 1")] {
            let mut program = shell(&format!("test \"$(id -u) $(id -G)\" = '65534 {wanted}'"));
            program.identity = Some(super::super::Identity {
                uid: 65_534,
                gid: 65_534,
                groups,
            });
            let ended = block(run(&program, &Given::default(), Duration::from_secs(20)));
            assert!(ended.success(), "{ended}");
        }
    }

    #[test]
    fn the_deadline_counts() {
        let ended = block(run(
            &shell("sleep 600"),
            &Given::default(),
            Duration::from_millis(100),
        ));
        assert!(matches!(ended, Ended::TimedOut(_)), "{ended}");
    }

    #[test]
    fn the_whole_group_ends_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        let text = format!(
            "trap '' TERM; sleep 600 & echo $! > {}; wait; wait",
            path.display()
        );
        let pid: i32 = block(async {
            let mut child = shell(&text).start(&Given::default()).unwrap();
            let pid = loop {
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                match text.strip_suffix('\n') {
                    Some(pid) => break pid.parse().unwrap(),
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            };
            child.end().await;
            pid
        });
        // Killed is not yet dead, and until init reaps it, it is a zombie.
        let gone = || {
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            state.is_empty() || state.contains(") Z ")
        };
        for _ in 0..1000 {
            if gone() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("still there: {pid}");
    }
}

//! `director bridge PID`: carries a service over its restart. It becomes the successor of a running director, with that
//! one's own command line, until the restarted service takes over from it in the same way. For the unit
//! `director-bridge@.service`; see `docs/operations.md`.

use crate::exit::Exit;
use crate::output;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// Variables that tell a process of its own service, not of its task.
const OWN: [&str; 12] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "SYSTEMD_EXEC_PID",
    "MAINPID",
    "MANAGERPID",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "FDSTORE",
];

#[derive(Debug, clap::Args)]
pub(super) struct BridgeArguments {
    /// The director that is about to be stopped
    pid: u32,
}

/// Why there is no way over.
#[derive(Debug, thiserror::Error)]
enum BridgeError {
    #[error("process {0} cannot be looked at")]
    Gone(u32, #[source] io::Error),
    #[error(
        "process {0} is no `director run --takeover`, so its successor would not take over from a bridge"
    )]
    Other(u32),
    #[error("the program cannot be started again")]
    NotStarted(#[source] io::Error),
}

pub(super) fn run(arguments: &BridgeArguments) -> Exit {
    // Comes back only with a problem.
    let error = become_successor(arguments.pid);
    output::report(&error);
    Exit::Failure
}

fn become_successor(pid: u32) -> BridgeError {
    let process = Path::new("/proc").join(pid.to_string());
    let read = |name: &str| std::fs::read(process.join(name));
    let line = match read("cmdline") {
        Ok(line) => line,
        Err(error) => return BridgeError::Gone(pid, error),
    };
    let Some(words) = successor(&line) else {
        return BridgeError::Other(pid);
    };
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return BridgeError::NotStarted(error),
    };
    // Relative names on its command line are meant from there.
    if let Err(error) = std::env::set_current_dir(process.join("cwd")) {
        return BridgeError::Gone(pid, error);
    }
    // Without them a configuration that asks for a variable would be another one. Not every system lets them be read.
    let environment = read("environ").unwrap_or_default();
    let mut command = Command::new(program);
    command.args(words).envs(task_variables(&environment));
    BridgeError::NotStarted(command.exec())
}

/// The arguments of a director that takes over from the one with this command line. They are the same: whoever is started
/// like that again takes over from this one.
fn successor(line: &[u8]) -> Option<Vec<OsString>> {
    let line = line.strip_suffix(b"\0").unwrap_or(line);
    let words: Vec<OsString> = line
        .split(|octet| *octet == 0)
        .skip(1)
        .map(|word| OsStr::from_bytes(word).to_owned())
        .collect();
    let runs = words.first().is_some_and(|word| word == "run");
    let takes_over = words.iter().any(|word| word == "--takeover");
    (runs && takes_over).then_some(words)
}

fn task_variables(environment: &[u8]) -> BTreeMap<OsString, OsString> {
    let variables = environment.split(|octet| *octet == 0);
    let pairs = variables.filter_map(|variable| {
        let at = variable.iter().position(|octet| *octet == b'=')?;
        let (name, value) = variable.split_at(at);
        let name = OsStr::from_bytes(name);
        let own = OWN.iter().any(|own| name == *own);
        let value = OsStr::from_bytes(value.get(1..)?);
        (!own).then(|| (name.to_owned(), value.to_owned()))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_successor_does_what_the_running_one_was_told() {
        let words = |line: &[u8]| {
            successor(line).map(|words| words.join(OsStr::new(" ")).into_string().unwrap())
        };
        assert_eq!(
            words(b"/usr/sbin/director\0run\0--takeover\0--config\0/etc/a b\0").as_deref(),
            Some("run --takeover --config /etc/a b")
        );
        assert_eq!(words(b"director\0run\0--config\0/etc/a\0"), None);
        assert_eq!(words(b"director\0status\0"), None);
        assert_eq!(words(b"keepalived\0-n\0"), None);
        assert_eq!(words(b""), None);
    }

    #[test]
    fn what_belongs_to_the_old_service_is_left_out() {
        let variables =
            task_variables(b"SITE=a=b\0NOTIFY_SOCKET=/run/x\0MAINPID=7\0EMPTY=\0junk\0");
        let names: Vec<_> = variables
            .keys()
            .map(|name| name.to_str().unwrap())
            .collect();
        assert_eq!(names, ["EMPTY", "SITE"]);
        assert_eq!(variables[OsStr::new("SITE")], "a=b");
    }
}

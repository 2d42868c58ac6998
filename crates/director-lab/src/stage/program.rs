//! From a process of the scenario to the command that is run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::StageOrder;
use crate::scenario::{Process, ProcessKind};
use crate::tools;

/// A command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandLine {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
}

impl CommandLine {
    fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
        }
    }

    fn with<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }
}

/// What runs for this process. Paths are relative to the node's copy of the scenario.
pub(crate) fn command_line(process: &Process, order: &StageOrder) -> CommandLine {
    let found = |name: &str| tools::find(Path::new(name)).unwrap_or_else(|| PathBuf::from(name));
    match &process.kind {
        ProcessKind::Director { config, program } => {
            let chosen = program.as_ref().or(order.director_program.as_ref());
            let program = chosen.map_or_else(
                || order.executable.clone(),
                |program| tools::find(program).unwrap_or_else(|| program.clone()),
            );
            if is_keepalived(&program) {
                CommandLine::new(program).with([
                    "--dont-fork",
                    "--log-console",
                    "--log-detail",
                    "--use-file",
                    config,
                ])
            } else {
                CommandLine::new(program).with(["run", "--config", config])
            }
        }
        ProcessKind::Web { listen, name } => {
            let mut line = helper(order, "web").with(["--name", name]);
            for address in listen {
                line = line.with(["--listen".to_owned(), address.to_string()]);
            }
            line
        }
        ProcessKind::Client { url, rate, timeout } => helper(order, "client").with([
            "--url".to_owned(),
            url.clone(),
            "--rate".to_owned(),
            rate.to_string(),
            "--timeout-ms".to_owned(),
            timeout.as_millis().to_string(),
        ]),
        ProcessKind::Named { config } => {
            CommandLine::new(found("named")).with(["-g", "-n", "1", "-c", config])
        }
        ProcessKind::Nginx { config } => CommandLine::new(found("nginx")).with([
            "-e".to_owned(),
            "stderr".to_owned(),
            "-g".to_owned(),
            "daemon off;".to_owned(),
            "-p".to_owned(),
            super::mounts::SCENARIO.to_owned(),
            "-c".to_owned(),
            config.clone(),
        ]),
        ProcessKind::Command(command) => command_of(command),
    }
}

/// What a scenario calls the program that plays it.
pub(crate) const OWN_NAME: &str = "director";

/// A command as the scenario writes it.
pub(crate) fn command_of(words: &[String]) -> CommandLine {
    let mut words = words.iter();
    let program = Path::new(words.next().map(String::as_str).unwrap_or_default());
    let found = if program == Path::new(OWN_NAME) {
        std::env::current_exe().ok()
    } else {
        tools::find(program)
    };
    CommandLine::new(found.unwrap_or_else(|| program.to_owned())).with(words)
}

/// The line of output that says that a process is at work.
pub(crate) fn ready_line(process: &Process) -> Option<String> {
    if process.ready.is_some() {
        return process.ready.clone();
    }
    match process.kind {
        ProcessKind::Web { .. } => Some("listening on ".to_owned()),
        ProcessKind::Client { .. } => Some("sending to ".to_owned()),
        ProcessKind::Named { .. } => Some(" running".to_owned()),
        ProcessKind::Director { .. } | ProcessKind::Nginx { .. } | ProcessKind::Command(_) => None,
    }
}

/// The longest time until that line.
pub(crate) const READY_WITHIN: Duration = Duration::from_secs(60);

/// keepalived is known by its name, with or without a version at the end.
pub(crate) fn is_keepalived(program: &Path) -> bool {
    program
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("keepalived"))
}

fn helper(order: &StageOrder, part: &str) -> CommandLine {
    CommandLine::new(&order.executable)
        .with(&order.lab_arguments)
        .with(["helper", part])
}

//! From a scenario to a running stage: which kernel, which process, and the way of its records.

mod cpu;
mod host;
mod registers;
mod uml;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ChildStdin;
use std::sync::mpsc;
use std::time::Duration;

use thiserror::Error;

use crate::options::{IpvsChoice, Options};
use crate::record::Record;
use crate::report::Report;
use crate::scenario::Scenario;
use crate::stage::{StageOrder, is_keepalived};
use crate::tools;

pub(crate) use registers::write as write_registers_library;
pub(crate) use uml::run_guest_kernel;

/// Why a run could not be had, or broke off.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LabError {
    /// Something the run needs is missing here; each item says what to do.
    #[error("this machine lacks: {}", .0.join("; "))]
    Unavailable(Vec<String>),
    /// The stage's process could not be started.
    #[error("cannot {doing}: {source}")]
    Start {
        /// What was attempted.
        doing: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The laboratory could not be set up, or was given up.
    #[error("{0}")]
    Trouble(String),
    /// The stage ended without a verdict.
    #[error("the laboratory ended before its story did{}", last_words(.0))]
    Ended(Vec<String>),
}

fn last_words(lines: &[String]) -> String {
    if lines.is_empty() {
        String::new()
    } else {
        format!(":\n  {}", lines.join("\n  "))
    }
}

/// Plays scenarios.
#[derive(Debug, Clone, Copy)]
pub struct Lab;

impl Lab {
    /// Plays a scenario to its end and reports.
    ///
    /// # Errors
    ///
    /// [`LabError::Unavailable`] when the machine lacks something; the others when the laboratory
    /// itself failed. A step that does not hold is no error, see [`Report::passed`].
    pub fn run(scenario: &Scenario, options: &Options) -> Result<Report, LabError> {
        Self::run_observed(scenario, options, |_| {})
    }

    /// Like [`Lab::run`]; every record is shown to `observe` as it happens.
    ///
    /// # Errors
    ///
    /// As for [`Lab::run`].
    pub fn run_observed(
        scenario: &Scenario,
        options: &Options,
        mut observe: impl FnMut(&Record),
    ) -> Result<Report, LabError> {
        let kernel = choose(scenario, options)?;
        let stage = match kernel {
            Kernel::Running => host::start(order(scenario, options, host::describe(scenario)))?,
            Kernel::Guest(guest) => {
                let description = guest.describe();
                uml::start(
                    &guest,
                    order(scenario, options, description),
                    options.guest_memory,
                )?
            }
        };
        watch(stage, &mut observe)
    }

    /// What keeps this machine from playing the scenario; empty if nothing does.
    #[must_use]
    pub fn missing(scenario: &Scenario, options: &Options) -> Vec<String> {
        match choose(scenario, options) {
            Err(LabError::Unavailable(missing)) => missing,
            _ => Vec::new(),
        }
    }
}

enum Kernel {
    Running,
    Guest(uml::Guest),
}

fn choose(scenario: &Scenario, options: &Options) -> Result<Kernel, LabError> {
    let mut missing = tools::missing(scenario, options);
    if !nix::unistd::geteuid().is_root() {
        missing.push("root's rights: namespaces and addresses need them, call it with sudo".into());
    }
    let guest = |missing: &mut Vec<String>| match uml::Guest::find() {
        Ok(guest) => Some(Kernel::Guest(guest)),
        Err(lacking) => {
            missing.extend(lacking);
            None
        }
    };
    let kernel = match options.ipvs {
        IpvsChoice::None => Some(Kernel::Running),
        IpvsChoice::Uml => guest(&mut missing),
        IpvsChoice::Auto | IpvsChoice::Host if !scenario.ipvs => Some(Kernel::Running),
        _ if !missing.is_empty() => None,
        IpvsChoice::Auto | IpvsChoice::Host if host::has_ipvs() => Some(Kernel::Running),
        IpvsChoice::Host => {
            missing.push(
                "IPVS in the running kernel: `modprobe ip_vs` fails here; without --ipvs host, \
                 user-mode Linux is used"
                    .into(),
            );
            None
        }
        IpvsChoice::Auto => guest(&mut missing),
    };
    match kernel {
        Some(kernel) if missing.is_empty() => Ok(kernel),
        _ => Err(LabError::Unavailable(missing)),
    }
}

fn order(scenario: &Scenario, options: &Options, kernel: String) -> StageOrder {
    let absolute = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let director_program = options.director_program.as_deref().map(|program| {
        // keepalived may be a link to something that looks at its name.
        match tools::find(program) {
            Some(found) if is_keepalived(&found) => std::path::absolute(&found).unwrap_or(found),
            Some(found) => absolute(&found),
            None => program.to_owned(),
        }
    });
    StageOrder {
        directory: scenario.directory.clone(),
        executable: absolute(&options.program.executable),
        lab_arguments: options
            .program
            .lab_arguments
            .iter()
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect(),
        director_program,
        slack: options.slack,
        time_limit: options.time_limit,
        kernel,
    }
}

/// A started stage. It ends when `lifeline` is closed, also by the end of this process.
struct Stage {
    lifeline: ChildStdin,
    records: Box<dyn Read + Send>,
    complaints: Box<dyn Read + Send>,
    /// Its end, sent by the thread that waits for it.
    ended: mpsc::Receiver<()>,
    limit: Duration,
}

/// Lines of complaint that are kept for the error message.
const KEPT_COMPLAINTS: usize = 30;

fn watch(stage: Stage, observe: &mut dyn FnMut(&Record)) -> Result<Report, LabError> {
    let Stage {
        lifeline,
        records,
        complaints,
        ended,
        limit,
    } = stage;
    let collector = std::thread::spawn(move || {
        let mut kept = VecDeque::new();
        for line in BufReader::new(complaints)
            .split(b'\n')
            .map_while(Result::ok)
        {
            if kept.len() >= KEPT_COMPLAINTS {
                kept.pop_front();
            }
            kept.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
        Vec::from(kept)
    });
    let (lines, inbox) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(records).split(b'\n').map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let mut report = Report::default();
    let (mut verdict, mut trouble) = (false, None);
    // The stage keeps the limit itself; this one is for a stage, or a guest, that hangs.
    let grace = Duration::from_secs(120);
    let until = std::time::Instant::now() + limit + grace;
    loop {
        let left = until.saturating_duration_since(std::time::Instant::now());
        match inbox.recv_timeout(left) {
            Ok(line) => {
                // The way out of a guest is a terminal line; anything that is no record is noise.
                let Ok(record) = serde_json::from_slice::<Record>(line.trim_ascii()) else {
                    continue;
                };
                observe(&record);
                match &record {
                    Record::End { .. } => verdict = true,
                    Record::Trouble { message } => trouble = Some(message.clone()),
                    _ => {}
                }
                report.push(record);
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                trouble = Some("the laboratory hangs; it was ended".to_owned());
                break;
            }
        }
    }
    drop(lifeline);
    let _ = ended.recv_timeout(Duration::from_secs(30));
    match (trouble, verdict) {
        (Some(message), _) => Err(LabError::Trouble(message)),
        (None, true) => Ok(report),
        (None, false) => Err(LabError::Ended(collector.join().unwrap_or_default())),
    }
}

/// The executable with the arguments that lead to one of its hidden parts.
fn part(order: &StageOrder, name: &str) -> std::process::Command {
    let mut command = std::process::Command::new(&order.executable);
    command.args(&order.lab_arguments).args(["helper", name]);
    command
}

/// Starts a process as process 1 of new namespaces, from a thread that lives as long as it does:
/// the process asks the kernel to be ended with its parent, which is that thread.
fn start_first_process(
    mut command: std::process::Command,
    first_line: Vec<u8>,
    limit: Duration,
) -> Result<Stage, LabError> {
    use nix::sched::{CloneFlags, unshare};
    use std::io::Write;
    use std::os::unix::process::CommandExt;
    use std::process::Stdio;

    let failed = |doing: &str| {
        let doing = doing.to_owned();
        move |source| LabError::Start { doing, source }
    };
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A Ctrl-C is for the caller; with it ends everything else.
        .process_group(0);
    let program = PathBuf::from(command.get_program());
    let (started, is_started) = mpsc::channel();
    let (end, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let spawned = unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)
            .map_err(|errno| ("make namespaces".to_owned(), errno.into()))
            .and_then(|()| {
                command
                    .spawn()
                    .map_err(|source| (format!("start {}", program.display()), source))
            });
        match spawned {
            Ok(mut child) => {
                let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
                let _ = started.send(Ok(pipes));
                let _ = child.wait();
                let _ = end.send(());
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        }
    });
    let pipes = is_started
        .recv()
        .map_err(|_| LabError::Trouble("the thread that starts the laboratory failed".to_owned()))?
        .map_err(|(doing, source)| LabError::Start { doing, source })?;
    let (Some(mut lifeline), Some(records), Some(complaints)) = pipes else {
        return Err(LabError::Trouble(
            "the laboratory was started without pipes".to_owned(),
        ));
    };
    lifeline
        .write_all(&first_line)
        .and_then(|()| lifeline.write_all(b"\n"))
        .map_err(failed("tell the laboratory what to play"))?;
    Ok(Stage {
        lifeline,
        records: Box::new(records),
        complaints: Box::new(complaints),
        ended,
        limit,
    })
}

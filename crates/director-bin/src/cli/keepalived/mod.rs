//! Called by the name `keepalived`: its options, its files and its way into the background, so that an existing unit, init
//! script or playbook runs unchanged. What an option cannot mean here is said in the log.

mod options;

use super::RunArguments;
use crate::exit::Exit;
use crate::log::{Facility, LogArguments, LogFormat, LogTo};
use crate::process::{self, Part, ProcessArguments, Side};
use crate::{daemon, output};
use clap::Parser;
use keepalived_conf::{FileSystem, Options, cli};
use options::Given;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// keepalived ends with 1 for an unknown option or a missing value,
const USAGE: u8 = 1;
/// and with 6 where there is no file that it could read.
const NO_CONFIGURATION: u8 = 6;

pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    // As there, it must be the first one; what follows are the options of that program.
    if arguments
        .get(1)
        .is_some_and(|first| first == "-T" || first == "--genhash")
    {
        let own = arguments
            .first()
            .into_iter()
            .chain(arguments.iter().skip(2));
        return super::genhash::alone(&own.cloned().collect::<Vec<_>>());
    }
    let given = match Given::try_parse_from(arguments) {
        Ok(given) => given,
        Err(error) => {
            drop(error.print());
            return if error.use_stderr() {
                ExitCode::from(USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    if given.version {
        // On standard error and in this form, as programs look for it.
        output::print_error(format_args!(
            "Keepalived v2.4.3 (director {}, in its place)\n",
            env!("CARGO_PKG_VERSION")
        ));
        return ExitCode::SUCCESS;
    }
    if let Some(function) = &given.signum {
        return signum(function);
    }
    for word in &given.words {
        output::print_error(format_args!(
            "keepalived: `{word}` is no option, it is ignored\n"
        ));
    }
    if let Some(report) = &given.config_test {
        return test(&given, report.as_deref());
    }
    serve(&given)
}

/// The number of the signal for a purpose.
fn signum(function: &str) -> ExitCode {
    let number = match function {
        "STOP" => 15,
        "RELOAD" => 1,
        "DATA" => 10,
        "STATS" => 12,
        "STATS_CLEAR" => 63,
        "JSON" => 36,
        _ => {
            output::print_error(format_args!("Unknown sigfunc {function}\n"));
            return ExitCode::from(USAGE);
        }
    };
    output::print_line(number);
    ExitCode::SUCCESS
}

fn serve(given: &Given) -> ExitCode {
    if let Some(status) = process::adopt_container() {
        return status;
    }
    let mut arguments = arguments(given);
    if !given.dont_fork && !process::in_container() {
        // Relative paths are the caller's; the daemon works in `/`.
        make_absolute(&mut arguments);
        match process::daemonise() {
            Ok(Side::Caller(status)) => return status,
            Ok(Side::Daemon) => {}
            Err(error) => {
                output::report(&error);
                return Exit::Failure.into();
            }
        }
    }
    let file = arguments.config.clone();
    match daemon::run(arguments) {
        Exit::Failure if std::fs::File::open(&file).is_err() => ExitCode::from(NO_CONFIGURATION),
        exit => exit.into(),
    }
}

/// The same in the words of `director run`.
fn arguments(given: &Given) -> RunArguments {
    let mut log_to = Vec::new();
    if given.log_console || process::in_container() {
        log_to.push(if process::in_container() {
            LogTo::Stdout
        } else {
            LogTo::Stderr
        });
    }
    if !given.no_syslog && !process::in_container() {
        log_to.push(LogTo::Syslog);
    }
    if log_to.is_empty() {
        log_to.push(LogTo::None);
    }
    let level = if given.log_detail > 1 {
        "debug"
    } else {
        "info"
    };
    let log = LogArguments {
        log_format: (!process::in_container()).then_some(LogFormat::Text),
        log_level: level.parse().unwrap_or_default(),
        log_to,
        log_facility: given.log_facility.unwrap_or(Facility::DAEMON),
        log_file: given
            .log_file
            .clone()
            .map(|path| path.unwrap_or_else(|| "/tmp/keepalived.log".into())),
        identity: Some("Keepalived".to_owned()),
    };
    let only = match (given.vrrp, given.check) {
        (true, false) => Some(Part::Vrrp),
        (false, true) => Some(Part::Lvs),
        _ => None,
    };
    let process = ProcessArguments {
        pid_file: pid_files(given),
        namespace: given.namespace.clone(),
        only,
        config_id: given.config_id.clone(),
        keep_services: given.dont_release_ipvs,
        ignore_sigint: given.ignore_sigint,
        umask: given.umask,
        core_dump: given.core_dump || given.core_dump_pattern.is_some(),
        dump: given.dump_conf,
        all_config: given.all_config,
        without_meaning: given.without_meaning(),
    };
    RunArguments {
        config: given.use_file.clone(),
        state_dir: super::default_state_dir(),
        control: None,
        control_group: None,
        takeover: false,
        guardian: false,
        metrics: None,
        maintenance_dir: None,
        keepalived_files: Some(
            std::env::var_os("TMPDIR").map_or_else(|| "/tmp".into(), PathBuf::from),
        ),
        log,
        process,
    }
}

/// Makes all paths absolute against the working directory; those that cannot be made so stay as they are.
fn make_absolute(arguments: &mut RunArguments) {
    let RunArguments {
        config,
        state_dir,
        control,
        maintenance_dir,
        keepalived_files,
        log,
        process,
        ..
    } = arguments;
    let paths = [config, state_dir]
        .into_iter()
        .chain(control)
        .chain(maintenance_dir)
        .chain(keepalived_files)
        .chain(&mut log.log_file)
        .chain(&mut process.pid_file);
    for path in paths {
        if let Ok(absolute) = std::path::absolute(&path) {
            *path = absolute;
        }
    }
}

/// keepalived's main file in any case, those of its processes if they are named: they hold the same number.
fn pid_files(given: &Given) -> Vec<PathBuf> {
    if process::in_container() {
        return Vec::new();
    }
    let usual = match &given.namespace {
        Some(name) => Path::new("/run/keepalived").join(format!("keepalived_{name}.pid")),
        None => "/run/keepalived.pid".into(),
    };
    let mut files = vec![given.pid.clone().unwrap_or(usual)];
    for file in [&given.vrrp_pid, &given.checkers_pid, &given.bfd_pid]
        .into_iter()
        .flatten()
    {
        if !files.contains(file) {
            files.push(file.clone());
        }
    }
    files
}

/// The configuration test, with keepalived's exit status.
fn test(given: &Given, report: Option<&Path>) -> ExitCode {
    let mut options = Options::default();
    options.check_scripts = true;
    if given.config_id.is_some() {
        options.config_id.clone_from(&given.config_id);
    }
    let outcome = cli::keepalived_test(&given.use_file, &mut FileSystem, &options);
    match report {
        None => output::print_error(format_args!("{}", outcome.text)),
        Some(path) => {
            if let Err(error) = std::fs::write(path, &outcome.text) {
                output::print_error(format_args!(
                    "keepalived: cannot write {}: {error}\n",
                    path.display()
                ));
                return Exit::Failure.into();
            }
        }
    }
    ExitCode::from(outcome.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_are_the_callers() {
        let given = Given::try_parse_from([
            "keepalived",
            "-f",
            "a.conf",
            "-p",
            "run/a.pid",
            "-r",
            "vrrp.pid",
            "-c",
            "/run/checkers.pid",
            "-b",
            "./bfd.pid",
            "-g",
            "a.log",
        ])
        .unwrap();
        let mut arguments = arguments(&given);
        make_absolute(&mut arguments);
        let here = std::env::current_dir().unwrap();
        assert_eq!(arguments.config, here.join("a.conf"));
        assert_eq!(arguments.log.log_file, Some(here.join("a.log")));
        assert_eq!(
            arguments.process.pid_file,
            [
                here.join("run/a.pid"),
                here.join("vrrp.pid"),
                "/run/checkers.pid".into(),
                here.join("bfd.pid")
            ]
        );
    }
}

//! From the command line to a running daemon. Everything that can be wrong is found, and listed, before anything is changed.

use super::running::{Parts, Running};
use super::{privileges, report, service_manager, takeover, unconfirmed};
use crate::cli::RunArguments;
use crate::config::{Against, Before, Kept, Loaded, Memory, Plan, load_after};
use crate::control::{Control, Journal, check_group};
use crate::exit::Exit;
use crate::guardian::Guardian;
use crate::kernel::{IpvsTable, Marks, TableError};
use crate::process::{FileMask, Part, PidFiles, started};
use crate::state::StateDirectory;
use crate::{log, output};
use keepalived_conf::model::IncludeChecks;
use keepalived_conf::{FileSystem, Loader, render};
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use tokio::runtime::Runtime;

/// Runs the daemon until it is told to stop.
pub(crate) fn run(arguments: RunArguments) -> Exit {
    match prepare(arguments) {
        Ok(ready) => ready.run(),
        Err(exit) => exit,
    }
}

/// A daemon that has all it needs, and what lives as long as it.
struct Ready {
    runtime: Runtime,
    daemon: Pin<Box<dyn Future<Output = Exit>>>,
    guardian: Option<Rc<RefCell<Guardian>>>,
    _pid_files: PidFiles,
    /// Dropped last: the last lines are written out before the caller of a daemon is let go.
    _flush: log::Flush,
}

impl Ready {
    fn run(self) -> Exit {
        let exit = self.runtime.block_on(self.daemon);
        // Without it the addresses of a thread that has ended by itself go as after a crash.
        if let (Exit::Success, Some(guardian)) = (exit, self.guardian.and_then(Rc::into_inner)) {
            guardian.into_inner().goodbye();
        }
        // A system call that never returns, such as a read from a dead network file system, must not hold up the end.
        self.runtime.shutdown_background();
        exit
    }
}

/// All that comes before the daemon runs. What this takes of the stack is free again when it does.
#[inline(never)]
fn prepare(arguments: RunArguments) -> Result<Ready, Exit> {
    super::sys::keep_heap_small();
    let journal = Journal::new();
    if let Err(error) = arguments.process.prepare() {
        output::report(&error);
        return Err(Exit::Failure);
    }
    let settings = arguments.log.settings();
    let flush = log::start(&settings, &journal);
    for (option, reason) in &arguments.process.without_meaning {
        tracing::warn!(
            event = "option_ignored",
            option,
            reason,
            "{option} has no meaning here: {reason}"
        );
    }
    let loaded = load_for(&arguments, None);
    if loaded.diagnostics.has_errors() {
        refuse(&arguments, &loaded);
        return Err(Exit::Failure);
    }
    report::warnings(&loaded);
    let unconfirmed = unconfirmed::consider(&arguments, &loaded);
    let (undo, is_over, why) = (unconfirmed.undo, unconfirmed.is_over, unconfirmed.why);
    let loaded = unconfirmed.instead.unwrap_or(loaded);
    for hindrance in privileges::hindrances(&loaded.plan) {
        tracing::warn!(
            event = "privilege_missing",
            capability = %hindrance.capability,
            what = hindrance.what,
            "{hindrance}"
        );
    }
    // Without its group the socket is of no use to whom it is meant for.
    let group = arguments.control_group.as_deref();
    if let Some(Err(error)) = group.map(check_group) {
        fail(&arguments, &output::chain(&error));
        return Err(Exit::Failure);
    }
    let predecessor = match takeover::ask(&arguments, &loaded.plan) {
        Ok(predecessor) => predecessor,
        Err(problem) => {
            fail(&arguments, &problem);
            return Err(Exit::Failure);
        }
    };
    let state = match preconditions(&arguments, &loaded.plan) {
        Ok(state) => state,
        Err(problems) => {
            for problem in &problems {
                fail(&arguments, problem);
            }
            return Err(Exit::Failure);
        }
    };
    let pid_files = match PidFiles::write(&arguments.process.pid_file, predecessor.is_some()) {
        Ok(files) => files,
        Err(error) => {
            fail(&arguments, &output::chain(&error));
            return Err(Exit::Failure);
        }
    };
    state.0.keep(&journal);
    if is_over {
        state.0.forget(unconfirmed::WAITING);
    }
    let mut control = Control::new(&arguments, &loaded, journal, &state.0);
    if let Some(reason) = &why {
        tracing::warn!(event = "not_the_file", reason, "{reason}");
    }
    control.resume_waiting(undo, why);
    let guardian = match guard(&arguments) {
        Ok(guardian) => guardian,
        Err(error) => {
            fail(
                &arguments,
                &format!("the guardian cannot be started: {error}"),
            );
            return Err(Exit::Failure);
        }
    };
    if let Err(error) = privileges::restrict() {
        tracing::warn!(event = "privileges_kept", %error, "unused privileges cannot be given up: {error}");
    }
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            fail(&arguments, &output::chain(&error));
            return Err(Exit::Failure);
        }
    };
    // Nothing of the text is needed once everything runs.
    let Loaded {
        plan,
        sources,
        memory,
        ..
    } = loaded;
    let mut file_mask = FileMask::new(&arguments.process);
    file_mask.follow(plan.umask);
    let parts = Parts {
        arguments,
        state: state.0,
        table: state.1,
        control,
        guardian: guardian.clone(),
        memory,
        file_mask,
    };
    let daemon = boxed(|| async {
        if let Some(script) = &plan.startup {
            script.run().await;
        }
        match boxed(|| Running::start(parts, plan, sources, predecessor)).await {
            Ok(running) => boxed(|| running.run()).await,
            Err(problem) => {
                tracing::error!(
                    event = "start_failed",
                    reason = problem,
                    "not started, nothing is left behind: {problem}"
                );
                Exit::Failure
            }
        }
    });
    Ok(Ready {
        runtime,
        daemon,
        guardian,
        _pid_files: pid_files,
        _flush: flush,
    })
}

/// Reads the configuration as the command line asks for it; from an earlier plan and what is remembered of its reading comes
/// what the file says as it said then.
pub(super) fn load_for(arguments: &RunArguments, before: Option<(&Plan, &Memory)>) -> Loaded {
    load_by(arguments, &mut FileSystem, before)
}

/// Reads a configuration that was kept.
pub(super) fn load_again(arguments: &RunArguments, kept: &Kept<'_>) -> Loaded {
    load_by(arguments, &mut kept.loader(), None)
}

fn load_by(
    arguments: &RunArguments,
    files: &mut impl Loader,
    before: Option<(&Plan, &Memory)>,
) -> Loaded {
    let process = &arguments.process;
    let adjust = |options: &mut keepalived_conf::Options| {
        if process.config_id.is_some() {
            options.config_id.clone_from(&process.config_id);
        }
        if process.all_config {
            options.include_checks = IncludeChecks {
                read: true,
                matched: true,
                wildcard: true,
                brace: true,
            };
        }
    };
    // Connections go on only if groups keep their marks.
    let marks = match before {
        Some(_) => None,
        None => Marks::recorded_in(&arguments.state_dir),
    };
    let before = Before {
        plan: before,
        marks: marks.as_ref(),
    };
    let mut loaded = load_after(
        &arguments.config,
        Against::ThisMachine,
        files,
        adjust,
        before,
    );
    match process.only {
        Some(Part::Vrrp) => loaded.plan.leave_out_virtual_servers(),
        Some(Part::Lvs) => loaded.plan.leave_out_instances(),
        None => {}
    }
    if let Some(mask) = process.umask {
        loaded.plan.notices.mask_fifos(mask);
    }
    loaded
}

/// Starts the guardian where one is asked for.
fn guard(arguments: &RunArguments) -> std::io::Result<Option<Rc<RefCell<Guardian>>>> {
    let wanted = arguments.guardian.then(Guardian::start).transpose()?;
    Ok(wanted.map(|guardian| Rc::new(RefCell::new(guardian))))
}

/// Shows every problem of the file.
fn refuse(arguments: &RunArguments, loaded: &Loaded) {
    let reason = match loaded.unreadable() {
        Some(problem) => format!(
            "{problem}; name another file with {}",
            arguments.config_option()
        ),
        None => format!(
            "{} is refused: {}; nothing has been changed",
            arguments.config.display(),
            loaded.summary()
        ),
    };
    match arguments.log.settings().for_people() {
        // There is no text to show an excerpt of.
        true if loaded.unreadable().is_some() => {}
        true => {
            let style = output::style(&std::io::stderr());
            output::print_error(render::full(&loaded.diagnostics, &loaded.sources, style));
        }
        false => report::errors(loaded),
    }
    fail(arguments, &reason);
}

/// Says why there is no start: to people, or as an event to programs.
fn fail(arguments: &RunArguments, reason: &str) {
    let settings = arguments.log.settings();
    if !settings.for_people() {
        report::start_refused(arguments, reason);
    }
    if settings.for_people() || !settings.is_seen() {
        output::print_error(format_args!("director: error: {reason}\n"));
    }
}

/// Privileges, state directory and kernel: all of what is missing, not only the first.
fn preconditions(
    arguments: &RunArguments,
    plan: &Plan,
) -> Result<(StateDirectory, Option<IpvsTable>), Vec<String>> {
    let has_ipvs = !plan.virtual_servers.is_empty() || plan.sync.is_some();
    let missing = privileges::missing(!plan.vrrp.instances.is_empty(), has_ipvs);
    let mut problems: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let state = match StateDirectory::open(&arguments.state_dir) {
        Ok(state) => Some(state),
        Err(error) => {
            problems.push(output::chain(&error));
            None
        }
    };
    let mut table = None;
    if let Some(state) = state.as_ref().filter(|_| missing.is_empty()) {
        match connect(state, has_ipvs) {
            Ok(connected) => table = connected,
            Err(error) => problems.push(format!(
                "the virtual servers cannot be set up: {}",
                output::chain(&error)
            )),
        }
    }
    match state {
        Some(state) if problems.is_empty() => Ok((state, table)),
        _ => Err(problems),
    }
}

/// The kernel's table if it is needed: for the virtual servers, or for what a predecessor has left there.
pub(super) fn connect(
    state: &StateDirectory,
    needed: bool,
) -> Result<Option<IpvsTable>, TableError> {
    let leftovers = !state.owned_services().read().is_empty();
    if !needed && !leftovers {
        return Ok(None);
    }
    match IpvsTable::connect(state.owned_services()) {
        Ok(table) => Ok(Some(table)),
        Err(_) if !needed => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tells the service manager that the daemon runs.
pub(super) fn announce(plan: &Plan) {
    let (instances, servers) = (plan.vrrp.instances.len(), plan.virtual_servers.len());
    service_manager::ready(&format!(
        "{}, {}",
        output::count(instances, "VRRP instance"),
        output::count(servers, "virtual server")
    ));
    started();
}

/// Makes a large future where it stays. On the stack, its place would be kept as long as the daemon runs.
#[inline(never)]
fn boxed<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(make())
}

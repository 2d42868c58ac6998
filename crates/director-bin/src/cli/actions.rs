//! What operators tell the running director: drain, weight, maintenance, failover, reload and so on.

use super::connect::{Connection, SocketArguments, fail, unexpected};
use super::table::{cut, duration};
use crate::exit::Exit;
use crate::output;
use director_control::client::ClientError;
use director_control::snapshot::{RealServer, ServerState};
use director_control::{Action, ActionOutcome, Order, Request, Response, Snapshot};
use std::time::Duration;

/// How often `--wait` looks.
const LOOK: Duration = Duration::from_secs(1);

/// What all actions share.
#[derive(Debug, clap::Args)]
struct Common {
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only tell what would be done
    #[arg(long)]
    dry_run: bool,
    /// Write the answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    socket: SocketArguments,
}

/// For actions that last.
#[derive(Debug, clap::Args)]
struct Lasting {
    /// Take it back by itself after this time, such as 90s, 10m, 2h or 1d
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    lasts: Option<Duration>,
    /// Do it although a precondition is not met
    #[arg(long)]
    force: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct DrainArguments {
    /// ADDRESS:PORT, ADDRESS, or VIRTUAL_SERVER/ADDRESS:PORT
    target: String,
    /// End what is left after this time
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    deadline: Option<Duration>,
    /// Return only when it is drained, and show what is left meanwhile
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
    #[command(flatten)]
    lasting: Lasting,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
pub(super) struct UndrainArguments {
    /// ADDRESS:PORT, ADDRESS, or VIRTUAL_SERVER/ADDRESS:PORT
    target: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
pub(super) struct WeightArguments {
    /// ADDRESS:PORT, ADDRESS, or VIRTUAL_SERVER/ADDRESS:PORT
    target: String,
    /// The weight, or `auto` for what configuration and checks say
    #[arg(value_parser = parse_weight)]
    weight: Weight,
    #[command(flatten)]
    lasting: Lasting,
    #[command(flatten)]
    common: Common,
}

/// A weight, or none of its own.
#[derive(Debug, Clone, Copy)]
struct Weight(Option<u32>);

#[derive(Debug, clap::Args)]
pub(super) struct MaintenanceArguments {
    /// Whether the node is to be in maintenance
    #[arg(value_enum)]
    state: Switch,
    #[command(flatten)]
    lasting: Lasting,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Switch {
    /// Give up mastership, and do not take it back while any other router is there
    On,
    /// Take part in elections again
    Off,
}

#[derive(Debug, clap::Args)]
pub(super) struct FailoverArguments {
    /// The instance, with its group; without it all that are master here
    instance: Option<String>,
    #[command(flatten)]
    lasting: Lasting,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
pub(super) struct ReloadArguments {
    /// Only tell what would change
    #[arg(long)]
    plan: bool,
    /// Go back by itself after this time unless `director confirm` comes
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    confirm: Option<Duration>,
    /// Do it although the change guard holds it (change_guard)
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
pub(super) struct ConfirmArguments {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
pub(super) struct CheckNowArguments {
    /// ADDRESS:PORT, ADDRESS, or VIRTUAL_SERVER/ADDRESS:PORT; without it all
    target: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
pub(super) struct LogLevelArguments {
    /// A part (vrrp, checks, ipvs, scripts, config, program) with LEVEL behind it, or what `run --log-level` takes; without
    /// it the levels in force are printed
    #[arg(value_name = "PART|LEVELS")]
    first: Option<String>,
    /// off, error, warn, info, debug, trace, or `usual` for what the command line of the director says
    level: Option<String>,
    /// Take it back by itself after this time, such as 90s, 10m, 2h or 1d
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration, requires = "first")]
    lasts: Option<Duration>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
pub(super) struct ExportArguments {
    #[command(flatten)]
    socket: SocketArguments,
}

pub(super) fn drain(arguments: DrainArguments) -> Exit {
    let DrainArguments {
        target,
        deadline,
        wait,
        lasting,
        common,
    } = arguments;
    let action = Action::Drain {
        target: target.clone(),
        deadline_seconds: deadline.map(|limit| limit.as_secs_f64()),
    };
    let exit = order(&common, Some(&lasting), action);
    if wait && exit == Exit::Success {
        return match wait_until_drained(&common.socket, &target) {
            Ok(()) => Exit::Success,
            Err(error) => fail(&error),
        };
    }
    exit
}

pub(super) fn undrain(arguments: UndrainArguments) -> Exit {
    let UndrainArguments { target, common } = arguments;
    order(&common, None, Action::Undrain { target })
}

pub(super) fn weight(arguments: WeightArguments) -> Exit {
    let WeightArguments {
        target,
        weight: Weight(weight),
        lasting,
        common,
    } = arguments;
    order(&common, Some(&lasting), Action::Weight { target, weight })
}

pub(super) fn maintenance(arguments: &MaintenanceArguments) -> Exit {
    let on = arguments.state == Switch::On;
    order(
        &arguments.common,
        Some(&arguments.lasting),
        Action::Maintenance { on },
    )
}

pub(super) fn failover(arguments: FailoverArguments) -> Exit {
    let FailoverArguments {
        instance,
        lasting,
        common,
    } = arguments;
    order(&common, Some(&lasting), Action::Failover { instance })
}

pub(super) fn reload(arguments: &ReloadArguments) -> Exit {
    if arguments.plan {
        return answer(&arguments.common, Request::Plan);
    }
    let confirm_seconds = arguments.confirm.map(|limit| limit.as_secs_f64());
    let action = Action::Reload { confirm_seconds };
    give(&arguments.common, None, arguments.force, action)
}

pub(super) fn confirm(arguments: &ConfirmArguments) -> Exit {
    order(&arguments.common, None, Action::Confirm)
}

pub(super) fn check_now(arguments: CheckNowArguments) -> Exit {
    let CheckNowArguments { target, common } = arguments;
    order(&common, None, Action::CheckNow { target })
}

pub(super) fn log_level(arguments: LogLevelArguments) -> Exit {
    let LogLevelArguments {
        first,
        level,
        lasts,
        common,
    } = arguments;
    let (subsystem, level) = match (first, level) {
        (None, _) => return print_log_levels(&common),
        (Some(levels), None) => (None, levels),
        (Some(subsystem), Some(level)) => (Some(subsystem), level),
    };
    let level = Some(level).filter(|level| level != "usual");
    let action = Action::LogLevel { subsystem, level };
    give(&common, lasts, false, action)
}

fn print_log_levels(common: &Common) -> Exit {
    match common.socket.ask(Request::Status) {
        Ok(Response::Status { snapshot }) => {
            let director = &snapshot.director;
            let levels = director.log_levels.as_deref().unwrap_or("unknown");
            let until = director.log_levels_until;
            if common.json {
                output::print_line(serde_json::json!({ "levels": levels, "until": until }));
            } else if let Some(until) = until {
                output::print_line(format_args!("{levels} until {until}"));
            } else {
                output::print_line(levels);
            }
            Exit::Success
        }
        Ok(other) => unexpected(&other),
        Err(error) => fail(&error),
    }
}

pub(super) fn export(arguments: &ExportArguments) -> Exit {
    match arguments.socket.ask(Request::Export) {
        Ok(Response::Export { text }) => {
            output::print(text);
            Exit::Success
        }
        Ok(other) => unexpected(&other),
        Err(error) => fail(&error),
    }
}

fn order(common: &Common, lasting: Option<&Lasting>, action: Action) -> Exit {
    let force = lasting.is_some_and(|lasting| lasting.force);
    let lasts = lasting.and_then(|lasting| lasting.lasts);
    give(common, lasts, force, action)
}

fn give(common: &Common, lasts: Option<Duration>, force: bool, action: Action) -> Exit {
    let order = Order {
        reason: common.reason.clone(),
        for_seconds: lasts.map(|lasts| lasts.as_secs_f64()),
        dry_run: common.dry_run,
        force,
        ..Order::new(action)
    };
    answer(common, Request::Order { order })
}

fn answer(common: &Common, request: Request) -> Exit {
    match common.socket.ask(request) {
        Ok(Response::Done { outcome }) => {
            if common.json {
                output::print_line(serde_json::to_string_pretty(&outcome).unwrap_or_default());
            } else {
                tell(&outcome);
            }
            Exit::Success
        }
        Ok(other) => unexpected(&other),
        Err(error) => fail(&error),
    }
}

fn tell(outcome: &ActionOutcome) {
    if !outcome.done && !outcome.changes.is_empty() {
        output::print_line("this would be done:");
    }
    for change in &outcome.changes {
        output::print_line(cut(change, usize::MAX));
    }
    if outcome.changes.is_empty() {
        output::print_line("nothing changes");
    }
    for note in &outcome.notes {
        output::print_line(format_args!("note: {}", cut(note, usize::MAX)));
    }
    if outcome.done && outcome.took_seconds >= 0.001 {
        output::print_line(format_args!("took {:.3} s", outcome.took_seconds));
    }
}

fn wait_until_drained(socket: &SocketArguments, target: &str) -> Result<(), ClientError> {
    let mut client = socket.connect()?;
    let mut told = String::new();
    loop {
        let Some(snapshot) = snapshot(&mut client)? else {
            return Err(ClientError::Closed);
        };
        let (line, left) = progress(&snapshot, target);
        if line != told {
            output::print_line(&line);
            told = line;
        }
        if left == 0 {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
}

fn snapshot(client: &mut Connection) -> Result<Option<Box<Snapshot>>, ClientError> {
    Ok(match client.call(Request::Status)? {
        Response::Status { snapshot } => Some(snapshot),
        _ => None,
    })
}

/// What is left of the drained servers, and how many of them drain.
fn progress(snapshot: &Snapshot, target: &str) -> (String, usize) {
    let wanted = crate::control::target::ServerTarget::parse(target);
    let mut left = (0_u64, 0_u64, 0_u64);
    let mut draining = 0;
    for server in &snapshot.virtual_servers {
        let is_wanted = |real: &&RealServer| {
            real.state == ServerState::Draining
                && real.address.parse().is_ok_and(|address| {
                    let named = wanted.as_ref();
                    named.is_ok_and(|wanted| wanted.names(&server.name, &server.services, address))
                })
        };
        for real in server.real_servers.iter().filter(is_wanted) {
            let held = real.connections.unwrap_or_default();
            left.0 = left.0.saturating_add(held.active);
            left.1 = left.1.saturating_add(held.inactive);
            left.2 = left.2.saturating_add(held.persistent);
            draining += 1;
        }
    }
    if draining == 0 {
        return (format!("{target} is drained"), 0);
    }
    let (active, inactive, persistent) = left;
    let text = format!(
        "{target} is draining: {active} active and {inactive} inactive connections, {persistent} of persistent clients"
    );
    (text, draining)
}

fn parse_weight(text: &str) -> Result<Weight, String> {
    if text == "auto" {
        return Ok(Weight(None));
    }
    text.parse()
        .map(|weight| Weight(Some(weight)))
        .map_err(|_| "give a number from 0 to 2147483647, or auto".to_owned())
}

/// `90`, `90s`, `1m30s`, `2h`, `1d`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration; write 90s, 10m, 2h or 1d");
    let mut total = 0.0_f64;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|character: char| !character.is_ascii_digit() && character != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let letters = after
            .find(|character: char| character.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let factor = match unit.trim() {
            "" | "s" | "sec" => 1.0,
            "ms" => 0.001,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return Err(wrong()),
        };
        total += number * factor;
        rest = after;
    }
    let duration = Duration::try_from_secs_f64(total).map_err(|_| wrong())?;
    if duration.is_zero() || duration > Duration::from_secs(10 * 366 * 86_400) {
        return Err(format!(
            "{} is not between 1 ms and 10 years",
            self::duration(duration)
        ));
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        let seconds = |text: &str| parse_duration(text).map(|duration| duration.as_secs_f64());
        for (text, wanted) in [
            ("90", 90.0),
            ("90s", 90.0),
            ("1m30s", 90.0),
            ("2h", 7200.0),
            ("1d", 86_400.0),
            ("0.5s", 0.5),
            ("250ms", 0.25),
        ] {
            assert_eq!(seconds(text), Ok(wanted), "{text}");
        }
        for wrong in ["", "s", "1x", "-5", "0", "1e9d", "99999d", "..", "1m.s"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_left_of_a_drain_is_told() {
        let mut snapshot = crate::control::sample::snapshot();
        assert_eq!(
            progress(&snapshot, "10.0.0.4"),
            ("10.0.0.4 is drained".to_owned(), 0)
        );
        snapshot.virtual_servers[0].real_servers[0].state = ServerState::Draining;
        let (text, left) = progress(&snapshot, "10.0.0.4");
        assert_eq!(left, 1);
        assert!(
            text.contains("4 active and 2 inactive connections, 1 of persistent clients"),
            "{text}"
        );
    }
}

//! `director events`: what happened, with reasons.

use super::connect::{SocketArguments, fail, unexpected};
use super::table::{Colour, Paint, cut};
use crate::control::journal;
use crate::exit::Exit;
use crate::output;
use crate::state::StateDirectory;
use director_control::client::ClientError;
use director_control::{Event, Level, Request, Response};
use std::time::Duration;

/// Between two looks for the next director.
const AGAIN: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub(super) struct EventsArguments {
    /// Go on with what happens from now on, until interrupted
    #[arg(short, long)]
    follow: bool,
    /// The last so many events
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    last: usize,
    /// Only events behind this sequence number
    #[arg(long, value_name = "SEQUENCE", conflicts_with = "last")]
    after: Option<u64>,
    /// Only events whose name or fields contain this text, such as `real_server_down`, VI_1 or 10.0.0.4
    #[arg(value_name = "TEXT")]
    about: Option<String>,
    /// Write each event as one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    socket: SocketArguments,
}

/// Exit: success at the end of the events.
pub(super) fn run(arguments: &EventsArguments) -> Exit {
    match show(arguments) {
        Ok(exit) => exit,
        Err(error) => fail(&error),
    }
}

fn show(arguments: &EventsArguments) -> Result<Exit, ClientError> {
    let mut place = Place {
        last: arguments.after.is_none().then_some(arguments.last),
        after: arguments.after,
    };
    let mut waits = false;
    let mut heard = false;
    loop {
        let error = match stream(arguments, &mut place, &mut heard) {
            Ok(Some(exit)) => return Ok(exit),
            Ok(None) if arguments.follow => ClientError::Closed,
            Ok(None) => return Ok(Exit::Success),
            Err(error) => error,
        };
        // A restart under a watching eye: the numbers of the events go on with the next director.
        let gone = matches!(
            error,
            ClientError::Closed | ClientError::Io(_) | ClientError::NotRunning(_)
        );
        if matches!(error, ClientError::NotRunning(_)) && !arguments.follow && left(arguments) {
            return Ok(Exit::Success);
        }
        if !arguments.follow || !gone || !(heard || waits) {
            return Err(error);
        }
        if heard {
            let reason = output::chain(&error);
            output::print_error(format_args!(
                "director: {reason}; waiting for the next one\n"
            ));
        }
        (waits, heard) = (true, false);
        std::thread::sleep(AGAIN);
    }
}

/// Shows what the director has left in its state directory; says whether there was something to read.
fn left(arguments: &EventsArguments) -> bool {
    let Some(folder) = arguments.socket.state_dir() else {
        return false;
    };
    let path = StateDirectory::journal_in(folder);
    let Ok(events) = journal::left_in(&path) else {
        return false;
    };
    output::print_error(format_args!(
        "director: no director runs; this is what {} tells\n",
        path.display()
    ));
    let skipped = match arguments.after {
        Some(after) => events.partition_point(|event| event.sequence <= after),
        None => events.len().saturating_sub(arguments.last),
    };
    for event in events.iter().skip(skipped) {
        show_one(event, arguments);
    }
    true
}

fn show_one(event: &Event, arguments: &EventsArguments) {
    if !is_about(event, arguments.about.as_deref()) {
        return;
    }
    if arguments.json {
        output::print_line(serde_json::to_string(event).unwrap_or_default());
    } else {
        output::print_line(line(event, Paint(output::colours(&std::io::stdout()))));
    }
}

/// Where to begin or to go on.
struct Place {
    last: Option<usize>,
    after: Option<u64>,
}

/// Shows what comes over one connection; `None` when the director has closed it.
fn stream(
    arguments: &EventsArguments,
    place: &mut Place,
    heard: &mut bool,
) -> Result<Option<Exit>, ClientError> {
    let mut client = arguments.socket.connect()?;
    if arguments.follow {
        // The next event may be long in coming.
        client.set_patience(None)?;
    }
    client.send(Request::Events {
        follow: arguments.follow,
        last: place.last,
        after: place.after,
    })?;
    while let Some(response) = client.next_response()? {
        *heard = true;
        match response {
            Response::Event { event } => {
                (place.last, place.after) = (None, Some(event.sequence));
                show_one(&event, arguments);
            }
            Response::Missed { count } => output::print_error(format_args!(
                "director: {} that are not kept any more are left out here\n",
                output::count(usize::try_from(count).unwrap_or(usize::MAX), "event")
            )),
            Response::End if arguments.follow => return Ok(None),
            Response::End => return Ok(Some(Exit::Success)),
            other => return Ok(Some(unexpected(&other))),
        }
    }
    Ok(None)
}

fn is_about(event: &Event, about: Option<&str>) -> bool {
    let Some(about) = about else { return true };
    let in_field = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.contains(about),
        other => *about == *other.to_string(),
    };
    event.event.contains(about) || event.fields.values().any(in_field)
}

fn line(event: &Event, paint: Paint) -> String {
    let colour = match event.level {
        Level::Error => Colour::Bad,
        Level::Warn => Colour::Attention,
        Level::Info | Level::Debug => Colour::Good,
    };
    format!(
        "{} {} {}",
        event.time,
        paint.paint(colour, &format!("{:5}", event.level)),
        cut(&event.message, usize::MAX)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_by_what_they_are_about() {
        let event: Event = serde_json::from_value(serde_json::json!({
            "sequence": 1, "time": "2026-03-01T12:00:00.000Z", "level": "warn",
            "event": "real_server_down", "message": "a sentence\nand more",
            "fields": { "real_server": "10.0.0.4:80", "from": 7 },
        }))
        .unwrap();
        for (about, found) in [
            (Some("server_down"), true),
            (Some("10.0.0.4"), true),
            (Some("7"), true),
            (Some("sentence"), false),
            (None, true),
        ] {
            assert_eq!(is_about(&event, about), found, "{about:?}");
        }
        let line = line(&event, Paint(false));
        assert_eq!(line, "2026-03-01T12:00:00.000Z warn  a sentence.and more");
    }
}

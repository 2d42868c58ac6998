//! `director status`: everything at a glance, from one consistent snapshot.

mod render;

pub(crate) use super::table::Paint;
pub(crate) use render::{Part, render, server_colour, state_colour};

use super::connect::{Connection, SocketArguments, fail, report, unexpected};
use crate::exit::Exit;
use crate::output;
use director_control::client::ClientError;
use director_control::{Request, Response, Snapshot};
use std::io::IsTerminal;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(super) struct StatusArguments {
    /// Write the whole snapshot as JSON
    #[arg(long)]
    json: bool,
    /// Show it again every so many seconds, until interrupted
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    watch: Option<u64>,
    /// Only this part
    #[arg(long, value_enum)]
    only: Option<Part>,
    #[command(flatten)]
    socket: SocketArguments,
}

/// Exit: success if the director answered.
pub(super) fn run(arguments: &StatusArguments) -> Exit {
    let mut client = None;
    let mut seen = false;
    loop {
        match ask(&mut client, &arguments.socket) {
            Ok(Ok(snapshot)) => {
                seen = true;
                show(arguments, &snapshot);
            }
            Ok(Err(response)) => return unexpected(&response),
            // A restart under a watching eye: the next look finds the successor, and a stop may have an end.
            Err(error) if arguments.watch.is_some() && seen => {
                client = None;
                report(&error);
            }
            Err(error) => return fail(&error),
        }
        match arguments.watch {
            Some(seconds) => std::thread::sleep(Duration::from_secs(seconds)),
            None => return Exit::Success,
        }
    }
}

fn ask(
    client: &mut Option<Connection>,
    socket: &SocketArguments,
) -> Result<Result<Box<Snapshot>, Response>, ClientError> {
    let connected = match client {
        Some(connected) => connected,
        None => client.insert(socket.connect()?),
    };
    Ok(match connected.call(Request::Status)? {
        Response::Status { snapshot } => Ok(snapshot),
        other => Err(other),
    })
}

fn show(arguments: &StatusArguments, snapshot: &Snapshot) {
    if arguments.json {
        // One document a line while watching, one for people otherwise.
        let text = if arguments.watch.is_some() {
            serde_json::to_string(snapshot)
        } else {
            serde_json::to_string_pretty(snapshot)
        };
        match text {
            Ok(text) => output::print_line(text),
            Err(error) => output::report(&error),
        }
        return;
    }
    let terminal = std::io::stdout().is_terminal();
    let colour = output::colours(&std::io::stdout());
    let text = render(snapshot, arguments.only, Paint(colour));
    if arguments.watch.is_some() && terminal {
        // Home, then the text, then whatever was below: no flicker.
        output::print(format_args!(
            "\x1b[H{}\x1b[J",
            text.replace('\n', "\x1b[K\n")
        ));
    } else {
        output::print(text);
    }
}

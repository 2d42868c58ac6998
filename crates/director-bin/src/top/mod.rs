//! `director top`: a live screen over the control socket, from virtual servers down to the reason of one real server.

mod screen;
mod state;

use crate::cli::{Connection, SocketArguments};
use crate::exit::Exit;
use crate::output;
use director_control::client::ClientError;
use director_control::{Request, Response};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use state::{Key, Top};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub(crate) struct TopArguments {
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    interval: u64,
    #[command(flatten)]
    socket: SocketArguments,
}

/// Exit: success when the user leaves.
pub(crate) fn run(arguments: &TopArguments) -> Exit {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        output::print_error("director: error: top needs a terminal; `director status` does not\n");
        return Exit::Failure;
    }
    // The first look happens before the screen changes, so that an error stays readable.
    let mut client = match arguments.socket.connect() {
        Ok(client) => client,
        Err(error) => return crate::cli::fail(&error),
    };
    let mut top = Top::default();
    if let Err(error) = look(&mut client, &mut top) {
        return crate::cli::fail(&error);
    }
    let mut terminal = match ratatui::try_init() {
        Ok(terminal) => terminal,
        Err(error) => {
            output::report(&error);
            return Exit::Failure;
        }
    };
    let result = watch(arguments, client, &mut top, &mut terminal);
    ratatui::restore();
    match result {
        Ok(()) => Exit::Success,
        Err(error) => {
            output::report(&error);
            Exit::Failure
        }
    }
}

fn watch(
    arguments: &TopArguments,
    client: Connection,
    top: &mut Top,
    terminal: &mut ratatui::DefaultTerminal,
) -> std::io::Result<()> {
    let interval = Duration::from_secs(arguments.interval);
    let mut client = Some(client);
    let mut next = Instant::now() + interval;
    loop {
        terminal.draw(|frame| screen::draw(top, frame))?;
        let wait = next.saturating_duration_since(Instant::now());
        if event::poll(wait)? {
            if let Some(key) = key(&event::read()?) {
                if !top.press(key) {
                    return Ok(());
                }
                if let Some(target) = top.wants_explanation() {
                    let told = client.as_mut().map(|client| explain(client, &target));
                    top.explained(told.unwrap_or_else(|| "the director does not run".to_owned()));
                }
            }
            continue;
        }
        next = Instant::now() + interval;
        // A restart under a watching eye: look for the successor.
        if client.is_none() {
            client = arguments.socket.connect().ok();
        }
        let seen = match &mut client {
            Some(client) => look(client, top),
            None => Err(ClientError::Closed),
        };
        if let Err(error) = seen {
            top.problem(output::chain(&error));
            client = None;
        }
    }
}

fn look(client: &mut Connection, top: &mut Top) -> Result<(), ClientError> {
    if let Response::Status { snapshot } = client.call(Request::Status)? {
        top.seen(*snapshot);
    }
    Ok(())
}

fn explain(client: &mut Connection, target: &str) -> String {
    let target = target.to_owned();
    match client.call(Request::Explain { target }) {
        Ok(Response::Explanation { explanations }) => {
            let texts = explanations.iter().map(ToString::to_string);
            texts.collect::<Vec<_>>().join("\n")
        }
        Ok(_) => "the director answered something else".to_owned(),
        Err(error) => output::chain(&error),
    }
}

fn key(event: &Event) -> Option<Key> {
    let Event::Key(key) = event else { return None };
    if key.kind == KeyEventKind::Release {
        return None;
    }
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Quit),
        KeyCode::Char('q') => Some(Key::Quit),
        KeyCode::Up | KeyCode::Char('k') => Some(Key::Up),
        KeyCode::Down | KeyCode::Char('j') => Some(Key::Down),
        KeyCode::PageUp => Some(Key::PageUp),
        KeyCode::PageDown => Some(Key::PageDown),
        KeyCode::Enter | KeyCode::Right | KeyCode::Char('l') => Some(Key::In),
        KeyCode::Esc | KeyCode::Left | KeyCode::Backspace | KeyCode::Char('h') => Some(Key::Out),
        _ => None,
    }
}

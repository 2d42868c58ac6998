//! Drawing.

use super::state::{Level, Top};
use crate::cli::{Colour, age, count, cut, duration, server_colour, state_colour};
use director_control::snapshot::{ServerState, VirtualServer};
use director_control::{Snapshot, Timestamp};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Paragraph, Row, Table, TableState, Wrap};

/// Draws the state.
pub(super) fn draw(top: &Top, frame: &mut Frame<'_>) {
    let areas: [Rect; 3] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let [head, body, foot] = areas;
    let Some(snapshot) = &top.snapshot else {
        return;
    };
    frame.render_widget(header(top, snapshot), head);
    match &top.level {
        Level::All => all(top, snapshot, frame, body),
        Level::Servers(name) => {
            if let Some(server) = snapshot.virtual_server(name) {
                servers(top, server, snapshot.taken, frame, body);
            }
        }
        Level::Reason(_, target) => {
            let lines: Vec<Line<'_>> = top
                .text
                .lines()
                .map(|line| Line::raw(cut(line, usize::MAX)))
                .collect();
            let scroll = u16::try_from(top.scroll).unwrap_or(u16::MAX);
            let text = Paragraph::new(Text::from(lines))
                .wrap(Wrap { trim: false })
                .scroll((scroll, 0))
                .block(Block::bordered().title(target.as_str()));
            frame.render_widget(text, body);
        }
    }
    let keys = "up, down: choose   enter: look closer   esc: back   q: leave";
    frame.render_widget(
        Paragraph::new(keys).style(Style::new().add_modifier(Modifier::DIM)),
        foot,
    );
}

fn header<'a>(top: &Top, snapshot: &Snapshot) -> Paragraph<'a> {
    let director = &snapshot.director;
    let first = format!(
        "director {} on {}, running for {}, {}",
        director.version,
        director.node,
        duration(snapshot.taken.since(director.started)),
        snapshot.taken
    );
    let second = if let Some(problem) = &top.problem {
        Line::styled(format!("out of date: {problem}"), style(Colour::Bad))
    } else if let Some(maintenance) = &snapshot.maintenance {
        Line::styled(
            format!("in maintenance by {}", maintenance.by),
            style(Colour::Attention),
        )
    } else {
        Line::raw(format!(
            "{} reloads done, {} refused, {} set by operators",
            snapshot.configuration.reloads_done,
            snapshot.configuration.reloads_refused,
            snapshot.overrides.len()
        ))
    };
    Paragraph::new(vec![Line::styled(first, style(Colour::Heading)), second])
}

fn all(top: &Top, snapshot: &Snapshot, frame: &mut Frame<'_>, area: Rect) {
    let instances = snapshot.instances.iter().map(|instance| {
        Row::new([
            instance.name.clone(),
            instance.state.to_string(),
            age(instance.since, snapshot.taken),
            format!("priority {}", instance.effective_priority),
            cut(&instance.reason, 200),
        ])
        .style(style(state_colour(instance.state)))
    });
    let virtual_servers = snapshot.virtual_servers.iter().map(|server| {
        let up = server
            .real_servers
            .iter()
            .filter(|real| real.state == ServerState::Up)
            .count();
        let rate = server
            .traffic
            .map_or(0, |traffic| traffic.connections_per_second);
        let (word, colour) = match (&server.held, server.quorum.up) {
            (Some(_), _) => ("held", Colour::Attention),
            (None, true) if up == server.real_servers.len() => ("up", Colour::Good),
            (None, true) => ("up", Colour::Attention),
            (None, false) => ("no quorum", Colour::Bad),
        };
        Row::new([
            server.name.clone(),
            word.to_owned(),
            format!("{up}/{}", server.real_servers.len()),
            server.scheduler.clone(),
            format!("{} connections/s", count(rate)),
        ])
        .style(style(colour))
    });
    let widths = [
        Constraint::Min(30),
        Constraint::Length(10),
        Constraint::Length(8),
        Constraint::Length(14),
        Constraint::Fill(1),
    ];
    let heading = Row::new(["NAME", "STATE", "SINCE/UP", "HOW", "REASON, LOAD"]);
    let table = Table::new(instances.chain(virtual_servers), widths);
    show(
        top,
        table.header(heading.style(style(Colour::Heading))),
        frame,
        area,
    );
}

fn servers(top: &Top, server: &VirtualServer, now: Timestamp, frame: &mut Frame<'_>, area: Rect) {
    let rows = server.real_servers.iter().map(|real| {
        let connections = real.connections.unwrap_or_default();
        let rate = real
            .traffic
            .map_or(0, |traffic| traffic.connections_per_second);
        Row::new([
            real.address.clone(),
            real.state.to_string(),
            real.since.map(|since| age(since, now)).unwrap_or_default(),
            real.wished_weight
                .map_or_else(|| "-".to_owned(), |weight| weight.to_string()),
            count(connections.active),
            count(connections.inactive),
            count(rate),
            cut(&real.reasons.join("; "), 200),
        ])
        .style(style(server_colour(real.state)))
    });
    let widths = [
        Constraint::Min(22),
        Constraint::Length(9),
        Constraint::Length(6),
        Constraint::Length(6),
        Constraint::Length(6),
        Constraint::Length(6),
        Constraint::Length(6),
        Constraint::Fill(2),
    ];
    let heading = Row::new([
        "REAL SERVER",
        "STATE",
        "SINCE",
        "WEIGHT",
        "ACTIVE",
        "INACT",
        "CPS",
        "REASON",
    ]);
    let table = Table::new(rows, widths)
        .header(heading.style(style(Colour::Heading)))
        .block(Block::bordered().title(server.name.as_str()));
    show(top, table, frame, area);
}

fn show(top: &Top, table: Table<'_>, frame: &mut Frame<'_>, area: Rect) {
    let table = table.row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut marked = TableState::default().with_selected(Some(top.row));
    frame.render_stateful_widget(table, area, &mut marked);
}

fn style(colour: Colour) -> Style {
    match colour {
        Colour::Good => Style::new().fg(Color::Green),
        Colour::Attention => Style::new().fg(Color::Yellow),
        Colour::Bad => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        Colour::Heading => Style::new().add_modifier(Modifier::BOLD),
        Colour::Faint => Style::new().add_modifier(Modifier::DIM),
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::Key;
    use super::*;
    use crate::control::sample;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn drawn(top: &Top, width: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, 14)).unwrap();
        terminal.draw(|frame| draw(top, frame)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn every_level_is_drawn() {
        let mut top = Top::default();
        top.seen(sample::snapshot());
        let text = drawn(&top, 100);
        assert!(
            text.contains("VI_1") && text.contains("MASTER") && text.contains("1/2"),
            "{text}"
        );
        top.press(Key::Down);
        top.press(Key::In);
        let text = drawn(&top, 120);
        assert!(
            text.contains("10.0.0.5:80") && text.contains("HTTP status 503"),
            "{text}"
        );
        top.press(Key::In);
        top.explained("because: it is so".to_owned());
        assert!(drawn(&top, 100).contains("because: it is so"));
        top.problem("gone".to_owned());
        assert!(drawn(&top, 100).contains("out of date: gone"));
        // A window that is far too small must not make it panic.
        let _ = drawn(&top, 3);
    }
}

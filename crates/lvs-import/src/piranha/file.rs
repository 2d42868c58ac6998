//! The lines of the file: `name = value` in blocks.

use crate::report::Report;

/// One statement.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) line: u32,
    pub(super) key: String,
    /// One or two words.
    pub(super) values: Vec<String>,
}

impl Statement {
    pub(super) fn value(&self) -> &str {
        self.values.first().map_or("", String::as_str)
    }
}

/// A `virtual`, `failover` or `server` block.
#[derive(Debug, Clone, Default)]
pub(super) struct Section {
    pub(super) line: u32,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) statements: Vec<Statement>,
    pub(super) servers: Vec<Self>,
}

impl Section {
    pub(super) fn of(&self, key: &str) -> Option<&Statement> {
        self.statements
            .iter()
            .rev()
            .find(|statement| statement.key == key)
    }

    /// The value as a number; decimal, octal or hexadecimal as there.
    pub(super) fn number(&self, key: &str, report: &mut Report) -> Option<u32> {
        let statement = self.of(key)?;
        let number = number(statement.value());
        if number.is_none() {
            report.mistake(
                statement.line,
                key,
                format!("`{}` is no number", statement.value()),
            );
        }
        number
    }

    pub(super) fn yes(&self, key: &str, report: &mut Report) -> Option<bool> {
        self.number(key, report).map(|number| number != 0)
    }
}

fn number(text: &str) -> Option<u32> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u32::from_str_radix(digits, 16).ok();
    }
    match text.strip_prefix('0').filter(|rest| !rest.is_empty()) {
        Some(digits) => u32::from_str_radix(digits, 8).ok(),
        None => text.parse().ok(),
    }
}

const GLOBAL: &[&str] = &[
    "serial_no",
    "service",
    "primary",
    "primary_private",
    "backup",
    "backup_private",
    "primary_shared",
    "backup_shared",
    "backup_active",
    "heartbeat",
    "heartbeat_port",
    "keepalive",
    "deadtime",
    "network",
    "nat_router",
    "nat_nmask",
    "reservation_conflict_action",
    "debug_level",
    "rsh_command",
    "ipvsadm",
    "syncdaemon",
    "syncd_iface",
    "syncd_id",
    "tcp_timeout",
    "tcpfin_timeout",
    "udp_timeout",
    "monitor_links",
    "hard_shutdown",
    "active_cmd",
    "inactive_cmd",
    "sync",
];

const OF_SERVICE: &[&str] = &[
    "active",
    "address",
    "vip_nmask",
    "sorry_server",
    "fwmark",
    "protocol",
    "port",
    "scheduler",
    "persistent",
    "pmask",
    "client_monitor",
    "send",
    "send_program",
    "expect",
    "use_regex",
    "timeout",
    "reentry",
    "load_monitor",
    "quiesce_server",
    "start_cmd",
    "stop_cmd",
    "master",
    "dirs",
];

const OF_SERVER: &[&str] = &["address", "active", "weight", "port"];

/// Whether a file with this keyword is Piranha's.
pub(crate) fn is_key(key: &str) -> bool {
    GLOBAL.contains(&key)
}

/// The whole file: global statements, with its blocks as if they were servers.
pub(super) fn read(text: &str, report: &mut Report) -> (Section, Vec<Section>) {
    let mut global = Section::default();
    let mut blocks: Vec<Section> = Vec::new();
    let mut open: Option<Section> = None;
    let mut server: Option<Section> = None;
    let mut skipped = 0_u32;
    for (line, number) in lines(text, report) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line == "}" {
            if skipped > 0 {
                skipped = skipped.saturating_sub(1);
            } else if let (Some(inner), Some(outer)) = (server.take(), open.as_mut()) {
                outer.servers.push(inner);
            } else if let Some(block) = open.take() {
                blocks.push(block);
            } else {
                report.mistake(number, "}", "closes nothing");
            }
            continue;
        }
        if let Some(head) = line.strip_suffix('{') {
            let mut words = head.split_whitespace();
            let kind = words.next().unwrap_or_default().to_owned();
            let name = words.collect::<Vec<_>>().join(" ");
            let section = Section {
                line: number,
                kind,
                name,
                ..Section::default()
            };
            match section.kind.as_str() {
                "virtual" | "failover" if open.is_none() && skipped == 0 => open = Some(section),
                "server" if open.is_some() && server.is_none() && skipped == 0 => {
                    server = Some(section);
                }
                other => {
                    report.mistake(number, other, "no block at this place; it is passed over");
                    skipped = skipped.saturating_add(1);
                }
            }
            continue;
        }
        if skipped > 0 {
            continue;
        }
        let (known, section) = match (&mut server, &mut open) {
            (Some(server), _) => (OF_SERVER, server),
            (None, Some(block)) => (OF_SERVICE, block),
            (None, None) => (GLOBAL, &mut global),
        };
        statement(line, number, known, section, report);
    }
    if let (Some(inner), Some(outer)) = (server.take(), open.as_mut()) {
        outer.servers.push(inner);
    }
    if let Some(block) = open {
        report.mistake(block.line, &block.name, "the block is not closed");
        blocks.push(block);
    }
    (global, blocks)
}

/// Lines end with a line feed, a carriage return, or both.
fn lines<'t>(text: &'t str, report: &mut Report) -> Vec<(&'t str, u32)> {
    if text.contains('\r') {
        report.add(None, crate::Severity::Note, "line ends", "the file has carriage returns, which the original reads wrongly; they are taken as ends of lines");
    }
    let mut lines = Vec::new();
    for (line, number) in text.split('\n').zip(1_u32..) {
        lines.extend(line.split('\r').map(|part| (part, number)));
    }
    lines
}

fn statement(line: &str, number: u32, known: &[&str], section: &mut Section, report: &mut Report) {
    let Some((key, value)) = line.split_once('=') else {
        report.mistake(
            number,
            line,
            "not understood: a statement is `name = value`",
        );
        return;
    };
    let key = key.trim().to_owned();
    if !known.contains(&key.as_str()) {
        report.mistake(number, &key, "no keyword at this place");
        return;
    }
    let values = values(value);
    if values.is_empty() {
        report.mistake(number, &key, "the value is missing");
        return;
    }
    section.statements.push(Statement {
        line: number,
        key,
        values,
    });
}

/// Words; quoted ones keep their blanks. Backslashes mean nothing here.
fn values(text: &str) -> Vec<String> {
    crate::parts::words(text)
}

//! The lines: commands with their options.

use crate::Options;
use crate::block::{Configuration, Item};
use crate::report::{Report, Severity};
use crate::vrrp::is_device;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Options of one line: long names without their dashes, with their values.
pub(super) struct Line {
    pub(super) number: u32,
    pub(super) command: String,
    pub(super) options: BTreeMap<String, String>,
}

/// Short names, long names, and whether a value follows.
const OPTIONS: &[(&str, &str, Value)] = &[
    ("-t", "tcp-service", Value::Needed),
    ("-u", "udp-service", Value::Needed),
    ("", "sctp-service", Value::Needed),
    ("-f", "fwmark-service", Value::Needed),
    ("-6", "ipv6", Value::None),
    ("-s", "scheduler", Value::Needed),
    ("-b", "sched-flags", Value::Needed),
    ("-p", "persistent", Value::Optional),
    ("-M", "netmask", Value::Needed),
    ("", "pe", Value::Needed),
    ("-o", "ops", Value::None),
    ("-r", "real-server", Value::Needed),
    ("-g", "gatewaying", Value::None),
    ("-i", "ipip", Value::None),
    ("-m", "masquerading", Value::None),
    ("-w", "weight", Value::Needed),
    ("-x", "u-threshold", Value::Needed),
    ("-y", "l-threshold", Value::Needed),
    ("", "tun-type", Value::Needed),
    ("", "tun-port", Value::Needed),
    ("", "tun-nocsum", Value::None),
    ("", "tun-csum", Value::None),
    ("", "tun-remcsum", Value::None),
    ("", "mcast-interface", Value::Needed),
    ("", "syncid", Value::Needed),
    ("", "sync-maxlen", Value::Needed),
    ("", "mcast-group", Value::Needed),
    ("", "mcast-port", Value::Needed),
    ("", "mcast-ttl", Value::Needed),
    ("-n", "numeric", Value::None),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    None,
    Needed,
    Optional,
}

/// Splits a line; what needs no service is done at once.
pub(super) fn read(
    text: &str,
    number: u32,
    given: &Options,
    configuration: &mut Configuration,
    report: &mut Report,
) -> Option<Line> {
    let mut words = text.split_ascii_whitespace().peekable();
    if words.peek().is_some_and(|word| word.ends_with("ipvsadm")) {
        words.next();
    }
    let command = words.next()?.to_owned();
    match command.as_str() {
        "-A" | "--add-service" | "-E" | "--edit-service" | "-a" | "--add-server" | "-e"
        | "--edit-server" | "--start-daemon" => {}
        "--set" => {
            timeouts(&words.collect::<Vec<_>>(), number, configuration, report);
            return None;
        }
        "-C" | "--clear" => {
            report.note(number, &command, "not needed: the director compares the table with its file and changes the difference");
            return None;
        }
        _ => {
            report.mistake(
                number,
                &command,
                "not a line that defines a service or a server",
            );
            return None;
        }
    }
    let mut role = None;
    if command == "--start-daemon" {
        role = words.next();
    }
    let mut options = BTreeMap::new();
    while let Some(word) = words.next() {
        let (name, attached) = match word.strip_prefix("--") {
            Some(long) => match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            },
            None => match OPTIONS
                .iter()
                .find(|(short, ..)| !short.is_empty() && word.starts_with(short))
            {
                Some((short, long, _)) => (
                    *long,
                    Some(word.get(short.len()..).unwrap_or_default()).filter(|v| !v.is_empty()),
                ),
                None => (word, None),
            },
        };
        let Some((_, name, kind)) = OPTIONS.iter().find(|(_, long, _)| *long == name) else {
            report.mistake(number, word, "no option of ipvsadm");
            continue;
        };
        let value = match kind {
            Value::None => String::new(),
            _ if attached.is_some() => attached.unwrap_or_default().to_owned(),
            Value::Needed => match words.next() {
                Some(value) => value.to_owned(),
                None => {
                    report.mistake(number, word, "the value is missing");
                    continue;
                }
            },
            Value::Optional => words
                .next_if(|next| !next.starts_with('-'))
                .unwrap_or_default()
                .to_owned(),
        };
        options.insert((*name).to_owned(), value);
    }
    let line = Line {
        number,
        command,
        options,
    };
    if line.command == "--start-daemon" {
        daemon(
            role.unwrap_or_default(),
            &line,
            given,
            configuration,
            report,
        );
        return None;
    }
    Some(line)
}

fn timeouts(words: &[&str], number: u32, configuration: &mut Configuration, report: &mut Report) {
    let values: Vec<u32> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let [tcp, tcpfin, udp] = values.as_slice() else {
        report.mistake(number, "--set", "takes three numbers of seconds");
        return;
    };
    let mut line = String::from("lvs_timeouts");
    for (name, value) in [("tcp", tcp), ("tcpfin", tcpfin), ("udp", udp)] {
        // 0 leaves a timeout as it is.
        if *value > 0 {
            line.push_str(&format!(" {name} {value}"));
        }
    }
    if line != "lvs_timeouts" {
        configuration.global(line);
    }
}

fn daemon(
    role: &str,
    line: &Line,
    given: &Options,
    configuration: &mut Configuration,
    report: &mut Report,
) {
    let get = |name: &str| line.options.get(name);
    let interface = get("mcast-interface").map_or("eth0", String::as_str);
    if !is_device(interface) {
        report.mistake(line.number, interface, "no name of an interface");
        return;
    }
    let known =
        |item: &Item| matches!(item, Item::Line(line) if line.starts_with("lvs_sync_daemon "));
    if configuration.global.iter().any(known) {
        report.note(
            line.number,
            "--start-daemon",
            format!("role {role}: the one lvs_sync_daemon line covers both roles"),
        );
        return;
    }
    let mut text = format!("lvs_sync_daemon {interface}");
    // With an instance the role follows its state; without one both roles run.
    if given.interface.is_some() {
        text.push_str(" LVS");
    }
    for (name, word) in [
        ("syncid", "id"),
        ("sync-maxlen", "maxlen"),
        ("mcast-port", "port"),
        ("mcast-ttl", "ttl"),
        ("mcast-group", "group"),
    ] {
        let Some(value) = get(name) else { continue };
        if value.parse::<u32>().is_ok()
            || (name == "mcast-group" && value.parse::<IpAddr>().is_ok())
        {
            text.push_str(&format!(" {word} {value}"));
        } else {
            report.mistake(line.number, name, format!("{value} is not understood"));
        }
    }
    configuration.global(text);
    report.once("--start-daemon", Some(line.number), Severity::Changed, "the role follows the vrrp_instance `LVS` if one is written (--interface), else both roles run");
}

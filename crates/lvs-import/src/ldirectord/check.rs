//! Checks.

use super::convert::Reading;
use super::file::Virtual;
use crate::block::Block;
use crate::parts::{Check, Http, Protocol, Target, Timing, Turn, words};
use std::net::IpAddr;

/// How a service is watched.
#[derive(Debug)]
pub(super) struct Monitoring {
    /// Seconds between checks.
    pub(super) interval: u32,
    pub(super) checked: bool,
    /// `checktype=off`: no server is ever used.
    pub(super) off: bool,
    kind: Kind,
    timing: Timing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    None,
    Connect,
    Ping,
    Negotiate(String),
    External(Vec<String>),
}

/// Request and reply that a server's own line gives.
pub(super) struct Texts<'a> {
    pub(super) line: u32,
    pub(super) request: Option<&'a str>,
    pub(super) receive: Option<&'a str>,
}

/// Services by port, as ldirectord chooses them.
const SERVICES: &[(u16, &str)] = &[
    (21, "ftp"),
    (25, "smtp"),
    (53, "dns"),
    (80, "http"),
    (110, "pop"),
    (119, "nntp"),
    (143, "imap"),
    (389, "ldap"),
    (443, "https"),
    (587, "submission"),
    (636, "ldaps"),
    (993, "imaps"),
    (995, "pops"),
    (1521, "oracle"),
    (1812, "radius"),
    (3128, "http_proxy"),
    (3306, "mysql"),
    (5432, "pgsql"),
    (5060, "sip"),
];

pub(super) fn monitoring(
    service: &Virtual,
    target: Target,
    reading: &mut Reading<'_>,
) -> Monitoring {
    let written = reading.of(service, "checktype");
    let line = written.map_or(service.line, |directive| directive.line);
    let text = written
        .map_or("negotiate", |directive| directive.value.as_str())
        .to_owned();
    let mut off = false;
    let kind = match text.as_str() {
        "connect" => Kind::Connect,
        "ping" => Kind::Ping,
        "negotiate" => Kind::Negotiate(name(service, target, reading)),
        "external" | "external-perl" => external(service, line, &text, reading),
        "on" => Kind::None,
        "off" => {
            off = true;
            reading.report.note(
                line,
                "checktype",
                "off: the servers are never used, so they are written commented out",
            );
            Kind::None
        }
        number if number.parse::<u32>().is_ok_and(|n| n > 0) => {
            reading.report.changed(
                line,
                "checktype",
                format!(
                    "every check is a full one; there, {number} plain connections come before each"
                ),
            );
            Kind::Negotiate(name(service, target, reading))
        }
        other => {
            reading.report.mistake(
                line,
                "checktype",
                format!("`{other}` is no kind of check, connect is taken"),
            );
            Kind::Connect
        }
    };
    let (order, last) = match kind {
        Kind::Negotiate(_) => (["negotiatetimeout", "checktimeout"], 30),
        _ => (["checktimeout", "negotiatetimeout"], 5),
    };
    let own = order
        .iter()
        .find(|key| service.directives.iter().any(|d| d.key == **key));
    let key = own.or_else(|| order.iter().find(|key| reading.global.contains_key(**key)));
    let timeout = key
        .and_then(|key| reading.number(service, key))
        .unwrap_or(last);
    let interval = reading.number(service, "checkinterval").unwrap_or(10);
    let failures = reading.number(service, "failurecount").unwrap_or(1);
    let port = reading
        .number(service, "checkport")
        .and_then(|port| u16::try_from(port).ok());
    Monitoring {
        interval,
        checked: kind != Kind::None,
        off,
        kind,
        timing: Timing {
            timeout: Some(timeout),
            failures,
            pause: Some(interval),
            port,
            address: None,
            rise: 1,
        },
    }
}

/// What is spoken to the servers.
fn name(service: &Virtual, target: Target, reading: &Reading<'_>) -> String {
    if let Some(directive) = reading.of(service, "service") {
        return directive.value.clone();
    }
    let by_port = match target {
        Target::Address(_, port, _) => SERVICES.iter().find(|(known, _)| *known == port),
        Target::Mark(..) => None,
    };
    by_port.map_or("none", |(_, name)| *name).to_owned()
}

fn external(service: &Virtual, line: u32, text: &str, reading: &mut Reading<'_>) -> Kind {
    if text == "external-perl" {
        reading.report.changed(line, "checktype", "external-perl runs the script in ldirectord itself; here it runs as a program, so it must be executable");
    }
    let program = reading
        .of(service, "checkcommand")
        .map(|directive| words(&directive.value))
        .unwrap_or_default();
    if program.is_empty() {
        reading.report.note(
            line,
            "checktype",
            "external without checkcommand runs /bin/true, so nothing is checked",
        );
        return Kind::None;
    }
    Kind::External(program)
}

/// The check of one server; `None` without one.
pub(super) fn check(
    service: &Virtual,
    target: Target,
    (address, port): (IpAddr, Option<u16>),
    own: &Texts<'_>,
    monitoring: &Monitoring,
    reading: &mut Reading<'_>,
) -> Option<Block> {
    let udp = matches!(target, Target::Address(_, _, Protocol::Udp));
    let mut timing = monitoring.timing.clone();
    let known_port = port.or(timing.port);
    let check = match &monitoring.kind {
        Kind::None => return None,
        Kind::Ping => Check::Ping,
        Kind::Connect if udp => {
            reading.report.once(
                "connect",
                Some(own.line),
                crate::Severity::Changed,
                "a UDP service cannot be checked by connecting; the server is pinged",
            );
            Check::Ping
        }
        Kind::Connect => Check::Tcp,
        Kind::External(program) => {
            let (virtual_address, virtual_port) = match target {
                Target::Address(address, port, _) => (address.to_string(), port),
                Target::Mark(mark, _) => (mark.to_string(), 0),
            };
            let mut words = program.clone();
            let port = monitoring.timing.port.or(port).unwrap_or_default();
            words.extend([
                virtual_address,
                virtual_port.to_string(),
                address.to_string(),
                port.to_string(),
            ]);
            Check::Misc(words)
        }
        Kind::Negotiate(name) => negotiate(name, service, own, &mut timing, udp, reading),
    };
    if known_port.is_none_or(|port| port == 0) && !matches!(check, Check::Ping | Check::Misc(_)) {
        reading.report.changed(
            own.line,
            "real",
            "there is no port to check (write checkport); the server is pinged",
        );
        return Check::Ping.block(&timing);
    }
    let block = check.block(&timing);
    if block.is_none() {
        reading.report.changed(
            own.line,
            "request",
            "the text has characters that keepalived.conf cannot hold; the port is checked instead",
        );
        return Check::Tcp.block(&timing);
    }
    block
}

fn negotiate(
    name: &str,
    service: &Virtual,
    own: &Texts<'_>,
    timing: &mut Timing,
    udp: bool,
    reading: &mut Reading<'_>,
) -> Check {
    let of = |key: &str, text: Option<&str>, reading: &Reading<'_>| {
        text.map(str::to_owned).or_else(|| {
            reading
                .of(service, key)
                .map(|directive| directive.value.clone())
        })
    };
    let request = of("request", own.request, reading);
    let receive = of("receive", own.receive, reading).filter(|text| !text.is_empty());
    let line = reading
        .of(service, "service")
        .map_or(service.line, |directive| directive.line);
    match name {
        "http" | "https" => {
            if let Some(method) = reading
                .of(service, "httpmethod")
                .filter(|d| !d.value.eq_ignore_ascii_case("GET"))
            {
                let (line, value) = (method.line, method.value.clone());
                reading
                    .report
                    .changed(line, "httpmethod", format!("{value}: GET is sent instead"));
            }
            let host = reading
                .of(service, "virtualhost")
                .map(|directive| directive.value.clone());
            let mut http = Http {
                tls: name == "https",
                host,
                regex: receive,
                ..Http::default()
            };
            http.path = path(request.as_deref().unwrap_or("/"), &mut http, timing);
            Check::Http(http)
        }
        "smtp" | "submission" => {
            if receive.is_some() || request.is_some() {
                reading.report.changed(line, name, "the dialogue is HELO and QUIT with good answers; request and receive are not used");
            }
            Check::Smtp
        }
        "dns" => {
            if receive.is_some() {
                reading.report.changed(
                    line,
                    "receive",
                    "any answer to the DNS query counts, its content is not looked at",
                );
            }
            Check::Dns {
                kind: "A",
                name: request,
            }
        }
        "simpletcp" if udp => Check::Udp {
            send: decoded(&request.unwrap_or_default()),
            expect: Vec::new(),
        },
        "simpletcp" if !reading.only_keepalived => {
            let sent = request.map(|request| Turn::Send(decoded(&request)));
            let turns: Vec<Turn> = sent.into_iter().chain(receive.map(Turn::Expect)).collect();
            if turns.is_empty() {
                Check::Tcp
            } else {
                Check::Talk { tls: false, turns }
            }
        }
        "ftp" | "pop" | "pops" | "imap" | "imaps" | "nntp" if !udp && !reading.only_keepalived => {
            reading.report.changed(line, "service", format!("{name}: the greeting of the server is checked, nobody logs in and nothing is fetched; checktype=external with a script of your own does more"));
            let (greeting, farewell) = match name {
                "ftp" => ("^220", "QUIT\r\n"),
                "nntp" => ("^20[01]", "QUIT\r\n"),
                "pop" | "pops" => (r"^\+OK", "QUIT\r\n"),
                _ => (r"^\* (OK|PREAUTH)", "a LOGOUT\r\n"),
            };
            Check::Talk {
                tls: name.ends_with('s'),
                turns: vec![
                    Turn::Expect(greeting.to_owned()),
                    Turn::Send(farewell.into()),
                ],
            }
        }
        "none" if udp => Check::Ping,
        "none" => Check::Tcp,
        other => {
            reading.report.changed(line, "service", format!("there is no dialogue for {other}: it is only checked that the port answers; checktype=external with a script of your own does more"));
            if udp { Check::Ping } else { Check::Tcp }
        }
    }
}

/// The path of a request, which may be a whole URL with another host and port.
fn path(request: &str, http: &mut Http, timing: &mut Timing) -> String {
    let Some((scheme, rest)) = request.split_once("://") else {
        return if request.starts_with('/') {
            request.to_owned()
        } else {
            format!("/{request}")
        };
    };
    http.tls = scheme.eq_ignore_ascii_case("https");
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = crate::names::split(authority);
    if let Some(port) = port.and_then(|port| port.parse().ok()) {
        timing.port = Some(port);
    }
    match host.parse::<IpAddr>() {
        Ok(address) => timing.address = Some(address),
        Err(_) => http.host = http.host.take().or_else(|| Some(host.to_owned())),
    }
    format!("/{path}")
}

/// `\n` and the like in a text to send.
fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let decoded = match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        };
        out.extend(decoded.to_string().bytes());
    }
    out
}

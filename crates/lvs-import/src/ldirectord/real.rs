//! Real servers: `real=` with its ranges.

use super::convert::Reading;
use super::file::{Directive, Virtual};
use crate::names;
use crate::parts::Target;
use std::net::{IpAddr, Ipv4Addr};

/// Servers that a range may name.
const RANGE: u32 = 4096;

/// A real server as the file names it.
pub(super) struct Real {
    pub(super) line: u32,
    pub(super) address: IpAddr,
    pub(super) port: Option<u16>,
    pub(super) method: &'static str,
    pub(super) weight: u32,
    pub(super) lower: Option<u32>,
    pub(super) upper: Option<u32>,
    pub(super) request: Option<String>,
    pub(super) receive: Option<String>,
}

pub(super) fn reals(service: &Virtual, target: Target, reading: &mut Reading<'_>) -> Vec<Real> {
    let mut reals: Vec<Real> = Vec::new();
    for directive in service
        .directives
        .iter()
        .filter(|d| d.key == "real" || d.key == "real6")
    {
        for real in real(directive, target, reading) {
            match reals
                .iter()
                .find(|known| (known.address, known.port) == (real.address, real.port))
            {
                Some(known) => {
                    let message = format!(
                        "{} is named in line {} already, this one is left out",
                        real.address, known.line
                    );
                    reading.report.mistake(directive.line, "real", message);
                }
                None => reals.push(real),
            }
        }
    }
    if reals.is_empty() {
        reading.report.mistake(
            service.line,
            &service.name,
            "the service has no real server",
        );
    }
    reals
}

/// The servers of one line: a range is several.
fn real(directive: &Directive, target: Target, reading: &mut Reading<'_>) -> Vec<Real> {
    let Directive { line, key, value } = directive;
    let mut texts = quoted_texts(value).into_iter();
    let plain: String = value
        .split('"')
        .step_by(2)
        .collect::<Vec<_>>()
        .join(" ")
        .replace(',', " ");
    let mut fields = plain.split_whitespace();
    let name = fields.next().unwrap_or_default();
    let (from, to) = match name.split_once("->") {
        Some((from, to)) => (from, Some(to)),
        None => (name, None),
    };
    let (host, port) = names::split(to.unwrap_or(from));
    let protocol = if let Target::Address(_, _, protocol) = target {
        protocol.name()
    } else {
        "tcp"
    };
    let port = match port {
        None => None,
        Some(text) => match names::port(text, protocol, reading.names) {
            Some(port) => Some(port),
            None => {
                reading
                    .report
                    .mistake(*line, key, format!("port `{text}` is not known here"));
                return Vec::new();
            }
        },
    };
    let first = names::split(from).0;
    let last = if to.is_some() { host } else { first };
    let v6 = target.is_v6();
    let (Some(first), Some(last)) = (
        names::host(first, v6, reading.names),
        names::host(last, v6, reading.names),
    ) else {
        reading.report.mistake(
            *line,
            key,
            format!("host `{name}` is not known here; write its address"),
        );
        return Vec::new();
    };
    let mut real = Real {
        line: *line,
        address: first,
        port,
        method: "DR",
        weight: 1,
        lower: None,
        upper: None,
        request: texts.next(),
        receive: texts.next(),
    };
    for field in fields {
        match field {
            "gate" => real.method = "DR",
            "masq" => real.method = "NAT",
            "ipip" => real.method = "TUN",
            other => {
                let (place, number) = match other.split_at_checked(2) {
                    Some(("l:", number)) => (&mut real.lower, number),
                    Some(("u:", number)) => (&mut real.upper, number),
                    _ => {
                        match other.parse() {
                            Ok(weight) => real.weight = weight,
                            Err(_) => reading.report.mistake(
                                *line,
                                key,
                                format!("`{other}` is not understood"),
                            ),
                        }
                        continue;
                    }
                };
                *place = number.parse().ok();
            }
        }
    }
    if real.method != "NAT"
        && let Target::Address(_, virtual_port, _) = target
        && real
            .port
            .is_some_and(|port| port != virtual_port && port != 0)
    {
        reading.report.note(
            *line,
            key,
            format!("without masq the port is always the service's, {virtual_port}"),
        );
    }
    real.port = match (target, real.method) {
        (Target::Address(_, port, _), "NAT") => real.port.filter(|port| *port != 0).or(Some(port)),
        (Target::Address(_, port, _), _) => Some(port),
        (Target::Mark(..), "NAT") => real.port,
        (Target::Mark(..), _) => None,
    };
    range(real, last, *line, reading)
}

fn range(real: Real, last: IpAddr, line: u32, reading: &mut Reading<'_>) -> Vec<Real> {
    let (IpAddr::V4(from), IpAddr::V4(to)) = (real.address, last) else {
        if real.address != last {
            reading
                .report
                .mistake(line, "real", "ranges are possible with IPv4 only");
        }
        return vec![real];
    };
    let (from, to) = (u32::from(from), u32::from(to));
    if to < from || to.wrapping_sub(from) >= RANGE {
        reading.report.mistake(
            line,
            "real",
            format!("the range is empty or longer than {RANGE} servers"),
        );
        return Vec::new();
    }
    (from..=to)
        .map(|address| Real {
            address: Ipv4Addr::from(address).into(),
            request: real.request.clone(),
            receive: real.receive.clone(),
            ..real
        })
        .collect()
}

fn quoted_texts(value: &str) -> Vec<String> {
    value
        .split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

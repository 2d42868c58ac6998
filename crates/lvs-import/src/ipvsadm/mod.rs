//! What `ipvsadm -S` prints, and lines written by hand in the same form.

mod line;

use crate::Options;
use crate::block::{Block, Configuration};
use crate::names::{self, Names};
use crate::parts::{self, Check, Protocol, Target, Timing, is_scheduler};
use crate::report::{Report, Severity};
use crate::vrrp::{self, is_device};
use line::{Line, read};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A service with what has been read of it.
struct Service {
    target: Target,
    block: Block,
    method: Option<&'static str>,
    servers: Vec<Server>,
}

struct Server {
    line: u32,
    address: IpAddr,
    port: Option<u16>,
    method: &'static str,
    block: Block,
}

pub(crate) fn import(
    text: &str,
    options: &Options,
    names: &dyn Names,
    report: &mut Report,
) -> Configuration {
    let mut configuration = Configuration::default();
    let mut services: Vec<Service> = Vec::new();
    let mut index: BTreeMap<Target, usize> = BTreeMap::new();
    for (line, number) in text.lines().zip(1_u32..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some(line) = read(line, number, options, &mut configuration, report) else {
            continue;
        };
        match line.command.as_str() {
            "-A" | "--add-service" | "-E" | "--edit-service" => {
                let Some(service) = service(&line, names, report) else {
                    continue;
                };
                match index
                    .get(&service.target)
                    .and_then(|at| services.get_mut(*at))
                {
                    Some(before) => {
                        if line.command != "-E" && line.command != "--edit-service" {
                            report.mistake(
                                number,
                                &service.target.text(),
                                "the service is defined twice; the later line counts",
                            );
                        }
                        before.block = service.block;
                    }
                    None => {
                        index.insert(service.target, services.len());
                        services.push(service);
                    }
                }
            }
            "-a" | "--add-server" | "-e" | "--edit-server" => {
                let Some(target) = target(&line, names, report) else {
                    continue;
                };
                let Some(service) = index.get(&target).and_then(|at| services.get_mut(*at)) else {
                    report.mistake(
                        number,
                        &target.text(),
                        "no service of that name is defined above, the server is left out",
                    );
                    continue;
                };
                if let Some(server) = server(&line, target, names, report) {
                    add(service, server, report);
                }
            }
            _ => {}
        }
    }
    for service in services {
        configuration
            .services
            .push(finish(service, options, report));
    }
    hold(&index, &mut configuration, options, report);
    configuration
}

fn target(line: &Line, names: &dyn Names, report: &mut Report) -> Option<Target> {
    let named = [
        ("tcp-service", Protocol::Tcp),
        ("udp-service", Protocol::Udp),
        ("sctp-service", Protocol::Sctp),
    ];
    for (option, protocol) in named {
        let Some(text) = line.options.get(option) else {
            continue;
        };
        let (host, port) = names::split(text);
        let Some(address) = names::host(host, text.starts_with('['), names) else {
            report.mistake(
                line.number,
                host,
                "this name is not known here; use the output of `ipvsadm -S -n`",
            );
            return None;
        };
        let port = match port {
            None => 0,
            Some(port) => match names::port(port, protocol.name(), names) {
                Some(port) => port,
                None => {
                    report.mistake(
                        line.number,
                        port,
                        "this service is not known here; use the output of `ipvsadm -S -n`",
                    );
                    return None;
                }
            },
        };
        return Some(Target::Address(address, port, protocol));
    }
    if let Some(mark) = line.options.get("fwmark-service") {
        let Some(mark) = mark.parse().ok().filter(|mark| *mark > 0) else {
            report.mistake(line.number, mark, "no firewall mark: a number from 1");
            return None;
        };
        return Some(Target::Mark(mark, line.options.contains_key("ipv6")));
    }
    report.mistake(
        line.number,
        &line.command,
        "the line names no service (-t, -u, --sctp-service or -f)",
    );
    None
}

fn service(line: &Line, names: &dyn Names, report: &mut Report) -> Option<Service> {
    let target = target(line, names, report)?;
    let mut block = target.block();
    let get = |name: &str| line.options.get(name);
    let scheduler = get("scheduler").map_or("wlc", String::as_str);
    if is_scheduler(scheduler) {
        block.line(format!("lb_algo {scheduler}"));
    } else {
        report.changed(
            line.number,
            scheduler,
            "keepalived.conf knows no such scheduler, wlc is written",
        );
        block.line("lb_algo wlc");
    }
    if let Some(flags) = get("sched-flags") {
        for flag in flags.split(',') {
            if matches!(
                flag,
                "sh-port"
                    | "sh-fallback"
                    | "mh-port"
                    | "mh-fallback"
                    | "flag-1"
                    | "flag-2"
                    | "flag-3"
            ) {
                block.line(flag);
            } else {
                report.lost(line.number, flag, "keepalived.conf knows no such flag");
            }
        }
    }
    if let Some(time) = get("persistent") {
        let time = if time.is_empty() { "300" } else { time };
        match time.parse::<u32>() {
            Ok(time) if (1..=2_678_400).contains(&time) => {
                block.line(format!("persistence_timeout {time}"));
            }
            _ => report.mistake(
                line.number,
                time,
                "no persistence time: 1 to 2678400 seconds",
            ),
        }
    }
    if let Some(mask) = get("netmask") {
        if parts::prefix_length(mask).is_some()
            || mask.parse::<u8>().is_ok_and(|n| (1..=128).contains(&n))
        {
            block.line(format!("persistence_granularity {mask}"));
        } else {
            report.mistake(line.number, mask, "no network mask");
        }
    }
    if let Some(engine) = get("pe") {
        if is_device(engine) {
            block.line(format!("persistence_engine {engine}"));
        } else {
            report.mistake(line.number, engine, "no name of a persistence engine");
        }
    }
    if get("ops").is_some() {
        block.line("ops");
    }
    Some(Service {
        target,
        block,
        method: None,
        servers: Vec::new(),
    })
}

fn server(line: &Line, target: Target, names: &dyn Names, report: &mut Report) -> Option<Server> {
    let get = |name: &str| line.options.get(name);
    let Some(text) = get("real-server") else {
        report.mistake(line.number, &line.command, "the line names no server (-r)");
        return None;
    };
    let (host, port) = names::split(text);
    let protocol = if let Target::Address(_, _, protocol) = target {
        protocol
    } else {
        Protocol::Tcp
    };
    let Some(address) = names::host(host, target.is_v6(), names) else {
        report.mistake(
            line.number,
            host,
            "this name is not known here; use the output of `ipvsadm -S -n`",
        );
        return None;
    };
    let port = match port {
        None => None,
        Some(text) => match names::port(text, protocol.name(), names) {
            Some(port) => Some(port),
            None => {
                report.mistake(
                    line.number,
                    text,
                    "this service is not known here; use the output of `ipvsadm -S -n`",
                );
                return None;
            }
        },
    };
    let method = if get("masquerading").is_some() {
        "NAT"
    } else if get("ipip").is_some() {
        "TUN"
    } else {
        "DR"
    };
    let mut block = parts::server(
        address,
        port.or(match target {
            Target::Address(_, port, _) => Some(port),
            Target::Mark(..) => None,
        }),
    );
    for (name, keyword, most) in [
        ("weight", "weight", 2_147_483_647),
        ("u-threshold", "uthreshold", u32::MAX),
        ("l-threshold", "lthreshold", u32::MAX),
    ] {
        let Some(value) = get(name) else { continue };
        match value.parse::<u32>() {
            Ok(value) if value <= most => block.line(format!("{keyword} {value}")),
            _ => report.mistake(line.number, value, format!("no {name}")),
        }
    }
    if get("weight").is_some_and(|weight| weight == "0") {
        report.note(
            line.number,
            text,
            "has weight 0 now, and keeps it: no new connections",
        );
    }
    if method == "TUN"
        && let Some(tunnel) = tunnel(line, report)
    {
        block.line(tunnel);
    }
    Some(Server {
        line: line.number,
        address,
        port,
        method,
        block,
    })
}

/// `lvs_method` of a server in a tunnel that is not plain IPIP.
fn tunnel(line: &Line, report: &mut Report) -> Option<String> {
    let get = |name: &str| line.options.get(name);
    let kind = get("tun-type").map_or("ipip", String::as_str);
    if !matches!(kind, "ipip" | "gue" | "gre") {
        report.mistake(line.number, kind, "no tunnel type: ipip, gue or gre");
        return None;
    }
    let mut text = format!("lvs_method TUN type {kind}");
    if let Some(port) = get("tun-port").filter(|_| kind == "gue") {
        match port.parse::<u16>() {
            Ok(port) if port > 0 => text.push_str(&format!(" port {port}")),
            _ => report.mistake(line.number, port, "no port"),
        }
    }
    for (option, word) in [
        ("tun-nocsum", "nocsum"),
        ("tun-csum", "csum"),
        ("tun-remcsum", "remcsum"),
    ] {
        if get(option).is_some() && kind != "ipip" {
            text.push_str(&format!(" {word}"));
        }
    }
    (kind != "ipip").then_some(text)
}

fn add(service: &mut Service, mut server: Server, report: &mut Report) {
    if let Some(at) = service
        .servers
        .iter()
        .position(|known| known.address == server.address && known.port == server.port)
    {
        report.note(
            server.line,
            &server.address.to_string(),
            "named twice; the later line counts",
        );
        service.servers.remove(at);
    }
    match service.method {
        None => service.method = Some(server.method),
        Some(method) if method != server.method && !has_method(&server.block) => {
            server.block.items.insert(
                0,
                crate::block::Item::Line(format!("lvs_method {}", server.method)),
            );
        }
        Some(_) => {}
    }
    service.servers.push(server);
}

fn has_method(block: &Block) -> bool {
    block.items.iter().any(
        |item| matches!(item, crate::block::Item::Line(line) if line.starts_with("lvs_method ")),
    )
}

fn finish(service: Service, options: &Options, report: &mut Report) -> Block {
    let Service {
        target,
        mut block,
        method,
        servers,
    } = service;
    block.line(format!("lb_kind {}", method.unwrap_or("DR")));
    let checked = match target {
        Target::Address(_, port, Protocol::Tcp) => options.add_checks && port != 0,
        _ => false,
    };
    if checked {
        block.line("delay_loop 6");
    }
    for server in servers {
        let mut real = server.block;
        if checked {
            let timing = Timing {
                timeout: Some(3),
                failures: 2,
                pause: Some(1),
                ..Timing::default()
            };
            if let Some(check) = Check::Tcp.block(&timing) {
                real.block(check);
            }
            report.once("TCP_CHECK", Some(server.line), Severity::Assumed, "ipvsadm knows no checks; every TCP server gets one that connects every 6 s: a server that does not answer leaves the table");
        } else {
            report.once("no check", Some(server.line), Severity::Note, "servers of UDP, SCTP, firewall marks and port 0 are written without a check: they stay in the table whatever happens to them");
        }
        block.block(real);
    }
    block
}

/// The instance that holds the addresses, if an interface is given.
fn hold(
    index: &BTreeMap<Target, usize>,
    configuration: &mut Configuration,
    options: &Options,
    report: &mut Report,
) {
    let mut addresses: Vec<IpAddr> = index
        .keys()
        .filter_map(|target| match target {
            Target::Address(address, ..) => Some(*address),
            Target::Mark(..) => None,
        })
        .collect();
    addresses.dedup();
    vrrp::hold_addresses(&addresses, configuration, options, report);
}

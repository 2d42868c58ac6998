//! From directives to blocks.

use super::check::{self, Monitoring};
use super::file::{self, Directive, File, Virtual};
use super::real::{Real, reals};
use crate::Options;
use crate::block::{Block, Configuration, Item};
use crate::names::{self, Names};
use crate::parts::{self, Protocol, Target, command, is_scheduler, word, words};
use crate::report::{Report, Severity};
use crate::vrrp::hold_addresses;
use std::collections::BTreeMap;

/// The file and what everything in it needs.
pub(super) struct Reading<'a> {
    pub(super) names: &'a dyn Names,
    pub(super) report: &'a mut Report,
    pub(super) global: BTreeMap<String, Directive>,
    pub(super) only_keepalived: bool,
}

impl Reading<'_> {
    /// The directive of the service, else the global one.
    pub(super) fn of<'s>(&'s self, service: &'s Virtual, key: &str) -> Option<&'s Directive> {
        last(&service.directives, key).or_else(|| self.global.get(key))
    }

    /// A number from 1, with what is wrong reported.
    pub(super) fn number(&mut self, service: &Virtual, key: &str) -> Option<u32> {
        let directive = self.of(service, key)?.clone();
        self.seconds(&directive)
    }

    fn seconds(&mut self, directive: &Directive) -> Option<u32> {
        match directive.value.parse::<u32>() {
            Ok(number) if number > 0 => Some(number),
            _ => {
                self.report.mistake(
                    directive.line,
                    &directive.key,
                    format!("`{}` is no number from 1", directive.value),
                );
                None
            }
        }
    }

    pub(super) fn yes(&mut self, service: Option<&Virtual>, key: &str) -> bool {
        let directive = match service {
            Some(service) => self.of(service, key),
            None => self.global.get(key),
        };
        match directive.map(|directive| (directive.line, directive.value.as_str())) {
            Some((_, "yes")) => true,
            Some((_, "no")) | None => false,
            Some((line, other)) => {
                let message = format!("`{other}` is neither yes nor no");
                self.report.mistake(line, key, message);
                false
            }
        }
    }
}

fn last<'d>(directives: &'d [Directive], key: &str) -> Option<&'d Directive> {
    directives
        .iter()
        .rev()
        .find(|directive| directive.key == key)
}

pub(crate) fn import(
    text: &str,
    options: &Options,
    names: &dyn Names,
    report: &mut Report,
) -> Configuration {
    let File { global, services } = file::read(text, report);
    let mut configuration = Configuration::default();
    let mut map = BTreeMap::new();
    for directive in global {
        // `execute` names another file each time.
        if directive.key == "execute" {
            report.lost(
                directive.line,
                "execute",
                format!("import {} as well, and include the result", directive.value),
            );
        }
        map.insert(directive.key.clone(), directive);
    }
    let mut reading = Reading {
        names,
        report,
        global: map,
        only_keepalived: options.only_keepalived,
    };
    globals(&mut reading, &mut configuration);
    let mut seen: BTreeMap<Target, u32> = BTreeMap::new();
    let mut addresses = Vec::new();
    for service in &services {
        let Some(target) = target(service, &mut reading) else {
            continue;
        };
        if let Some(before) = seen.get(&target) {
            reading.report.mistake(service.line, &service.name, format!("the same service as in line {before}, which ldirectord refuses; this one is left out"));
            continue;
        }
        seen.insert(target, service.line);
        if let Target::Address(address, ..) = target
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
        let block = self::service(service, target, &mut reading);
        configuration.services.push(block);
    }
    if services.is_empty() {
        reading.report.add(
            None,
            Severity::Mistake,
            "virtual",
            "the file has no virtual service",
        );
    }
    if reading.global.contains_key("fallbackcommand")
        || services.iter().any(|service| {
            service
                .directives
                .iter()
                .any(|d| matches!(d.key.as_str(), "checkcommand" | "fallbackcommand"))
        })
    {
        configuration.global("script_user root");
        reading.report.add(None, Severity::Assumed, "script_user", "ldirectord runs its commands as root, so root is written; a user of their own is safer");
    }
    hold_addresses(&addresses, &mut configuration, options, reading.report);
    configuration
}

/// Directives that concern the program, not a service.
fn globals(reading: &mut Reading<'_>, configuration: &mut Configuration) {
    let global: Vec<Directive> = reading.global.values().cloned().collect();
    for Directive { line, key, value } in &global {
        let line = *line;
        match key.as_str() {
            "autoreload" if value == "yes" => reading.report.lost(line, key, "a changed file is not read by itself; run `systemctl reload director` after `director check`"),
            "callback" => reading.report.lost(line, key, "no program is run when the file changes"),
            "logfile" => reading.report.changed(line, key, "the log goes to the journal or to syslog (`--log-facility`), not to a file of its own"),
            "supervised" => reading.report.note(line, key, "`director run` always stays in the foreground"),
            "fork" => reading.report.note(line, key, "not needed: checks run side by side and none delays another"),
            "checkcount" => reading.report.lost(line, key, "deprecated there; failurecount counts failures of all checks"),
            "cleanstop" if value == "no" => reading.report.lost(line, key, "at a stop the director removes its services; run it with `--dont-release-ipvs` under the name keepalived to keep them"),
            "maintenancedir" => reading.report.changed(line, key, format!("start the director with `--maintenance-dir {value}`; `director drain` does the same with a reason and a deadline")),
            "readdquiescent" => reading.report.note(line, key, "not needed: a server that has not passed its check gets no connections"),
            "emailalert" => mail(value, &global, configuration),
            "emailalertfreq" => reading.report.lost(line, key, "a mail is sent when something changes, not repeatedly"),
            "emailalertstatus" => reading.report.lost(line, key, "mails tell of every change of servers and services; none can be chosen by kind"),
            _ => {}
        }
    }
    if !reading.global.contains_key("quiescent") {
        reading.report.add(None, Severity::Assumed, "quiescent", "the file does not say it; the program's own default (no: failed servers leave the table) is taken, though its manual says yes");
    }
}

fn mail(to: &str, global: &[Directive], configuration: &mut Configuration) {
    let list: Vec<String> = to.split(',').map(str::trim).filter_map(word).collect();
    if list.is_empty() {
        return;
    }
    let mut to = Block::new("notification_email");
    for one in list {
        to.line(one);
    }
    configuration.global.push(Item::Block(to));
    let get = |key: &str| last(global, key).and_then(|directive| word(&directive.value));
    if let Some(from) = get("emailalertfrom") {
        configuration.global(format!("notification_email_from {from}"));
    }
    configuration.global(format!(
        "smtp_server {}",
        get("smtp").unwrap_or_else(|| "127.0.0.1".to_owned())
    ));
    configuration.global("smtp_alert_checker true".to_owned());
}

fn target(service: &Virtual, reading: &mut Reading<'_>) -> Option<Target> {
    if let Ok(mark) = service.name.parse::<u32>() {
        if mark == 0 {
            reading
                .report
                .mistake(service.line, "virtual", "0 is no firewall mark");
            return None;
        }
        return Some(Target::Mark(mark, service.v6));
    }
    let (host, port) = names::split(&service.name);
    let Some(address) = names::host(host, service.v6, reading.names) else {
        reading.report.mistake(
            service.line,
            &service.name,
            "this host is not known here; write its address",
        );
        return None;
    };
    if address.is_ipv6() != service.v6 {
        reading.report.mistake(
            service.line,
            &service.name,
            "address of the other family: `virtual` is IPv4, `virtual6` IPv6",
        );
    }
    let written = last(&service.directives, "protocol")
        .map(|directive| (directive.line, directive.value.clone()));
    let guess = if matches!(port, Some("53" | "domain")) {
        Protocol::Udp
    } else {
        Protocol::Tcp
    };
    let protocol = match written
        .as_ref()
        .map(|(line, value)| (*line, value.as_str()))
    {
        None => guess,
        Some((_, "tcp")) => Protocol::Tcp,
        Some((_, "udp")) => Protocol::Udp,
        Some((line, other)) => {
            reading.report.mistake(
                line,
                "protocol",
                format!(
                    "`{other}` is not possible with an address, {} is taken",
                    guess.name()
                ),
            );
            guess
        }
    };
    let Some(port) = port.and_then(|port| names::port(port, protocol.name(), reading.names)) else {
        reading.report.mistake(
            service.line,
            &service.name,
            "a virtual service needs a port: a number or a service known here",
        );
        return None;
    };
    Some(Target::Address(address, port, protocol))
}

fn service(service: &Virtual, target: Target, reading: &mut Reading<'_>) -> Block {
    let mut block = target.block();
    block.comment = describe(service);
    let get = |key: &str| last(&service.directives, key);
    let scheduler = get("scheduler");
    let name = scheduler.map_or("wrr", |directive| directive.value.as_str());
    if is_scheduler(name) {
        block.line(format!("lb_algo {name}"));
    } else {
        let line = scheduler.map_or(service.line, |directive| directive.line);
        reading.report.changed(
            line,
            name,
            "keepalived.conf knows no such scheduler, wlc is written",
        );
        block.line("lb_algo wlc");
    }
    if let Some(flags) = get("schedflags") {
        for flag in flags.value.split(',') {
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
                reading
                    .report
                    .lost(flags.line, flag, "keepalived.conf knows no such flag");
            }
        }
    }
    let reals = reals(service, target, reading);
    let method = reals.first().map_or("DR", |real| real.method);
    block.line(format!("lb_kind {method}"));
    if let Some(directive) = get("persistent").cloned()
        && let Some(time) = reading.seconds(&directive)
    {
        block.line(format!("persistence_timeout {}", time.min(2_678_400)));
    }
    if let Some(mask) = get("netmask") {
        let fits = parts::prefix_length(&mask.value).is_some()
            || mask
                .value
                .parse::<u8>()
                .is_ok_and(|n| (1..=128).contains(&n));
        match fits {
            true if get("persistent").is_some() => {
                block.line(format!("persistence_granularity {}", mask.value));
            }
            true => reading.report.note(
                mask.line,
                "netmask",
                "without effect: the service is not persistent",
            ),
            false => reading.report.mistake(
                mask.line,
                "netmask",
                format!("`{}` is no network mask", mask.value),
            ),
        }
    }
    if get("ops").is_some_and(|ops| ops.value == "yes") {
        block.line("ops");
    }
    let monitoring = check::monitoring(service, target, reading);
    if monitoring.checked {
        block.line(format!("delay_loop {}", monitoring.interval));
        block.line("alpha");
    }
    if reading.yes(Some(service), "quiescent") {
        block.line("inhibit_on_failure");
    }
    fallback(service, target, method, reading, &mut block);
    for real in &reals {
        block.block(server(real, method, service, target, &monitoring, reading));
    }
    for key in [
        "monitorfile",
        "load",
        "checkcount",
        "cleanstop",
        "emailalertfreq",
        "emailalertstatus",
        "emailalert",
        "emailalertfrom",
        "smtp",
    ] {
        if let Some(directive) = get(key) {
            let why = match key {
                "monitorfile" => "every verdict is in the log with its reason",
                "load" => "it has no effect there either",
                "checkcount" => "deprecated there; failurecount counts failures of all checks",
                "cleanstop" => "services cannot be kept at a stop one by one",
                _ => "mail is set for the whole file, not for a service",
            };
            reading.report.lost(directive.line, key, why);
        }
    }
    block
}

/// The comment of a service: its name and its comment.
fn describe(service: &Virtual) -> Option<String> {
    let texts: Vec<&str> = ["servicename", "comment"]
        .iter()
        .filter_map(|key| last(&service.directives, key))
        .map(|directive| directive.value.as_str())
        .collect();
    (!texts.is_empty()).then(|| texts.join(": "))
}

fn server(
    real: &Real,
    method: &str,
    service: &Virtual,
    target: Target,
    monitoring: &Monitoring,
    reading: &mut Reading<'_>,
) -> Block {
    let mut block = parts::server(real.address, real.port);
    if real.method != method {
        block.line(format!("lvs_method {}", real.method));
    }
    block.line(format!("weight {}", real.weight));
    if let Some(upper) = real.upper {
        block.line(format!("uthreshold {upper}"));
    }
    if let Some(lower) = real.lower {
        block.line(format!("lthreshold {lower}"));
    }
    let own = check::Texts {
        line: real.line,
        request: real.request.as_deref(),
        receive: real.receive.as_deref(),
    };
    if let Some(check) = check::check(
        service,
        target,
        (real.address, real.port),
        &own,
        monitoring,
        reading,
    ) {
        block.block(check);
    }
    if monitoring.off {
        block.disabled = true;
    }
    block
}

fn fallback(
    service: &Virtual,
    target: Target,
    method: &str,
    reading: &mut Reading<'_>,
    block: &mut Block,
) {
    let key = if target.is_v6() {
        "fallback6"
    } else {
        "fallback"
    };
    // Within a service both names are taken.
    let directive = last(&service.directives, key)
        .or_else(|| last(&service.directives, "fallback"))
        .or_else(|| reading.global.get(key))
        .cloned();
    if let Some(Directive { line, value, .. }) = directive {
        let mut fields = value.split_whitespace();
        let (host, port) = names::split(fields.next().unwrap_or_default());
        let kind = match fields.next() {
            None | Some("gate") => "DR",
            Some("masq") => "NAT",
            Some("ipip") => "TUN",
            Some(other) => {
                reading
                    .report
                    .mistake(line, key, format!("`{other}` is no forwarding method"));
                "DR"
            }
        };
        let virtual_port = if let Target::Address(_, port, _) = target {
            Some(port)
        } else {
            None
        };
        let port = port.and_then(|port| names::port(port, "tcp", reading.names));
        match names::host(host, target.is_v6(), reading.names) {
            Some(address) => {
                // Without NAT the port is always the service's.
                let port = if kind == "NAT" {
                    port.or(virtual_port)
                } else {
                    virtual_port
                };
                block.line(parts::sorry(address, port));
                if kind != method {
                    block.line(format!("sorry_server_lvs_method {kind}"));
                }
            }
            None => reading.report.mistake(
                line,
                key,
                format!("host `{host}` is not known here; write its address"),
            ),
        }
    }
    let Some(Directive { line, value, .. }) = reading.of(service, "fallbackcommand").cloned()
    else {
        return;
    };
    let program = words(&value);
    if program.is_empty() {
        return;
    }
    let protocol = if let Target::Address(_, _, protocol) = target {
        protocol.name()
    } else {
        "fwm"
    };
    for (keyword, word) in [("quorum_up", "stop"), ("quorum_down", "start")] {
        let mut words = program.clone();
        words.extend([word.to_owned(), target.text(), protocol.to_owned()]);
        block.line(format!("{keyword} {}", command(&words)));
    }
    reading.report.changed(line, "fallbackcommand", "runs at quorum_down with `start` and at quorum_up with `stop`, also once at the start when the first server is found up");
}

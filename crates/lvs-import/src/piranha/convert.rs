//! From statements to blocks.

use super::file::{self, Section};
use super::monitor::{self, Monitor};
use crate::Options;
use crate::block::{Block, Configuration};
use crate::names::{self, Names};
use crate::parts::{self, Check, Protocol, Target, Timing, is_scheduler};
use crate::report::{Report, Severity};
use crate::vrrp::{VirtualAddress, is_device};
use std::net::IpAddr;

/// The file and what everything in it needs.
pub(super) struct Reading<'a> {
    pub(super) options: &'a Options,
    pub(super) names: &'a dyn Names,
    pub(super) report: &'a mut Report,
    pub(super) global: Section,
    /// Programs are run, so somebody must run them.
    pub(super) scripts: bool,
}

pub(crate) fn import(
    text: &str,
    options: &Options,
    names: &dyn Names,
    report: &mut Report,
) -> Configuration {
    let (global, blocks) = file::read(text, report);
    let mut reading = Reading {
        options,
        names,
        report,
        global,
        scripts: false,
    };
    let mut configuration = Configuration::default();
    reading.unneeded();
    let method = reading.method();
    let mut addresses: Vec<VirtualAddress> = Vec::new();
    for block in &blocks {
        if block.kind == "failover" {
            let message = "services of this node itself are not started and stopped; write notify_master and notify_backup scripts in a vrrp_instance that holds its address";
            reading
                .report
                .lost(block.line, &format!("failover {}", block.name), message);
            continue;
        }
        let active = block.yes("active", reading.report).unwrap_or(false);
        if !active {
            reading.report.note(
                block.line,
                &format!("virtual {}", block.name),
                "not active there, so it is written commented out",
            );
        }
        if let Some(address) = reading.virtual_address(block)
            && active
            && !addresses
                .iter()
                .any(|known| known.address == address.address)
        {
            addresses.push(address);
        }
        if let Some(mut service) = reading.service(block, method) {
            service.disabled = !active;
            configuration.services.push(service);
        }
    }
    if method == "NAT"
        && let Some(router) = reading.nat_router()
    {
        addresses.push(router);
    }
    let instance = reading.instance(addresses);
    reading.globals(&mut configuration, !instance.is_empty());
    configuration.instances = instance;
    if blocks.is_empty() {
        reading.report.add(
            None,
            Severity::Mistake,
            "virtual",
            "the file has no virtual server",
        );
    }
    configuration
}

impl Reading<'_> {
    /// Statements that have nothing to act on any more.
    fn unneeded(&mut self) {
        let statements = self.global.statements.clone();
        for statement in &statements {
            let (line, key, value) = (statement.line, statement.key.as_str(), statement.value());
            match key {
                "service" if value == "fos" => self.report.lost(
                    line,
                    key,
                    "failover of local services is not done; only `virtual` blocks are translated",
                ),
                "primary_private" | "backup_private" => self.report.lost(
                    line,
                    key,
                    "VRRP has one path; a second one needs a second vrrp_instance and a sync group",
                ),
                "primary_shared" | "backup_shared" | "reservation_conflict_action" => self
                    .report
                    .lost(line, key, "there is no reservation of shared disks"),
                "heartbeat_port" => self.report.changed(
                    line,
                    key,
                    "VRRP is IP protocol 112 and has no port; let the packet filter pass it",
                ),
                "debug_level" => self.report.note(line, key, "use --log-level"),
                "rsh_command" => self.report.lost(
                    line,
                    key,
                    "nobody logs in to real servers; see load_monitor",
                ),
                "ipvsadm" => self.report.note(
                    line,
                    key,
                    "not needed: the kernel's table is programmed directly",
                ),
                "hard_shutdown" => self.report.note(
                    line,
                    key,
                    "not needed: there is no monitor process whose death must be answered",
                ),
                "sync" => self
                    .report
                    .lost(line, key, "files are not copied to the other node"),
                "heartbeat" if value == "0" => self.report.changed(
                    line,
                    key,
                    "without heartbeats there was no takeover; VRRP always advertises",
                ),
                _ => {}
            }
        }
        let serial = self.global.of("serial_no").map(|statement| statement.line);
        if let Some(line) = serial {
            self.report
                .note(line, "serial_no", "only the web page counted it");
        }
    }

    fn method(&mut self) -> &'static str {
        let Some(statement) = self.global.of("network") else {
            return "NAT";
        };
        match statement.value() {
            "direct" => "DR",
            "tunnel" => "TUN",
            "nat" => "NAT",
            other => {
                let (line, message) = (
                    statement.line,
                    format!("`{other}` is no network type, nat is taken"),
                );
                self.report.mistake(line, "network", message);
                "NAT"
            }
        }
    }

    fn globals(&mut self, configuration: &mut Configuration, instance: bool) {
        let mut timeouts = String::from("lvs_timeouts");
        for (key, word) in [
            ("tcp_timeout", "tcp"),
            ("tcpfin_timeout", "tcpfin"),
            ("udp_timeout", "udp"),
        ] {
            if let Some(value) = self
                .global
                .number(key, self.report)
                .filter(|value| *value > 0)
            {
                timeouts.push_str(&format!(" {word} {value}"));
            }
        }
        if timeouts != "lvs_timeouts" {
            configuration.global(timeouts);
        }
        if self.global.yes("syncdaemon", self.report) == Some(true) {
            let statement = self.global.of("syncd_iface");
            let interface = statement
                .map_or("eth0", |statement| statement.value())
                .to_owned();
            let id = self.global.number("syncd_id", self.report).unwrap_or(0) & 0xff;
            if is_device(&interface) && instance {
                configuration.global(format!("lvs_sync_daemon {interface} LVS id {id}"));
            } else {
                let line = self.global.of("syncdaemon").map(|statement| statement.line);
                self.report.add(
                    line,
                    Severity::Lost,
                    "syncdaemon",
                    "the sync daemon follows a vrrp_instance, and this file gives none",
                );
            }
        }
        if self.scripts {
            configuration.global("script_user root");
            self.report.add(
                None,
                Severity::Assumed,
                "script_user",
                "the programs ran as root, so root is written; a user of their own is safer",
            );
        }
    }

    fn service(&mut self, section: &Section, method: &str) -> Option<Block> {
        let subject = format!("virtual {}", section.name);
        let protocol = match section
            .of("protocol")
            .map(|statement| (statement.line, statement.value()))
        {
            None | Some((_, "tcp")) => Protocol::Tcp,
            Some((_, "udp")) => Protocol::Udp,
            Some((line, other)) => {
                self.report.mistake(
                    line,
                    "protocol",
                    format!("`{other}` is neither tcp nor udp, tcp is taken"),
                );
                Protocol::Tcp
            }
        };
        let port = self.port(section, protocol);
        let mark = section
            .number("fwmark", self.report)
            .filter(|mark| *mark > 0);
        let address = section
            .of("address")
            .and_then(|statement| names::host(statement.value(), false, self.names));
        let target = match (mark, address) {
            (Some(mark), _) => {
                self.report.note(section.line, &subject, format!("known by firewall mark {mark}; the rules that set the mark are the packet filter's and stay as they are"));
                Target::Mark(mark, false)
            }
            (None, Some(address)) => Target::Address(address, port, protocol),
            (None, None) => {
                self.report.lost(
                    section.line,
                    &subject,
                    "it has neither an address nor a firewall mark",
                );
                return None;
            }
        };
        let mut block = target.block();
        block.comment = Some(section.name.clone());
        let scheduler = section
            .of("scheduler")
            .map_or("wlc", |statement| statement.value());
        if is_scheduler(scheduler) {
            block.line(format!("lb_algo {scheduler}"));
        } else {
            self.report.mistake(
                section.line,
                "scheduler",
                format!("`{scheduler}` is not known, wlc is taken"),
            );
            block.line("lb_algo wlc");
        }
        block.line(format!("lb_kind {method}"));
        self.persistence(section, &mut block);
        let interval = section
            .number("timeout", self.report)
            .filter(|n| *n > 0)
            .unwrap_or(10);
        block.line(format!("delay_loop {interval}"));
        let rise = self.rise(section, interval);
        if rise <= 1 {
            block.line("alpha");
        }
        if section.yes("quiesce_server", self.report) == Some(true) {
            block.line("inhibit_on_failure");
        }
        self.sorry(section, target, port, &mut block);
        self.slow_start(section, &mut block);
        self.losses(section);
        let monitor = monitor::monitor(
            section,
            protocol,
            port,
            self.options.only_keepalived,
            self.report,
        );
        if matches!(monitor, Monitor::Program { .. }) {
            self.scripts = true;
        }
        for server in &section.servers {
            if let Some(server) = self.server(server, target, port, (interval, rise), &monitor) {
                block.block(server);
            }
        }
        if section.servers.is_empty() {
            self.report
                .mistake(section.line, &subject, "it has no real server");
        }
        Some(block)
    }

    fn port(&mut self, section: &Section, protocol: Protocol) -> u16 {
        let Some(statement) = section.of("port") else {
            return 80;
        };
        // Only the table of TCP services was asked for names.
        let _ = protocol;
        names::port(statement.value(), "tcp", self.names).unwrap_or_else(|| {
            let (line, message) = (
                statement.line,
                format!("`{}` is no port known here, 80 is taken", statement.value()),
            );
            self.report.mistake(line, "port", message);
            80
        })
    }

    fn persistence(&mut self, section: &Section, block: &mut Block) {
        let Some(time) = section
            .number("persistent", self.report)
            .filter(|time| *time > 0)
        else {
            return;
        };
        block.line(format!("persistence_timeout {}", time.min(2_678_400)));
        if let Some(mask) = section.of("pmask") {
            match parts::prefix_length(mask.value()) {
                Some(32) => {}
                Some(_) => block.line(format!("persistence_granularity {}", mask.value())),
                None => self.report.mistake(
                    mask.line,
                    "pmask",
                    format!("`{}` is no network mask", mask.value()),
                ),
            }
        }
    }

    fn sorry(&mut self, section: &Section, target: Target, port: u16, block: &mut Block) {
        let Some(statement) = section.of("sorry_server") else {
            return;
        };
        match statement.value().parse::<IpAddr>() {
            Ok(address) => {
                let port = matches!(target, Target::Address(..)).then_some(port);
                block.line(parts::sorry(address, port));
            }
            Err(_) => self.report.mistake(
                statement.line,
                "sorry_server",
                format!("`{}` is no address", statement.value()),
            ),
        }
    }

    /// What nanny did and no check does.
    fn losses(&mut self, section: &Section) {
        if let Some(statement) = section
            .of("load_monitor")
            .filter(|statement| statement.value() != "none")
        {
            let way = if self.options.only_keepalived {
                "a MISC_CHECK with misc_dynamic or a FILE_CHECK can set them"
            } else {
                "an AGENT_CHECK asks an agent on the server for its weight"
            };
            self.report.lost(
                statement.line,
                "load_monitor",
                format!("weights do not follow the load by themselves; {way}"),
            );
        }
        if let Some(statement) = section
            .of("client_monitor")
            .filter(|statement| !statement.value().ends_with("/nanny"))
        {
            self.report.lost(
                statement.line,
                "client_monitor",
                "another monitor program cannot be used; MISC_CHECK runs one for each check",
            );
        }
        for key in ["start_cmd", "stop_cmd", "master", "dirs"] {
            if let Some(statement) = section.of(key) {
                self.report
                    .note(statement.line, key, "without effect in a virtual server");
            }
        }
    }

    /// The good checks that a server which has failed must pass before it comes back (`reentry`).
    fn rise(&mut self, section: &Section, interval: u32) -> u32 {
        let line = section.of("reentry").map(|statement| statement.line);
        let seconds = section.number("reentry", self.report).unwrap_or(180);
        let rise = (seconds / interval).max(1);
        if rise > 1 && self.options.only_keepalived {
            self.report.add(line.or(Some(section.line)), Severity::Lost, "reentry", format!("a server that has failed comes back after its first good check, not after {seconds} s of them"));
            return 1;
        }
        if rise > 1 {
            self.report.add(line.or(Some(section.line)), Severity::Changed, "reentry", format!("{rise} good checks bring a failed server back, which takes {seconds} s; at the start a server is in the table until a check has failed, there it came in with the first good one"));
        }
        rise
    }

    /// nanny began with a small weight and doubled it every 20 s.
    fn slow_start(&mut self, section: &Section, block: &mut Block) {
        let mut greatest = 1;
        for server in &section.servers {
            let weight = server.number("weight", self.report).unwrap_or(1);
            greatest = greatest.max(weight);
        }
        let doublings = greatest.checked_ilog2().unwrap_or_default().min(5);
        if doublings > 0 && self.options.only_keepalived {
            self.report.once(
                "slow start",
                Some(section.line),
                Severity::Lost,
                "a server comes back with its full weight at once; there, small weights first",
            );
        } else if doublings > 0 {
            block.line(format!("slow_start {}", doublings.saturating_mul(20)));
            self.report.once(
                "slow start",
                Some(section.line),
                Severity::Changed,
                "the weight of a server that comes back grows step by step, where it was doubled every 20 s",
            );
        }
    }

    fn server(
        &mut self,
        server: &Section,
        target: Target,
        port: u16,
        (interval, rise): (u32, u32),
        monitor: &Monitor,
    ) -> Option<Block> {
        let statement = server.of("address");
        let text = statement
            .map_or("", |statement| statement.value())
            .to_owned();
        let Some(address) = names::host(&text, false, self.names) else {
            let line = statement.map_or(server.line, |statement| statement.line);
            self.report.mistake(
                line,
                &format!("server {}", server.name),
                format!("host `{text}` is not known here; write its address"),
            );
            return None;
        };
        let own = server
            .number("port", self.report)
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port > 0);
        let used = own.unwrap_or(port);
        let written = match target {
            Target::Address(..) => Some(used),
            Target::Mark(..) => None,
        };
        let mut block = parts::server(address, written);
        block.comment = Some(server.name.clone());
        block.disabled = server.yes("active", self.report) != Some(true);
        if block.disabled {
            self.report.note(
                server.line,
                &format!("server {}", server.name),
                "not active there, so it is written commented out",
            );
        }
        block.line(format!(
            "weight {}",
            server
                .number("weight", self.report)
                .unwrap_or(1)
                .min(i32::MAX as u32)
        ));
        let timing = Timing {
            timeout: Some(interval),
            failures: 1,
            rise,
            pause: Some(interval),
            port: matches!(target, Target::Mark(..)).then_some(used),
            ..Timing::default()
        };
        let check = match monitor {
            Monitor::Check(check) => check.clone(),
            Monitor::Program {
                command,
                expect,
                regex,
            } => Check::Misc(monitor::program(
                command,
                expect.as_deref(),
                *regex,
                &address.to_string(),
                used,
            )),
        };
        match check.block(&timing) {
            Some(check) => block.block(check),
            None => {
                self.report.changed(server.line, "send", "the text has characters that keepalived.conf cannot hold; the port is checked instead");
                if let Some(check) = Check::Tcp.block(&timing) {
                    block.block(check);
                }
            }
        }
        Some(block)
    }
}

use std::net::IpAddr;
use std::time::Duration;

use super::address::{HostPort, host_port, ipv4, leading_number, number};
use super::words::{Word, Words};
use super::{Invocation, List, Resolver, Save, Subject, UsageError, check};
use crate::command::Command;
use crate::listing::{Listing, View};
use crate::types::{
    DaemonRole, Destination, DestinationId, Family, Forwarding, Name, Netmask, Persistence,
    Protocol, Scheduler, SchedulerFlags, Service, ServiceId, SyncDaemon, Timeouts, Tunnel,
    TunnelFlags, TunnelKind,
};

/// Longest timeout in seconds, 31 days.
const MOST_SECONDS: i64 = 31 * 24 * 60 * 60;

/// Seconds of `--persistent` without a value.
const DEFAULT_PERSISTENCE: u32 = 360;

/// Seconds between two lists of `--watch` without a value.
const DEFAULT_WATCH: i64 = 2;

/// Interface of a sync daemon without `--mcast-interface`.
const DEFAULT_INTERFACE: &str = "eth0";

/// Reads a command line without the program's name. No word at all lists the table, with names.
///
/// # Errors
///
/// [`UsageError`]; of several the one that comes first.
pub fn parse<S: AsRef<str>>(
    arguments: &[S],
    resolver: &dyn Resolver,
) -> Result<Invocation, UsageError> {
    let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
    if arguments.is_empty() {
        return Ok(Draft::new(resolver, false).list());
    }
    command_line(&arguments, resolver, false)
}

/// `restoring`: in a line to restore, marks may be negative.
pub(super) fn command_line(
    arguments: &[&str],
    resolver: &dyn Resolver,
    restoring: bool,
) -> Result<Invocation, UsageError> {
    let mut words = Words::new(arguments);
    let (command, value) = match words.next() {
        Ok(Some((command, value))) if command.is_command() => (command, value),
        _ => return Err(UsageError::NoCommand),
    };
    match command {
        Word::Help => return Ok(Invocation::Help),
        Word::Version => return Ok(Invocation::Version),
        _ => {}
    }
    let role = match command {
        Word::StartDaemon | Word::StopDaemon => Some(role(value.unwrap_or_default())?),
        _ => None,
    };
    let mut draft = Draft::new(resolver, restoring);
    while let Some((option, value)) = words.next()? {
        if option.is_command() {
            return Err(UsageError::SecondCommand {
                first: command.name(),
                second: option.name(),
            });
        }
        check::repeated(&draft.given, option)?;
        draft.given.push(option);
        draft.take(option, value)?;
    }
    let mut loose = words.loose.into_iter();
    let mut timeouts = Timeouts::default();
    if command == Word::Set {
        let (Some(tcp), Some(tcp_fin), Some(udp)) = (loose.next(), loose.next(), loose.next())
        else {
            return Err(UsageError::ThreeTimeouts);
        };
        timeouts = Timeouts {
            tcp: ranged(Word::Set, tcp, 0, MOST_SECONDS)?,
            tcp_fin: ranged(Word::Set, tcp_fin, 0, MOST_SECONDS)?,
            udp: ranged(Word::Set, udp, 0, MOST_SECONDS)?,
        };
    }
    if let Some(word) = loose.next() {
        return Err(UsageError::UnexpectedWord {
            word: word.to_owned(),
        });
    }
    check::command(command, &draft.given)?;
    let change = match command {
        Word::AddService => Command::AddService(draft.service()?),
        Word::EditService => Command::EditService(draft.service()?),
        Word::DeleteService => Command::RemoveService(draft.service_id()?),
        Word::AddServer => Command::AddDestination(draft.service_id()?, draft.destination()?),
        Word::EditServer => Command::EditDestination(draft.service_id()?, draft.destination()?),
        Word::DeleteServer => Command::RemoveDestination(draft.service_id()?, draft.server()?),
        Word::Clear => Command::Flush,
        Word::Zero if draft.address.is_none() && draft.mark == 0 => Command::Zero(None),
        Word::Zero => Command::Zero(Some(draft.service_id()?)),
        Word::Set => Command::SetTimeouts(timeouts),
        Word::StartDaemon => Command::StartDaemon(draft.daemon(role)?),
        Word::StopDaemon => Command::StopDaemon(role.unwrap_or(DaemonRole::Master)),
        Word::Save => {
            return Ok(Invocation::Save(Save {
                numeric: draft.has(Word::Numeric),
                complete: draft.has(Word::Complete),
            }));
        }
        Word::Restore if restoring => return Err(UsageError::NestedRestore),
        Word::Restore => {
            return Ok(Invocation::Restore {
                by_difference: draft.has(Word::ByDifference),
            });
        }
        _ => return Ok(draft.list()),
    };
    Ok(Invocation::Change(change))
}

/// What has been read so far. The order of options matters where ipvsadm's does: the name of a
/// port is looked up for the protocol given before it, a server without a port takes the service's
/// if that came first, and a netmask is of the family known by then.
struct Draft<'a> {
    resolver: &'a dyn Resolver,
    restoring: bool,
    given: Vec<Word>,
    protocol: Option<Protocol>,
    address: Option<IpAddr>,
    port: u16,
    mark: u32,
    watch: i64,
    family: Family,
    scheduler: Scheduler,
    flags: Option<String>,
    persistence: Option<u32>,
    netmask: Netmask,
    engine: Option<Name>,
    server: Option<(IpAddr, u16)>,
    forwarding: Word,
    tunnel: Tunnel,
    weight: u32,
    upper: u32,
    lower: u32,
    interface: Option<Name>,
    sync_id: u32,
    max_length: Option<u16>,
    group: Option<IpAddr>,
    multicast_port: Option<u16>,
    ttl: Option<u8>,
}

impl<'a> Draft<'a> {
    fn new(resolver: &'a dyn Resolver, restoring: bool) -> Self {
        Self {
            resolver,
            restoring,
            given: Vec::new(),
            protocol: None,
            address: None,
            port: 0,
            mark: 0,
            watch: DEFAULT_WATCH,
            family: Family::V4,
            scheduler: Scheduler::default(),
            flags: None,
            persistence: None,
            netmask: Netmask::host(Family::V4),
            engine: None,
            server: None,
            forwarding: Word::Gatewaying,
            tunnel: Tunnel::default(),
            weight: 1,
            upper: 0,
            lower: 0,
            interface: None,
            sync_id: 0,
            max_length: None,
            group: None,
            multicast_port: None,
            ttl: None,
        }
    }

    fn has(&self, option: Word) -> bool {
        self.given.contains(&option)
    }

    fn take(&mut self, option: Word, value: Option<&str>) -> Result<(), UsageError> {
        let text = value.unwrap_or_default();
        match option {
            Word::TcpService => self.virtual_address(option, Protocol::Tcp, text)?,
            Word::UdpService => self.virtual_address(option, Protocol::Udp, text)?,
            Word::SctpService => self.virtual_address(option, Protocol::Sctp, text)?,
            Word::FwmarkService => {
                self.mark = self.read_mark(text)?;
                self.family = Family::V4;
            }
            // It would never come to the next line.
            Word::Watch if self.restoring => {
                return Err(UsageError::NotWithCommand {
                    option: option.name(),
                    command: Word::Restore.name(),
                });
            }
            Word::Watch if value.is_some() => {
                self.watch = ranged(option, text, 1, MOST_SECONDS)?;
            }
            Word::Ipv6 if self.mark == 0 => return Err(UsageError::FamilyBeforeMark),
            Word::Ipv6 => {
                self.family = Family::V6;
                self.netmask = Netmask::host(Family::V6);
            }
            Word::Scheduler if text.is_empty() => self.scheduler = Scheduler::default(),
            Word::Scheduler => self.scheduler = text.parse()?,
            Word::SchedulerFlags => self.flags = Some(text.to_owned()),
            Word::Persistent => {
                self.persistence = Some(match value {
                    Some(seconds) => ranged(option, seconds, 1, MOST_SECONDS)?,
                    None => DEFAULT_PERSISTENCE,
                });
            }
            Word::Netmask => self.netmask = read_netmask(text, self.family)?,
            Word::Engine if text.is_empty() => {}
            Word::Engine => self.engine = Some(Name::new(text)?),
            Word::RealServer => {
                let HostPort { address, port } =
                    self.read_address(option, text, self.protocol_of_ports())?;
                self.server = Some((address, port.unwrap_or(self.port)));
            }
            Word::Gatewaying | Word::Masquerading | Word::Ipip => self.forwarding = option,
            Word::Weight => self.weight = ranged(option, text, 0, i64::from(i32::MAX))?,
            Word::UpperThreshold => self.upper = ranged(option, text, 0, i64::from(i32::MAX))?,
            Word::LowerThreshold => self.lower = ranged(option, text, 0, i64::from(i32::MAX))?,
            Word::TunType => self.tunnel.kind = tunnel_kind(text)?,
            Word::TunPort => self.tunnel.port = ranged(option, text, 1, 65_535)?,
            Word::TunChecksum => self.tunnel.flags = TunnelFlags::CHECKSUM,
            Word::TunRemoteChecksum => self.tunnel.flags = TunnelFlags::REMOTE_CHECKSUM,
            Word::McastInterface if text.is_empty() => {}
            Word::McastInterface => self.interface = Some(Name::new(text)?),
            Word::SyncId => self.sync_id = ranged(option, text, 0, 255)?,
            Word::SyncMaxLength => {
                self.max_length = Some(ranged(option, text, 1, 65_507)?);
            }
            Word::McastGroup => self.group = Some(multicast_group(text)?),
            Word::McastPort => self.multicast_port = Some(ranged(option, text, 1, 65_535)?),
            Word::McastTtl => self.ttl = Some(ranged(option, text, 1, 255)?),
            _ => {}
        }
        Ok(())
    }

    fn virtual_address(
        &mut self,
        option: Word,
        protocol: Protocol,
        text: &str,
    ) -> Result<(), UsageError> {
        let HostPort { address, port } = self.read_address(option, text, Some(protocol))?;
        self.protocol = Some(protocol);
        self.address = Some(address);
        self.port = port.unwrap_or(0);
        self.family = Family::of(address);
        if self.family == Family::V6 {
            self.netmask = Netmask::host(Family::V6);
        }
        Ok(())
    }

    fn read_address(
        &self,
        option: Word,
        text: &str,
        protocol: Option<Protocol>,
    ) -> Result<HostPort, UsageError> {
        host_port(text, protocol, self.resolver).ok_or_else(|| UsageError::Address {
            option: option.name(),
            value: text.to_owned(),
        })
    }

    /// Servers of a mark have TCP's names of ports.
    fn protocol_of_ports(&self) -> Option<Protocol> {
        match self.mark {
            0 => self.protocol,
            _ => Some(Protocol::Tcp),
        }
    }

    fn read_mark(&self, text: &str) -> Result<u32, UsageError> {
        if self.restoring
            && let Some(saved) = number(text, i64::from(i32::MIN), -1)
            && let Ok(saved) = i32::try_from(saved)
        {
            return Ok(saved.cast_unsigned());
        }
        ranged(Word::FwmarkService, text, 1, i64::from(u32::MAX))
    }

    fn service_id(&self) -> Result<ServiceId, UsageError> {
        let id = match (self.protocol, self.address) {
            (Some(protocol), Some(address)) => Some(ServiceId::Address {
                protocol,
                address,
                port: self.port,
            }),
            _ => ServiceId::fwmark(self.mark, self.family),
        };
        id.ok_or(UsageError::FamilyBeforeMark)
    }

    fn service(&self) -> Result<Service, UsageError> {
        if self.mark == 0 {
            if self.port == 0 && self.persistence.is_none() {
                return Err(UsageError::PortZero);
            }
            if self.has(Word::Ops) && self.protocol != Some(Protocol::Udp) {
                return Err(UsageError::OnePacket);
            }
        }
        let mut flags = SchedulerFlags::NONE;
        let names = self.flags.as_deref().unwrap_or_default();
        for name in names.split(',').filter(|name| !name.is_empty()) {
            flags = flags.union(SchedulerFlags::parse(name, &self.scheduler)?);
        }
        Ok(Service {
            scheduler_flags: flags,
            persistence: self.persistence.map(|timeout| Persistence {
                timeout,
                netmask: self.netmask,
            }),
            persistence_engine: self.engine.clone(),
            one_packet: self.has(Word::Ops),
            ..Service::new(self.service_id()?, self.scheduler.clone())
        })
    }

    fn server(&self) -> Result<DestinationId, UsageError> {
        match self.server {
            Some((address, port)) => Ok(DestinationId { address, port }),
            None => Err(UsageError::Required {
                option: Word::RealServer.name(),
                command: Word::AddServer.name(),
            }),
        }
    }

    fn destination(&self) -> Result<Destination, UsageError> {
        let mut id = self.server()?;
        let forwarding = self.forwarding()?;
        // Without a rewritten packet the server sees the service's port, whatever was asked for.
        if self.mark == 0 && forwarding != Forwarding::Masquerading {
            id.port = self.port;
        }
        let tunnel = matches!(forwarding, Forwarding::Tunnel(_));
        if Family::of(id.address) != self.family && !tunnel {
            return Err(UsageError::MixedFamilies);
        }
        Ok(Destination::new(id, forwarding)
            .with_weight(self.weight)
            .with_thresholds(self.upper, self.lower))
    }

    fn forwarding(&self) -> Result<Forwarding, UsageError> {
        const CHECKSUMS: [Word; 3] = [
            Word::TunNoChecksum,
            Word::TunChecksum,
            Word::TunRemoteChecksum,
        ];
        let find = |words: &[Word]| self.given.iter().find(|word| words.contains(word));
        if self.forwarding != Word::Ipip {
            let options = [&CHECKSUMS[..], &[Word::TunType, Word::TunPort]].concat();
            return match find(&options) {
                Some(option) => Err(UsageError::NoTunnel {
                    option: option.name(),
                }),
                None if self.forwarding == Word::Masquerading => Ok(Forwarding::Masquerading),
                None => Ok(Forwarding::DirectRouting),
            };
        }
        let (kind, foreign): (_, &[Word]) = match self.tunnel.kind {
            TunnelKind::Gue if self.tunnel.port == 0 => return Err(UsageError::TunnelPort),
            TunnelKind::Gue => ("gue", &[]),
            TunnelKind::Gre => ("gre", &[Word::TunPort, Word::TunRemoteChecksum]),
            _ => {
                let [none, checksum, remote] = CHECKSUMS;
                ("ipip", &[Word::TunPort, none, checksum, remote])
            }
        };
        if let Some(option) = find(foreign) {
            return Err(UsageError::NotWithTunnel {
                option: option.name(),
                kind,
            });
        }
        let mut checksums = self.given.iter().filter(|word| CHECKSUMS.contains(word));
        if let (Some(first), Some(second)) = (checksums.next(), checksums.next()) {
            return Err(UsageError::Conflict {
                first: first.name(),
                second: second.name(),
            });
        }
        Ok(Forwarding::Tunnel(self.tunnel))
    }

    fn daemon(self, role: Option<DaemonRole>) -> Result<SyncDaemon, UsageError> {
        let interface = match self.interface {
            Some(interface) => interface,
            None => Name::new(DEFAULT_INTERFACE)?,
        };
        Ok(SyncDaemon {
            max_length: self.max_length,
            group: self.group,
            port: self.multicast_port,
            ttl: self.ttl,
            ..SyncDaemon::new(role.unwrap_or(DaemonRole::Master), interface, self.sync_id)
        })
    }

    fn list(&self) -> Invocation {
        let views = [
            (Word::Stats, View::Stats),
            (Word::Rate, View::Rate),
            (Word::Thresholds, View::Thresholds),
            (Word::PersistentConn, View::PersistentConnections),
            (Word::TunInfo, View::Tunnels),
        ];
        let view = views.into_iter().find(|(option, _)| self.has(*option));
        let listing = Listing {
            view: view.map_or(View::Table, |(_, view)| view),
            sorted: !self.has(Word::NoSort),
            exact: self.has(Word::Exact),
        };
        let subject = if self.has(Word::Connection) {
            Subject::Connections {
                persistent: self.has(Word::PersistentConn),
            }
        } else if self.has(Word::Timeout) {
            Subject::Timeouts
        } else if self.has(Word::Daemon) {
            Subject::Daemons
        } else {
            self.service_id()
                .map_or(Subject::Table(listing), |id| Subject::Service(id, listing))
        };
        Invocation::List(List {
            subject,
            numeric: self.has(Word::Numeric),
            json: self.has(Word::Json),
            watch: self
                .has(Word::Watch)
                .then(|| Duration::from_secs(self.watch.unsigned_abs())),
        })
    }
}

fn ranged<N: TryFrom<i64>>(
    option: Word,
    text: &str,
    least: i64,
    most: i64,
) -> Result<N, UsageError> {
    let read = number(text, least, most).and_then(|value| N::try_from(value).ok());
    read.ok_or_else(|| UsageError::Number {
        option: option.name(),
        value: text.to_owned(),
        least,
        most,
    })
}

fn role(text: &str) -> Result<DaemonRole, UsageError> {
    text.parse().map_err(|_| UsageError::DaemonRole {
        value: text.to_owned(),
    })
}

fn read_netmask(text: &str, family: Family) -> Result<Netmask, UsageError> {
    let netmask = match family {
        Family::V4 => ipv4(text).map(Netmask::V4),
        Family::V6 => u8::try_from(leading_number(text))
            .ok()
            .filter(|bits| (1..=128).contains(bits))
            .map(Netmask::V6),
    };
    netmask.ok_or_else(|| UsageError::Netmask {
        value: text.to_owned(),
    })
}

fn tunnel_kind(text: &str) -> Result<TunnelKind, UsageError> {
    match text {
        "ipip" => Ok(TunnelKind::Ipip),
        "gue" => Ok(TunnelKind::Gue),
        "gre" => Ok(TunnelKind::Gre),
        _ => Err(UsageError::TunnelKind {
            value: text.to_owned(),
        }),
    }
}

fn multicast_group(text: &str) -> Result<IpAddr, UsageError> {
    let group: Option<IpAddr> = text.parse().ok();
    group
        .filter(IpAddr::is_multicast)
        .ok_or_else(|| UsageError::MulticastGroup {
            value: text.to_owned(),
        })
}

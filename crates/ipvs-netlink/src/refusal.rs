//! An errno of the kernel as a sentence.

use std::fmt;

use crate::command::Command;
use crate::errno;
use crate::types::{Family, Forwarding, Name, Netmask, Scheduler, ServiceId, TunnelKind};

/// The kernel's refusal of one command: what it was, why, and what helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    // Boxed, for there is room for one with every command of a list, and hardly any is refused.
    of: Box<Refused>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Refused {
    request: Request,
    errno: i32,
    kernel_text: Option<Box<str>>,
}

/// What was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Request {
    Command(Command),
    Read {
        what: &'static str,
        service: Option<ServiceId>,
    },
}

/// Why the kernel refused; the errno read in the light of the command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The caller lacks `CAP_NET_ADMIN` in the network namespace.
    NotPermitted,
    /// The service is there already.
    ServiceExists,
    /// There is no such service.
    NoSuchService,
    /// The destination is there already.
    DestinationExists,
    /// There is no such destination.
    NoSuchDestination,
    /// The kernel has no such scheduler, nor a module for it.
    UnknownScheduler(Scheduler),
    /// The kernel has no such persistence engine, nor a module for it.
    UnknownPersistenceEngine(Name),
    /// The kernel lacks the scheduler or the persistence engine, and does not say which.
    UnknownSchedulerOrEngine(Scheduler, Name),
    /// Weight or thresholds are out of range.
    OutOfRange,
    /// Service and destination are of different families without a tunnel, or while a sync
    /// daemon runs.
    MixedFamilies,
    /// The address cannot be a real server.
    BadDestinationAddress,
    /// A GUE tunnel without a port.
    TunnelWithoutPort,
    /// The persistence netmask is out of range or of another family.
    BadNetmask,
    /// The kernel was built without that address family.
    FamilyNotSupported,
    /// A sync daemon of that role runs already.
    DaemonRunning,
    /// No sync daemon of that role runs.
    DaemonNotRunning,
    /// The interface does not exist.
    NoSuchInterface(Name),
    /// The kernel found a value that it does not take.
    Invalid,
    /// The kernel has no memory left.
    NoMemory,
    /// Any other errno.
    Other(i32),
}

impl Refusal {
    pub(crate) fn of_command(command: &Command, errno: i32, kernel_text: Option<&str>) -> Self {
        Self::new(Request::Command(command.clone()), errno, kernel_text)
    }

    pub(crate) fn of_read(
        what: &'static str,
        service: Option<ServiceId>,
        errno: i32,
        kernel_text: Option<&str>,
    ) -> Self {
        Self::new(Request::Read { what, service }, errno, kernel_text)
    }

    fn new(request: Request, errno: i32, kernel_text: Option<&str>) -> Self {
        Self {
            of: Box::new(Refused {
                request,
                errno,
                kernel_text: kernel_text.map(Into::into),
            }),
        }
    }

    /// The errno, positive.
    #[must_use]
    pub const fn errno(&self) -> i32 {
        self.of.errno
    }

    /// The kernel's own words (extended acknowledgement), where it has some.
    #[must_use]
    pub fn kernel_text(&self) -> Option<&str> {
        self.of.kernel_text.as_deref()
    }

    /// The command, if it was one (and not a read).
    #[must_use]
    pub fn command(&self) -> Option<&Command> {
        match &self.of.request {
            Request::Command(command) => Some(command),
            Request::Read { .. } => None,
        }
    }

    /// Why, in the light of the command.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self.of.errno {
            errno::EPERM | errno::EACCES => return Reason::NotPermitted,
            errno::ENOMEM => return Reason::NoMemory,
            errno::EAFNOSUPPORT => return Reason::FamilyNotSupported,
            _ => {}
        }
        let command = match &self.of.request {
            Request::Command(command) => command,
            Request::Read {
                service: Some(_), ..
            } if self.of.errno == errno::ESRCH => {
                return Reason::NoSuchService;
            }
            Request::Read { .. } => return self.otherwise(),
        };
        match (command, self.of.errno) {
            (Command::AddService(_), errno::EEXIST) => Reason::ServiceExists,
            (Command::AddService(service) | Command::EditService(service), errno::ENOENT) => {
                match &service.persistence_engine {
                    None => Reason::UnknownScheduler(service.scheduler.clone()),
                    Some(engine) if service.scheduler == Scheduler::Unscheduled => {
                        Reason::UnknownPersistenceEngine(engine.clone())
                    }
                    Some(engine) => {
                        Reason::UnknownSchedulerOrEngine(service.scheduler.clone(), engine.clone())
                    }
                }
            }
            (Command::AddService(service) | Command::EditService(service), errno::EINVAL)
                if service
                    .persistence
                    .is_some_and(|p| !netmask_fits(p.netmask, service.id.family())) =>
            {
                Reason::BadNetmask
            }
            (Command::AddDestination(..), errno::EEXIST) => Reason::DestinationExists,
            (Command::EditDestination(..) | Command::RemoveDestination(..), errno::ENOENT) => {
                Reason::NoSuchDestination
            }
            (Command::AddDestination(..) | Command::EditDestination(..), errno::ERANGE) => {
                Reason::OutOfRange
            }
            (
                Command::AddDestination(id, destination)
                | Command::EditDestination(id, destination),
                errno::EINVAL,
            ) => match destination.forwarding {
                _ if Family::of(destination.id.address) != id.family() => Reason::MixedFamilies,
                Forwarding::Tunnel(tunnel)
                    if tunnel.kind == TunnelKind::Gue && tunnel.port == 0 =>
                {
                    Reason::TunnelWithoutPort
                }
                _ => Reason::BadDestinationAddress,
            },
            (Command::StartDaemon(_), errno::EEXIST) => Reason::DaemonRunning,
            (Command::StartDaemon(daemon), errno::ENODEV) => {
                Reason::NoSuchInterface(daemon.interface.clone())
            }
            (Command::StopDaemon(_), errno::ESRCH) => Reason::DaemonNotRunning,
            (_, errno::ESRCH) if command.service().is_some() => Reason::NoSuchService,
            _ => self.otherwise(),
        }
    }

    const fn otherwise(&self) -> Reason {
        match self.of.errno {
            errno::EINVAL => Reason::Invalid,
            other => Reason::Other(other),
        }
    }
}

const fn netmask_fits(netmask: Netmask, family: Family) -> bool {
    match (netmask, family) {
        (Netmask::V4(_), Family::V4) => true,
        (Netmask::V6(bits), Family::V6) => bits >= 1 && bits <= 128,
        _ => false,
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.of.request {
            Request::Command(command) => write!(f, "cannot {command}: ")?,
            Request::Read {
                what,
                service: Some(id),
            } => write!(f, "cannot {what} of {id}: ")?,
            Request::Read {
                what,
                service: None,
            } => write!(f, "cannot {what}: ")?,
        }
        self.reason().fmt(f)?;
        match &self.of.kernel_text {
            Some(text) => write!(f, " (the kernel says: {text})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

/// The reason and its remedy.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPermitted => f.write_str(
                "not permitted; run as root or give the process the capability CAP_NET_ADMIN",
            ),
            Self::ServiceExists => f.write_str("the service exists already; edit it"),
            Self::NoSuchService => f.write_str("no such service; add the service first"),
            Self::DestinationExists => f.write_str("the destination exists already; edit it"),
            Self::NoSuchDestination => {
                f.write_str("no such destination; add the destination first")
            }
            Self::UnknownScheduler(scheduler) => write!(
                f,
                "no such scheduler in the kernel; load it with `modprobe {}`",
                scheduler.module()
            ),
            Self::UnknownPersistenceEngine(engine) => write!(
                f,
                "no such persistence engine in the kernel; load it with `modprobe ip_vs_pe_{engine}`"
            ),
            Self::UnknownSchedulerOrEngine(scheduler, engine) => write!(
                f,
                "the kernel lacks the scheduler or the persistence engine; load them with \
                 `modprobe -a {} ip_vs_pe_{engine}`",
                scheduler.module()
            ),
            Self::OutOfRange => write!(
                f,
                "out of range; weights go from 0 to {}, and the lower threshold must not be above \
                 the upper one",
                i32::MAX
            ),
            Self::MixedFamilies => f.write_str(
                "service and destination are of different address families; that needs tunnel \
                 forwarding, and no running sync daemon",
            ),
            Self::BadDestinationAddress => f.write_str(
                "the kernel does not take this address; it must be unicast, and not link-local",
            ),
            Self::TunnelWithoutPort => {
                f.write_str("a GUE tunnel needs the port of its far end; give one")
            }
            Self::BadNetmask => {
                f.write_str("bad persistence netmask; IPv4 takes a mask and IPv6 1 to 128 bits")
            }
            Self::FamilyNotSupported => {
                f.write_str("the kernel has no support for this address family; enable IPv6")
            }
            Self::DaemonRunning => {
                f.write_str("a sync daemon of this role runs already; stop it first")
            }
            Self::DaemonNotRunning => f.write_str("no sync daemon of this role is running"),
            Self::NoSuchInterface(name) => {
                write!(f, "no interface `{name}` here; correct the name or make it")
            }
            Self::Invalid => f.write_str("the kernel does not take these values (EINVAL)"),
            Self::NoMemory => f.write_str("the kernel is out of memory"),
            Self::Other(errno) => write!(f, "{}", std::io::Error::from_raw_os_error(*errno)),
        }
    }
}

//! The blocking client; `tokio`, with that feature, is its twin for tasks.

#[cfg(feature = "tokio")]
pub mod tokio;

use std::time::Duration;

use crate::command::Command;
use crate::error::{ApplyError, ConnectError, Error};
use crate::exchange::{Batch, Exchange, Read, Session};
use crate::refusal::Refusal;
use crate::table::{Applied, Change, Owned, ServiceSnapshot, Snapshot, Table, settle};
use crate::transport::{Namespace, NetlinkSocket, Transport};
use crate::types::{
    DaemonRole, Destination, DestinationEntry, DestinationId, Info, Service, ServiceEntry,
    ServiceId, SyncDaemon, Timeouts,
};
use crate::wire::Query;

use attempts::Attempts;

mod attempts;
mod pick;

/// How long to wait for the kernel before an operation fails; it answers within microseconds
/// unless it must load a module.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often [`Client::reconcile`] starts anew when answers were lost.
const RECONCILE_ATTEMPTS: u32 = 4;

/// A connection to the IPVS of one network namespace.
///
/// Every call is a complete conversation. After an error the client can be used on.
#[derive(Debug)]
pub struct Client<T = NetlinkSocket> {
    transport: T,
    session: Session,
    timeout: Duration,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
}

impl Client {
    /// Connects to the IPVS of the calling thread's network namespace. The kernel loads the
    /// module by itself where the caller may do that.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Unavailable`] if this kernel has no IPVS.
    pub fn connect() -> Result<Self, ConnectError> {
        Self::with_transport(NetlinkSocket::open()?)
    }

    /// Connects to the IPVS of another network namespace; the calling thread stays where it is.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`], and [`ConnectError::Namespace`].
    pub fn connect_in(namespace: &Namespace) -> Result<Self, ConnectError> {
        Self::with_transport(NetlinkSocket::open_in(namespace)?)
    }
}

impl<T: Transport> Client<T> {
    /// Uses a transport of one's own.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Unavailable`] if the kernel behind it has no IPVS.
    pub fn with_transport(transport: T) -> Result<Self, ConnectError> {
        let mut client = Self {
            transport,
            session: Session::new(),
            timeout: DEFAULT_TIMEOUT,
            outgoing: Vec::new(),
            incoming: Vec::new(),
        };
        client.session.family = pick::family(client.read(Query::Family))?;
        Ok(client)
    }

    /// Sets how long to wait for each answer; see [`DEFAULT_TIMEOUT`].
    pub const fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Version and size of the connection table.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn info(&mut self) -> Result<Info, Error> {
        self.read(Query::Info).map(pick::info)
    }

    /// Connection timeouts.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn timeouts(&mut self) -> Result<Timeouts, Error> {
        self.read(Query::Timeouts).map(pick::timeouts)
    }

    /// Running sync daemons, at most one of each role.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        self.read(Query::Daemons).map(pick::daemons)
    }

    /// All services, in the kernel's order.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn services(&mut self) -> Result<Vec<ServiceEntry>, Error> {
        self.read(Query::Services).map(pick::services)
    }

    /// One service, or `None` if there is no such one.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn service(&mut self, id: &ServiceId) -> Result<Option<ServiceEntry>, Error> {
        pick::service(self.read(Query::Service(*id)))
    }

    /// The destinations of a service, in the kernel's order; none for a service that is not
    /// there (the kernel does not tell).
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn destinations(&mut self, service: &ServiceId) -> Result<Vec<DestinationEntry>, Error> {
        self.read(Query::Destinations(*service))
            .map(pick::destinations)
    }

    /// Everything, with counters.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn snapshot(&mut self) -> Result<Snapshot, Error> {
        let info = self.info()?;
        let mut services = Vec::new();
        for entry in self.services()? {
            let destinations = self.destinations(&entry.service.id)?;
            services.push(ServiceSnapshot {
                entry,
                destinations,
            });
        }
        Ok(Snapshot {
            info,
            services,
            timeouts: self.timeouts()?,
            daemons: self.daemons()?,
        })
    }

    /// All settings, without counters.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn table(&mut self) -> Result<Table, Error> {
        self.snapshot().map(|snapshot| snapshot.table())
    }

    /// Sends all commands, in as few datagrams as the limits allow, and tells of each what became
    /// of it. A refusal does not stop the commands after it.
    ///
    /// # Errors
    ///
    /// Only if the conversation itself fails; then any of the commands may have been done.
    pub fn apply(&mut self, commands: &[Command]) -> Result<Applied, Error> {
        self.run(Batch::new(commands, false))
    }

    /// Makes all changes or none: if one is refused, those made are taken back.
    ///
    /// # Errors
    ///
    /// [`ApplyError::RolledBack`] with the refusal, or the failure of the conversation.
    pub fn apply_changes(&mut self, changes: &[Change]) -> Result<(), ApplyError> {
        let applied = self.run(Batch::new(changes, true))?;
        let Some(failed) = settle(changes, applied)? else {
            return Ok(());
        };
        let taken_back = self.run(Batch::new(failed.back.as_slice(), false))?;
        Err(failed.rolled_back(&taken_back))
    }

    /// Makes the kernel's table what is wished, all or nothing, and returns what it changed. When
    /// answers are lost the table is read again to see what is left to be done.
    ///
    /// # Errors
    ///
    /// As [`Client::apply_changes`].
    pub fn reconcile(
        &mut self,
        wished: &Table,
        owned: Owned<'_>,
    ) -> Result<Vec<Change>, ApplyError> {
        let mut attempts = Attempts::default();
        for _ in 0..RECONCILE_ATTEMPTS {
            let table = self.table()?;
            let changes = table.diff(wished, owned);
            let result = self.apply_changes(&changes);
            attempts.note(table, changes);
            match result {
                Ok(()) => return Ok(attempts.made()),
                Err(ApplyError::AnswersLost) => {}
                Err(ApplyError::RolledBack(failed)) if attempts.several => {
                    let back = attempts.back(&self.table()?);
                    let taken_back = self.run(Batch::new(back.as_slice(), false))?;
                    return Err(failed.and_before(&taken_back));
                }
                Err(error) => return Err(error),
            }
        }
        let back = attempts.back(&self.table()?);
        self.run(Batch::new(back.as_slice(), false))?;
        Err(ApplyError::AnswersLost)
    }

    /// Makes a service.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a refusal tells why and what helps.
    pub fn add_service(&mut self, service: Service) -> Result<(), Error> {
        self.command(Command::AddService(service))
    }

    /// Gives a service other settings; its destinations and connections stay.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a refusal tells why and what helps.
    pub fn edit_service(&mut self, service: Service) -> Result<(), Error> {
        self.command(Command::EditService(service))
    }

    /// Removes a service with its destinations.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a refusal tells why and what helps.
    pub fn remove_service(&mut self, service: ServiceId) -> Result<(), Error> {
        self.command(Command::RemoveService(service))
    }

    /// Adds a destination to a service.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a refusal tells why and what helps.
    pub fn add_destination(
        &mut self,
        service: ServiceId,
        destination: Destination,
    ) -> Result<(), Error> {
        self.command(Command::AddDestination(service, destination))
    }

    /// Gives a destination other settings; its connections stay.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a refusal tells why and what helps.
    pub fn edit_destination(
        &mut self,
        service: ServiceId,
        destination: Destination,
    ) -> Result<(), Error> {
        self.command(Command::EditDestination(service, destination))
    }

    /// Removes a destination from a service.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a refusal tells why and what helps.
    pub fn remove_destination(
        &mut self,
        service: ServiceId,
        destination: DestinationId,
    ) -> Result<(), Error> {
        self.command(Command::RemoveDestination(service, destination))
    }

    /// Sets timeouts; 0 leaves one as it is.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a refusal tells why and what helps.
    pub fn set_timeouts(&mut self, timeouts: Timeouts) -> Result<(), Error> {
        self.command(Command::SetTimeouts(timeouts))
    }

    /// Starts a sync daemon.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a refusal tells why and what helps.
    pub fn start_daemon(&mut self, daemon: SyncDaemon) -> Result<(), Error> {
        self.command(Command::StartDaemon(daemon))
    }

    /// Stops the sync daemon of this role.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a refusal tells why and what helps.
    pub fn stop_daemon(&mut self, role: DaemonRole) -> Result<(), Error> {
        self.command(Command::StopDaemon(role))
    }

    /// Zeroes the counters of one service, or of everything.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a refusal tells why and what helps.
    pub fn zero(&mut self, service: Option<ServiceId>) -> Result<(), Error> {
        self.command(Command::Zero(service))
    }

    /// Removes every service.
    ///
    /// # Errors
    ///
    /// See [`Error`]; a refusal tells why and what helps.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.command(Command::Flush)
    }

    fn command(&mut self, command: Command) -> Result<(), Error> {
        let applied = self.apply(std::slice::from_ref(&command))?;
        if applied.has_unknown() {
            return Err(Error::Overrun {
                doing: "apply a command",
            });
        }
        applied
            .into_result()
            .map_err(|refusal: Refusal| refusal.into())
    }

    fn read(&mut self, query: Query) -> Result<Vec<crate::wire::Answer>, Error> {
        self.run(Read::new(query))?
    }

    fn run<E: Exchange>(&mut self, mut exchange: E) -> Result<E::Output, Error> {
        while self.session.must_drain() {
            let received = self.transport.receive(&mut self.incoming, self.timeout);
            self.session
                .drain(received.as_ref().map(|()| self.incoming.as_slice()));
        }
        while let Some(last) = exchange.write(&mut self.session, &mut self.outgoing) {
            let doing = exchange.doing();
            self.transport
                .send(&self.outgoing)
                .map_err(|source| Error::Io { doing, source })?;
            self.session.begin(last);
            loop {
                let over = match self.transport.receive(&mut self.incoming, self.timeout) {
                    Ok(()) => exchange.feed(&self.incoming),
                    Err(error) => exchange.receive_failed(error, self.timeout)?,
                };
                if over {
                    break;
                }
            }
            self.session.complete();
        }
        Ok(exchange.finish())
    }
}

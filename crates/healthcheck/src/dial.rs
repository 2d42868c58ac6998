//! How a check reaches its server: source address, interface, mark and the limit on connecting.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::{Interest, Ready};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::outcome::{Cause, SystemError};
use crate::shared::Shared;

/// `connect_timeout` where nothing else is said.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What `connect` says of a connection that is being made.
const IN_PROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();

/// What we do on a connection first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Wait for what the server says.
    Listen,
    /// Say something, or close.
    Speak,
}

/// Source address, interface, firewall mark and time limit of the connections of a check.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dialer {
    /// Source address (`bindto`); any if `None`. Must be of the family of the target.
    pub bind_address: Option<IpAddr>,
    /// Source port (`bind_port`); any if 0.
    pub bind_port: u16,
    /// Interface to send through (`bind_if`); the routing table decides if `None`.
    pub bind_interface: Option<String>,
    /// Firewall mark of the packets sent (`fwmark`); 0 for none. Needs `CAP_NET_ADMIN`.
    pub fwmark: u32,
    /// Limit on making the connection (`connect_timeout`), and on each later step for which the
    /// check has no limit of its own.
    pub connect_timeout: Duration,
}

impl Default for Dialer {
    fn default() -> Self {
        Self {
            bind_address: None,
            bind_port: 0,
            bind_interface: None,
            fwmark: 0,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
        }
    }
}

impl Dialer {
    /// A dialer with this `connect_timeout` and nothing else set.
    #[must_use]
    pub fn with_timeout(connect_timeout: Duration) -> Self {
        Self {
            connect_timeout,
            ..Self::default()
        }
    }

    /// Opens a TCP connection.
    ///
    /// # Errors
    /// [`Cause::Refused`], [`Cause::Unreachable`], [`Cause::ConnectTimeout`], [`Cause::Connect`],
    /// or [`Cause::Local`] if the source address, interface or mark could not be set.
    pub async fn connect(&self, target: SocketAddr) -> Result<TcpStream, Cause> {
        self.connect_and(target, Next::Listen).await
    }

    /// The same dialer, in memory once for all checks that use one like it.
    pub(crate) fn shared(self) -> Arc<Self> {
        static IN_USE: LazyLock<Mutex<Shared<Dialer>>> = LazyLock::new(Mutex::default);
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(shared) = in_use.find_or_make(self, Self::eq, Ok::<_, Infallible>);
        shared
    }

    /// Opens a TCP connection, knowing what comes next.
    pub(crate) async fn connect_and(
        &self,
        target: SocketAddr,
        next: Next,
    ) -> Result<TcpStream, Cause> {
        let stream = self.begin(target, next)?;
        let ready = self.made(&stream, &target).await?;
        // A connection that could not be made is closed; of any other there is nothing to ask.
        if ready.is_write_closed()
            && let Ok(Some(error)) | Err(error) = stream.take_error()
        {
            return Err(connect_cause(target, error.into()));
        }
        Ok(stream)
    }

    /// Opens a TCP connection that is to be written to at once: if it could not be made, the first
    /// write tells why, by an error for [`connect_cause`].
    pub(crate) async fn connect_to_write(&self, target: &SocketAddr) -> Result<TcpStream, Cause> {
        let stream = self.begin(*target, Next::Speak)?;
        self.made(&stream, target).await?;
        Ok(stream)
    }

    /// Begins to make a connection.
    fn begin(&self, target: SocketAddr, next: Next) -> Result<TcpStream, Cause> {
        let failed = |error: std::io::Error| Cause::Connect {
            target,
            error: error.into(),
        };
        let domain = Domain::for_address(target);
        let socket =
            Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP)).map_err(failed)?;
        self.prepare(SockRef::from(&socket), target)?;
        if next == Next::Speak {
            // Our side's last word of the handshake goes with our first one: a packet less for both.
            let _ = socket.set_tcp_quickack(false);
        }
        if let Err(error) = socket.connect(&target.into())
            && error.raw_os_error() != Some(IN_PROGRESS)
        {
            return Err(connect_cause(target, error.into()));
        }
        TcpStream::from_std(socket.into()).map_err(failed)
    }

    /// Waits until the connection is made or has failed.
    async fn made(&self, stream: &TcpStream, target: &SocketAddr) -> Result<Ready, Cause> {
        match timeout(self.connect_timeout, stream.ready(Interest::WRITABLE)).await {
            Err(_elapsed) => Err(Cause::ConnectTimeout {
                target: *target,
                after: self.connect_timeout,
            }),
            Ok(Err(error)) => Err(connect_cause(*target, error.into())),
            Ok(Ok(ready)) => Ok(ready),
        }
    }

    /// Opens a UDP socket connected to the target, so that only its answers, and ICMP errors for
    /// it, arrive.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), without the time-out.
    pub fn connect_udp(&self, target: SocketAddr) -> Result<UdpSocket, Cause> {
        self.datagram_socket(target, Type::DGRAM, Protocol::UDP)
    }

    /// Opens a datagram-like socket of any protocol, connected to the target.
    pub(crate) fn datagram_socket(
        &self,
        target: SocketAddr,
        kind: Type,
        protocol: Protocol,
    ) -> Result<UdpSocket, Cause> {
        let failed = |error: std::io::Error| Cause::Connect {
            target,
            error: error.into(),
        };
        let socket = Socket::new(
            Domain::for_address(target),
            kind.nonblocking(),
            Some(protocol),
        )
        .map_err(failed)?;
        self.prepare(SockRef::from(&socket), target)?;
        socket
            .connect(&target.into())
            .map_err(|error| connect_cause(target, error.into()))?;
        UdpSocket::from_std(socket.into()).map_err(failed)
    }

    fn prepare(&self, socket: SockRef<'_>, target: SocketAddr) -> Result<(), Cause> {
        let local = |doing: String, error: std::io::Error| Cause::Local {
            doing,
            target: target.ip(),
            error: error.into(),
        };
        if self.fwmark != 0 {
            socket
                .set_mark(self.fwmark)
                .map_err(|error| local(format!("set firewall mark {}", self.fwmark), error))?;
        }
        if let Some(interface) = &self.bind_interface {
            socket
                .bind_device(Some(interface.as_bytes()))
                .map_err(|error| local(format!("use interface {interface}"), error))?;
        }
        if self.bind_address.is_some() || self.bind_port != 0 {
            let any = if target.is_ipv4() {
                IpAddr::V4(Ipv4Addr::UNSPECIFIED)
            } else {
                IpAddr::V6(Ipv6Addr::UNSPECIFIED)
            };
            let source = SocketAddr::new(self.bind_address.unwrap_or(any), self.bind_port);
            let failed = |error| local(format!("bind to {source}"), error);
            if self.bind_port != 0 {
                // The last attempt from the same port may still be in TIME_WAIT.
                socket.set_reuse_address(true).map_err(failed)?;
            }
            socket.bind(&source.into()).map_err(failed)?;
        }
        Ok(())
    }
}

/// Sorts an error of `connect`, or an ICMP error that a later call reports.
pub(crate) fn connect_cause(target: SocketAddr, error: SystemError) -> Cause {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Cause::Refused { target },
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            Cause::Unreachable { target, error }
        }
        _ => Cause::Connect { target, error },
    }
}

/// True if a first write that fails so tells that the connection could not be made.
pub(crate) fn never_connected(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{
        ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable, TimedOut,
    };
    matches!(
        error.kind(),
        ConnectionRefused | HostUnreachable | NetworkDown | NetworkUnreachable | TimedOut
    )
}

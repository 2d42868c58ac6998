//! The connection table, as `/proc/net/ip_vs_conn` lists it.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use thiserror::Error;

use crate::types::{Protocol, ServiceId};

/// One connection, or a persistence template (a client's place kept on a server).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Connection {
    /// Protocol; the kernel shows `IP` for templates of firewall-mark services.
    pub protocol: ConnectionProtocol,
    /// Client's address and port; templates have port 0.
    pub client: SocketAddr,
    /// Virtual address and port; for templates of mark services the mark, as an address.
    pub virtual_server: SocketAddr,
    /// Real server's address and port.
    pub destination: SocketAddr,
    /// State of the protocol, such as `ESTABLISHED`; `NONE` for templates.
    pub state: String,
    /// Seconds until it is forgotten unless a packet comes.
    pub expires: u32,
    /// Name and data of the persistence engine, if one made it.
    pub engine: Option<EngineData>,
}

/// What a persistence engine keeps of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EngineData {
    /// Engine, such as `sip`.
    pub name: String,
    /// Its data, such as a SIP Call-ID.
    pub data: String,
}

/// Protocol column of the connection table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ConnectionProtocol {
    /// A transport protocol.
    Transport(Protocol),
    /// `IP`: a template of a firewall-mark service.
    Ip,
    /// Another name the kernel prints (`ICMP`, `ESP`…) is not kept.
    Other,
}

impl fmt::Display for ConnectionProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(protocol) => protocol.fmt(f),
            Self::Ip => f.pad("IP"),
            Self::Other => f.pad("?"),
        }
    }
}

/// A line that is none of the connection table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {field} is missing or malformed in the connection table")]
pub struct ParseConnectionError {
    /// Line number, from 1.
    pub line: usize,
    /// The field at fault.
    pub field: &'static str,
}

/// Why the connection table could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadConnectionsError {
    /// The kernel has no IPVS, or it is not loaded.
    #[error("this kernel has no IPVS: load it with `modprobe ip_vs`")]
    Unavailable,
    /// The file cannot be read.
    #[error("cannot read the connection table")]
    Io(#[source] io::Error),
    /// It is not understood.
    #[error(transparent)]
    Malformed(#[from] ParseConnectionError),
}

/// Reads the connections of the calling thread's network namespace; filter them as you like, for
/// one service by [`Connection::is_of`]. For another namespace call it in
/// [`Namespace::run`](crate::Namespace::run).
///
/// # Errors
///
/// See [`ReadConnectionsError`].
pub fn read() -> Result<Vec<Connection>, ReadConnectionsError> {
    let text = std::fs::read_to_string("/proc/thread-self/net/ip_vs_conn");
    let text = text.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ReadConnectionsError::Unavailable,
        _ => ReadConnectionsError::Io(error),
    })?;
    Ok(parse(&text).collect::<Result<_, _>>()?)
}

impl Connection {
    /// Whether it came by this service. Of a firewall-mark service only the templates are known;
    /// its connections do not tell the mark.
    #[must_use]
    pub fn is_of(&self, service: &ServiceId) -> bool {
        match (service, self.protocol) {
            (
                ServiceId::Address {
                    protocol,
                    address,
                    port,
                },
                ConnectionProtocol::Transport(transport),
            ) => {
                *protocol == transport
                    && *address == self.virtual_server.ip()
                    && (*port == 0 || *port == self.virtual_server.port())
            }
            (ServiceId::Fwmark { mark, .. }, ConnectionProtocol::Ip) => {
                match self.virtual_server.ip() {
                    IpAddr::V4(v4) => v4.to_bits() == mark.get(),
                    IpAddr::V6(v6) => v6.to_bits() == u128::from(mark.get()),
                }
            }
            _ => false,
        }
    }
}

/// Reads the text of `/proc/net/ip_vs_conn`.
///
/// The result is an iterator, so a large table need not be kept in memory twice.
///
/// ```
/// let text = "\
/// Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
/// TCP AC100164 C350 AC100108 0050 AC100104 0050 ESTABLISHED     899
/// ";
/// let connections: Vec<_> =
///     ipvs_netlink::connections::parse(text).collect::<Result<_, _>>().unwrap();
/// assert_eq!(connections[0].client.to_string(), "172.16.1.100:50000");
/// assert_eq!(connections[0].destination.to_string(), "172.16.1.4:80");
/// ```
pub fn parse(text: &str) -> impl Iterator<Item = Result<Connection, ParseConnectionError>> + '_ {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.starts_with("Pro ") && !line.trim().is_empty())
        .map(|(index, line)| parse_line(line, index + 1))
}

fn parse_line(text: &str, line: usize) -> Result<Connection, ParseConnectionError> {
    let error = |field| ParseConnectionError { line, field };
    let mut fields = text.split_whitespace();
    let protocol = match fields.next().ok_or_else(|| error("protocol"))? {
        "TCP" => ConnectionProtocol::Transport(Protocol::Tcp),
        "UDP" => ConnectionProtocol::Transport(Protocol::Udp),
        "SCTP" => ConnectionProtocol::Transport(Protocol::Sctp),
        "IP" => ConnectionProtocol::Ip,
        _ => ConnectionProtocol::Other,
    };
    let mut endpoint = |field| {
        let address = fields.next().and_then(parse_address);
        let port = fields
            .next()
            .and_then(|port| u16::from_str_radix(port, 16).ok());
        match (address, port) {
            (Some(address), Some(port)) => Ok(SocketAddr::new(address, port)),
            _ => Err(error(field)),
        }
    };
    let client = endpoint("client")?;
    let virtual_server = endpoint("virtual server")?;
    let destination = endpoint("destination")?;
    let state = fields.next().ok_or_else(|| error("state"))?.to_owned();
    let expires = fields.next().and_then(|seconds| seconds.parse().ok());
    let expires = expires.ok_or_else(|| error("expires"))?;
    let engine = fields.next().map(|name| EngineData {
        name: name.to_owned(),
        data: fields.collect::<Vec<_>>().join(" "),
    });
    Ok(Connection {
        protocol,
        client,
        virtual_server,
        destination,
        state,
        expires,
        engine,
    })
}

/// Eight hexadecimal digits for IPv4; eight groups, with or without brackets, for IPv6.
fn parse_address(text: &str) -> Option<IpAddr> {
    if text.len() == 8 && !text.contains(':') {
        let bits = u32::from_str_radix(text, 16).ok()?;
        return Some(IpAddr::V4(Ipv4Addr::from(bits)));
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_families_templates_and_engines() {
        let text = "\
Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP 0A000001 D431 AC100108 0050 AC100104 0050 FIN_WAIT        119
IP  0A000001 0000 00000007 0000 AC100104 0000 NONE            299
UDP 0A000001 13C4 AC10010A 13C4 AC100104 13C4 UDP             299 sip abc def
TCP 2001:0db8:0000:0000:0000:0000:0000:0001 D431 2001:0db8:0000:0000:0000:0000:0000:0002 0050 2001:0db8:0000:0000:0000:0000:0000:0003 0050 SYN_RECV         59
";
        let read: Vec<_> = parse(text).collect::<Result<_, _>>().unwrap();
        assert_eq!(read.len(), 4);
        assert_eq!(read[0].state, "FIN_WAIT");
        assert_eq!(read[0].expires, 119);
        assert_eq!(read[1].protocol, ConnectionProtocol::Ip);
        assert_eq!(read[1].virtual_server.ip().to_string(), "0.0.0.7");
        let engine = EngineData {
            name: "sip".to_owned(),
            data: "abc def".to_owned(),
        };
        assert_eq!(read[2].engine.as_ref(), Some(&engine));
        assert_eq!(read[3].destination.to_string(), "[2001:db8::3]:80");
        let web = ServiceId::tcp("172.16.1.8:80".parse().unwrap());
        let mark = ServiceId::fwmark(7, crate::types::Family::V4).unwrap();
        let of = |id| {
            read.iter()
                .map(|connection| connection.is_of(&id))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(web), [true, false, false, false]);
        assert_eq!(of(mark), [false, true, false, false]);
    }

    #[test]
    fn a_bad_line_is_named() {
        let text = "Pro FromIP\n\nTCP 0A000001 XXXX AC100108 0050 AC100104 0050 FIN_WAIT 1\n";
        let error = parse(text).next().unwrap().unwrap_err();
        assert_eq!(
            error,
            ParseConnectionError {
                line: 3,
                field: "client"
            }
        );
    }
}

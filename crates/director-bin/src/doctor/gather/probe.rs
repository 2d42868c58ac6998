//! Facts that take packets: who answers, who claims an address, what is heard.

use super::frame::{self, Ethernet, Heard as Said};
use super::{next_hop, place_of, takes_virtual_address};
use crate::doctor::facts::{Answer, Facts};
use crate::doctor::sys::PacketSocket;
use crate::doctor::wishes::{Method, Wishes};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Servers asked at a time.
const AT_ONCE: usize = 64;

/// First of the ports that packets made by hand come from; connections of the system rarely use them.
const FIRST_PORT: u16 = 1024;

pub(super) type Answers = BTreeMap<(IpAddr, u16), Answer>;
pub(super) type Claims = Result<BTreeMap<IpAddr, BTreeSet<[u8; 6]>>, String>;
pub(super) type Heard = Result<BTreeMap<String, BTreeSet<(IpAddr, u8)>>, String>;

/// Connects to every real server of a TCP service.
pub(super) fn answers(wishes: &Wishes) -> Answers {
    let wanted: BTreeSet<(IpAddr, u16)> = wishes
        .servers()
        .filter(|(service, server)| {
            service.protocol == 6 && server.port != 0 && server.method != Method::Other
        })
        .map(|(_, server)| (server.address, server.port))
        .collect();
    let wanted: Vec<_> = wanted.into_iter().collect();
    let mut all = Answers::new();
    for some in wanted.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            let asked: Vec<_> = some
                .iter()
                .map(|server| (*server, scope.spawn(move || connect(*server))))
                .collect();
            for (server, answer) in asked {
                all.insert(
                    server,
                    answer
                        .join()
                        .unwrap_or_else(|_| Answer::Nothing("not asked".to_owned())),
                );
            }
        });
    }
    all
}

fn connect(server: (IpAddr, u16)) -> Answer {
    match TcpStream::connect_timeout(&SocketAddr::from(server), PATIENCE) {
        Ok(_) => Answer::Open,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Answer::Refused,
        Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => {
            Answer::Nothing(format!("no answer within {} s", PATIENCE.as_secs()))
        }
        Err(error) => Answer::Nothing(error.to_string()),
    }
}

fn open(interface: &str) -> Result<PacketSocket, String> {
    let index = nix::net::if_::if_nametoindex(interface)
        .map_err(|_| format!("there is no interface {interface}"))?;
    PacketSocket::open(index).map_err(|error| {
        format!("packets cannot be sent on {interface} (it takes CAP_NET_RAW): {error}")
    })
}

/// Asks by ARP who has each virtual address.
pub(super) fn claims(wishes: &Wishes, facts: &Facts) -> Claims {
    let mut places: BTreeMap<String, Vec<Ipv4Addr>> = BTreeMap::new();
    for address in wishes.virtual_addresses() {
        if let (IpAddr::V4(v4), Some(place)) = (address, place_of(address, wishes, facts)) {
            places.entry(place).or_default().push(v4);
        }
    }
    let mut all = BTreeMap::new();
    for (interface, addresses) in places {
        let Some(own) = facts.interfaces.get(&interface).and_then(|known| known.mac) else {
            continue;
        };
        let socket = open(&interface)?;
        for address in &addresses {
            // Without a sender: nobody learns anything from it.
            socket
                .send(&frame::arp_request(own, Ipv4Addr::UNSPECIFIED, *address))
                .map_err(|error| error.to_string())?;
            all.insert(IpAddr::V4(*address), BTreeSet::new());
        }
        let deadline = Instant::now() + PATIENCE;
        while let Some(frame) = socket.receive(deadline) {
            let Some(Said::Arp { sender, mac }) = frame::parse(&frame) else {
                continue;
            };
            let ours = facts
                .interfaces
                .values()
                .any(|known| known.mac == Some(mac));
            if let Some(claims) = all.get_mut(&sender).filter(|_| !ours) {
                claims.insert(mac);
            }
        }
    }
    Ok(all)
}

/// Listens for advertisements on the interfaces of all instances.
pub(super) fn listen(wishes: &Wishes, facts: &Facts) -> Heard {
    let names: BTreeSet<&str> = wishes
        .instances
        .iter()
        .map(|instance| instance.interface.as_str())
        .collect();
    let patience = wishes
        .instances
        .iter()
        .map(|instance| instance.patience)
        .max()
        .unwrap_or_default();
    let deadline = Instant::now() + Duration::from_secs(patience);
    let mut all = BTreeMap::new();
    let mut sockets = Vec::new();
    for name in names {
        sockets.push((name.to_owned(), open(name)?));
    }
    std::thread::scope(|scope| {
        let listening: Vec<_> = sockets
            .iter()
            .map(|(name, socket)| {
                let hear = move || {
                    let mut heard = BTreeSet::new();
                    while let Some(frame) = socket.receive(deadline) {
                        if let Some(Said::Advert { source, vrid }) = frame::parse(&frame)
                            && facts.holder(source).is_none()
                        {
                            heard.insert((source, vrid));
                        }
                    }
                    heard
                };
                (name.clone(), scope.spawn(hear))
            })
            .collect();
        for (name, heard) in listening {
            all.insert(name, heard.join().unwrap_or_default());
        }
    });
    Ok(all)
}

/// Sends a SYN to the virtual address straight to each server of direct routing or tunnelling, from an own address.
pub(super) fn takes(wishes: &Wishes, facts: &mut Facts) {
    let mut found = Vec::new();
    let mut port = FIRST_PORT;
    for (service, server) in wishes
        .servers()
        .filter(|(_, server)| takes_virtual_address(server.method))
    {
        let (Some((IpAddr::V4(virtual_address), virtual_port)), IpAddr::V4(address)) =
            (service.address, server.address)
        else {
            continue;
        };
        if service.protocol != 6 || virtual_port == 0 {
            continue;
        }
        let Some((hop, mac)) = next_hop(facts, server.address) else {
            continue;
        };
        let Some((own_mac, own)) = source(facts, &hop.interface, virtual_address) else {
            continue;
        };
        port = port.checked_add(1).unwrap_or(FIRST_PORT);
        let addresses = Ethernet {
            from: own_mac,
            to: mac,
        };
        let (from, to) = ((own, port), (virtual_address, virtual_port));
        let frame = match server.method {
            Method::Tun => frame::tunnelled_syn(addresses, (own, address), from, to),
            _ => frame::syn(addresses, from, to),
        };
        // The answer to a tunnelled packet comes from the server by its own way, usually over the same interface.
        match ask(&hop.interface, &frame, to, from) {
            Ok(answer) => found.push((
                (server.address, virtual_port, virtual_address.into()),
                answer,
            )),
            Err(why) => drop(facts.unknown.insert("takes", why)),
        }
    }
    facts.takes.extend(found);
}

/// Sends each NAT server a SYN that seems to come from a client elsewhere, and sees whether the answer comes through here.
pub(super) fn returns(wishes: &Wishes, facts: &mut Facts, elsewhere: Ipv4Addr) {
    let mut found = Vec::new();
    let mut port = FIRST_PORT;
    for (service, server) in wishes
        .servers()
        .filter(|(_, server)| server.method == Method::Nat)
    {
        let IpAddr::V4(address) = server.address else {
            continue;
        };
        let open = facts.answers.get(&(server.address, server.port)) == Some(&Answer::Open);
        if service.protocol != 6 || !open {
            continue;
        }
        let Some((hop, mac)) = next_hop(facts, server.address) else {
            continue;
        };
        let Some((own_mac, _)) = source(facts, &hop.interface, address) else {
            continue;
        };
        port = port.checked_add(1).unwrap_or(FIRST_PORT);
        let (from, to) = ((elsewhere, port), (address, server.port));
        let frame = frame::syn(
            Ethernet {
                from: own_mac,
                to: mac,
            },
            from,
            to,
        );
        match ask(&hop.interface, &frame, to, from) {
            Ok(answer) => found.push((
                (server.address, server.port),
                !matches!(answer, Answer::Nothing(_)),
            )),
            Err(why) => drop(facts.unknown.insert("returns", why)),
        }
    }
    facts.returns.extend(found);
}

/// Own Ethernet and IP address on an interface; not the virtual address itself.
fn source(facts: &Facts, interface: &str, not: Ipv4Addr) -> Option<([u8; 6], Ipv4Addr)> {
    let known = facts.interfaces.get(interface)?;
    let address = known.addresses.iter().find_map(|address| match address {
        IpAddr::V4(v4) if *v4 != not => Some(*v4),
        _ => None,
    })?;
    Some((known.mac?, address))
}

/// Sends a SYN, three times at most, and waits for the answer of `asked` to `asker`.
fn ask(
    interface: &str,
    frame: &[u8],
    asked: (Ipv4Addr, u16),
    asker: (Ipv4Addr, u16),
) -> Result<Answer, String> {
    let socket = open(interface)?;
    for _ in 0..3 {
        socket.send(frame).map_err(|error| error.to_string())?;
        let deadline = Instant::now() + PATIENCE / 3;
        while let Some(frame) = socket.receive(deadline) {
            if let Some(Said::Tcp {
                from,
                to,
                syn_ack,
                reset,
            }) = frame::parse(&frame)
                && (from, to) == (asked, asker)
            {
                if syn_ack {
                    return Ok(Answer::Open);
                }
                if reset {
                    return Ok(Answer::Refused);
                }
            }
        }
    }
    Ok(Answer::Nothing(format!(
        "no answer to three packets within {} s",
        PATIENCE.as_secs()
    )))
}

//! The way to the real servers and back.

use super::network::list;
use super::{Check, Finding, error, has_nat, has_services, warning};
use crate::doctor::facts::{Answer, Facts};
use crate::doctor::wishes::{Method, Wishes};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "server-reachable",
        title: "the real servers answer",
        needs: Some("answers"),
        applies: has_services,
        judge: reachable,
    },
    Check {
        name: "dr-network",
        title: "direct routing needs one network",
        needs: None,
        applies: has_dr,
        judge: dr_network,
    },
    Check {
        name: "vip-on-server",
        title: "the real servers take packets to the virtual addresses",
        needs: Some("takes"),
        applies: has_dr_or_tunnel,
        judge: vip_on_server,
    },
    Check {
        name: "ip-forward",
        title: "forwarding, for NAT",
        needs: None,
        applies: has_nat,
        judge: ip_forward,
    },
    Check {
        name: "return-path",
        title: "answers come back through the director, for NAT",
        needs: Some("returns"),
        applies: has_nat,
        judge: return_path,
    },
    Check {
        name: "send-redirects",
        title: "redirects, for NAT on one network",
        needs: None,
        applies: has_nat,
        judge: send_redirects,
    },
    Check {
        name: "mtu",
        title: "the MTU under a tunnel",
        needs: None,
        applies: has_tunnel,
        judge: mtu,
    },
];

fn has_dr(wishes: &Wishes) -> Result<(), &'static str> {
    if wishes.uses(Method::Dr) {
        Ok(())
    } else {
        Err("no server is reached by direct routing")
    }
}

fn has_tunnel(wishes: &Wishes) -> Result<(), &'static str> {
    if wishes.uses(Method::Tun) {
        Ok(())
    } else {
        Err("no server is reached by a tunnel")
    }
}

fn has_dr_or_tunnel(wishes: &Wishes) -> Result<(), &'static str> {
    has_dr(wishes)
        .or_else(|_| has_tunnel(wishes))
        .map_err(|_| "no server is reached by direct routing or a tunnel")
}

fn reachable(wishes: &Wishes, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ((address, port), answer) in &facts.answers {
        let services: BTreeSet<&str> = wishes
            .servers()
            .filter(|(_, server)| (server.address, server.port) == (*address, *port))
            .map(|(service, _)| service.name.as_str())
            .collect();
        let found = match answer {
            Answer::Open => continue,
            Answer::Refused => error("server-reachable", format!("the real server {address} refuses connections to port {port}"))
                .seen(format!("TCP {address}:{port}: connection refused"))
                .cure(format!("start the service on {address}, and see that it listens on port {port} of all its addresses: ss -ltn")),
            Answer::Nothing(why) => error("server-reachable", format!("the real server {address} does not answer on port {port}"))
                .seen(format!("TCP {address}:{port}: {why}"))
                .seen(way(facts, *address))
                .cure(format!("see whether it is there at all: ping {address}; ip neigh show {address}"))
                .cure("see whether a packet filter on it or on the way drops the connection"),
        };
        findings.push(found.seen(format!("used by {}", list(services.iter()))));
    }
    findings
}

fn way(facts: &Facts, address: IpAddr) -> String {
    match facts.hops.get(&address) {
        None => format!("there is no route to {address}"),
        Some(hop) => match hop.gateway {
            Some(gateway) => format!(
                "its way leads over {} to the gateway {gateway}",
                hop.interface
            ),
            None => format!("its way leads over {}, without a gateway", hop.interface),
        },
    }
}

fn dr_network(wishes: &Wishes, facts: &Facts) -> Vec<Finding> {
    let servers: BTreeSet<IpAddr> = wishes
        .servers()
        .filter(|(_, server)| server.method == Method::Dr)
        .map(|(_, server)| server.address)
        .collect();
    let behind = servers
        .into_iter()
        .filter_map(|address| Some((address, facts.hops.get(&address)?.gateway?)));
    behind
        .map(|(address, gateway)| {
            error("dr-network", format!("{address} is behind a router: direct routing cannot reach it, since only the Ethernet address is changed"))
                .seen(format!("the way to {address} leads through the gateway {gateway}"))
                .cure(format!("put {address} on a network of the director, or use lb_kind TUN (or NAT) for it"))
        })
        .collect()
}

fn vip_on_server(wishes: &Wishes, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ((server, port, address), answer) in &facts.takes {
        let method = wishes
            .servers()
            .find(|(_, known)| known.address == *server)
            .map_or(Method::Dr, |(_, known)| known.method);
        let (how, place) = if method == Method::Tun {
            ("in a tunnel", "tunl0")
        } else {
            ("straight to its Ethernet address", "lo")
        };
        let packet = format!("a connection request to {address}:{port}, sent {how}");
        match answer {
            Answer::Open => {}
            Answer::Refused => findings.push(
                error("vip-on-server", format!("the real server {server} has {address}, but nothing listens on port {port} of it"))
                    .seen(format!("{packet}: refused"))
                    .cure(format!("let the service on {server} listen on all addresses (0.0.0.0:{port}) or on {address} as well")),
            ),
            Answer::Nothing(why) => {
                let mut found = error("vip-on-server", format!("the real server {server} does not take packets to {address}: connections that are sent to it hang"))
                    .seen(format!("{packet}: {why}"))
                    .cure(format!("on {server}: director realserver up --vip {address}{}", if method == Method::Tun { " --method tun" } else { "" }))
                    .cure(format!("or by hand on {server}: ip address add {address}/32 dev {place}, with arp_ignore=1 and arp_announce=2"));
                if method == Method::Tun {
                    found = found.cure(format!("on {server}: rp_filter must be 0 on tunl0 and for all (director doctor --real-server --vip {address} --method tun)"));
                }
                findings.push(found);
            }
        }
    }
    findings
}

fn ip_forward(wishes: &Wishes, facts: &Facts) -> Vec<Finding> {
    let v6 = |v6: bool| {
        wishes
            .servers()
            .any(|(_, server)| server.method == Method::Nat && server.address.is_ipv6() == v6)
    };
    let families = [
        (v6(false), "net.ipv4.ip_forward"),
        (v6(true), "net.ipv6.conf.all.forwarding"),
    ];
    let off = families
        .into_iter()
        .filter(|(used, name)| *used && facts.setting(name) == Some("0"));
    off.map(|(_, name)| {
        error(
            "ip-forward",
            "the kernel forwards nothing, so answers of NAT servers end at the director",
        )
        .seen(format!("{name} = 0"))
        .cure(format!(
            "sysctl -w {name}=1, and for good: echo '{name} = 1' > /etc/sysctl.d/90-lvs.conf"
        ))
    })
    .collect()
}

fn return_path(_: &Wishes, facts: &Facts) -> Vec<Finding> {
    let lost = facts.returns.iter().filter(|(_, returned)| !**returned);
    lost.map(|((address, port), _)| {
        let own = facts.hops.get(address).and_then(|hop| facts.interfaces.get(&hop.interface));
        let own = own.and_then(|interface| interface.addresses.iter().find(|address| address.is_ipv4()));
        let director = own.map_or_else(|| "the director's inside address".to_owned(), ToString::to_string);
        error("return-path", format!("answers of {address} to clients elsewhere do not come through the director, so clients never get them"))
            .seen(format!("{address}:{port} answers the director itself; its answer to a client at 198.18.0.1 did not pass here"))
            .cure(format!("make the director the gateway of {address}: ip route replace default via {director} (better: a virtual address on that network, so that it moves with the master)"))
            .cure("or use source NAT on the director, if clients' addresses need not be seen")
    })
    .collect()
}

fn send_redirects(wishes: &Wishes, facts: &Facts) -> Vec<Finding> {
    let mut findings = BTreeMap::new();
    for (service, server) in wishes
        .servers()
        .filter(|(_, server)| server.method == Method::Nat)
    {
        let Some((address, _)) = service.address else {
            continue;
        };
        let wished = wishes
            .instances
            .iter()
            .flat_map(|instance| &instance.addresses)
            .find(|(known, _)| *known == address);
        let outside = wished
            .map(|(_, interface)| interface.as_str())
            .or_else(|| facts.holder(address));
        let inside = facts
            .hops
            .get(&server.address)
            .map(|hop| hop.interface.as_str());
        let (Some(outside), Some(inside)) = (outside, inside) else {
            continue;
        };
        if outside != inside || facts.effective("send_redirects", inside) != Some(1) {
            continue;
        }
        findings.insert(
            inside.to_owned(),
            warning("send-redirects", format!("clients and NAT servers share the network of {inside}: the kernel tells servers to answer past the director"))
                .seen(format!("net.ipv4.conf.all.send_redirects or net.ipv4.conf.{inside}.send_redirects is 1, and {address} and {} are both on {inside}", server.address))
                .cure(format!("sysctl -w net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.{inside}.send_redirects=0"))
                .cure("clients of the servers' own network still get answers past the director; give them another network, or source NAT"),
        );
    }
    findings.into_values().collect()
}

fn mtu(wishes: &Wishes, facts: &Facts) -> Vec<Finding> {
    let mut findings = BTreeMap::new();
    for (service, server) in wishes
        .servers()
        .filter(|(_, server)| server.method == Method::Tun)
    {
        let Some((address, _)) = service.address else {
            continue;
        };
        let wished = wishes
            .instances
            .iter()
            .flat_map(|instance| &instance.addresses)
            .find(|(known, _)| *known == address);
        let outside = wished
            .map(|(_, interface)| interface.as_str())
            .or_else(|| facts.holder(address));
        let outside =
            outside.or_else(|| facts.default_hop.as_ref().map(|hop| hop.interface.as_str()));
        let inside = facts
            .hops
            .get(&server.address)
            .map(|hop| hop.interface.as_str());
        let (Some(outside), Some(inside)) = (outside, inside) else {
            continue;
        };
        let size = |name: &str| facts.interfaces.get(name).map(|interface| interface.mtu);
        let (Some(from), Some(to)) = (size(outside), size(inside)) else {
            continue;
        };
        let room = if server.address.is_ipv6() { 40 } else { 20 };
        if to >= from.saturating_add(room) {
            continue;
        }
        let largest = to.saturating_sub(room);
        findings.insert(
            (outside.to_owned(), inside.to_owned()),
            warning("mtu", format!("full packets from {outside} do not fit into the tunnel over {inside}: large requests hang where ICMP is filtered"))
                .seen(format!("{outside} has MTU {from}, {inside} {to}; the tunnel takes {room} of it, so packets of more than {largest} bytes must be cut"))
                .cure(format!("raise the MTU of {inside} and of the servers' network to {}: ip link set {inside} mtu {}", from.saturating_add(room), from.saturating_add(room)))
                .cure(format!("or let the servers ask for smaller segments: on each, ip route change default via GATEWAY advmss {}", largest.saturating_sub(40))),
        );
    }
    findings.into_values().collect()
}

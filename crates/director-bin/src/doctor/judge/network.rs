//! Interfaces, the packet filter, advertisements, who holds what.

use super::{Check, Finding, always, error, has_instances, has_services, warning};
use crate::doctor::facts::{Facts, mac_text};
use crate::doctor::filter::{Fate, Packet};
use crate::doctor::wishes::{Instance, Wishes};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "interfaces",
        title: "the interfaces of the instances",
        needs: None,
        applies: has_instances,
        judge: interfaces,
    },
    Check {
        name: "filter-vrrp",
        title: "the packet filter and advertisements",
        needs: Some("filter"),
        applies: has_instances,
        judge: filter_vrrp,
    },
    Check {
        name: "filter-vip",
        title: "the packet filter and the virtual addresses",
        needs: Some("filter"),
        applies: has_services,
        judge: filter_vip,
    },
    Check {
        name: "adverts",
        title: "advertisements reach the other node",
        needs: Some("claims"),
        applies: has_instances,
        judge: adverts,
    },
    Check {
        name: "arp",
        title: "who answers ARP for the virtual addresses",
        needs: Some("claims"),
        applies: always,
        judge: arp,
    },
];

fn interfaces(wishes: &Wishes, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Instance {
        name,
        interface,
        peers,
        ..
    } in &wishes.instances
    {
        let Some(known) = facts.interfaces.get(interface) else {
            findings.push(
                error("interfaces", format!("{name} runs on {interface}, which does not exist"))
                    .seen(format!("interfaces here: {}", list(facts.interfaces.keys())))
                    .cure("correct `interface` in the configuration, or create it before the director starts"),
            );
            continue;
        };
        if !known.up || !known.running {
            let what = if known.up { "has no link" } else { "is down" };
            findings.push(
                error(
                    "interfaces",
                    format!("{name} is in FAULT: {interface} {what}"),
                )
                .seen(format!(
                    "{interface}: up {}, carrier {}",
                    known.up, known.running
                ))
                .cure(if known.up {
                    format!("look at the cable and the switch port of {interface}")
                } else {
                    format!("ip link set {interface} up")
                }),
            );
        }
        if peers.is_empty() && !known.multicast {
            findings.push(
                error(
                    "interfaces",
                    format!("{name} advertises by multicast, and {interface} cannot do it"),
                )
                .seen(format!("{interface} has no MULTICAST flag"))
                .cure(format!(
                    "ip link set {interface} multicast on, or give the instance a unicast_peer"
                )),
            );
        }
    }
    findings
}

const fn group(v6: bool) -> IpAddr {
    if v6 {
        IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12))
    } else {
        IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18))
    }
}

fn filter_vrrp(wishes: &Wishes, facts: &Facts) -> Vec<Finding> {
    let Some(rules) = &facts.filter else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for Instance {
        name,
        interface,
        v6,
        peers,
        ..
    } in &wishes.instances
    {
        let own = facts
            .interfaces
            .get(interface)
            .and_then(|known| known.addresses.iter().find(|a| a.is_ipv6() == *v6));
        // From here to the peer; the way back differs in nothing that rules usually look at.
        let source = peers.first().copied();
        let destination = match (peers.is_empty(), own) {
            (false, Some(own)) => *own,
            _ => group(*v6),
        };
        let ways = [
            ("input", false, source, "that come in on", "iifname", "-i"),
            (
                "output",
                true,
                own.copied(),
                "that leave over",
                "oifname",
                "-o",
            ),
        ];
        for (hook, outgoing, source, which, nft, iptables) in ways {
            let packet = Packet {
                outgoing,
                interface: interface.clone(),
                source,
                destination,
                protocol: 112,
                port: None,
            };
            let Fate::Dropped(by) = rules.fate(hook, &packet) else {
                continue;
            };
            findings.push(
                error("filter-vrrp", format!("{name}: the packet filter drops advertisements {which} {interface}, so both nodes become master"))
                    .seen(format!("IP protocol 112 on {interface}: {}", by.text))
                    .cure(format!("accept it in front of that: {}", by.accept(&format!("{nft} \"{interface}\" meta l4proto 112"), &format!("{iptables} {interface} -p 112")))),
            );
        }
    }
    findings
}

fn filter_vip(wishes: &Wishes, facts: &Facts) -> Vec<Finding> {
    let Some(rules) = &facts.filter else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for service in &wishes.services {
        let Some((address, port)) = service.address else {
            continue;
        };
        let wished = wishes
            .instances
            .iter()
            .flat_map(|instance| &instance.addresses)
            .find(|(known, _)| *known == address);
        let interface = wished
            .map(|(_, interface)| interface.as_str())
            .or_else(|| facts.holder(address));
        let packet = Packet {
            outgoing: false,
            interface: interface.unwrap_or_default().to_owned(),
            source: None,
            destination: address,
            protocol: service.protocol,
            port: (port != 0).then_some(port),
        };
        if let Fate::Dropped(by) = rules.fate("input", &packet) {
            let protocol = match service.protocol {
                17 => "udp",
                132 => "sctp",
                _ => "tcp",
            };
            let family = if address.is_ipv6() { "ip6" } else { "ip" };
            findings.push(
                error(
                    "filter-vip",
                    format!(
                        "{}: the packet filter drops the clients' packets before IPVS sees them",
                        service.name
                    ),
                )
                .seen(format!(
                    "a new packet to {protocol} {address} port {port}: {}",
                    by.text
                ))
                .cure(format!(
                    "accept it in front of that: {}",
                    by.accept(
                        &format!("{family} daddr {address} {protocol} dport {port}"),
                        &format!("-d {address} -p {protocol} --dport {port}")
                    )
                )),
            );
        }
    }
    findings
}

/// Two masters: this node holds an address, and a machine that is no real server holds it, too.
fn adverts(wishes: &Wishes, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for instance in &wishes.instances {
        let Instance {
            name,
            interface,
            peers,
            addresses,
            ..
        } = instance;
        let heard = facts.heard.get(interface);
        let voices = heard.map_or_else(
            || "nothing could be heard".to_owned(),
            |heard| {
                let sources: BTreeSet<String> = heard
                    .iter()
                    .map(|(source, vrid)| format!("{source} (VRID {vrid})"))
                    .collect();
                if sources.is_empty() {
                    format!(
                        "no advertisement of another node on {interface} in {} s",
                        instance.patience
                    )
                } else {
                    format!(
                        "advertisements on {interface} from {}",
                        list(sources.iter())
                    )
                }
            },
        );
        for (address, _) in addresses
            .iter()
            .filter(|(address, _)| facts.holder(*address).is_some())
        {
            let others = strangers(wishes, facts, *address);
            if others.is_empty() {
                continue;
            }
            let mut found = error("adverts", format!("{name}: another machine holds {address} as well: two masters, since advertisements do not pass between them"))
                .seen(format!("ARP for {address} is answered by {}", list(others.iter())))
                .seen(voices.clone())
                .cure("see that both nodes have the same virtual_router_id, version and authentication (director compare A B, or --pair)")
                .cure("see that nothing drops IP protocol 112 on the way (filter-vrrp on both nodes)");
            found = if peers.is_empty() {
                found.cure("if the switch does not pass multicast to 224.0.0.18 (IGMP snooping, clouds), use unicast_src_ip and unicast_peer")
            } else {
                found.cure(
                    "see that unicast_peer names the other node's unicast_src_ip on both nodes",
                )
            };
            findings.push(found);
            break;
        }
        let none_holds = |(address, _): &(IpAddr, String)| {
            address.is_ipv4()
                && facts.holder(*address).is_none()
                && facts.claims.get(address).is_some_and(BTreeSet::is_empty)
        };
        if !addresses.is_empty() && addresses.iter().all(none_holds) {
            findings.push(
                warning("adverts", format!("{name}: nobody holds its addresses"))
                    .seen(format!(
                        "ARP for {} is answered by nobody",
                        list(addresses.iter().map(|(address, _)| address))
                    ))
                    .seen(voices)
                    .cure("start the director: systemctl start director; then: director status"),
            );
        }
    }
    findings
}

/// Machines that claim an address and are no real servers.
fn strangers(wishes: &Wishes, facts: &Facts, address: IpAddr) -> Vec<String> {
    let claims = facts.claims.get(&address).into_iter().flatten();
    claims
        .filter(|mac| server_of(wishes, facts, **mac).is_none())
        .map(|mac| mac_text(*mac))
        .collect()
}

/// The real server with this Ethernet address.
fn server_of(wishes: &Wishes, facts: &Facts, mac: [u8; 6]) -> Option<IpAddr> {
    let known = facts.neighbours.iter().find(|(address, known)| {
        **known == mac
            && wishes
                .servers()
                .any(|(_, server)| server.address == **address)
    });
    known.map(|(address, _)| *address)
}

fn arp(wishes: &Wishes, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (address, claims) in &facts.claims {
        for mac in claims {
            let Some(server) = server_of(wishes, facts, *mac) else {
                continue;
            };
            findings.push(
                error("arp", format!("the real server {server} answers ARP for {address}: clients that believe it go past the director"))
                    .seen(format!("ARP for {address} is answered by {}, which is {server}", mac_text(*mac)))
                    .cure(format!("on {server}: director realserver up --vip {address}"))
                    .cure(format!("or by hand on {server}: sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2, and {address} on lo only")),
            );
        }
    }
    findings
}

pub(super) fn list(items: impl Iterator<Item = impl ToString>) -> String {
    items
        .map(|item| item.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

//! The same on a real server: does it take packets to the virtual addresses, and keep quiet about them?

use super::{Check, Finding, error};
use crate::doctor::facts::Facts;
use crate::doctor::filter::{Fate, Packet};
use crate::doctor::wishes::{Method, Wishes};
use std::net::IpAddr;

pub(super) const CHECKS: &[&[Check]] = &[&[
    Check {
        name: "vip-here",
        title: "the virtual addresses are on this real server",
        needs: None,
        applies: addressed,
        judge: vip_here,
    },
    Check {
        name: "arp-here",
        title: "ARP is kept quiet about them",
        needs: None,
        applies: asked_for,
        judge: arp_here,
    },
    Check {
        name: "tunnel-here",
        title: "the end of the tunnel",
        needs: None,
        applies: tunnelled,
        judge: tunnel_here,
    },
]];

fn role(wishes: &Wishes) -> Option<(&[IpAddr], Method)> {
    wishes
        .real_server
        .as_ref()
        .map(|(addresses, method)| (addresses.as_slice(), *method))
}

fn addressed(wishes: &Wishes) -> Result<(), &'static str> {
    match role(wishes) {
        Some((_, Method::Nat)) => Err("a NAT server needs no virtual address"),
        _ => Ok(()),
    }
}

fn asked_for(wishes: &Wishes) -> Result<(), &'static str> {
    match role(wishes) {
        Some((addresses, _)) if !addresses.is_empty() && addresses.iter().all(IpAddr::is_ipv6) => {
            Err("nobody asks for an IPv6 address by ARP")
        }
        _ => addressed(wishes),
    }
}

fn tunnelled(wishes: &Wishes) -> Result<(), &'static str> {
    match role(wishes) {
        Some((_, Method::Tun)) => Ok(()),
        _ => Err("packets come without a tunnel"),
    }
}

fn vip_here(wishes: &Wishes, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some((addresses, method)) = role(wishes) else {
        return findings;
    };
    let place = if method == Method::Tun { "tunl0" } else { "lo" };
    let option = if method == Method::Tun {
        " --method tun"
    } else {
        ""
    };
    for address in addresses {
        match facts.holder(*address) {
            None => findings.push(
                error("vip-here", format!("{address} is not on this machine, so packets to it are dropped"))
                    .seen(format!("no interface has {address}"))
                    .cure(format!("director realserver up --vip {address}{option}")),
            ),
            Some(interface) if interface != place && interface != "lo" => findings.push(
                error("vip-here", format!("{address} is on {interface}, where everybody may learn of it"))
                    .seen(format!("{interface} has {address}"))
                    .cure(format!("ip address del {address}/32 dev {interface}; director realserver up --vip {address}{option}")),
            ),
            Some(_) => {}
        }
    }
    findings
}

fn arp_here(_: &Wishes, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, interface) in &facts.interfaces {
        if name == "lo" || name.starts_with("tunl") || !interface.up {
            continue;
        }
        let (ignore, announce) = (
            facts.effective("arp_ignore", name),
            facts.effective("arp_announce", name),
        );
        let quiet = ignore.is_none_or(|value| matches!(value, 1 | 2 | 8))
            && announce.is_none_or(|value| value == 2);
        if quiet {
            continue;
        }
        let show = |value: Option<u32>| {
            value.map_or_else(|| "unknown".to_owned(), |value| value.to_string())
        };
        findings.push(
            error("arp-here", format!("{name} answers or announces the virtual addresses by ARP: clients go past the director"))
                .seen(format!("in effect on {name}: arp_ignore = {}, arp_announce = {}", show(ignore), show(announce)))
                .cure("sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2, and for good in /etc/sysctl.d")
                .cure("director realserver up does it, and prints the lines for good"),
        );
    }
    findings
}

fn tunnel_here(wishes: &Wishes, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let option = role(wishes)
        .and_then(|(addresses, _)| addresses.first())
        .map_or_else(String::new, |address| format!(" --vip {address}"));
    match facts.interfaces.get("tunl0") {
        None => {
            let how = if facts.loaded.contains("ipip") || facts.available.contains("ipip") {
                "modprobe ipip"
            } else {
                "install a kernel with the module ipip"
            };
            findings.push(
                error(
                    "tunnel-here",
                    "there is no tunl0, so packets in a tunnel are refused",
                )
                .seen("no interface tunl0")
                .cure(format!(
                    "{how}; director realserver up{option} --method tun"
                )),
            );
        }
        Some(tunnel) if !tunnel.up => findings.push(
            error(
                "tunnel-here",
                "tunl0 is down, so packets in a tunnel are dropped",
            )
            .seen("tunl0: up false")
            .cure("ip link set tunl0 up"),
        ),
        Some(_) => {}
    }
    if facts.interfaces.contains_key("tunl0")
        && facts
            .effective("rp_filter", "tunl0")
            .is_some_and(|value| value == 1)
    {
        findings.push(
            error("tunnel-here", "the reverse path filter drops what comes out of the tunnel: clients are not behind tunl0")
                .seen("net.ipv4.conf.all.rp_filter or net.ipv4.conf.tunl0.rp_filter is 1")
                .cure("sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.tunl0.rp_filter=0"),
        );
    }
    if let Some(rules) = &facts.filter {
        for (name, interface) in &facts.interfaces {
            let Some(own) = interface
                .addresses
                .iter()
                .find(|address| address.is_ipv4())
                .filter(|_| name != "lo")
            else {
                continue;
            };
            let packet = Packet {
                outgoing: false,
                interface: name.clone(),
                source: None,
                destination: *own,
                protocol: 4,
                port: None,
            };
            if let Fate::Dropped(by) = rules.fate("input", &packet) {
                findings.push(
                    error("tunnel-here", "the packet filter drops packets in a tunnel")
                        .seen(format!("IP protocol 4 on {name}: {}", by.text))
                        .cure(by.accept(
                            &format!("iifname \"{name}\" meta l4proto 4"),
                            &format!("-i {name} -p 4"),
                        )),
                );
            }
        }
    }
    findings
}

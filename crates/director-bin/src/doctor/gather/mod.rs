//! Collecting facts.

mod frame;
mod probe;

use super::facts::{Facts, Hop, Interface, Route, hop, mac, neighbours, routes};
use super::filter::Ruleset;
use super::sys;
use super::wishes::{Method, Wishes};
use nix::net::if_::InterfaceFlags;
use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Command, Stdio};

/// How far the doctor goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Only this machine's own state is read.
    Passive,
    /// Connections to the real servers, a few packets of their own kind, and some seconds of listening.
    Active,
}

/// An address that stands for a client elsewhere: RFC 2544 keeps it for measurements, so it is nobody's.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// Largest list of packet filter rules that is read.
const LARGEST_RULESET: usize = 64 << 20;

/// All facts that the wishes need.
pub(crate) fn gather(wishes: &Wishes, depth: Depth) -> Facts {
    let mut facts = Facts {
        interfaces: interfaces(),
        ipvs: Path::new("/proc/net/ip_vs").exists(),
        clock_steered: sys::clock_steered(),
        ..Facts::default()
    };
    modules(&mut facts);
    settings(&mut facts);
    let table = routes(&fs::read_to_string("/proc/net/route").unwrap_or_default());
    ways(&mut facts, wishes, &table);
    filter(&mut facts);
    facts.tracked = number("/proc/sys/net/netfilter/nf_conntrack_count")
        .zip(number("/proc/sys/net/netfilter/nf_conntrack_max"));
    if depth == Depth::Passive {
        for what in ["answers", "claims", "takes", "returns", "heard"] {
            facts.unknown.insert(
                what,
                "it takes packets, and --passive sends none".to_owned(),
            );
        }
        return facts;
    }
    let (answers, claims, heard) = std::thread::scope(|scope| {
        let known = &facts;
        let heard = scope.spawn(move || probe::listen(wishes, known));
        let claims = scope.spawn(move || probe::claims(wishes, known));
        let answers = probe::answers(wishes);
        (answers, claims.join(), heard.join())
    });
    facts.answers = answers;
    let ended = || "the search ended unexpectedly".to_owned();
    match claims.unwrap_or_else(|_| Err(ended())) {
        Ok(claims) => facts.claims = claims,
        Err(why) => drop(facts.unknown.insert("claims", why)),
    }
    match heard.unwrap_or_else(|_| Err(ended())) {
        Ok(heard) => facts.heard = heard,
        Err(why) => drop(facts.unknown.insert("heard", why)),
    }
    facts.neighbours = neighbours(&fs::read_to_string("/proc/net/arp").unwrap_or_default());
    probe::takes(wishes, &mut facts);
    probe::returns(wishes, &mut facts, ELSEWHERE);
    facts
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn interfaces() -> std::collections::BTreeMap<String, Interface> {
    let mut all = std::collections::BTreeMap::<String, Interface>::new();
    for entry in nix::ifaddrs::getifaddrs().into_iter().flatten() {
        // A label counts as its interface.
        let name = entry
            .interface_name
            .split(':')
            .next()
            .unwrap_or_default()
            .to_owned();
        let interface = all.entry(name.clone()).or_default();
        interface.up = entry.flags.contains(InterfaceFlags::IFF_UP);
        interface.running = entry.flags.contains(InterfaceFlags::IFF_RUNNING);
        interface.multicast = entry.flags.contains(InterfaceFlags::IFF_MULTICAST);
        if interface.mtu == 0 {
            interface.mtu = sys::mtu(&name).unwrap_or_default();
        }
        let Some(address) = entry.address else {
            continue;
        };
        if let Some(v4) = address.as_sockaddr_in() {
            interface.addresses.push(v4.ip().into());
        } else if let Some(v6) = address.as_sockaddr_in6() {
            interface.addresses.push(v6.ip().into());
        } else if let Some(link) = address.as_link_addr() {
            interface.mac = mac(&link.to_string());
        }
    }
    all
}

fn modules(facts: &mut Facts) {
    let loaded = fs::read_to_string("/proc/modules").unwrap_or_default();
    facts.loaded = loaded
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    for list in ["modules.builtin", "modules.dep"] {
        let path = Path::new("/lib/modules").join(release.trim()).join(list);
        let text = fs::read_to_string(path).unwrap_or_default();
        facts.available.extend(text.lines().filter_map(module_name));
    }
}

/// `kernel/net/netfilter/ipvs/ip_vs.ko.xz: ...` names `ip_vs`.
fn module_name(line: &str) -> Option<String> {
    let path = line.split(':').next()?;
    let file = path.rsplit('/').next()?;
    Some(file.split(".ko").next()?.replace('-', "_"))
}

fn settings(facts: &mut Facts) {
    let mut names: BTreeSet<String> = [
        "net.ipv4.ip_forward",
        "net.ipv6.conf.all.forwarding",
        "net.ipv4.vs.conntrack",
        "net.ipv4.vs.expire_nodest_conn",
        "net.ipv4.vs.expire_quiescent_template",
    ]
    .map(str::to_owned)
    .into();
    let interfaces = facts.interfaces.keys().map(String::as_str);
    for interface in interfaces.chain(["all", "default"]) {
        for name in [
            "rp_filter",
            "send_redirects",
            "arp_ignore",
            "arp_announce",
            "forwarding",
        ] {
            names.insert(format!("net.ipv4.conf.{interface}.{name}"));
        }
    }
    for name in names {
        let path = Path::new("/proc/sys").join(name.replace('.', "/"));
        if let Ok(value) = fs::read_to_string(path) {
            facts.settings.insert(name, value.trim().to_owned());
        }
    }
}

fn ways(facts: &mut Facts, wishes: &Wishes, table: &[Route]) {
    for (_, server) in wishes.servers() {
        if let IpAddr::V4(v4) = server.address
            && let Some(hop) = hop(table, v4)
        {
            facts.hops.insert(server.address, hop);
        }
    }
    facts.default_hop = hop(table, ELSEWHERE);
}

fn filter(facts: &mut Facts) {
    let nft = match list_rules("nft", &["-j", "list", "ruleset"]) {
        Ok(text) => {
            Ruleset::parse(&text).ok_or_else(|| "the output of nft is not understood".to_owned())
        }
        Err(why) => Err(why),
    };
    // Nobody has set up anything of nftables where its module is not even loaded.
    let mut trouble = Vec::new();
    let mut rules = match nft {
        Ok(rules) => rules,
        Err(why) => {
            if facts.loaded.is_empty() || facts.loaded.contains("nf_tables") {
                trouble.push(why);
            }
            Ruleset::default()
        }
    };
    for (names, programs, v6) in [
        (
            "/proc/net/ip_tables_names",
            ["iptables-legacy-save", "iptables-save"],
            false,
        ),
        (
            "/proc/net/ip6_tables_names",
            ["ip6tables-legacy-save", "ip6tables-save"],
            true,
        ),
    ] {
        // The tables that are in use. Asking the program would make those that are not.
        let in_use = fs::read_to_string(names).unwrap_or_default();
        for table in in_use.lines() {
            let saved = programs
                .iter()
                .map(|program| list_rules(program, &["-t", table]))
                .find(Result::is_ok);
            match saved {
                Some(Ok(text)) => rules.add_legacy(&text, v6),
                _ => trouble.push(format!(
                    "there are rules of the older iptables in the table {table}, and {} cannot show them",
                    programs[0]
                )),
            }
        }
    }
    if trouble.is_empty() {
        facts.filter = Some(rules);
    } else {
        facts.unknown.insert("filter", trouble.join("; "));
    }
}

/// What such a program prints.
fn list_rules(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() && output.stdout.len() <= LARGEST_RULESET => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(_) => Err(format!(
            "{program} cannot list the rules; it needs CAP_NET_ADMIN"
        )),
        Err(_) => Err(format!("the program {program} is not installed")),
    }
}

/// The interface on which a virtual address is, or is to be.
fn place_of(address: IpAddr, wishes: &Wishes, facts: &Facts) -> Option<String> {
    let wished = wishes
        .instances
        .iter()
        .flat_map(|instance| &instance.addresses)
        .find(|(known, _)| *known == address)
        .map(|(_, interface)| interface.clone());
    wished.or_else(|| {
        facts
            .holder(address)
            .filter(|name| *name != "lo")
            .map(str::to_owned)
    })
}

/// A server's hop, if its Ethernet address is known: that of the gateway or its own.
fn next_hop(facts: &Facts, address: IpAddr) -> Option<(Hop, [u8; 6])> {
    let hop = facts.hops.get(&address)?.clone();
    let mac = facts.neighbours.get(&hop.gateway.unwrap_or(address))?;
    Some((hop, *mac))
}

/// Whether a server of this kind can be asked with a packet to the virtual address.
const fn takes_virtual_address(method: Method) -> bool {
    matches!(method, Method::Dr | Method::Tun)
}

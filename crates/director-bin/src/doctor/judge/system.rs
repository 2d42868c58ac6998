//! The kernel's settings and modules, connection tracking, the pair, the clock.

use super::network::list;
use super::{Check, Finding, always, error, has_services, warning};
use crate::doctor::facts::Facts;
use crate::doctor::wishes::{Method, Wishes};
use std::collections::BTreeSet;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "modules",
        title: "kernel modules",
        needs: None,
        applies: has_services,
        judge: modules,
    },
    Check {
        name: "rp-filter",
        title: "reverse path filter on the clients' side",
        needs: None,
        applies: always,
        judge: rp_filter,
    },
    Check {
        name: "conntrack",
        title: "connection tracking",
        needs: None,
        applies: has_services,
        judge: conntrack,
    },
    Check {
        name: "pair",
        title: "this node's file and its partner's",
        needs: Some("pair"),
        applies: always,
        judge: pair,
    },
    Check {
        name: "clock",
        title: "the clock",
        needs: None,
        applies: always,
        judge: clock,
    },
];

fn modules(wishes: &Wishes, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let there = |name: &str| facts.loaded.contains(name) || facts.available.contains(name);
    if !facts.ipvs {
        let found = error(
            "modules",
            "the kernel has no IPVS here, so no virtual server can work",
        )
        .seen("/proc/net/ip_vs does not exist");
        findings.push(if there("ip_vs") {
            found.cure("modprobe ip_vs, and for good: echo ip_vs > /etc/modules-load.d/ipvs.conf")
        } else {
            found
                .seen("neither loaded nor found below /lib/modules: ip_vs")
                .cure("install a kernel with IPVS (Debian: linux-image-amd64, not the cloud variant), or the package with the extra modules")
        });
    }
    let schedulers: BTreeSet<&str> = wishes
        .services
        .iter()
        .map(|service| service.scheduler.as_str())
        .collect();
    let missing: Vec<String> = schedulers
        .into_iter()
        .map(|name| format!("ip_vs_{name}"))
        .filter(|name| !there(name))
        .collect();
    // Without any list of modules nothing can be said.
    let listed = !facts.loaded.is_empty() || !facts.available.is_empty();
    if !missing.is_empty() && listed {
        findings.push(
            error(
                "modules",
                format!("the kernel lacks {}", list(missing.iter())),
            )
            .seen(format!(
                "neither loaded nor found below /lib/modules: {}",
                list(missing.iter())
            ))
            .cure("install the kernel's modules, or choose another lb_algo"),
        );
    }
    findings
}

fn rp_filter(wishes: &Wishes, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(default) = &facts.default_hop else {
        return findings;
    };
    let outside: BTreeSet<&str> = wishes
        .instances
        .iter()
        .flat_map(|instance| {
            instance
                .addresses
                .iter()
                .map(|(_, interface)| interface.as_str())
        })
        .chain(
            wishes
                .virtual_addresses()
                .into_iter()
                .filter_map(|address| facts.holder(address)),
        )
        .filter(|name| *name != "lo" && serves(wishes, facts, name))
        .collect();
    for interface in outside {
        if interface == default.interface || facts.effective("rp_filter", interface) != Some(1) {
            continue;
        }
        findings.push(
            error("rp-filter", format!("packets of clients elsewhere that come in on {interface} are dropped: their way back would leave over {}", default.interface))
                .seen(format!("strict reverse path filter: net.ipv4.conf.all.rp_filter or net.ipv4.conf.{interface}.rp_filter is 1"))
                .seen(format!("the default route leads over {}", default.interface))
                .cure(format!("sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.{interface}.rp_filter=2 (loose), and for good in /etc/sysctl.d"))
                .cure(format!("or let the default route leave over {interface}")),
        );
    }
    findings
}

/// Whether clients reach a service over this interface.
fn serves(wishes: &Wishes, facts: &Facts, interface: &str) -> bool {
    wishes
        .services
        .iter()
        .filter_map(|service| service.address)
        .any(|(address, _)| {
            let wished = wishes
                .instances
                .iter()
                .flat_map(|instance| &instance.addresses);
            facts.holder(address) == Some(interface)
                || wished
                    .into_iter()
                    .any(|(known, on)| *known == address && on == interface)
        })
}

fn conntrack(wishes: &Wishes, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some((count, most)) = facts.tracked
        && most > 0
        && count.saturating_mul(10) >= most.saturating_mul(9)
    {
        findings.push(
            error("conntrack", "the table of tracked connections is full or nearly so: new connections are dropped at random")
                .seen(format!("net.netfilter.nf_conntrack_count = {count}, nf_conntrack_max = {most}"))
                .cure(format!("sysctl -w net.netfilter.nf_conntrack_max={}", most.saturating_mul(4).max(65_536)))
                .cure("or do not track what IPVS balances: nft add rule inet raw prerouting ip daddr VIP notrack"),
        );
    }
    let changes = facts
        .filter
        .as_ref()
        .and_then(crate::doctor::filter::Ruleset::changes_sources);
    if wishes.uses(Method::Nat)
        && let Some(place) = changes
        && facts.setting("net.ipv4.vs.conntrack") == Some("0")
    {
        findings.push(
            warning("conntrack", "rules change source addresses, but IPVS hides its connections from them: they do not apply to balanced connections")
                .seen(format!("{place} changes source addresses"))
                .seen("net.ipv4.vs.conntrack = 0")
                .cure("sysctl -w net.ipv4.vs.conntrack=1, if balanced connections are meant, too"),
        );
    }
    findings
}

fn pair(_: &Wishes, facts: &Facts) -> Vec<Finding> {
    let differences = facts.pair.iter().flatten();
    differences
        .map(|difference| {
            error("pair", "the two nodes' files do not fit together")
                .seen(difference.clone())
                .cure("make them agree; `director compare A B` shows all differences with their places")
        })
        .collect()
}

fn clock(_: &Wishes, facts: &Facts) -> Vec<Finding> {
    if facts.clock_steered != Some(false) {
        return Vec::new();
    }
    vec![
        warning("clock", "nothing keeps this clock right: logs of the two nodes cannot be compared, and certificates and `auth` with times may fail")
            .seen("the kernel says that its clock is not synchronised (adjtimex: STA_UNSYNC)")
            .cure("install and start a time service: apt-get install chrony (or systemd-timesyncd)"),
    ]
}

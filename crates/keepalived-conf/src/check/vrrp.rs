//! Instances, sync groups, trackers.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::expand::Reader;
use crate::model::{Config, InitialState, Setting, TrackEntry, VrrpInstance, VrrpVersion};
use crate::source::Span;

const OWNER: u8 = 255;
/// The count field of an advert has eight bits.
const MAX_ADDRESSES: usize = 255;

fn warn(code: crate::Code, message: impl Into<String>, span: Span) -> Diagnostic {
    Diagnostic::new(code, Severity::Warning, message, span)
}

pub(super) fn check(config: &mut Config, reader: &mut Reader<'_>) {
    for instance in &mut config.vrrp_instance {
        complete(instance, reader);
        addresses(instance, reader);
        transport(instance, reader);
        priority(instance, reader);
        strict(instance, reader);
        own_interface(instance, reader);
    }
    router_ids(config, reader);
    shared_addresses(config, reader);
    weights(config, reader);
    groups(config, reader);
}

fn complete(instance: &VrrpInstance, reader: &mut Reader<'_>) {
    let name = &instance.name.value;
    if !instance.virtual_router_id.is_written() {
        let diagnostic = Diagnostic::new(
            codes::MISSING_KEYWORD,
            Severity::Error,
            format!("instance `{name}` has no `virtual_router_id`"),
            instance.span.0,
        )
        .note("keepalived refuses to start")
        .help("add `virtual_router_id N` with a number from 1 to 255, the same on all routers");
        reader.report(diagnostic);
    }
    let unicast = instance.is_unicast() && instance.source_address().is_some();
    if !instance.interface.is_written() && !unicast {
        let diagnostic = Diagnostic::new(
            codes::MISSING_KEYWORD,
            Severity::Error,
            format!("instance `{name}` has no `interface`"),
            instance.span.0,
        )
        .note("only an instance with `unicast_src_ip` and `unicast_peer` may do without")
        .help("add `interface NAME`");
        reader.report(diagnostic);
    }
}

fn addresses(instance: &mut VrrpInstance, reader: &mut Reader<'_>) {
    let name = instance.name.value.clone();
    let mut seen: HashMap<IpAddr, Span> = HashMap::new();
    let mut keep = |address: IpAddr, span: Span| {
        let Some(before) = seen.insert(address, span) else {
            return true;
        };
        seen.insert(address, before);
        let diagnostic = warn(
            codes::DUPLICATE_ADDRESS,
            format!("{address} stands twice in instance `{name}`; it is used once"),
            span,
        )
        .label(before, "first here")
        .note("keepalived leaves the second out");
        reader.report(diagnostic);
        false
    };
    instance
        .virtual_ipaddress
        .retain(|vip| keep(vip.address, vip.span.0));
    instance
        .virtual_ipaddress_excluded
        .retain(|vip| keep(vip.address, vip.span.0));
    let count = instance.virtual_ipaddress.len();
    if let Some(first) = instance.virtual_ipaddress.get(MAX_ADDRESSES) {
        let diagnostic = warn(
            codes::TOO_MANY_ADDRESSES,
            format!("an advert holds {MAX_ADDRESSES} addresses; instance `{name}` has {count}"),
            first.span.0,
        )
        .note("keepalived moves the surplus to `virtual_ipaddress_excluded`; so does director");
        reader.report(diagnostic);
        let surplus = instance.virtual_ipaddress.split_off(MAX_ADDRESSES);
        instance.virtual_ipaddress_excluded.extend(surplus);
    }
    if count == 0 {
        no_address(instance, reader);
    }
}

fn no_address(instance: &VrrpInstance, reader: &mut Reader<'_>) {
    let strict = instance.strict_mode.value;
    if instance.no_virtual_ipaddress.value && !strict {
        return;
    }
    let name = &instance.name.value;
    let needed = strict || instance.version.value == VrrpVersion::V3;
    let severity = if needed {
        Severity::Error
    } else {
        Severity::Warning
    };
    let mut diagnostic = Diagnostic::new(
        codes::NO_ADDRESS,
        severity,
        format!("instance `{name}` has no virtual address"),
        instance.span.0,
    )
    .note(if needed {
        "VRRPv3 and strict mode need one; keepalived refuses to start"
    } else {
        "keepalived warns and goes on"
    });
    diagnostic = diagnostic.help(if needed {
        "add `virtual_ipaddress { ADDRESS }`"
    } else {
        "add `virtual_ipaddress { ADDRESS }`, or `no_virtual_ipaddress` if none is meant"
    });
    reader.report(diagnostic);
}

fn transport(instance: &VrrpInstance, reader: &mut Reader<'_>) {
    let name = &instance.name.value;
    if instance.unicast && instance.unicast_peer.is_empty() {
        let span = instance.unicast_src_ip.span.unwrap_or(instance.span.0);
        let diagnostic = warn(
            codes::UNICAST_WITHOUT_PEERS,
            format!("instance `{name}` has no unicast peers; it uses multicast"),
            span,
        )
        .note("keepalived does so too and calls it deprecated")
        .help("add `unicast_peer { ADDRESS }`, or use `mcast_src_ip` for the source address");
        reader.report(diagnostic);
    }
    if !instance.is_unicast()
        && instance.unicast_ttl.is_written()
        && let Some(span) = instance.unicast_ttl.span
    {
        let diagnostic = warn(
            codes::INEFFECTIVE,
            "`unicast_ttl` has no effect without unicast peers",
            span,
        )
        .note("keepalived then sends its multicast adverts with a time to live of 0");
        reader.report(diagnostic);
    }
    for peer in &instance.unicast_peer {
        let own = instance.source_address() == Some(peer.address);
        let held = instance
            .virtual_ipaddress
            .iter()
            .any(|vip| vip.address == peer.address);
        if own || held {
            let what = if own {
                "the own source address"
            } else {
                "a virtual address"
            };
            let diagnostic = Diagnostic::new(
                codes::PEER_IS_SELF,
                Severity::Warning,
                format!("peer {} of instance `{name}` is {what}", peer.address),
                peer.span.0,
            )
            .note("no advert reaches the other router; both become master")
            .help("list the addresses of the other routers");
            reader.report(diagnostic);
        }
    }
}

fn priority(instance: &VrrpInstance, reader: &mut Reader<'_>) {
    if let Setting {
        value: OWNER,
        span: Some(span),
    } = instance.priority
    {
        let diagnostic = warn(
            codes::OWNER_PRIORITY,
            "priority 255 belongs to the router that has the virtual addresses as its own",
            span,
        )
        .note("tracking cannot lower it, and `nopreempt` has no effect")
        .help("use at most 254");
        reader.report(diagnostic);
    }
}

fn strict(instance: &VrrpInstance, reader: &mut Reader<'_>) {
    if !instance.strict_mode.value {
        return;
    }
    let owner = instance.priority.value == OWNER;
    let master = instance.state.value == InitialState::Master;
    if let Some(span) = instance.state.span
        && master != owner
    {
        let diagnostic = warn(
            codes::STRICT,
            "in strict mode `state MASTER` is for the owner of the addresses only",
            span,
        )
        .note("keepalived corrects the state by the priority");
        reader.report(diagnostic);
    }
    if let Some(peer) = instance.unicast_peer.first() {
        let diagnostic = Diagnostic::new(
            codes::STRICT,
            Severity::Error,
            "strict mode has no unicast peers",
            peer.span.0,
        )
        .note("keepalived refuses to start if the interface can multicast")
        .help("remove `vrrp_strict` or the peers");
        reader.report(diagnostic);
    }
    if instance.accept.value && !owner && !instance.accept.is_written() {
        let span = instance.strict_mode.span.unwrap_or(instance.span.0);
        let diagnostic = Diagnostic::new(
            codes::STRICT,
            Severity::Note,
            format!(
                "in strict mode packets to the addresses of `{}` are dropped by a firewall rule",
                instance.name.value
            ),
            span,
        )
        .note("services on the virtual address do not answer, not even ping");
        reader.report(diagnostic);
    }
}

fn own_interface(instance: &mut VrrpInstance, reader: &mut Reader<'_>) {
    let own = instance.interface.value.clone();
    instance.track.track_interface.retain(|entry| {
        if Some(&entry.name.value) != own.as_ref() {
            return true;
        }
        let diagnostic = Diagnostic::new(
            codes::OWN_INTERFACE,
            Severity::Note,
            format!(
                "`{}` is the own interface, which is always tracked",
                entry.name.value
            ),
            entry.span.0,
        )
        .note("keepalived ignores the entry");
        reader.report(diagnostic);
        false
    });
}

fn router_ids(config: &Config, reader: &mut Reader<'_>) {
    let mut seen: HashMap<(Option<&str>, u8, u8), &VrrpInstance> = HashMap::new();
    for instance in &config.vrrp_instance {
        if instance.virtual_router_id.value == 0 {
            continue;
        }
        let key = (
            instance.interface.value.as_deref(),
            instance.family.bits(),
            instance.virtual_router_id.value,
        );
        let Some(before) = seen.get(&key) else {
            seen.insert(key, instance);
            continue;
        };
        let peers = |a: &VrrpInstance, b: &VrrpInstance| {
            a.unicast_peer
                .iter()
                .any(|p| b.unicast_peer.iter().any(|q| q.address == p.address))
        };
        let both = instance.is_unicast() && before.is_unicast();
        if instance.is_unicast() != before.is_unicast() || both && !peers(instance, before) {
            continue;
        }
        if instance.mcast_dst_ip.value != before.mcast_dst_ip.value {
            continue;
        }
        let (Some(span), Some(first)) = (
            instance.virtual_router_id.span,
            before.virtual_router_id.span,
        ) else {
            continue;
        };
        let diagnostic = Diagnostic::new(
            codes::DUPLICATE_VRID,
            Severity::Error,
            format!(
                "instances `{}` and `{}` both have VRID {} on {}",
                before.name.value,
                instance.name.value,
                instance.virtual_router_id.value,
                instance
                    .interface
                    .value
                    .as_deref()
                    .unwrap_or("the same addresses")
            ),
            span,
        )
        .label(first, "first here")
        .note("keepalived refuses to start");
        reader.report(diagnostic);
    }
}

fn shared_addresses(config: &Config, reader: &mut Reader<'_>) {
    let mut seen: HashMap<IpAddr, (&str, Span)> = HashMap::new();
    for instance in &config.vrrp_instance {
        let all = instance
            .virtual_ipaddress
            .iter()
            .chain(&instance.virtual_ipaddress_excluded);
        for vip in all {
            let here = (instance.name.value.as_str(), vip.span.0);
            let Some((other, before)) = seen.insert(vip.address, here) else {
                continue;
            };
            let diagnostic = warn(
                codes::DUPLICATE_ADDRESS,
                format!("{} is in instance `{other}` too", vip.address),
                vip.span.0,
            )
            .label(before, "there")
            .note("two instances can be master on different routers, which then both answer");
            reader.report(diagnostic);
        }
    }
}

/// Weights that cannot do what they are for.
fn weights(config: &Config, reader: &mut Reader<'_>) {
    let groups: HashMap<&str, bool> = config
        .vrrp_sync_group
        .iter()
        .map(|g| (g.name.value.as_str(), g.sync_group_tracking_weight.value))
        .collect();
    for instance in &config.vrrp_instance {
        let group = instance
            .sync_group
            .as_deref()
            .and_then(|name| groups.get(name));
        let grouped = group.is_some_and(|keeps_weights| !keeps_weights);
        let track = &instance.track;
        // A group takes no weight from processes.
        let lists = [
            (&track.track_script, grouped),
            (&track.track_interface, grouped),
            (&track.track_process, false),
            (&track.track_bfd, grouped),
        ];
        for (list, grouped) in lists {
            for entry in list.iter().filter(|entry| entry.resolved) {
                weight(instance, entry, grouped, reader);
            }
        }
    }
}

fn weight(instance: &VrrpInstance, entry: &TrackEntry, grouped: bool, reader: &mut Reader<'_>) {
    let weight = i64::from(entry.weight.value.weight);
    // That a priority nobody wrote is 255 was said at the instance.
    let remarked = instance.priority.value == OWNER && !instance.priority.is_written();
    if weight == 0 || remarked {
        return;
    }
    let name = &instance.name.value;
    let priority = i64::from(instance.priority.value);
    let (message, note) = if instance.priority.value == OWNER {
        (
            format!("the weight has no effect: priority 255 of `{name}` never changes"),
            "keepalived drops the tracker",
        )
    } else if grouped {
        (
            format!("the weight has no effect: `{name}` is in a sync group"),
            "keepalived drops weighted scripts of members, and takes a weighted interface as \
             weight 0; `sync_group_tracking_weight` in the group keeps weights",
        )
    } else if weight > 0 && priority == 254 {
        (
            format!("the weight has no effect: `{name}` has priority 254 already"),
            "the effective priority is at most 254",
        )
    } else if weight < 0 && priority + weight < 1 {
        (
            format!("the weight {weight} is more than priority {priority} of `{name}`"),
            "the effective priority is at least 1, so that part of the weight is lost",
        )
    } else if weight > 0 && priority + weight > 254 {
        (
            format!("the weight {weight} lifts priority {priority} of `{name}` above 254"),
            "the effective priority is at most 254, so that part of the weight is lost",
        )
    } else {
        return;
    };
    let span = entry.weight.span.unwrap_or(entry.span.0);
    reader.report(warn(codes::WEIGHT_WITHOUT_EFFECT, message, span).note(note));
}

fn groups(config: &Config, reader: &mut Reader<'_>) {
    let instances: HashMap<&str, &VrrpInstance> = config
        .vrrp_instance
        .iter()
        .map(|i| (i.name.value.as_str(), i))
        .collect();
    for group in &config.vrrp_sync_group {
        let name = &group.name.value;
        match group.group.len() {
            0 => {
                let diagnostic = warn(
                    codes::GROUP_OF_ONE,
                    format!("sync group `{name}` has no members"),
                    group.span.0,
                )
                .note("keepalived removes the group");
                reader.report(diagnostic);
            }
            1 => {
                let diagnostic = warn(
                    codes::GROUP_OF_ONE,
                    format!("sync group `{name}` has one member, so it synchronises nothing"),
                    group.span.0,
                )
                .note("keepalived warns about it too");
                reader.report(diagnostic);
            }
            _ => {}
        }
        let members: Vec<&VrrpInstance> = group
            .group
            .iter()
            .filter_map(|m| instances.get(m.value.as_str()).copied())
            .collect();
        let owners = members.iter().filter(|i| i.priority.value == OWNER).count();
        if owners > 0 && owners < members.len() {
            let message = format!("sync group `{name}` mixes owners (priority 255) and others");
            let diagnostic = warn(codes::OWNER_PRIORITY, message, group.span.0)
                .note("keepalived says that this will not work");
            reader.report(diagnostic);
        }
    }
}

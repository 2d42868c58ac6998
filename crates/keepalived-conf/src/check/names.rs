//! Names that refer to something: groups of static items, instances, interfaces.

use std::collections::{BTreeMap, HashSet};

use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::expand::Reader;
use crate::model::{Config, Spanned};
use crate::source::Span;
use crate::suggest;

/// Most different interface names that are compared with each other.
const MAX_INTERFACES: usize = 200;

pub(super) fn check(config: &Config, reader: &mut Reader<'_>) {
    track_groups(config, reader);
    sync_daemon(config, reader);
    interfaces(config, reader);
}

fn undefined(reader: &mut Reader<'_>, what: &str, name: &Spanned<String>, known: &HashSet<&str>) {
    let diagnostic = Diagnostic::new(
        codes::UNRESOLVED,
        Severity::Error,
        format!("{what} `{}` is not defined", name.value),
        name.span,
    )
    .note("keepalived ignores the name");
    let mut names: Vec<&str> = known.iter().copied().collect();
    names.sort_unstable();
    let diagnostic = match suggest::nearest(&name.value, names.into_iter()) {
        Some(near) => diagnostic.fix(format!("did you mean `{near}`?"), name.span, near),
        None => diagnostic,
    };
    reader.report(diagnostic);
}

fn track_groups(config: &Config, reader: &mut Reader<'_>) {
    let instances: HashSet<&str> = config
        .vrrp_instance
        .iter()
        .map(|i| i.name.value.as_str())
        .collect();
    let groups: HashSet<&str> = config
        .track_group
        .iter()
        .map(|g| g.name.value.as_str())
        .collect();
    for member in config.track_group.iter().flat_map(|g| &g.group) {
        if !instances.contains(member.value.as_str()) {
            undefined(reader, "instance", member, &instances);
        }
    }
    let addresses = config
        .static_ipaddress
        .iter()
        .filter_map(|a| a.track_group.as_ref());
    let routes = config
        .static_routes
        .iter()
        .filter_map(|r| r.track_group.as_ref());
    let rules = config
        .static_rules
        .iter()
        .filter_map(|r| r.track_group.as_ref());
    let mut used: HashSet<&str> = HashSet::new();
    for name in addresses.chain(routes).chain(rules) {
        if groups.contains(name.value.as_str()) {
            used.insert(name.value.as_str());
        } else {
            undefined(reader, "track group", name, &groups);
        }
    }
    for group in config
        .track_group
        .iter()
        .filter(|g| !used.contains(g.name.value.as_str()))
    {
        let message = format!("no static item names track group `{}`", group.name.value);
        let diagnostic = Diagnostic::new(codes::UNUSED, Severity::Warning, message, group.span.0);
        reader.report(diagnostic);
    }
}

fn sync_daemon(config: &Config, reader: &mut Reader<'_>) {
    let Some(daemon) = &config.global_defs.lvs_sync_daemon.value else {
        return;
    };
    let Some(instance) = &daemon.inst else { return };
    let known: HashSet<&str> = config
        .vrrp_instance
        .iter()
        .map(|i| i.name.value.as_str())
        .collect();
    if !known.contains(instance.value.as_str()) {
        undefined(reader, "instance", instance, &known);
    }
}

/// A name that stands once and is a slip away from another one.
fn interfaces(config: &Config, reader: &mut Reader<'_>) {
    let mut seen: BTreeMap<&str, (Span, usize)> = BTreeMap::new();
    for instance in &config.vrrp_instance {
        let own = instance
            .interface
            .value
            .as_deref()
            .zip(instance.interface.span);
        let addresses = instance
            .virtual_ipaddress
            .iter()
            .chain(&instance.virtual_ipaddress_excluded);
        let devices = addresses.filter_map(|vip| vip.dev.as_ref());
        let tracked = instance
            .track
            .track_interface
            .iter()
            .map(|entry| &entry.name);
        let named = devices
            .chain(tracked)
            .map(|name| (name.value.as_str(), name.span));
        for (name, span) in own.into_iter().chain(named) {
            if seen.len() < MAX_INTERFACES || seen.contains_key(name) {
                seen.entry(name).or_insert((span, 0)).1 += 1;
            }
        }
    }
    for (name, (span, count)) in &seen {
        if *count > 1 {
            continue;
        }
        let like = seen
            .iter()
            .find(|(other, (_, count))| *count > 1 && slip(name, other));
        if let Some((other, _)) = like {
            let diagnostic = Diagnostic::new(
                codes::INTERFACE_NAME,
                Severity::Warning,
                format!("interface `{name}` stands once, and `{other}` is nearly the same"),
                *span,
            )
            .fix(format!("did you mean `{other}`?"), *span, *other);
            reader.report(diagnostic);
        }
    }
}

/// One edit apart, but not only in the number (`eth0` and `eth1` are two interfaces).
fn slip(a: &str, b: &str) -> bool {
    let letters = |text: &str| {
        text.chars()
            .filter(|c| c.is_alphabetic())
            .collect::<String>()
    };
    a != b && letters(a) != letters(b) && suggest::distance(a, b, 1) == Some(1)
}

#[cfg(test)]
mod tests {
    use super::slip;

    #[test]
    fn numbers_are_no_slips() {
        assert!(slip("eht0", "eth0"));
        assert!(slip("bnd0", "bond0"));
        assert!(!slip("eth1", "eth0"));
        assert!(!slip("eth10", "eth1"));
    }
}

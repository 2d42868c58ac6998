//! What differs between two configurations, in sentences: for the answer to a reload.

use crate::config::Plan;
use crate::lvs::VirtualServer;
use crate::output;
use ipvs_netlink::Change;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::Arc;

/// Changes of the table that are told one by one.
const TOLD: usize = 50;

/// What going over from `before` to `after` changes, apart from the table.
pub(crate) fn plans(before: &Plan, after: &Plan) -> Vec<String> {
    let mut changes = Vec::new();
    let instances = |plan: &Plan| by(&plan.vrrp.instances, |instance| instance.name.to_string());
    compare(
        "instance",
        &instances(before),
        &instances(after),
        &mut changes,
    );
    let groups = |plan: &Plan| by(&plan.vrrp.groups, |group| group.name.clone());
    compare("group", &groups(before), &groups(after), &mut changes);
    let shared: BTreeSet<*const VirtualServer> =
        before.virtual_servers.iter().map(Arc::as_ptr).collect();
    let stays: BTreeSet<*const VirtualServer> = after
        .virtual_servers
        .iter()
        .map(Arc::as_ptr)
        .filter(|server| shared.contains(server))
        .collect();
    // Of very many virtual servers most are the very same in both.
    let servers = |plan: &Plan| -> BTreeMap<String, Arc<VirtualServer>> {
        let all = plan.virtual_servers.iter();
        let others = all.filter(|server| !stays.contains(&Arc::as_ptr(server)));
        others
            .map(|server| (server.name.to_string(), Arc::clone(server)))
            .collect()
    };
    compare(
        "virtual server",
        &servers(before),
        &servers(after),
        &mut changes,
    );
    checks(before, after, &mut changes);
    let statics = |plan: &Plan| {
        let vrrp = &plan.vrrp;
        (
            vrrp.static_addresses.clone(),
            vrrp.static_routes.clone(),
            vrrp.static_rules.clone(),
        )
    };
    if statics(before) != statics(after) {
        changes.push("static addresses, routes or rules change".to_owned());
    }
    if before.watched != after.watched {
        changes.push("tracking scripts or files change".to_owned());
    }
    if before.hooks != after.hooks {
        changes.push("notification scripts change".to_owned());
    }
    if before.timeouts != after.timeouts {
        changes.push("connection timeouts of IPVS change".to_owned());
    }
    if before.sync != after.sync {
        changes.push("connection synchronisation changes".to_owned());
    }
    if before.vrrp_settings != after.vrrp_settings {
        changes.push("vrrp_rt_priority, vrrp_no_swap or dynamic_interfaces change, which takes effect at the next start".to_owned());
    }
    changes
}

/// Changes of the table.
pub(crate) fn table(changes: &[Change]) -> Vec<String> {
    let mut told: Vec<String> = changes
        .iter()
        .take(TOLD)
        .map(|change| format!("IPVS: {change}"))
        .collect();
    let more = changes.len().saturating_sub(TOLD);
    if more > 0 {
        told.push(format!("IPVS: {}", output::count(more, "further change")));
    }
    told
}

fn by<T: Clone + PartialEq>(all: &[T], name: impl Fn(&T) -> String) -> BTreeMap<String, T> {
    all.iter().map(|one| (name(one), one.clone())).collect()
}

fn compare<T: PartialEq>(
    what: &str,
    before: &BTreeMap<String, T>,
    after: &BTreeMap<String, T>,
    changes: &mut Vec<String>,
) {
    let mut tell = |name: &dyn Display, how: &str| changes.push(format!("{what} {name} {how}"));
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        tell(name, "is removed");
    }
    for (name, now) in after {
        match before.get(name) {
            None => tell(name, "is added"),
            Some(then) if then != now => tell(name, "changes"),
            Some(_) => {}
        }
    }
}

fn checks(before: &Plan, after: &Plan, changes: &mut Vec<String>) {
    let (mut added, mut changed) = (0_usize, 0_usize);
    let mut kept = 0_usize;
    for name in after.checks.virtual_servers() {
        if after.checks.is_shared(&before.checks, name) {
            kept = kept.saturating_add(after.checks.count_of(name));
            continue;
        }
        for (id, check) in after.checks.of(name) {
            match before.checks.get(&id) {
                None => added = added.saturating_add(1),
                Some(old) => {
                    kept = kept.saturating_add(1);
                    if !old.same_as(check) {
                        changed = changed.saturating_add(1);
                    }
                }
            }
        }
    }
    let removed = before.checks.len().saturating_sub(kept);
    for (count, how) in [(removed, "removed"), (added, "added"), (changed, "changed")] {
        if count > 0 {
            let are = if count == 1 { "is" } else { "are" };
            changes.push(format!("{} {are} {how}", output::count(count, "check")));
        }
    }
}

//! Static addresses, routes and rules that instances cannot do without.

use std::collections::BTreeSet;

use super::core::Core;
use super::instance::InstanceId;

impl Core {
    /// Instances and what each lacks of what is always to be there.
    fn missing_statics(&self) -> BTreeSet<(String, String)> {
        let mut missing = BTreeSet::new();
        let mut lacks = |needed_by: &[String], what: &dyn std::fmt::Display| {
            let what = what.to_string();
            missing.extend(needed_by.iter().map(|name| (name.clone(), what.clone())));
        };
        for address in &self.statics.addresses {
            if address.needed_by.is_empty() {
                continue;
            }
            let link = address.device.as_deref();
            let link = link.and_then(|name| self.picture.by_name(name));
            let there = self.applied.iter().any(|(key, applied)| {
                applied.owner == InstanceId::STATIC
                    && key.address == address.address
                    && Some(key.index) == link.map(|link| link.index)
            });
            if !there {
                lacks(&address.needed_by, &format!("static address {address}"));
            }
        }
        for route in &self.statics.routes {
            if !route.needed_by.is_empty() && !self.entries.has_route(route) {
                lacks(&route.needed_by, &format!("static {route}"));
            }
        }
        for rule in &self.statics.rules {
            if !rule.needed_by.is_empty() && !self.entries.has_rule(rule) {
                lacks(&rule.needed_by, &format!("static {rule}"));
            }
        }
        missing
    }

    /// Looks whether anything has come or gone that instances cannot do without.
    pub(super) fn look_at_statics(&mut self) {
        let missing = self.missing_statics();
        if missing != self.statics.missing {
            self.statics.missing = missing;
            self.refresh_all();
            self.settle();
        }
    }
}

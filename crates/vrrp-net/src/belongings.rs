//! What engines have put into the kernel, without an engine.

use std::io;
use std::net::IpAddr;

use crate::kernel::links::Picture;
use crate::kernel::netlink::Netlink;
use crate::kernel::{AddressTable as _, Entry, Gone, marked_entry};
use crate::route::Route;
use crate::rule::Rule;
use crate::settings::Settings;

/// Addresses, routes and rules in the kernel that carry the marks of [`Settings`]: those of a running engine, and what one has
/// left that was killed. Kernels before 5.18 keep no marks of addresses.
#[derive(Debug, Clone)]
pub struct Belongings {
    addresses: Vec<(String, IpAddr, u8)>,
    entries: Vec<Gone>,
    /// The tables of routing domains.
    tables: Vec<(String, u32)>,
}

impl Belongings {
    /// Reads them; changes nothing. Needs no privilege.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn read(settings: &Settings) -> io::Result<Self> {
        let mut table = Netlink::open(settings.address_mark, settings.route_mark)?;
        let picture = Picture::new(table.links()?, table.addresses()?);
        let marked = picture
            .addresses()
            .filter(|entry| Some(entry.mark) == settings.address_mark && entry.mark != 0);
        let addresses = marked.filter_map(|entry| {
            let name = picture.link(entry.key.index)?.name.to_string();
            Some((name, entry.key.address, entry.key.prefix_length))
        });
        let entries = table.marked_entries()?;
        let tables = picture.links().filter_map(|link| {
            let table = link.layer.table?;
            Some((link.name.to_string(), table))
        });
        Ok(Self {
            addresses: addresses.collect(),
            entries: entries.iter().filter_map(marked_entry).collect(),
            tables: tables.collect(),
        })
    }

    /// The addresses, with interface and prefix length.
    #[must_use]
    pub fn addresses(&self) -> &[(String, IpAddr, u8)] {
        &self.addresses
    }

    /// Whether a route to the same destination in the same table is there; `None` for one with a mark of its own
    /// (`protocol`), which is not looked for.
    #[must_use]
    pub fn has_route(&self, route: &Route) -> Option<bool> {
        route
            .protocol
            .is_none()
            .then(|| self.has(&self.route(route)))
    }

    /// Whether a rule with the same preference is there; `None` for one with a mark of its own (`protocol`).
    #[must_use]
    pub fn has_rule(&self, rule: &Rule) -> Option<bool> {
        rule.protocol
            .is_none()
            .then(|| self.has(&Entry::rule(rule)))
    }

    /// The routes and rules that are none of these, as `ip` would name them.
    #[must_use]
    pub fn others<'a>(
        &self,
        routes: impl Iterator<Item = &'a Route>,
        rules: impl Iterator<Item = &'a Rule>,
    ) -> Vec<String> {
        let known: Vec<Entry> = routes
            .map(|route| self.route(route))
            .chain(rules.map(Entry::rule))
            .collect();
        let others = self
            .entries
            .iter()
            .filter(|gone| !known.iter().any(|entry| entry.is_like(gone)));
        others.map(ToString::to_string).collect()
    }

    fn has(&self, entry: &Entry) -> bool {
        self.entries.iter().any(|gone| entry.is_like(gone))
    }

    /// Interfaces do not matter for the comparison, but the table of a routing domain does.
    fn route(&self, route: &Route) -> Entry {
        let mut route = Box::new(route.clone());
        let table = route.vrf.as_ref().and_then(|name| {
            let mut known = self.tables.iter();
            known
                .find(|(known, _)| known == name)
                .map(|(_, table)| *table)
        });
        route.table = table.unwrap_or(route.table);
        Entry::Route(route, None, Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_told_from_what_is_not() {
        let prefix = |text: &str, length| crate::route::Prefix {
            address: text.parse().unwrap(),
            length,
        };
        let mine = Belongings {
            addresses: Vec::new(),
            entries: vec![
                Gone::Route {
                    table: 254,
                    destination: Some(prefix("10.1.0.0", 16)),
                },
                Gone::Route {
                    table: 100,
                    destination: None,
                },
                Gone::Rule { preference: 77 },
            ],
            tables: Vec::new(),
        };
        let route = |destination, table| Route {
            table,
            ..Route::new(vrrp_proto::Family::V4, Some(destination))
        };
        let known = route(prefix("10.1.2.3", 16), 254);
        assert_eq!(mine.has_route(&known), Some(true));
        let elsewhere = route(prefix("10.1.2.3", 16), 9);
        assert_eq!(mine.has_route(&elsewhere), Some(false));
        let others = mine.others([&known].into_iter(), std::iter::empty());
        assert_eq!(
            others,
            ["route default table 100", "rule with preference 77"]
        );
    }
}

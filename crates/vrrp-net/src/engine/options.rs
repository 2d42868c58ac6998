//! Settings of interfaces that virtual MACs and promoted addresses need; put back when nobody needs them any more.
//!
//! What they were before is written into the alias of the virtual interface, so that a successor can put it back too.

use std::collections::BTreeMap;

use super::core::Core;
use crate::kernel::{Ipv4Option, LinkSetup};

/// The first word of the alias of an interface that the engine made.
pub(super) const ALIAS: &str = "director";

/// What a base of macvlans is given: it must not answer for addresses of the interface on top of it with its own MAC,
/// nor ask in their name.
const OF_BASES: [Ipv4Option; 3] = [
    Ipv4Option::ArpIgnore,
    Ipv4Option::ArpFilter,
    Ipv4Option::ArpAnnounce,
];

const DIRECTORY: &str = "/proc/sys/net/ipv4/conf";
const LOCAL_IGMP: &str = "/proc/sys/net/ipv4/igmp_link_local_mcast_reports";

/// What has been changed, and what it was before.
#[derive(Debug, Default)]
pub(super) struct InterfaceOptions {
    before: BTreeMap<(u32, Ipv4Option), u32>,
    /// What a predecessor found, by interface.
    inherited: BTreeMap<(u32, Ipv4Option), u32>,
    /// Reverse path filters below the common one that has been cleared, by file.
    reverse_path: Option<ReversePath>,
    local_igmp: Option<String>,
}

#[derive(Debug)]
struct ReversePath {
    common: u32,
    raised: Vec<(String, u32)>,
}

impl InterfaceOptions {
    /// Learns from an alias what its base was like before a predecessor changed it.
    pub(super) fn inherit(&mut self, base: u32, alias: &str) {
        for word in alias.split_whitespace() {
            let Some((name, value)) = word.split_once('=') else {
                continue;
            };
            let mut known = OF_BASES.iter().copied();
            let option = known.find(|option| option.as_str() == name);
            if let (Some(option), Ok(value)) = (option, value.parse()) {
                self.inherited.insert((base, option), value);
            }
        }
    }

    /// The alias of an interface on top of `base`.
    pub(super) fn alias(&self, base: u32) -> String {
        let words = OF_BASES.iter().copied().filter_map(|option| {
            let value = self.before.get(&(base, option))?;
            Some(format!(" {}={value}", option.as_str()))
        });
        std::iter::once(ALIAS.to_owned()).chain(words).collect()
    }

    pub(super) fn forget(&mut self, index: u32) {
        self.before.retain(|(of, _), _| *of != index);
        self.inherited.retain(|(of, _), _| *of != index);
    }
}

impl Core {
    /// What is wished of interfaces that exist.
    fn wished_options(&self) -> BTreeMap<(u32, Ipv4Option), u32> {
        let mut wished = BTreeMap::new();
        for base in self.links.bases_of_ipv4() {
            if let Some(link) = self.picture.by_name(base) {
                wished.insert((link.index, Ipv4Option::ArpIgnore), 1);
                wished.insert((link.index, Ipv4Option::ArpFilter), 1);
                wished.insert((link.index, Ipv4Option::ArpAnnounce), 2);
            }
        }
        for instance in self.instances.values() {
            if !instance.config.promote_secondaries {
                continue;
            }
            if let Some(link) = self.picture.by_name(instance.config.own_interface()) {
                wished.insert((link.index, Ipv4Option::PromoteSecondaries), 1);
            }
        }
        wished
    }

    /// Sets what is wished, and puts back what no longer is.
    pub(super) fn set_options(&mut self) {
        let wished = self.wished_options();
        for (&(index, option), &value) in &wished {
            if self.options.before.contains_key(&(index, option)) {
                continue;
            }
            let Some(link) = self.picture.link(index) else {
                continue;
            };
            let Some(now) = read(&link.name, option.as_str()) else {
                continue;
            };
            let before = self.options.inherited.remove(&(index, option));
            self.options
                .before
                .insert((index, option), before.unwrap_or(now));
            if now != value {
                self.set_option(index, option, value);
            }
        }
        let unwished: Vec<_> = self
            .options
            .before
            .keys()
            .filter(|key| !wished.contains_key(key))
            .copied()
            .collect();
        for (index, option) in unwished {
            let before = self.options.before.remove(&(index, option));
            if let (Some(before), Some(_)) = (before, self.picture.link(index)) {
                self.set_option(index, option, before);
            }
        }
        match (
            self.links.needs_no_reverse_path(),
            &self.options.reverse_path,
        ) {
            (true, None) => self.clear_reverse_path(),
            (false, Some(_)) => self.restore_reverse_path(),
            _ => {}
        }
    }

    fn set_option(&mut self, index: u32, option: Ipv4Option, value: u32) {
        let setup = LinkSetup {
            ipv4: vec![(option, value)],
            ..LinkSetup::default()
        };
        let interface = self.interface_name(index);
        match self.table.set_up_link(index, &setup) {
            Ok(()) => self.notice(format!("set {} of {interface} to {value}", option.as_str())),
            Err(error) => self.warn(
                None,
                format!(
                    "cannot set {} of {interface} to {value}: {error}",
                    option.as_str()
                ),
            ),
        }
    }

    /// Puts back what a predecessor changed and nobody wishes for now.
    pub(super) fn restore_inherited(&mut self) {
        for ((index, option), before) in std::mem::take(&mut self.options.inherited) {
            let Some(link) = self.picture.link(index) else {
                continue;
            };
            if read(&link.name, option.as_str()) != Some(before) {
                self.set_option(index, option, before);
            }
        }
    }

    /// An interface without addresses receives nothing while the common filter is on: each other interface gets its
    /// value, then it goes.
    fn clear_reverse_path(&mut self) {
        let common = read("all", "rp_filter").unwrap_or(0);
        let mut raised = Vec::new();
        if common > 0 {
            let names = self.picture.links().map(|link| link.name.to_string());
            for name in names.chain(std::iter::once("default".to_owned())) {
                let before = read(&name, "rp_filter").unwrap_or(common);
                if before < common && write(&name, "rp_filter", common).is_ok() {
                    raised.push((name, before));
                }
            }
            match write("all", "rp_filter", 0) {
                Ok(()) => self.notice(format!(
                    "moved rp_filter={common} from all interfaces to each, for virtual interfaces cannot have it"
                )),
                Err(error) => self.warn(
                    None,
                    format!(
                        "cannot set net.ipv4.conf.all.rp_filter to 0, so virtual interfaces receive no adverts: {error}"
                    ),
                ),
            }
        }
        self.options.reverse_path = Some(ReversePath { common, raised });
    }

    fn restore_reverse_path(&mut self) {
        let Some(ReversePath { common, raised }) = self.options.reverse_path.take() else {
            return;
        };
        if common == 0 {
            return;
        }
        // Back in the other order: no interface is without its filter in between.
        let mut result = write("all", "rp_filter", common);
        for (name, before) in raised {
            // An interface that is gone has nothing to be put back.
            if read(&name, "rp_filter") == Some(common) {
                let put_back = write(&name, "rp_filter", before);
                result = result.and(put_back);
            }
        }
        if let Err(error) = result {
            self.warn(None, format!("cannot put rp_filter back: {error}"));
        }
    }

    /// Switches off reports for link-local groups.
    pub(super) fn silence_local_igmp(&mut self) {
        if !self.settings.disable_local_igmp {
            return;
        }
        let result = std::fs::read_to_string(LOCAL_IGMP).and_then(|before| {
            std::fs::write(LOCAL_IGMP, "0")?;
            Ok(before)
        });
        match result {
            Ok(before) => self.options.local_igmp = Some(before),
            Err(error) => self.warn(
                None,
                format!("disable_local_igmp: cannot write {LOCAL_IGMP}: {error}"),
            ),
        }
    }

    pub(super) fn restore_local_igmp(&mut self) {
        if let Some(before) = self.options.local_igmp.take()
            && let Err(error) = std::fs::write(LOCAL_IGMP, before)
        {
            self.warn(None, format!("cannot put {LOCAL_IGMP} back: {error}"));
        }
    }
}

fn read(interface: &str, option: &str) -> Option<u32> {
    let path = format!("{DIRECTORY}/{interface}/{option}");
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn write(interface: &str, option: &str, value: u32) -> std::io::Result<()> {
    std::fs::write(
        format!("{DIRECTORY}/{interface}/{option}"),
        value.to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_carries_what_was_before() {
        let mut first = InterfaceOptions::default();
        first.before.insert((7, Ipv4Option::ArpIgnore), 2);
        first.before.insert((7, Ipv4Option::ArpFilter), 0);
        first.before.insert((7, Ipv4Option::ArpAnnounce), 1);
        let alias = first.alias(7);
        assert_eq!(alias, "director arp_ignore=2 arp_filter=0 arp_announce=1");
        let mut second = InterfaceOptions::default();
        second.inherit(7, &alias);
        assert_eq!(second.inherited, first.before);
        second.inherit(8, "director arp_ignore=x promote_secondaries=1 junk");
        assert_eq!(second.inherited.len(), 3);
    }
}

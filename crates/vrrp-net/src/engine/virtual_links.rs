//! Interfaces on top of others: made before the instances that use them, removed after their addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use socket2::{Domain, InterfaceIndexOrAddress, Socket, Type};
use vrrp_proto::{Instant, Transport};

use super::core::Core;
use super::instance::InstanceId;
use super::options::ALIAS;
use super::restore::Restorer;
use crate::instance::Configuration;
use crate::kernel::{Ipv4Option, LayerKind, Link, LinkSetup, Notice};
use crate::virtual_link::{VirtualLink, VirtualLinkKind};

/// The interfaces that are wished, and those in place.
#[derive(Debug, Default)]
pub(super) struct VirtualLinks {
    wished: BTreeMap<String, Wish>,
    /// Those in place, by name, with their index.
    made: BTreeMap<String, u32>,
    /// What was said last of one that cannot be made.
    complaints: BTreeMap<String, String>,
    pub(super) restorer: Restorer<String>,
    /// Memberships of bases in the groups of their virtual interfaces, which tell the switch of none.
    memberships: BTreeMap<(u32, IpAddr), Socket>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Wish {
    link: VirtualLink,
    base: String,
    ipv4: bool,
    ipv6: bool,
}

impl VirtualLinks {
    pub(super) fn is_idle(&self) -> bool {
        self.wished.is_empty() && self.made.is_empty()
    }

    pub(super) fn is_made(&self, index: u32) -> bool {
        self.made.values().any(|made| *made == index)
    }

    /// Those with a hardware address of their own, with their index.
    pub(super) fn macvlans(&self) -> impl Iterator<Item = (&str, u32)> {
        self.made.iter().filter_map(|(name, index)| {
            let wish = self.wished.get(name)?;
            wish.link.is_macvlan().then_some((&**name, *index))
        })
    }

    /// Bases of macvlans that carry IPv4.
    pub(super) fn bases_of_ipv4(&self) -> impl Iterator<Item = &str> {
        let wishes = self.wished.values();
        wishes
            .filter(|wish| wish.ipv4 && wish.link.is_macvlan())
            .map(|wish| &*wish.base)
    }

    pub(super) fn needs_no_reverse_path(&self) -> bool {
        self.bases_of_ipv4().next().is_some()
    }

    /// Whether the engine makes this one.
    pub(super) fn base_of(&self, name: &str) -> Option<&str> {
        self.wished.get(name).map(|wish| &*wish.base)
    }
}

impl Core {
    /// Notes what a configuration wishes for, makes what is missing and remakes what has changed.
    pub(super) fn wish_links(&mut self, configuration: &Configuration) {
        let mut wished: BTreeMap<String, Wish> = BTreeMap::new();
        for instance in &configuration.instances {
            for (link, base) in instance.virtual_links() {
                let wish = wished.entry(link.name.clone()).or_insert_with(|| Wish {
                    link: link.clone(),
                    base: base.to_owned(),
                    ipv4: false,
                    ipv6: false,
                });
                let own = instance.virtual_link.as_deref() == Some(link);
                let ipv6 = crate::wire::is_ipv6(instance.router.family);
                wish.ipv4 |= own && !ipv6;
                wish.ipv6 |= own && ipv6;
                for address in instance.all_addresses() {
                    if instance.carrier(address) == link.name {
                        wish.ipv4 |= address.address.is_ipv4();
                        wish.ipv6 |= address.address.is_ipv6();
                    }
                }
            }
        }
        let before = std::mem::replace(&mut self.links.wished, wished);
        for (name, old) in before {
            let Some(new) = self.links.wished.get(&name) else {
                continue;
            };
            if (&old.link, &old.base) != (&new.link, &new.base) {
                self.remove_link(&name);
            } else if old.ipv6 != new.ipv6 && new.link.is_macvlan() {
                quiet_ipv6(&name, new.ipv6);
            }
        }
        self.links.complaints.clear();
        self.set_options();
        self.make_links();
    }

    /// Makes what is wished, missing and possible; says whether anything was made.
    pub(super) fn make_links(&mut self) -> bool {
        let now = self.clock.now();
        let waiting = self.links.restorer.waiting(now);
        let missing: Vec<Wish> = self
            .links
            .wished
            .values()
            .filter(|wish| !self.links.made.contains_key(&wish.link.name))
            .filter(|wish| !waiting.contains(&wish.link.name))
            .cloned()
            .collect();
        let mut made = false;
        for wish in missing {
            let name = &wish.link.name;
            match self.make_one(&wish) {
                Ok(index) => {
                    made |= index.is_some();
                    self.links.complaints.remove(name);
                    self.links.restorer.succeeded(name);
                }
                Err(message) => {
                    self.links
                        .restorer
                        .later(name.clone(), InstanceId::STATIC, now);
                    let said = self.links.complaints.insert(name.clone(), message.clone());
                    if said.as_ref() != Some(&message) {
                        self.warn(None, format!("{message}; trying again"));
                    }
                }
            }
        }
        if made {
            self.shield();
            self.set_up_links();
        }
        made
    }

    /// Takes over or makes one; `None` while its base is not there.
    fn make_one(&mut self, wish: &Wish) -> Result<Option<u32>, String> {
        let name = &wish.link.name;
        let Some(base) = self.picture.by_name(&wish.base).cloned() else {
            return Ok(None);
        };
        if let Some(found) = self.picture.by_name(name) {
            if fits(found, wish, &base) {
                let index = found.index;
                self.links.made.insert(name.clone(), index);
                self.notice(format!("taking over interface {name} on {}", base.name));
                return Ok(Some(index));
            }
            if !is_ours(found) {
                return Err(format!(
                    "cannot make interface {name} on {}: there is another one of that name, rename it",
                    base.name
                ));
            }
            let index = found.index;
            self.remove_index(index, name)?;
        }
        self.table
            .make_link(&wish.link, base.index)
            .map_err(|error| {
                let kind = match wish.link.kind {
                    VirtualLinkKind::Macvlan { .. } => "macvlan",
                    VirtualLinkKind::Ipvlan { .. } => "ipvlan",
                };
                format!("cannot make {kind} {name} on {}: {error}", base.name)
            })?;
        self.read_links();
        let index = self.picture.by_name(name).map(|link| link.index);
        let index = index.ok_or_else(|| format!("interface {name} went as soon as it came"))?;
        self.links.made.insert(name.clone(), index);
        self.notice(format!("made interface {name} on {}", base.name));
        Ok(Some(index))
    }

    /// Sets up those that are not up; the filter is in place by now.
    fn set_up_links(&mut self) {
        let made: Vec<(String, u32)> = self.links.made.clone().into_iter().collect();
        let mut changed = false;
        for (name, index) in made {
            let (Some(wish), Some(link)) = (
                self.links.wished.get(&name).cloned(),
                self.picture.link(index),
            ) else {
                continue;
            };
            let base = self
                .picture
                .by_name(&wish.base)
                .map_or(0, |base| base.index);
            let alias = self.options.alias(base);
            if link.layer.alias == alias && link.administratively_up {
                continue;
            }
            let macvlan = wish.link.is_macvlan();
            if macvlan {
                quiet_ipv6(&name, wish.ipv6);
            }
            let setup = LinkSetup {
                no_link_local: macvlan,
                ipv4: ipv4_options(macvlan),
                ..LinkSetup::default()
            };
            // The kernel knows no IPv6 at all, perhaps.
            let result = self.table.set_up_link(index, &setup).or_else(|error| {
                let setup = LinkSetup {
                    no_link_local: false,
                    ..setup.clone()
                };
                self.table.set_up_link(index, &setup).map_err(|_| error)
            });
            // Up comes last: a link-local address would be made before the kernel is told not to.
            let up = LinkSetup {
                alias: Some(&alias),
                up: true,
                ..LinkSetup::default()
            };
            let up = self.table.set_up_link(index, &up);
            if let Err(error) = result.and(up) {
                self.warn(None, format!("cannot set interface {name} up: {error}"));
            }
            changed = true;
        }
        if changed {
            self.read_links();
        }
    }

    /// Removes those that nobody wishes for any more.
    pub(super) fn remove_unwished_links(&mut self) {
        let unwished: Vec<String> = self
            .links
            .made
            .keys()
            .filter(|name| !self.links.wished.contains_key(*name))
            .cloned()
            .collect();
        for name in unwished {
            self.remove_link(&name);
        }
        self.set_options();
    }

    fn remove_link(&mut self, name: &str) {
        let Some(index) = self.links.made.remove(name) else {
            return;
        };
        if self
            .picture
            .link(index)
            .is_none_or(|link| *link.name != *name)
        {
            return;
        }
        if let Err(message) = self.remove_index(index, name) {
            self.warn(None, message);
        }
    }

    fn remove_index(&mut self, index: u32, name: &str) -> Result<(), String> {
        self.table
            .remove_link(index)
            .map_err(|error| format!("cannot remove interface {name}: {error}"))?;
        self.picture.note(&Notice::LinkGone(index));
        self.applied.retain(|key, _| key.index != index);
        self.notice(format!("removed interface {name}"));
        Ok(())
    }

    /// The kernel says that an interface is gone.
    pub(super) fn link_gone(&mut self, index: u32, now: Instant) {
        self.options.forget(index);
        self.links.memberships.retain(|(base, _), _| *base != index);
        let name = self
            .links
            .made
            .iter()
            .find(|(_, made)| **made == index)
            .map(|(name, _)| name.clone());
        let Some(name) = name else {
            return;
        };
        self.links.made.remove(&name);
        let Some(base) = self.links.base_of(&name) else {
            return;
        };
        // With its base it comes back when that does.
        if self.picture.by_name(base).is_some() {
            self.warn(
                None,
                format!("interface {name} was removed by somebody else"),
            );
            let per_minute = self.settings.restores_per_minute;
            self.links
                .restorer
                .lost(name, InstanceId::STATIC, now, per_minute);
        }
    }

    /// After a change of the interfaces: makes what can be made now.
    pub(super) fn links_changed(&mut self) {
        self.set_options();
        if self.links.is_idle() {
            return;
        }
        if self.make_links() {
            self.refresh_all();
            self.whole = true;
        }
    }

    /// Tries again what is due.
    pub(super) fn links_due(&mut self) {
        let now = self.clock.now();
        if self.links.restorer.take_due(now).is_empty() {
            return;
        }
        if self.make_links() {
            self.refresh_all();
            self.whole = true;
            self.settle();
        }
    }

    /// Before the first configuration: what a predecessor made and set.
    pub(super) fn note_left_links(&mut self) {
        let left: Vec<(u32, String)> = self
            .picture
            .links()
            .filter(|link| is_ours(link))
            .filter_map(|link| Some((link.layer.base?, link.layer.alias.clone())))
            .collect();
        for (base, alias) in left {
            self.options.inherit(base, &alias);
        }
    }

    /// After the first configuration: removes what a predecessor made that nobody wishes for.
    pub(super) fn remove_left_links(&mut self) {
        let left: Vec<(u32, String)> = self
            .picture
            .links()
            .filter(|link| is_ours(link) && !self.links.wished.contains_key(&*link.name))
            .map(|link| (link.index, link.name.to_string()))
            .collect();
        for (index, name) in left {
            if let Err(message) = self.remove_index(index, &name) {
                self.warn(None, message);
            }
        }
        self.restore_inherited();
    }

    /// Takes part in the groups of macvlans on their bases, for what they report themselves is dropped.
    pub(super) fn set_memberships(&mut self) {
        if self.links.is_idle() && self.links.memberships.is_empty() {
            return;
        }
        let mut wished = BTreeSet::new();
        for instance in self.instances.values() {
            let macvlan = instance.config.virtual_link.as_ref();
            let on_it = macvlan.is_some_and(|link| {
                link.is_macvlan() && link.name == instance.config.advert_interface()
            });
            let base = self.picture.by_name(&instance.interface);
            if let (true, Some(base), Transport::Multicast(group)) =
                (on_it, base, &instance.config.router.transport)
            {
                wished.insert((base.index, *group));
            }
        }
        self.links.memberships.retain(|key, _| wished.contains(key));
        for (index, group) in wished {
            if self.links.memberships.contains_key(&(index, group)) {
                continue;
            }
            match take_part(index, group) {
                Ok(socket) => {
                    self.links.memberships.insert((index, group), socket);
                }
                Err(error) => {
                    let interface = self.interface_name(index);
                    self.warn(None, format!("cannot join {group} on {interface}: {error}"));
                }
            }
        }
    }
}

fn ipv4_options(macvlan: bool) -> Vec<(Ipv4Option, u32)> {
    let mut options = vec![(Ipv4Option::PromoteSecondaries, 1)];
    if macvlan {
        options.extend([
            (Ipv4Option::ArpIgnore, 1),
            (Ipv4Option::AcceptLocal, 1),
            (Ipv4Option::RpFilter, 0),
            // A redirect would name a router by an address that the host did not use (RFC 9568 section 8.1.1).
            (Ipv4Option::SendRedirects, 0),
        ]);
    }
    options
}

/// A base that is a macvlan itself is not told as such: the kernel puts both on the same interface.
fn fits(link: &Link, wish: &Wish, base: &Link) -> bool {
    let on_base = link.layer.base == Some(base.index)
        || (base.layer.base.is_some() && link.layer.base == base.layer.base);
    let mac = match wish.link.kind {
        VirtualLinkKind::Macvlan { mac } => link.mac == Some(mac),
        VirtualLinkKind::Ipvlan { .. } => true,
    };
    on_base && mac && link.layer.kind == Some(LayerKind::of(&wish.link))
}

/// Whether an engine made it, this one or one before.
fn is_ours(link: &Link) -> bool {
    link.layer.kind.is_some() && link.layer.alias.split_whitespace().next() == Some(ALIAS)
}

/// No router is looked for on a macvlan, and no IPv6 is on one that needs none. Where these files cannot be written
/// it has no link-local address all the same, and the filter keeps it quiet.
fn quiet_ipv6(name: &str, used: bool) {
    let write = |option: &str, value: &str| {
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/{option}"), value);
    };
    write("accept_ra", "0");
    write("disable_ipv6", if used { "0" } else { "1" });
}

/// A socket that is bound to nothing receives nothing; it keeps the membership.
fn take_part(index: u32, group: IpAddr) -> std::io::Result<Socket> {
    let domain = match group {
        IpAddr::V4(_) => Domain::IPV4,
        IpAddr::V6(_) => Domain::IPV6,
    };
    let socket = Socket::new(domain, Type::DGRAM, None)?;
    match group {
        IpAddr::V4(group) => {
            socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index))?;
        }
        IpAddr::V6(group) => socket.join_multicast_v6(&group, index)?,
    }
    Ok(socket)
}

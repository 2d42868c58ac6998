//! Packets that are dropped: to addresses that are not accepted, and memberships told with a virtual MAC.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::core::Core;
use super::filter_guard::TableGuard;
use crate::event::Event;
use crate::kernel::Placed;
use crate::nftables::{
    Action, Chain, Element, ElementChange, Family, Field, Hook, Match, Nftables, NftablesError,
    Rule, Set, Table, Type, Value,
};
use crate::settings::Firewall;

const ADDRESSES_4: &str = "addresses_ipv4";
const ADDRESSES_6: &str = "addresses_ipv6";
const LINK_LOCAL: &str = "addresses_link_local";
const VIRTUAL_LINKS: &str = "virtual_mac_interfaces";
/// Names listed in one line of the log.
const NAMED: usize = 8;

/// What is in the sets of the table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Member {
    Ipv4(Ipv4Addr),
    Ipv6(Ipv6Addr),
    /// A link-local address means something on its interface only.
    LinkLocal(Ipv6Addr, String, u32),
    /// An interface with a virtual MAC.
    VirtualLink(String, u32),
}

impl Member {
    fn address(placed: &Placed, interface: &str) -> Self {
        match placed.address.address {
            IpAddr::V4(address) => Self::Ipv4(address),
            IpAddr::V6(address) if address.is_unicast_link_local() => {
                Self::LinkLocal(address, interface.to_owned(), placed.index)
            }
            IpAddr::V6(address) => Self::Ipv6(address),
        }
    }

    const fn set(&self) -> &'static str {
        match self {
            Self::Ipv4(_) => ADDRESSES_4,
            Self::Ipv6(_) => ADDRESSES_6,
            Self::LinkLocal(..) => LINK_LOCAL,
            Self::VirtualLink(..) => VIRTUAL_LINKS,
        }
    }

    fn element(&self, by_index: bool) -> Element {
        let interface = |name: &str, index| {
            if by_index {
                Value::U32(index)
            } else {
                Value::from(name)
            }
        };
        match self {
            Self::Ipv4(address) => Element::new([Value::Ipv4(*address)]),
            Self::Ipv6(address) => Element::new([Value::Ipv6(*address)]),
            Self::LinkLocal(address, name, index) => {
                Element::new([Value::Ipv6(*address), interface(name, *index)])
            }
            Self::VirtualLink(name, index) => Element::new([interface(name, *index)]),
        }
    }
}

impl std::fmt::Display for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ipv4(address) => address.fmt(f),
            Self::Ipv6(address) => address.fmt(f),
            Self::LinkLocal(address, name, _) => write!(f, "{address} on {name}"),
            Self::VirtualLink(name, _) => f.write_str(name),
        }
    }
}

/// The table and what is in it.
#[derive(Debug, Default)]
pub(super) struct Filter {
    socket: Option<Nftables>,
    standing: bool,
    members: BTreeSet<Member>,
    /// The last complaint, so that it is said once.
    complaint: Option<String>,
    pub(super) guard: TableGuard,
}

/// The table with empty sets.
fn shape(firewall: &Firewall) -> Table {
    const ICMPV6: [(u8, Action); 4] = [
        // Listener reports and the end of listening, of both versions, and the search for a router.
        (131, Action::Drop),
        (132, Action::Drop),
        (143, Action::Drop),
        (133, Action::Drop),
    ];
    const IGMP: u8 = 2;
    const SOLICITATION: u8 = 135;
    const ADVERTISEMENT: u8 = 136;
    let (output, input, interface) = if firewall.by_index {
        (Field::OutputIndex, Field::InputIndex, Type::InterfaceIndex)
    } else {
        (Field::OutputName, Field::InputName, Type::InterfaceName)
    };
    let rule = |action| {
        let rule = Rule::new(action);
        if firewall.counters {
            rule.counted()
        } else {
            rule
        }
    };
    let on_virtual = || Match::in_set([output], VIRTUAL_LINKS);
    let neighbours = |chain: Chain| {
        [SOLICITATION, ADVERTISEMENT]
            .into_iter()
            .fold(chain, |chain, kind| {
                let condition = Match::is(Field::Icmpv6Type, Value::U8(kind));
                chain.with_rule(rule(Action::Accept).matching(condition))
            })
    };
    let refused = |chain: Chain, [ipv4, ipv6, interface]: [Field; 3]| {
        neighbours(chain)
            .with_rule(rule(Action::Drop).matching(Match::in_set([ipv4], ADDRESSES_4)))
            .with_rule(rule(Action::Drop).matching(Match::in_set([ipv6], ADDRESSES_6)))
            .with_rule(rule(Action::Drop).matching(Match::in_set([ipv6, interface], LINK_LOCAL)))
    };
    let igmp = Match::is(Field::Protocol, Value::U8(IGMP));
    let out = Chain::base("out", Hook::Output, firewall.priority)
        .with_rule(rule(Action::Drop).matching(igmp).matching(on_virtual()));
    let out = ICMPV6.into_iter().fold(out, |chain, (kind, action)| {
        let condition = Match::is(Field::Icmpv6Type, Value::U8(kind));
        chain.with_rule(rule(action).matching(condition).matching(on_virtual()))
    });
    let into = Chain::base("in", Hook::Input, firewall.priority);
    Table::new(Family::Inet, &*firewall.table)
        .with_set(Set::new(ADDRESSES_4, [Type::Ipv4Address]))
        .with_set(Set::new(ADDRESSES_6, [Type::Ipv6Address]))
        .with_set(Set::new(LINK_LOCAL, [Type::Ipv6Address, interface]))
        .with_set(Set::new(VIRTUAL_LINKS, [interface]))
        .with_chain(refused(
            into,
            [Field::Ipv4Destination, Field::Ipv6Destination, input],
        ))
        .with_chain(refused(out, [Field::Ipv4Source, Field::Ipv6Source, output]))
}

fn fill(table: &mut Table, wished: &BTreeSet<Member>, firewall: &Firewall) {
    for set in &mut table.sets {
        let members = wished.iter().filter(|member| member.set() == set.name);
        set.elements = members.map(|one| one.element(firewall.by_index)).collect();
    }
}

impl Filter {
    /// Makes the sets those of `wished`; the table stands while there is anything to put into it.
    fn set(
        &mut self,
        wished: BTreeSet<Member>,
        firewall: &Firewall,
    ) -> Result<Outcome, NftablesError> {
        if wished == self.members && self.standing != wished.is_empty() {
            return Ok(Outcome::default());
        }
        let mut socket = match self.socket.take() {
            Some(socket) => socket,
            None => Nftables::open()?,
        };
        let outcome = self.transact(&mut socket, &wished, firewall)?;
        self.socket = Some(socket);
        self.members = wished;
        self.complaint = None;
        Ok(outcome)
    }

    fn transact(
        &mut self,
        socket: &mut Nftables,
        wished: &BTreeSet<Member>,
        firewall: &Firewall,
    ) -> Result<Outcome, NftablesError> {
        let mut outcome = Outcome::default();
        if wished.is_empty() {
            socket.remove(&[(Family::Inet, &firewall.table)])?;
            outcome.removed = std::mem::replace(&mut self.standing, false);
            return Ok(outcome);
        }
        let mut table = shape(firewall);
        if self.standing {
            let changes = self.changes(&table, wished, firewall.by_index);
            match socket.change(&table, &changes) {
                Ok(()) => return Ok(outcome),
                // Somebody has emptied the kernel's tables, as firewall scripts do.
                Err(NftablesError::Refused { .. }) => outcome.lost = true,
                Err(error) => return Err(error),
            }
        }
        self.guard.watch(socket.port());
        fill(&mut table, wished, firewall);
        socket.replace(&[table])?;
        outcome.made = !std::mem::replace(&mut self.standing, true);
        Ok(outcome)
    }

    /// Puts the whole table there once more.
    pub(super) fn put_back(&mut self, firewall: &Firewall) -> Result<(), NftablesError> {
        let mut table = shape(firewall);
        fill(&mut table, &self.members, firewall);
        let mut socket = match self.socket.take() {
            Some(socket) => socket,
            None => Nftables::open()?,
        };
        self.guard.watch(socket.port());
        socket.replace(&[table])?;
        self.socket = Some(socket);
        Ok(())
    }

    pub(super) const fn stands(&self) -> bool {
        self.standing
    }

    fn changes(
        &self,
        table: &Table,
        wished: &BTreeSet<Member>,
        by_index: bool,
    ) -> Vec<ElementChange> {
        let changes = table.sets.iter().map(|set| {
            let of = |from: &BTreeSet<Member>, to: &BTreeSet<Member>| -> Vec<Element> {
                from.difference(to)
                    .filter(|member| member.set() == set.name)
                    .map(|member| member.element(by_index))
                    .collect()
            };
            ElementChange {
                set: set.name.clone(),
                add: of(wished, &self.members),
                remove: of(&self.members, wished),
            }
        });
        changes.collect()
    }
}

/// What became of the table.
#[derive(Debug, Default)]
struct Outcome {
    made: bool,
    removed: bool,
    lost: bool,
}

impl Core {
    /// Before addresses come: what is to be dropped from now on is.
    pub(super) fn shield(&mut self) {
        if self.filter_is_idle() {
            return;
        }
        let mut wished = self.wished_members();
        wished.extend(self.filter.members.iter().cloned());
        self.set_filter(wished);
    }

    /// After addresses are gone: what need not be dropped any more is not.
    pub(super) fn unshield(&mut self) {
        if self.filter_is_idle() {
            return;
        }
        let wished = self.wished_members();
        self.set_filter(wished);
    }

    fn filter_is_idle(&self) -> bool {
        let filter = &self.filter;
        let in_use = filter.standing || !filter.members.is_empty() || !self.links.is_idle();
        let mut configs = self.instances.values().map(|instance| &instance.config);
        !in_use && !configs.any(|config| config.refuses_packets())
    }

    fn wished_members(&self) -> BTreeSet<Member> {
        let mut members: BTreeSet<Member> = self
            .links
            .macvlans()
            .map(|(name, index)| Member::VirtualLink(name.to_owned(), index))
            .collect();
        for instance in self.instances.values() {
            if !instance.wants_addresses || !instance.config.refuses_packets() {
                continue;
            }
            for placed in instance.placed(&self.picture) {
                let interface = self.interface_name(placed.index);
                members.insert(Member::address(&placed, &interface));
            }
        }
        members
    }

    fn set_filter(&mut self, wished: BTreeSet<Member>) {
        let come: Vec<Member> = wished.difference(&self.filter.members).cloned().collect();
        let gone: Vec<Member> = self.filter.members.difference(&wished).cloned().collect();
        let table = self.settings.firewall.table.clone();
        match self.filter.set(wished, &self.settings.firewall) {
            Ok(outcome) => {
                if outcome.made {
                    self.notice(format!("table inet {table} of nftables is in place"));
                }
                if outcome.lost {
                    let message =
                        format!("somebody had removed table inet {table} of nftables, it is back");
                    self.warn(None, message);
                }
                let dropped = |member: &Member| !matches!(member, Member::VirtualLink(..));
                self.tell_members("dropping packets to and from", &come, dropped);
                self.tell_members("no longer dropping packets to and from", &gone, dropped);
                let dropped = |member: &Member| matches!(member, Member::VirtualLink(..));
                self.tell_members("dropping multicast membership reports on", &come, dropped);
                if outcome.removed {
                    self.notice(format!("table inet {table} of nftables is removed"));
                }
            }
            Err(error) => {
                let cause = std::error::Error::source(&error);
                let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
                let message = format!(
                    "{error}{cause}; packets to addresses with no_accept are accepted, and switches may learn a virtual MAC from a backup"
                );
                if self.filter.complaint.as_ref() != Some(&message) {
                    self.warn(None, message.clone());
                    self.filter.complaint = Some(message);
                }
            }
        }
    }

    fn tell_members(&self, what: &str, members: &[Member], which: impl Fn(&Member) -> bool) {
        let told: Vec<String> = members
            .iter()
            .filter(|member| which(member))
            .map(Member::to_string)
            .collect();
        if told.is_empty() {
            return;
        }
        let more = told.len().saturating_sub(NAMED);
        let mut list = told.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
        if more > 0 {
            list.push_str(&format!(" and {more} more"));
        }
        self.notice(format!("{what} {list}"));
    }

    /// Takes away the table of a predecessor, unless our own has taken its place.
    pub(super) fn remove_left_table(&mut self) {
        if self.filter.standing {
            return;
        }
        let table = &*self.settings.firewall.table;
        let removed = Nftables::open().and_then(|mut socket| {
            let there = socket.exists(Family::Inet, table)?;
            if there {
                socket.remove(&[(Family::Inet, table)])?;
            }
            Ok(there)
        });
        match removed {
            Ok(false) => {}
            Ok(true) => self.warn(
                None,
                format!("removed table inet {table} of nftables that an earlier run left"),
            ),
            // Where there is no nf_tables there is nothing left either.
            Err(NftablesError::Missing) => {}
            Err(error) => {
                let message = format!("cannot look for a table that an earlier run left: {error}");
                self.warn(None, message);
            }
        }
    }

    pub(super) fn notice(&self, message: String) {
        let instance = None;
        self.events.send(Event::Notice { instance, message });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbour_discovery_comes_before_what_is_dropped() {
        let table = shape(&Firewall::default());
        for chain in &table.chains {
            let position = |action: &Action, field: Field| {
                chain.rules.iter().position(|rule| {
                    rule.action == *action
                        && rule.matches.iter().any(|condition| match condition {
                            Match::Is(found, _) => *found == field,
                            Match::InSet(fields, _) => fields.contains(&field),
                            _ => false,
                        })
                })
            };
            let field = if chain.name == "in" {
                Field::Ipv6Destination
            } else {
                Field::Ipv6Source
            };
            let accepted = position(&Action::Accept, Field::Icmpv6Type).unwrap();
            assert!(accepted < position(&Action::Drop, field).unwrap());
        }
    }
}

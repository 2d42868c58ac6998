//! `nftables_ipvs`: a `virtual_server_group` becomes one service by a firewall mark, and nftables gives the mark to packets
//! for the group's addresses. The kernel then has one service where it would have one for each address.

use ipvs_netlink::{Family, Protocol, ServiceId};
use keepalived_conf::model::{Config, VirtualServerGroupMember, VirtualServerTarget};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use vrrp_net::nftables::{
    Action, Chain, ChainKind, Field, Hook, Match, Rule, Set, Table, Type, Value,
};

/// The priority of the chain for packets of this machine itself: before IPVS, which has -99 there.
const OUTPUT_PRIORITY: i32 = -150;

/// The table of marks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MarkTable {
    /// Its name.
    pub(crate) name: String,
    /// Priority of the chain for incoming packets.
    priority: i32,
    /// With a counter for each mark.
    counted: bool,
    /// Each mark with what it is for.
    marks: Vec<Given>,
}

/// A mark and what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Given {
    mark: u32,
    /// Whose it is.
    owner: Owner,
    members: Vec<Marked>,
}

/// The virtual server that a mark is for: its group, its protocol, and which it is of several with the same.
type Owner = (String, u16, usize);

/// Packets that get a mark: protocol, address, and port if not all ports.
type Marked = (u8, IpAddr, Option<u16>);

/// Gives out marks while a configuration is mapped.
pub(super) struct Marks {
    /// Marks that the file itself uses.
    taken: BTreeSet<u32>,
    next: u32,
    /// Marks that the plan in force, or an earlier director, has given. Who had one keeps it, whatever stands before it in the file now.
    before: BTreeMap<Owner, u32>,
    /// How many virtual servers of each group and protocol there were.
    counts: BTreeMap<(String, u16), usize>,
    /// `None` without `nftables_ipvs`.
    table: Option<MarkTable>,
}

impl Marks {
    pub(super) fn new(config: &Config, in_force: Option<&MarkTable>) -> Self {
        let globals = &config.global_defs;
        let name = globals.nftables_ipvs.value.clone();
        let of_servers =
            config
                .virtual_server
                .iter()
                .filter_map(|server| match server.target.value {
                    VirtualServerTarget::Fwmark(mark) => Some(mark),
                    _ => None,
                });
        let members = config
            .virtual_server_group
            .iter()
            .flat_map(|group| &group.members);
        let of_groups = members.filter_map(|member| match member {
            VirtualServerGroupMember::Fwmark { mark, .. } => Some(*mark),
            VirtualServerGroupMember::Range { .. } => None,
        });
        let own: BTreeSet<u32> = of_servers.chain(of_groups).collect();
        let first = *globals.nftables_ipvs_start_fwmark;
        let given = in_force.into_iter().flat_map(|table| &table.marks);
        let before: BTreeMap<Owner, u32> = given
            .filter(|given| given.mark >= first && !own.contains(&given.mark))
            .map(|given| (given.owner.clone(), given.mark))
            .collect();
        Self {
            taken: own.into_iter().chain(before.values().copied()).collect(),
            next: first,
            before,
            counts: BTreeMap::new(),
            table: name.map(|name| MarkTable {
                name,
                priority: *globals.nftables_ipvs_priority,
                counted: *globals.nftables_counters,
                marks: Vec::new(),
            }),
        }
    }

    /// The services that stand for a virtual server of a group: its addresses, or a mark for each family in their place. The
    /// group's own marks stay as they are.
    pub(super) fn instead_of(
        &mut self,
        group: &str,
        protocol: Protocol,
        members: &[ServiceId],
    ) -> Result<Vec<ServiceId>, String> {
        let Some(table) = &mut self.table else {
            return Ok(members.to_vec());
        };
        let marked: Vec<Marked> = members
            .iter()
            .filter_map(|id| match id {
                ServiceId::Address {
                    protocol,
                    address,
                    port,
                } => {
                    let protocol = u8::try_from(protocol.number()).ok()?;
                    Some((protocol, *address, (*port != 0).then_some(*port)))
                }
                _ => None,
            })
            .collect();
        if marked.is_empty() {
            return Ok(members.to_vec());
        }
        let key = (group.to_owned(), protocol.number());
        let count = self.counts.entry(key.clone()).or_insert(0);
        let owner = (key.0, key.1, *count);
        *count = count.saturating_add(1);
        let kept = self.before.remove(&owner);
        let mark = kept.unwrap_or_else(|| {
            while self.taken.contains(&self.next) {
                self.next = self.next.wrapping_add(1);
            }
            self.next
        });
        let families: BTreeSet<bool> = marked
            .iter()
            .map(|(_, address, _)| address.is_ipv6())
            .collect();
        let mut ids = Vec::new();
        for is_v6 in families {
            let family = if is_v6 { Family::V6 } else { Family::V4 };
            ids.push(ServiceId::fwmark(mark, family).ok_or(
                "no firewall marks are left for groups; choose a lower nftables_ipvs_start_fwmark",
            )?);
        }
        if kept.is_none() {
            self.next = mark.wrapping_add(1);
        }
        ids.extend(
            members
                .iter()
                .filter(|id| matches!(id, ServiceId::Fwmark { .. })),
        );
        table.marks.push(Given {
            mark,
            owner,
            members: marked,
        });
        Ok(ids)
    }

    /// The table that gives the marks; none if there are none.
    pub(super) fn table(self) -> Option<MarkTable> {
        self.table.filter(|table| !table.marks.is_empty())
    }
}

impl MarkTable {
    /// For the kernel.
    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new(vrrp_net::nftables::Family::Inet, &self.name);
        let mut rules = Vec::new();
        // Addresses with all ports come first: a mark for one port counts more.
        for (name, is_v6, with_port) in [
            ("addresses", false, false),
            ("addresses6", true, false),
            ("services", false, true),
            ("services6", true, true),
        ] {
            let (address, destination) = if is_v6 {
                (Type::Ipv6Address, Field::Ipv6Destination)
            } else {
                (Type::Ipv4Address, Field::Ipv4Destination)
            };
            let (mut key, mut fields) = (
                vec![address, Type::Protocol],
                vec![destination, Field::Protocol],
            );
            if with_port {
                key.push(Type::Port);
                fields.push(Field::DestinationPort);
            }
            let mut map = Set::map(name, key, Type::Mark);
            for given in &self.marks {
                for (protocol, address, port) in &given.members {
                    if address.is_ipv6() == is_v6 && port.is_some() == with_port {
                        let mut key = vec![Value::from(*address), Value::U8(*protocol)];
                        key.extend(port.map(Value::U16));
                        map = map.with_entry(key, Value::U32(given.mark));
                    }
                }
            }
            if !map.elements.is_empty() {
                table = table.with_set(map);
                rules.push(Rule::new(Action::SetMarkFrom(fields, name.to_owned())));
            }
        }
        if self.counted {
            rules.extend(self.marks.iter().map(|given| {
                let with_mark = Match::is(Field::Mark, Value::U32(given.mark));
                Rule::new(Action::Continue).matching(with_mark).counted()
            }));
        }
        let mut incoming = Chain::base("incoming", Hook::Prerouting, self.priority);
        let output = Chain::base("outgoing", Hook::Output, OUTPUT_PRIORITY);
        let mut outgoing = output.of_kind(ChainKind::Route);
        incoming.rules.clone_from(&rules);
        outgoing.rules = rules;
        table.with_chain(incoming).with_chain(outgoing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn marks(table: bool, taken: &[u32]) -> Marks {
        Marks {
            taken: taken.iter().copied().collect(),
            next: 1000,
            before: BTreeMap::new(),
            counts: BTreeMap::new(),
            table: table.then(|| MarkTable {
                name: "t".to_owned(),
                priority: -1,
                counted: true,
                marks: Vec::new(),
            }),
        }
    }

    fn tcp(address: &str) -> ServiceId {
        ServiceId::tcp(address.parse::<SocketAddr>().unwrap())
    }

    #[test]
    fn a_group_becomes_a_mark_of_each_family() {
        let own = ServiceId::fwmark(7, Family::V4).unwrap();
        let members = [
            tcp("10.0.0.1:80"),
            tcp("[2001:db8::1]:80"),
            own,
            tcp("10.0.0.2:0"),
        ];
        let mark = |mark, family| ServiceId::fwmark(mark, family).unwrap();
        let mut given = marks(true, &[7, 1000]);
        assert_eq!(
            given.instead_of("g", Protocol::Tcp, &members).unwrap(),
            [mark(1001, Family::V4), mark(1001, Family::V6), own]
        );
        assert_eq!(
            given.instead_of("g", Protocol::Tcp, &members[..1]).unwrap(),
            [mark(1002, Family::V4)]
        );
        assert_eq!(given.instead_of("g", Protocol::Tcp, &[own]).unwrap(), [own]);
        let table = given.table().unwrap().table();
        let maps: Vec<(&str, usize)> = table
            .sets
            .iter()
            .map(|set| (set.name.as_str(), set.elements.len()))
            .collect();
        assert_eq!(maps, [("addresses", 1), ("services", 2), ("services6", 1)]);
        // One rule for each map, a counter for each mark.
        assert!(table.chains.iter().all(|chain| chain.rules.len() == 5));
    }

    fn given_by(loaded: &crate::config::Loaded) -> BTreeMap<String, u32> {
        let given = loaded.plan.marks.iter().flat_map(|table| &table.marks);
        given
            .map(|given| (given.owner.0.clone(), given.mark))
            .collect()
    }

    #[test]
    fn who_had_a_mark_keeps_it() {
        let text = |groups: &[&str]| {
            let mut text = "global_defs {\n nftables_ipvs ours\n}\n".to_owned();
            for group in groups {
                text += &format!(
                    "virtual_server_group {group} {{\n 10.0.0.{} 80\n}}\nvirtual_server group {group} {{\n protocol TCP\n \
                     lb_algo rr\n lb_kind DR\n real_server 10.0.1.1 80 {{\n }}\n}}\n",
                    group.len()
                );
            }
            text
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.conf");
        let marks = |groups: &[&str], before: Option<&crate::config::Loaded>| {
            std::fs::write(&path, text(groups)).unwrap();
            let against = crate::config::Against::Nothing;
            let before = crate::config::Before {
                plan: before.map(|loaded| (&loaded.plan, &loaded.memory)),
                ..crate::config::Before::default()
            };
            let loaded = crate::config::load_after(
                &path,
                against,
                &mut keepalived_conf::FileSystem,
                |_| {},
                before,
            );
            let given = given_by(&loaded);
            (loaded, given)
        };
        let of = |all: &[(&str, u32)]| -> BTreeMap<String, u32> {
            all.iter()
                .map(|(name, mark)| ((*name).to_owned(), *mark))
                .collect()
        };
        let (first, given) = marks(&["a", "bb"], None);
        assert_eq!(given, of(&[("a", 1000), ("bb", 1001)]));
        let (second, given) = marks(&["ccc", "bb", "a"], Some(&first));
        assert_eq!(given, of(&[("a", 1000), ("bb", 1001), ("ccc", 1002)]));
        // A successor of a director that was killed has only its record.
        let record = serde_json::to_vec(&second.plan.marks).unwrap();
        let recorded: MarkTable = serde_json::from_slice(&record).unwrap();
        std::fs::write(&path, text(&["bb", "dddd", "ccc", "a"])).unwrap();
        let before = crate::config::Before {
            marks: Some(&recorded),
            ..crate::config::Before::default()
        };
        let against = crate::config::Against::Nothing;
        let files = &mut keepalived_conf::FileSystem;
        let successor = crate::config::load_after(&path, against, files, |_| {}, before);
        assert_eq!(
            given_by(&successor),
            of(&[("a", 1000), ("bb", 1001), ("ccc", 1002), ("dddd", 1003)])
        );
        let (third, given) = marks(&["ccc", "bb"], Some(&second));
        assert_eq!(given, of(&[("bb", 1001), ("ccc", 1002)]));
        let (_, given) = marks(&["dddd", "ccc", "bb"], Some(&third));
        assert_eq!(given, of(&[("bb", 1001), ("ccc", 1002), ("dddd", 1000)]));
    }

    #[test]
    fn without_the_keyword_addresses_stay() {
        let members = [tcp("10.0.0.1:80")];
        let mut given = marks(false, &[]);
        assert_eq!(
            given.instead_of("g", Protocol::Tcp, &members).unwrap(),
            members
        );
        assert_eq!(given.table(), None);
    }

    #[test]
    fn marks_come_to_an_end() {
        let mut given = marks(true, &[]);
        given.next = u32::MAX;
        assert!(
            given
                .instead_of("g", Protocol::Tcp, &[tcp("10.0.0.1:80")])
                .is_ok()
        );
        assert!(
            given
                .instead_of("g", Protocol::Tcp, &[tcp("10.0.0.2:80")])
                .is_err()
        );
    }
}

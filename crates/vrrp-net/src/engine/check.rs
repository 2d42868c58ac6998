//! Whether a configuration can run on this machine; asked before anything is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use crate::address::VirtualAddress;
use crate::error::ConfigurationError;
use vrrp_proto::Transport;
use vrrp_proto::tracking::Tracker;

use crate::instance::{Configuration, GroupConfig, InstanceConfig};
use crate::kernel::LinkKind;
use crate::kernel::links::Picture;
use crate::virtual_link::{VirtualLink, VirtualLinkKind};
use crate::wire::is_ipv6;

/// Says the first thing that cannot be.
pub(super) fn check(
    configuration: &Configuration,
    picture: &Picture,
    late_interfaces: bool,
) -> Result<(), ConfigurationError> {
    unique(
        "instance",
        configuration
            .instances
            .iter()
            .map(|instance| &*instance.name),
    )?;
    unique(
        "group",
        configuration.groups.iter().map(|group| &*group.name),
    )?;
    unique(
        "tracker",
        configuration.trackers.iter().map(|tracker| &*tracker.name),
    )?;
    for instance in &configuration.instances {
        check_instance(instance)?;
        check_interfaces(instance, picture, late_interfaces)?;
        check_virtual_links(instance)?;
        check_trackers(configuration, &instance.name, &instance.trackers)?;
    }
    check_trackers(
        configuration,
        "every instance",
        &configuration.common_trackers,
    )?;
    check_router_ids(&configuration.instances)?;
    check_names_of_links(&configuration.instances)?;
    check_static_addresses(&configuration.static_addresses)?;
    check_addresses(configuration)?;
    check_entries(configuration, picture, late_interfaces)?;
    check_groups(configuration)
}

fn unique<'a>(
    kind: &'static str,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), ConfigurationError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(ConfigurationError::DuplicateName {
                kind,
                name: name.to_owned(),
            });
        }
    }
    Ok(())
}

fn check_instance(instance: &InstanceConfig) -> Result<(), ConfigurationError> {
    for address in instance.all_addresses() {
        address
            .validate()
            .map_err(|problem| ConfigurationError::Address {
                instance: instance.name.to_string(),
                problem,
            })?;
    }
    for address in &instance.addresses {
        if address.address.is_ipv6() != is_ipv6(instance.router.family) {
            let (instance, address) = (instance.name.to_string(), address.address);
            return Err(ConfigurationError::MixedFamilies { instance, address });
        }
    }
    let router = &instance.router;
    router_of(instance, router.grouped, router.source)
        .validate()
        .map_err(|problem| ConfigurationError::Router {
            instance: instance.name.to_string(),
            problem: problem.to_string(),
        })
}

/// The configuration the protocol core gets: the instance's own, unless there is something to be filled in.
pub(super) fn router_of(
    instance: &InstanceConfig,
    grouped: bool,
    source: Option<IpAddr>,
) -> Arc<vrrp_proto::Config> {
    let mut router = Arc::clone(&instance.router);
    let addresses = instance.addresses.iter().map(|address| address.address);
    if !router.addresses.iter().copied().eq(addresses.clone()) {
        Arc::make_mut(&mut router).addresses = addresses.collect();
    }
    if (router.grouped, router.source) != (grouped, source) {
        let router = Arc::make_mut(&mut router);
        (router.grouped, router.source) = (grouped, source);
    }
    router
}

fn check_interfaces(
    instance: &InstanceConfig,
    picture: &Picture,
    late_interfaces: bool,
) -> Result<(), ConfigurationError> {
    if instance.interface.is_empty() {
        check_without_interface(instance)?;
    }
    let devices = instance
        .all_addresses()
        .filter_map(|address| address.device.as_deref());
    let all = std::iter::once(&*instance.interface).chain(devices);
    for interface in all.filter(|name| !name.is_empty()) {
        if picture.by_name(interface).is_none() && !late_interfaces {
            let (instance, interface) = (instance.name.to_string(), interface.to_owned());
            return Err(ConfigurationError::NoSuchInterface {
                instance,
                interface,
            });
        }
    }
    let own = picture.by_name(&instance.interface);
    if own.is_some_and(|link| link.kind == LinkKind::Loopback) {
        let (instance, interface) = (instance.name.to_string(), instance.interface.to_string());
        return Err(ConfigurationError::Loopback {
            instance,
            interface,
        });
    }
    Ok(())
}

fn check_trackers(
    configuration: &Configuration,
    user: &str,
    tracked: &[Tracker],
) -> Result<(), ConfigurationError> {
    for entry in tracked {
        if !configuration
            .trackers
            .iter()
            .any(|tracker| *tracker.name == *entry.name)
        {
            let (user, tracker) = (user.to_owned(), entry.name.to_string());
            return Err(ConfigurationError::NoSuchTracker { user, tracker });
        }
    }
    Ok(())
}

fn check_without_interface(instance: &InstanceConfig) -> Result<(), ConfigurationError> {
    let unicast = matches!(instance.router.transport, Transport::Unicast { .. });
    let placed = instance
        .all_addresses()
        .all(|address| address.device.is_some());
    let problem = if !unicast {
        "give its interface, or unicast peers"
    } else if instance.router.source.is_none() {
        "give its interface, or the source of its adverts"
    } else if !placed {
        "give the interface of each address with `dev`"
    } else if instance.virtual_link.is_some() {
        "give the interface below its virtual one"
    } else {
        return Ok(());
    };
    Err(ConfigurationError::NoInterface {
        instance: instance.name.to_string(),
        problem,
    })
}

fn check_virtual_links(instance: &InstanceConfig) -> Result<(), ConfigurationError> {
    for (link, base) in instance.virtual_links() {
        let problem = if !link.name_is_good() || link.name == base {
            "the kernel takes no interface of that name"
        } else if matches!(link.kind, VirtualLinkKind::Macvlan { mac: [first, ..] } if first & 1 == 1)
        {
            "its hardware address is a multicast address"
        } else {
            continue;
        };
        return Err(ConfigurationError::VirtualLink {
            instance: instance.name.to_string(),
            name: link.name.clone(),
            problem: problem.to_owned(),
        });
    }
    Ok(())
}

/// Several addresses may be on one virtual interface, which is then the same for all; two hardware addresses on one
/// base must differ.
fn check_names_of_links(instances: &[Arc<InstanceConfig>]) -> Result<(), ConfigurationError> {
    let mut names: BTreeMap<&str, (&VirtualLink, &str)> = BTreeMap::new();
    let mut addresses: BTreeMap<(&str, [u8; 6]), &str> = BTreeMap::new();
    for instance in instances {
        for (link, base) in instance.virtual_links() {
            let error = |problem: String| ConfigurationError::VirtualLink {
                instance: instance.name.to_string(),
                name: link.name.clone(),
                problem,
            };
            let first = *names.entry(&link.name).or_insert((link, base));
            if first != (link, base) {
                return Err(error(
                    "another interface is to have the same name".to_owned(),
                ));
            }
            let VirtualLinkKind::Macvlan { mac } = link.kind else {
                continue;
            };
            let first = *addresses.entry((base, mac)).or_insert(&link.name);
            if first != link.name {
                let problem = format!("{first} on {base} has the same hardware address");
                return Err(error(problem));
            }
        }
    }
    Ok(())
}

/// One virtual router per interface, family and number. Unicast peers that differ make them distinct on the wire, but
/// their answers could not be told apart here.
fn check_router_ids(instances: &[Arc<InstanceConfig>]) -> Result<(), ConfigurationError> {
    let mut seen = BTreeMap::new();
    for instance in instances {
        let key = (
            &instance.interface,
            is_ipv6(instance.router.family),
            instance.router.vrid,
        );
        if let Some(first) = seen.insert(key, &instance.name) {
            return Err(ConfigurationError::DuplicateRouterId {
                first: first.to_string(),
                second: instance.name.to_string(),
                vrid: instance.router.vrid.value(),
                interface: instance.interface.to_string(),
            });
        }
    }
    Ok(())
}

fn check_static_addresses(addresses: &[VirtualAddress]) -> Result<(), ConfigurationError> {
    for address in addresses {
        let problem = match (&address.device, address.validate()) {
            (None, _) => "name its interface with `dev`".to_owned(),
            (_, Err(problem)) => problem.to_string(),
            (Some(_), Ok(())) => continue,
        };
        let address = address.address;
        return Err(ConfigurationError::StaticAddress { address, problem });
    }
    Ok(())
}

fn check_addresses(configuration: &Configuration) -> Result<(), ConfigurationError> {
    let mut seen: BTreeMap<(&str, IpAddr, u8), &str> = BTreeMap::new();
    let statics = configuration
        .static_addresses
        .iter()
        .map(|address| ("static_ipaddress", "", address));
    let virtuals = configuration.instances.iter().flat_map(|instance| {
        instance
            .all_addresses()
            .map(|address| (&*instance.name, instance.carrier(address), address))
    });
    for (user, interface, address) in statics.chain(virtuals) {
        let device = if interface.is_empty() {
            address.device.as_deref().unwrap_or_default()
        } else {
            interface
        };
        let key = (device, address.address, address.prefix_length);
        if let Some(first) = seen.insert(key, user) {
            return Err(ConfigurationError::DuplicateAddress {
                address: format!("{}/{}", address.address, address.prefix_length),
                first: first.to_owned(),
                second: user.to_owned(),
            });
        }
    }
    Ok(())
}

/// Routes and rules, and the interfaces that routes and static addresses name.
fn check_entries(
    configuration: &Configuration,
    picture: &Picture,
    late_interfaces: bool,
) -> Result<(), ConfigurationError> {
    let there = |interface: &str, entry: &dyn std::fmt::Display| {
        if late_interfaces || picture.by_name(interface).is_some() {
            return Ok(());
        }
        Err(ConfigurationError::NoSuchDevice {
            entry: entry.to_string(),
            interface: interface.to_owned(),
        })
    };
    for address in &configuration.static_addresses {
        if let Some(device) = &address.device {
            there(device, address)?;
        }
    }
    let instances = &configuration.instances;
    let routes = instances.iter().flat_map(|instance| &instance.routes);
    for route in configuration.static_routes.iter().chain(routes) {
        route.validate()?;
        for device in route.devices() {
            there(device, route)?;
        }
    }
    let rules = instances.iter().flat_map(|instance| &instance.rules);
    for rule in configuration.static_rules.iter().chain(rules) {
        rule.validate()?;
    }
    Ok(())
}

fn check_groups(configuration: &Configuration) -> Result<(), ConfigurationError> {
    let mut taken = BTreeSet::new();
    for group in &configuration.groups {
        check_trackers(
            configuration,
            &format!("group {}", group.name),
            &group.trackers,
        )?;
        for member in &group.members {
            let problem = |problem| member_problem(group, member, problem);
            if !configuration
                .instances
                .iter()
                .any(|instance| *instance.name == **member)
            {
                return Err(problem("not configured"));
            }
            if !taken.insert(member) {
                return Err(problem("in two groups, or twice in this one"));
            }
        }
    }
    Ok(())
}

fn member_problem(group: &GroupConfig, member: &str, problem: &'static str) -> ConfigurationError {
    ConfigurationError::Group {
        group: group.name.clone(),
        member: member.to_owned(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use vrrp_proto::{Config, Family, Vrid};

    use super::*;
    use vrrp_proto::tracking::TrackerState;

    use crate::instance::TrackerConfig;
    use crate::kernel::Link;

    fn picture() -> Picture {
        let link = |index, name: &str, kind| Link {
            index,
            name: name.into(),
            kind,
            mac: Some([2, 0, 0, 0, 0, 1]),
            up: true,
            administratively_up: true,
            mtu: 1500,
            layer: crate::kernel::Layer::default(),
        };
        Picture::new(
            vec![
                link(1, "lo", LinkKind::Loopback),
                link(2, "eth0", LinkKind::Ethernet),
            ],
            Vec::new(),
        )
    }

    fn instance(name: &str, vrid: u8, address: [u8; 4]) -> InstanceConfig {
        let router = Config::new(Vrid::new(vrid).unwrap(), Family::V4);
        let mut instance = InstanceConfig::new(name, "eth0", router);
        instance
            .addresses
            .push(VirtualAddress::new(IpAddr::from(address)));
        instance
    }

    fn configuration() -> Configuration {
        Configuration {
            instances: vec![
                Arc::new(instance("VI_1", 51, [10, 0, 0, 8])),
                Arc::new(instance("VI_2", 52, [10, 0, 0, 9])),
            ],
            groups: vec![GroupConfig::new(
                "G",
                vec!["VI_1".to_owned(), "VI_2".to_owned()],
            )],
            trackers: vec![TrackerConfig {
                name: "chk".to_owned(),
                initial: TrackerState::Pending,
            }],
            ..Configuration::default()
        }
    }

    fn at(configuration: &mut Configuration, place: usize) -> &mut InstanceConfig {
        Arc::make_mut(&mut configuration.instances[place])
    }

    fn problem(change: impl FnOnce(&mut Configuration)) -> String {
        let mut configuration = configuration();
        change(&mut configuration);
        check(&configuration, &picture(), false)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_good_configuration_passes() {
        assert_eq!(check(&configuration(), &picture(), false), Ok(()));
    }

    #[test]
    fn a_missing_interface_is_named_unless_it_may_come_late() {
        let mut late = configuration();
        at(&mut late, 0).interface = "eth7".into();
        let error = check(&late, &picture(), false).unwrap_err();
        assert!(
            error.to_string().contains("interface eth7 does not exist"),
            "{error}"
        );
        assert_eq!(check(&late, &picture(), true), Ok(()));
    }

    #[test]
    fn contradictions_are_named() {
        assert!(problem(|c| at(c, 0).interface = "lo".into()).contains("loopback"));
        assert!(problem(|c| at(c, 1).name = "VI_1".into()).contains("twice"));
        assert!(
            problem(|c| at(c, 1).router_mut().vrid = Vrid::new(51).unwrap())
                .contains("virtual router id 51")
        );
        assert!(
            problem(|c| *at(c, 1) = instance("VI_2", 52, [10, 0, 0, 8])).contains("10.0.0.8/32")
        );
        assert!(
            problem(|c| c.groups[0].members.push("VI_3".to_owned()))
                .contains("VI_3 is not configured")
        );
        assert!(problem(|c| c.groups[0].members.push("VI_1".to_owned())).contains("twice"));
        assert!(
            problem(|c| at(c, 0).trackers.push(Tracker {
                name: "chk2".into(),
                weight: 0,
                reverse: false
            }))
            .contains("VI_1 tracks chk2")
        );
        assert!(
            problem(|c| c.common_trackers.push(Tracker {
                name: "chk3".into(),
                weight: 0,
                reverse: false
            }))
            .contains("every instance tracks chk3")
        );
        let ipv6 = VirtualAddress::new("fd00::1".parse().unwrap());
        assert!(problem(|c| at(c, 0).addresses.push(ipv6.clone())).contains("exclude it"));
        assert!(problem(|c| at(c, 0).addresses[0].prefix_length = 40).contains("too long"));
    }
}

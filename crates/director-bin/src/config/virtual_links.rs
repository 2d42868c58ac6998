//! `use_vmac`, `use_vmac_addr` and `use_ipvlan`: which interfaces are made, and how they are called.

use super::names::{Kind, Names};
use super::{Problems, UNUSABLE};
use keepalived_conf::model::{Config, Family, IpvlanMode, VirtualAddress, VrrpInstance};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use vrrp_net::{InstanceConfig, VirtualLink, VirtualLinkKind, virtual_mac};
use vrrp_proto::Vrid;

/// Gives interfaces their names, in the order of the file, as keepalived does.
#[derive(Debug)]
pub(super) struct VirtualLinks {
    prefix: String,
    address_prefix: String,
    taken: BTreeSet<String>,
}

impl VirtualLinks {
    pub(super) fn new(config: &Config) -> Self {
        let global = &config.global_defs;
        let written = config.vrrp_instance.iter().flat_map(|instance| {
            let macvlan = instance.use_vmac.value.as_ref();
            let ipvlan = instance.use_ipvlan.value.as_ref();
            let names = [
                macvlan.and_then(|link| link.name.clone()),
                ipvlan.and_then(|link| link.name.clone()),
            ];
            names.into_iter().flatten()
        });
        let prefix = (*global.vmac_prefix).clone();
        Self {
            address_prefix: global
                .vmac_addr_prefix
                .value
                .clone()
                .unwrap_or_else(|| prefix.clone()),
            prefix,
            taken: written.collect(),
        }
    }

    /// `PREFIX.VRID`, else `PREFIX6.VRID` for IPv6, else `PREFIX<n>.VRID`.
    fn name(&mut self, prefix: &str, family: Family, vrid: u8) -> String {
        let plain = std::iter::once(format!("{prefix}.{vrid}"));
        let sixth = (family == Family::Inet6).then(|| format!("{prefix}6.{vrid}"));
        let numbered = (1_u32..).filter(|number| *number != 6);
        let numbered = numbered.map(|number| format!("{prefix}{number}.{vrid}"));
        let mut names = plain.chain(sixth).chain(numbered);
        let name = names
            .find(|name| !self.taken.contains(name))
            .unwrap_or_default();
        self.taken.insert(name.clone());
        name
    }

    /// Gives an instance the interfaces that the file asks for.
    pub(super) fn add(
        &mut self,
        instance: &VrrpInstance,
        mapped: &mut InstanceConfig,
        names: &Names,
        problems: &mut Problems,
    ) {
        self.own(instance, mapped, names, problems);
        let addresses = instance.virtual_ipaddress.iter().zip(&mut mapped.addresses);
        let excluded = instance
            .virtual_ipaddress_excluded
            .iter()
            .zip(&mut mapped.excluded);
        let mut made = BTreeMap::new();
        for (written, address) in addresses.chain(excluded) {
            let wanted = written.use_vmac || *instance.use_vmac_addr;
            if wanted && !on_own(instance, written, mapped.virtual_link.as_deref()) {
                let device = written.dev.as_ref().map(|dev| dev.value.clone());
                let base = device.unwrap_or_else(|| mapped.interface.to_string());
                let family = written.family();
                let vrid = mapped.router.vrid;
                let link = made
                    .entry((base, family == Family::Inet6))
                    .or_insert_with(|| {
                        let prefix = self.address_prefix.clone();
                        let name = self.name(&prefix, family, vrid.value());
                        VirtualLink::macvlan(name, mac(family, vrid))
                    });
                address.virtual_link = Some(Box::new(link.clone()));
            }
        }
    }

    fn own(
        &mut self,
        instance: &VrrpInstance,
        mapped: &mut InstanceConfig,
        names: &Names,
        problems: &mut Problems,
    ) {
        let (family, vrid) = (instance.family, mapped.router.vrid);
        let strict = *instance.strict_mode;
        let prefix = self.prefix.clone();
        if let Some(macvlan) = &instance.use_vmac.value {
            let name = macvlan.name.clone();
            let name = name.unwrap_or_else(|| self.name(&prefix, family, vrid.value()));
            let written = macvlan.mac.filter(|_| !strict);
            let mut link = VirtualLink::macvlan(name, written.unwrap_or_else(|| mac(family, vrid)));
            link.group = group(macvlan.group.as_deref(), instance, names, problems);
            mapped.virtual_link = Some(Box::new(link));
            mapped.transmit_on_base = *instance.vmac_xmit_base && !strict;
        } else if let Some(ipvlan) = &instance.use_ipvlan.value {
            let name = ipvlan.name.clone();
            let name = name.unwrap_or_else(|| self.name(&prefix, family, vrid.value()));
            let mode = match ipvlan.mode {
                IpvlanMode::Bridge => vrrp_net::IpvlanMode::Bridge,
                IpvlanMode::Private => vrrp_net::IpvlanMode::Private,
                IpvlanMode::Vepa => vrrp_net::IpvlanMode::Vepa,
            };
            let address = ipvlan.address.map(|prefix| (prefix.address, prefix.length));
            let own = address.map(|(address, _)| address);
            if own.is_none() && family == Family::Inet {
                let message =
                    "`use_ipvlan` of an IPv4 instance needs an address; write it after the name";
                let span = instance.use_ipvlan.span.unwrap_or(*instance.span);
                problems.error(UNUSABLE, message, span);
            }
            let matches = |own: &IpAddr| Family::of(own) == family;
            let own = own.filter(matches);
            mapped.router_mut().source = mapped.router.source.or(own);
            mapped.virtual_link = Some(Box::new(VirtualLink {
                name,
                kind: VirtualLinkKind::Ipvlan { mode, address },
                group: group(ipvlan.group.as_deref(), instance, names, problems),
            }));
        }
    }
}

/// Whether the instance's own interface has the right hardware address for this one already.
fn on_own(instance: &VrrpInstance, address: &VirtualAddress, own: Option<&VirtualLink>) -> bool {
    let elsewhere = address.dev.as_ref().is_some_and(|dev| {
        let interface = instance.interface.value.as_ref();
        interface != Some(&dev.value) && own.is_none_or(|link| link.name != dev.value)
    });
    own.is_some() && !elsewhere && address.family() == instance.family
}

fn mac(family: Family, vrid: Vrid) -> [u8; 6] {
    let family = match family {
        Family::Inet => vrrp_proto::Family::V4,
        Family::Inet6 => vrrp_proto::Family::V6,
    };
    virtual_mac(family, vrid)
}

fn group(
    name: Option<&str>,
    instance: &VrrpInstance,
    names: &Names,
    problems: &mut Problems,
) -> Option<u32> {
    let name = name?;
    let number = names.number(Kind::Group, name);
    if number.is_none() {
        let message = format!("link group `{name}` is not known; write its number");
        problems.error(UNUSABLE, message, *instance.span);
    }
    number
}

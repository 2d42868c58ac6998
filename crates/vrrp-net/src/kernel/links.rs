//! The engine's picture of links and addresses, kept up to date by the kernel's notices.

use std::collections::BTreeMap;

use super::{AddressKey, KernelAddress, Link, Notice};

/// Links and addresses by the kernel's last word.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    links: BTreeMap<u32, Link>,
    /// In the order in which the kernel listed or added them: its first one is the primary address.
    addresses: Vec<KernelAddress>,
}

impl Picture {
    pub(crate) fn new(links: Vec<Link>, addresses: Vec<KernelAddress>) -> Self {
        let links = links.into_iter().map(|link| (link.index, link)).collect();
        Self { links, addresses }
    }

    pub(crate) fn replace_links(&mut self, links: Vec<Link>) {
        self.links = links.into_iter().map(|link| (link.index, link)).collect();
    }

    pub(crate) fn replace_addresses(&mut self, addresses: Vec<KernelAddress>) {
        self.addresses = addresses;
    }

    pub(crate) fn link(&self, index: u32) -> Option<&Link> {
        self.links.get(&index)
    }

    pub(crate) fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&Link> {
        self.links.values().find(|link| *link.name == *name)
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = &KernelAddress> {
        self.addresses.iter()
    }

    pub(crate) fn has(&self, key: &AddressKey) -> bool {
        self.addresses.iter().any(|entry| entry.key == *key)
    }

    pub(crate) fn has_address(&self, address: std::net::IpAddr) -> bool {
        self.addresses
            .iter()
            .any(|entry| entry.key.address == address)
    }

    /// Takes over one notice; says whether anything differs from before.
    pub(crate) fn note(&mut self, notice: &Notice) -> bool {
        match notice {
            Notice::Link(link) => {
                self.links.insert(link.index, link.clone()).as_ref() != Some(link)
            }
            Notice::LinkGone(index) => {
                self.addresses.retain(|entry| entry.key.index != *index);
                self.links.remove(index).is_some()
            }
            Notice::Address(address) => {
                if let Some(known) = self
                    .addresses
                    .iter_mut()
                    .find(|entry| entry.key == address.key)
                {
                    let differs = known != address;
                    known.clone_from(address);
                    return differs;
                }
                self.addresses.push(address.clone());
                true
            }
            Notice::AddressGone(key) => self.forget(key),
            Notice::EntryGone(_) => false,
            Notice::Overrun => true,
        }
    }

    /// Forgets an address that is known to be gone; says whether it was known.
    pub(crate) fn forget(&mut self, key: &AddressKey) -> bool {
        let before = self.addresses.len();
        self.addresses.retain(|entry| entry.key != *key);
        before != self.addresses.len()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::kernel::{LinkKind, primary_source};

    fn link(index: u32, up: bool) -> Link {
        Link {
            index,
            name: format!("eth{index}").into(),
            kind: LinkKind::Ethernet,
            mac: Some([2; 6]),
            up,
            administratively_up: up,
            mtu: 1500,
            layer: crate::kernel::Layer::default(),
        }
    }

    fn address(index: u32, address: &str) -> KernelAddress {
        let key = AddressKey {
            index,
            address: address.parse().unwrap(),
            prefix_length: 24,
        };
        KernelAddress {
            key,
            scope: 0,
            mark: 0,
            tentative: false,
        }
    }

    #[test]
    fn notices_change_the_picture_and_say_so() {
        let mut picture = Picture::new(vec![link(1, true)], vec![address(1, "10.0.0.1")]);
        assert!(!picture.note(&Notice::Link(link(1, true))));
        assert!(picture.note(&Notice::Link(link(1, false))));
        assert!(!picture.by_name("eth1").unwrap().up);
        assert!(!picture.note(&Notice::Address(address(1, "10.0.0.1"))));
        assert!(picture.note(&Notice::Address(address(1, "10.0.0.2"))));
        assert!(picture.note(&Notice::AddressGone(address(1, "10.0.0.1").key)));
        assert!(!picture.note(&Notice::AddressGone(address(1, "10.0.0.1").key)));
        assert!(picture.note(&Notice::LinkGone(1)));
        assert_eq!(picture.addresses().count(), 0);
    }

    #[test]
    fn the_source_is_the_first_address_that_is_not_virtual() {
        let picture = Picture::new(
            vec![link(1, true)],
            vec![
                address(2, "10.9.9.9"),
                address(1, "10.0.0.100"),
                address(1, "10.0.0.1"),
                address(1, "fe80::1"),
            ],
        );
        let virtual_address: IpAddr = "10.0.0.100".parse().unwrap();
        let is_virtual = |key: &AddressKey| key.address == virtual_address;
        let source = |ipv6| primary_source(picture.addresses(), 1, ipv6, is_virtual);
        assert_eq!(source(false), Some("10.0.0.1".parse().unwrap()));
        assert_eq!(source(true), Some("fe80::1".parse().unwrap()));
        assert_eq!(
            primary_source(picture.addresses(), 3, false, is_virtual),
            None
        );
    }
}

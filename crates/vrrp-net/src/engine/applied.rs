//! What is known of an address in place.

use std::sync::Arc;

use super::instance::InstanceId;
use crate::address::VirtualAddress;
use crate::kernel::{AddressKey, Placed};

/// An address in place; the address itself is the key it is found by.
#[derive(Debug, Clone)]
pub(super) struct Applied {
    /// What else was asked for it. Most addresses have nothing but the address and its prefix length.
    manner: Option<Box<VirtualAddress>>,
    pub(super) owner: InstanceId,
    pub(super) owner_name: Arc<str>,
}

impl Applied {
    pub(super) fn new(placed: &Placed, owner: InstanceId, owner_name: &Arc<str>) -> Self {
        let address = &placed.address;
        Self {
            manner: (*address != plain(&placed.key())).then(|| Box::new(address.clone())),
            owner,
            owner_name: Arc::clone(owner_name),
        }
    }

    /// Whether it is in place just as `placed` wishes it.
    pub(super) fn is_as(&self, placed: &Placed) -> bool {
        match &self.manner {
            Some(manner) => **manner == placed.address,
            None => plain(&placed.key()) == placed.address,
        }
    }

    /// What was asked for.
    pub(super) fn address(&self, key: &AddressKey) -> VirtualAddress {
        let manner = self.manner.as_deref();
        manner.map_or_else(|| plain(key), VirtualAddress::clone)
    }
}

fn plain(key: &AddressKey) -> VirtualAddress {
    VirtualAddress::new(key.address).with_prefix_length(key.prefix_length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_place_tells_what_was_asked_for() {
        let plain = VirtualAddress::new([10, 0, 0, 1].into()).with_prefix_length(24);
        let mut labelled = plain.clone();
        labelled.label = Some("eth0:1".to_owned());
        let mut kept_away = plain.clone();
        kept_away.restore = false;
        let all = [plain, labelled, kept_away].map(|address| Placed { index: 2, address });
        for placed in &all {
            let applied = Applied::new(placed, InstanceId::STATIC, &Arc::from("VI_1"));
            assert_eq!(applied.address(&placed.key()), placed.address);
            let same: Vec<bool> = all.iter().map(|other| applied.is_as(other)).collect();
            let expected: Vec<bool> = all.iter().map(|other| other == placed).collect();
            assert_eq!(same, expected);
        }
    }
}

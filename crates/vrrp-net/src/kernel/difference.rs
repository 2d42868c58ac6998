//! Wished addresses, present addresses, and the changes between them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Placed;

/// What makes an address on an interface one and the same to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AddressKey {
    pub(crate) index: u32,
    pub(crate) address: IpAddr,
    pub(crate) prefix_length: u8,
}

/// One change of the kernel's addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Add(Placed),
    Remove(AddressKey),
}

/// The changes that lead from `present` to `wished`.
///
/// Only addresses in `managed` are removed; an address in `wished` and `present` appears in no change. Removals come
/// first, so that an address may change its prefix length or its interface.
pub(crate) fn difference(
    wished: &BTreeMap<AddressKey, Placed>,
    managed: &BTreeSet<AddressKey>,
    present: &BTreeSet<AddressKey>,
) -> Vec<Change> {
    let removals = managed
        .iter()
        .filter(|key| present.contains(key) && !wished.contains_key(key));
    let additions = wished.iter().filter(|(key, _)| !present.contains(key));
    removals
        .map(|key| Change::Remove(*key))
        .chain(additions.map(|(_, placed)| Change::Add(placed.clone())))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;
    use crate::address::VirtualAddress;

    fn key() -> impl Strategy<Value = AddressKey> {
        (1_u32..4, 0_u8..12, 31_u8..33).prop_map(|(index, last, prefix_length)| AddressKey {
            index,
            address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)),
            prefix_length,
        })
    }

    fn keys() -> impl Strategy<Value = BTreeSet<AddressKey>> {
        proptest::collection::btree_set(key(), 0..20)
    }

    fn placed(key: &AddressKey) -> Placed {
        let address = VirtualAddress::new(key.address).with_prefix_length(key.prefix_length);
        Placed {
            index: key.index,
            address,
        }
    }

    fn apply(present: &BTreeSet<AddressKey>, changes: &[Change]) -> BTreeSet<AddressKey> {
        let mut present = present.clone();
        for change in changes {
            match change {
                Change::Add(placed) => assert!(present.insert(placed.key()), "added twice"),
                Change::Remove(key) => assert!(present.remove(key), "removed what is not there"),
            }
        }
        present
    }

    proptest! {
        #[test]
        fn applying_the_difference_gives_the_wish(wished in keys(), managed in keys(), present in keys()) {
            let wish: BTreeMap<_, _> = wished.iter().map(|key| (*key, placed(key))).collect();
            let changes = difference(&wish, &managed, &present);
            let after = apply(&present, &changes);

            // All that is wished is there, all that is managed and not wished is gone, the rest is untouched.
            for key in &wished { prop_assert!(after.contains(key)); }
            for key in managed.difference(&wished) { prop_assert!(!after.contains(key)); }
            for key in present.difference(&managed) { prop_assert!(after.contains(key)); }
            for key in &after { prop_assert!(wished.contains(key) || present.contains(key)); }

            // A second difference finds nothing to do, and what is in both states is in no change.
            prop_assert!(difference(&wish, &managed, &after).is_empty());
            for change in &changes {
                let key = match change { Change::Add(placed) => placed.key(), Change::Remove(key) => *key };
                prop_assert!(!(wished.contains(&key) && present.contains(&key)));
            }

            // Removals come first.
            let first_addition = changes.iter().position(|change| matches!(change, Change::Add(_)));
            let last_removal = changes.iter().rposition(|change| matches!(change, Change::Remove(_)));
            if let (Some(addition), Some(removal)) = (first_addition, last_removal) {
                prop_assert!(removal < addition);
            }
        }
    }
}

//! Taking addresses off interfaces without an engine.

use std::io;
use std::net::IpAddr;

use crate::kernel::links::Picture;
use crate::kernel::netlink::Netlink;
use crate::kernel::{AddressKey, AddressTable as _, Change};

/// Removes addresses, given by interface, address and prefix length, and says how many were there to be removed. For a
/// program that outlives one that ran an [`Engine`](crate::Engine) and did not end in order: its addresses would
/// otherwise stay beside those of the next master.
///
/// # Errors
/// The kernel cannot be asked, or refuses to remove one (the others are removed all the same). Needs `CAP_NET_ADMIN`.
pub fn remove_addresses(addresses: &[(String, IpAddr, u8)]) -> io::Result<usize> {
    let mut table = Netlink::open(None, 0)?;
    let picture = Picture::new(table.links()?, table.addresses()?);
    let changes: Vec<Change> = addresses
        .iter()
        .filter_map(|(interface, address, prefix_length)| {
            let key = AddressKey {
                index: picture.by_name(interface)?.index,
                address: *address,
                prefix_length: *prefix_length,
            };
            picture.has(&key).then_some(Change::Remove(key))
        })
        .collect();
    let results = table.apply(&changes);
    let removed = results.iter().filter(|result| result.is_ok()).count();
    match results.into_iter().find_map(Result::err) {
        Some(error) => Err(error),
        None => Ok(removed),
    }
}

//! Links, addresses, routes and rules of the kernel, behind a trait so that the netlink library stays a local choice.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use crate::address::VirtualAddress;
use crate::virtual_link::VirtualLink;

pub(crate) mod difference;
pub(crate) mod links;
mod message;
pub(crate) mod netlink;
pub(crate) mod notify;
mod routing;
mod virtual_link;

pub(crate) use difference::{AddressKey, Change};
pub(crate) use routing::{Entry, Gone, marked_entry};
pub(crate) use virtual_link::{Ipv4Option, Layer, LayerKind, LinkSetup};

/// A network interface as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: Arc<str>,
    pub(crate) kind: LinkKind,
    /// Link-layer address, if it has the six bytes of Ethernet.
    pub(crate) mac: Option<[u8; 6]>,
    /// Administratively up and with a carrier.
    pub(crate) up: bool,
    pub(crate) administratively_up: bool,
    pub(crate) mtu: u32,
    pub(crate) layer: Layer,
}

/// What announcements and multicast need to know of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkKind {
    Ethernet,
    Loopback,
    /// Point-to-point, tunnels and anything else that has no ARP.
    Other,
}

/// An address on an interface as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KernelAddress {
    pub(crate) key: AddressKey,
    pub(crate) scope: u8,
    /// Who added it (`IFA_PROTO`), zero if nobody said.
    pub(crate) mark: u8,
    /// Not usable as a source yet, or never: tentative or failed duplicate detection.
    pub(crate) tentative: bool,
}

/// What the kernel tells of its own accord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    Link(Link),
    LinkGone(u32),
    Address(KernelAddress),
    AddressGone(AddressKey),
    /// A route with our mark, or a rule, is gone.
    EntryGone(Gone),
    /// Notices were lost: everything must be read again.
    Overrun,
}

/// Reads and changes addresses, routes and rules of the kernel.
pub(crate) trait AddressTable {
    /// All links of the network namespace.
    fn links(&mut self) -> io::Result<Vec<Link>>;
    /// All addresses of the network namespace.
    fn addresses(&mut self) -> io::Result<Vec<KernelAddress>>;
    /// Carries out changes in order; one result for each. Adding what is there and removing what is not succeeds.
    fn apply(&mut self, changes: &[Change]) -> Vec<io::Result<()>>;
    /// The same for routes and rules; tells whether anything had to be changed.
    fn apply_entries(&mut self, changes: &[EntryChange<'_>]) -> Vec<io::Result<bool>>;
    /// Removes all routes and rules that carry our mark, and says how many.
    fn remove_marked_entries(&mut self) -> io::Result<usize>;
    /// Makes an interface on top of the one with the index `base`; it is down.
    fn make_link(&mut self, link: &VirtualLink, base: u32) -> io::Result<()>;
    /// Sets something on an interface.
    fn set_up_link(&mut self, index: u32, setup: &LinkSetup<'_>) -> io::Result<()>;
    /// Removes an interface; one that is gone is no failure.
    fn remove_link(&mut self, index: u32) -> io::Result<()>;
}

/// One change of routes and rules.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EntryChange<'a> {
    Add(&'a Entry),
    Remove(&'a Entry),
}

/// A virtual address with the index of its interface: what one netlink message adds or removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) index: u32,
    pub(crate) address: VirtualAddress,
}

impl Placed {
    pub(crate) fn key(&self) -> AddressKey {
        AddressKey {
            index: self.index,
            address: self.address.address,
            prefix_length: self.address.prefix_length,
        }
    }
}

/// The first address fit to be the source of adverts: IPv4 in the kernel's order, IPv6 link-local.
pub(crate) fn primary_source<'a>(
    addresses: impl Iterator<Item = &'a KernelAddress>,
    index: u32,
    ipv6: bool,
    is_virtual: impl Fn(&AddressKey) -> bool,
) -> Option<IpAddr> {
    const SCOPE_HOST: u8 = 254;
    let mut fit = addresses
        .filter(|entry| entry.key.index == index && !entry.tentative && entry.scope != SCOPE_HOST)
        .filter(|entry| !is_virtual(&entry.key))
        .map(|entry| entry.key.address);
    fit.find(|address| match address {
        IpAddr::V4(_) => !ipv6,
        IpAddr::V6(address) => ipv6 && address.is_unicast_link_local(),
    })
}

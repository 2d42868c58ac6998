//! The instance that holds the virtual addresses.

use crate::block::{Block, Configuration};
use crate::report::{Report, Severity};
use crate::{Node, Options};
use std::net::IpAddr;

/// Addresses that an advertisement may list.
const ADVERTISED: usize = 20;

/// A virtual address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VirtualAddress {
    pub(crate) address: IpAddr,
    pub(crate) prefix_length: Option<u8>,
    pub(crate) device: String,
    pub(crate) label: Option<String>,
}

/// What an instance is made from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    pub(crate) interface: String,
    pub(crate) addresses: Vec<VirtualAddress>,
    /// Own and partner's address.
    pub(crate) unicast: Option<(IpAddr, IpAddr)>,
    pub(crate) interval: Option<u32>,
    /// Missed advertisements after which the partner is dead.
    pub(crate) count: Option<u32>,
    pub(crate) stay: bool,
    /// Further interfaces whose links count.
    pub(crate) watched: Vec<String>,
    /// Further lines.
    pub(crate) lines: Vec<String>,
}

/// One instance for each family among the addresses.
pub(crate) fn instances(wish: &Wish, options: &Options) -> Vec<Block> {
    let mut blocks = Vec::new();
    for v6 in [false, true] {
        let addresses: Vec<&VirtualAddress> = wish
            .addresses
            .iter()
            .filter(|address| address.address.is_ipv6() == v6)
            .collect();
        if !addresses.is_empty() {
            blocks.push(instance(wish, &addresses, v6, options));
        }
    }
    blocks
}

fn instance(wish: &Wish, addresses: &[&VirtualAddress], v6: bool, options: &Options) -> Block {
    let mut block = Block::new(if v6 {
        "vrrp_instance LVS_6"
    } else {
        "vrrp_instance LVS"
    });
    block.line("state BACKUP");
    block.line(format!("interface {}", wish.interface));
    block.line(format!(
        "virtual_router_id {}",
        options.virtual_router_id.max(1)
    ));
    let priority = match options.node {
        Node::Primary => 150,
        Node::Backup => 100,
    };
    block.line(format!("priority {priority}"));
    if v6 {
        block.line("version 3");
    }
    let interval = wish
        .interval
        .unwrap_or(1)
        .clamp(1, if v6 { 40 } else { 255 });
    block.line(format!("advert_int {interval}"));
    if let Some(count) = wish.count.filter(|count| *count != 3) {
        block.line(format!("down_timer_adverts {}", count.clamp(1, 100)));
    }
    if wish.stay {
        block.line("nopreempt");
    }
    if let Some((own, partner)) = wish.unicast.filter(|(own, _)| own.is_ipv6() == v6) {
        block.line(format!("unicast_src_ip {own}"));
        let mut peers = Block::new("unicast_peer");
        peers.line(partner.to_string());
        block.block(peers);
    }
    if !wish.watched.is_empty() {
        let mut watched = Block::new("track_interface");
        for name in &wish.watched {
            watched.line(name.clone());
        }
        block.block(watched);
    }
    for line in &wish.lines {
        block.line(line.clone());
    }
    for (head, chunk) in [
        (
            "virtual_ipaddress",
            addresses.get(..ADVERTISED.min(addresses.len())),
        ),
        ("virtual_ipaddress_excluded", addresses.get(ADVERTISED..)),
    ] {
        let Some(chunk) = chunk.filter(|chunk| !chunk.is_empty()) else {
            continue;
        };
        let mut list = Block::new(head);
        for address in chunk {
            list.line(self::address(address, wish));
        }
        block.block(list);
    }
    block
}

fn address(address: &VirtualAddress, wish: &Wish) -> String {
    let VirtualAddress {
        address,
        prefix_length,
        device,
        label,
    } = address;
    let full = if address.is_ipv6() { 128 } else { 32 };
    let mut line = format!("{address}/{}", prefix_length.unwrap_or(full));
    if *device != wish.interface || label.is_some() {
        line.push_str(" dev ");
        line.push_str(device);
    }
    if let Some(label) = label {
        line.push_str(" label ");
        line.push_str(label);
    }
    line
}

/// A name that an interface can have.
pub(crate) fn is_device(text: &str) -> bool {
    let fits = !text.is_empty() && text.len() < 16 && text != "." && text != "..";
    fits && text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// For files that name services but not who holds their addresses: an instance if an interface is given.
pub(crate) fn hold_addresses(
    addresses: &[IpAddr],
    configuration: &mut Configuration,
    options: &Options,
    report: &mut Report,
) {
    if addresses.is_empty() {
        return;
    }
    match options.interface.as_deref().filter(|name| is_device(name)) {
        Some(interface) => {
            let wish = Wish {
                interface: interface.to_owned(),
                addresses: addresses
                    .iter()
                    .map(|address| VirtualAddress { address: *address, prefix_length: None, device: interface.to_owned(), label: None })
                    .collect(),
                ..Wish::default()
            };
            configuration.instances = instances(&wish, options);
            let id = options.virtual_router_id;
            report.add(None, Severity::Assumed, "vrrp_instance", format!("the addresses are held by VRRP with virtual_router_id {id}; it must be free on {interface}'s network, and the same on both nodes"));
        }
        None => report.add(None, Severity::Note, "addresses", "the file does not say who holds the virtual addresses; whoever does it now must go on doing so, or name an interface (--interface) to have a vrrp_instance written"),
    }
}

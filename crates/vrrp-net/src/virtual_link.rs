//! Interfaces that the engine makes for an instance on top of its own: virtual MAC and ipvlan.

use std::net::IpAddr;

use crate::address::MAX_NAME_LENGTH;
use crate::vrrp_proto::{Family, Vrid};

/// An interface on top of another one, made when the instance starts and removed when it stops (`use_vmac`,
/// `use_ipvlan`). One that is there already and is just so is taken over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VirtualLink {
    /// Its name, at most 15 bytes; unique in the network namespace.
    pub name: String,
    /// What it is.
    pub kind: VirtualLinkKind,
    /// Its link group; `None` leaves the kernel's default.
    pub group: Option<u32>,
}

/// Kinds of [`VirtualLink`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum VirtualLinkKind {
    /// A private macvlan with a hardware address of its own (`use_vmac`).
    Macvlan {
        /// Its hardware address.
        mac: [u8; 6],
    },
    /// An ipvlan in layer 2 mode: the hardware address of its base (`use_ipvlan`).
    Ipvlan {
        /// Who may talk to whom among those of one base.
        mode: IpvlanMode,
        /// An address of its own with its prefix length, the source of adverts.
        address: Option<(IpAddr, u8)>,
    },
}

/// Who may talk to whom among the ipvlan interfaces of one base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum IpvlanMode {
    /// All, directly.
    #[default]
    Bridge,
    /// None.
    Private,
    /// All, by way of the switch outside.
    Vepa,
}

impl VirtualLink {
    /// An interface with the virtual router's own hardware address.
    #[must_use]
    pub fn macvlan(name: impl Into<String>, mac: [u8; 6]) -> Self {
        Self {
            name: name.into(),
            kind: VirtualLinkKind::Macvlan { mac },
            group: None,
        }
    }

    /// Whether it has another hardware address than its base.
    #[must_use]
    pub const fn is_macvlan(&self) -> bool {
        matches!(self.kind, VirtualLinkKind::Macvlan { .. })
    }

    /// Whether the kernel takes the name.
    pub(crate) fn name_is_good(&self) -> bool {
        let name = &self.name;
        !name.is_empty()
            && name.len() <= MAX_NAME_LENGTH
            && name != "."
            && name != ".."
            && !name.contains(['/', ':', '\0'])
            && !name.contains(char::is_whitespace)
    }
}

/// The hardware address of a virtual router: `00:00:5e:00:01:VRID` for IPv4, `00:00:5e:00:02:VRID` for IPv6 (RFC 9568
/// section 7.3).
#[must_use]
pub const fn virtual_mac(family: Family, vrid: Vrid) -> [u8; 6] {
    let protocol = match family {
        Family::V4 => 1,
        Family::V6 => 2,
    };
    [0, 0, 0x5e, 0, protocol, vrid.value()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_virtual_mac_is_that_of_the_rfc() {
        let vrid = Vrid::new(51).unwrap();
        assert_eq!(virtual_mac(Family::V4, vrid), [0, 0, 0x5e, 0, 1, 0x33]);
        assert_eq!(virtual_mac(Family::V6, vrid), [0, 0, 0x5e, 0, 2, 0x33]);
    }

    #[test]
    fn names_the_kernel_refuses_are_found() {
        let good = |name: &str| VirtualLink::macvlan(name, [0; 6]).name_is_good();
        assert!(good("vrrp.51") && good("vrrp6.51"));
        assert!(!good("") && !good("a/b") && !good("sixteen-bytes-xx") && !good("a b"));
    }
}

//! Virtual addresses as an instance wishes them on an interface.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::virtual_link::VirtualLink;

/// Longest interface name or label the kernel takes, in bytes (`IFNAMSIZ` less its terminator).
pub const MAX_NAME_LENGTH: usize = 15;

/// One entry of `virtual_ipaddress` or `virtual_ipaddress_excluded`.
///
/// [`VirtualAddress::new`] gives keepalived's defaults: the whole address as prefix (`/32`, `/128`), on the
/// interface of the instance, without broadcast address, without duplicate address detection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualAddress {
    /// The address itself.
    pub address: IpAddr,
    /// Prefix length, 0–32 for IPv4 and 0–128 for IPv6. With [`peer`](Self::peer) it is the peer's.
    pub prefix_length: u8,
    /// Interface that carries the address; the interface of the instance if `None` (`dev`).
    pub device: Option<String>,
    /// An interface made for it on top of that one (`use_vmac` of the address, `use_vmac_addr` of the instance).
    pub virtual_link: Option<Box<VirtualLink>>,
    /// Name shown by `ifconfig` and `ip address`, such as `eth0:0` (`label`, IPv4 only).
    pub label: Option<String>,
    /// Scope of the address (`scope`, IPv4 only).
    pub scope: AddressScope,
    /// Broadcast address (`brd`, IPv4 only).
    pub broadcast: Broadcast,
    /// Other end of a point-to-point address (`peer`).
    pub peer: Option<IpAddr>,
    /// Let the kernel run duplicate address detection on it (`-nodad`). Off by default: a takeover must not wait.
    pub duplicate_detection: bool,
    /// Mark as Mobile IPv6 home address (`home`).
    pub home: bool,
    /// Let the kernel derive temporary addresses from it (`mngtmpaddr`).
    pub manage_temporary: bool,
    /// Do not add the route of the prefix (`noprefixroute`).
    pub no_prefix_route: bool,
    /// Take part in the multicast group that the address is (`autojoin`).
    pub auto_join: bool,
    /// Preferred life time (`preferred_lft`); `None` is for ever, zero is deprecated.
    pub preferred_lifetime: Option<Duration>,
    /// Put the address back when somebody else removes it while the instance is master (off with `no_track`).
    pub restore: bool,
    /// Of a static address: instances that are at fault while it is not there (`track_group`).
    pub needed_by: Vec<String>,
}

impl VirtualAddress {
    /// The address with keepalived's defaults. An IPv6 address of full prefix length is deprecated, so that the host
    /// does not choose it as source of its own connections.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        let (prefix_length, preferred_lifetime) = match address {
            IpAddr::V4(_) => (32, None),
            IpAddr::V6(_) => (128, Some(Duration::ZERO)),
        };
        Self {
            address,
            prefix_length,
            device: None,
            virtual_link: None,
            label: None,
            scope: AddressScope::GLOBAL,
            broadcast: Broadcast::None,
            peer: None,
            duplicate_detection: false,
            home: false,
            manage_temporary: false,
            no_prefix_route: false,
            auto_join: false,
            preferred_lifetime,
            restore: true,
            needed_by: Vec::new(),
        }
    }

    /// The same with another prefix length, preferred for ever.
    #[must_use]
    pub const fn with_prefix_length(mut self, prefix_length: u8) -> Self {
        self.prefix_length = prefix_length;
        self.preferred_lifetime = match self.address {
            IpAddr::V6(_) if prefix_length == 128 => Some(Duration::ZERO),
            _ => None,
        };
        self
    }

    /// The same on another interface.
    #[must_use]
    pub fn on_device(mut self, device: impl Into<String>) -> Self {
        self.device = Some(device.into());
        self
    }

    /// The same with a label.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Says what the kernel would refuse, so that a mistake is found before anything is changed.
    ///
    /// # Errors
    /// Prefix too long, label too long or on IPv6, peer or broadcast address of the wrong family.
    pub fn validate(&self) -> Result<(), AddressError> {
        let address = self.address;
        let longest = longest_prefix(&address);
        if self.prefix_length > longest {
            return Err(AddressError::PrefixTooLong {
                address,
                prefix_length: self.prefix_length,
                longest,
            });
        }
        if address.is_unspecified() || address.is_multicast() && !self.auto_join {
            return Err(AddressError::NotAHostAddress { address });
        }
        if let Some(label) = &self.label {
            if address.is_ipv6() {
                return Err(AddressError::LabelOnIpv6 {
                    address,
                    label: label.clone(),
                });
            }
            if label.is_empty() || label.len() > MAX_NAME_LENGTH || label.contains(['/', '\0', ' '])
            {
                return Err(AddressError::BadLabel {
                    address,
                    label: label.clone(),
                });
            }
        }
        if let Some(peer) = self.peer
            && peer.is_ipv4() != address.is_ipv4()
        {
            return Err(AddressError::PeerFamily { address, peer });
        }
        if address.is_ipv6() && self.broadcast != Broadcast::None {
            return Err(AddressError::BroadcastOnIpv6 { address });
        }
        if matches!(
            self.broadcast,
            Broadcast::HostBitsSet | Broadcast::HostBitsClear
        ) && self.prefix_length > 30
        {
            return Err(AddressError::BroadcastNeedsHostBits {
                address,
                prefix_length: self.prefix_length,
            });
        }
        Ok(())
    }

    /// The broadcast address in numbers, if there is one.
    #[must_use]
    pub fn broadcast_address(&self) -> Option<Ipv4Addr> {
        let IpAddr::V4(address) = self.address else {
            return None;
        };
        let host_bits = u32::MAX
            .checked_shr(u32::from(self.prefix_length))
            .unwrap_or(0);
        match self.broadcast {
            Broadcast::None => None,
            Broadcast::Address(address) => Some(address),
            Broadcast::HostBitsSet => Some(Ipv4Addr::from_bits(address.to_bits() | host_bits)),
            Broadcast::HostBitsClear => Some(Ipv4Addr::from_bits(address.to_bits() & !host_bits)),
        }
    }
}

impl fmt::Display for VirtualAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_length)?;
        if let Some(device) = &self.device {
            write!(f, " dev {device}")?;
        }
        if let Some(label) = &self.label {
            write!(f, " label {label}")?;
        }
        Ok(())
    }
}

const fn longest_prefix(address: &IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// Scope of an IPv4 address, as numbered in the kernel's `rtnetlink.h` (`RT_SCOPE_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AddressScope(pub u8);

impl AddressScope {
    /// Valid everywhere.
    pub const GLOBAL: Self = Self(0);
    /// Valid in this site.
    pub const SITE: Self = Self(200);
    /// Valid on this link.
    pub const LINK: Self = Self(253);
    /// Valid inside this host.
    pub const HOST: Self = Self(254);
}

/// The broadcast address of an IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Broadcast {
    /// None is set: keepalived's default, and right for `/32`.
    #[default]
    None,
    /// This one.
    Address(Ipv4Addr),
    /// Host bits all ones (`brd +`); needs a prefix of at most 30.
    HostBitsSet,
    /// Host bits cleared (`brd -`); needs a prefix of at most 30.
    HostBitsClear,
}

/// Why a virtual address cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// More prefix bits than the address has.
    #[error("prefix length {prefix_length} of {address} is too long, give at most {longest}")]
    PrefixTooLong {
        /// The address.
        address: IpAddr,
        /// What was asked.
        prefix_length: u8,
        /// What is possible.
        longest: u8,
    },
    /// Multicast or unspecified.
    #[error("{address} is not the address of a host, give a unicast address")]
    NotAHostAddress {
        /// The address.
        address: IpAddr,
    },
    /// Labels are an IPv4 thing.
    #[error("label {label:?} on {address}: IPv6 addresses have no labels, remove it")]
    LabelOnIpv6 {
        /// The address.
        address: IpAddr,
        /// The label.
        label: String,
    },
    /// Empty, too long, or with a character no interface name has.
    #[error("label {label:?} of {address} must have 1 to 15 characters, without blank and slash")]
    BadLabel {
        /// The address.
        address: IpAddr,
        /// The label.
        label: String,
    },
    /// IPv4 and IPv6 mixed.
    #[error("peer {peer} of {address} is of the other family")]
    PeerFamily {
        /// The address.
        address: IpAddr,
        /// The peer.
        peer: IpAddr,
    },
    /// IPv6 has no broadcast.
    #[error("{address}: IPv6 addresses have no broadcast address, remove it")]
    BroadcastOnIpv6 {
        /// The address.
        address: IpAddr,
    },
    /// `brd +` and `brd -` compute with host bits.
    #[error(
        "broadcast of {address}/{prefix_length} cannot be computed, give a prefix length of at most 30"
    )]
    BroadcastNeedsHostBits {
        /// The address.
        address: IpAddr,
        /// Its prefix length.
        prefix_length: u8,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcast_is_computed_from_the_prefix() {
        let mut address = VirtualAddress::new(IpAddr::from([172, 16, 1, 8])).with_prefix_length(24);
        assert_eq!(address.broadcast_address(), None);
        address.broadcast = Broadcast::HostBitsSet;
        assert_eq!(
            address.broadcast_address(),
            Some(Ipv4Addr::new(172, 16, 1, 255))
        );
        address.broadcast = Broadcast::HostBitsClear;
        assert_eq!(
            address.broadcast_address(),
            Some(Ipv4Addr::new(172, 16, 1, 0))
        );
        assert_eq!(address.validate(), Ok(()));
        address.prefix_length = 32;
        assert!(matches!(
            address.validate(),
            Err(AddressError::BroadcastNeedsHostBits { .. })
        ));
        assert_eq!(
            address.broadcast_address(),
            Some(Ipv4Addr::new(172, 16, 1, 8))
        );
    }

    #[test]
    fn mistakes_are_named() {
        let v4 = VirtualAddress::new(IpAddr::from([10, 0, 0, 1]));
        assert!(v4.clone().with_prefix_length(33).validate().is_err());
        assert!(
            v4.clone()
                .with_label("a-label-too-long")
                .validate()
                .is_err()
        );
        assert!(v4.clone().with_label("eth0:0").validate().is_ok());
        let v6 = VirtualAddress::new("2001:db8::1".parse().unwrap());
        assert_eq!(v6.preferred_lifetime, Some(Duration::ZERO));
        assert!(v6.clone().with_label("eth0:0").validate().is_err());
        assert!(
            VirtualAddress::new(IpAddr::from([224, 0, 0, 18]))
                .validate()
                .is_err()
        );
        assert!(
            VirtualAddress {
                peer: Some(v6.address),
                ..v4
            }
            .validate()
            .is_err()
        );
    }
}

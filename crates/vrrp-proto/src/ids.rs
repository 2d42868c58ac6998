//! Identifiers: virtual router, priority, protocol version, address family, virtual MAC address.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::num::NonZeroU8;

/// The IPv4 multicast group of VRRP (RFC 9568 section 5.1.1.2).
pub const MULTICAST_GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// The IPv6 multicast group of VRRP (RFC 9568 section 5.1.2.2).
pub const MULTICAST_GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
/// The IP protocol number (next header) of VRRP.
pub const PROTOCOL_VRRP: u8 = 112;
/// The IP protocol number of the authentication header that may carry VRRP version 2.
pub const PROTOCOL_AH: u8 = 51;

/// A virtual router identifier, 1 to 255 (`virtual_router_id`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Vrid(NonZeroU8);

impl Vrid {
    /// `None` for 0, which no virtual router may have.
    pub const fn new(value: u8) -> Option<Self> {
        match NonZeroU8::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The number, 1 to 255.
    pub const fn value(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Debug for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vrid({})", self.0)
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A priority: 255 for the owner of the addresses, 1 to 254 for others, 0 to resign
/// (RFC 9568 section 5.2.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Priority(u8);

impl Priority {
    /// The router that owns the virtual addresses as its own.
    pub const OWNER: Self = Self(255);
    /// Sent by a master that gives up.
    pub const RESIGN: Self = Self(0);
    /// The default of a router that is told none.
    pub const DEFAULT: Self = Self(100);
    /// The greatest of a router that is not the owner.
    pub const MAX_NON_OWNER: Self = Self(254);

    /// Any value is meaningful in a packet; a configuration takes 1 to 255.
    pub const fn new(value: u8) -> Self {
        Self(value)
    }

    /// The number, 0 to 255.
    pub const fn value(self) -> u8 {
        self.0
    }

    /// Whether this is the owner's priority, 255.
    pub const fn is_owner(self) -> bool {
        self.0 == 255
    }

    /// Whether this says that the sender resigns, 0.
    pub const fn is_resign(self) -> bool {
        self.0 == 0
    }

    /// `value` brought into 1 to 254, the range of a router that is not the owner.
    pub const fn clamped(value: i32) -> Self {
        Self(if value < 1 {
            1
        } else if value > 254 {
            254
        } else {
            value as u8
        })
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Debug for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Priority({})", self.0)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The protocol version (`version`, `vrrp_version`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Version {
    /// RFC 2338 and RFC 3768; with IPv6 it is keepalived's extension, which no RFC defines.
    V2,
    /// RFC 5798 and RFC 9568.
    V3,
}

impl Version {
    /// The number in the packet.
    pub const fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }

    /// The version with that number, if it is 2 or 3.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            2 => Some(Self::V2),
            3 => Some(Self::V3),
            _ => None,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

/// The address family of a virtual router: that of the IP header and of every address it advertises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of `address`.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Bytes of one address in a message.
    pub const fn address_len(self) -> usize {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }

    /// The multicast group that adverts go to unless configured otherwise.
    pub const fn multicast_group(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(MULTICAST_GROUP_V4),
            Self::V6 => IpAddr::V6(MULTICAST_GROUP_V6),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// The virtual MAC address of a virtual router, `00:00:5e:00:01:VRID` for IPv4 and
/// `00:00:5e:00:02:VRID` for IPv6 (RFC 9568 section 7.3, `use_vmac`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualMac([u8; 6]);

impl VirtualMac {
    /// The virtual MAC address of `vrid` in `family`.
    pub const fn new(family: Family, vrid: Vrid) -> Self {
        let block = match family {
            Family::V4 => 1,
            Family::V6 => 2,
        };
        Self([0x00, 0x00, 0x5e, 0x00, block, vrid.value()])
    }

    /// The six octets.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// The virtual router and family that `octets` belong to, if they are a virtual MAC address.
    pub const fn recognise(octets: [u8; 6]) -> Option<(Family, Vrid)> {
        let [0x00, 0x00, 0x5e, 0x00, block, vrid] = octets else {
            return None;
        };
        let family = match block {
            1 => Family::V4,
            2 => Family::V6,
            _ => return None,
        };
        match Vrid::new(vrid) {
            Some(vrid) => Some((family, vrid)),
            None => None,
        }
    }
}

impl fmt::Debug for VirtualMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for VirtualMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn item_010_virtual_router_identifiers_are_1_to_255() {
        assert_eq!(Vrid::new(0), None);
        assert_eq!(Vrid::new(255).map(Vrid::value), Some(255));
    }

    #[test]
    fn item_011_clamped_priorities_leave_0_and_255_to_resigning_and_owners() {
        assert_eq!(Priority::clamped(-300), Priority::new(1));
        assert_eq!(Priority::clamped(0), Priority::new(1));
        assert_eq!(Priority::clamped(77), Priority::new(77));
        assert_eq!(Priority::clamped(255), Priority::MAX_NON_OWNER);
    }

    #[test]
    fn item_079_virtual_mac_addresses() {
        let vrid = Vrid::new(51).unwrap();
        let mac = VirtualMac::new(Family::V4, vrid);
        assert_eq!(mac.to_string(), "00:00:5e:00:01:33");
        assert_eq!(
            VirtualMac::new(Family::V6, vrid).to_string(),
            "00:00:5e:00:02:33"
        );
        assert_eq!(
            VirtualMac::recognise(mac.octets()),
            Some((Family::V4, vrid))
        );
        assert_eq!(VirtualMac::recognise([0, 0, 0x5e, 0, 1, 0]), None);
        assert_eq!(VirtualMac::recognise([0, 0, 0x5e, 0, 3, 1]), None);
    }

    #[test]
    fn item_001_item_002_item_003_numbers_of_the_protocol() {
        assert_eq!(PROTOCOL_VRRP, 112);
        assert_eq!(Family::V4.multicast_group().to_string(), "224.0.0.18");
        assert_eq!(Family::V6.multicast_group().to_string(), "ff02::12");
    }
}

//! Netlink messages that make, set up and remove interfaces on top of others.

use rtnetlink::packet_core::DefaultNla;
use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{
    AfSpecInet, AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoIpVlan, InfoKind,
    InfoMacVlan, InfoVrf, IpVlanFlags, IpVlanMode, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
    MacVlanMode,
};

use crate::virtual_link::{IpvlanMode, VirtualLink, VirtualLinkKind};

/// What an interface is on top of, as far as it concerns interfaces that the engine makes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Layer {
    /// The index of its base, if that is in this network namespace.
    pub(crate) base: Option<u32>,
    pub(crate) kind: Option<LayerKind>,
    /// The words somebody gave it (`ip link set alias`).
    pub(crate) alias: String,
    /// The routing table of a virtual routing domain.
    pub(crate) table: Option<u32>,
}

/// Kinds of interfaces that the engine makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LayerKind {
    PrivateMacvlan,
    /// In layer 2 mode.
    Ipvlan(IpvlanMode),
}

impl LayerKind {
    pub(crate) const fn of(link: &VirtualLink) -> Self {
        match link.kind {
            VirtualLinkKind::Macvlan { .. } => Self::PrivateMacvlan,
            VirtualLinkKind::Ipvlan { mode, .. } => Self::Ipvlan(mode),
        }
    }
}

/// A setting of IPv4 on an interface, by its number in `linux/ip.h` and its name below `/proc/sys/net/ipv4/conf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ipv4Option {
    SendRedirects = 6,
    RpFilter = 8,
    ArpFilter = 13,
    ArpAnnounce = 18,
    ArpIgnore = 19,
    PromoteSecondaries = 20,
    AcceptLocal = 23,
}

impl Ipv4Option {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::SendRedirects => "send_redirects",
            Self::RpFilter => "rp_filter",
            Self::ArpFilter => "arp_filter",
            Self::ArpAnnounce => "arp_announce",
            Self::ArpIgnore => "arp_ignore",
            Self::PromoteSecondaries => "promote_secondaries",
            Self::AcceptLocal => "accept_local",
        }
    }
}

/// The request that makes it, still down.
pub(super) fn creation(link: &VirtualLink, base: u32) -> (RouteNetlinkMessage, u16) {
    let mut message = LinkMessage::default();
    let attributes = &mut message.attributes;
    attributes.push(LinkAttribute::IfName(link.name.clone()));
    attributes.push(LinkAttribute::Link(base));
    attributes.extend(link.group.map(LinkAttribute::Group));
    let (kind, data) = match link.kind {
        VirtualLinkKind::Macvlan { mac } => {
            attributes.push(LinkAttribute::Address(mac.to_vec()));
            let mode = InfoMacVlan::Mode(MacVlanMode::Private);
            (InfoKind::MacVlan, InfoData::MacVlan(vec![mode]))
        }
        VirtualLinkKind::Ipvlan { mode, .. } => {
            let flags = match mode {
                IpvlanMode::Bridge => IpVlanFlags::empty(),
                IpvlanMode::Private => IpVlanFlags::Private,
                IpvlanMode::Vepa => IpVlanFlags::Vepa,
            };
            let data = vec![InfoIpVlan::Mode(IpVlanMode::L2), InfoIpVlan::Flags(flags)];
            (InfoKind::IpVlan, InfoData::IpVlan(data))
        }
    };
    let info = vec![LinkInfo::Kind(kind), LinkInfo::Data(data)];
    attributes.push(LinkAttribute::LinkInfo(info));
    let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    (RouteNetlinkMessage::NewLink(message), flags)
}

/// What is set on an interface.
#[derive(Debug, Clone, Default)]
pub(crate) struct LinkSetup<'a> {
    pub(crate) alias: Option<&'a str>,
    pub(crate) up: bool,
    /// No link-local address of its own.
    pub(crate) no_link_local: bool,
    pub(crate) ipv4: Vec<(Ipv4Option, u32)>,
}

pub(super) fn setup(index: u32, setup: &LinkSetup<'_>) -> (RouteNetlinkMessage, u16) {
    let mut message = LinkMessage::default();
    message.header.index = index;
    if setup.up {
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
    }
    let alias = setup.alias.map(str::to_owned);
    let attributes = &mut message.attributes;
    attributes.extend(alias.map(LinkAttribute::IfAlias));
    let mut families = Vec::new();
    if !setup.ipv4.is_empty() {
        let options = ipv4_options(&setup.ipv4);
        families.push(AfSpecUnspec::Inet(vec![AfSpecInet::Other(options)]));
    }
    if setup.no_link_local {
        let mode = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
        families.push(AfSpecUnspec::Inet6(vec![mode]));
    }
    if !families.is_empty() {
        attributes.push(LinkAttribute::AfSpecUnspec(families));
    }
    let flags = NLM_F_REQUEST | NLM_F_ACK;
    (RouteNetlinkMessage::SetLink(message), flags)
}

/// `IFLA_INET_CONF`: one attribute per option, unlike the array in which the kernel tells them.
fn ipv4_options(options: &[(Ipv4Option, u32)]) -> DefaultNla {
    const INET_CONF: u16 = 1;
    const NESTED: u16 = 0x8000;
    let mut bytes = Vec::new();
    for (option, value) in options {
        bytes.extend(8_u16.to_ne_bytes());
        bytes.extend((*option as u16).to_ne_bytes());
        bytes.extend(value.to_ne_bytes());
    }
    DefaultNla::new(INET_CONF | NESTED, bytes)
}

pub(super) fn removal(index: u32) -> (RouteNetlinkMessage, u16) {
    let mut message = LinkMessage::default();
    message.header.index = index;
    let flags = NLM_F_REQUEST | NLM_F_ACK;
    (RouteNetlinkMessage::DelLink(message), flags)
}

/// Takes from the attributes of a link what tells its layer.
pub(super) fn note(layer: &mut Layer, attribute: &LinkAttribute) {
    match attribute {
        LinkAttribute::Link(base) => layer.base = Some(*base),
        LinkAttribute::IfAlias(alias) => layer.alias.clone_from(alias),
        LinkAttribute::LinkInfo(information) => {
            for information in information {
                if let LinkInfo::Data(data) = information {
                    layer.kind = kind_of(data);
                    layer.table = table_of(data);
                }
            }
        }
        _ => {}
    }
}

fn table_of(data: &InfoData) -> Option<u32> {
    let InfoData::Vrf(data) = data else {
        return None;
    };
    data.iter().find_map(|one| match one {
        InfoVrf::TableId(table) => Some(*table),
        _ => None,
    })
}

fn kind_of(data: &InfoData) -> Option<LayerKind> {
    match data {
        InfoData::MacVlan(data) => data
            .iter()
            .any(|one| matches!(one, InfoMacVlan::Mode(MacVlanMode::Private)))
            .then_some(LayerKind::PrivateMacvlan),
        InfoData::IpVlan(data) => {
            let mut mode = IpvlanMode::Bridge;
            let mut layer_2 = false;
            for one in data {
                match one {
                    InfoIpVlan::Mode(found) => layer_2 = *found == IpVlanMode::L2,
                    InfoIpVlan::Flags(flags) if flags.contains(IpVlanFlags::Private) => {
                        mode = IpvlanMode::Private;
                    }
                    InfoIpVlan::Flags(flags) if flags.contains(IpVlanFlags::Vepa) => {
                        mode = IpvlanMode::Vepa;
                    }
                    _ => {}
                }
            }
            layer_2.then_some(LayerKind::Ipvlan(mode))
        }
        _ => None,
    }
}

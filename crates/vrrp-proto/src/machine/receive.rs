//! The checks that a packet must pass. Nothing here changes the router.

use core::net::IpAddr;

use super::action::State;
use super::config::{AddressCheck, Peer, Transport};
use super::event::Received;
use super::reason::DropReason;
use super::{Config, Stamps, VirtualRouter};
use crate::auth::{
    AntiReplay, Authentication, AuthenticationHeader, Signed, SigningMode, Stamp, TRAILER_LEN,
    Trailer,
};
use crate::ids::{PROTOCOL_AH, PROTOCOL_VRRP, Priority, Version};
use crate::time::{Instant, Interval};
use crate::wire::{ChecksumForm, Packet, PseudoHeader};

/// What a packet that passed says, and what accepting it must remember.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heeded {
    pub(super) source: IpAddr,
    pub(super) priority: Priority,
    pub(super) interval: Interval,
    pub(super) form: ChecksumForm,
    /// The address list was compared and differs.
    pub(super) other_addresses: bool,
    /// Sequence number of the authentication header.
    pub(super) sequence: Option<u32>,
    /// Stamp of the signature.
    pub(super) stamp: Option<Stamp>,
}

impl VirtualRouter {
    /// Checks a packet in the order of cost: header facts, message, checksum, contents, digests.
    pub(super) fn check(
        &self,
        now: Instant,
        received: &Received<'_>,
    ) -> Result<Heeded, DropReason> {
        if !matches!(self.state, State::Backup | State::Master) {
            return Err(DropReason::NotListening);
        }
        let config = &self.config;
        let addresses = PseudoHeader::new(received.source, received.destination)
            .filter(|addresses| addresses.family() == config.family)
            .ok_or(DropReason::Family)?;
        check_transport(config, received)?;
        let (header, message) = match received.protocol {
            PROTOCOL_VRRP => (None, received.payload),
            PROTOCOL_AH if matches!(config.authentication, Authentication::Header(_)) => {
                let (header, message) = AuthenticationHeader::parse(received.payload)
                    .ok_or(DropReason::HeaderMalformed)?;
                (Some(header), message)
            }
            _ => return Err(DropReason::AuthTypeMismatch),
        };
        let packet = Packet::new_checked(message, config.family)?;
        if packet.vrid() != config.vrid {
            return Err(DropReason::Vrid);
        }
        if packet.version() != config.version {
            return Err(DropReason::Version);
        }
        let trailer = match packet.trailing().len() {
            0 => None,
            TRAILER_LEN if config.signing.is_some() => Trailer::new(packet.trailing()),
            _ => return Err(DropReason::Excess),
        };
        let form = packet.verify_checksum(&addresses)?;
        if self.source == Some(received.source) {
            return Err(DropReason::OwnAdvert);
        }
        let interval = check_interval(config, &packet)?;
        if packet.count() == 0 && config.version == Version::V3 && !config.addresses.is_empty() {
            return Err(DropReason::NoAddresses);
        }
        let sequence = self.check_authentication(received, header.as_ref(), &packet)?;
        let stamp = self.check_signature(now, received.source, &packet, trailer)?;
        if config.owner_ignore_adverts && self.effective_priority().is_owner() {
            return Err(DropReason::OwnerIgnores);
        }
        let other_addresses = self.has_other_addresses(received.source, &packet);
        if other_addresses
            && config.address_check == AddressCheck::Drop
            && config.version == Version::V2
            && !packet.priority().is_owner()
        {
            return Err(DropReason::AddressList);
        }
        Ok(Heeded {
            source: received.source,
            priority: packet.priority(),
            interval,
            form,
            other_addresses,
            sequence,
            stamp,
        })
    }

    fn check_authentication(
        &self,
        received: &Received<'_>,
        header: Option<&AuthenticationHeader>,
        packet: &Packet<'_>,
    ) -> Result<Option<u32>, DropReason> {
        let Some(kind) = packet.auth_type() else {
            return Ok(None);
        };
        let wanted = match self.config.authentication {
            Authentication::None => 0,
            Authentication::Password(_) => 1,
            Authentication::Header(_) => 2,
        };
        match kind {
            3.. => return Err(DropReason::AuthTypeUnknown),
            kind if kind != wanted => return Err(DropReason::AuthTypeMismatch),
            _ => {}
        }
        match &self.config.authentication {
            Authentication::None => Ok(None),
            Authentication::Password(password) => {
                // Over IPv6 version 2 has no room for a password; the type is all there is.
                match packet.auth_data() {
                    Some(data) if !password.matches(data) => Err(DropReason::Password),
                    _ => Ok(None),
                }
            }
            Authentication::Header(_) => {
                let header = header.ok_or(DropReason::AuthTypeMismatch)?;
                let (Some(key), Some(ip_header)) = (&self.header_key, received.ipv4_header) else {
                    return Err(DropReason::HeaderMalformed);
                };
                if IpAddr::V4(header.spi) != received.source {
                    return Err(DropReason::HeaderMalformed);
                }
                if !key.verify(ip_header, header, packet.message()) {
                    return Err(DropReason::HeaderDigest);
                }
                // A number equal to our own last one is no replay: two masters that count in step
                // would never hear each other.
                if header.sequence <= self.received_sequence || header.sequence < self.sequence {
                    return Err(DropReason::HeaderReplay);
                }
                Ok(Some(header.sequence))
            }
        }
    }

    fn check_signature(
        &self,
        now: Instant,
        source: IpAddr,
        packet: &Packet<'_>,
        trailer: Option<Trailer<'_>>,
    ) -> Result<Option<Stamp>, DropReason> {
        let Some(signing) = &self.config.signing else {
            return Ok(None);
        };
        let Some(trailer) = trailer else {
            return match signing.mode {
                SigningMode::Enforce => Err(DropReason::SignatureMissing),
                SigningMode::Permissive | SigningMode::ReceiveOnly => Ok(None),
            };
        };
        let signed = Signed {
            version: packet.version(),
            vrid: packet.vrid(),
            source,
            message: packet.message(),
        };
        let clock = self.clock(now);
        // The marks are kept per sender; on unicast only peers have one.
        if let Transport::Unicast { peers, .. } = &self.config.transport
            && !peers.iter().any(|peer| peer.address == source)
        {
            return Err(DropReason::UnknownSource);
        }
        let stamp = signing.verify(&signed, &trailer, clock)?;
        let replayed = |stamps: &Stamps| {
            let policy = signing.anti_replay;
            !stamps.heard.is_fresh(source, stamp, policy, clock)
        };
        if self.stamps.as_deref().is_some_and(replayed) {
            return Err(DropReason::SignatureReplay);
        }
        Ok(Some(stamp))
    }

    /// By how many seconds a sender's clock differs, if that is more than half the window.
    pub(super) fn clock_skew(&self, now: Instant, stamp: Stamp) -> Option<u32> {
        let AntiReplay::Time(window) = self.config.signing.as_ref()?.anti_replay else {
            return None;
        };
        let skew = stamp.seconds().abs_diff(self.clock(now).seconds());
        (u64::from(skew) * 2 > window.as_secs()).then_some(skew)
    }

    fn has_other_addresses(&self, source: IpAddr, packet: &Packet<'_>) -> bool {
        if self.config.address_check == AddressCheck::SkipKnownMaster
            && self.master.is_some_and(|master| master.source == source)
        {
            return false;
        }
        if packet.addresses().eq(self.config.addresses.iter().copied()) {
            return false;
        }
        // The same addresses in another order are no mismatch.
        let ours = self.sorted_addresses();
        usize::from(packet.count()) != ours.len()
            || packet
                .addresses()
                .any(|address| ours.binary_search(&address).is_err())
    }
}

fn check_transport(config: &Config, received: &Received<'_>) -> Result<(), DropReason> {
    match &config.transport {
        Transport::Multicast(_) => {
            if received.hop_limit != 255 {
                return Err(DropReason::HopLimit);
            }
            if !received.destination.is_multicast() {
                return Err(DropReason::Destination);
            }
        }
        Transport::Unicast {
            peers,
            check_source,
        } => {
            if received.destination.is_multicast() {
                return Err(DropReason::Destination);
            }
            let peer = peers.iter().find(|peer| peer.address == received.source);
            match peer {
                Some(peer) => {
                    let bounds = peer.min_hop_limit..=peer.max_hop_limit;
                    if !bounds.contains(&received.hop_limit) {
                        return Err(DropReason::PeerHopLimit);
                    }
                }
                None if *check_source || peers.iter().any(Peer::is_bounded) => {
                    return Err(DropReason::UnknownSource);
                }
                None => {}
            }
        }
    }
    Ok(())
}

fn check_interval(config: &Config, packet: &Packet<'_>) -> Result<Interval, DropReason> {
    match (packet.version(), packet.interval()) {
        (Version::V3, None) => Err(DropReason::IntervalZero),
        (Version::V2, interval) if interval != Some(config.interval) => {
            Err(DropReason::IntervalMismatch)
        }
        (_, interval) => interval.ok_or(DropReason::IntervalZero),
    }
}

//! Making and encoding adverts.

use alloc::borrow::Cow;
use core::net::{IpAddr, Ipv4Addr};

use super::action::{Action, Advert};
use super::{VirtualRouter, election};
use crate::auth::{
    AH_LEN, AntiReplay, Authentication, AuthenticationHeader, Signed, Stamp, TRAILER_LEN,
};
use crate::ids::{Family, PROTOCOL_AH, PROTOCOL_VRRP, Priority};
use crate::time::{Instant, UnixTime};
use crate::wire::{
    Advertisement, AuthData, ChecksumForm, EncodeError, IPV4_HEADER_LEN, Ipv4Header, PseudoHeader,
    write_checksum,
};

impl VirtualRouter {
    /// Queues an advert. Without a source address there is nobody to send it as.
    pub(super) fn send_advert(&mut self, now: Instant, priority: Priority) {
        let Some(source) = self.source else {
            return;
        };
        self.identification = match self.identification.wrapping_add(1) {
            0 => 1,
            next => next,
        };
        let protocol = if matches!(self.config.authentication, Authentication::Header(_)) {
            // At the end of the count receivers see replays until the password changes; with one
            // advert a second that is in 136 years.
            self.sequence = self.sequence.saturating_add(1);
            PROTOCOL_AH
        } else {
            PROTOCOL_VRRP
        };
        self.stats.adverts_sent += 1;
        if priority.is_resign() {
            self.stats.resignations_sent += 1;
        }
        let advert = Advert {
            priority,
            source,
            protocol,
            hop_limit: self.config.hop_limit,
            identification: self.identification,
            sequence: self.sequence,
            stamp: self.next_stamp(now),
        };
        self.actions.push_back(Action::SendAdvert(advert));
        election::note_advert_sent(&mut self.owners, now);
    }

    fn next_stamp(&mut self, now: Instant) -> Option<Stamp> {
        let signing = self.config.signing.as_ref()?;
        if !signing.signs() {
            return None;
        }
        let clock = self.clock(now);
        let fresh = Stamp::at(clock);
        let stamp = match self.stamps.as_ref().and_then(|stamps| stamps.sent) {
            Some(last) if !fresh.is_after(last) => match signing.anti_replay {
                // Our clock was set back by more than others tolerate: begin again from it.
                AntiReplay::Time(window)
                    if u64::from(last.seconds().abs_diff(clock.seconds())) > window.as_secs() =>
                {
                    fresh
                }
                _ => last.next(),
            },
            _ => fresh,
        };
        self.stamps_mut().sent = Some(stamp);
        Some(stamp)
    }

    /// The wall clock at `now`; the monotonic count itself if nobody told us the time.
    pub(super) fn clock(&self, now: Instant) -> UnixTime {
        match self.stamps.as_ref().and_then(|stamps| stamps.clock) {
            Some((at, time)) => UnixTime::from_micros(time.as_micros() + now.micros_since(at)),
            None => UnixTime::from_micros(now.as_micros()),
        }
    }

    fn advertisement(&self, priority: Priority) -> Advertisement<'_> {
        Advertisement {
            version: self.config.version,
            family: self.config.family,
            vrid: self.config.vrid,
            priority,
            interval: self.config.interval,
            addresses: Cow::Borrowed(&self.config.addresses),
            auth: match &self.config.authentication {
                Authentication::None => AuthData::None,
                Authentication::Password(password) => AuthData::password(password),
                Authentication::Header(_) => AuthData::HEADER,
            },
        }
    }

    fn checksum_form(&self) -> ChecksumForm {
        if self.old_unicast_checksum && self.config.checksum == ChecksumForm::PseudoHeader {
            ChecksumForm::MulticastPseudoHeader
        } else {
            self.config.checksum
        }
    }

    /// Encodes what follows the IP header of `advert` for `destination`, trailer included: for
    /// IPv6, or for IPv4 when the kernel writes the header. Under an authentication header use
    /// [`encode_datagram`](Self::encode_datagram): the digest covers the IPv4 header, and this
    /// function assumes the one that `encode_datagram` writes.
    ///
    /// Tells how many bytes of `out` were written; [`MAX_ENCODED_LEN`](crate::wire::MAX_ENCODED_LEN)
    /// always suffice.
    ///
    /// # Errors
    /// [`EncodeError`] if `out` is too small or the destination is of the other family.
    pub fn encode_message(
        &self,
        advert: &Advert,
        destination: IpAddr,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        let addresses =
            PseudoHeader::new(advert.source, destination).ok_or(EncodeError::Family {
                address: destination,
                family: self.config.family,
            })?;
        let advertisement = self.advertisement(advert.priority);
        if advert.protocol == PROTOCOL_AH {
            return self.encode_under_header(advert, &advertisement, &addresses, out);
        }
        self.encode_signed(advert, &advertisement, &addresses, out)
    }

    /// The message and its trailer.
    fn encode_signed(
        &self,
        advert: &Advert,
        advertisement: &Advertisement<'_>,
        addresses: &PseudoHeader,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        let form = self.checksum_form();
        let (Some(signing), Some(stamp)) = (&self.config.signing, advert.stamp) else {
            return advertisement.encode(addresses, form, out);
        };
        let have = out.len();
        let len = advertisement.encode_without_checksum(out)?;
        let whole = out
            .get_mut(..len + TRAILER_LEN)
            .ok_or(EncodeError::Buffer {
                need: len + TRAILER_LEN,
                have,
            })?;
        let (message, room) = whole.split_at_mut(len);
        let signed = Signed {
            version: self.config.version,
            vrid: self.config.vrid,
            source: advert.source,
            message,
        };
        if let Some(trailer) = signing.sign(&signed, stamp) {
            room.copy_from_slice(&trailer);
        }
        // Over IPv6 the checksum is the kernel's and covers all that follows the IP header.
        let summed = match self.config.family {
            Family::V4 => message,
            Family::V6 => &mut *whole,
        };
        write_checksum(summed, self.config.version, addresses, form);
        Ok(len + TRAILER_LEN)
    }

    fn encode_under_header(
        &self,
        advert: &Advert,
        advertisement: &Advertisement<'_>,
        addresses: &PseudoHeader,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        let have = out.len();
        let PseudoHeader::V4(source, destination) = *addresses else {
            return Err(EncodeError::Family {
                address: advert.source,
                family: Family::V4,
            });
        };
        let Some((room, rest)) = out.split_first_chunk_mut::<AH_LEN>() else {
            let need = AH_LEN + advertisement.encoded_len();
            return Err(EncodeError::Buffer { need, have });
        };
        let len = self.encode_signed(advert, advertisement, addresses, rest)?;
        // The digest is over the message; a trailer is not part of it.
        let message = rest.get(..advertisement.encoded_len()).unwrap_or_default();
        let mut header = AuthenticationHeader {
            spi: source,
            sequence: advert.sequence,
            icv: [0; 12],
        };
        let ip_header = ip_header(advert, source, destination, AH_LEN + len).encode();
        if let Some(key) = &self.header_key {
            header.icv = key.sign(&ip_header, &header, message);
        }
        *room = header.encode();
        Ok(AH_LEN + len)
    }

    /// Encodes the complete IPv4 datagram of `advert` for `destination`, for a socket with
    /// `IP_HDRINCL`.
    ///
    /// # Errors
    /// [`EncodeError`] if `out` is too small, or source or destination is not IPv4.
    pub fn encode_datagram(
        &self,
        advert: &Advert,
        destination: IpAddr,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        let (IpAddr::V4(source), IpAddr::V4(to)) = (advert.source, destination) else {
            return Err(EncodeError::Family {
                address: destination,
                family: Family::V4,
            });
        };
        let have = out.len();
        let Some((room, rest)) = out.split_first_chunk_mut::<IPV4_HEADER_LEN>() else {
            return Err(EncodeError::Buffer {
                need: IPV4_HEADER_LEN + self.advertisement(advert.priority).encoded_len(),
                have,
            });
        };
        let len = self.encode_message(advert, destination, rest)?;
        *room = ip_header(advert, source, to, len).encode();
        Ok(IPV4_HEADER_LEN + len)
    }
}

fn ip_header(
    advert: &Advert,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    payload_len: usize,
) -> Ipv4Header {
    Ipv4Header {
        tos: Ipv4Header::TOS_INTERNETWORK_CONTROL,
        // At most 20 + MAX_ENCODED_LEN, far below 65,536.
        total_len: (IPV4_HEADER_LEN + payload_len) as u16,
        identification: advert.identification,
        fragment: 0,
        ttl: advert.hop_limit,
        protocol: advert.protocol,
        source,
        destination,
    }
}

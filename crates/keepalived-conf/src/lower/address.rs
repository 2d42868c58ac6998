//! Entries of `virtual_ipaddress` and its relatives.

use std::net::IpAddr;

use super::Call;
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{
    Broadcast, Family, Lifetime, Origin, PeerAddress, Prefix, RouteScope, Spanned, VirtualAddress,
};
use crate::syntax::statement::Word;

const OPTIONS: &[&str] = &[
    "dev",
    "scope",
    "broadcast",
    "brd",
    "label",
    "peer",
    "home",
    "-nodad",
    "mngtmpaddr",
    "noprefixroute",
    "autojoin",
    "preferred_lft",
    "no_track",
    "use_vmac",
    "track_group",
];

/// Interface names and labels have at most 15 bytes.
pub(crate) const MAX_INTERFACE_NAME: usize = 15;

impl Call<'_, '_> {
    /// `ADDR[/PLEN]`; the whole length if none is written.
    pub(crate) fn prefix(&mut self, word: Word) -> Option<Prefix> {
        let text = self.text(word.span).to_owned();
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text.as_str(), None),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            if !self.fill_in(word) {
                self.bad_address(word.span);
            }
            return None;
        };
        let bits = Family::of(&address).bits();
        let Some(length_text) = length else {
            return Some(Prefix {
                address,
                length: bits,
            });
        };
        let length = length_text
            .parse::<u8>()
            .ok()
            .filter(|length| *length <= bits);
        let Some(length) = length else {
            let mut diagnostic = Diagnostic::new(
                codes::BAD_PREFIX,
                Severity::Error,
                format!("`/{length_text}` is not a prefix length from 0 to {bits}"),
                word.span,
            )
            .note(format!("keepalived reports it and may use /{bits}"));
            if let Ok(IpAddr::V4(mask)) = length_text.parse()
                && mask.to_bits().leading_ones() == mask.to_bits().count_ones()
            {
                let ones = mask.to_bits().count_ones();
                diagnostic = diagnostic.fix(
                    "write the netmask as a length",
                    word.span,
                    format!("{address}/{ones}"),
                );
            }
            self.report(diagnostic);
            return None;
        };
        Some(Prefix { address, length })
    }

    /// A scope by iproute2's names or number.
    pub(crate) fn scope_value(&self, word: Word) -> RouteScope {
        let text = self.text(word.span);
        match text {
            "global" => RouteScope::Number(0),
            "site" => RouteScope::Number(200),
            "link" => RouteScope::Number(253),
            "host" => RouteScope::Number(254),
            "nowhere" => RouteScope::Number(255),
            _ => text
                .parse()
                .map_or_else(|_| RouteScope::Name(text.to_owned()), RouteScope::Number),
        }
    }

    /// An interface name after an option.
    pub(crate) fn interface_value(&mut self, option: Word) -> Option<Spanned<String>> {
        let word = self.option_value(option)?;
        if self.fill_in(word) || !self.interface_name_fits(word) {
            return None;
        }
        Some(Spanned::new(self.text(word.span).to_owned(), word.span))
    }

    pub(crate) fn interface_name_fits(&mut self, word: Word) -> bool {
        let text = self.text(word.span);
        if text.len() <= MAX_INTERFACE_NAME {
            return true;
        }
        let message =
            format!("`{text}` has more than {MAX_INTERFACE_NAME} bytes, the kernel's limit");
        self.error(codes::NAME_TOO_LONG, message, word.span);
        false
    }
}

/// Reads one entry; `None` after a report.
pub(crate) fn address_entry(call: &mut Call<'_, '_>) -> Option<VirtualAddress> {
    let first = call.next()?;
    let prefix = call.prefix(first)?;
    let written = call.text(first.span).contains('/');
    let family = Family::of(&prefix.address);
    let mut entry = VirtualAddress {
        address: prefix.address,
        prefix_length: prefix.length,
        prefix_written: written,
        dev: None,
        scope: None,
        broadcast: None,
        label: None,
        peer: None,
        home: false,
        nodad: true,
        mngtmpaddr: false,
        noprefixroute: false,
        autojoin: false,
        preferred_lft: if family == Family::Inet6 && prefix.length == 128 {
            Lifetime::Seconds(0)
        } else {
            Lifetime::Forever
        },
        no_track: false,
        use_vmac: false,
        track_group: None,
        span: Origin(call.span()),
    };
    while let Some(option) = call.next() {
        match call.text(option.span) {
            "dev" => {
                let dev = call.interface_value(option)?;
                if entry.dev.is_some() {
                    call.error(codes::DUPLICATE_KEYWORD, "`dev` stands twice", option.span);
                    return None;
                }
                entry.dev = Some(dev);
            }
            "scope" => {
                let word = call.option_value(option)?;
                if family == Family::Inet6 {
                    call.error(
                        codes::BAD_OPTION,
                        "IPv6 addresses take no `scope`",
                        option.span,
                    );
                } else {
                    entry.scope = Some(call.scope_value(word));
                }
            }
            "broadcast" | "brd" => {
                let word = call.option_value(option)?;
                entry.broadcast = Some(broadcast(call, word, family, prefix.length)?);
            }
            "label" => {
                let word = call.option_value(option)?;
                if family == Family::Inet6 {
                    call.error(
                        codes::BAD_OPTION,
                        "IPv6 addresses take no `label`",
                        option.span,
                    );
                } else if call.interface_name_fits(word) {
                    let text = call.text(word.span).to_owned();
                    entry.label = Some(Spanned::new(text, word.span));
                } else {
                    return None;
                }
            }
            "peer" => {
                let word = call.option_value(option)?;
                let peer = call.prefix(word)?;
                if Family::of(&peer.address) != family {
                    call.error(
                        codes::MIXED_FAMILIES,
                        "the peer is of the other family",
                        word.span,
                    );
                    return None;
                }
                if written {
                    let message = "the prefix length of the address gives way to the peer's";
                    call.warning(codes::INEFFECTIVE, message, first.span);
                }
                entry.peer = Some(PeerAddress {
                    address: peer.address,
                    prefix_length: peer.length,
                });
                entry.prefix_length = peer.length;
            }
            "home" => entry.home = true,
            "-nodad" => entry.nodad = false,
            "mngtmpaddr" => entry.mngtmpaddr = true,
            "noprefixroute" => entry.noprefixroute = true,
            "autojoin" => entry.autojoin = true,
            "preferred_lft" => {
                let word = call.option_value(option)?;
                entry.preferred_lft = if call.text(word.span) == "forever" {
                    Lifetime::Forever
                } else {
                    let seconds = call.integer(word, 0, i64::from(u32::MAX), false)?;
                    Lifetime::Seconds(u32::try_from(seconds).unwrap_or(0))
                };
            }
            "no_track" => entry.no_track = true,
            "use_vmac" => entry.use_vmac = true,
            "track_group" => {
                let word = call.option_value(option)?;
                let text = call.text(word.span).to_owned();
                entry.track_group = Some(Spanned::new(text, word.span));
            }
            _ => call.unknown_option(option, OPTIONS),
        }
    }
    if entry.peer.is_some() && entry.broadcast.take().is_some() {
        let span = entry.span.0;
        call.warning(
            codes::INEFFECTIVE,
            "`broadcast` has no effect beside `peer`",
            span,
        );
    }
    Some(entry)
}

fn broadcast(
    call: &mut Call<'_, '_>,
    word: Word,
    family: Family,
    prefix_length: u8,
) -> Option<Broadcast> {
    if family == Family::Inet6 {
        call.error(
            codes::BAD_OPTION,
            "IPv6 has no broadcast addresses",
            word.span,
        );
        return None;
    }
    let text = call.text(word.span);
    let special = match text {
        "+" => Some(Broadcast::HostBitsSet),
        "-" => Some(Broadcast::HostBitsClear),
        _ => None,
    };
    if let Some(special) = special {
        if prefix_length > 30 {
            let message = "`+` and `-` need a prefix length of at most 30";
            call.error(codes::BAD_PREFIX, message, word.span);
            return None;
        }
        return Some(special);
    }
    match call.address(word)? {
        IpAddr::V4(address) => Some(Broadcast::Address(address)),
        IpAddr::V6(_) => {
            call.error(
                codes::MIXED_FAMILIES,
                "a broadcast address is IPv4",
                word.span,
            );
            None
        }
    }
}

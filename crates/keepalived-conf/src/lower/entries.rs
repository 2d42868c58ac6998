//! Entries of lists: names, trackers, peers, groups, interfaces.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::Call;
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{
    Family, Origin, Setting, Spanned, TrackEntry, TrackWeight, UnicastPeer,
    VirtualServerGroupMember,
};
use crate::source::Span;
use crate::suggest;
use crate::syntax::statement::Word;

/// Names of ports that people write.
const SERVICES: &[(&str, &str)] = &[
    ("ftp", "21"),
    ("ssh", "22"),
    ("smtp", "25"),
    ("domain", "53"),
    ("dns", "53"),
    ("http", "80"),
    ("www", "80"),
    ("pop3", "110"),
    ("imap", "143"),
    ("ldap", "389"),
    ("https", "443"),
    ("imaps", "993"),
    ("mysql", "3306"),
    ("postgresql", "5432"),
    ("redis", "6379"),
];

impl Call<'_, '_> {
    /// A list of names, several per line allowed.
    pub(crate) fn names(&mut self) -> Vec<Spanned<String>> {
        let mut names = Vec::new();
        self.entries(|entry| {
            while let Some(name) = entry.next_text() {
                names.push(name);
            }
        });
        names
    }

    /// Reports an option word that the entry does not know.
    pub(crate) fn unknown_option(&mut self, word: Word, known: &[&'static str]) {
        let text = self.text(word.span).to_owned();
        if text.starts_with("//") {
            self.used = usize::MAX;
            let diagnostic = Diagnostic::new(
                codes::SLASH_COMMENT,
                Severity::Note,
                "`//` begins no comment",
                word.span,
            )
            .help("comments begin with `#` or `!`");
            self.report(diagnostic);
            return;
        }
        let list = self.keyword.name;
        // One report is enough for the words of an entry that went wrong.
        let statement = self.span();
        let said = self.low.reader.diagnostics.last().is_some_and(|last| {
            last.code == codes::BAD_OPTION && last.span().is_some_and(|at| statement.contains(at))
        });
        if said {
            return;
        }
        let address = text.split('/').next().unwrap_or("");
        if address.parse::<IpAddr>().is_ok() {
            let diagnostic = Diagnostic::new(
                codes::BAD_OPTION,
                Severity::Error,
                format!("`{text}` must stand on a line of its own"),
                word.span,
            )
            .note("keepalived does not read it as a second address")
            .help(format!("begin a new line with `{text}`"));
            self.report(diagnostic);
            return;
        }
        let mut diagnostic = Diagnostic::new(
            codes::BAD_OPTION,
            Severity::Error,
            format!("`{text}` is not an option of an entry of `{list}`"),
            word.span,
        );
        let begun = || {
            let begins = |option: &&&str| option.len() > 2 && text.starts_with(**option);
            known.iter().find(begins).copied()
        };
        diagnostic = match suggest::nearest(&text, known.iter().copied()).or_else(begun) {
            Some(near) => diagnostic.fix(format!("did you mean `{near}`?"), word.span, near),
            None => diagnostic.note(format!("it takes {}", known.join(", "))),
        };
        self.report(diagnostic);
    }

    /// The word after an option, or a report that it is missing.
    pub(crate) fn option_value(&mut self, option: Word) -> Option<Word> {
        if let Some(word) = self.next() {
            return Some(word);
        }
        let text = self.text(option.span).to_owned();
        self.error(
            codes::MISSING_ARGUMENT,
            format!("`{text}` needs a value"),
            option.span,
        );
        None
    }

    /// `NAME [weight W [reverse|noreverse]]` entries.
    pub(crate) fn track_entries(&mut self, limit: i64, into: &mut Vec<TrackEntry>) {
        let mut seen: HashMap<String, Span> = into
            .iter()
            .map(|e| (e.name.value.clone(), e.name.span))
            .collect();
        self.entries(|entry| {
            let Some(name) = entry.next_text() else {
                return;
            };
            let name_word = Word {
                span: name.span,
                quoted: false,
            };
            if entry.fill_in(name_word) {
                return;
            }
            let mut weight = Setting::default_of(TrackWeight::default());
            if let Some(option) = entry.next() {
                if entry.text(option.span) != "weight" {
                    entry.unknown_option(option, &["weight"]);
                } else if let Some(word) = entry.option_value(option)
                    && let Some(number) = entry.integer(word, -limit, limit, false)
                {
                    let mut reverse = false;
                    if let Some(option) = entry.next() {
                        match entry.text(option.span) {
                            "reverse" => reverse = true,
                            "noreverse" => {}
                            _ => entry.unknown_option(option, &["reverse", "noreverse"]),
                        }
                    }
                    let number = i32::try_from(number).unwrap_or(0);
                    weight.set(
                        TrackWeight {
                            weight: number,
                            reverse,
                        },
                        word.span,
                    );
                }
            }
            entry.rest_of_entry();
            if let Some(before) = seen.insert(name.value.clone(), name.span) {
                let diagnostic = Diagnostic::new(
                    codes::DUPLICATE_NAME,
                    Severity::Warning,
                    format!("`{}` is tracked twice; the first entry counts", name.value),
                    name.span,
                )
                .label(before, "first here");
                entry.report(diagnostic);
                return;
            }
            into.push(TrackEntry {
                name,
                weight,
                resolved: true,
                span: Origin(entry.span()),
            });
        });
    }

    /// Reports words left over in an entry.
    pub(crate) fn rest_of_entry(&mut self) {
        let Some(word) = self.word(self.used) else {
            return;
        };
        let text = self.text(word.span).to_owned();
        self.warning(
            codes::EXTRA_ARGUMENT,
            format!("`{text}` is ignored here"),
            word.span,
        );
    }

    /// `ADDR [min_ttl N] [max_ttl N]` entries.
    pub(crate) fn unicast_peers(&mut self, into: &mut Vec<UnicastPeer>) {
        let mut seen: HashSet<IpAddr> = into.iter().map(|peer| peer.address).collect();
        self.entries(|entry| {
            let Some(word) = entry.next() else { return };
            let Some(address) = entry.address(word) else {
                return;
            };
            let mut peer = UnicastPeer {
                address,
                min_ttl: None,
                max_ttl: None,
                span: Origin(word.span),
            };
            while let Some(option) = entry.next() {
                let low = match entry.text(option.span) {
                    "min_ttl" => true,
                    "max_ttl" => false,
                    _ => {
                        entry.unknown_option(option, &["min_ttl", "max_ttl"]);
                        continue;
                    }
                };
                let Some(value) = entry.option_value(option) else {
                    break;
                };
                let ttl = entry
                    .integer(value, 0, 255, false)
                    .and_then(|t| u8::try_from(t).ok());
                if low {
                    peer.min_ttl = ttl;
                } else {
                    peer.max_ttl = ttl;
                }
            }
            if !seen.insert(address) {
                let message = format!("peer {address} stands twice; it is used once");
                entry.warning(codes::DUPLICATE_NAME, message, word.span);
                return;
            }
            into.push(peer);
        });
    }

    /// Members of a `virtual_server_group`.
    pub(crate) fn group_members(&mut self, into: &mut Vec<VirtualServerGroupMember>) {
        self.entries(|entry| {
            let Some(word) = entry.next() else { return };
            let span = Origin(word.span);
            if entry.text(word.span) == "fwmark" {
                let Some(value) = entry.option_value(word) else {
                    return;
                };
                let mark = entry.integer(value, 0, i64::from(u32::MAX), false);
                let mut family = None;
                if let Some(option) = entry.next() {
                    match entry.text(option.span) {
                        "inet" => family = Some(Family::Inet),
                        "inet6" => family = Some(Family::Inet6),
                        _ => entry.unknown_option(option, &["inet", "inet6"]),
                    }
                }
                if let Some(mark) = mark.and_then(|m| u32::try_from(m).ok()) {
                    into.push(VirtualServerGroupMember::Fwmark { mark, family, span });
                }
                return;
            }
            let Some((first, last)) = entry.address_range(word) else {
                return;
            };
            let port = entry.next().and_then(|word| entry.port(word)).flatten();
            entry.rest_of_entry();
            into.push(VirtualServerGroupMember::Range {
                first,
                last,
                port,
                span,
            });
        });
    }

    /// A port; 0 means none. `None` after a report.
    pub(crate) fn port(&mut self, word: Word) -> Option<Option<u16>> {
        let text = self.text(word.span);
        if let Some((name, number)) = SERVICES.iter().find(|(name, _)| *name == text) {
            let diagnostic = Diagnostic::new(
                codes::BAD_NUMBER,
                Severity::Error,
                format!("a port is a number, not the name `{name}`"),
                word.span,
            )
            .note("keepalived rejects it and leaves the block out")
            .fix("write the number", word.span, *number);
            self.report(diagnostic);
            return None;
        }
        let number = self.integer(word, 0, 65535, false)?;
        Some(u16::try_from(number).ok().filter(|port| *port != 0))
    }

    /// `ADDR`, `ADDR-END` or `ADDR/LEN`.
    fn address_range(&mut self, word: Word) -> Option<(IpAddr, IpAddr)> {
        let text = self.text(word.span).to_owned();
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some((address, address));
        }
        if let Some((address, end)) = text.split_once('-')
            && let Ok(first) = address.parse::<IpAddr>()
        {
            let last = match first {
                IpAddr::V4(v4) => end.parse().ok().or_else(|| {
                    let [a, b, c, _] = v4.octets();
                    Some(IpAddr::from([a, b, c, end.parse().ok()?]))
                }),
                IpAddr::V6(v6) => end.parse().ok().or_else(|| {
                    let low = u16::from_str_radix(end, 16).ok()?;
                    let mut segments = v6.segments();
                    *segments.last_mut()? = low;
                    Some(IpAddr::from(segments))
                }),
            };
            if let Some(last) = last.filter(|l| l.is_ipv4() == first.is_ipv4() && *l >= first) {
                return Some((first, last));
            }
            self.error(
                codes::BAD_ADDRESS,
                format!("`{end}` does not end a range that begins with {first}"),
                word.span,
            );
            return None;
        }
        if text.contains('/') {
            let prefix = self.prefix(word)?;
            let bits = u32::from(Family::of(&prefix.address).bits());
            let hosts = bits - u32::from(prefix.length);
            return Some(match prefix.address {
                IpAddr::V4(v4) => {
                    let mask = u32::MAX.checked_shl(hosts).unwrap_or(0);
                    let first = v4.to_bits() & mask;
                    (IpAddr::V4(first.into()), IpAddr::V4((first | !mask).into()))
                }
                IpAddr::V6(v6) => {
                    let mask = u128::MAX.checked_shl(hosts).unwrap_or(0);
                    let first = v6.to_bits() & mask;
                    (IpAddr::V6(first.into()), IpAddr::V6((first | !mask).into()))
                }
            });
        }
        if !self.fill_in(word) {
            self.bad_address(word.span);
        }
        None
    }
}

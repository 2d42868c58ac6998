//! Entries of `static_rules` and `virtual_rules`.

use super::Call;
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{Family, Origin, PortRange, Prefix, Rule, RuleAction, Spanned};
use crate::syntax::statement::Word;

const OPTIONS: &[&str] = &[
    "not",
    "from",
    "to",
    "table",
    "lookup",
    "preference",
    "order",
    "priority",
    "tos",
    "dsfield",
    "fwmark",
    "realms",
    "suppress_prefixlength",
    "sup_pl",
    "suppress_ifgroup",
    "sup_group",
    "dev",
    "iif",
    "oif",
    "tunnel-id",
    "uidrange",
    "l3mdev",
    "protocol",
    "ipproto",
    "sport",
    "dport",
    "no_track",
    "track_group",
    "type",
    "goto",
    "nop",
    "blackhole",
    "unreachable",
    "prohibit",
];

/// A number in C notation.
fn base0(text: &str) -> Option<u64> {
    if let Some(hexadecimal) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        u64::from_str_radix(hexadecimal, 16).ok()
    } else if text.len() > 1 && text.starts_with('0') {
        u64::from_str_radix(text, 8).ok()
    } else {
        text.parse().ok()
    }
}

fn number(call: &mut Call<'_, '_>, option: Word, max: u64) -> Option<u64> {
    let word = call.option_value(option)?;
    let found = base0(call.text(word.span)).filter(|n| *n <= max);
    if found.is_none() {
        call.out_of_range(word.span, &format!("0 to {max}"));
    }
    found
}

fn number32(call: &mut Call<'_, '_>, option: Word) -> Option<u32> {
    u32::try_from(number(call, option, u64::from(u32::MAX))?).ok()
}

fn value(call: &mut Call<'_, '_>, option: Word) -> Option<String> {
    let word = call.option_value(option)?;
    Some(call.text(word.span).to_owned())
}

/// A prefix; `all`, `any` and `default` are none.
fn prefix(call: &mut Call<'_, '_>, option: Word) -> Option<Option<Prefix>> {
    let word = call.option_value(option)?;
    if matches!(call.text(word.span), "all" | "any" | "default") {
        return Some(None);
    }
    call.prefix(word).map(Some)
}

fn ports(call: &mut Call<'_, '_>, option: Word) -> Option<PortRange> {
    let word = call.option_value(option)?;
    let text = call.text(word.span);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let single = !text.contains('-');
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if first <= last => {
            if single {
                let diagnostic = Diagnostic::new(
                    codes::BAD_VALUE,
                    Severity::Note,
                    "a single port is read as a range of one",
                    word.span,
                )
                .note("keepalived rejects it")
                .fix("write for both", word.span, format!("{first}-{first}"));
                call.report(diagnostic);
            }
            Some(PortRange { first, last })
        }
        _ => {
            call.error(
                codes::BAD_VALUE,
                "ports are written `FIRST-LAST`",
                word.span,
            );
            None
        }
    }
}

/// Reads one rule; `None` after a report.
pub(crate) fn rule_entry(call: &mut Call<'_, '_>) -> Option<Rule> {
    let mut rule = Rule {
        family: Family::Inet,
        not: false,
        from: None,
        to: None,
        preference: None,
        tos: None,
        fwmark: None,
        realms: None,
        suppress_prefixlength: None,
        suppress_ifgroup: None,
        iif: None,
        oif: None,
        tunnel_id: None,
        uidrange: None,
        protocol: None,
        ipproto: None,
        sport: None,
        dport: None,
        no_track: false,
        track_group: None,
        action: RuleAction::Nop,
        span: Origin(call.span()),
    };
    let mut family = None;
    let mut action: Option<(RuleAction, Word)> = None;
    while let Some(option) = call.next() {
        let text = call.text(option.span).to_owned();
        let found = match text.as_str() {
            "inet" => {
                family = Some(Family::Inet);
                None
            }
            "inet6" => {
                family = Some(Family::Inet6);
                None
            }
            "type" => None,
            "not" => {
                rule.not = true;
                None
            }
            "from" => {
                rule.from = prefix(call, option)?;
                None
            }
            "to" => {
                rule.to = prefix(call, option)?;
                None
            }
            "preference" | "order" | "priority" => {
                rule.preference = Some(number32(call, option)?);
                None
            }
            "tos" | "dsfield" => {
                rule.tos = Some(value(call, option)?);
                None
            }
            "fwmark" => {
                let word = call.option_value(option)?;
                let text = call.text(word.span);
                let (mark, mask) = text.split_once('/').unwrap_or((text, "0xffffffff"));
                let read = |t: &str| base0(t).and_then(|n| u32::try_from(n).ok());
                match (read(mark), read(mask)) {
                    (Some(mark), Some(mask)) => rule.fwmark = Some((mark, mask)),
                    _ => {
                        call.error(
                            codes::BAD_NUMBER,
                            "a mark is written `MARK[/MASK]`",
                            word.span,
                        );
                        return None;
                    }
                }
                None
            }
            "realms" => {
                rule.realms = Some(value(call, option)?);
                None
            }
            "suppress_prefixlength" | "sup_pl" => {
                rule.suppress_prefixlength = u32::try_from(number(call, option, 128)?).ok();
                None
            }
            "suppress_ifgroup" | "sup_group" => {
                rule.suppress_ifgroup = Some(value(call, option)?);
                None
            }
            "dev" | "iif" => {
                rule.iif = Some(call.interface_value(option)?);
                None
            }
            "oif" => {
                rule.oif = Some(call.interface_value(option)?);
                None
            }
            "tunnel-id" => {
                rule.tunnel_id = Some(number(call, option, u64::MAX)?);
                None
            }
            "uidrange" => {
                let word = call.option_value(option)?;
                let range = call
                    .text(word.span)
                    .split_once('-')
                    .and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
                if range.is_none() {
                    call.error(codes::BAD_NUMBER, "user ids are written `A-B`", word.span);
                    return None;
                }
                rule.uidrange = range;
                None
            }
            "protocol" => {
                rule.protocol = u8::try_from(number(call, option, 255)?).ok();
                None
            }
            "ipproto" | "ip_proto" => {
                rule.ipproto = Some(value(call, option)?);
                if text == "ip_proto" {
                    let diagnostic = Diagnostic::new(
                        codes::OLD_SPELLING,
                        Severity::Warning,
                        "the word is `ipproto`",
                        option.span,
                    )
                    .note("the man page says `ip_proto`, which keepalived does not know")
                    .fix("write `ipproto`", option.span, "ipproto");
                    call.report(diagnostic);
                }
                None
            }
            "sport" => {
                rule.sport = Some(ports(call, option)?);
                None
            }
            "dport" => {
                rule.dport = Some(ports(call, option)?);
                None
            }
            "no_track" => {
                rule.no_track = true;
                None
            }
            "track_group" => {
                let word = call.option_value(option)?;
                let name = call.text(word.span).to_owned();
                rule.track_group = Some(Spanned::new(name, word.span));
                None
            }
            "table" | "lookup" => Some(RuleAction::Table(value(call, option)?)),
            "l3mdev" => Some(RuleAction::L3mdev),
            "goto" => Some(RuleAction::Goto(number32(call, option)?)),
            "nop" => Some(RuleAction::Nop),
            "blackhole" => Some(RuleAction::Blackhole),
            "unreachable" => Some(RuleAction::Unreachable),
            "prohibit" => Some(RuleAction::Prohibit),
            _ => {
                call.unknown_option(option, OPTIONS);
                return None;
            }
        };
        if let Some(found) = found {
            if action.is_some() {
                call.error(codes::BAD_OPTION, "a rule has one action", option.span);
                return None;
            }
            action = Some((found, option));
        }
    }
    let span = rule.span.0;
    let Some((action, _)) = action else {
        call.error(
            codes::MISSING_ARGUMENT,
            "the rule has no action; add `table T`, `goto N`, `blackhole` or another one",
            span,
        );
        return None;
    };
    if let RuleAction::Goto(to) = action
        && rule.preference.is_none_or(|own| own >= to)
    {
        call.error(
            codes::BAD_VALUE,
            "`goto` needs a preference below its target",
            span,
        );
        return None;
    }
    let of = |p: &Option<Prefix>| p.as_ref().map(|p| Family::of(&p.address));
    let (from, to) = (of(&rule.from), of(&rule.to));
    rule.family = family.or(from).or(to).unwrap_or(Family::Inet);
    if from.or(to).is_some_and(|f| f != rule.family) || from.zip(to).is_some_and(|(a, b)| a != b) {
        call.error(
            codes::MIXED_FAMILIES,
            "the addresses are of two families",
            span,
        );
        return None;
    }
    if rule.preference.is_none() {
        let diagnostic = Diagnostic::new(
            codes::MISSING_KEYWORD,
            Severity::Warning,
            "the rule has no `preference`; one is assigned downward from 16384",
            span,
        );
        call.report(diagnostic);
    }
    rule.action = action;
    Some(rule)
}

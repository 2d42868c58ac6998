//! Keywords of checkers whose grammar is their own.

use super::{Call, Quoting, tokenise};
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::keyword::Table;
use crate::model::{
    AgentCheck, Checker, DnsCheck, HttpGet, MiscCheck, Nibble, Origin, Spanned, StatusRange,
    TalkCheck, TalkTurn, UdpCheck, Url,
};

/// Longest payload of a UDP check.
const MAX_PAYLOAD: usize = 65_507;

/// Pairs of hexadecimal digits.
pub(crate) fn hex_bytes(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// Nibbles of free-form hexadecimal text: words of pairs, a single digit is a byte of its own.
fn nibbles(call: &mut Call<'_, '_>, any: bool) -> Option<Vec<Nibble>> {
    let mut out = Vec::new();
    while let Some(word) = call.next() {
        let text = call.text(word.span).to_owned();
        // An odd number of digits: the last one before the blank is a byte of its own.
        let odd = text.len() % 2 == 1;
        let last = text.len().saturating_sub(1);
        for (index, character) in text.char_indices() {
            let nibble = match character.to_digit(16) {
                Some(digit) => Nibble::Value(digit as u8),
                None if any && matches!(character, 'x' | 'X') => Nibble::Any,
                None => {
                    let message = format!("`{character}` is no hexadecimal digit");
                    call.error(codes::BAD_VALUE, message, word.span);
                    return None;
                }
            };
            if odd && index == last {
                out.push(if nibble == Nibble::Any {
                    Nibble::Any
                } else {
                    Nibble::Value(0)
                });
            }
            out.push(nibble);
        }
        if out.len() > 2 * MAX_PAYLOAD {
            call.error(codes::BAD_VALUE, "the datagram is too long", word.span);
            return None;
        }
    }
    Some(out)
}

pub(crate) fn payload(check: &mut UdpCheck, call: &mut Call<'_, '_>) {
    if call.required().is_none() {
        return;
    }
    call.used = 1;
    let Some(found) = nibbles(call, false) else {
        return;
    };
    let bytes = found
        .chunks_exact(2)
        .map(|pair| match pair {
            [Nibble::Value(high), Nibble::Value(low)] => high << 4 | low,
            _ => 0,
        })
        .collect();
    call.set(&mut check.payload, Some(bytes));
}

pub(crate) fn require_reply(check: &mut UdpCheck, call: &mut Call<'_, '_>) {
    if let Some(found) = nibbles(call, true) {
        call.set(&mut check.require_reply, Some(found));
    }
}

pub(crate) fn url(http: &mut HttpGet, table: &'static Table<Url>, call: &mut Call<'_, '_>) {
    call.surplus_header();
    let mut new = Url {
        span: Origin(call.name),
        ..Url::default()
    };
    call.block(table, &mut new);
    if new.path.value.is_empty() {
        let name = call.name;
        let diagnostic = Diagnostic::new(
            codes::MISSING_KEYWORD,
            Severity::Error,
            "`url` needs a `path`",
            name,
        )
        .note("keepalived drops the url, and the checker if it was the only one")
        .help("add `path /`");
        call.report(diagnostic);
        return;
    }
    http.url.push(new);
}

pub(crate) fn digest(url: &mut Url, call: &mut Call<'_, '_>) {
    let Some(word) = call.required() else { return };
    let text = call.text(word.span);
    let digest = (text.len() == 32).then(|| hex_bytes(text)).flatten();
    match digest.and_then(|bytes| bytes.try_into().ok()) {
        Some(digest) => url.digest.set(Some(digest), word.span),
        None => {
            if call.fill_in(word) {
                return;
            }
            let length = call.text(word.span).len();
            let diagnostic = Diagnostic::new(
                codes::BAD_VALUE,
                Severity::Error,
                format!("a digest has 32 hexadecimal digits; this has {length} characters"),
                word.span,
            )
            .note("keepalived rejects it; the body is then not checked")
            .help("`director genhash` prints the digest of a page");
            call.report(diagnostic);
        }
    }
}

pub(crate) fn status_code(url: &mut Url, call: &mut Call<'_, '_>) {
    let Some(word) = call.required() else { return };
    call.used = 1;
    let mut found = Vec::new();
    while let Some(word) = call.next() {
        let text = call.text(word.span);
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let code = |t: &str| t.parse::<u16>().ok().filter(|c| (100..=599).contains(c));
        match (code(first), code(last)) {
            (Some(first), Some(last)) if first <= last => found.push(StatusRange { first, last }),
            _ => {
                let message =
                    format!("`{text}` is no status code from 100 to 599, nor a range of them");
                call.error(codes::OUT_OF_RANGE, message, word.span);
            }
        }
    }
    if found.is_empty() {
        return;
    }
    if url.status_code.is_written() {
        url.status_code.value.extend(found);
    } else {
        url.status_code.set(found, word.span);
    }
}

pub(crate) fn regex(url: &mut Url, call: &mut Call<'_, '_>) {
    let Some(first) = call.required() else { return };
    let whole = call.span();
    let start = first.span.start() - u32::from(first.quoted);
    let raw = call.text(crate::Span::new(start, whole.end())).to_owned();
    let (words, closed) = tokenise(&raw, Quoting::Escapes);
    call.used = usize::MAX;
    if !closed {
        call.error(
            codes::OPEN_QUOTE,
            "a quote in this expression is not closed",
            whole,
        );
    }
    if words.len() > 1 {
        call.error(
            codes::EXTRA_ARGUMENT,
            "`regex` takes one text; put it into quotes",
            whole,
        );
    }
    if let Some((pattern, _, _)) = words.into_iter().next() {
        url.regex.set(Some(pattern), whole);
    }
}

const REGEX_OPTIONS: &[&str] = &[
    "allow_empty_class",
    "alt_bsux",
    "alt_circumflex",
    "alt_verbnames",
    "auto_callout",
    "caseless",
    "dollar_endonly",
    "dotall",
    "dupnames",
    "extended",
    "firstline",
    "match_unset_backref",
    "multiline",
    "never_backslash_c",
    "never_ucp",
    "never_utf",
    "no_auto_capture",
    "no_auto_possess",
    "no_dotstar_anchor",
    "no_start_optimize",
    "ucp",
    "ungreedy",
    "use_offset_limit",
    "utf",
];

pub(crate) fn regex_options(url: &mut Url, call: &mut Call<'_, '_>) {
    let mut options = Vec::new();
    while let Some(word) = call.next() {
        match REGEX_OPTIONS.iter().find(|o| **o == call.text(word.span)) {
            Some(option) => options.push(*option),
            None => {
                let text = call.text(word.span).to_owned();
                let mut diagnostic = Diagnostic::new(
                    codes::BAD_OPTION,
                    Severity::Warning,
                    format!("`{text}` is no option of expressions"),
                    word.span,
                )
                .note("keepalived ignores it without a word");
                let near = crate::suggest::nearest(&text, REGEX_OPTIONS.iter().copied());
                if let Some(near) = near {
                    diagnostic = diagnostic.fix(format!("did you mean `{near}`?"), word.span, near);
                }
                call.report(diagnostic);
            }
        }
    }
    call.set(&mut url.regex_options, options);
}

pub(crate) fn regex_stack(url: &mut Url, call: &mut Call<'_, '_>) {
    let Some(start) = call.required() else { return };
    let Some(max) = call.required() else { return };
    let limit = i64::from(u32::MAX);
    let (Some(low), Some(high)) = (
        call.integer(start, 1, limit, false),
        call.integer(max, 1, limit, false),
    ) else {
        return;
    };
    if low > high {
        call.error(
            codes::OUT_OF_RANGE,
            "the first size is above the greatest",
            start.span,
        );
        return;
    }
    let pair = (
        u32::try_from(low).unwrap_or(u32::MAX),
        u32::try_from(high).unwrap_or(u32::MAX),
    );
    call.set(&mut url.regex_stack, Some(pair));
}

/// `host { ... }`: its options act on the checker itself.
pub(crate) fn smtp_host(
    checker: &mut Checker,
    table: &'static Table<Checker>,
    call: &mut Call<'_, '_>,
) {
    let name = call.name;
    let diagnostic = Diagnostic::new(
        codes::OLD_SPELLING,
        Severity::Warning,
        "`host` is a form of former versions",
        name,
    )
    .note(
        "keepalived applies the options inside to the checker and checks the server once more \
           for each `host`; here they act on the checker, once",
    )
    .help("move the options into `SMTP_CHECK`, one `SMTP_CHECK` per target");
    call.report(diagnostic);
    call.block(table, checker);
}

pub(crate) fn domain(check: &mut DnsCheck, call: &mut Call<'_, '_>) {
    let Some(word) = call.required() else { return };
    let text = call.text(word.span).to_owned();
    let name = text.strip_suffix('.').unwrap_or(&text);
    let bad = !name.is_empty()
        && (name.len() > 253 || name.split('.').any(|l| l.is_empty() || l.len() > 63));
    if bad {
        let message = format!("`{text}` is no domain name");
        call.error(codes::BAD_VALUE, message, word.span);
        return;
    }
    let name = if name.is_empty() {
        String::from(".")
    } else {
        name.to_owned()
    };
    check.name.set(name, word.span);
}

pub(crate) fn misc_user(check: &mut MiscCheck, call: &mut Call<'_, '_>) {
    if call.required().is_none() {
        return;
    }
    call.used = 1;
    let span = call.span();
    if let Some(user) = call.user() {
        check.user.set(Some(user), span);
    }
}

/// The bytes that a text stands for: `\r`, `\n`, `\t`, `\\` and `\xHH` are escapes.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (escape, after) = rest.split_first()?;
        rest = after;
        bytes.push(match escape {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'\\' => b'\\',
            b'x' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            _ => return None,
        });
    }
    Some(bytes)
}

/// The one text after the keyword, with its escapes resolved.
fn octets(call: &mut Call<'_, '_>) -> Option<Vec<u8>> {
    let word = call.required()?;
    let text = call.text(word.span).to_owned();
    let bytes = unescape(&text);
    if bytes.is_none() {
        let message = "an escape is none of \\r, \\n, \\t, \\\\ and \\xHH";
        call.error(codes::BAD_VALUE, message, word.span);
    }
    bytes
}

pub(crate) fn send(check: &mut TalkCheck, call: &mut Call<'_, '_>) {
    if let Some(bytes) = octets(call) {
        check.turns.push(TalkTurn::Send(bytes));
    }
}

pub(crate) fn expect(check: &mut TalkCheck, call: &mut Call<'_, '_>) {
    if let Some(bytes) = octets(call) {
        check.turns.push(TalkTurn::Expect(bytes));
    }
}

pub(crate) fn expect_regex(check: &mut TalkCheck, call: &mut Call<'_, '_>) {
    if let Some(word) = call.required() {
        let pattern = Spanned::new(call.text(word.span).to_owned(), word.span);
        check.turns.push(TalkTurn::ExpectRegex(pattern));
    }
}

pub(crate) fn agent_send(check: &mut AgentCheck, call: &mut Call<'_, '_>) {
    if let Some(bytes) = octets(call) {
        let span = call.span();
        check.send.set(Some(bytes), span);
    }
}

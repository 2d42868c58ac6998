//! Values by their grammar.

use std::net::IpAddr;
use std::time::Duration;

use super::Call;
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::keyword::Arguments;
use crate::model::{Script, ScriptUser, TrackWeight};
use crate::source::Span;
use crate::suggest;
use crate::syntax::statement::Word;

/// A value that a grammar gives.
#[derive(Debug)]
pub(crate) enum Value {
    Boolean(bool),
    Integer(i64),
    Time(Duration),
    Text(String),
    Choice(usize),
    Address(IpAddr),
    Script(Script),
    User(ScriptUser),
    Weight(TrackWeight),
}

/// A decimal number as micro-units; `exact` is false when digits were lost.
pub(crate) struct Decimal {
    pub(crate) micro: u64,
    pub(crate) places: usize,
}

/// Reads `123`, `1.5`, `.5`; no sign, no exponent.
pub(crate) fn decimal(text: &str) -> Option<Decimal> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() + fraction.len() == 0 {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut micro: u64 = 0;
    for index in 0..6 {
        let digit = fraction
            .as_bytes()
            .get(index)
            .map_or(0, |b| u64::from(b - b'0'));
        micro = micro * 10 + digit;
    }
    if fraction.as_bytes().get(6).is_some_and(|b| *b >= b'5') {
        micro += 1;
    }
    let places = fraction.trim_end_matches('0').len();
    Some(Decimal {
        micro: whole.checked_mul(1_000_000)?.checked_add(micro)?,
        places,
    })
}

impl Call<'_, '_> {
    /// The value of the keyword; `None` after a report.
    pub(crate) fn value(&mut self) -> Option<(Value, Span)> {
        match self.keyword.arguments {
            Arguments::Flag => Some((Value::Boolean(true), self.name)),
            Arguments::Boolean => self.boolean(),
            Arguments::Integer { min, max, zero, .. } => {
                let word = self.required()?;
                self.integer(word, min, max, zero)
                    .map(|i| (Value::Integer(i), word.span))
            }
            Arguments::Seconds {
                min,
                max,
                places,
                zero,
            } => {
                let word = self.required()?;
                self.time(word, min, max, places, zero, "s")
                    .map(|t| (t, word.span))
            }
            Arguments::Milliseconds { min, max } => {
                let word = self.required()?;
                let (value, span) = (
                    self.time(word, min * 1000, max * 1000, 3, false, "ms")?,
                    word.span,
                );
                match value {
                    Value::Time(time) => Some((Value::Time(time / 1000), span)),
                    other => Some((other, span)),
                }
            }
            Arguments::Microseconds { min, max } => {
                let word = self.required()?;
                let max = i64::try_from(max).unwrap_or(i64::MAX);
                let value = self.integer(word, min as i64, max, false)?;
                Some((
                    Value::Time(Duration::from_micros(value.unsigned_abs())),
                    word.span,
                ))
            }
            Arguments::Text(_) => {
                let word = self.required()?;
                // Free text may well look so; it is used all the same.
                self.placeholder(word, Severity::Warning);
                Some((Value::Text(self.text(word.span).to_owned()), word.span))
            }
            Arguments::OptionalText(_) => match self.next() {
                Some(word) => Some((Value::Text(self.text(word.span).to_owned()), word.span)),
                None => Some((Value::Text(String::new()), self.name)),
            },
            Arguments::Choice { words, any_case } => {
                let word = self.required()?;
                self.one_of(word, words, any_case)
                    .map(|i| (Value::Choice(i), word.span))
            }
            Arguments::Address => {
                let word = self.required()?;
                self.address(word).map(|a| (Value::Address(a), word.span))
            }
            Arguments::Address4 | Arguments::Address6 => {
                let word = self.required()?;
                let address = self.address(word)?;
                let wanted = matches!(self.keyword.arguments, Arguments::Address4);
                if address.is_ipv4() == wanted {
                    return Some((Value::Address(address), word.span));
                }
                let family = if wanted { "an IPv4" } else { "an IPv6" };
                let message = format!("`{}` takes {family} address", self.keyword.name);
                self.error(codes::BAD_ADDRESS, message, word.span);
                None
            }
            Arguments::Script { optional } => self.script(optional).map(|script| {
                let span = script.span.0;
                (Value::Script(script), span)
            }),
            Arguments::User => {
                let word = self.required()?;
                self.used -= 1;
                let user = self.user()?;
                Some((Value::User(user), word.span))
            }
            Arguments::Weight { limit } => {
                let word = self.required()?;
                let weight = self.integer(word, -limit, limit, false)?;
                let mut reverse = false;
                if let Some(next) = self.next() {
                    match self.text(next.span) {
                        "reverse" => reverse = true,
                        "noreverse" => {}
                        _ => self.used -= 1,
                    }
                }
                let weight = i32::try_from(weight).unwrap_or(0);
                Some((Value::Weight(TrackWeight { weight, reverse }), word.span))
            }
            Arguments::Grammar(_)
            | Arguments::Block { .. }
            | Arguments::Entries { .. }
            | Arguments::NamedEntries { .. } => None,
        }
    }

    /// The next word, or a report that it is missing.
    pub(crate) fn required(&mut self) -> Option<Word> {
        if let Some(word) = self.next() {
            return Some(self.after_equals_sign(word));
        }
        let keyword = self.keyword.name;
        let mut diagnostic = Diagnostic::new(
            codes::MISSING_ARGUMENT,
            Severity::Error,
            format!("`{keyword}` needs a value"),
            self.name,
        )
        .note("keepalived ends at once with status 2");
        let arguments = self.keyword.arguments.to_string();
        diagnostic = diagnostic.help(format!("write `{keyword} {arguments}`"));
        if !self.keyword.default.is_empty() {
            diagnostic = diagnostic.note(format!("without the keyword: {}", self.keyword.default));
        }
        self.report(diagnostic);
        None
    }

    /// The word after a `=` that stands alone.
    fn after_equals_sign(&mut self, word: Word) -> Word {
        if word.quoted || self.text(word.span) != "=" {
            return word;
        }
        let Some(value) = self.next() else {
            return word;
        };
        let keyword = self.keyword.name;
        let (name, text) = (self.name, self.text(value.span).to_owned());
        let diagnostic = Diagnostic::new(
            codes::EQUALS_SIGN,
            Severity::Error,
            format!("`{keyword}` takes its value after a blank, without `=`"),
            word.span,
        )
        .note("keepalived takes the `=` for the value")
        .fix(
            format!("write `{keyword} {text}`"),
            name.to(value.span),
            format!("{keyword} {text}"),
        );
        self.report(diagnostic);
        value
    }

    fn boolean(&mut self) -> Option<(Value, Span)> {
        let Some(word) = self.next() else {
            return Some((Value::Boolean(true), self.name));
        };
        let text = self.text(word.span);
        let value = match text.to_ascii_lowercase().as_str() {
            "on" | "true" | "yes" => true,
            "off" | "false" | "no" => false,
            _ => {
                let message = format!("`{text}` is neither true nor false");
                let diagnostic =
                    Diagnostic::new(codes::BAD_BOOLEAN, Severity::Error, message, word.span)
                        .note("keepalived reports it and ignores the keyword")
                        .help("write on, off, true, false, yes or no");
                self.report(diagnostic);
                return None;
            }
        };
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            let lower = text.to_ascii_lowercase();
            self.letter_case(word.span, &lower);
        }
        Some((Value::Boolean(value), word.span))
    }

    fn letter_case(&mut self, span: Span, wanted: &str) {
        let diagnostic = Diagnostic::new(
            codes::LETTER_CASE,
            Severity::Note,
            format!("read as `{wanted}`"),
            span,
        )
        .note("keepalived knows the other letter case only and rejects this word")
        .fix("write it so for both", span, wanted);
        self.report(diagnostic);
    }

    /// Reads an integer in a range.
    pub(crate) fn integer(&mut self, word: Word, min: i64, max: i64, zero: bool) -> Option<i64> {
        let text = self.text(word.span).trim_start_matches([' ', '\t']);
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let valid = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if !valid {
            return self.not_a_number(word);
        }
        let value = text.parse::<i64>().unwrap_or_else(|_| {
            if text.starts_with('-') {
                i64::MIN
            } else {
                i64::MAX
            }
        });
        if value == 0 && zero && !(min..=max).contains(&value) {
            self.zero_is_off(word.span);
            return Some(0);
        }
        if (min..=max).contains(&value) {
            return Some(value);
        }
        let range = format!("{min} to {max}");
        self.out_of_range(word.span, &range);
        None
    }

    fn not_a_number<T>(&mut self, word: Word) -> Option<T> {
        if self.fill_in(word) || self.fill_in_name(word) {
            return None;
        }
        let text = self.text(word.span).to_owned();
        let keyword = self.keyword.name;
        let mut diagnostic = Diagnostic::new(
            codes::BAD_NUMBER,
            Severity::Error,
            format!("`{text}` is not a number that `{keyword}` takes"),
            word.span,
        )
        .note("keepalived's test rejects it; a running keepalived uses the digits it begins with");
        let digits: String = text
            .chars()
            .take_while(|c| c.is_ascii_digit() || *c == '.')
            .collect();
        if let Some(rest) = text.strip_prefix('=') {
            diagnostic = diagnostic.fix("write it without `=`", word.span, rest);
        } else if let Some(time) = self.in_its_unit(&text) {
            let unit = format!("write the time in {}, without unit", self.unit());
            diagnostic = diagnostic.fix(unit, word.span, time);
        } else if let Some(number) =
            text.strip_prefix(['\u{2012}', '\u{2013}', '\u{2014}', '\u{2212}'])
            && number.parse::<u32>().is_ok()
        {
            let minus = format!("-{number}");
            diagnostic = diagnostic.fix("this dash is no minus sign", word.span, minus);
        } else if let Some(point) = decimal_comma(&text) {
            diagnostic = diagnostic.fix("write a point, not a comma", word.span, point);
        } else if !digits.is_empty() {
            diagnostic = diagnostic.fix("write the number alone", word.span, digits);
        } else if !self.keyword.default.is_empty() {
            diagnostic = diagnostic.note(format!("without the keyword: {}", self.keyword.default));
        }
        self.report(diagnostic);
        None
    }

    pub(crate) fn out_of_range(&mut self, span: Span, range: &str) {
        let keyword = self.keyword.name;
        let text = self.text(span).to_owned();
        let default = self.keyword.default;
        let mut diagnostic = Diagnostic::new(
            codes::OUT_OF_RANGE,
            Severity::Error,
            format!("{text} is outside the range of `{keyword}`, {range}"),
            span,
        );
        diagnostic = if default.is_empty() {
            diagnostic.note("keepalived ignores the keyword")
        } else {
            diagnostic.note(format!(
                "keepalived ignores the keyword and uses its default: {default}"
            ))
        };
        self.report(diagnostic);
    }

    fn zero_is_off(&mut self, span: Span) {
        let keyword = self.keyword.name;
        let diagnostic = Diagnostic::new(
            codes::ZERO_IS_OFF,
            Severity::Note,
            format!("`{keyword} 0` is read as off"),
            span,
        )
        .note("keepalived calls 0 out of range and ignores the keyword, which means the same");
        self.report(diagnostic);
    }

    /// Reads decimal units (`s` or `ms`) as a time in micro-units.
    fn time(
        &mut self,
        word: Word,
        min: u64,
        max: u64,
        places: u8,
        zero: bool,
        unit: &str,
    ) -> Option<Value> {
        let text = self.text(word.span).trim_start_matches([' ', '\t']);
        let (text, stripped) = (text.strip_prefix('+').unwrap_or(text), text);
        let Some(number) = decimal(text) else {
            if stripped.starts_with('-') && decimal(stripped.trim_start_matches('-')).is_some() {
                let range = bounds(min, max, unit);
                self.out_of_range(word.span, &range);
                return None;
            }
            return self.not_a_number(word);
        };
        let resolution = 10_u64.pow(u32::from(6_u8.saturating_sub(places)));
        let mut micro = number.micro;
        if number.places > usize::from(places) {
            micro = (micro + resolution / 2) / resolution * resolution;
            let message = if places == 0 {
                format!("`{}` takes whole seconds", self.keyword.name)
            } else {
                format!(
                    "`{}` takes {places} digits after the point",
                    self.keyword.name
                )
            };
            let severity = if places == 0 {
                Severity::Error
            } else {
                Severity::Warning
            };
            let diagnostic = Diagnostic::new(codes::ROUNDED, severity, message, word.span)
                .note("keepalived's test rejects it; a running keepalived rounds");
            self.report(diagnostic);
        }
        if micro == 0 && zero && min > 0 {
            self.zero_is_off(word.span);
            return Some(Value::Time(Duration::ZERO));
        }
        if micro < min || micro > max {
            let range = bounds(min, max, unit);
            self.out_of_range(word.span, &range);
            return None;
        }
        Some(Value::Time(Duration::from_micros(micro)))
    }

    /// Finds a word among the allowed ones, in any letter case.
    pub(crate) fn one_of(
        &mut self,
        word: Word,
        words: &'static [&'static str],
        any_case: bool,
    ) -> Option<usize> {
        let text = self.text(word.span);
        if let Some(index) = words.iter().position(|w| *w == text) {
            return Some(index);
        }
        if let Some(index) = words.iter().position(|w| w.eq_ignore_ascii_case(text)) {
            if !any_case && let Some(wanted) = words.get(index) {
                self.letter_case(word.span, wanted);
            }
            return Some(index);
        }
        if self.fill_in(word) || self.text(word.span).contains('_') && self.fill_in_name(word) {
            return None;
        }
        let text = self.text(word.span).to_owned();
        let keyword = self.keyword.name;
        let mut diagnostic = Diagnostic::new(
            codes::BAD_CHOICE,
            Severity::Error,
            format!("`{keyword}` does not take `{text}`"),
            word.span,
        );
        let near = suggest::synonym(&text, words)
            .or_else(|| suggest::nearest(&text, words.iter().copied()));
        let legal = format!("it takes {}", words.join(", "));
        diagnostic = match near {
            Some(near) => {
                diagnostic
                    .note(legal)
                    .fix(format!("did you mean `{near}`?"), word.span, near)
            }
            None => diagnostic.help(legal),
        };
        if !self.keyword.default.is_empty() {
            diagnostic = diagnostic.note(format!(
                "keepalived reports it and uses: {}",
                self.keyword.default
            ));
        }
        self.report(diagnostic);
        None
    }

    /// Reads an address.
    pub(crate) fn address(&mut self, word: Word) -> Option<IpAddr> {
        let text = self.text(word.span);
        if let Ok(address) = text.parse() {
            return Some(address);
        }
        if !self.fill_in(word) {
            self.bad_address(word.span);
        }
        None
    }

    pub(crate) fn bad_address(&mut self, span: Span) {
        if self.fill_in_name(Word {
            span,
            quoted: false,
        }) {
            return;
        }
        let text = self.text(span).to_owned();
        let message = match too_great_octet(&text) {
            Some(octet) => format!("`{text}` is not an IP address: {octet} is above 255"),
            None => format!("`{text}` is not an IP address"),
        };
        let mut diagnostic = Diagnostic::new(codes::BAD_ADDRESS, Severity::Error, message, span)
            .note("keepalived reports it and leaves the line out");
        if let Some((address, port)) = text.rsplit_once(':')
            && address.parse::<std::net::Ipv4Addr>().is_ok()
        {
            diagnostic = diagnostic.fix(
                "write address and port as two words",
                span,
                format!("{address} {port}"),
            );
        } else if let Some(rest) = text.strip_prefix('=') {
            diagnostic = diagnostic.fix("write it without `=`", span, rest);
        } else if let Some((address, port)) = text.split_once(',')
            && address.parse::<IpAddr>().is_ok()
        {
            let separate = format!("{address} {port}");
            diagnostic = diagnostic.fix(
                "words are separated by blanks, without commas",
                span,
                separate.trim_end(),
            );
        } else if let Some(address) = text.strip_suffix(';')
            && address.parse::<IpAddr>().is_ok()
        {
            diagnostic = diagnostic.fix("lines end without `;`", span, address);
        } else if let Some((address, length)) = text.split_once('/')
            && address.parse::<IpAddr>().is_ok()
        {
            let message = format!("an address stands here without `/{length}`");
            diagnostic = diagnostic.fix(message, span, address);
        }
        self.report(diagnostic);
    }

    /// A time with a unit in the unit of the keyword; `None` if the keyword takes no time.
    fn in_its_unit(&self, text: &str) -> Option<String> {
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = text.split_at_checked(split)?;
        let factor = match unit {
            "us" => 1,
            "ms" => 1_000,
            "s" | "sec" | "secs" | "second" | "seconds" => 1_000_000,
            "m" | "min" | "minutes" => 60_000_000,
            "h" => 3_600_000_000,
            _ => return None,
        };
        let micro = decimal(number)?.micro.checked_mul(factor)? / 1_000_000;
        match self.keyword.arguments {
            Arguments::Seconds { .. } => Some(crate::keyword::Decimal(micro).to_string()),
            Arguments::Milliseconds { .. } => {
                Some(crate::keyword::Decimal(micro.checked_mul(1000)?).to_string())
            }
            Arguments::Microseconds { .. } => Some(micro.to_string()),
            _ => None,
        }
    }

    const fn unit(&self) -> &'static str {
        match self.keyword.arguments {
            Arguments::Milliseconds { .. } => "milliseconds",
            Arguments::Microseconds { .. } => "microseconds",
            _ => "seconds",
        }
    }
}

/// `3,5` with a point.
fn decimal_comma(text: &str) -> Option<String> {
    let point = text.replacen(',', ".", 1);
    (text.contains(',') && !text.ends_with(',') && decimal(&point).is_some()).then_some(point)
}

/// The part of an IPv4 address that is out of range.
fn too_great_octet(text: &str) -> Option<&str> {
    let address = text.split('/').next()?;
    let octets: Vec<&str> = address.split('.').collect();
    let numbers = octets.len() == 4 && octets.iter().all(|o| o.parse::<u32>().is_ok());
    octets
        .into_iter()
        .find(|octet| numbers && octet.parse::<u8>().is_err())
}

fn bounds(min: u64, max: u64, unit: &str) -> String {
    use crate::keyword::Decimal;
    format!("{} to {} {unit}", Decimal(min), Decimal(max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        let micro = |text| decimal(text).map(|d| (d.micro, d.places));
        assert_eq!(micro("1"), Some((1_000_000, 0)));
        assert_eq!(micro("0.25"), Some((250_000, 2)));
        assert_eq!(micro(".5"), Some((500_000, 1)));
        assert_eq!(micro("1.10"), Some((1_100_000, 1)));
        assert_eq!(micro("1e3"), None);
        assert_eq!(micro("."), None);
        assert_eq!(micro("99999999999999999999"), None);
    }
}

//! When a certificate ends: just enough of X.509 (RFC 5280 §4.1) to find that date.

use std::time::{Duration, SystemTime};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The end of validity of a certificate in DER; `None` if it cannot be read, or lies before 1970.
pub(crate) fn not_after(der: &[u8]) -> Option<SystemTime> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (fields, _) = element(certificate, SEQUENCE)?;
    let after_version = element(fields, VERSION).map_or(fields, |(_, rest)| rest);
    let (_serial, rest) = element(after_version, INTEGER)?;
    let (_algorithm, rest) = element(rest, SEQUENCE)?;
    let (_issuer, rest) = element(rest, SEQUENCE)?;
    let (validity, _) = element(rest, SEQUENCE)?;
    let (_not_before, rest) = time(validity)?;
    let (not_after, _) = time(rest)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(not_after?))
}

/// The content of the element that stands first, if it has this tag, and what follows it.
fn element(octets: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = octets.split_first()?;
    if *found != tag {
        return None;
    }
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x83 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
            let length = octets
                .iter()
                .fold(0, |sum, octet| sum << 8 | usize::from(*octet));
            (length, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// The time that stands first, in seconds since 1970 if it is not before that, and what follows.
fn time(octets: &[u8]) -> Option<(Option<u64>, &[u8])> {
    if let Some((text, rest)) = element(octets, UTC_TIME) {
        let (year, text) = number(text, 2)?;
        let century = if year < 50 { 2000 } else { 1900 };
        return Some((seconds(century + year, text), rest));
    }
    let (text, rest) = element(octets, GENERALIZED_TIME)?;
    let (year, text) = number(text, 4)?;
    Some((seconds(year, text), rest))
}

fn number(text: &[u8], digits: usize) -> Option<(u64, &[u8])> {
    let (number, rest) = text.split_at_checked(digits)?;
    if !number.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = number
        .iter()
        .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some((value, rest))
}

/// Seconds from 1970 to this year and the `MMDDHHMMSSZ` after it.
fn seconds(year: u64, text: &[u8]) -> Option<u64> {
    let (month, text) = number(text, 2)?;
    let (day, text) = number(text, 2)?;
    let (hour, text) = number(text, 2)?;
    let (minute, text) = number(text, 2)?;
    let (second, text) = number(text, 2)?;
    let in_range = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if text != b"Z" || !in_range {
        return None;
    }
    // Years begin in March here, so that the leap day is the last of its year.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year.checked_sub(1)?, month + 9)
    };
    let days_before_year = year * 365 + year / 4 - year / 100 + year / 400;
    let days = days_before_year + (month * 153 + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_become_seconds() {
        assert_eq!(seconds(1970, b"0101000000Z"), Some(0));
        assert_eq!(seconds(2000, b"0229123456Z"), Some(951_827_696));
        assert_eq!(seconds(2038, b"0119031408Z"), Some(1 << 31));
        assert_eq!(seconds(1969, b"1231235959Z"), None);
        assert_eq!(seconds(2026, b"1301000000Z"), None);
        assert_eq!(seconds(2026, b"0101000000"), None);
    }

    #[test]
    fn the_end_of_a_certificate_is_found() {
        for (year, expected) in [(2040, 2_208_988_800), (2060, 2_840_140_800)] {
            let mut parameters =
                rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
            parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = parameters.self_signed(&key).unwrap();
            let end = not_after(certificate.der()).unwrap();
            assert_eq!(
                end,
                SystemTime::UNIX_EPOCH + Duration::from_secs(expected),
                "{year}"
            );
        }
    }

    proptest! {
        #[test]
        fn never_panics(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = not_after(&octets);
            let mut nested = vec![SEQUENCE, 0x81, 200, SEQUENCE, 0x81, 190];
            nested.extend(octets);
            let _ = not_after(&nested);
        }
    }
}

//! The text of a mail.

use super::MailSettings;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// What there is to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alert {
    /// The subject without `[router_id]`, such as `VRRP Instance VI_1 - Entering MASTER state`.
    pub(crate) subject: String,
    /// keepalived's text, such as `=> VRRP Instance is now owning VRRP VIPs <=`.
    pub(crate) body: String,
    /// Why, in words of our own; may be empty.
    pub(crate) reason: String,
    /// When it happened.
    pub(crate) at: SystemTime,
}

/// A mail, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// For `MAIL FROM`.
    pub(super) from: String,
    /// For `RCPT TO`.
    pub(super) to: Vec<String>,
    /// Header and body with `CR LF` at the end of each line, not yet stuffed with dots.
    pub(super) text: String,
}

/// The address in `Name <address>`, or the whole.
fn address_of(mailbox: &str) -> &str {
    let inner = mailbox
        .rsplit_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or(mailbox, |(address, _)| address).trim()
}

/// Writes one mail for these alerts: one alone as keepalived does it, several with one line of subject for all. `dropped`
/// is how many more there were.
pub(super) fn compose(
    settings: &MailSettings,
    alerts: &[Alert],
    dropped: u64,
    now: SystemTime,
    number: u64,
) -> Message {
    let (subject, body) = match alerts {
        [alert] if dropped == 0 => (alert.subject.clone(), single(alert)),
        _ => (subject(alerts), several(alerts, dropped)),
    };
    let mut text = String::new();
    let mut field = |name: &str, value: &str| {
        let _ = write!(text, "{name}: {value}\r\n");
    };
    field("Date", &date(now));
    field("From", &one_line(&settings.from));
    let subject = format!("[{}] {subject}", settings.router_id);
    field("Subject", &header_text(&one_line(&subject)));
    // keepalived's word stands first: filters look for it.
    field("X-Mailer", "Keepalived (director)");
    let to: Vec<String> = settings.to.iter().map(|to| one_line(to)).collect();
    field("To", &to.join(",\r\n "));
    let seconds = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_micros());
    let host: String = settings
        .helo_name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
        .collect();
    let process = std::process::id();
    field(
        "Message-ID",
        &format!("<{seconds}.{process}.{number}@{host}>"),
    );
    field("Auto-Submitted", "auto-generated");
    field("MIME-Version", "1.0");
    field("Content-Type", "text/plain; charset=utf-8");
    field("Content-Transfer-Encoding", "8bit");
    text.push_str("\r\n");
    for line in body.lines() {
        wrapped(&mut text, line);
    }
    Message {
        from: one_line(address_of(&settings.from)),
        to: settings
            .to
            .iter()
            .map(|to| one_line(address_of(to)))
            .collect(),
        text,
    }
}

/// As it goes over the wire behind `DATA`: no line that is a lone dot but the last (RFC 5321 §4.5.2).
pub(super) fn stuffed(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(64));
    for line in text.split_inclusive("\r\n") {
        if line.starts_with('.') {
            out.push('.');
        }
        out.push_str(line);
    }
    if !out.ends_with("\r\n") {
        out.push_str("\r\n");
    }
    out.push_str(".\r\n");
    out
}

fn single(alert: &Alert) -> String {
    let mut body = format!("{}\n", alert.body);
    if !alert.reason.is_empty() {
        let _ = write!(body, "\n{}\n", alert.reason);
    }
    body
}

/// `12 alerts: 10 Realserver DOWN, 2 Virtualserver DOWN`
fn subject(alerts: &[Alert]) -> String {
    let mut kinds: Vec<(String, usize)> = Vec::new();
    for alert in alerts {
        let kind = kind(&alert.subject);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => kinds.push((kind, 1)),
        }
    }
    let all = crate::output::count(alerts.len(), "alert");
    let each: Vec<String> = kinds
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    format!("{all}: {}", each.join(", "))
}

/// What kind of object, and what happened to it: the first words and what stands behind the hyphen.
fn kind(subject: &str) -> String {
    let (object, what) = subject.rsplit_once(" - ").unwrap_or((subject, ""));
    let object = ["VRRP Instance", "VRRP Group", "Virtualserver", "Realserver"]
        .into_iter()
        .find(|kind| object.starts_with(kind))
        .unwrap_or(object);
    let what = what
        .strip_prefix("Entering ")
        .and_then(|rest| rest.strip_suffix(" state"))
        .unwrap_or(what);
    format!("{object} {what}").trim_end().to_owned()
}

fn several(alerts: &[Alert], dropped: u64) -> String {
    let mut body = String::new();
    for alert in alerts {
        let _ = write!(
            body,
            "{}  {}\n  {}\n",
            date(alert.at),
            alert.subject,
            alert.body
        );
        if !alert.reason.is_empty() {
            let _ = writeln!(body, "  {}", alert.reason);
        }
        body.push('\n');
    }
    if dropped > 0 {
        let _ = writeln!(
            body,
            "{dropped} more could not be kept while the mail server was out of reach; the log has them."
        );
    }
    body
}

/// A line break would begin another header field.
fn one_line(text: &str) -> String {
    let blank = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(blank).collect()
}

/// Text of a header field: as it is, or in encoded words (RFC 2047) if it is not ASCII.
fn header_text(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut words = Vec::new();
    let mut part = String::new();
    for character in text.chars() {
        // An encoded word holds at most 75 characters.
        if part.len().saturating_add(character.len_utf8()) > 45 {
            words.push(std::mem::take(&mut part));
        }
        part.push(character);
    }
    words.push(part);
    let encoded: Vec<String> = words
        .iter()
        .map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word)))
        .collect();
    encoded.join("\r\n ")
}

/// A body line in pieces of at most 900 octets: no line of a mail may have more than 998.
fn wrapped(out: &mut String, line: &str) {
    let mut length = 0_usize;
    for character in line.chars().filter(|c| !c.is_control() || *c == '\t') {
        if length.saturating_add(character.len_utf8()) > 900 {
            out.push_str("\r\n");
            length = 0;
        }
        out.push(character);
        length = length.saturating_add(character.len_utf8());
    }
    out.push_str("\r\n");
}

/// A date as mail wants it (RFC 5322 §3.3), in UTC: `Sat, 21 Nov 2026 08:04:26 +0000`.
pub(super) fn date(time: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let name = |names: &'static [&'static str], at: u64| {
        usize::try_from(at)
            .ok()
            .and_then(|at| names.get(at))
            .copied()
            .unwrap_or("")
    };
    format!(
        "{}, {day} {} {year} {:02}:{:02}:{:02} +0000",
        name(&DAYS, days % 7),
        name(&MONTHS, month.saturating_sub(1)),
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// Year, month and day of the month of a day counted from 1970-01-01, in the Gregorian calendar.
const fn civil(days: u64) -> (u64, u64, u64) {
    // Years are counted from March, so that the leap day is the last of its year.
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Protection;
    use std::time::Duration;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn settings() -> MailSettings {
        MailSettings {
            router_id: "R1".to_owned(),
            host: "localhost".to_owned(),
            port: 25,
            from: "Keeper <k@x.org>".to_owned(),
            to: vec!["a@x.org".to_owned(), "Bob B <b@x.org>".to_owned()],
            helo_name: "lb1.x.org".to_owned(),
            timeout: Duration::from_secs(30),
            protection: Protection::Plain,
            credentials: None,
            batch_delay: Duration::ZERO,
        }
    }

    fn alert(subject: &str) -> Alert {
        Alert {
            subject: subject.to_owned(),
            body: "=> text <=".to_owned(),
            reason: "because".to_owned(),
            at: at(0),
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (1_795_248_266, "Sat, 21 Nov 2026 08:04:26 +0000"),
            (4_107_542_400, "Mon, 1 Mar 2100 00:00:00 +0000"),
        ] {
            assert_eq!(date(at(seconds)), text);
        }
    }

    #[test]
    fn one_alert_is_a_mail_like_keepalived_s() {
        let alert = alert("VRRP Instance V1 - Entering MASTER state");
        let mail = compose(&settings(), &[alert], 0, at(1_795_248_266), 1);
        let (header, body) = mail.text.split_once("\r\n\r\n").unwrap();
        assert!(
            header.starts_with(
                "Date: Sat, 21 Nov 2026 08:04:26 +0000\r\nFrom: Keeper <k@x.org>\r\n\
                 Subject: [R1] VRRP Instance V1 - Entering MASTER state\r\nX-Mailer: Keepalived (director)\r\n\
                 To: a@x.org,\r\n Bob B <b@x.org>\r\n"
            ),
            "{header}"
        );
        assert_eq!(body, "=> text <=\r\n\r\nbecause\r\n");
        assert_eq!(
            (mail.from.as_str(), mail.to.join(" ").as_str()),
            ("k@x.org", "a@x.org b@x.org")
        );
    }

    #[test]
    fn a_rack_that_dies_is_one_mail() {
        let mut alerts: Vec<Alert> = (0..12)
            .map(|n| {
                alert(&format!(
                    "Realserver [10.0.0.{n}]:tcp:80 of virtual server V - DOWN"
                ))
            })
            .collect();
        alerts.push(alert("Virtualserver V - DOWN"));
        let mail = compose(&settings(), &alerts, 3, at(0), 1);
        assert!(
            mail.text
                .contains("Subject: [R1] 13 alerts: 12 Realserver DOWN, 1 Virtualserver DOWN\r\n")
        );
        assert_eq!(mail.text.matches("=> text <=").count(), 13);
        assert!(mail.text.contains("3 more could not be kept"));
    }

    #[test]
    fn nothing_in_an_alert_can_add_a_header_or_end_the_mail() {
        let mut evil = alert("x\r\nBcc: everybody@x.org");
        evil.body = ".\r\nQUIT".to_owned();
        let mail = compose(&settings(), &[evil], 0, at(0), 1);
        assert!(!mail.text.contains("\r\nBcc"), "{}", mail.text);
        let wire = stuffed(&mail.text);
        assert!(wire.contains("\r\n..\r\nQUIT\r\n"), "{wire}");
        assert_eq!(wire.matches("\r\n.\r\n").count(), 1);
        assert!(wire.ends_with("\r\n.\r\n"));
    }

    #[test]
    fn other_letters_are_encoded_in_the_header() {
        let mail = compose(&settings(), &[alert(&"Zürich ".repeat(20))], 0, at(0), 1);
        assert!(mail.text.split_once("\r\n\r\n").unwrap().0.is_ascii());
        assert!(mail.text.contains("Subject: =?utf-8?B?"));
        assert!(mail.text.lines().all(|line| line.len() < 998));
    }
}

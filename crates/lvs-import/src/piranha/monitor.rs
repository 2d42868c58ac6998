//! What nanny did, as checks.

use super::file::Section;
use crate::parts::{Check, Http, Protocol, Turn, literal};
use crate::report::Report;

/// The check of a service; for a program it depends on the server's address.
#[derive(Debug)]
pub(super) enum Monitor {
    Check(Check),
    /// Command with `%h` and `%p`, and the text it must print.
    Program {
        command: String,
        expect: Option<String>,
        regex: bool,
    },
}

pub(super) fn monitor(
    section: &Section,
    protocol: Protocol,
    port: u16,
    only_keepalived: bool,
    report: &mut Report,
) -> Monitor {
    let text = |key: &str| {
        section
            .of(key)
            .map(|statement| (statement.line, statement.value().to_owned()))
    };
    let regex = section.yes("use_regex", report).unwrap_or(false);
    let expect = text("expect").filter(|(_, expect)| expect != "*");
    if let Some((line, command)) = text("send_program") {
        if let Some((line, _)) = text("send") {
            report.note(line, "send", "without effect: send_program replaces it");
        }
        if expect.is_none() {
            report.changed(
                line,
                "send_program",
                "there is no text to expect, so the exit status decides",
            );
        }
        return Monitor::Program {
            command,
            expect: expect.map(|(_, expect)| expect),
            regex,
        };
    }
    let send = text("send");
    if protocol == Protocol::Udp {
        if regex && expect.is_some() {
            let line = expect.as_ref().map_or(section.line, |(line, _)| *line);
            report.changed(
                line,
                "use_regex",
                "any reply counts: the reply of a UDP service cannot be held against an expression",
            );
        }
        let bytes =
            |text: Option<(u32, String)>| text.map(|(_, text)| decoded(&text)).unwrap_or_default();
        return Monitor::Check(Check::Udp {
            send: bytes(send),
            expect: if regex { Vec::new() } else { bytes(expect) },
        });
    }
    let check = tcp(port, send, expect, regex, report);
    if only_keepalived && matches!(check, Check::Talk { .. }) {
        let line = text("send").or_else(|| text("expect"));
        let line = line.map_or(section.line, |(line, _)| line);
        report.changed(line, "send", "no HTTP request: it is checked that the port answers, nothing is sent; a MISC_CHECK with a program can do more");
        return Monitor::Check(Check::Tcp);
    }
    Monitor::Check(check)
}

fn tcp(
    port: u16,
    send: Option<(u32, String)>,
    expect: Option<(u32, String)>,
    regex: bool,
    report: &mut Report,
) -> Check {
    let any = || Some("100-599".to_owned());
    let Some((_, send)) = send else {
        return match expect {
            None if port == 80 => Check::Http(Http {
                path: "/".to_owned(),
                status: any(),
                ..Http::default()
            }),
            None => Check::Tcp,
            Some((_, expect)) => Check::Talk {
                tls: false,
                turns: vec![Turn::Expect(pattern(&expect, regex))],
            },
        };
    };
    let Some(mut http) = request(&send) else {
        let mut turns = vec![Turn::Send(decoded(&send))];
        turns.extend(expect.map(|(_, expect)| Turn::Expect(pattern(&expect, regex))));
        return Check::Talk { tls: false, turns };
    };
    match expect {
        None => http.status = any(),
        Some((line, text)) => {
            match status(&text) {
                Some(status) => http.status = Some(status),
                None => {
                    http.status = any();
                    if regex {
                        report.changed(line, "expect", "the expression is held against the page, not against the head of the answer");
                    } else {
                        report.changed(line, "expect", "the text is searched in the page; there, the answer had to begin with it");
                    }
                    http.regex = Some(if regex { text } else { literal(&text) });
                }
            }
        }
    }
    Check::Http(http)
}

/// What an answer is held against: it has to begin with a text that is no expression.
fn pattern(expect: &str, regex: bool) -> String {
    if regex {
        return expect.to_owned();
    }
    let text = String::from_utf8_lossy(&decoded(expect)).into_owned();
    format!("^{}", literal(&text))
}

/// A request line with its host.
fn request(send: &str) -> Option<Http> {
    let text = String::from_utf8(decoded(send)).ok()?;
    let mut lines = text.split(['\r', '\n']).filter(|line| !line.is_empty());
    let mut words = lines.next()?.split_whitespace();
    if !words.next()?.eq_ignore_ascii_case("GET") {
        return None;
    }
    let path = words
        .next()
        .filter(|path| path.starts_with('/'))?
        .to_owned();
    let host = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("host")
            .then(|| value.trim().to_owned())
    });
    Some(Http {
        path,
        host: host.filter(|host| !host.is_empty()),
        ..Http::default()
    })
}

/// Status codes that an expected beginning of an answer stands for.
fn status(expect: &str) -> Option<String> {
    let text = expect.trim_start_matches('^').trim();
    if !text
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("HTTP"))
    {
        return None;
    }
    let code = text.split_whitespace().nth(1);
    match code
        .and_then(|code| code.parse::<u16>().ok())
        .filter(|code| (100..600).contains(code))
    {
        Some(code) => Some(code.to_string()),
        None if code.is_none() => Some("100-599".to_owned()),
        None => None,
    }
}

/// Resolves the escapes that nanny knows.
pub(super) fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let decoded = match character {
            '\\' => match characters.next() {
                Some('r') => '\r',
                Some('n') => '\n',
                Some('t') => '\t',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        };
        out.extend(decoded.to_string().bytes());
    }
    out
}

/// The command for one server: directly if its exit status decides, else in a shell that compares what it prints.
pub(super) fn program(
    command: &str,
    expect: Option<&str>,
    regex: bool,
    address: &str,
    port: u16,
) -> Vec<String> {
    let command = command
        .replace("%h", address)
        .replace("%p", &port.to_string());
    let Some(expect) = expect else {
        return crate::parts::words(&command);
    };
    let expect = expect.replace('\'', "'\\''");
    let script = if regex {
        format!("{command} | grep -Eq -e '{expect}'")
    } else {
        format!("test \"$({command})\" = '{expect}'")
    };
    vec!["/bin/sh".to_owned(), "-c".to_owned(), script]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers() {
        let http = request(r"GET /hapage.html HTTP/1.1\r\nHost: www\r\n\r\n").unwrap();
        assert_eq!(
            (http.path.as_str(), http.host.as_deref()),
            ("/hapage.html", Some("www"))
        );
        assert_eq!(request("QUIT").map(|_| ()), None);
        assert_eq!(status("HTTP/1.1 200 OK").as_deref(), Some("200"));
        assert_eq!(status("HTTP").as_deref(), Some("100-599"));
        assert_eq!(status("ok"), None);
        assert_eq!(literal("a.b"), r"a\.b");
    }
}

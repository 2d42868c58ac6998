//! The lines of the file: global directives, virtual services and what belongs to each.

use crate::report::Report;

/// A directive.
#[derive(Debug, Clone)]
pub(super) struct Directive {
    pub(super) line: u32,
    pub(super) key: String,
    /// Without surrounding quotes.
    pub(super) value: String,
}

/// A `virtual` or `virtual6` with its directives.
#[derive(Debug, Clone)]
pub(super) struct Virtual {
    pub(super) line: u32,
    pub(super) v6: bool,
    pub(super) name: String,
    pub(super) directives: Vec<Directive>,
}

/// The whole file.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) global: Vec<Directive>,
    pub(super) services: Vec<Virtual>,
}

/// Directives that may stand in front of the first service.
const GLOBAL: &[&str] = &[
    "checktimeout",
    "negotiatetimeout",
    "checkinterval",
    "checkcount",
    "failurecount",
    "autoreload",
    "callback",
    "fallback",
    "fallback6",
    "fallbackcommand",
    "logfile",
    "emailalert",
    "emailalertfrom",
    "emailalertfreq",
    "emailalertstatus",
    "smtp",
    "execute",
    "supervised",
    "fork",
    "quiescent",
    "readdquiescent",
    "cleanstop",
    "maintenancedir",
];

/// Directives of a service.
const OF_SERVICE: &[&str] = &[
    "real",
    "real6",
    "checktype",
    "service",
    "checkcommand",
    "checkport",
    "request",
    "receive",
    "httpmethod",
    "virtualhost",
    "login",
    "passwd",
    "database",
    "secret",
    "load",
    "scheduler",
    "schedflags",
    "persistent",
    "netmask",
    "protocol",
    "ops",
    "monitorfile",
    "servicename",
    "comment",
    "checktimeout",
    "negotiatetimeout",
    "checkcount",
    "failurecount",
    "checkinterval",
    "fallback",
    "fallback6",
    "fallbackcommand",
    "quiescent",
    "emailalert",
    "emailalertfrom",
    "emailalertfreq",
    "emailalertstatus",
    "smtp",
    "cleanstop",
];

/// Whether a file with this directive is ldirectord's.
pub(crate) fn is_key(key: &str) -> bool {
    matches!(key, "virtual" | "virtual6") || GLOBAL.contains(&key) || key == "real"
}

/// Reads the lines. Indentation tells what belongs to a service, as there.
pub(super) fn read(text: &str, report: &mut Report) -> File {
    let mut file = File::default();
    let mut in_service = false;
    let mut foreign = false;
    for (raw, number) in text.split('\n').zip(1_u32..) {
        let raw = raw.trim_end_matches('\r');
        let indentation = raw
            .chars()
            .take_while(|c| *c == ' ' || *c == '\t')
            .map(|c| if c == '\t' { 4 } else { 1 })
            .sum::<usize>();
        let line = without_comment(raw).trim();
        if line.is_empty() {
            continue;
        }
        if line.starts_with('[') && line.ends_with(']') && !line.contains('=') {
            report.mistake(
                number,
                line,
                "ldirectord.cf has no sections; the line is passed over",
            );
            (in_service, foreign) = (false, false);
            continue;
        }
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key.trim().to_ascii_lowercase(), value.trim()),
            None => (line.to_ascii_lowercase(), ""),
        };
        if key == "virtual" || key == "virtual6" {
            file.services.push(Virtual {
                line: number,
                v6: key == "virtual6",
                name: value.to_owned(),
                directives: Vec::new(),
            });
            (in_service, foreign) = (true, false);
            continue;
        }
        if value.is_empty() && key != "supervised" {
            report.mistake(
                number,
                line,
                "not understood: a directive is `name = value`",
            );
            continue;
        }
        let directive = Directive {
            line: number,
            key,
            value: unquoted(value, number, report),
        };
        let belongs = in_service && indentation >= 4;
        if belongs
            || (in_service && indentation > 0 && OF_SERVICE.contains(&directive.key.as_str()))
        {
            if !belongs {
                report.note(number, &directive.key, "indented by less than four blanks, so ldirectord takes it for a global line; taken for one of the service here");
            }
            if !OF_SERVICE.contains(&directive.key.as_str()) {
                report.mistake(number, &directive.key, "no directive of a virtual service");
            } else if let Some(service) = file.services.last_mut() {
                service.directives.push(directive);
            }
            continue;
        }
        in_service = false;
        if GLOBAL.contains(&directive.key.as_str()) {
            file.global.push(directive);
        } else if indentation >= 4 && foreign {
            // Said of the first line of that kind.
        } else {
            foreign = true;
            report.mistake(
                number,
                &directive.key,
                "no directive of ldirectord, or not at this place",
            );
        }
    }
    file
}

/// Cuts a comment that stands outside of quotes.
fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    for (at, character) in line.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '#' if !quoted => return line.get(..at).unwrap_or_default(),
            _ => {}
        }
    }
    // An open quote: a comment may still begin behind blanks.
    match line.find(" #").filter(|_| quoted) {
        Some(at) => line.get(..at).unwrap_or_default(),
        None => line,
    }
}

fn unquoted(value: &str, line: u32, report: &mut Report) -> String {
    if let Some(inner) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) {
        return inner.to_owned();
    }
    if value.starts_with(['“', '”', '„']) {
        report.mistake(
            line,
            value,
            "typographic quotes, which ldirectord refuses; taken for plain ones",
        );
        return value.trim_matches(['“', '”', '„', '"']).to_owned();
    }
    value.to_owned()
}

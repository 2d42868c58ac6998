//! Files from the field against what keepalived 2.4.3 says about them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // test

use std::collections::BTreeSet;
use std::path::Path;

use keepalived_conf::{Code, Diagnostic, InMemory, Options, Parsed, codes, load};
use serde_json::Value;

/// Messages without a line, and the codes that say the same.
const WITHOUT_LINE: &[(&str, &[Code])] = &[
    (
        "no forwarding method set",
        &[
            codes::MISSING_KEYWORD,
            // That it takes NAT is in a note of the bad value.
            codes::BAD_CHOICE,
            codes::LETTER_CASE,
            codes::OLD_SPELLING,
        ],
    ),
    ("virtual router(s) - this probably", &[codes::GROUP_OF_ONE]),
    ("Ignoring track_interface", &[codes::OWN_INTERFACE]),
    ("protocol specified for fwmark", &[codes::INEFFECTIVE]),
    ("does not support authentication", &[codes::STRICT]),
    ("State MASTER must match", &[codes::STRICT]),
    ("nopreempt will not work", &[codes::NOPREEMPT_MASTER]),
    (
        "A unicast keyword has been specified",
        &[codes::UNICAST_WITHOUT_PEERS],
    ),
    ("doesn't exist - ignoring", &[codes::UNRESOLVED]),
    ("exceeds total weight", &[codes::QUORUM_UNREACHABLE]),
    (
        "virtual router id must be set",
        &[
            codes::MISSING_KEYWORD,
            codes::BAD_NUMBER,
            codes::PLACEHOLDER,
        ],
    ),
    ("empty notification_email", &[codes::NO_MAIL]),
    ("Unknown interface!", &[codes::PLACEHOLDER]),
    ("SECURITY VIOLATION", &[codes::SCRIPT_SECURITY]),
    ("missing '}'", &[codes::UNCLOSED]),
];

fn verdicts() -> Vec<Value> {
    let text = std::fs::read_to_string(folder().join("verdicts.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus"))
}

fn read(name: &str) -> (String, Parsed) {
    let bytes = std::fs::read(folder().join(name)).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let mut loader = InMemory::new().with(name, bytes);
    (
        text,
        load(Path::new(name), &mut loader, &Options::default()),
    )
}

fn messages(verdict: &Value) -> Vec<(Option<u32>, String, String)> {
    let list = verdict["keepalived_2_4_3_scripts_present"]["messages"]
        .as_array()
        .unwrap();
    list.iter()
        .map(|m| {
            let line = m["line"].as_u64().map(|l| u32::try_from(l).unwrap());
            let field = |name: &str| m[name].as_str().unwrap().to_owned();
            (line, field("class"), field("text"))
        })
        .collect()
}

/// Lines that a diagnostic is about; a skipped block counts with all its lines.
fn covered(text: &str, parsed: &Parsed) -> BTreeSet<u32> {
    let mut lines = BTreeSet::new();
    for diagnostic in &parsed.diagnostics {
        for label in &diagnostic.labels {
            let Some(place) = parsed.sources.locate(label.span) else {
                continue;
            };
            lines.extend(place.line..=place.end_line);
            let skipped = [
                codes::MISSPELT_KEYWORD,
                codes::UNKNOWN_BLOCK,
                codes::FOREIGN_KEYWORD,
                codes::MISPLACED_KEYWORD,
                codes::GLUED_KEYWORD,
            ];
            if skipped.contains(&diagnostic.code) {
                let mut depth = 0_i32;
                for (index, line) in text.lines().enumerate().skip(place.line as usize - 1) {
                    lines.insert(u32::try_from(index).unwrap() + 1);
                    let content = line.split(['#', '!']).next().unwrap();
                    depth += i32::try_from(content.matches('{').count()).unwrap();
                    depth -= i32::try_from(content.matches('}').count()).unwrap();
                    if depth <= 0 && (content.contains('}') || index + 1 > place.line as usize) {
                        break;
                    }
                }
            }
        }
    }
    lines
}

#[test]
fn what_keepalived_accepts_is_not_refused() {
    let mut accepted = 0;
    for verdict in verdicts() {
        let complaint = messages(&verdict)
            .iter()
            .any(|(_, class, text)| !class.starts_with("env-") && !text.starts_with("SECURITY"));
        if complaint {
            continue;
        }
        accepted += 1;
        let file = verdict["file"].as_str().unwrap();
        let (_, parsed) = read(file);
        let errors = keepalived_conf::render::concise(&parsed.diagnostics, &parsed.sources);
        assert!(!parsed.diagnostics.has_errors(), "{file}:\n{errors}");
    }
    assert!(
        accepted > 15,
        "only {accepted} files are accepted by keepalived"
    );
}

#[test]
fn what_keepalived_complains_about_is_found() {
    let mut missed = Vec::new();
    let mut found = 0;
    for verdict in verdicts() {
        let file = verdict["file"].as_str().unwrap();
        let (text, parsed) = read(file);
        let lines = covered(&text, &parsed);
        // keepalived loses the structure at an unknown block; what follows is its echo.
        let first_unknown_block = parsed.diagnostics.iter().find_map(|d| {
            let block = [
                codes::MISSPELT_KEYWORD,
                codes::UNKNOWN_BLOCK,
                codes::FOREIGN_KEYWORD,
            ];
            let line = parsed.sources.locate(d.span()?)?.line;
            let opens = text.lines().nth(line as usize - 1)?.contains('{');
            (block.contains(&d.code) && opens).then_some(line)
        });
        for (line, class, message) in messages(&verdict) {
            // Absent scripts, users and interfaces belong to the machine, not to the text; a
            // script that was dropped for such a reason is not found by its users either.
            let machine = class.starts_with("env-")
                || message.contains("doesn't exist") && message.contains("interface")
                || message.starts_with("Non-existent interface")
                || class == "undefined-reference" && message.contains("track script");
            if machine {
                continue;
            }
            let hit = match line {
                Some(line)
                    if ["unknown-keyword", "block-brace"].contains(&class.as_str())
                        && first_unknown_block.is_some_and(|first| first < line) =>
                {
                    true
                }
                Some(line) => {
                    // keepalived names the end of a block for what is missing inside.
                    lines.contains(&line) || class == "missing-required"
                }
                // What follows from an error is in a note of that error.
                None if message.contains("No VIP specified") => {
                    let says = |d: &Diagnostic| {
                        d.code == codes::NO_ADDRESS
                            || d.notes
                                .iter()
                                .any(|note| note.contains("no virtual address"))
                    };
                    parsed.diagnostics.iter().any(says)
                }
                None => WITHOUT_LINE.iter().any(|(part, codes)| {
                    message.contains(part)
                        && parsed.diagnostics.iter().any(|d| codes.contains(&d.code))
                }),
            };
            if hit {
                found += 1;
            } else {
                missed.push(format!("{file}:{line:?}: {message}"));
            }
        }
    }
    // A note on invisible characters stands once per file, at the first of them.
    missed.retain(|m| !m.contains('\u{3000}') && !m.contains('\u{a0}'));
    assert!(
        missed.is_empty(),
        "{found} found, missed:\n{}",
        missed.join("\n")
    );
}

#[test]
fn every_file_keeps_its_meaning_when_formatted() {
    let mut formatted = 0;
    for verdict in verdicts() {
        let file = verdict["file"].as_str().unwrap();
        let Ok(text) = std::fs::read_to_string(folder().join(file)) else {
            continue;
        };
        match keepalived_conf::format(&text) {
            Ok(once) => {
                formatted += 1;
                assert_eq!(keepalived_conf::format(&once), Ok(once.clone()), "{file}");
            }
            Err(keepalived_conf::FormatError::Structure { .. }) => {}
            Err(error) => panic!("{file}: {error}"),
        }
    }
    assert!(formatted > 50, "only {formatted} files could be formatted");
}

//! Every code has a page, and the example on it shows the code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing test may panic

use std::path::Path;

use keepalived_conf::compare::{Node, compare};
use keepalived_conf::explain::{PAGES, explain};
use keepalived_conf::{Code, InMemory, Options, codes, load};

/// Codes whose example cannot be written into a page; they have tests of their own.
const WITHOUT_EXAMPLE: &[Code] = &[
    codes::CARRIAGE_RETURN,
    codes::NUL_BYTE,
    codes::LONG_LINE,
    codes::NOT_UTF8,
    codes::TOO_DEEP,
    codes::PASSWORD_READABLE,
    codes::UNREADABLE,
    codes::REFUSED,
];

/// Fenced blocks of a page: file name, if given, and text.
fn examples(page: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for part in page.split("```keepalived").skip(1) {
        let (info, rest) = part
            .split_once('\n')
            .expect("a fence has a line of its own");
        let (text, _) = rest.split_once("```").expect("the fence is closed");
        found.push((info.trim().to_owned(), text.to_owned()));
    }
    found
}

#[test]
fn every_code_has_a_page_with_its_title() {
    for (code, title) in codes::ALL {
        let page = explain(*code).unwrap_or_else(|| panic!("{code} has no page"));
        assert!(
            page.starts_with(&format!("## {code}: {title}\n")),
            "{code}: {page}"
        );
    }
    assert_eq!(
        PAGES.matches("\n## KC").count(),
        codes::ALL.len(),
        "a page without a code"
    );
}

#[test]
fn every_example_shows_its_code() {
    for (code, _) in codes::ALL {
        let examples = examples(explain(*code).unwrap());
        if WITHOUT_EXAMPLE.contains(code) {
            assert!(examples.is_empty(), "{code}");
            continue;
        }
        let loader = |name: &str| {
            let mut loader = InMemory::new();
            for (file, text) in &examples {
                let file = if file.is_empty() { name } else { file };
                loader = loader.with(file, text.as_str());
            }
            loader
        };
        let options = Options::default();
        let found: Vec<Code> = match examples.as_slice() {
            [] => panic!("{code} has no example"),
            [_] => {
                let parsed = load(
                    Path::new("keepalived.conf"),
                    &mut loader("keepalived.conf"),
                    &options,
                );
                parsed.diagnostics.iter().map(|d| d.code).collect()
            }
            _ => {
                let node = |name| Node {
                    path: Path::new(name),
                    options: &options,
                };
                let result = compare(node("a.conf"), node("b.conf"), &mut loader(""));
                assert!(!result.own.has_errors(), "{code}");
                result.findings.iter().map(|d| d.code).collect()
            }
        };
        assert!(found.contains(code), "{code} is not among {found:?}");
    }
}

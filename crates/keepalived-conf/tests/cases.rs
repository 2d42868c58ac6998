//! The cases in `tests/cases/*.md`: intent, input, expected report.
//!
//! `UPDATE_CASES=1` writes the reports of today into the files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)] // test

use std::path::Path;

use keepalived_conf::{InMemory, Options, load, render};

/// Loads the input of a case; the first file is the main one.
fn report(files: &[(String, String)]) -> String {
    let mut loader = InMemory::new().with_environment("SITE", "paris");
    for (name, text) in files {
        loader = loader.with(name, text.as_str());
    }
    let mut options = Options::default();
    options.config_id = Some(String::from("main"));
    let parsed = load(Path::new(&files[0].0), &mut loader, &options);
    let text = render::concise(&parsed.diagnostics, &parsed.sources);
    if text.is_empty() {
        String::from("nothing\n")
    } else {
        text
    }
}

/// Goes through a page; gives the page with today's reports and the cases that differ.
fn play(page: &str) -> (String, Vec<String>, usize) {
    let (mut out, mut wrong, mut count) = (String::new(), Vec::new(), 0);
    let mut files: Vec<(String, String)> = Vec::new();
    let mut title = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        if let Some(name) = line.strip_prefix("## ") {
            title = name.to_owned();
            files.clear();
        }
        let Some(info) = line.strip_prefix("```").filter(|info| !info.is_empty()) else {
            continue;
        };
        let mut body = String::new();
        for line in lines.by_ref().take_while(|line| *line != "```") {
            body.push_str(line);
            body.push('\n');
        }
        match info.split_once(' ').unwrap_or((info, "keepalived.conf")) {
            ("keepalived", name) => {
                files.push((name.to_owned(), body.clone()));
            }
            ("report", _) => {
                let now = report(&files);
                count += 1;
                if now != body {
                    wrong.push(format!("{title}\nexpected:\n{body}found:\n{now}"));
                }
                body = now;
            }
            _ => {}
        }
        out.push_str(&body);
        out.push_str("```\n");
    }
    (out, wrong, count)
}

#[test]
fn cases() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases"));
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let mut total = 0;
    let mut failures = Vec::new();
    for path in paths
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
    {
        let page = std::fs::read_to_string(path).unwrap();
        let (now, wrong, count) = play(&page);
        total += count;
        if std::env::var_os("UPDATE_CASES").is_some() {
            std::fs::write(path, now).unwrap();
        } else {
            failures.extend(
                wrong
                    .into_iter()
                    .map(|w| format!("{}: {w}", path.display())),
            );
        }
    }
    assert!(total > 20, "only {total} cases");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

//! The commands of the documents are run, and what they print is compared. `UPDATE_DOCS=1` writes it anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that fails may panic"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The names that the program gives its events, taken from its source without the tests.
fn events_in(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            events_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            let names = text.split("event = \"").skip(1);
            found.extend(names.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
    }
}

#[test]
fn every_event_is_in_the_document() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut events = Vec::new();
    events_in(&source, &mut events);
    assert!(events.len() > 100, "{} events found", events.len());
    let document = std::fs::read_to_string(project().join("docs/events.md")).unwrap();
    events.retain(|name| !document.contains(&format!("`{name}`")));
    assert!(events.is_empty(), "docs/events.md lacks {events:?}");
}

/// Runs a line in the folder, where `director` is this program; standard output and standard error together.
fn run(line: &str, folder: &Path) -> String {
    let path = format!("{}:/usr/bin:/bin", folder.join("bin").display());
    let output = Command::new("sh")
        .args(["-c", &format!("{line} 2>&1")])
        .current_dir(folder)
        .env("PATH", path)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The document with what its commands print now.
fn replayed(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("bin")).unwrap();
    std::os::unix::fs::symlink(
        env!("CARGO_BIN_EXE_director"),
        folder.path().join("bin/director"),
    )
    .unwrap();
    std::os::unix::fs::symlink(
        project().canonicalize().unwrap().join("examples"),
        folder.path().join("examples"),
    )
    .unwrap();
    let mut out = String::new();
    let mut file: Option<(String, String)> = None;
    let mut name = None;
    let mut console = false;
    let mut elsewhere = false;
    for line in text.lines() {
        if line.starts_with("<!-- on a ") {
            // Needs a director that runs: packaging/test-systemd replays it.
            elsewhere = true;
        } else if let Some(rest) = line.strip_prefix("<!-- file: ") {
            name = rest.strip_suffix(" -->").map(str::to_owned);
        } else if line.starts_with("```") {
            match (&file, name.take()) {
                (Some((name, content)), _) => {
                    std::fs::write(folder.path().join(name), content).unwrap();
                    file = None;
                }
                (None, Some(name)) => file = Some((name, String::new())),
                (None, None) => {
                    console = line == "```console" && !elsewhere;
                    elsewhere &= line == "```console";
                }
            }
        } else if let Some((_, content)) = &mut file {
            content.push_str(line);
            content.push('\n');
        } else if console {
            if let Some(command) = line.strip_prefix("$ ") {
                out.push_str(line);
                out.push('\n');
                out.push_str(&run(command, folder.path()));
            }
            // What stood there before is replaced.
            continue;
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

#[test]
fn the_commands_of_the_documents_print_what_is_written_there() {
    for document in ["README.md", "docs/operations.md"] {
        let path = project().join(document);
        let text = std::fs::read_to_string(&path).unwrap();
        let now = replayed(&text);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &now).unwrap();
        }
        let lines = text
            .lines()
            .zip(now.lines())
            .find(|(before, now)| before != now);
        assert!(
            text == now,
            "{document}: bring it up to date with UPDATE_DOCS=1; first difference: {lines:?}"
        );
    }
}

/// Commands that cannot be run in a test exist at least, with the options they are shown with.
#[test]
fn the_commands_shown_in_documents_exist() {
    let mut seen = 0;
    for document in ["README.md", "docs/operations.md", "docs/first-steps.md"] {
        let text = std::fs::read_to_string(project().join(document)).unwrap();
        for line in text
            .lines()
            .map(|line| line.trim_start().trim_start_matches("$ "))
            .filter_map(|line| line.strip_prefix("director "))
        {
            let words: Vec<&str> = line.split('#').next().unwrap().split_whitespace().collect();
            let Some(command) = words
                .first()
                .filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
            else {
                continue;
            };
            // Sentences begin with the name, too.
            if !line.contains("  ")
                && !words
                    .iter()
                    .any(|word| word.starts_with('-') || word.contains(['/', '.', ':']))
                && words.len() > 2
            {
                continue;
            }
            let mut arguments = vec![*command];
            if *command == "realserver" {
                arguments.push(words[1]);
            }
            arguments.push("--help");
            let output = Command::new(env!("CARGO_BIN_EXE_director"))
                .args(&arguments)
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{document}: director {line}: no such command"
            );
            let help = String::from_utf8(output.stdout).unwrap();
            for option in words.iter().filter(|word| word.starts_with("--")) {
                let name = option.split('=').next().unwrap();
                assert!(
                    help.contains(name) || *command == "ipvs",
                    "{document}: director {line}: no option {name}"
                );
            }
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}

/// Types each argument into a zsh of its own, then TAB and Enter, and prints what was asked of the program then.
const ASK_ZSH: &str = r#"
zmodload zsh/zpty || exit 127
zpty shell zsh -f -i
zpty -w shell "PS1= fpath=($PWD \$fpath); autoload -Uz compinit; compinit -u -D; director() { print -r -- \"asked for: \$*.\" }; print -r set-\"up\""
zpty -r shell text '*set-up*'
for words in $@; do
    zpty -w shell "$words"$'\t'
    zpty -r shell text '*asked for: *.*'
    print -r -- "$text"
done
zpty -d shell
"#;

/// Completions and manual pages come from the definitions of the command line; the shells accept them.
#[test]
fn completions_and_manual_pages() {
    let director = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_director"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let bash = folder.path().join("director.bash");
    std::fs::write(&bash, director(&["completions", "bash"])).unwrap();
    // What bash offers behind `director re`.
    let ask = format!(
        "source {}; COMP_WORDS=(director re); COMP_CWORD=1; _director director re director; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        bash.display()
    );
    match Command::new("bash").args(["-c", &ask]).output() {
        Ok(output) => {
            let offered = String::from_utf8(output.stdout).unwrap();
            assert!(
                offered.lines().any(|word| word == "realserver"),
                "{offered}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Err(_) => println!("skipped: bash is not installed"),
    }
    std::fs::write(
        folder.path().join("_director"),
        director(&["completions", "zsh"]),
    )
    .unwrap();
    std::fs::write(
        folder.path().join("director.fish"),
        director(&["completions", "fish"]),
    )
    .unwrap();
    std::fs::write(folder.path().join("ask.zsh"), ASK_ZSH).unwrap();
    let ask =
        "source director.fish; complete -C 'director reals'; complete -C 'director doctor --pass'";
    let shells = [
        (
            vec!["fish", "--no-config", "-c", ask],
            ["realserver\t", "--passive\t"],
        ),
        (
            vec![
                "zsh",
                "-f",
                "ask.zsh",
                "director reals",
                "director doctor --pass",
            ],
            ["asked for: realserver.", "asked for: doctor --passive."],
        ),
    ];
    for (command, expected) in shells {
        let output = Command::new("timeout")
            .arg("120")
            .args(&command)
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .env("TERM", "dumb")
            .output()
            .unwrap();
        if output.status.code() == Some(127) {
            println!("skipped: {} is not installed", command[0]);
            continue;
        }
        let offered = String::from_utf8_lossy(&output.stdout);
        for words in expected {
            assert!(
                offered.contains(words),
                "{command:?}: {offered}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
    director(&["man", folder.path().to_str().unwrap()]);
    for page in ["director.8", "director-run.8", "director-doctor.8"] {
        let path = folder.path().join(page);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"),
            "{page}"
        );
        if let Ok(output) = Command::new("man")
            .args(["--warnings", "-l", "-Tutf8"])
            .arg(&path)
            .env("MANROFFSEQ", "")
            .output()
        {
            assert_eq!(
                String::from_utf8_lossy(&output.stderr),
                "",
                "{page}: man has complaints"
            );
        }
    }
    assert!(
        !folder.path().join("director-man.8").exists(),
        "a hidden command has no page"
    );
    // A page names further ones only if they are there.
    let mut named = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let page = entry.unwrap().path();
        if page.extension().is_none_or(|extension| extension != "8") {
            continue;
        }
        let text = std::fs::read_to_string(&page).unwrap().replace("\\-", "-");
        for name in text.lines().filter_map(|line| line.strip_suffix("(8)")) {
            assert!(
                folder.path().join(format!("{name}.8")).exists(),
                "{}: {name}(8) is not there",
                page.display()
            );
            named += 1;
        }
    }
    assert!(named > 30, "{named}");
    for page in ["director-realserver-up.8", "director-lab-run.8"] {
        assert!(folder.path().join(page).exists(), "{page}");
    }
}

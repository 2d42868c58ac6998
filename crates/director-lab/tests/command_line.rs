//! The program's exit status and messages.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]
#![allow(
    clippy::print_stdout,
    reason = "a test tells what it saw, or why it was skipped"
)]
#![allow(missing_docs, reason = "a test is not an interface")]

use std::path::Path;
use std::process::{Command, Output};

fn lab(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_director-lab"))
        .args(arguments)
        .output()
        .unwrap()
}

fn write_scenario(directory: &Path, text: &str) -> String {
    std::fs::write(directory.join("scenario.toml"), text).unwrap();
    directory.to_string_lossy().into_owned()
}

#[test]
fn a_wrong_scenario_is_refused_with_every_problem() {
    let directory = tempfile::tempdir().unwrap();
    let path = write_scenario(
        directory.path(),
        "networks = [\"lan\"]\n[node.a]\ninterfaces.eth0 = { network = \"wan\" }\n\
         process.d = { kind = \"director\", config = \"missing.conf\" }\n",
    );
    let output = lab(&["run", &path]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    for part in [
        "scenario.toml:3:31: there is no network `wan`",
        "missing.conf",
        "[[step]]",
    ] {
        assert!(told.contains(part), "{part} is not in:\n{told}");
    }
    let output = lab(&["check", "/nonexistent"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("No such file")
    );
}

#[test]
fn a_missing_program_is_named_with_its_package() {
    let directory = tempfile::tempdir().unwrap();
    let path = write_scenario(
        directory.path(),
        "networks = [\"lan\"]\n[node.a]\ninterfaces.eth0 = { network = \"lan\" }\n\
         process.x = { kind = \"command\", command = [\"no-such-program\"] }\n\
         [[step]]\ntitle = \"x\"\nexpect = [{ running = \"a/x\" }]\n",
    );
    let output = lab(&["run", &path]);
    assert_eq!(output.status.code(), Some(77));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("skipped") && told.contains("no-such-program (package"),
        "{told}"
    );
}

#[test]
fn every_example_is_well_formed() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let Ok(entries) = std::fs::read_dir(&examples) else {
        println!("skipped: there is no {}", examples.display());
        return;
    };
    let directories: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("scenario.toml").is_file())
        .map(|entry| entry.path().to_string_lossy().into_owned())
        .collect();
    assert!(directories.len() >= 5, "{directories:?}");
    let mut arguments = vec!["check"];
    arguments.extend(directories.iter().map(String::as_str));
    let output = lab(&arguments);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for directory in &directories {
        assert!(
            Path::new(directory).join("README.md").is_file(),
            "{directory} has no README.md"
        );
    }
}

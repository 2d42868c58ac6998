//! `director check`, `compare` and `lab check` as programs.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a failing test may panic

use std::path::Path;
use std::process::{Command, Output};

fn director(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_director"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn written(directory: &tempfile::TempDir, name: &str, content: &str) -> String {
    let path = directory.path().join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

const INSTANCE: &str = "vrrp_instance VI_1 {
    interface nosuchif0
    virtual_router_id 51
    nat_mask 255.255.255.0
    virtual_ipaddress {
        10.0.0.1/24
    }
    notify /nowhere/at/all.sh
}
";

#[test]
fn severities_are_chosen_per_code() {
    let directory = tempfile::tempdir().unwrap();
    let file = written(&directory, "a.conf", INSTANCE);
    let check = |more: &[&str]| {
        let mut arguments = vec!["check", "--format", "concise", &file];
        arguments.extend(more);
        let output = director(&arguments);
        (output.status.code(), text(&output))
    };
    let (status, plain) = check(&[]);
    assert_eq!(status, Some(0), "{plain}");
    assert!(plain.contains("warning[KC0602]"), "{plain}");
    let (status, denied) = check(&["--deny", "KC0602"]);
    assert_eq!(status, Some(1), "{denied}");
    assert!(denied.contains("error[KC0602]"), "{denied}");
    let (status, allowed) = check(&["--allow", "KC0602", "--deny-warnings"]);
    assert_eq!(status, Some(0), "{allowed}");
    assert!(!allowed.contains("KC0602"), "{allowed}");
    assert_eq!(check(&["--warn", "nonsense"]).0, Some(2));
}

#[test]
fn this_machine_is_looked_at_on_request() {
    let directory = tempfile::tempdir().unwrap();
    let file = written(&directory, "a.conf", INSTANCE);
    let alone = text(&director(&["check", &file]));
    assert!(!alone.contains("KC0903"), "{alone}");
    let output = director(&["check", "--this-machine", "--format", "concise", &file]);
    let here = text(&output);
    assert_eq!(output.status.code(), Some(1), "{here}");
    assert!(
        here.contains("interface nosuchif0 does not exist"),
        "{here}"
    );
    assert_eq!(
        here.matches("/nowhere/at/all.sh` does not exist").count(),
        1,
        "{here}"
    );
    // Levels and comments count for what the program itself finds too.
    let output = director(&["check", "--this-machine", "--warn", "KC0903", &file]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let silent = INSTANCE.replace("nosuchif0", "nosuchif0 # director: allow KC0903");
    let file = written(&directory, "b.conf", &silent);
    let here = text(&director(&["check", "--this-machine", &file]));
    assert!(!here.contains("nosuchif0 does not exist"), "{here}");
}

#[test]
fn every_rule_of_a_sarif_log_has_a_title() {
    let directory = tempfile::tempdir().unwrap();
    let file = written(&directory, "a.conf", INSTANCE);
    let output = director(&["check", "--this-machine", "--format", "sarif", &file]);
    let log: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rules = log["runs"][0]["tool"]["driver"]["rules"]
        .as_array()
        .unwrap();
    let title = |code: &str| {
        let rule = rules.iter().find(|rule| rule["id"] == code).unwrap();
        rule["shortDescription"]["text"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(title("KC0903"), "missing on this machine");
    assert_eq!(title("KC0602"), "obsolete keyword");
}

#[test]
fn conditional_lines_follow_the_configuration_id() {
    let directory = tempfile::tempdir().unwrap();
    let shared = INSTANCE.replace(
        "nat_mask",
        "@a priority 150\n @b priority 100\n @c nonsense",
    );
    let file = written(&directory, "a.conf", &shared);
    let check = |id| text(&director(&["check", "-i", id, &file]));
    assert!(!check("a").contains("nonsense"));
    assert!(check("c").contains("nonsense"));
    let pair = [
        "compare",
        "--first-id",
        "a",
        "--second-id",
        "b",
        &file,
        &file,
    ];
    let together = text(&director(&pair));
    assert!(together.contains("(@a) (150 against 100)"), "{together}");
    let twice = text(&director(&["compare", &file, &file]));
    assert!(twice.contains("KC0802"), "{twice}");
}

#[test]
fn a_missing_file_is_said_in_one_line() {
    let output = director(&["plan", "--config", "/nowhere/at/all.conf"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("/nowhere/at/all.conf"), "{said}");
}

#[test]
fn lab_check_reads_the_nodes_files_too() {
    let directory = tempfile::tempdir().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/vrrp-only");
    let copied = Command::new("cp")
        .arg("-r")
        .arg(&example)
        .arg(directory.path().join("mine"))
        .status();
    assert!(copied.unwrap().success());
    let mine = directory.path().join("mine");
    let sound = director(&["lab", "check", mine.to_str().unwrap()]);
    assert_eq!(sound.status.code(), Some(0), "{}", text(&sound));
    std::fs::write(mine.join("web2/keepalived.conf"), "vrrp_instance VI_1 {\n").unwrap();
    let broken = director(&["lab", "check", mine.to_str().unwrap()]);
    assert_eq!(broken.status.code(), Some(2), "{}", text(&broken));
    assert!(
        text(&broken).contains("web2/keepalived.conf:1:1: error"),
        "{}",
        text(&broken)
    );
    assert!(text(&broken).contains("a node's configuration has errors"));
}

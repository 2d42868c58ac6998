//! The program under the names of those it replaces.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::os::unix::process::CommandExt;
use std::process::Command;

fn keepalived(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_director"))
        .arg0("/usr/sbin/keepalived")
        .args(arguments)
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn keepalived_tests_a_configuration_with_its_own_exit_status() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.conf");
    let bad = folder.path().join("bad.conf");
    let report = folder.path().join("report");
    std::fs::write(&good, "global_defs {\n    router_id test\n}\n").unwrap();
    std::fs::write(&bad, "global_defs {\n    no_such_keyword\n}\n").unwrap();
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());

    assert_eq!(keepalived(&["-t", "-f", good]), (Some(0), String::new()));
    let (status, text) = keepalived(&["--config-test", "--use-file", bad]);
    assert_eq!(status, Some(5), "{text}");
    assert!(text.contains("no_such_keyword"), "{text}");

    let to_file = format!("-t={}", report.display());
    assert_eq!(keepalived(&[&to_file, "-f", bad]), (Some(5), String::new()));
    assert!(
        std::fs::read_to_string(&report)
            .unwrap()
            .contains("no_such_keyword")
    );
}

#[test]
fn keepalived_answers_what_scripts_ask() {
    let (status, text) = keepalived(&["-v"]);
    assert_eq!(status, Some(0));
    assert!(text.starts_with("Keepalived v2.4.3 (director "), "{text}");
    let (status, text) = keepalived(&["--no-such-option"]);
    assert_eq!(status, Some(1), "{text}");
    // Without a file: as keepalived, and nothing is begun.
    let (status, text) = keepalived(&["-n", "-G", "-l", "-f", "/nonexistent/file"]);
    assert_eq!(status, Some(6), "{text}");
    assert!(text.contains("name another file with -f"), "{text}");
    for (purpose, number) in [
        ("STOP", "15\n"),
        ("RELOAD", "1\n"),
        ("DATA", "10\n"),
        ("STATS", "12\n"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_director"))
            .arg0("keepalived")
            .arg(format!("--signum={purpose}"))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), number);
    }
    assert_eq!(
        keepalived(&["--signum=JUMP"]),
        (Some(1), "Unknown sigfunc JUMP\n".to_owned())
    );
}

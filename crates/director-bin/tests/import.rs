//! `director import` with files of each kind.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::process::{Command, Output};

fn director(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_director"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn what_is_imported_passes_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let result = folder.path().join("keepalived.conf");
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/../lvs-import/tests/files/");
    for name in ["web.ipvsadm", "ha.ldirectord.cf", "pair.lvs.cf"] {
        let file = format!("{files}{name}");
        let output = director(&[
            "import",
            &file,
            "--interface",
            "eth0",
            "-o",
            result.to_str().unwrap(),
        ]);
        let report = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{report}");
        assert!(
            report.contains("cannot be carried over:") || report.contains("not understood"),
            "{report}"
        );
        let check = director(&["check", "--format", "concise", result.to_str().unwrap()]);
        assert_eq!(
            check.status.code(),
            Some(0),
            "{name}: {}",
            String::from_utf8_lossy(&check.stdout)
        );
        assert_eq!(
            director(&["import", "--deny-losses", &file]).status.code(),
            Some(1),
            "{name}"
        );
    }
}

#[test]
fn the_report_is_data_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("saved");
    std::fs::write(
        &file,
        "-A -t 192.0.2.10:80 -s rr\n-a -t 192.0.2.10:80 -r 192.0.2.21:80 -m -w 1\nrubbish\n",
    )
    .unwrap();
    let output = director(&["import", "--json", file.to_str().unwrap()]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["source"], "ipvsadm");
    assert_eq!(report["virtual_servers"], 1);
    let findings = report["findings"].as_array().unwrap();
    assert!(
        findings
            .iter()
            .any(|finding| finding["line"] == 3 && finding["severity"] == "mistake"),
        "{report}"
    );

    std::fs::write(&file, "nothing of the kind\n").unwrap();
    assert_eq!(
        director(&["import", file.to_str().unwrap()]).status.code(),
        Some(1)
    );
    assert_eq!(
        director(&["import", "/nowhere/at/all"]).status.code(),
        Some(2)
    );
}

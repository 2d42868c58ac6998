//! `director top` in a pseudo-terminal, against a director that tells one story.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn snapshot() -> Value {
    let time = "2026-03-01T12:00:00.000Z";
    json!({
        "version": 1, "taken": time,
        "director": { "version": "1.2.3", "pid": 7, "node": "lb1", "started": time },
        "configuration": { "file": "/f", "digest": "d", "loaded": time, "reloads_done": 0, "reloads_refused": 0 },
        "loop_lag": { "last_seconds": 0.0, "worst_minute_seconds": 0.0, "worst_seconds": 0.0,
                      "histogram": { "bounds": [], "counts": [], "sum_seconds": 0.0 } },
        "overrides": [], "instances": [], "groups": [], "trackers": [], "ignored_packets": {}, "hooks": [],
        "journal": { "last_sequence": 0, "kept": 0 },
        "virtual_servers": [{
            "name": "VIRTUALONE", "services": ["TCP 172.16.1.8:80"], "scheduler": "wrr",
            "quorum": { "up": true, "weight": 1, "needed": 1, "hysteresis": 0 },
            "real_servers": [{
                "address": "10.0.0.4:80", "forwarding": "route", "state": "down", "reasons": ["REASONSEEN"],
                "configured_weight": 1, "checks": [],
            }],
        }],
    })
}

/// Answers every client.
fn serve(path: &Path) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            std::thread::spawn(move || {
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
                    let call: Value = serde_json::from_str(&line).unwrap();
                    let response = match call["request"]["type"].as_str() {
                        Some("status") => json!({ "type": "status", "snapshot": snapshot() }),
                        Some("explain") => json!({ "type": "explanation", "explanations": [{
                            "subject": call["request"]["target"], "state": "it is EXPLAINED",
                            "because": [], "would_change": [], "history": [],
                        }] }),
                        other => panic!("{other:?}"),
                    };
                    let reply = json!({ "version": 1, "response": response });
                    assert_eq!(director_control::validate("Reply", &reply), Ok(()));
                    let _ = reader.get_mut().write_all(format!("{reply}\n").as_bytes());
                    line.clear();
                }
            });
        }
    });
}

/// Everything that has come to the terminal, without the sequences that move and colour.
struct Screen {
    pieces: Receiver<Vec<u8>>,
    text: String,
}

impl Screen {
    fn wait_for(&mut self, wanted: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.text.contains(wanted) {
            let left = end.saturating_duration_since(Instant::now());
            match self.pieces.recv_timeout(left) {
                Ok(piece) => self.text.push_str(&String::from_utf8_lossy(&piece)),
                Err(_) => panic!("{wanted} never came:\n{}", self.text),
            }
        }
        self.text.clear();
    }
}

#[test]
fn it_leads_from_virtual_server_to_real_server_to_reason() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    serve(&socket);
    // `script` of util-linux gives a pseudo-terminal to the command.
    let program = env!("CARGO_BIN_EXE_director");
    let command = format!(
        "stty cols 100 rows 20; exec {program} top --control {}",
        socket.display()
    );
    let child = Command::new("script")
        .args(["-qefc", &command, "/dev/null"])
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            println!("skipped: `script` (Debian package bsdutils) cannot be run: {error}");
            return;
        }
    };
    let mut keys = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    let (send, pieces) = channel();
    std::thread::spawn(move || {
        let mut octets = [0; 4096];
        while let Ok(read) = output.read(&mut octets) {
            if read == 0 || send.send(octets[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut screen = Screen {
        pieces,
        text: String::new(),
    };
    screen.wait_for("VIRTUALONE");
    keys.write_all(b"\r").unwrap();
    screen.wait_for("REASONSEEN");
    keys.write_all(b"\r").unwrap();
    screen.wait_for("EXPLAINED");
    keys.write_all(b"h").unwrap();
    screen.wait_for("REASONSEEN");
    keys.write_all(b"q").unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}");
}

#[test]
fn without_a_terminal_it_says_what_does_without() {
    let output = Command::new(env!("CARGO_BIN_EXE_director"))
        .args(["top", "--control", "/nowhere.sock"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("needs a terminal"), "{text}");
}

//! The files of keepalived that the running program writes on signals.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that fails may panic, and says when it cannot run"
)]

use nix::sched::{CloneFlags, unshare};
use nix::unistd::Uid;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Far longer than anything here takes, so that a busy machine does not fail the test.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running director that writes keepalived's files into its folder; killed when dropped.
struct Daemon {
    folder: tempfile::TempDir,
    child: Child,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Daemon {
    /// Returns once it runs.
    fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keepalived.conf");
        std::fs::write(&file, config).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_director"))
            .args(["run", "--log-format", "json", "--log-to", "stderr"])
            .arg("--config")
            .arg(file)
            .arg("--state-dir")
            .arg(folder.path().join("state"))
            .arg("--keepalived-files")
            .arg(folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (send, ready) = channel();
        std::thread::spawn(move || {
            let mut told = Vec::new();
            for line in log.lines().map_while(Result::ok) {
                let started = line.contains("\"event\":\"started\"");
                told.push(line);
                if started {
                    let _ = send.send(Ok(()));
                }
            }
            let _ = send.send(Err(told));
        });
        let started = ready.recv_timeout(PATIENCE).expect("it starts or ends");
        started.unwrap_or_else(|told| panic!("not started: {told:#?}"));
        Self { folder, child }
    }

    fn reload(&self, config: &str) {
        std::fs::write(self.folder.path().join("keepalived.conf"), config).unwrap();
        self.signal("HUP");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success(), "kill -s {name}");
    }

    /// What a file of the folder holds; nothing if it is not there.
    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// Asks for a file with a signal until it holds that text.
    fn until_file(&self, signal: &str, name: &str, expected: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.read(name).contains(expected) {
            assert!(Instant::now() < deadline, "{name}: {}", self.read(name));
            self.signal(signal);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Asks for `keepalived.json` until the part at this JSON pointer is `expected`.
    fn until(&self, pointer: &str, expected: &Value) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.signal("RTMIN+2");
            std::thread::sleep(Duration::from_millis(100));
            // Written whole or not at all.
            let text = self.read("keepalived.json");
            let whole: Value = serde_json::from_str(&text).unwrap_or_default();
            if whole.pointer(pointer) == Some(expected) {
                return whole;
            }
            assert!(Instant::now() < deadline, "{expected:#}\n{text}");
        }
    }
}

fn ip(arguments: &str) {
    let done = Command::new("ip").args(arguments.split(' ')).status();
    assert!(done.unwrap().success(), "ip {arguments}");
}

/// Four trackers of the same process. The delays are so long that they do not end here.
fn config(version: u8, seconds: &str) -> String {
    let mut text = format!("global_defs {{\n    json_version {version}\n}}\n");
    for (name, rest) in [
        ("quick", "param_match partial\n    weight 5 reverse"),
        ("begun", "fork_delay 3600\n    quorum_max 2"),
        ("ended", "terminate_delay 1800.5\n    weight -3"),
        ("unused", "param_match initial\n    weight 7"),
    ] {
        text +=
            &format!("vrrp_track_process {name} {{\n    process sleep {seconds}\n    {rest}\n}}\n");
    }
    text + "vrrp_instance VI_1 {
    interface veth1
    virtual_router_id 51
    priority 100
    virtual_ipaddress {
        192.0.2.8/24
    }
    track_process {
        quick
        begun
        ended
    }
}
"
}

/// The four trackers with a number of processes; for each whether it has its quorum, and for the second and third whether the
/// delay runs.
fn trackers(seconds: &str, count: u32, quorum: [bool; 4], runs: [bool; 2]) -> Value {
    let one = |name: &str, rest: Value| {
        let mut all = json!({
            "process": name,
            "parameters": seconds,
            "param_match": "exact",
            "min_processes": 1,
            "current_processes": count,
            "weight": 0,
            "fork_delay": 0,
            "terminate_delay": 0,
            "fork_delay_timer_running": false,
            "terminate_delay_timer_running": false,
            "full_command": true,
        });
        let rest = rest.as_object().unwrap().clone();
        all.as_object_mut().unwrap().extend(rest);
        all
    };
    let quick = json!({ "have_quorum": quorum[0], "param_match": "partial", "weight": -5 });
    let begun = json!({ "have_quorum": quorum[1], "max_processes": 2, "fork_delay": 3600,
        "fork_delay_timer_running": runs[0] });
    let ended = json!({ "have_quorum": quorum[2], "weight": -3, "terminate_delay": 1800.5,
        "terminate_delay_timer_running": runs[1] });
    let unused = json!({ "have_quorum": quorum[3], "param_match": "initial", "weight": 7 });
    json!([
        one("quick", quick),
        one("begun", begun),
        one("ended", ended),
        one("unused", unused)
    ])
}

#[test]
fn the_data_files_go_where_state_dump_file_says() {
    let config = |dump: &str| format!("global_defs {{\n    router_id test\n    {dump}\n}}\n");
    let daemon = Daemon::start(&config("state_dump_file dump.txt"));
    let expected = " Router ID = test";
    daemon.until_file("USR1", "dump.txt", expected);
    assert_eq!(daemon.read("keepalived.data"), "");
    daemon.reload(&config("state_dump_file state/"));
    daemon.until_file("USR1", "state/keepalived.data", expected);
    daemon.reload(&config(""));
    daemon.until_file("USR1", "keepalived.data", expected);
}

/// A network of its own with an interface; false where that cannot be made.
fn own_network() -> bool {
    if !Uid::effective().is_root() || unshare(CloneFlags::CLONE_NEWNET).is_err() {
        println!("skipped: only root can make network namespaces");
        return false;
    }
    ip("link add veth1 type veth peer name veth2");
    ip("address add 192.0.2.1/24 dev veth1");
    ip("link set veth1 up");
    ip("link set veth2 up");
    true
}

#[test]
fn the_files_of_scripts_have_the_configured_mask() {
    if !own_network() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (script, told) = (folder.path().join("script"), folder.path().join("told"));
    let text = format!("#!/bin/sh\numask > {}\n", told.display());
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = |mask: &str| {
        format!(
            "global_defs {{
    script_user root
    {mask}
}}
vrrp_script mask {{
    script {}
    interval 1
}}
vrrp_instance VI_1 {{
    interface veth1
    virtual_router_id 51
    priority 100
    virtual_ipaddress {{
        192.0.2.8/24
    }}
    track_script {{
        mask
    }}
}}
",
            script.display()
        )
    };
    let until = |expected: &str| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // The script may be just writing it.
            let said = std::fs::read_to_string(&told).unwrap_or_default();
            if said == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{said:?}, not {expected:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    let ours = Command::new("sh").args(["-c", "umask"]).output().unwrap();
    let daemon = Daemon::start(&config("umask 027"));
    until("0027\n");
    daemon.reload(&config("umask IRWXG|IRWXO|IXUSR"));
    until("0177\n");
    daemon.reload(&config(""));
    until(&String::from_utf8(ours.stdout).unwrap());
}

#[test]
fn keepalived_json_follows_the_processes() {
    if !own_network() {
        return;
    }
    // A number that nobody else sleeps for.
    let seconds = format!("100000.{}", std::process::id());
    let daemon = Daemon::start(&config(2, &seconds));
    let trackers = |count, quorum, runs| trackers(&seconds, count, quorum, runs);
    let none = trackers(0, [false; 4], [false; 2]);
    let whole = daemon.until("/track_process", &none);
    let data = &whole["vrrp"][0]["data"];
    assert_eq!(
        (&data["iname"], &data["track_process"]),
        (&json!("VI_1"), &json!(["quick", "begun", "ended"]))
    );
    assert_eq!(whole.as_object().unwrap().len(), 2, "{whole:#}");

    let mut process = Command::new("sleep").arg(&seconds).spawn().unwrap();
    let one = trackers(1, [true, false, true, true], [true, false]);
    daemon.until("/track_process", &one);

    process.kill().unwrap();
    process.wait().unwrap();
    let ended = trackers(0, [false, false, true, false], [false, true]);
    daemon.until("/track_process", &ended);

    // Version 1 is the list of the instances alone.
    daemon.reload(&config(1, &seconds));
    let whole = daemon.until("/0/data/iname", &json!("VI_1"));
    assert_eq!(whole.as_array().map(Vec::len), Some(1), "{whole:#}");
}

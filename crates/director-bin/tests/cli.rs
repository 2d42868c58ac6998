//! The real program on the command line.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Far longer than anything here takes, so that a busy machine does not fail the tests.
const PATIENCE: Duration = Duration::from_secs(60);

fn director(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_director"))
        .args(arguments)
        .output()
        .unwrap()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

const BROKEN: &str = "vrrp_instance VI_1 {
    interface lo
    virtual_router_id 51
    priority99
    advert_int 1
    virtual_ipaddres {
        192.0.2.8
    }
}
";

/// Harmless anywhere: neither an instance nor a virtual server, so neither privilege nor interface is needed.
const EMPTY: &str = "global_defs {\n    router_id test\n}\n";

#[test]
fn check_lists_every_problem_and_says_so_with_its_status() {
    let folder = Folder::new();
    let broken = folder.file("broken.conf", BROKEN);
    let result = director(&["check", "--format", "concise", &broken]);
    let text = String::from_utf8(result.stdout).unwrap();
    assert_eq!(result.status.code(), Some(1), "{text}");
    assert!(text.contains("broken.conf:4:5: error["), "{text}");
    assert!(text.contains("broken.conf:6:5: error["), "{text}");
    let human = String::from_utf8(director(&["check", &broken]).stdout).unwrap();
    assert!(
        human.contains("priority 99"),
        "the missing blank is pointed out: {human}"
    );
    let json = director(&["check", "--format", "json", &broken]).stdout;
    let list: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert!(list.as_array().unwrap().len() >= 2, "{list}");

    let good = folder.file("good.conf", EMPTY);
    assert_eq!(director(&["check", &good]).status.code(), Some(0));
    assert_eq!(
        director(&["check", "/nowhere/at/all.conf"]).status.code(),
        Some(2)
    );
    assert_eq!(director(&["check"]).status.code(), Some(2), "usage");
}

#[test]
fn check_of_several_files_is_one_document() {
    let folder = Folder::new();
    let first = folder.file("first.conf", BROKEN);
    let second = folder.file("second.conf", BROKEN);
    let missing = folder.path("missing.conf");
    let missing = missing.to_str().unwrap();
    let check = |format| {
        let result = director(&["check", "--format", format, &first, missing, &second]);
        assert_eq!(result.status.code(), Some(2));
        let document: serde_json::Value = serde_json::from_slice(&result.stdout).unwrap();
        document
    };
    let list = check("json");
    let places: Vec<_> = list.as_array().unwrap().iter().collect();
    for name in [first.as_str(), missing, &second] {
        let of_file = |one: &&&serde_json::Value| one["labels"][0]["path"] == name;
        let found = places.iter().find(of_file);
        assert!(found.is_some(), "{name}: {list}");
        assert_eq!(
            found.unwrap()["code"] == "KC0501",
            name == missing,
            "{list}"
        );
    }
    let log = check("sarif");
    let runs = log["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(
        runs[0]["results"].as_array().unwrap().len(),
        list.as_array().unwrap().len()
    );
    let rules = runs[0]["tool"]["driver"]["rules"].as_array().unwrap();
    let ids: std::collections::BTreeSet<_> = rules.iter().map(|rule| rule["id"].as_str()).collect();
    assert_eq!(ids.len(), rules.len(), "no rule twice: {rules:?}");
}

#[test]
fn a_pipe_is_no_configuration_file() {
    let folder = Folder::new();
    let pipe = folder.path("pipe.conf");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_director"))
        .arg("check")
        .arg(&pipe)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = child.stderr.take().unwrap();
    let (send, text) = channel();
    std::thread::spawn(move || send.send(std::io::read_to_string(stderr)));
    let text = text.recv_timeout(PATIENCE);
    let _ = child.kill();
    let text = text.expect("nothing waits for a writer").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert!(
        text.contains("pipe.conf") && text.contains("not a regular file"),
        "{text}"
    );
}

#[test]
fn run_refuses_a_broken_file_with_every_problem() {
    let folder = Folder::new();
    let broken = folder.file("broken.conf", BROKEN);
    let state = folder.path("state");
    let result = director(&[
        "run",
        "--config",
        &broken,
        "--state-dir",
        state.to_str().unwrap(),
    ]);
    let text = String::from_utf8(result.stderr).unwrap();
    assert_eq!(result.status.code(), Some(1), "{text}");
    assert!(
        text.contains("priority 99") && text.contains("virtual_ipaddress"),
        "{text}"
    );
    assert!(text.contains("nothing has been changed"), "{text}");
    assert!(!state.exists());
}

#[test]
fn every_code_of_the_program_is_explained() {
    for code in ["KC0901", "KC0902", "KC0903", "KC0501"] {
        let result = director(&["explain", code]);
        let text = String::from_utf8(result.stdout).unwrap();
        assert_eq!(result.status.code(), Some(0), "{code}: {text}");
        assert!(text.starts_with(&format!("## {code}: ")), "{text}");
        assert_eq!(text.matches("## ").count(), 1, "{text}");
        assert!(text.lines().count() > 2, "{text}");
    }
    assert_eq!(director(&["explain", "KC0999"]).status.code(), Some(1));
}

#[test]
fn run_without_its_file_says_how_to_name_another() {
    let result = director(&["run", "--config", "/nowhere/at/all.conf"]);
    let text = String::from_utf8(result.stderr).unwrap();
    assert_eq!(result.status.code(), Some(1), "{text}");
    assert_eq!(text.lines().count(), 1, "no empty excerpt: {text}");
    assert!(
        text.contains("/nowhere/at/all.conf") && text.contains("--config"),
        "{text}"
    );
}

#[test]
fn refusals_are_events_in_a_json_log() {
    let folder = Folder::new();
    let (broken, good) = (
        folder.file("broken.conf", BROKEN),
        folder.file("good.conf", EMPTY),
    );
    // A file where the state directory should be.
    for (config, state) in [
        (&broken, folder.path("state")),
        (&good, good.clone().into()),
    ] {
        let state = state.to_str().unwrap();
        let arguments = ["--config", config, "--state-dir", state];
        let result = Command::new(env!("CARGO_BIN_EXE_director"))
            .args(["run", "--log-format", "json"])
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8(result.stderr).unwrap();
        assert_eq!(result.status.code(), Some(1), "{text}");
        let events: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect();
        assert!(
            events.iter().any(|event| event["event"] == "start_refused"),
            "{text}"
        );
    }
}

#[test]
fn run_names_a_missing_interface_and_a_missing_script() {
    let folder = Folder::new();
    let text = "vrrp_script check {
    script \"/nowhere/check.sh\"
}
vrrp_instance VI_1 {
    interface nosuchif0
    virtual_router_id 51
    virtual_ipaddress {
        192.0.2.8
    }
    track_script {
        check
    }
}
";
    let config = folder.file("missing.conf", text);
    let state = folder.path("state");
    let result = director(&[
        "run",
        "--config",
        &config,
        "--state-dir",
        state.to_str().unwrap(),
    ]);
    let text = String::from_utf8(result.stderr).unwrap();
    assert_eq!(result.status.code(), Some(1), "{text}");
    assert!(
        text.contains("interface nosuchif0 does not exist"),
        "{text}"
    );
    assert!(text.contains("/nowhere/check.sh"), "{text}");
}

#[test]
fn run_names_missing_privileges() {
    let folder = Folder::new();
    let text = "virtual_server 192.0.2.8 80 {
    lb_algo rr
    lb_kind DR
    protocol TCP
    real_server 192.0.2.9 80 {
        weight 1
    }
}
";
    let config = folder.file("privilege.conf", text);
    let without = [
        "--bounding-set=-all",
        "--inh-caps=-all",
        env!("CARGO_BIN_EXE_director"),
    ];
    let result = Command::new("setpriv")
        .args(without)
        .args(["run", "--config", &config, "--state-dir"])
        .arg(folder.path("state"))
        .output();
    let Ok(result) = result else {
        println!("skipped: setpriv (package util-linux) is not installed");
        return;
    };
    let text = String::from_utf8(result.stderr).unwrap();
    if text.starts_with("setpriv:") {
        println!("skipped: only root can give up privileges: {text}");
        return;
    }
    assert_eq!(result.status.code(), Some(1), "{text}");
    assert!(text.contains("needs CAP_NET_ADMIN; run as root"), "{text}");
}

/// A running director and the events it logs.
struct Running {
    child: Child,
    events: Receiver<serde_json::Value>,
}

impl Running {
    fn start(folder: &Folder, config: &str) -> Self {
        let state = folder.path("state");
        let mut child = Command::new(env!("CARGO_BIN_EXE_director"))
            .args([
                "run",
                "--log-format",
                "json",
                "--config",
                config,
                "--state-dir",
            ])
            .arg(&state)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (send, events) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Ok(event) = serde_json::from_str(&line) {
                    let _ = send.send(event);
                }
            }
        });
        Self { child, events }
    }

    /// The next event of that name; fails when it does not come.
    fn wait(&self, name: &str) -> serde_json::Value {
        loop {
            let event = self
                .events
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("no event {name}"));
            if event["event"] == name {
                return event;
            }
        }
    }

    fn signal(&self, name: &str) {
        assert!(
            Command::new("kill")
                .arg(name)
                .arg(self.child.id().to_string())
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_broken_file_is_refused_at_reload_and_the_old_one_stays_in_force() {
    let folder = Folder::new();
    let config = folder.file("director.conf", EMPTY);
    let mut director = Running::start(&folder, &config);
    director.wait("started");
    folder.file("director.conf", BROKEN);
    director.signal("-HUP");
    let error = director.wait("config_error");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("director.conf:"),
        "{error}"
    );
    director.wait("reload_refused");
    folder.file("director.conf", EMPTY);
    director.signal("-HUP");
    let done = director.wait("reload_done");
    let sentence = done["message"].as_str().unwrap();
    assert!(sentence.contains("0 changes of"), "{sentence}");
    director.signal("-TERM");
    director.wait("stopped");
    assert_eq!(director.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_second_director_with_the_same_state_is_refused() {
    let folder = Folder::new();
    let config = folder.file("director.conf", EMPTY);
    let first = Running::start(&folder, &config);
    first.wait("started");
    let result = director(&[
        "run",
        "--config",
        &config,
        "--state-dir",
        folder.path("state").to_str().unwrap(),
    ]);
    let text = String::from_utf8(result.stderr).unwrap();
    assert_eq!(result.status.code(), Some(1), "{text}");
    assert!(text.contains("another director runs"), "{text}");
}

#[test]
fn plan_tells_what_a_start_would_bring() {
    let folder = Folder::new();
    let config = folder.file(
        "k.conf",
        "static_ipaddress {\n    192.0.2.77/32 dev lo\n}\nstatic_routes {\n    198.51.100.0/24 dev lo\n}\n",
    );
    let state = folder.path("state");
    let state = state.to_str().unwrap();
    let plan = |more: &[&str]| {
        let words = ["plan", "--config", &config, "--state-dir", state];
        director(&[&words, more].concat())
    };
    let text = plan(&[]);
    assert_eq!(text.status.code(), Some(2), "{text:?}");
    let lines = String::from_utf8(text.stdout).unwrap();
    assert!(
        lines.contains("static: 192.0.2.77/32 on lo always, not here now"),
        "{lines}"
    );
    let route = lines.lines().find(|line| line.contains("198.51.100.0/24"));
    assert!(
        route.is_some_and(|line| line.ends_with("always, not here now")),
        "{lines}"
    );
    let json: serde_json::Value = serde_json::from_slice(&plan(&["--json"]).stdout).unwrap();
    assert_eq!(json["addresses"][0]["present"], false);
    assert_eq!(json["ipvs"].as_array().unwrap().len(), 0);
    assert_eq!(json["at_stake"].as_array().unwrap().len(), 0);
    assert!(!std::path::Path::new(state).exists(), "nothing is changed");
}

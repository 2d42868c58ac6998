//! The control socket of the real program.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

use director_control::client::Client;
use director_control::{Request, Response, validate};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// Harmless anywhere: neither an instance nor a virtual server, so neither privilege nor interface is needed.
const EMPTY: &str = "global_defs {\n    router_id test\n}\n";

/// A running director; killed when dropped.
struct Daemon {
    folder: tempfile::TempDir,
    child: Child,
}

impl Daemon {
    /// Returns once it listens.
    fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("director.conf"), config).unwrap();
        let child = Self::spawn(folder.path());
        Self { folder, child }
    }

    fn spawn(folder: &std::path::Path) -> Child {
        let mut child = Command::new(env!("CARGO_BIN_EXE_director"))
            .args(["run", "--log-format", "json"])
            .arg("--config")
            .arg(folder.join("director.conf"))
            .arg("--state-dir")
            .arg(folder.join("state"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        let (send, ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut told = Vec::new();
            for line in lines.lines().map_while(Result::ok) {
                let started = line.contains("\"event\":\"started\"");
                told.push(line);
                if started {
                    let _ = send.send(Ok(()));
                }
            }
            let _ = send.send(Err(told));
        });
        ready
            .recv_timeout(Duration::from_secs(60))
            .expect("it starts or ends")
            .unwrap_or_else(|told| panic!("not started: {told:#?}"));
        child
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("state/control.sock")
    }

    fn client(&self) -> Client {
        let client = Client::connect(&self.socket()).unwrap();
        client.set_patience(Some(Duration::from_secs(60))).unwrap();
        client
    }

    fn director(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_director"))
            .args(arguments)
            .arg("--state-dir")
            .arg(self.folder.path().join("state"))
            .output()
            .unwrap()
    }

    fn raw(&self, line: &[u8]) -> String {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream.write_all(line).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer
    }

    fn terminate(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_status_is_one_document_that_fits_the_schema() {
    let daemon = Daemon::start(EMPTY);
    let output = daemon.director(&["status", "--json"]);
    assert!(output.status.success(), "{}", text(&output));
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(validate("Snapshot", &value), Ok(()));
    assert_eq!(value["director"]["pid"], daemon.child.id());
    let human = daemon.director(&["status"]);
    assert!(text(&human).starts_with("director "), "{}", text(&human));
    let mut client = daemon.client();
    for _ in 0..3 {
        let answer = client.call(Request::Status).unwrap();
        assert!(
            matches!(answer, Response::Status { .. }),
            "many on one connection"
        );
    }
}

#[test]
fn events_are_kept_over_a_restart_and_can_be_followed() {
    let mut daemon = Daemon::start(EMPTY);
    let output = daemon.director(&["events", "--json"]);
    let names = |output: &Output| -> Vec<String> {
        let lines = String::from_utf8(output.stdout.clone()).unwrap();
        lines
            .lines()
            .map(|line| {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(validate("Event", &value), Ok(()));
                value["event"].as_str().unwrap().to_owned()
            })
            .collect()
    };
    assert!(names(&output).contains(&"started".to_owned()));
    daemon.terminate();
    assert!(
        !daemon.socket().exists(),
        "the socket goes with its director"
    );
    let output = daemon.director(&["events"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output).contains("no director listens at"),
        "{}",
        text(&output)
    );

    daemon.child = Daemon::spawn(daemon.folder.path());
    let names = names(&daemon.director(&["events", "--json", "-n", "1000"]));
    let count = |name| names.iter().filter(|known| *known == name).count();
    assert_eq!((count("started"), count("stopped")), (2, 1), "{names:?}");

    let mut follower = daemon.client();
    let follow = Request::Events {
        follow: true,
        last: Some(1),
        after: None,
    };
    assert!(matches!(follower.call(follow), Ok(Response::Event { .. })));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(daemon.child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).unwrap();
    loop {
        match follower.next_response().unwrap() {
            Some(Response::Event { event }) if event.event == "reload_done" => break,
            Some(Response::Event { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn calls_that_are_not_understood_are_answered() {
    let daemon = Daemon::start(EMPTY);
    for (call, wanted) in [
        (&b"nonsense\n"[..], "not understood"),
        (
            b"{\"version\":1,\"request\":{\"type\":\"dance\"}}\n",
            "not understood",
        ),
        (
            b"{\"version\":2,\"request\":{\"type\":\"status\"}}\n",
            "speaks version 1",
        ),
        (&[b' '; 70_000], "longer than"),
    ] {
        let answer = daemon.raw(call);
        let value: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(validate("Reply", &value), Ok(()), "{answer}");
        assert!(answer.contains(wanted), "{answer}");
    }
    assert!(daemon.director(&["status"]).status.success(), "it goes on");
}

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
        Self::spawn_with(folder, &[])
    }

    fn spawn_with(folder: &std::path::Path, arguments: &[&str]) -> Child {
        let mut child = Command::new(env!("CARGO_BIN_EXE_director"))
            .args(["run", "--log-format", "json"])
            .args(arguments)
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
    let output = daemon.director(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output).contains("no director listens at"),
        "{}",
        text(&output)
    );
    // What it has left can be read all the same.
    let output = daemon.director(&["events", "--json", "-n", "1"]);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(names(&output), ["stopped"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no director runs"), "{said}");

    daemon.child = Daemon::spawn(daemon.folder.path());
    let names = names(&daemon.director(&["events", "--json", "-n", "1000"]));
    let count = |name| names.iter().filter(|known| *known == name).count();
    assert_eq!((count("started"), count("stopped")), (2, 1), "{names:?}");

    // The command goes on over a restart, and leaves nothing out.
    let mut command = Command::new(env!("CARGO_BIN_EXE_director"))
        .args(["events", "--follow", "--json", "-n", "1", "--state-dir"])
        .arg(daemon.folder.path().join("state"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(command.stdout.take().unwrap()).lines();
    let mut next = || -> (u64, String) {
        let line = told.next().unwrap().unwrap();
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        let event = value["event"].as_str().unwrap().to_owned();
        (value["sequence"].as_u64().unwrap(), event)
    };
    let mut last = next().0;
    daemon.terminate();
    daemon.child = Daemon::spawn(daemon.folder.path());
    for wanted in ["stopped", "started"] {
        loop {
            let (sequence, event) = next();
            assert_eq!(sequence, last + 1, "{event}");
            last = sequence;
            if event == wanted {
                break;
            }
        }
    }
    let _ = command.kill();
    let _ = command.wait();

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

/// Slow, greedy and many: they get what is theirs, and nobody else goes short.
#[test]
fn hostile_clients_shut_nobody_out() {
    let daemon = Daemon::start(EMPTY);
    let socket = daemon.socket();
    // A thousand that say nothing, or half a word. Those beyond the limit are told so and let go.
    let mut idle = Vec::new();
    let mut turned_away = 0;
    for number in 0..1000 {
        let mut stream = UnixStream::connect(&socket).unwrap();
        if number % 2 == 0 {
            // May be closed already.
            let _ = stream.write_all(b"{\"version\":1,");
        }
        idle.push(stream);
    }
    for stream in &mut idle {
        stream.set_nonblocking(true).unwrap();
    }
    let end = std::time::Instant::now() + Duration::from_secs(60);
    let mut left: Vec<&mut UnixStream> = idle.iter_mut().collect();
    // 64 for everybody, 16 more for root and the director's own user.
    while left.len() > 80 {
        assert!(
            std::time::Instant::now() < end,
            "{} are still connected",
            left.len()
        );
        left.retain_mut(|stream| {
            let mut answer = [0_u8; 4096];
            match std::io::Read::read(stream, &mut answer) {
                Ok(read) => {
                    let text = String::from_utf8_lossy(&answer[..read]).into_owned();
                    assert!(
                        read == 0 || text.contains("clients are connected already"),
                        "{text}"
                    );
                    turned_away += 1;
                    false
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => true,
                Err(_) => false,
            }
        });
        std::thread::yield_now();
    }
    drop(left);
    drop(idle);
    assert!(turned_away > 0);
    // As soon as the daemon has noticed that they are gone.
    let status = loop {
        let output = daemon.director(&["status", "--json"]);
        if output.status.success() || std::time::Instant::now() > end {
            break output;
        }
    };
    assert!(status.status.success(), "{}", text(&status));

    // One that asks and asks, and never reads.
    let mut greedy = UnixStream::connect(&socket).unwrap();
    greedy.set_nonblocking(true).unwrap();
    let call = b"{\"version\":1,\"request\":{\"type\":\"status\"}}\n";
    while greedy.write_all(call).is_ok() {}
    assert!(daemon.director(&["status"]).status.success());

    // Half-closed: what was asked is answered.
    let mut half = UnixStream::connect(&socket).unwrap();
    half.set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    half.write_all(call).unwrap();
    half.shutdown(std::net::Shutdown::Write).unwrap();
    let mut lines = BufReader::new(half).lines();
    let reply: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(validate("Reply", &reply), Ok(()));
    assert!(lines.next().is_none(), "then it is closed");
    // A call without an end of line is one, too, once nothing can follow.
    let mut half = UnixStream::connect(&socket).unwrap();
    half.set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    half.write_all(call.trim_ascii_end()).unwrap();
    half.shutdown(std::net::Shutdown::Write).unwrap();
    let reply = BufReader::new(half).lines().next().unwrap().unwrap();
    assert!(reply.contains("snapshot"), "{reply}");
}

#[test]
fn the_log_level_is_changed_for_a_time() {
    let daemon = Daemon::start(EMPTY);
    let told = |arguments: &[&str]| {
        let output = daemon.director(arguments);
        assert!(output.status.success(), "{}", text(&output));
        text(&output).trim().to_owned()
    };
    assert_eq!(told(&["log-level"]), "info");
    let wanted = "the log level is info,vrrp=debug, was info";
    let dry = told(&["log-level", "vrrp", "debug", "--dry-run"]);
    assert!(dry.ends_with(wanted), "{dry}");
    assert_eq!(told(&["log-level"]), "info");
    assert!(
        told(&[
            "log-level",
            "vrrp",
            "debug",
            "--for",
            "1s",
            "--reason",
            "a look"
        ])
        .contains(wanted)
    );
    let mut follower = daemon.client();
    let follow = Request::Events {
        follow: true,
        last: Some(100),
        after: None,
    };
    follower.send(follow).unwrap();
    let mut ordered = false;
    loop {
        let Some(Response::Event { event }) = follower.next_response().unwrap() else {
            panic!("the stream goes on");
        };
        ordered |= event.event == "log_level_ordered" && event.message.contains("a look");
        if event.message == "log level is info now, was info,vrrp=debug" {
            break;
        }
    }
    assert!(ordered, "who did it and why is recorded");
    assert_eq!(told(&["log-level"]), "info");
    told(&["log-level", "off"]);
    assert_eq!(told(&["log-level"]), "off");
    told(&["log-level", "usual"]);
    assert_eq!(told(&["log-level"]), "info");
    let wrong = daemon.director(&["log-level", "vrpp", "debug"]);
    assert!(
        !wrong.status.success() && text(&wrong).contains("vrrp, checks, ipvs"),
        "{}",
        text(&wrong)
    );
}

/// A predecessor of another version: what it hands over is not understood, so nothing is changed.
#[test]
fn a_hand_over_that_is_not_understood_is_refused_and_the_other_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    std::fs::create_dir(&state).unwrap();
    std::fs::write(folder.path().join("director.conf"), EMPTY).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(state.join("control.sock")).unwrap();
    let predecessor = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.contains("hand_over"), "{line}");
        let answer = "{\"version\":1,\"response\":{\"type\":\"hand_over\",\"state\":{\"format\":99,\"version\":\"9.9.9\",\"everything\":\"else\"}}}\n";
        reader.get_mut().write_all(answer.as_bytes()).unwrap();
        let mut more = String::new();
        reader.read_line(&mut more).unwrap();
        more
    });
    let output = Command::new(env!("CARGO_BIN_EXE_director"))
        .args(["run", "--takeover", "--config"])
        .arg(folder.path().join("director.conf"))
        .arg("--state-dir")
        .arg(&state)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let told = text(&output);
    assert!(
        told.contains("the running director (9.9.9) hands over in format 99, this one reads 1 to 1; it goes on running"),
        "{told}"
    );
    assert_eq!(predecessor.join().unwrap(), "", "it is not told to end");
}

/// Two directors without anything to do: the second takes over what the first was told.
#[test]
fn a_successor_knows_what_waits_to_be_confirmed() {
    let mut daemon = Daemon::start(EMPTY);
    let file = daemon.folder.path().join("director.conf");
    std::fs::write(&file, "global_defs {\n    router_id other\n}\n").unwrap();
    let output = daemon.director(&["reload", "--confirm", "1h"]);
    assert!(output.status.success(), "{}", text(&output));
    let snapshot = |daemon: &Daemon| {
        let output = daemon.director(&["status", "--json"]);
        assert!(output.status.success(), "{}", text(&output));
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(validate("Snapshot", &value), Ok(()));
        value["configuration"].clone()
    };
    let before = snapshot(&daemon);
    assert!(before["pending"].is_object(), "{before:#}");
    let mut first = std::mem::replace(
        &mut daemon.child,
        Daemon::spawn_with(daemon.folder.path(), &["--takeover"]),
    );
    assert!(first.wait().unwrap().success(), "the first one ends");
    let after = snapshot(&daemon);
    assert_eq!(after["pending"], before["pending"]);
    let output = daemon.director(&["confirm"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(snapshot(&daemon)["pending"].is_null());
    let output = daemon.director(&["confirm"]);
    assert_eq!(output.status.code(), Some(1), "nothing waits any more");
    // Another file than the one that waits is a new decision.
    std::fs::write(&file, EMPTY).unwrap();
    assert!(
        daemon
            .director(&["reload", "--confirm", "1h"])
            .status
            .success()
    );
    std::fs::write(&file, "global_defs {\n    router_id third\n}\n").unwrap();
    daemon.terminate();
    daemon.child = Daemon::spawn(daemon.folder.path());
    assert!(snapshot(&daemon)["pending"].is_null());
}

#[test]
fn a_bridge_has_the_command_line_of_the_one_that_is_stopped() {
    let mut daemon = Daemon::start(EMPTY);
    let mut first = std::mem::replace(
        &mut daemon.child,
        Daemon::spawn_with(daemon.folder.path(), &["--takeover"]),
    );
    assert!(first.wait().unwrap().success());
    let pid = daemon.child.id().to_string();
    let mut bridge = Command::new(env!("CARGO_BIN_EXE_director"))
        .args(["bridge", &pid])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert!(
        daemon.child.wait().unwrap().success(),
        "it hands over and ends"
    );
    let output = daemon.director(&["status", "--json"]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["director"]["pid"], bridge.id());
    daemon.child = Daemon::spawn_with(daemon.folder.path(), &["--takeover"]);
    assert!(bridge.wait().unwrap().success());
    let own = Command::new(env!("CARGO_BIN_EXE_director"))
        .args(["bridge", &std::process::id().to_string()])
        .output()
        .unwrap();
    assert_eq!(own.status.code(), Some(1));
    assert!(
        text(&own).contains("is no `director run --takeover`"),
        "{}",
        text(&own)
    );
}

/// `script` of util-linux gives a pseudo-terminal to a command.
#[test]
fn colours_are_for_terminals_and_a_watch_goes_on_over_a_restart() {
    let mut daemon = Daemon::start(EMPTY);
    let state = daemon.folder.path().join("state");
    let program = env!("CARGO_BIN_EXE_director");
    assert!(
        !text(&daemon.director(&["status"])).contains('\u{1b}'),
        "no colours into a pipe"
    );
    let watch = format!("{program} status --watch 1 --state-dir {}", state.display());
    let child = Command::new("script")
        .args(["-qefc", &watch, "/dev/null"])
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        println!("skipped: script (Debian package bsdutils) is not installed");
        return;
    };
    let mut screen = child.stdout.take().unwrap();
    let (send, pieces) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut piece = [0_u8; 4096];
        while let Ok(read @ 1..) = std::io::Read::read(&mut screen, &mut piece) {
            let text = String::from_utf8_lossy(piece.get(..read).unwrap_or_default()).into_owned();
            if send.send(text).is_err() {
                return;
            }
        }
    });
    let mut seen = String::new();
    let mut wait_for = |wanted: &str| {
        let end = std::time::Instant::now() + Duration::from_secs(60);
        while !seen.contains(wanted) {
            let left = end.saturating_duration_since(std::time::Instant::now());
            match pieces.recv_timeout(left) {
                Ok(piece) => seen.push_str(&piece),
                Err(_) => panic!("{wanted} never came:\n{seen}"),
            }
        }
        seen.clear();
    };
    wait_for(&format!("pid {}", daemon.child.id()));
    daemon.terminate();
    wait_for("no director listens at");
    daemon.child = Daemon::spawn(daemon.folder.path());
    wait_for(&format!("pid {}", daemon.child.id()));
    let _ = child.kill();
    let _ = child.wait();
}

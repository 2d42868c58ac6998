//! What becomes of the addresses when the daemon is killed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops where it fails"
)]

use nix::sys::signal::Signal;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(90);

/// Runs in a thread with a network namespace of its own, which vanishes with it.
fn in_a_namespace(test: impl FnOnce() + Send + 'static) {
    let run = std::thread::spawn(move || {
        if let Err(error) = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET) {
            println!("skipped: cannot make a network namespace: {error}");
            return;
        }
        if Command::new("ip").arg("-V").output().is_err() {
            println!("skipped: the ip command is not installed");
            return;
        }
        for words in [
            "link set lo up",
            "link add eth0 type veth peer name other0",
            "link set other0 up",
            "address add 10.9.0.1/24 dev eth0",
            "link set eth0 up",
        ] {
            assert!(
                Command::new("ip")
                    .args(words.split(' '))
                    .status()
                    .unwrap()
                    .success()
            );
        }
        test();
    });
    run.join().unwrap();
}

fn held() -> bool {
    let output = Command::new("ip")
        .args(["address", "show", "eth0"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .contains("10.9.0.100/32")
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited for: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A director that holds an address.
fn master(directory: &tempfile::TempDir, guardian: bool) -> Child {
    let path = |name: &str| directory.path().join(name);
    let text = "vrrp_instance VI {\n interface eth0\n virtual_router_id 51\n priority 255\n \
                virtual_ipaddress {\n 10.9.0.100\n }\n}\n";
    std::fs::write(path("director.conf"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_director"));
    command
        .arg("run")
        .arg("--config")
        .arg(path("director.conf"));
    command.arg("--state-dir").arg(path("state"));
    if guardian {
        command.arg("--guardian");
    }
    let to = std::fs::File::create(path("log")).unwrap();
    let child = command.stdout(Stdio::null()).stderr(to).spawn().unwrap();
    eventually("the address", held);
    eventually("the word that it has come", || {
        log(directory).contains("10.9.0.100/32")
    });
    // What it answers now, it answers after it has told its guardian.
    let status = Command::new(env!("CARGO_BIN_EXE_director"))
        .args(["status", "--state-dir"])
        .arg(path("state"))
        .output()
        .unwrap();
    assert!(status.status.success(), "{status:?}");
    child
}

fn end(child: &mut Child, signal: Signal) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, signal).unwrap();
    child.wait().unwrap();
}

fn log(directory: &tempfile::TempDir) -> String {
    std::fs::read_to_string(directory.path().join("log")).unwrap()
}

#[test]
fn a_guardian_takes_the_addresses_off_when_the_director_is_killed() {
    in_a_namespace(|| {
        let directory = tempfile::tempdir().unwrap();
        let mut child = master(&directory, true);
        end(&mut child, Signal::SIGKILL);
        eventually("the address to go", || !held());
        eventually("the word of the guardian", || {
            log(&directory).contains("1 virtual address(es) removed")
        });
    });
}

#[test]
fn without_one_they_stay_as_keepalived_s_do() {
    in_a_namespace(|| {
        let directory = tempfile::tempdir().unwrap();
        let mut child = master(&directory, false);
        end(&mut child, Signal::SIGKILL);
        assert!(held());
    });
}

#[test]
fn after_an_orderly_end_the_guardian_has_nothing_to_say() {
    in_a_namespace(|| {
        let directory = tempfile::tempdir().unwrap();
        let mut child = master(&directory, true);
        end(&mut child, Signal::SIGTERM);
        assert!(!held());
        // The director has waited for it, so there is no more to come.
        assert!(
            !log(&directory).contains("director-guardian"),
            "{}",
            log(&directory)
        );
    });
}

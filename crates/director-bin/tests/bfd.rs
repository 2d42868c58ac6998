//! BFD sessions with Debian's keepalived at the other end, each in a network namespace of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that fails may panic, and says when it cannot run"
)]

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, gettid};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Far longer than anything here takes, so that a busy machine does not fail the test.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program and what it logs.
struct Node {
    child: Child,
    lines: Receiver<String>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.signal(Signal::SIGCONT);
        self.signal(Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

impl Node {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let (send, lines) = channel();
        let log = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        Self { child, lines }
    }

    /// To the program and all that it has started.
    fn signal(&self, signal: Signal) {
        let group = i32::try_from(self.child.id()).unwrap();
        let _ = kill(Pid::from_raw(-group), signal);
    }

    /// Waits for a line with all of these words.
    fn until(&self, words: &[&str]) {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if words.iter().all(|word| line.contains(word)) => return,
                Ok(line) => seen.push(line),
                Err(error) => panic!("{words:?}: {error}\n{}", seen.join("\n")),
            }
        }
    }
}

fn ip(arguments: &str) {
    let status = Command::new("ip")
        .args(arguments.split(' '))
        .status()
        .unwrap();
    assert!(status.success(), "ip {arguments}");
}

use std::os::unix::process::CommandExt;

/// A session, and an instance that depends on it.
fn configuration(neighbour: &str, own: &str) -> (String, &'static str) {
    let session = format!(
        "bfd_instance b {{
    neighbor_ip {neighbour}
    source_ip {own}
    min_rx 100
    min_tx 100
    multiplier 5
}}
"
    );
    let instance = "vrrp_instance V {
    interface lo0
    virtual_router_id 7
    priority 100
    advert_int 1
    virtual_ipaddress {
        10.9.0.9/24
    }
    track_bfd {
        b
    }
}
";
    (session, instance)
}

fn keepalived(folder: &Path) -> Command {
    let config = folder.join("theirs.conf");
    let (session, instance) = configuration("10.8.0.1", "10.8.0.2");
    std::fs::write(&config, session + instance).unwrap();
    let mut command = Command::new("keepalived");
    command.args(["-n", "-l", "-D", "-f", config.to_str().unwrap()]);
    for (option, name) in [("-p", "p"), ("-r", "r"), ("-b", "b"), ("-c", "c")] {
        command.arg(option).arg(folder.join(name));
    }
    command
}

/// A virtual server whose real server is as the session is.
fn virtual_server() -> String {
    let (session, _) = configuration("10.8.0.2", "10.8.0.1");
    session
        + "virtual_server 10.9.9.9 80 {
    lb_algo rr
    lb_kind NAT
    protocol TCP
    real_server 10.8.0.2 80 {
        BFD_CHECK {
            name b
        }
    }
}
"
}

fn director(folder: &Path, configuration: &str) -> Command {
    let config = folder.join("ours.conf");
    std::fs::write(&config, configuration).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_director"));
    let state = folder.join("state");
    command.args(["run", "--log-format", "json", "--config"]);
    command.arg(config).arg("--state-dir").arg(state);
    command
}

/// An interface for the instance, which has nothing to do with the session.
fn instance_interface() {
    ip("link set lo up");
    ip("link add lo0 type veth peer name lo1");
    ip("addr add 10.9.0.1/24 dev lo0");
    ip("link set lo1 up");
    ip("link set lo0 up");
}

/// Why this cannot run here.
fn obstacle() -> Option<&'static str> {
    if !Uid::effective().is_root() {
        return Some("only root can make network namespaces");
    }
    let found = Command::new("keepalived").arg("--version").output();
    found.err().map(|_| "keepalived is not installed")
}

/// A network namespace for us, and keepalived in another, with a link between.
fn neighbour(folder: &Path) -> Node {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    instance_interface();
    ip("link add va type veth peer name vb");
    ip("addr add 10.8.0.1/24 dev va");
    ip("link set va up");
    let here = format!("/proc/{}/task/{}/ns/net", std::process::id(), gettid());
    let path = folder.to_owned();
    // The other end, in a namespace of its own.
    let theirs = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        instance_interface();
        let there = format!("/proc/{}/task/{}/ns/net", std::process::id(), gettid());
        let moved = Command::new("nsenter")
            .arg(format!("--net={here}"))
            .args(["ip", "link", "set", "vb", "netns", &there])
            .status()
            .unwrap();
        assert!(moved.success());
        ip("addr add 10.8.0.2/24 dev vb");
        ip("link set vb up");
        Node::start(keepalived(&path))
    });
    theirs.join().unwrap()
}

#[test]
fn a_session_with_keepalived_comes_goes_and_comes_back() {
    if let Some(why) = obstacle() {
        println!("skipped: {why}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let theirs = neighbour(folder.path());
    let (session, instance) = configuration("10.8.0.2", "10.8.0.1");
    let ours = Node::start(director(folder.path(), &(session + instance)));
    ours.until(&["tracker_up", "bfd_instance"]);
    ours.until(&["vrrp_transition", "\"to\":\"MASTER\""]);
    theirs.until(&["Entering MASTER STATE"]);
    // It stands still: only its silence tells.
    theirs.signal(Signal::SIGSTOP);
    ours.until(&["tracker_down", "bfd_instance", "nothing heard"]);
    ours.until(&["vrrp_transition", "\"to\":\"FAULT\""]);
    theirs.signal(Signal::SIGCONT);
    ours.until(&["tracker_up", "bfd_instance"]);
    ours.until(&["vrrp_transition", "\"to\":\"MASTER\""]);
    // An orderly end is told at once.
    drop(ours);
    theirs.until(&["Entering FAULT STATE"]);
}

/// `BFD_CHECK`: the table stands in the library that takes IPVS commands in place of the kernel.
#[test]
fn a_real_server_is_as_its_session_is() {
    if let Some(why) = obstacle() {
        println!("skipped: {why}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let stand_in = folder.path().join("stand-in.so");
    let source = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../benches/checks/ipvs-stand-in.c"
    );
    let built = Command::new("cc")
        .args(["-O1", "-shared", "-fPIC", "-o"])
        .arg(&stand_in)
        .args([source, "-ldl"])
        .status();
    if !built.is_ok_and(|status| status.success()) {
        println!("skipped: no C compiler");
        return;
    }
    let theirs = neighbour(folder.path());
    let mut command = director(folder.path(), &virtual_server());
    command.env("LD_PRELOAD", &stand_in);
    let ours = Node::start(command);
    ours.until(&["real_server_down", "10.8.0.2", "BFD session b is down"]);
    ours.until(&["real_server_up", "10.8.0.2", "BFD session b is up"]);
    theirs.signal(Signal::SIGSTOP);
    ours.until(&["real_server_down", "10.8.0.2", "nothing heard"]);
    // A reload tells the check again what is known, and nothing of it changes.
    ours.signal(Signal::SIGHUP);
    theirs.signal(Signal::SIGCONT);
    ours.until(&["real_server_up", "10.8.0.2", "BFD session b is up"]);
}

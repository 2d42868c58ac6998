//! The checks of a running director: what several virtual servers want is checked once, a reload forgets nothing, and
//! servers that die together are one mail.
//!
//! It needs root for a network namespace, and a C compiler: `benches/checks/ipvs-stand-in.c` takes the IPVS commands.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that fails may panic, and says when it cannot run"
)]

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Far longer than anything here takes, so that a busy machine does not fail the test.
const PATIENCE: Duration = Duration::from_secs(60);

/// Virtual servers that share one real server.
const SHARING: usize = 3;

struct Daemon {
    child: Child,
    lines: Receiver<String>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Daemon {
    fn start(folder: &Path, stand_in: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_director"))
            .args(["run", "--log-format", "json", "--config"])
            .arg(folder.join("director.conf"))
            .arg("--state-dir")
            .arg(folder.join("state"))
            .env("LD_PRELOAD", stand_in)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        Self { child, lines }
    }

    /// Waits for a line with all of these words, and gives what came before it.
    fn until(&self, words: &[&str]) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if words.iter().all(|word| line.contains(word)) => return seen,
                Ok(line) => seen.push(line),
                Err(error) => panic!("{words:?}: {error}\n{}", seen.join("\n")),
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill(
            Pid::from_raw(i32::try_from(self.child.id()).unwrap()),
            signal,
        )
        .unwrap();
    }

    /// Attempts of the first check of each virtual server.
    fn attempts(folder: &Path) -> Vec<u64> {
        let output = Command::new(env!("CARGO_BIN_EXE_director"))
            .args(["status", "--json", "--state-dir"])
            .arg(folder.join("state"))
            .output()
            .unwrap();
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let servers = status["virtual_servers"].as_array().unwrap();
        let attempts = |server: &serde_json::Value| {
            let check = &server["real_servers"][0]["checks"][0];
            check["attempts"]
                .as_u64()
                .unwrap_or_else(|| panic!("{status:#}"))
        };
        servers.iter().map(attempts).collect()
    }
}

/// Answers every request with 200 and tells of it, until it is told to close its port.
fn web(told: Sender<Instant>, close: Receiver<()>) -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            if close.try_recv().is_ok() {
                return;
            }
            let _ = told.send(Instant::now());
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    port
}

/// Takes every mail and gives its text.
fn mailbox() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (send, mails) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = (&stream).write_all(b"220 mail\r\n");
            let (mut text, mut in_text) = (String::new(), false);
            for line in BufReader::new(&stream).lines().map_while(Result::ok) {
                let answer: &[u8] = match line.as_str() {
                    "." if in_text => {
                        let _ = send.send(std::mem::take(&mut text));
                        in_text = false;
                        b"250 taken\r\n"
                    }
                    _ if in_text => {
                        let _ = writeln!(text, "{line}");
                        continue;
                    }
                    "DATA" => {
                        in_text = true;
                        b"354 go on\r\n"
                    }
                    _ => b"250 well\r\n",
                };
                let _ = (&stream).write_all(answer);
            }
        }
    });
    (port, mails)
}

/// The virtual servers that share a real server, and one with three of its own. They are mailed about at the end.
fn configuration(web: u16, mail: u16, weight: u32) -> String {
    let real = |address: &str, weight: u32| {
        format!(
            "    real_server {address} {web} {{\n        weight {weight}\n        HTTP_GET {{\n            url {{\n                path /\n                \
             status_code 200\n            }}\n            connect_timeout 5\n            retry 0\n        }}\n    }}\n"
        )
    };
    let mut text = format!(
        "global_defs {{\n    notification_email {{\n        ops@example.org\n    }}\n    notification_email_from lb@example.org\n    \
         smtp_server 127.0.0.1 {mail}\n    smtp_batch_delay 3600\n    smtp_alert_checker\n}}\n"
    );
    let server = |number: usize| {
        format!(
            "virtual_server 10.9.9.{number} 80 {{\n    delay_loop 1\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n"
        )
    };
    for number in 1..=SHARING {
        text += &server(number);
        text += &real("127.0.0.1", if number == 1 { weight } else { 1 });
        text += "}\n";
    }
    text += &server(9);
    for last in 2..=4 {
        text += &real(&format!("127.0.0.{last}"), 1);
    }
    text + "}\n"
}

fn stand_in(folder: &Path) -> Option<std::path::PathBuf> {
    let library = folder.join("stand-in.so");
    let source = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../benches/checks/ipvs-stand-in.c"
    );
    let built = Command::new("cc")
        .args(["-O1", "-shared", "-fPIC", "-o"])
        .arg(&library)
        .args([source, "-ldl"])
        .status();
    built
        .is_ok_and(|status| status.success())
        .then_some(library)
}

/// A network namespace of this thread's own, and what stands in for its IPVS; `None` if that cannot be here.
fn namespace(folder: &Path) -> Option<std::path::PathBuf> {
    if !Uid::effective().is_root() {
        println!("skipped: only root can make network namespaces");
        return None;
    }
    let Some(library) = stand_in(folder) else {
        println!("skipped: no C compiler");
        return None;
    };
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    let up = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status();
    assert!(up.unwrap().success());
    Some(library)
}

/// A port that takes connections until it is dropped.
struct Port {
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Port {
    fn open(number: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", number)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(Duration::from_millis(5)) == Err(RecvTimeoutError::Timeout) {
                while listener.accept().is_ok() {}
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        let _ = self.stop.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn damping_holds_a_server_down_but_never_the_last_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let Some(library) = namespace(path) else {
        return;
    };
    let (flapping, steady) = (8001, 8002);
    let real = |port: u16| {
        format!(
            "    real_server 127.0.0.1 {port} {{\n        TCP_CHECK {{\n            connect_timeout 5\n            retry 0\n        }}\n    }}\n"
        )
    };
    let text = format!(
        "virtual_server 10.9.9.1 80 {{\n    delay_loop 1\n    lb_algo wrr\n    lb_kind NAT\n    protocol TCP\n    weight 40\n    \
         slow_start 3600\n    flap_damping 3600\n    flap_limit 1\n{}{}}}\n",
        real(flapping),
        real(steady)
    );
    std::fs::write(path.join("director.conf"), text).unwrap();
    let first = Port::open(flapping);
    let second = Port::open(steady);
    let daemon = Daemon::start(path, &library);
    daemon.until(&["\"started\""]);
    let flaps = format!("127.0.0.1:{flapping}");
    let flaps = flaps.as_str();

    drop(first);
    daemon.until(&["real_server_down", flaps]);
    let first = Port::open(flapping);
    // Its weight grows from a twentieth on.
    daemon.until(&["slow_start", flaps, "5%"]);
    drop(first);
    daemon.until(&["held_down", flaps, "flap_damping"]);
    // Its port is open again, but only when nobody else is left it is let up.
    let _first = Port::open(flapping);
    drop(second);
    let before = daemon.until(&["recovered", flaps, "the quorum is missing"]);
    assert!(
        !before.iter().any(|line| line.contains("real_server_up")),
        "{before:#?}"
    );
    daemon.until(&["real_server_up", flaps]);
    daemon.until(&["quorum_gained"]);
}

#[test]
fn shared_checks_reloads_and_a_rack_that_dies() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let Some(library) = namespace(path) else {
        return;
    };

    let (told, requests) = channel();
    let (close, closed) = channel();
    let web = web(told, closed);
    let (mail, mails) = mailbox();
    let file = path.join("director.conf");
    std::fs::write(&file, configuration(web, mail, 1)).unwrap();
    let daemon = Daemon::start(path, &library);
    daemon.until(&["\"started\""]);

    // Six servers have four checks, as three want the same. Seven rounds of four take at least five seconds, however
    // late some of them were; if each server were checked by itself they would come in less than five rounds.
    let times: Vec<Instant> = (0..28)
        .map(|_| requests.recv_timeout(PATIENCE).unwrap())
        .collect();
    let took = times[27] - times[0];
    assert!(took >= Duration::from_secs(5), "{took:?}");
    let before = Daemon::attempts(path);
    assert!(
        before[..SHARING].iter().all(|count| *count == before[0]),
        "{before:?}"
    );

    // A reload that changes a weight: the checks go on counting.
    std::fs::write(&file, configuration(web, mail, 2)).unwrap();
    daemon.signal(Signal::SIGHUP);
    let lines = daemon.until(&["reload_done"]);
    assert!(
        !lines.iter().any(|line| line.contains("real_server_")),
        "{lines:#?}"
    );
    let after = Daemon::attempts(path);
    assert!(
        after
            .iter()
            .zip(&before)
            .all(|(after, before)| after >= before),
        "{before:?} {after:?}"
    );

    // All die at once.
    close.send(()).unwrap();
    drop(TcpStream::connect(("127.0.0.1", web)));
    for _ in 0..SHARING + 3 {
        daemon.until(&["real_server_down"]);
    }
    // A server that is down stays so over a reload, without another word.
    std::fs::write(&file, configuration(web, mail, 3)).unwrap();
    daemon.signal(Signal::SIGHUP);
    let lines = daemon.until(&["reload_done"]);
    assert!(
        !lines.iter().any(|line| line.contains("real_server_")),
        "{lines:#?}"
    );

    // What was held for the mail goes out with the end.
    daemon.signal(Signal::SIGTERM);
    let text = mails.recv_timeout(PATIENCE).unwrap();
    for server in 1..=SHARING {
        let alert = format!(
            "Realserver [127.0.0.1]:tcp:{web} of virtual server [10.9.9.{server}]:tcp:80 - DOWN"
        );
        assert!(text.contains(&alert), "{alert}\n{text}");
    }
    for last in 2..=4 {
        let alert = format!(
            "Realserver [127.0.0.{last}]:tcp:{web} of virtual server [10.9.9.9]:tcp:80 - DOWN"
        );
        assert!(text.contains(&alert), "{alert}\n{text}");
    }
    assert!(text.contains("6 Realserver DOWN"), "{text}");
    assert!(
        mails.recv_timeout(Duration::from_secs(1)).is_err(),
        "one mail"
    );
}

//! What scripts, FIFOs and mails are told, against Debian's keepalived with the same configuration.
//!
//! Both run at the same time, each in a network namespace of its own, and live through the same: start, mastership, a failing
//! script, its recovery, the end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that fails may panic, and says when it cannot run"
)]

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Far longer than anything here takes, so that a busy machine does not fail the test.
const PATIENCE: Duration = Duration::from_secs(90);

/// Lines by the object that they are about: different objects' scripts and mails overtake one another.
type ByObject = BTreeMap<String, Vec<String>>;

/// What one program has told.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    fifo: ByObject,
    scripts: ByObject,
    mails: ByObject,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Program {
    Keepalived,
    Director,
}

struct Node {
    folder: PathBuf,
    child: Child,
    mails: Receiver<String>,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(folder: &Path, program: Program) -> String {
    let folder = folder.display();
    let instance = |name: &str, vrid: u8, tracks: &str| {
        let script = |keyword: &str, word: &str| {
            format!("    {keyword} \"{folder}/told.sh {name} {word}\"\n")
        };
        let scripts: String = [
            ("notify_master", "own-master"),
            ("notify_backup", "own-backup"),
            ("notify_fault", "own-fault"),
            ("notify_stop", "own-stop"),
            ("notify", "any"),
        ]
        .map(|(keyword, word)| script(keyword, word))
        .concat();
        format!(
            "vrrp_instance {name} {{\n    interface veth0\n    virtual_router_id {vrid}\n    priority 100\n    \
             advert_int 1\n    virtual_ipaddress {{\n        10.9.0.{vrid}/24\n    }}\n    track_script {{\n        {tracks}\n    }}\n{scripts}}}\n"
        )
    };
    let own = match program {
        Program::Keepalived => "",
        Program::Director => "    smtp_batch_delay 0\n",
    };
    format!(
        "global_defs {{\n    router_id R1\n    notification_email {{\n        a@x.org\n    }}\n    notification_email_from k@x.org\n    \
         smtp_server 127.0.0.1 2525\n    smtp_alert true\n    notify_fifo {folder}/fifo\n    notify_fifo_script \"{folder}/read.sh\"\n    \
         vrrp_notify_priority_changes true\n    script_user root\n{own}}}\n\
         vrrp_script fault {{\n    script \"/usr/bin/test ! -e {folder}/flag\"\n    interval 1\n}}\n\
         vrrp_script weight {{\n    script \"/usr/bin/test ! -e {folder}/flag\"\n    interval 1\n    weight -20\n}}\n\
         vrrp_sync_group G {{\n    group {{\n        V1\n        V2\n    }}\n    notify \"{folder}/told.sh G any\"\n    notify_fault \"{folder}/told.sh G own-fault\"\n}}\n\
         {}{}{}",
        instance("V1", 51, "fault"),
        instance("V2", 52, "fault"),
        instance("V3", 53, "weight"),
    )
}

fn ip(arguments: &str) {
    let status = Command::new("ip")
        .args(arguments.split(' '))
        .status()
        .unwrap();
    assert!(status.success(), "ip {arguments}");
}

fn script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Starts the program in a network namespace of the calling thread.
fn start(program: Program, folder: &Path) -> Node {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    ip("link set lo up");
    ip("link add veth0 type veth peer name veth1");
    ip("addr add 10.9.0.1/24 dev veth0");
    ip("link set veth1 up");
    ip("link set veth0 up");
    let at = folder.display();
    // A line at once, so that scripts that run side by side do not mix theirs.
    script(
        &folder.join("told.sh"),
        &format!("echo \"$*\" >> {at}/scripts"),
    );
    script(
        &folder.join("read.sh"),
        &format!("while read -r line; do echo \"$line\" >> {at}/lines; done < \"$1\""),
    );
    let config = folder.join("keepalived.conf");
    std::fs::write(&config, configuration(folder, program)).unwrap();
    let mails = mail_server();
    let config = config.to_str().unwrap();
    let mut command = match program {
        Program::Director => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_director"));
            let state = folder.join("state");
            command.args([
                "run",
                "--config",
                config,
                "--state-dir",
                state.to_str().unwrap(),
            ]);
            command
        }
        Program::Keepalived => {
            let mut command = Command::new("keepalived");
            command.args(["-n", "-l", "-D", "-P", "-f", config]);
            command.args(["-p", &format!("{at}/k.pid"), "-r", &format!("{at}/v.pid")]);
            command
        }
    };
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    Node {
        folder: folder.to_owned(),
        child,
        mails,
    }
}

/// A mail server; every mail comes as subject and first line of its body.
fn mail_server() -> Receiver<String> {
    let listener = TcpListener::bind("127.0.0.1:2525").unwrap();
    let (send, mails) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let send = send.clone();
            std::thread::spawn(move || take_mail(stream.unwrap(), &send));
        }
    });
    mails
}

fn take_mail(mut stream: TcpStream, mails: &Sender<String>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    stream.write_all(b"220 test\r\n").ok()?;
    let (mut data, mut subject, mut body) = (false, String::new(), Vec::new());
    while let Some(Ok(line)) = lines.next() {
        let reply: &[u8] = match line.as_str() {
            "." if data => {
                data = false;
                let _ = mails.send(format!(
                    "{subject} | {}",
                    body.first().cloned().unwrap_or_default()
                ));
                b"250 ok\r\n"
            }
            _ if data => {
                if let Some(text) = line.strip_prefix("Subject: ") {
                    subject = text.to_owned();
                } else if line.starts_with("=>") {
                    body.push(line);
                }
                continue;
            }
            "DATA" => {
                data = true;
                b"354 go\r\n"
            }
            "QUIT" => b"221 bye\r\n",
            _ => b"250 ok\r\n",
        };
        stream.write_all(reply).ok()?;
    }
    Some(())
}

impl Node {
    fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until the FIFO has brought all of these, and the scripts and mails have had their time.
    fn until(&self, wanted: &[&str], after: usize) {
        let begin = Instant::now();
        loop {
            let lines = self.lines("lines");
            let new = lines.get(after..).unwrap_or_default();
            if wanted
                .iter()
                .all(|wanted| new.iter().any(|line| line == wanted))
            {
                return;
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "{wanted:?} not all in {new:?}\n{}",
                self.lines("log").join("\n")
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until so many lines are in the file.
    fn until_count(&self, name: &str, count: usize) {
        let begin = Instant::now();
        while self.lines(name).len() < count {
            assert!(begin.elapsed() < PATIENCE, "{:?}", self.lines(name));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn live(mut self, mails: usize, scripts: usize) -> Told {
        let all = |state: &str| {
            [
                format!("INSTANCE \"V1\" {state} 100"),
                format!("INSTANCE \"V2\" {state} 100"),
                format!("GROUP \"G\" {state} 0"),
            ]
        };
        let check = |wanted: &[String], after: usize| {
            let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
            self.until(&wanted, after);
        };
        let mut masters = all("MASTER").to_vec();
        masters.push("INSTANCE \"V3\" MASTER 100".to_owned());
        check(&masters, 0);
        let before = self.lines("lines").len();
        std::fs::write(self.folder.join("flag"), "").unwrap();
        let mut faults = all("FAULT").to_vec();
        faults.push("INSTANCE \"V3\" MASTER_PRIORITY 80".to_owned());
        check(&faults, before);
        let before = self.lines("lines").len();
        std::fs::remove_file(self.folder.join("flag")).unwrap();
        let mut masters = all("MASTER").to_vec();
        masters.push("INSTANCE \"V3\" MASTER_PRIORITY 100".to_owned());
        check(&masters, before);
        self.until_count("scripts", scripts);
        let mut told = Told::default();
        for _ in 0..mails {
            let mail = self.mails.recv_timeout(PATIENCE).unwrap();
            let object = mail.split(" - ").next().unwrap().to_owned();
            told.mails.entry(object).or_default().push(mail);
        }
        for line in self.lines("lines") {
            let object = line.split('"').nth(1).unwrap().to_owned();
            told.fifo.entry(object).or_default().push(line);
        }
        kill(
            Pid::from_raw(i32::try_from(self.child.id()).unwrap()),
            Signal::SIGTERM,
        )
        .unwrap();
        self.child.wait().unwrap();
        // Three instances, each with two scripts for the end; keepalived tells groups too.
        self.until_count("scripts", scripts + 6);
        for line in self.lines("scripts") {
            let object = line.split(' ').next().unwrap().to_owned();
            told.scripts.entry(object).or_default().push(line);
        }
        for lines in told.scripts.values_mut() {
            // keepalived starts them side by side, so those of one moment come in any order.
            lines.sort();
        }
        for mails in told.mails.values_mut() {
            mails.sort();
        }
        told
    }
}

#[test]
fn the_same_is_told_as_by_keepalived() {
    if !Uid::effective().is_root() {
        println!("skipped: only root can make network namespaces");
        return;
    }
    if Command::new("keepalived")
        .arg("--version")
        .output()
        .is_err()
    {
        println!("skipped: keepalived is not installed");
        return;
    }
    let run = |program: Program| {
        std::thread::spawn(move || {
            let folder = tempfile::tempdir().unwrap();
            // Three instances and a group, each told BACKUP, MASTER, and but for V3 FAULT, BACKUP, MASTER.
            start(program, folder.path()).live(17, 30)
        })
    };
    let (theirs, ours) = (run(Program::Keepalived), run(Program::Director));
    let (theirs, ours) = (theirs.join().unwrap(), ours.join().unwrap());
    assert_eq!(ours.fifo, theirs.fifo);
    assert_eq!(ours.mails, theirs.mails);
    assert_eq!(ours.scripts, theirs.scripts);
}

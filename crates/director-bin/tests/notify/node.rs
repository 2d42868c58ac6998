//! A program in a network namespace, and everything it tells.

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
pub(crate) type ByObject = BTreeMap<String, Vec<String>>;

/// What one program has told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) fifo: ByObject,
    pub(crate) scripts: ByObject,
    pub(crate) mails: ByObject,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Keepalived,
    Director,
}

/// A running program.
pub(crate) struct Node {
    pub(crate) folder: PathBuf,
    child: Child,
    mails: Receiver<String>,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether such a test can run here; if not, says why.
pub(crate) fn possible() -> bool {
    if !Uid::effective().is_root() {
        println!("skipped: only root can make network namespaces");
        return false;
    }
    if Command::new("keepalived")
        .arg("--version")
        .output()
        .is_err()
    {
        println!("skipped: keepalived is not installed");
        return false;
    }
    true
}

/// `global_defs` with mail and a FIFO that a script reads; `more` lines are added.
pub(crate) fn globals(folder: &Path, program: Program, more: &str) -> String {
    let folder = folder.display();
    let own = match program {
        Program::Keepalived => "",
        Program::Director => "smtp_batch_delay 0",
    };
    format!(
        "global_defs {{
    router_id R1
    notification_email {{
        a@x.org
    }}
    notification_email_from k@x.org
    smtp_server 127.0.0.1 2525
    smtp_alert true
    notify_fifo {folder}/fifo
    notify_fifo_script \"{folder}/read.sh\"
    script_user root
    {own}
    {more}
}}
"
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

impl Node {
    /// Starts the program in a new network namespace of the calling thread. `options` are for keepalived: which of its
    /// processes are wanted. `prepare` runs inside before.
    pub(crate) fn start<T>(
        program: Program,
        options: &str,
        folder: &Path,
        configuration: &str,
        prepare: impl FnOnce() -> T,
    ) -> (Self, T) {
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
            // The shell drops the NUL behind lines about servers.
            &format!("while read -r line; do echo \"$line\" >> {at}/lines; done < \"$1\""),
        );
        let config = folder.join("keepalived.conf");
        std::fs::write(&config, configuration).unwrap();
        let mails = mail_server();
        let prepared = prepare();
        let config = config.to_str().unwrap();
        let mut command = match program {
            Program::Director => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_director"));
                let state = folder.join("state");
                let state = state.to_str().unwrap();
                command.args(["run", "--config", config, "--state-dir", state]);
                command
            }
            Program::Keepalived => {
                let mut command = Command::new("keepalived");
                command.args(["-n", "-l", "-D", options, "-f", config]);
                for (option, name) in [("-p", "p.pid"), ("-r", "r.pid"), ("-c", "c.pid")] {
                    command.arg(option).arg(folder.join(name));
                }
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
        let node = Self {
            folder: folder.to_owned(),
            child,
            mails,
        };
        (node, prepared)
    }

    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until all of these are among the FIFO's lines behind the first `after`; tells how many lines there are.
    pub(crate) fn until(&self, wanted: &[&str], after: usize) -> usize {
        let begin = Instant::now();
        loop {
            let lines = self.lines("lines");
            let new = lines.get(after..).unwrap_or_default();
            if wanted
                .iter()
                .all(|wanted| new.iter().any(|line| line == wanted))
            {
                return lines.len();
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "{wanted:?} not all in {new:?}\n{}",
                self.lines("log").join("\n")
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the scripts have left so many lines.
    pub(crate) fn until_scripts(&self, count: usize) {
        let begin = Instant::now();
        while self.lines("scripts").len() < count {
            let lines = self.lines("scripts");
            assert!(
                begin.elapsed() < PATIENCE,
                "{} of {count}: {lines:?}",
                lines.len()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The next mails, by what stands before the hyphen in their subject.
    pub(crate) fn mails(&self, count: usize) -> ByObject {
        let mut mails = ByObject::new();
        for number in 0..count {
            let Ok(mail) = self.mails.recv_timeout(PATIENCE) else {
                panic!("{number} of {count}: {mails:?}");
            };
            let object = mail.split(" - ").next().unwrap().to_owned();
            mails.entry(object).or_default().push(mail);
        }
        for mails in mails.values_mut() {
            // keepalived sends them side by side, so they come in any order.
            mails.sort();
        }
        mails
    }

    /// The FIFO's lines by what stands at that place.
    pub(crate) fn fifo(&self, object: impl Fn(&str) -> &str) -> ByObject {
        let mut fifo = ByObject::new();
        for line in self.lines("lines") {
            fifo.entry(object(&line).to_owned()).or_default().push(line);
        }
        fifo
    }

    /// The scripts' lines by their first word.
    pub(crate) fn scripts(&self) -> ByObject {
        let mut scripts = ByObject::new();
        for line in self.lines("scripts") {
            let object = line.split(' ').next().unwrap().to_owned();
            scripts.entry(object).or_default().push(line);
        }
        for lines in scripts.values_mut() {
            // keepalived starts them side by side, so those of one moment come in any order.
            lines.sort();
        }
        scripts
    }

    /// Ends the program in its own way.
    pub(crate) fn stop(&mut self) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(id, Signal::SIGTERM).unwrap();
        self.child.wait().unwrap();
    }
}

/// A mail server; every mail comes as subject and first line of keepalived's text.
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
    let (mut data, mut subject, mut body) = (false, String::new(), String::new());
    while let Some(Ok(line)) = lines.next() {
        let reply: &[u8] = match line.as_str() {
            "." if data => {
                data = false;
                let _ = mails.send(format!("{subject} | {body}"));
                b"250 ok\r\n"
            }
            _ if data => {
                if let Some(text) = line.strip_prefix("Subject: ") {
                    subject = text.to_owned();
                } else if line.starts_with("=>") {
                    body = line;
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

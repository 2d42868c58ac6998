//! A second process that takes the virtual addresses off when the director dies without a word.
//!
//! After SIGKILL or a lack of memory the addresses stay where they are, as keepalived's do, while another router becomes
//! master and has them too. `director run --guardian` starts a small process that knows which addresses are held: it is
//! told over a pipe, whose end is the end of the director. In order the director says goodbye before. An address that came in
//! the last instant may not have been told yet; the next start of a director takes it off.
//!
//! Lines on the pipe: `+ INTERFACE ADDRESS LENGTH`, `- INTERFACE ADDRESS LENGTH`, `goodbye`.

use crate::daemon::restrict_privileges;
use crate::exit::Exit;
use crate::output;
use std::collections::BTreeSet;
use std::io::{BufRead, Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use vrrp_net::{Event, Snapshot};

/// The hidden sub-command that it is started with.
const COMMAND: &str = "guardian";
/// The longest line that is read.
const LONGEST: u64 = 256;
/// What is kept for a guardian that does not read; beyond that it is taken for dead.
const UNREAD: usize = 1024 * 1024;
/// Owner of addresses that are there whoever is master; they do no harm.
const STATIC: &str = "static_ipaddress";

type Held = (String, IpAddr, u8);

/// The director's end.
#[derive(Debug)]
pub(crate) struct Guardian {
    child: Child,
    /// `None` when the guardian is gone.
    pipe: Option<ChildStdin>,
    /// What the pipe had no room for.
    unsent: Vec<u8>,
}

impl Guardian {
    /// Starts the process. Before threads and before privileges are given up.
    pub(crate) fn start() -> std::io::Result<Self> {
        let mut child = Command::new("/proc/self/exe")
            .arg0("director-guardian")
            .arg(COMMAND)
            // What ends the director from a terminal must not end it as well.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let pipe = child.stdin.take();
        if let Some(pipe) = &pipe {
            let flags = nix::fcntl::OFlag::O_NONBLOCK;
            nix::fcntl::fcntl(pipe, nix::fcntl::FcntlArg::F_SETFL(flags))?;
        }
        Ok(Self {
            child,
            pipe,
            unsent: Vec::new(),
        })
    }

    /// Tells what is held already, such as after taking over from another director.
    pub(crate) fn know(&mut self, snapshot: &Snapshot) {
        let held = snapshot.instances.values().flat_map(|one| &one.addresses);
        for held in held {
            let (interface, address, length) = (&held.interface, held.address, held.prefix_length);
            self.say(&format!("+ {interface} {address} {length}\n"));
        }
    }

    /// Tells what has changed.
    pub(crate) fn note(&mut self, event: &Event) {
        match event {
            Event::AddressAdded {
                instance,
                address,
                prefix_length,
                interface,
            } if **instance != *STATIC => {
                self.say(&format!("+ {interface} {address} {prefix_length}\n"));
            }
            Event::AddressRemoved {
                address,
                prefix_length,
                interface,
                ..
            } => self.say(&format!("- {interface} {address} {prefix_length}\n")),
            _ => {}
        }
    }

    fn say(&mut self, line: &str) {
        let Some(pipe) = &mut self.pipe else {
            return;
        };
        self.unsent.extend(line.as_bytes());
        let gone = loop {
            match pipe.write(&self.unsent) {
                Ok(written) => {
                    self.unsent.drain(..written.min(self.unsent.len()));
                    if self.unsent.is_empty() {
                        return;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if self.unsent.len() < UNREAD {
                        return;
                    }
                    break "it does not read".to_owned();
                }
                Err(error) => break error.to_string(),
            }
        };
        self.pipe = None;
        self.unsent = Vec::new();
        tracing::warn!(
            event = "guardian_gone",
            reason = gone,
            "the guardian is gone, so addresses would stay after a crash: {gone}"
        );
    }

    /// Ends it: everything is in order, or somebody else has the addresses in hand.
    pub(crate) fn goodbye(mut self) {
        self.say("goodbye\n");
        if self.unsent.is_empty() {
            drop(self.pipe.take());
            // Nothing depends on how it ends.
            let _ = self.child.wait();
        }
    }
}

/// The process itself: listens until the pipe ends.
pub(crate) fn serve() -> Exit {
    // A stop of all processes of a service must not end it before the director.
    let signals = [
        nix::sys::signal::Signal::SIGTERM,
        nix::sys::signal::Signal::SIGINT,
        nix::sys::signal::Signal::SIGHUP,
    ];
    let blocked: nix::sys::signal::SigSet = signals.into_iter().collect();
    if blocked.thread_block().is_err() || restrict_privileges().is_err() {
        return Exit::Other;
    }
    // It is small, and of no use when it goes first; not every system allows it.
    let _ = std::fs::write("/proc/self/oom_score_adj", "-1000");
    let Some(held) = listen(std::io::stdin().lock()) else {
        return Exit::Success;
    };
    if held.is_empty() {
        return Exit::Success;
    }
    let held: Vec<Held> = held.into_iter().collect();
    match vrrp_net::remove_addresses(&held) {
        Ok(0) => Exit::Success,
        Ok(count) => {
            output::print_error(format_args!(
                "director-guardian: the director ended without a word, {count} virtual address(es) removed\n"
            ));
            Exit::Success
        }
        Err(error) => {
            output::print_error(format_args!(
                "director-guardian: the director ended without a word, and its addresses cannot be removed: {error}\n"
            ));
            Exit::Failure
        }
    }
}

/// What is held when the pipe ends; `None` after a goodbye.
fn listen(mut lines: impl BufRead) -> Option<BTreeSet<Held>> {
    let mut held = BTreeSet::new();
    let mut line = String::new();
    loop {
        line.clear();
        let read = (&mut lines).take(LONGEST).read_line(&mut line);
        match read {
            Ok(1..) => {}
            Ok(0) => return Some(held),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return Some(held),
        }
        let mut words = line.split_whitespace();
        let kind = words.next();
        if kind == Some("goodbye") {
            return None;
        }
        let (Some(interface), Some(address), Some(length)) = (
            words.next(),
            words.next().and_then(|word| word.parse().ok()),
            words.next().and_then(|word| word.parse().ok()),
        ) else {
            continue;
        };
        let one = (interface.to_owned(), address, length);
        if kind == Some("+") {
            held.insert(one);
        } else {
            held.remove(&one);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_known_at_the_end() {
        let text = "+ eth0 10.0.0.1 32\n+ eth0 10.0.0.2 24\n- eth0 10.0.0.1 32\njunk\n+ eth0 x 1\n+ eth1 fe80::1 64\n";
        let held = listen(text.as_bytes()).unwrap();
        let held: Vec<_> = held
            .iter()
            .map(|(name, address, _)| format!("{name} {address}"))
            .collect();
        assert_eq!(held, ["eth0 10.0.0.2", "eth1 fe80::1"]);
    }

    #[test]
    fn after_a_goodbye_nothing_is_to_be_done() {
        assert_eq!(listen("+ eth0 10.0.0.1 32\ngoodbye\n".as_bytes()), None);
        assert_eq!(listen("".as_bytes()), Some(BTreeSet::new()));
    }
}

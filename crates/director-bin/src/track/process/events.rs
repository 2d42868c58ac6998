//! Process events of the kernel (netlink connector, `linux/cn_proc.h`).

use super::sys;
use nix::sys::socket::{MsgFlags, NetlinkAddr, bind, recv, send};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// `NETLINK_CONNECTOR` of `linux/netlink.h`.
const NETLINK_CONNECTOR: i32 = 11;
/// `CN_IDX_PROC` and `CN_VAL_PROC`: process events, and their multicast group.
const CN_PROC: u32 = 1;
/// `PROC_CN_MCAST_LISTEN`.
const LISTEN: u32 = 1;
/// `NLMSG_DONE`, which is what the connector uses.
const NLMSG_DONE: u16 = 3;
/// Length of `struct nlmsghdr`.
const NETLINK_HEADER: usize = 16;
/// Length of `struct cn_msg` before its data.
const CONNECTOR_HEADER: usize = 20;
/// How long the kernel has to say that it will tell.
const ANSWER: Duration = Duration::from_secs(1);
/// Room for events while the loop is busy; a fork and its end are two.
const BUFFER: usize = 4 * 1024 * 1024;

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happened {
    /// This process has begun, or runs another program, or has another name.
    Process(i32),
    /// This process has ended.
    Ended(i32),
    /// More than could be told.
    Missed,
}

/// The kernel's answer to the wish for events, or an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    Answer {
        error: u32,
    },
    Happened(Happened),
    /// Of a single thread, or of no interest.
    Other,
}

/// A subscription.
#[derive(Debug)]
pub(super) struct ProcessEvents {
    socket: AsyncFd<Socket>,
}

impl ProcessEvents {
    /// Asks the kernel for events. It does not tell processes in other namespaces, and does not say so either: then no answer
    /// comes.
    pub(super) async fn subscribe() -> io::Result<Self> {
        let domain = Domain::from(libc::AF_NETLINK);
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::from(NETLINK_CONNECTOR)))?;
        socket.set_nonblocking(true)?;
        // The default would do for quiet machines.
        let _ = socket.set_recv_buffer_size(BUFFER);
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, CN_PROC))?;
        send(socket.as_raw_fd(), &wish(), MsgFlags::empty())?;
        let events = Self {
            socket: sys::register(socket)?,
        };
        let answer = async {
            loop {
                match events.message().await {
                    Some(Message::Answer { error: 0 }) => return Ok(()),
                    Some(Message::Answer { error }) => {
                        return Err(io::Error::from_raw_os_error(
                            i32::try_from(error).unwrap_or(libc::EPERM),
                        ));
                    }
                    Some(_) => {}
                    None => return Err(io::ErrorKind::BrokenPipe.into()),
                }
            }
        };
        match tokio::time::timeout(ANSWER, answer).await {
            Ok(answer) => answer.map(|()| events),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// What happens next.
    pub(super) async fn next(&self) -> Happened {
        loop {
            match self.message().await {
                Some(Message::Happened(happened)) => return happened,
                Some(_) => {}
                None => return Happened::Missed,
            }
        }
    }

    /// The next message; `None` if some were lost.
    async fn message(&self) -> Option<Message> {
        let mut buffer = [0; 1024];
        loop {
            let mut ready = self.socket.readable().await.ok()?;
            let read = ready.try_io(|socket| {
                recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()).map_err(io::Error::from)
            });
            match read {
                Ok(Ok(length)) => {
                    return Some(read_message(buffer.get(..length).unwrap_or_default()));
                }
                Ok(Err(_)) => return None,
                // Somebody else was faster: it was not ready after all.
                Err(_) => {}
            }
        }
    }
}

/// The message that asks for events.
fn wish() -> Vec<u8> {
    let length = NETLINK_HEADER + CONNECTOR_HEADER + 4;
    let mut message = Vec::with_capacity(length);
    message.extend_from_slice(&u32::try_from(length).unwrap_or(0).to_ne_bytes());
    message.extend_from_slice(&NLMSG_DONE.to_ne_bytes());
    // Flags, sequence number, sender.
    message.extend_from_slice(&[0; 10]);
    message.extend_from_slice(&CN_PROC.to_ne_bytes());
    message.extend_from_slice(&CN_PROC.to_ne_bytes());
    // Sequence number, acknowledgement.
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&4_u16.to_ne_bytes());
    message.extend_from_slice(&[0; 2]);
    message.extend_from_slice(&LISTEN.to_ne_bytes());
    message
}

fn read_message(message: &[u8]) -> Message {
    // `struct proc_event`: what, processor, time, then what belongs to the kind of event.
    let word = |at: usize| {
        let at = NETLINK_HEADER + CONNECTOR_HEADER + at;
        let octets = message.get(at..at.checked_add(4)?)?;
        octets.try_into().ok().map(u32::from_ne_bytes)
    };
    let pid = |at: usize| word(at).and_then(|pid| i32::try_from(pid).ok());
    // Each event names a thread and its process; only whole processes count.
    let whole = |thread: usize| {
        let (thread, process) = (pid(thread)?, pid(thread.checked_add(4)?)?);
        (thread == process).then_some(process)
    };
    let event = match word(0) {
        Some(0) => return word(16).map_or(Message::Other, |error| Message::Answer { error }),
        Some(0x1) => whole(24).map(Happened::Process),
        // A thread that executes a program becomes the process.
        Some(0x2) => pid(20).map(Happened::Process),
        Some(0x200) => whole(16).map(Happened::Process),
        Some(0x8000_0000) => whole(16).map(Happened::Ended),
        _ => None,
    };
    event.map_or(Message::Other, Message::Happened)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(words: &[u32]) -> Vec<u8> {
        let mut message = vec![0; NETLINK_HEADER + CONNECTOR_HEADER];
        message.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        message
    }

    #[test]
    fn events_are_read() {
        for (words, expected) in [
            (&[0, 0, 0, 0, 0][..], Message::Answer { error: 0 }),
            (&[0, 0, 0, 0, 1], Message::Answer { error: 1 }),
            (
                &[1, 0, 0, 0, 7, 7, 8, 8],
                Message::Happened(Happened::Process(8)),
            ),
            (&[1, 0, 0, 0, 7, 7, 9, 8], Message::Other),
            (&[2, 0, 0, 0, 8, 8], Message::Happened(Happened::Process(8))),
            (
                &[0x200, 0, 0, 0, 8, 8],
                Message::Happened(Happened::Process(8)),
            ),
            (
                &[0x8000_0000, 0, 0, 0, 8, 8],
                Message::Happened(Happened::Ended(8)),
            ),
            (&[0x8000_0000, 0, 0, 0, 9, 8], Message::Other),
            (&[4, 0, 0, 0, 8, 8], Message::Other),
        ] {
            assert_eq!(read_message(&event(words)), expected, "{words:?}");
        }
    }

    #[test]
    fn the_wish_has_the_kernel_s_layout() {
        let wish = wish();
        assert_eq!(
            (wish.len(), wish.first()),
            (40, Some(&40_u32.to_ne_bytes()[0]))
        );
    }

    proptest! {
        #[test]
        fn nothing_that_comes_panics(message in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = read_message(&message);
        }
    }
}

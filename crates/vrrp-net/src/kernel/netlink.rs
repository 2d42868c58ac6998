//! Requests over a routing socket, in batches, each answered before the call returns.
//!
//! The kernel carries out a routing request while it takes it, so waiting for the answer costs nothing that an
//! asynchronous client would save.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::AddressMessage;
use rtnetlink::packet_route::link::LinkMessage;
use rtnetlink::sys::{Socket, protocols::NETLINK_ROUTE};
use rustix::net::{RecvFlags, SendFlags};

use super::message::{self, Incoming};
use super::{AddressTable, Change, EntryChange, KernelAddress, Link, LinkSetup, Notice};
use super::{routing, virtual_link};
use crate::sys::Pages;
use crate::virtual_link::VirtualLink;

/// Messages sent at once; their answers fit the smallest receive buffer.
const BATCH: usize = 64;
/// Longest wait for an answer. The kernel answers at once unless somebody holds its routing lock for long.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Dumps that the kernel says were disturbed by changes are repeated this often.
const DUMP_ATTEMPTS: usize = 8;
/// The kernel's datagrams are at most 32 KiB; links with many attributes come close.
pub(super) const DATAGRAM: usize = 64 * 1024;

/// A routing socket for requests.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: Socket,
    sequence: u32,
    buffer: Pages,
    mark: Option<u8>,
    route_mark: u8,
}

impl Netlink {
    pub(crate) fn open(mark: Option<u8>, route_mark: u8) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket2::SockRef::from(&socket.as_fd()).set_read_timeout(Some(ANSWER_TIMEOUT))?;
        // Answers without a copy of the request are shorter; an old kernel sends the longer ones.
        let _ = socket.set_cap_ack(true);
        // Lets the kernel choose routes by protocol instead of listing all; before 4.20 it lists all.
        let _ = socket.set_netlink_get_strict_chk(true);
        Ok(Self {
            socket,
            sequence: 0,
            buffer: Pages::new(DATAGRAM)?,
            mark,
            route_mark,
        })
    }

    /// Removals of all routes and rules that carry our mark.
    pub(crate) fn marked_entries(&mut self) -> io::Result<Vec<RouteNetlinkMessage>> {
        let mut found = Vec::new();
        for request in routing::dump_requests(self.route_mark) {
            // Rules and routes of other owners are left out here where the kernel does not choose for us.
            let entries = self.dump(&request)?.into_iter();
            found.extend(entries.filter_map(|incoming| match incoming {
                Incoming::Entry(message) => routing::marked_removal(*message, self.route_mark),
                _ => None,
            }));
        }
        Ok(found)
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1).max(1);
        self.sequence
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        rustix::net::send(self.socket.as_fd(), bytes, SendFlags::empty())?;
        Ok(())
    }

    fn dump(&mut self, request: &RouteNetlinkMessage) -> io::Result<Vec<Incoming>> {
        for _ in 0..DUMP_ATTEMPTS {
            if let Some(found) = self.dump_once(request.clone())? {
                return Ok(found);
            }
        }
        Err(io::Error::other(
            "the kernel's tables change too fast to be read",
        ))
    }

    /// `None` if the dump was disturbed.
    fn dump_once(&mut self, request: RouteNetlinkMessage) -> io::Result<Option<Vec<Incoming>>> {
        let wanted = self.next_sequence();
        self.send(&message::encode(
            request,
            wanted,
            NLM_F_REQUEST | NLM_F_DUMP,
        ))?;
        let mut found = Vec::new();
        let mut whole = true;
        loop {
            let length = self.receive()?;
            for (incoming, disturbed) in
                message::decode(self.buffer.get(..length).unwrap_or_default())
            {
                whole &= !disturbed;
                match incoming {
                    incoming @ (Incoming::Notice(_) | Incoming::Entry(_)) => found.push(incoming),
                    Incoming::Done(sequence) if sequence == wanted => {
                        return Ok(whole.then_some(found));
                    }
                    Incoming::Answer(sequence, Err(error)) if sequence == wanted => {
                        return Err(error);
                    }
                    _ => {}
                }
            }
        }
    }

    fn receive(&mut self) -> io::Result<usize> {
        loop {
            match rustix::net::recv(self.socket.as_fd(), &mut *self.buffer, RecvFlags::empty()) {
                Ok((length, _)) => return Ok(length),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the kernel did not answer",
                    ));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends the requests, [`BATCH`] at a time, and collects an answer for each.
    fn exchange(&mut self, requests: Vec<(RouteNetlinkMessage, u16)>) -> Vec<io::Result<()>> {
        let mut answers = Vec::with_capacity(requests.len());
        let mut requests = requests.into_iter().peekable();
        while requests.peek().is_some() {
            let batch: Vec<_> = requests.by_ref().take(BATCH).collect();
            answers.extend(self.exchange_batch(batch));
        }
        answers
    }

    fn exchange_one(&mut self, request: (RouteNetlinkMessage, u16)) -> io::Result<()> {
        let answer = self.exchange(vec![request]).pop();
        answer.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }

    fn exchange_batch(&mut self, requests: Vec<(RouteNetlinkMessage, u16)>) -> Vec<io::Result<()>> {
        let mut missing = requests.len();
        let mut results: Vec<Option<io::Result<()>>> = requests.iter().map(|_| None).collect();
        let mut bytes = Vec::new();
        let mut first = 0;
        for (position, (message, flags)) in requests.into_iter().enumerate() {
            let sequence = self.next_sequence();
            if position == 0 {
                first = sequence;
            }
            bytes.extend(message::encode(message, sequence, flags));
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        let mut outcome = self.send(&bytes);
        while outcome.is_ok() && missing > 0 {
            match self.receive() {
                Ok(length) => {
                    for (incoming, _) in
                        message::decode(self.buffer.get(..length).unwrap_or_default())
                    {
                        let Incoming::Answer(sequence, result) = incoming else {
                            continue;
                        };
                        let position =
                            usize::try_from(sequence.wrapping_sub(first)).unwrap_or(usize::MAX);
                        if let Some(slot @ None) = results.get_mut(position) {
                            *slot = Some(result);
                            missing -= 1;
                        }
                    }
                }
                Err(error) => outcome = Err(error),
            }
        }
        let lost = outcome
            .err()
            .map_or(io::ErrorKind::Other, |error| error.kind());
        results
            .into_iter()
            .map(|result| {
                result.unwrap_or_else(|| Err(io::Error::new(lost, "the kernel did not answer")))
            })
            .collect()
    }
}

impl AddressTable for Netlink {
    fn links(&mut self) -> io::Result<Vec<Link>> {
        let notices = self.dump(&RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
        let links = notices.into_iter().filter_map(|incoming| match incoming {
            Incoming::Notice(Notice::Link(link)) => Some(link),
            _ => None,
        });
        Ok(links.collect())
    }

    fn addresses(&mut self) -> io::Result<Vec<KernelAddress>> {
        let notices = self.dump(&RouteNetlinkMessage::GetAddress(AddressMessage::default()))?;
        let addresses = notices.into_iter().filter_map(|incoming| match incoming {
            Incoming::Notice(Notice::Address(address)) => Some(address),
            _ => None,
        });
        Ok(addresses.collect())
    }

    fn apply(&mut self, changes: &[Change]) -> Vec<io::Result<()>> {
        let requests = |changes: &[Change], mark| {
            let requests = changes
                .iter()
                .map(|change| message::change_request(change, mark));
            requests.collect()
        };
        let answers = self.exchange(requests(changes, self.mark));
        let mut results = Vec::with_capacity(changes.len());
        for (change, answer) in changes.iter().zip(answers) {
            let answer = match answer {
                // A kernel that checks strictly and does not know the mark.
                Err(error)
                    if self.mark.is_some()
                        && matches!(change, Change::Add(_))
                        && error.raw_os_error()
                            == Some(rustix::io::Errno::INVAL.raw_os_error()) =>
                {
                    let unmarked = requests(std::slice::from_ref(change), None);
                    let unmarked = self.exchange(unmarked).pop().unwrap_or(Err(error));
                    if unmarked.is_ok() {
                        self.mark = None;
                    }
                    unmarked
                }
                answer => answer,
            };
            results.push(settled(change, answer));
        }
        results
    }

    fn apply_entries(&mut self, changes: &[EntryChange<'_>]) -> Vec<io::Result<bool>> {
        let requests = changes.iter().map(|change| match change {
            EntryChange::Add(entry) => entry.addition(self.route_mark),
            EntryChange::Remove(entry) => entry.removal(self.route_mark),
        });
        let requests = requests.collect();
        let answers = self.exchange(requests).into_iter();
        answers.zip(changes).map(settled_entry).collect()
    }

    fn remove_marked_entries(&mut self) -> io::Result<usize> {
        let found = self.marked_entries()?;
        let flags = NLM_F_REQUEST | NLM_F_ACK;
        let requests = found.into_iter().map(|message| (message, flags)).collect();
        let removed = self.exchange(requests).into_iter().filter(Result::is_ok);
        Ok(removed.count())
    }

    fn make_link(&mut self, link: &VirtualLink, base: u32) -> io::Result<()> {
        self.exchange_one(virtual_link::creation(link, base))
    }

    fn set_up_link(&mut self, index: u32, setup: &LinkSetup<'_>) -> io::Result<()> {
        self.exchange_one(virtual_link::setup(index, setup))
    }

    fn remove_link(&mut self, index: u32) -> io::Result<()> {
        match self.exchange_one(virtual_link::removal(index)) {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
            result => result,
        }
    }
}

/// Adding what is there and removing what is not change nothing, and are no failure.
fn settled_entry((answer, change): (io::Result<()>, &EntryChange<'_>)) -> io::Result<bool> {
    use rustix::io::Errno;

    let Err(error) = answer else { return Ok(true) };
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    match (change, errno) {
        (EntryChange::Add(_), Some(Errno::EXIST)) => Ok(false),
        (EntryChange::Remove(_), Some(Errno::SRCH | Errno::NOENT | Errno::NODEV)) => Ok(false),
        _ => Err(error),
    }
}

/// Adding what is there and removing what is not are what was wanted.
fn settled(change: &Change, answer: io::Result<()>) -> io::Result<()> {
    use rustix::io::Errno;

    let Err(error) = answer else { return Ok(()) };
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    match (change, errno) {
        (Change::Add(_), Some(Errno::EXIST)) => Ok(()),
        (Change::Remove(_), Some(Errno::ADDRNOTAVAIL | Errno::NODEV)) => Ok(()),
        _ => Err(error),
    }
}

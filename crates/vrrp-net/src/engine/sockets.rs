//! The advert sockets in use, and who uses them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::rc::Rc;

use tokio::io::unix::AsyncFd;
use tokio::task::JoinHandle;

use crate::settings::Settings;
use crate::wire::{AdvertSocket, SocketKey};

/// Sockets by interface, family and protocol, each shared by all instances there.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    open: BTreeMap<SocketKey, Shared>,
    /// Opened since the last [`Sockets::take_new`]: nobody reads from them yet.
    new: Vec<Rc<AsyncFd<AdvertSocket>>>,
    receive_buffer: Option<usize>,
    /// Sockets let in the packets of all virtual routers.
    everything: bool,
}

#[derive(Debug)]
struct Shared {
    socket: Rc<AsyncFd<AdvertSocket>>,
    users: usize,
    /// Multicast groups with the number of users of each.
    groups: BTreeMap<IpAddr, usize>,
    /// Virtual router ids whose packets are let in. Each has one user.
    vrids: BTreeSet<u8>,
    /// Last words of addresses that are let in under any id.
    addresses: BTreeSet<u32>,
    reader: Option<JoinHandle<()>>,
    /// What its users asked for, by virtual router id.
    room: BTreeMap<u8, usize>,
    /// Packets of all virtual routers are let in.
    everything: bool,
    interface: String,
    quiet: Option<Quiet>,
}

/// A second socket for what need not wake anybody: ordinary adverts that a backup hears. It is read before anything else
/// happens, and the packets bring the times of their arrival, so that nothing differs but the number of wake-ups.
#[derive(Debug)]
struct Quiet {
    socket: Rc<AdvertSocket>,
    vrids: BTreeSet<u8>,
}

impl Shared {
    fn admit(&self) -> io::Result<()> {
        let none = BTreeSet::new();
        let ordinary = self.quiet.as_ref().map_or(&none, |quiet| &quiet.vrids);
        let all;
        let vrids = if self.everything {
            all = (1..=u8::MAX).collect();
            &all
        } else {
            &self.vrids
        };
        self.socket
            .get_ref()
            .admit(vrids, ordinary, &self.addresses)
    }

    /// Opens the quiet socket, in all groups of the other.
    fn open_quiet(&self, key: SocketKey) -> io::Result<Quiet> {
        let socket = AdvertSocket::open(key, &self.interface, None)?;
        let vrids = BTreeSet::new();
        socket.admit_ordinary(&vrids)?;
        socket.make_quiet()?;
        for group in self.groups.keys() {
            socket.join(*group)?;
        }
        let socket = Rc::new(socket);
        Ok(Quiet { socket, vrids })
    }

    /// Has ordinary adverts of these virtual routers go to the quiet socket. While it changes one may be lost, but none is
    /// taken twice.
    fn hush(&mut self, key: SocketKey, wanted: &BTreeSet<u8>) -> io::Result<()> {
        if self.quiet.is_none() {
            if wanted.is_empty() {
                return Ok(());
            }
            self.quiet = Some(self.open_quiet(key)?);
        }
        let Some(quiet) = &mut self.quiet else {
            return Ok(());
        };
        if quiet.vrids == *wanted {
            return Ok(());
        }
        let both: BTreeSet<u8> = quiet.vrids.intersection(wanted).copied().collect();
        quiet.socket.admit_ordinary(&both)?;
        quiet.vrids.clone_from(wanted);
        self.admit()?;
        match &self.quiet {
            Some(quiet) => quiet.socket.admit_ordinary(wanted),
            None => Ok(()),
        }
    }
}

/// What an instance uses; given back by [`Sockets::leave`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attachment {
    pub(super) key: SocketKey,
    pub(super) vrid: u8,
    pub(super) group: Option<IpAddr>,
}

impl Sockets {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            receive_buffer: settings.receive_buffer,
            everything: settings.tell_unknown_routers,
            ..Self::default()
        }
    }

    /// Opens the socket if nobody has, and joins the group if nobody has.
    pub(super) fn join(&mut self, wanted: Attachment, interface: &str) -> io::Result<()> {
        if !self.open.contains_key(&wanted.key) {
            let socket = AdvertSocket::open(wanted.key, interface, self.receive_buffer)?;
            let socket = Rc::new(crate::sys::watch(socket)?);
            self.new.push(Rc::clone(&socket));
            let shared = Shared {
                socket,
                users: 0,
                groups: BTreeMap::new(),
                vrids: BTreeSet::new(),
                addresses: BTreeSet::new(),
                reader: None,
                room: BTreeMap::new(),
                everything: self.everything,
                interface: interface.to_owned(),
                quiet: None,
            };
            self.open.insert(wanted.key, shared);
        }
        let Some(shared) = self.open.get_mut(&wanted.key) else {
            return Ok(());
        };
        shared.users += 1;
        shared.vrids.insert(wanted.vrid);
        // The filter comes before the membership: nothing foreign gets in between.
        let mut result = shared.admit();
        if let (Some(group), true) = (wanted.group, result.is_ok()) {
            if !shared.groups.contains_key(&group) {
                result = shared.socket.get_ref().join(group);
                if let (Some(quiet), true) = (&shared.quiet, result.is_ok()) {
                    result = quiet.socket.join(group);
                }
            }
            if result.is_ok() {
                *shared.groups.entry(group).or_insert(0) += 1;
            }
        }
        if result.is_err() {
            self.leave(Attachment {
                group: None,
                ..wanted
            });
        }
        result
    }

    /// Makes room for what one user receives.
    pub(super) fn make_room(&mut self, user: &Attachment, bytes: usize) -> io::Result<()> {
        let Some(shared) = self.open.get_mut(&user.key) else {
            return Ok(());
        };
        if shared.room.insert(user.vrid, bytes) == Some(bytes) {
            return Ok(());
        }
        let sum = shared.room.values().sum::<usize>();
        let sum = sum.max(self.receive_buffer.unwrap_or(0));
        shared.socket.get_ref().set_receive_buffer(sum)
    }

    /// Also lets packets in that list one of these addresses, given by their last words per interface and family.
    pub(super) fn watch_for(&mut self, addresses: &BTreeMap<(u32, bool), BTreeSet<u32>>) {
        for (key, shared) in &mut self.open {
            let wanted = addresses.get(&(key.index, key.ipv6));
            let wanted = wanted.cloned().unwrap_or_default();
            if wanted != shared.addresses {
                shared.addresses = wanted;
                // Without it only somebody with a wrong id stays unnoticed.
                let _ = shared.admit();
            }
        }
    }

    /// Leaves the group and closes the socket when the last user does.
    pub(super) fn leave(&mut self, given_back: Attachment) {
        let Some(shared) = self.open.get_mut(&given_back.key) else {
            return;
        };
        if let Some(group) = given_back.group
            && let Some(users) = shared.groups.get_mut(&group)
        {
            *users = users.saturating_sub(1);
            if *users == 0 {
                shared.groups.remove(&group);
                // Fails only when the interface is gone, and with it the membership.
                let _ = shared.socket.get_ref().leave(group);
                if let Some(quiet) = &shared.quiet {
                    let _ = quiet.socket.leave(group);
                }
            }
        }
        shared.users = shared.users.saturating_sub(1);
        shared.vrids.remove(&given_back.vrid);
        if shared.users > 0 {
            // Fails only for want of memory; a wider filter than needed does no harm.
            let _ = shared.admit();
        }
        if shared.users == 0
            && let Some(shared) = self.open.remove(&given_back.key)
        {
            self.new
                .retain(|socket| socket.get_ref().key() != given_back.key);
            if let Some(reader) = shared.reader {
                reader.abort();
            }
        }
    }

    /// Has ordinary adverts of these virtual routers wake nobody. Says what went wrong.
    pub(super) fn hush(&mut self, wanted: &BTreeMap<SocketKey, BTreeSet<u8>>) -> Option<io::Error> {
        let none = BTreeSet::new();
        let mut failure = None;
        for (key, shared) in &mut self.open {
            let wanted = wanted.get(key).unwrap_or(&none);
            // Who wants to see everything sees it in one place.
            let wanted = if shared.everything { &none } else { wanted };
            if let Err(error) = shared.hush(*key, wanted) {
                shared.quiet = None;
                failure = Some(error);
                // All packets come to the other socket then.
                let _ = shared.admit();
            }
        }
        failure
    }

    /// The quiet ones.
    pub(super) fn quiet(&self) -> Vec<Rc<AdvertSocket>> {
        let quiet = self
            .open
            .values()
            .filter_map(|shared| shared.quiet.as_ref());
        quiet.map(|quiet| Rc::clone(&quiet.socket)).collect()
    }

    /// All that are open.
    pub(super) fn all(&self) -> Vec<Rc<AsyncFd<AdvertSocket>>> {
        self.open
            .values()
            .map(|shared| Rc::clone(&shared.socket))
            .collect()
    }

    /// Has nobody read; what comes in waits. Each then needs a new reader.
    pub(super) fn pause(&mut self) {
        for shared in self.open.values_mut() {
            if let Some(reader) = shared.reader.take() {
                reader.abort();
                self.new.push(Rc::clone(&shared.socket));
            }
        }
    }

    pub(super) fn socket(&self, key: &SocketKey) -> Option<&AdvertSocket> {
        self.open.get(key).map(|shared| shared.socket.get_ref())
    }

    /// Sockets that need a reader.
    pub(super) fn take_new(&mut self) -> Vec<Rc<AsyncFd<AdvertSocket>>> {
        std::mem::take(&mut self.new)
    }

    /// Notes who reads from a socket; ends at once if the socket has been closed since.
    pub(super) fn set_reader(&mut self, key: &SocketKey, reader: JoinHandle<()>) {
        match self.open.get_mut(key) {
            Some(shared) => shared.reader = Some(reader),
            None => reader.abort(),
        }
    }
}

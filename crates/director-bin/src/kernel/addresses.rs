//! The addresses of this machine, and when they change.

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket,
};
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use tokio::net::UnixDatagram;

/// Addresses of both families: `RTMGRP_IPV4_IFADDR` and `RTMGRP_IPV6_IFADDR` of `linux/rtnetlink.h`.
const GROUPS: u32 = 0x10 | 0x100;

/// Tells when addresses come or go.
#[derive(Debug)]
pub(crate) struct AddressWatch {
    /// A netlink socket. It is received from like a Unix datagram socket, which is all that is needed here.
    socket: UnixDatagram,
}

impl AddressWatch {
    /// Listens from now on. Needs a tokio runtime.
    pub(crate) fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            flags,
            SockProtocol::NetlinkRoute,
        )?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
        let socket = UnixDatagram::from_std(socket.into())?;
        Ok(Self { socket })
    }

    /// Waits for a change. What exactly has changed must be read: notifications may be lost, the fact that some were is not.
    pub(crate) async fn changed(&self) -> io::Result<()> {
        let mut buffer = [0_u8; 8192];
        let lost = |error: &io::Error| error.raw_os_error() == Some(Errno::ENOBUFS as i32);
        match self.socket.recv(&mut buffer).await {
            Err(error) if !lost(&error) => return Err(error),
            _ => {}
        }
        // Those that wait behind it tell nothing more.
        while self.socket.try_recv(&mut buffer).is_ok() {}
        Ok(())
    }
}

/// All addresses of this machine.
pub(crate) fn local_addresses() -> io::Result<BTreeSet<IpAddr>> {
    let entries = nix::ifaddrs::getifaddrs()?;
    let addresses = entries.filter_map(|entry| {
        let address = entry.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    });
    Ok(addresses.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sched::{CloneFlags, unshare};
    use std::process::Command;

    #[test]
    fn a_new_address_is_told() {
        let ip = |words: &str| {
            let ran = Command::new("ip").args(words.split(' ')).status();
            ran.is_ok_and(|status| status.success())
        };
        // A thread of its own: the namespace stays with it.
        let test = std::thread::spawn(move || {
            if unshare(CloneFlags::CLONE_NEWNET).is_err() || !ip("link set lo up") {
                println!("skipped: needs root and the program ip");
                return;
            }
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let watch = AddressWatch::open().unwrap();
                let address: IpAddr = "192.0.2.7".parse().unwrap();
                assert!(!local_addresses().unwrap().contains(&address));
                assert!(ip("address add 192.0.2.7/32 dev lo"));
                watch.changed().await.unwrap();
                assert!(local_addresses().unwrap().contains(&address));
            });
        });
        test.join().unwrap();
    }

    #[test]
    fn the_loopback_address_is_there() {
        let addresses = local_addresses().unwrap();
        if addresses.is_empty() {
            println!("skipped: this network namespace has no addresses");
            return;
        }
        assert!(addresses.iter().any(IpAddr::is_loopback), "{addresses:?}");
    }
}

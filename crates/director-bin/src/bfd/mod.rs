//! BFD sessions (`bfd_instance`): a neighbour that falls silent is noticed within milliseconds.
//!
//! The protocol is in `bfd-proto`. Here are its sockets, on a thread of their own: sessions that send every ten milliseconds
//! cannot wait for the daemon's loop. What happens is reported, and goes to the trackers of VRRP and to `BFD_CHECK`.

mod engine;
mod socket;

use crate::track::Report;
use bfd_proto::SessionConfig;
use std::net::IpAddr;
use tokio::sync::mpsc;

/// A `bfd_instance` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BfdPlan {
    /// Its name.
    pub(crate) name: String,
    /// The other end.
    pub(crate) neighbour: IpAddr,
    /// Our end; `None` leaves it to the kernel.
    pub(crate) source: Option<IpAddr>,
    /// Over routers (RFC 5883), on another port.
    pub(crate) multihop: bool,
    /// Hop limit of what we send.
    pub(crate) hop_limit: u8,
    /// How many hops away the neighbour may be; `None` does not look.
    pub(crate) max_hops: Option<u8>,
    /// Intervals and the like.
    pub(crate) session: SessionConfig,
}

/// The name of a session for the VRRP engine, where scripts have names too.
pub(crate) fn bfd_tracker(name: &str) -> String {
    format!("bfd {name}")
}

/// The session that a name for the VRRP engine stands for.
pub(crate) fn session_of(tracker: &str) -> Option<&str> {
    tracker.strip_prefix("bfd ")
}

/// The way to the thread. Dropping it takes all sessions down, which the neighbours are told.
#[derive(Debug)]
pub(crate) struct Bfd {
    orders: mpsc::UnboundedSender<Vec<BfdPlan>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Bfd {
    /// Starts the thread. Changes of state go to `reports`.
    pub(crate) fn start(reports: mpsc::Sender<Report>) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (orders, waiting) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name("bfd".to_owned())
            .spawn(move || runtime.block_on(engine::run(waiting, reports)))?;
        Ok(Self {
            orders,
            thread: Some(thread),
        })
    }

    /// Has exactly these sessions. Those that are unchanged go on.
    pub(crate) fn replace(&self, plans: Vec<BfdPlan>) {
        // The thread only ends when this is dropped.
        let _ = self.orders.send(plans);
    }
}

impl Drop for Bfd {
    fn drop(&mut self) {
        let (closed, _) = mpsc::unbounded_channel();
        drop(std::mem::replace(&mut self.orders, closed));
        if let Some(thread) = self.thread.take() {
            // It sends one last packet for each session and ends.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;

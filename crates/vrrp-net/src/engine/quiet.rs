//! Ordinary adverts, which wake nobody.
//!
//! What a backup hears from its master, second by second, only puts its deadline off. So it waits in a socket of its own
//! ([`Sockets::hush`](super::sockets::Sockets::hush)) until something else is to be done, or a deadline comes: then the
//! packets are taken first, each with the time of its arrival. Resignations, and everything a master hears, come at once.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use vrrp_proto::{Instant, State};

use super::core::Core;
use crate::wire::SocketKey;

/// When the quiet sockets are read.
#[derive(Debug)]
pub(super) struct QuietTime {
    /// When they were read last.
    last: Instant,
    /// When they are read at the latest, so that they do not run over.
    pub(super) due: Option<Instant>,
    /// How often that is.
    period: Option<Duration>,
    /// An instance has changed its state or its socket since they were sorted.
    pub(super) resort: bool,
}

impl QuietTime {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            last: now,
            due: None,
            period: None,
            resort: false,
        }
    }
}

/// Adverts that may wait, by count: the buffer holds more than ten times as many.
const WAITING: f64 = 256.0;
/// The bounds of the time between two readings.
const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_secs(10);

impl Core {
    /// Takes in the adverts that wait, as of the moments they came.
    pub(super) fn read_quiet(&mut self) {
        let Some(period) = self.quiet.period else {
            return;
        };
        let now = self.clock.now();
        let wall = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        // The clock of the wall may be set at any time; but nothing came before the last reading.
        let most = now.saturating_duration_since(self.quiet.last);
        let inbox = Rc::clone(&self.inbox);
        for socket in self.sockets.quiet() {
            let key = socket.key();
            let mut receive = || {
                socket.receive(&mut inbox.borrow_mut(), |received, arrived| {
                    let age =
                        arrived.map_or(Duration::ZERO, |arrived| wall.saturating_sub(arrived));
                    let age = u64::try_from(age.min(most).as_micros()).unwrap_or(0);
                    let at = Instant::from_micros(now.as_micros().saturating_sub(age));
                    self.on_packet(key, received, at);
                })
            };
            // Ends with an error when there are no more.
            while matches!(receive(), Ok(true)) {}
        }
        self.quiet.last = now;
        self.quiet.due = Some(now + period);
        self.drain_touched();
    }

    /// Has the adverts of backups wait, and those of all others come at once.
    pub(super) fn sort_listening(&mut self) {
        if !std::mem::take(&mut self.quiet.resort) {
            return;
        }
        let mut ordinary: BTreeMap<SocketKey, BTreeSet<u8>> = BTreeMap::new();
        let mut rate = 0.0;
        for instance in self.instances.values() {
            let Some(attachment) = instance.attachment else {
                continue;
            };
            if instance.router.state() != State::Backup {
                continue;
            }
            ordinary
                .entry(attachment.key)
                .or_default()
                .insert(attachment.vrid);
            let interval = instance.config.router.interval;
            let learned = instance.router.master_interval();
            rate += 1.0 / interval.min(learned).as_duration().as_secs_f64();
        }
        if let Some(error) = self.sockets.hush(&ordinary) {
            let message = format!("cannot let adverts wait, each wakes the thread: {error}");
            self.notice(message);
        }
        // What came before the change is taken as it was.
        self.read_quiet();
        let now = self.clock.now();
        if ordinary.is_empty() {
            self.quiet.period = None;
            self.quiet.due = None;
            return;
        }
        let period = Duration::from_secs_f64(WAITING / f64::max(rate, 0.001));
        let period = period.clamp(SHORTEST, LONGEST);
        if self.quiet.period.replace(period).is_none() {
            self.quiet.last = now;
        }
        self.quiet.due = Some(self.quiet.last + period);
    }
}

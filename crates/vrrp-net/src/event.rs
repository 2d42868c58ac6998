//! What the engine tells: transitions with their reasons, addresses, warnings.

use std::cell::RefCell;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::mpsc;

use crate::State;

/// Something that happened, in the order in which it happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// An instance changed its state. The addresses follow as events of their own.
    Transition {
        /// Its name.
        instance: Arc<str>,
        /// The state left.
        from: State,
        /// The state entered.
        to: State,
        /// Effective priority at that moment, 0–255.
        priority: u8,
        /// Why.
        reason: Reason,
        /// When, on the monotonic clock.
        at: Instant,
    },
    /// A synchronisation group changed its state.
    GroupTransition {
        /// Its name.
        group: Arc<str>,
        /// The state left.
        from: State,
        /// The state entered.
        to: State,
        /// When, on the monotonic clock.
        at: Instant,
    },
    /// The effective priority of an instance changed without a transition.
    PriorityChanged {
        /// Its name.
        instance: Arc<str>,
        /// Before, 0–255.
        from: u8,
        /// Now, 0–255.
        to: u8,
        /// The sum that gives it, such as `100 - 20 (chk_nginx down) = 80`.
        arithmetic: String,
    },
    /// A virtual address was put on an interface.
    AddressAdded {
        /// The instance it belongs to.
        instance: Arc<str>,
        /// The address.
        address: IpAddr,
        /// Its prefix length.
        prefix_length: u8,
        /// The interface.
        interface: Arc<str>,
    },
    /// A virtual address was taken off an interface.
    AddressRemoved {
        /// The instance it belonged to; `None` for what an earlier run left behind.
        instance: Option<Arc<str>>,
        /// The address.
        address: IpAddr,
        /// Its prefix length.
        prefix_length: u8,
        /// The interface.
        interface: Arc<str>,
    },
    /// Somebody else removed a virtual address while its instance was master; it is back.
    AddressRestored {
        /// The instance it belongs to.
        instance: Arc<str>,
        /// The address.
        address: IpAddr,
        /// The interface.
        interface: Arc<str>,
    },
    /// A route or rule was added.
    EntryAdded {
        /// The instance it belongs to; `None` for static ones.
        instance: Option<Arc<str>>,
        /// The route or rule, such as `route 10.7.0.0/16 via 10.0.0.1`.
        entry: String,
    },
    /// A route or rule was removed.
    EntryRemoved {
        /// The instance it belonged to; `None` for static ones and what an earlier run left behind.
        instance: Option<Arc<str>>,
        /// The route or rule.
        entry: String,
    },
    /// Somebody else removed a route or rule while it was wished; it is back.
    EntryRestored {
        /// The instance it belongs to; `None` for static ones.
        instance: Option<Arc<str>>,
        /// The route or rule.
        entry: String,
    },
    /// Packets were dropped. One event stands for all with one reason since the last such event.
    PacketIgnored {
        /// The instance, if the packet came as far as one.
        instance: Option<Arc<str>>,
        /// The interface it came in on.
        interface: Arc<str>,
        /// Why, such as `checksum is 0x1234, expected 0x4321`.
        reason: String,
        /// The sender of the last one.
        source: IpAddr,
        /// How many since the last such event.
        count: u64,
    },
    /// Another router claims to be master while this one is.
    Contested {
        /// The instance.
        instance: Arc<str>,
        /// The other one's address.
        by: IpAddr,
        /// Its priority, 0–255.
        priority: u8,
    },
    /// A reload gave an instance another name; nothing else happened to it.
    Renamed {
        /// Its name before.
        from: Arc<str>,
        /// Its name now.
        to: Arc<str>,
    },
    /// An instance goes on where the process before this one stopped.
    Resumed {
        /// The instance.
        instance: Arc<str>,
        /// The state it has kept.
        state: State,
    },
    /// An instance starts afresh, though the process before this one handed it over.
    NotResumed {
        /// The instance.
        instance: Arc<str>,
        /// Why, such as `it is 4s old, too late to continue`.
        reason: String,
    },
    /// While master, an advert of lower priority came (`notify_master_rx_lower_pri`): another router does not hear
    /// this one. At most one of these within an advert interval.
    LowerPriority {
        /// The instance.
        instance: Arc<str>,
        /// The sender.
        source: IpAddr,
        /// Its priority, 1–254, or the same with a smaller address.
        priority: u8,
    },
    /// Something was done to the machine that an operator should find in the log.
    Notice {
        /// The instance concerned, if one is.
        instance: Option<Arc<str>>,
        /// What was done.
        message: String,
    },
    /// Something an operator should know; the text says what to do.
    Warning {
        /// The instance concerned, if one is.
        instance: Option<Arc<str>>,
        /// What is wrong.
        message: String,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transition {
                instance,
                from,
                to,
                priority,
                reason,
                ..
            } => {
                write!(
                    f,
                    "{instance}: {from} -> {to} at priority {priority}: {reason}"
                )
            }
            Self::GroupTransition {
                group, from, to, ..
            } => write!(f, "group {group}: {from} -> {to}"),
            Self::PriorityChanged {
                instance,
                from,
                to,
                arithmetic,
            } => {
                write!(f, "{instance}: priority {from} -> {to} ({arithmetic})")
            }
            Self::AddressAdded {
                instance,
                address,
                prefix_length,
                interface,
            } => {
                write!(
                    f,
                    "{instance}: {address}/{prefix_length} added to {interface}"
                )
            }
            Self::AddressRemoved {
                instance,
                address,
                prefix_length,
                interface,
            } => {
                let owner = instance.as_deref().unwrap_or("left over");
                write!(
                    f,
                    "{owner}: {address}/{prefix_length} removed from {interface}"
                )
            }
            Self::AddressRestored {
                instance,
                address,
                interface,
            } => {
                write!(
                    f,
                    "{instance}: {address} had been removed from {interface} by somebody else, it is back"
                )
            }
            Self::EntryAdded { instance, entry } => {
                told_of(f, instance.as_deref())?;
                write!(f, "added {entry}")
            }
            Self::EntryRemoved { instance, entry } => {
                told_of(f, instance.as_deref())?;
                write!(f, "removed {entry}")
            }
            Self::EntryRestored { instance, entry } => {
                told_of(f, instance.as_deref())?;
                write!(f, "{entry} was removed by somebody else, put it back")
            }
            Self::PacketIgnored {
                instance,
                interface,
                reason,
                source,
                count,
            } => {
                if let Some(instance) = instance {
                    write!(f, "{instance}: ")?;
                }
                write!(
                    f,
                    "ignored {count} packet(s) on {interface}, the last from {source}: {reason}"
                )
            }
            Self::Contested {
                instance,
                by,
                priority,
            } => {
                write!(
                    f,
                    "{instance}: {by} also claims to be master, with priority {priority}"
                )
            }
            Self::Renamed { from, to } => write!(f, "{to}: was called {from} before"),
            Self::Resumed { instance, state } => write!(
                f,
                "{instance}: goes on as {state} where the process before this one stopped"
            ),
            Self::NotResumed { instance, reason } => write!(
                f,
                "{instance}: cannot continue from what was handed over, starts afresh: {reason}"
            ),
            Self::LowerPriority {
                instance,
                source,
                priority,
            } => {
                write!(
                    f,
                    "{instance}: {source} speaks as master too, with priority {priority}, which is lower"
                )
            }
            Self::Notice {
                instance: Some(instance),
                message,
            }
            | Self::Warning {
                instance: Some(instance),
                message,
            } => write!(f, "{instance}: {message}"),
            Self::Notice {
                instance: None,
                message,
            }
            | Self::Warning {
                instance: None,
                message,
            } => f.write_str(message),
        }
    }
}

fn told_of(f: &mut fmt::Formatter<'_>, instance: Option<&str>) -> fmt::Result {
    match instance {
        Some(instance) => write!(f, "{instance}: "),
        None => Ok(()),
    }
}

/// Why an instance is in its state. `Display` writes it in words, such as `no source address on eth0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    cause: vrrp_proto::Reason,
    /// Of the instance; `None` for the protocol's own words, which name no interface.
    interface: Option<Arc<str>>,
}

impl Reason {
    /// It is put into words only when somebody reads it: a takeover does not wait for that.
    pub(crate) fn new(cause: vrrp_proto::Reason, interface: &Arc<str>) -> Self {
        Self {
            cause,
            interface: Some(Arc::clone(interface)),
        }
    }

    /// The reason as data.
    #[must_use]
    pub const fn cause(&self) -> &vrrp_proto::Reason {
        &self.cause
    }
}

/// A fault in words, with the name of the interface where that helps.
pub(crate) fn fault_text(fault: &vrrp_proto::Fault, interface: &str) -> String {
    match fault {
        vrrp_proto::Fault::NoSourceAddress => format!("no source address on {interface}"),
        other => other.to_string(),
    }
}

impl From<vrrp_proto::Reason> for Reason {
    /// The reason in the protocol's own words, which name no interface.
    fn from(cause: vrrp_proto::Reason) -> Self {
        Self {
            cause,
            interface: None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.cause, &self.interface) {
            (vrrp_proto::Reason::Fault(fault), Some(interface)) => {
                f.write_str(&fault_text(fault, interface))
            }
            (cause, _) => cause.fmt(f),
        }
    }
}

/// Receiving end of the events. The engine never waits for it: what does not fit is dropped and counted.
#[derive(Debug)]
pub struct Events {
    receiver: mpsc::Receiver<Event>,
    missed: Arc<AtomicU64>,
}

impl Events {
    /// Waits for the next event; `None` when the engine has ended. Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<Event> {
        self.receiver.recv().await
    }

    /// The next event if there is one now.
    pub fn try_recv(&mut self) -> Option<Event> {
        self.receiver.try_recv().ok()
    }

    /// Waits for the next event on a thread that runs no async code; `None` when the engine has ended.
    ///
    /// # Panics
    /// When called from inside an async runtime.
    pub fn recv_blocking(&mut self) -> Option<Event> {
        self.receiver.blocking_recv()
    }

    /// How many events were dropped because nobody took them in time.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

/// Sending end; never waits.
#[derive(Debug)]
pub(crate) struct EventSender {
    sender: mpsc::Sender<Event>,
    missed: Arc<AtomicU64>,
    /// What is held back, in its order; `None` while nothing is.
    held: RefCell<Option<Vec<Event>>>,
}

impl EventSender {
    pub(crate) fn send(&self, event: Event) {
        match &mut *self.held.borrow_mut() {
            Some(held) => held.push(event),
            None => self.hand_on(event),
        }
    }

    /// Holds back what is sent from here on: whoever it wakes may get the processor before what is urgent is done.
    pub(crate) fn hold(&self) {
        self.held.borrow_mut().get_or_insert_default();
    }

    /// How many events are held back.
    pub(crate) fn held(&self) -> usize {
        self.held.borrow().as_ref().map_or(0, Vec::len)
    }

    /// Sends what was held back, and from here on everything at once.
    pub(crate) fn release(&self) {
        let held = self.held.take();
        for event in held.into_iter().flatten() {
            self.hand_on(event);
        }
    }

    fn hand_on(&self, event: Event) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.sender.try_send(event) {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

pub(crate) fn channel(capacity: usize) -> (EventSender, Events) {
    let (sender, receiver) = mpsc::channel(capacity.max(1));
    let missed = Arc::new(AtomicU64::new(0));
    (
        EventSender {
            sender,
            missed: Arc::clone(&missed),
            held: RefCell::new(None),
        },
        Events { receiver, missed },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_channel_drops_and_counts() {
        let (sender, mut events) = channel(2);
        for number in 0..5 {
            sender.send(Event::Warning {
                instance: None,
                message: number.to_string(),
            });
        }
        assert_eq!(events.missed(), 3);
        assert_eq!(events.try_recv().unwrap().to_string(), "0");
        assert_eq!(events.try_recv().unwrap().to_string(), "1");
        assert_eq!(events.try_recv(), None);
    }

    #[test]
    fn what_is_held_back_comes_in_its_order_before_what_follows() {
        let (sender, mut events) = channel(8);
        let warn = |number: u8| {
            sender.send(Event::Warning {
                instance: None,
                message: number.to_string(),
            });
        };
        warn(0);
        sender.hold();
        warn(1);
        warn(2);
        sender.hold();
        assert_eq!(sender.held(), 2);
        assert_eq!(events.try_recv().unwrap().to_string(), "0");
        assert_eq!(events.try_recv(), None);
        sender.release();
        warn(3);
        let rest: Vec<String> = std::iter::from_fn(|| events.try_recv())
            .map(|event| event.to_string())
            .collect();
        assert_eq!(rest, ["1", "2", "3"]);
        assert_eq!(sender.held(), 0);
    }
}

//! A queue between threads that holds so many items and no more, and takes memory only for those that wait: the standard
//! library's own sets up all places of a bounded one at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvError, RecvTimeoutError};
use std::time::Duration;

/// Makes a queue for at most `places` items.
pub(crate) fn bounded<T>(places: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let sender = Sender {
        sender,
        waiting: Arc::clone(&waiting),
        places,
    };
    (sender, Receiver { receiver, waiting })
}

/// Where items go in.
#[derive(Debug)]
pub(crate) struct Sender<T> {
    sender: mpsc::Sender<T>,
    waiting: Arc<AtomicUsize>,
    places: usize,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            waiting: Arc::clone(&self.waiting),
            places: self.places,
        }
    }
}

/// An item was not taken: the queue is full, or nobody listens any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotTaken;

impl<T> Sender<T> {
    /// Puts an item in without waiting.
    pub(crate) fn try_send(&self, item: T) -> Result<(), NotTaken> {
        if self.waiting.fetch_add(1, Ordering::AcqRel) < self.places
            && self.sender.send(item).is_ok()
        {
            return Ok(());
        }
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        Err(NotTaken)
    }
}

/// Where items come out, in order.
#[derive(Debug)]
pub(crate) struct Receiver<T> {
    receiver: mpsc::Receiver<T>,
    waiting: Arc<AtomicUsize>,
}

impl<T> Receiver<T> {
    /// Waits for the next item; an error once nobody can send any more.
    pub(crate) fn recv(&self) -> Result<T, RecvError> {
        self.receiver.recv().inspect(|_| self.taken())
    }

    /// Waits so long at most.
    pub(crate) fn recv_timeout(&self, most: Duration) -> Result<T, RecvTimeoutError> {
        self.receiver.recv_timeout(most).inspect(|_| self.taken())
    }

    fn taken(&self) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_takes_nothing_until_there_is_room() {
        let (sender, receiver) = bounded(2);
        assert_eq!(sender.try_send(1), Ok(()));
        assert_eq!(sender.clone().try_send(2), Ok(()));
        assert_eq!(sender.try_send(3), Err(NotTaken));
        assert_eq!(receiver.recv(), Ok(1));
        assert_eq!(sender.try_send(4), Ok(()));
        assert_eq!(receiver.recv(), Ok(2));
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok(4));
        let empty = receiver.recv_timeout(Duration::ZERO);
        assert_eq!(empty, Err(RecvTimeoutError::Timeout));
        drop(receiver);
        assert_eq!(sender.try_send(5), Err(NotTaken));
    }
}

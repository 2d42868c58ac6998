//! The attempts that run, driven by the task of the monitor itself: an attempt costs no task of
//! its own, and many that end together cost one turn.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::outcome::Outcome;
use crate::probe::Attempt;

/// Where an attempt runs; free again once it has ended.
pub(super) type Slot = u32;

/// Running attempts, each for the check of that number.
#[derive(Default)]
pub(super) struct Attempts {
    slots: Vec<Place>,
    free: Vec<Slot>,
    ready: Arc<Ready>,
    /// Those that are being polled; kept for its memory.
    turn: Vec<Slot>,
}

struct Place {
    attempt: Option<(u64, Attempt<'static>)>,
    bell: Arc<Bell>,
    waker: Waker,
}

/// Those that want to be polled, and whom to tell.
#[derive(Default)]
struct Ready(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    slots: Vec<Slot>,
    monitor: Option<Waker>,
}

impl Ready {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes one attempt.
struct Bell {
    slot: Slot,
    rung: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.rung.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut queue = self.ready.lock();
        queue.slots.push(self.slot);
        let monitor = queue.monitor.take();
        drop(queue);
        if let Some(monitor) = monitor {
            monitor.wake();
        }
    }
}

/// An attempt that has ended.
pub(super) struct Ended {
    pub(super) check: u64,
    /// `None` if its code panicked.
    pub(super) outcome: Option<Outcome>,
}

impl Attempts {
    /// Takes an attempt, which begins at the next [`poll_ended`](Self::poll_ended).
    pub(super) fn start(&mut self, check: u64, attempt: Attempt<'static>) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| self.add());
        if let Some(place) = self.slots.get_mut(slot as usize) {
            place.attempt = Some((check, attempt));
            place.waker.wake_by_ref();
        }
        slot
    }

    fn add(&mut self) -> Slot {
        let slot = Slot::try_from(self.slots.len()).unwrap_or(Slot::MAX);
        let bell = Arc::new(Bell {
            slot,
            rung: AtomicBool::new(false),
            ready: Arc::clone(&self.ready),
        });
        self.slots.push(Place {
            attempt: None,
            waker: Waker::from(Arc::clone(&bell)),
            bell,
        });
        slot
    }

    /// Gives up an attempt.
    pub(super) fn cancel(&mut self, slot: Slot) {
        if let Some(place) = self.slots.get_mut(slot as usize)
            && place.attempt.take().is_some()
        {
            self.free.push(slot);
        }
    }

    /// Polls those that want it. Ready when at least one has ended, which stand in `ended` then.
    pub(super) fn poll_ended(
        &mut self,
        context: &mut Context<'_>,
        ended: &mut Vec<Ended>,
    ) -> Poll<()> {
        let mut turn = std::mem::take(&mut self.turn);
        {
            let mut queue = self.ready.lock();
            std::mem::swap(&mut queue.slots, &mut turn);
            match &mut queue.monitor {
                Some(known) if known.will_wake(context.waker()) => {}
                other => *other = Some(context.waker().clone()),
            }
        }
        for slot in turn.drain(..) {
            let Some(place) = self.slots.get_mut(slot as usize) else {
                continue;
            };
            place.bell.rung.store(false, Ordering::Release);
            let Some((check, attempt)) = &mut place.attempt else {
                continue;
            };
            let mut context = Context::from_waker(&place.waker);
            let polled = catch_unwind(AssertUnwindSafe(|| attempt.as_mut().poll(&mut context)));
            let outcome = match polled {
                Ok(Poll::Pending) => continue,
                Ok(Poll::Ready(outcome)) => Some(outcome),
                Err(_panic) => None,
            };
            let check = *check;
            ended.push(Ended { check, outcome });
            place.attempt = None;
            self.free.push(slot);
        }
        self.turn = turn;
        if ended.is_empty() {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Detail;
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn up() -> Outcome {
        Outcome::from_result(Ok(Detail::Connected), Duration::ZERO)
    }

    #[test]
    fn attempts_run_when_they_are_woken_and_one_wake_serves_all() {
        let counter = Arc::new(Counter(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&counter));
        let mut context = Context::from_waker(&waker);
        let mut attempts = Attempts::default();
        let mut ended = Vec::new();
        let gates: Vec<_> = (0..3)
            .map(|_| tokio::sync::oneshot::channel::<()>())
            .collect();
        let mut senders = Vec::new();
        let mut slots = Vec::new();
        for (check, (sender, receiver)) in (10..).zip(gates) {
            senders.push(sender);
            let attempt = Box::pin(async move {
                let _ = receiver.await;
                up()
            });
            slots.push(attempts.start(check, attempt));
        }
        assert!(attempts.poll_ended(&mut context, &mut ended).is_pending());
        attempts.cancel(slots[1]);
        for sender in senders {
            let _ = sender.send(());
        }
        assert_eq!(counter.0.load(Ordering::SeqCst), 1);
        assert!(attempts.poll_ended(&mut context, &mut ended).is_ready());
        let checks: Vec<u64> = ended.drain(..).map(|ended| ended.check).collect();
        assert_eq!(checks, [10, 12]);
        // Slots are used again, and a panic ends only the attempt that panics.
        attempts.start(13, Box::pin(async { panic!("a probe panics") }));
        attempts.start(14, Box::pin(async { up() }));
        assert!(attempts.poll_ended(&mut context, &mut ended).is_ready());
        assert_eq!(attempts.slots.len(), 3);
        let good: Vec<bool> = ended.iter().map(|ended| ended.outcome.is_some()).collect();
        assert_eq!(good, [false, true]);
    }
}

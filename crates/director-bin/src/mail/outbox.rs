//! What is sent when. Pure: the time is given.

use super::message::Alert;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Alerts that wait at most; what comes on top is counted and named in the next mail.
pub(super) const WAITING: usize = 1000;
/// Alerts in one mail, at most.
const TOGETHER: usize = 500;
/// Wait after the first failure; it doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// The longest wait between attempts.
const LAST_RETRY: Duration = Duration::from_secs(300);
/// Alerts that could not be sent for so long are given up.
const TOO_OLD: Duration = Duration::from_secs(24 * 3600);

/// Alerts that wait to be sent, and when the next attempt is due.
#[derive(Debug)]
pub(super) struct Outbox {
    waiting: VecDeque<(Instant, Alert)>,
    dropped: u64,
    batch_delay: Duration,
    due: Option<Instant>,
    failures: u32,
    /// How many of those in front are being sent, and how many drops that mail tells.
    sending: Option<(usize, u64)>,
}

/// What goes into one mail.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// The alerts, oldest first.
    pub(super) alerts: Vec<Alert>,
    /// How many more there were that could not be kept.
    pub(super) dropped: u64,
}

impl Outbox {
    pub(super) const fn new(batch_delay: Duration) -> Self {
        Self {
            waiting: VecDeque::new(),
            dropped: 0,
            batch_delay,
            due: None,
            failures: 0,
            sending: None,
        }
    }

    /// From now on alerts are collected for so long.
    pub(super) const fn set_batch_delay(&mut self, batch_delay: Duration) {
        self.batch_delay = batch_delay;
    }

    /// Takes an alert. False if there is no room: the newest is dropped, because the first ones tell the cause.
    pub(super) fn push(&mut self, now: Instant, alert: Alert) -> bool {
        if self.waiting.len() >= WAITING {
            self.dropped = self.dropped.saturating_add(1);
            return false;
        }
        self.waiting.push_back((now, alert));
        if self.due.is_none() {
            self.due = Some(now + self.batch_delay);
        }
        true
    }

    /// When something is to be sent. Changes after every other call.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due.filter(|_| self.sending.is_none())
    }

    /// Everything is due at once, without further collecting: the end is near.
    pub(super) fn hurry(&mut self, now: Instant) {
        if !self.waiting.is_empty() {
            self.due = Some(now);
        }
    }

    /// The mail that is due. [`sent`](Self::sent), [`refused`](Self::refused) or [`failed`](Self::failed) must follow.
    pub(super) fn take(&mut self, now: Instant) -> Option<Batch> {
        if self.sending.is_some() || self.due.is_none_or(|due| due > now) {
            return None;
        }
        let together = if self.batch_delay.is_zero() {
            1
        } else {
            TOGETHER
        };
        let alerts: Vec<Alert> = self
            .waiting
            .iter()
            .take(together)
            .map(|(_, alert)| alert.clone())
            .collect();
        if alerts.is_empty() {
            self.due = None;
            return None;
        }
        let last = alerts.len() == self.waiting.len();
        let dropped = if last { self.dropped } else { 0 };
        self.sending = Some((alerts.len(), dropped));
        Some(Batch { alerts, dropped })
    }

    /// The mail has been taken by the server.
    pub(super) fn sent(&mut self, now: Instant) {
        self.settle(now);
    }

    /// The server will never take this mail.
    pub(super) fn refused(&mut self, now: Instant) {
        self.settle(now);
    }

    /// The server could not be reached or wants us to come again: when that is, and how many alerts were given up as too old.
    pub(super) fn failed(&mut self, now: Instant) -> (Duration, usize) {
        self.sending = None;
        let wait = FIRST_RETRY
            .saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX))
            .min(LAST_RETRY);
        self.failures = self.failures.saturating_add(1);
        self.due = Some(now + wait);
        let before = self.waiting.len();
        self.waiting
            .retain(|(since, _)| now.saturating_duration_since(*since) < TOO_OLD);
        if self.waiting.is_empty() {
            self.due = None;
        }
        (wait, before.saturating_sub(self.waiting.len()))
    }

    /// Alerts that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Alerts that could not be kept and that no mail has told yet.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn settle(&mut self, now: Instant) {
        let (count, dropped) = self.sending.take().unwrap_or_default();
        self.waiting.drain(..count.min(self.waiting.len()));
        self.dropped = self.dropped.saturating_sub(dropped);
        self.failures = 0;
        // What came meanwhile has waited long enough, unless it is new.
        self.due = self
            .waiting
            .front()
            .map(|(since, _)| (*since + self.batch_delay).max(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn alert(number: usize) -> Alert {
        Alert {
            subject: number.to_string(),
            body: String::new(),
            reason: String::new(),
            at: SystemTime::UNIX_EPOCH,
        }
    }

    fn numbers(batch: &Batch) -> Vec<usize> {
        batch
            .alerts
            .iter()
            .map(|alert| alert.subject.parse().unwrap())
            .collect()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_comes_within_the_delay_is_one_mail() {
        let start = Instant::now();
        let mut outbox = Outbox::new(5 * SECOND);
        for number in 0..3 {
            outbox.push(
                start + SECOND * u32::try_from(number).unwrap(),
                alert(number),
            );
        }
        assert_eq!(outbox.poll_timeout(), Some(start + 5 * SECOND));
        assert_eq!(outbox.take(start + 4 * SECOND), None);
        let batch = outbox.take(start + 5 * SECOND).unwrap();
        assert_eq!(numbers(&batch), [0, 1, 2]);
        outbox.push(start + 6 * SECOND, alert(3));
        assert_eq!(outbox.poll_timeout(), None, "one mail at a time");
        outbox.sent(start + 7 * SECOND);
        assert_eq!(outbox.poll_timeout(), Some(start + 11 * SECOND));
        assert_eq!(numbers(&outbox.take(start + 11 * SECOND).unwrap()), [3]);
        outbox.sent(start + 11 * SECOND);
        assert_eq!((outbox.poll_timeout(), outbox.waiting()), (None, 0));
    }

    #[test]
    fn without_a_delay_each_is_a_mail_in_order() {
        let now = Instant::now();
        let mut outbox = Outbox::new(Duration::ZERO);
        for number in 0..3 {
            outbox.push(now, alert(number));
        }
        for number in 0..3 {
            assert_eq!(numbers(&outbox.take(now).unwrap()), [number]);
            outbox.sent(now);
        }
        assert_eq!(outbox.take(now), None);
    }

    #[test]
    fn failures_wait_longer_and_longer_and_lose_nothing() {
        let mut now = Instant::now();
        let mut outbox = Outbox::new(Duration::ZERO);
        outbox.push(now, alert(0));
        let mut waits = Vec::new();
        for _ in 0..9 {
            assert_eq!(numbers(&outbox.take(now).unwrap()), [0]);
            let (wait, lost) = outbox.failed(now);
            assert_eq!(lost, 0);
            waits.push(wait.as_secs());
            assert_eq!(outbox.take(now + wait - SECOND), None);
            now += wait;
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        outbox.take(now).unwrap();
        outbox.refused(now);
        assert_eq!(outbox.waiting(), 0);
        outbox.push(now, alert(1));
        outbox.take(now).unwrap();
        assert_eq!(outbox.failed(now).0, 5 * SECOND, "the count begins anew");
        outbox.take(now + 5 * SECOND).unwrap();
        assert_eq!(
            outbox.failed(now + TOO_OLD).1,
            1,
            "after a day it is given up"
        );
        assert_eq!(outbox.poll_timeout(), None);
    }

    #[test]
    fn there_is_a_limit_and_the_mail_says_what_is_missing() {
        let now = Instant::now();
        let mut outbox = Outbox::new(SECOND);
        for number in 0..WAITING + 7 {
            assert_eq!(outbox.push(now, alert(number)), number < WAITING);
        }
        let later = now + SECOND;
        let first = outbox.take(later).unwrap();
        assert_eq!((first.alerts.len(), first.dropped), (TOGETHER, 0));
        outbox.sent(later);
        let second = outbox.take(later).unwrap();
        assert_eq!(
            (numbers(&second)[0], second.alerts.len(), second.dropped),
            (TOGETHER, TOGETHER, 7)
        );
        outbox.sent(later);
        outbox.push(later, alert(0));
        assert_eq!(outbox.take(later + SECOND).unwrap().dropped, 0);
    }
}

//! The engine's clock and its one timer.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use vrrp_proto::Instant;

/// `CLOCK_MONOTONIC` in microseconds, with its counterpart in the standard library's terms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: std::time::Instant,
    origin_micros: u64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            origin: std::time::Instant::now(),
            origin_micros: monotonic_micros(),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::from_micros(monotonic_micros())
    }

    /// The same moment as the standard library writes it.
    pub(crate) fn to_std(self, at: Instant) -> std::time::Instant {
        let micros = at.as_micros();
        if micros >= self.origin_micros {
            self.origin + Duration::from_micros(micros - self.origin_micros)
        } else {
            let before = Duration::from_micros(self.origin_micros - micros);
            self.origin.checked_sub(before).unwrap_or(self.origin)
        }
    }
}

fn monotonic_micros() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let micros = u64::try_from(now.tv_nsec / 1_000).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(micros)
}

/// A timer file descriptor on `CLOCK_MONOTONIC`, set to absolute moments.
///
/// Nobody reads it. Each time that it fires it wakes who waits for it by edges, as tokio does, and setting it anew takes the
/// readiness back.
#[derive(Debug)]
pub(crate) struct Timer {
    descriptor: OwnedFd,
}

impl Timer {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Self {
            descriptor: timerfd_create(TimerfdClockId::Monotonic, flags)?,
        })
    }

    /// Fires at `deadline`, or at once if that has passed; `None` never.
    pub(crate) fn set(&self, deadline: Option<Instant>) -> io::Result<()> {
        let value = deadline.map_or(
            Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            |deadline| {
                // All zero would disarm the timer.
                let micros = deadline.as_micros().max(1);
                Timespec {
                    tv_sec: i64::try_from(micros / 1_000_000).unwrap_or(i64::MAX),
                    tv_nsec: (micros % 1_000_000 * 1_000) as _,
                }
            },
        );
        let never = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let specification = Itimerspec {
            it_interval: never,
            it_value: value,
        };
        timerfd_settime(&self.descriptor, TimerfdTimerFlags::ABSTIME, &specification)?;
        Ok(())
    }
}

impl crate::sys::OwnsDescriptor for Timer {}

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_translates_both_ways_around_its_origin() {
        let clock = Clock::new();
        let now = clock.now();
        let later = now + Duration::from_secs(3);
        assert_eq!(
            clock.to_std(later) - clock.to_std(now),
            Duration::from_secs(3)
        );
        let earlier = Instant::from_micros(now.as_micros() - 1_000_000);
        assert_eq!(
            clock.to_std(now) - clock.to_std(earlier),
            Duration::from_secs(1)
        );
    }

    #[tokio::test]
    async fn a_deadline_that_has_passed_fires_at_once_and_as_often_as_it_is_set() {
        let timer = crate::sys::watch(Timer::new().unwrap()).unwrap();
        for _ in 0..3 {
            timer.get_ref().set(Some(Instant::from_micros(0))).unwrap();
            timer.readable().await.unwrap().clear_ready();
        }
    }

    #[tokio::test]
    async fn a_timer_that_is_set_anew_after_it_fired_waits_for_the_new_deadline() {
        let timer = crate::sys::watch(Timer::new().unwrap()).unwrap();
        timer.get_ref().set(Some(Instant::from_micros(0))).unwrap();
        let clock = Clock::new();
        let later = clock.now() + Duration::from_millis(50);
        timer.get_ref().set(Some(later)).unwrap();
        timer.readable().await.unwrap().clear_ready();
        assert!(clock.now() >= later);
    }
}

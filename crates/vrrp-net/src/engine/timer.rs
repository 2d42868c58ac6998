//! The engine's clock and its one timer.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
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

    /// Takes note that it fired; `WouldBlock` if it has not.
    pub(crate) fn acknowledge(&self) -> io::Result<()> {
        let mut count = [0; 8];
        rustix::io::read(self.descriptor.as_fd(), &mut count)?;
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

    #[test]
    fn a_deadline_that_has_passed_fires_at_once() {
        let timer = Timer::new().unwrap();
        assert_eq!(
            timer.acknowledge().unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        timer.set(Some(Instant::from_micros(0))).unwrap();
        let mut fds = [rustix::event::PollFd::new(
            &timer.descriptor,
            rustix::event::PollFlags::IN,
        )];
        rustix::event::poll(&mut fds, None).unwrap();
        timer.acknowledge().unwrap();
        timer.set(None).unwrap();
    }
}

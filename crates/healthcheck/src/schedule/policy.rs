//! How often to try and how many results make a verdict.

use std::time::Duration;

/// The rules of one check. The defaults are keepalived's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// From one attempt to the next (`delay_loop`); at least one millisecond is used.
    pub delay_loop: Duration,
    /// Failures in a row that are forgiven while the server is up (`retry`, `nb_get_retry`): it
    /// is down after `retry + 1` of them. The very first result of all is never forgiven.
    pub retry: u32,
    /// From a forgiven failure, or a success that is not enough yet, to the next attempt
    /// (`delay_before_retry`).
    pub delay_before_retry: Duration,
    /// The first attempt starts at a random time within this span (`warmup`); zero starts it at
    /// once. `None` means one `delay_loop`.
    pub warmup: Option<Duration>,
    /// Successes in a row that bring a server up that is down. keepalived always takes one.
    pub rise: u32,
    /// The server counts as down until its first success (`alpha`); otherwise it counts as up
    /// until its first failure.
    pub alpha: bool,
    /// Each attempt is delayed by a random time below this. keepalived has none.
    pub jitter: Duration,
    /// Every failed attempt is told, not only those that change the verdict
    /// (`log_all_failures`).
    pub log_all_failures: bool,
    /// The end of the server's certificate is told from this time before it on, once a day
    /// (checks over TLS). `None`, the default, tells nothing.
    pub certificate_warning: Option<Duration>,
}

impl Policy {
    /// The rules of `TCP_CHECK`, `PING_CHECK`, `UDP_CHECK` and `SMTP_CHECK`: one retry after one
    /// second.
    #[must_use]
    pub const fn new(delay_loop: Duration) -> Self {
        Self {
            delay_loop,
            retry: 1,
            delay_before_retry: Duration::from_secs(1),
            warmup: None,
            rise: 1,
            alpha: false,
            jitter: Duration::ZERO,
            log_all_failures: false,
            certificate_warning: None,
        }
    }

    /// The rules of `HTTP_GET` and `SSL_GET`: one retry after three seconds.
    #[must_use]
    pub const fn http(delay_loop: Duration) -> Self {
        let mut policy = Self::new(delay_loop);
        policy.delay_before_retry = Duration::from_secs(3);
        policy
    }

    /// The rules of `DNS_CHECK`: three retries at the pace of `delay_loop`.
    #[must_use]
    pub const fn dns(delay_loop: Duration) -> Self {
        let mut policy = Self::new(delay_loop);
        policy.retry = 3;
        policy.delay_before_retry = delay_loop;
        policy
    }

    /// The rules of `MISC_CHECK` and `FILE_CHECK`: no retry.
    #[must_use]
    pub const fn misc(delay_loop: Duration) -> Self {
        let mut policy = Self::new(delay_loop);
        policy.retry = 0;
        policy
    }
}

impl Default for Policy {
    /// The rules of `TCP_CHECK` at keepalived's default pace of 60 seconds.
    fn default() -> Self {
        Self::new(Duration::from_secs(60))
    }
}

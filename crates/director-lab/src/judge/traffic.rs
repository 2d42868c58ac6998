//! The clients' requests: who answered, what failed, how long an address was silent.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use super::shares::Promise;
use super::{Frame, Judgement};
use crate::clock::Moment;
use crate::event::Request;
use crate::scenario::duration::Seconds;

/// All requests of a run, in the order in which they were finished.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    requests: Vec<Request>,
}

/// Requests counted, for the report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TrafficCount {
    /// Good answers by server.
    pub(crate) answered: BTreeMap<String, u64>,
    pub(crate) failed: u64,
    /// The longest time without a good answer, by address.
    pub(crate) longest_gap: BTreeMap<IpAddr, Duration>,
}

/// A run is bounded in time and rate; beyond this the oldest requests are forgotten.
const MOST_REQUESTS: usize = 2_000_000;

impl Traffic {
    pub(crate) fn push(&mut self, request: Request) {
        if self.requests.len() >= MOST_REQUESTS {
            self.requests.drain(..MOST_REQUESTS / 2);
        }
        self.requests.push(request);
    }

    /// Requests that were started at `since` or later, the newest first.
    fn newest(&self, since: Moment) -> impl Iterator<Item = &Request> {
        self.requests
            .iter()
            .rev()
            .take_while(move |request| request.finished >= since)
            .filter(move |request| request.started >= since)
    }

    /// The last `count` requests started since then, optionally to one address.
    fn window(&self, since: Moment, address: Option<IpAddr>, count: usize) -> Vec<&Request> {
        let mut window: Vec<&Request> = self
            .newest(since)
            .filter(|request| address.is_none_or(|wished| request.address == Some(wished)))
            .collect();
        window.sort_by_key(|request| std::cmp::Reverse((request.started, request.sequence)));
        window.truncate(count);
        window
    }

    pub(crate) fn shares(
        &self,
        since: Moment,
        address: Option<IpAddr>,
        requests: usize,
        promise: &Promise<'_>,
    ) -> Judgement {
        // Each address is served by a scheduler of its own.
        let addresses: Vec<IpAddr> = match address {
            Some(address) => vec![address],
            None => {
                let mut all: Vec<IpAddr> = self.newest(since).filter_map(|r| r.address).collect();
                all.sort_unstable();
                all.dedup();
                all
            }
        };
        if addresses.is_empty() {
            return Judgement::NotYet("no request was answered".to_owned());
        }
        let mut seen = Vec::new();
        let mut holds = true;
        for address in addresses {
            let window = self.window(since, Some(address), requests);
            let counts = count(&window);
            let failed = window.iter().filter(|request| request.by.is_none()).count();
            let mut text = format!("{address}: {}", show(&counts, failed));
            if window.len() < requests {
                let _ = write!(text, " ({} of {requests} requests so far)", window.len());
                holds = false;
            } else if failed > 0 {
                holds = false;
            } else if let Some(broken) = promise.broken_by(&counts) {
                let _ = write!(text, " ({broken})");
                holds = false;
            }
            seen.push(text);
        }
        let seen = seen.join("; ");
        if holds {
            Judgement::Holds(seen)
        } else {
            Judgement::NotYet(seen)
        }
    }

    pub(crate) fn no_failures(&self, since: Moment, requests: usize) -> Judgement {
        let mut good = 0_usize;
        let mut failed = None;
        for request in self.newest(since) {
            match &request.error {
                None => good += 1,
                Some(error) => failed = Some((request, error)),
            }
        }
        if let Some((request, error)) = failed {
            let to = request
                .address
                .map(|address| format!(" to {address}"))
                .unwrap_or_default();
            return Judgement::Never(format!(
                "request {}{to}, started {} later, failed: {error}",
                request.sequence,
                Seconds(request.started.since(since))
            ));
        }
        let seen = format!("{good} good answers, no failure");
        if good >= requests {
            Judgement::Holds(seen)
        } else {
            Judgement::NotYet(seen)
        }
    }

    pub(crate) fn failures(&self, since: Moment, at_least: usize) -> Judgement {
        let failed = self
            .newest(since)
            .filter(|request| request.by.is_none())
            .count();
        let seen = format!("{failed} requests failed");
        if failed >= at_least {
            Judgement::Holds(seen)
        } else {
            Judgement::NotYet(seen)
        }
    }

    pub(crate) fn answered_by(
        &self,
        since: Moment,
        address: Option<IpAddr>,
        requests: usize,
        servers: &[String],
    ) -> Judgement {
        let window = self.window(since, address, requests);
        let failed = window.iter().filter(|request| request.by.is_none()).count();
        let counts = count(&window);
        let seen = show(&counts, failed);
        let fits = window.len() >= requests
            && failed == 0
            && counts.keys().all(|server| servers.contains(server));
        if fits {
            Judgement::Holds(seen)
        } else {
            Judgement::NotYet(seen)
        }
    }

    pub(crate) fn addresses_used(
        &self,
        since: Moment,
        addresses: &[IpAddr],
        requests: usize,
    ) -> Judgement {
        let window = self.window(since, None, requests);
        let mut counts: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for address in window.iter().filter_map(|request| request.address) {
            *counts.entry(address).or_default() += 1;
        }
        let seen = if counts.is_empty() {
            "no address was used".to_owned()
        } else {
            counts
                .iter()
                .map(|(a, n)| format!("{a}: {n}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let (turns, rest) = (
            requests / addresses.len().max(1),
            requests % addresses.len().max(1),
        );
        let fits = window.len() >= requests
            && counts.keys().all(|used| addresses.contains(used))
            && addresses.iter().all(|address| {
                let count = counts.get(address).copied().unwrap_or(0);
                count >= turns && count <= turns + usize::from(rest > 0)
            });
        if fits {
            Judgement::Holds(seen)
        } else {
            Judgement::NotYet(seen)
        }
    }

    /// The longest time from one good answer of the address to the next, of those that end after
    /// `since`, the one still open included; and whether a request of this step was answered well.
    pub(crate) fn gap(&self, since: Moment, frame: Frame, address: IpAddr) -> (Duration, bool) {
        let mut later = frame.now;
        let mut longest = Duration::ZERO;
        let mut answered = false;
        for request in self.good(address).rev() {
            longest = longest.max(later.since(request.finished));
            answered |= request.started >= frame.step_began;
            if request.finished <= since {
                return (longest, answered);
            }
            later = request.finished;
        }
        (longest.max(later.since(since)), answered)
    }

    fn good(&self, address: IpAddr) -> impl DoubleEndedIterator<Item = &Request> {
        self.requests
            .iter()
            .filter(move |request| request.address == Some(address) && request.by.is_some())
    }

    /// Counts the requests finished since then.
    pub(crate) fn count(&self, since: Moment) -> TrafficCount {
        let mut total = TrafficCount::default();
        let mut last: BTreeMap<IpAddr, Moment> = BTreeMap::new();
        for request in &self.requests {
            let (Some(address), Some(by)) = (request.address, &request.by) else {
                total.failed += u64::from(request.finished >= since);
                continue;
            };
            if request.finished >= since {
                *total.answered.entry(by.clone()).or_default() += 1;
                if let Some(before) = last.get(&address) {
                    let gap = request.finished.since(*before);
                    let longest = total.longest_gap.entry(address).or_default();
                    *longest = gap.max(*longest);
                }
            }
            last.insert(address, request.finished);
        }
        total
    }
}

fn count(window: &[&Request]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for server in window.iter().filter_map(|request| request.by.clone()) {
        *counts.entry(server).or_default() += 1;
    }
    counts
}

fn show(counts: &BTreeMap<String, usize>, failed: usize) -> String {
    let mut parts: Vec<String> = counts
        .iter()
        .map(|(name, n)| format!("{name} {n}"))
        .collect();
    if failed > 0 {
        parts.push(format!("failed {failed}"));
    }
    if parts.is_empty() {
        "no request".to_owned()
    } else {
        parts.join(", ")
    }
}

//! One router under test, and adverts of others to feed it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use vrrp_proto::wire::{Advertisement, AuthData, ChecksumForm, MAX_ENCODED_LEN, PseudoHeader};
use vrrp_proto::{
    Accepted, Action, Advert, Announcement, Config, DropReason, Event, Family, Instant, Interval,
    Priority, Reason, Received, Report, State, Transition, Verdict, Version, VirtualRouter, Vrid,
    Warning,
};

pub(crate) const OURS: &str = "10.0.0.5";
pub(crate) const GROUP: &str = "224.0.0.18";

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn vrid() -> Vrid {
    Vrid::new(51).unwrap()
}

pub(crate) fn config(version: Version, priority: u8) -> Config {
    let mut config = Config::new(vrid(), Family::V4);
    config.version = version;
    config.priority = Priority::new(priority);
    config.source = Some(ip(OURS));
    config.addresses = vec![ip("10.0.0.100"), ip("10.0.0.101")];
    config
}

/// A router with its clock and what it did last.
pub(crate) struct Bench {
    pub(crate) router: VirtualRouter,
    pub(crate) now: Instant,
    pub(crate) actions: Vec<Action>,
}

impl Bench {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            router: VirtualRouter::new(config).unwrap(),
            now: Instant::from_millis(1_000_000),
            actions: Vec::new(),
        }
    }

    /// A started backup.
    pub(crate) fn backup(config: Config) -> Self {
        let mut bench = Self::new(config);
        bench.event(Event::Startup);
        assert_eq!(bench.router.state(), State::Backup);
        bench
    }

    /// A master that has won its election by silence.
    pub(crate) fn master(config: Config) -> Self {
        let mut bench = Self::new(config);
        bench.event(Event::Startup);
        if bench.router.state() != State::Master {
            bench.run_until_next();
        }
        assert_eq!(bench.router.state(), State::Master);
        bench
    }

    fn drain(&mut self) {
        self.actions = std::iter::from_fn(|| self.router.poll_action()).collect();
    }

    pub(crate) fn event(&mut self, event: Event) -> &[Action] {
        self.router.handle_event(self.now, event);
        self.drain();
        &self.actions
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Lets time pass to the next deadline and handles it.
    pub(crate) fn run_until_next(&mut self) -> &[Action] {
        self.now = self.router.poll_timeout().expect("a deadline");
        self.timeout()
    }

    pub(crate) fn timeout(&mut self) -> &[Action] {
        self.router.handle_timeout(self.now);
        self.drain();
        &self.actions
    }

    /// Lets `time` pass, handling each deadline on time, and gives all actions with their times.
    pub(crate) fn run(&mut self, time: Duration) -> Vec<(Instant, Action)> {
        let end = self.now + time;
        let mut seen = Vec::new();
        while let Some(at) = self.router.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.timeout();
            seen.extend(self.actions.drain(..).map(|action| (at, action)));
        }
        self.now = end;
        seen
    }

    pub(crate) fn packet(&mut self, received: &Received<'_>) -> Verdict {
        let verdict = self.router.handle_packet(self.now, received);
        self.drain();
        verdict
    }

    pub(crate) fn hear(&mut self, other: &Other) -> Verdict {
        let bytes = other.encode();
        self.packet(&other.received(&bytes))
    }

    pub(crate) fn accepts(&mut self, other: &Other, wanted: Accepted) {
        assert_eq!(self.hear(other), Verdict::Accepted(wanted));
    }

    pub(crate) fn drops(&mut self, other: &Other, wanted: DropReason) {
        assert_eq!(self.hear(other), Verdict::Dropped(wanted));
    }

    pub(crate) fn until_timeout(&self) -> Duration {
        self.router.poll_timeout().expect("a deadline") - self.now
    }

    pub(crate) fn adverts(&self) -> Vec<Advert> {
        let advert = |action: &Action| match action {
            Action::SendAdvert(advert) => Some(*advert),
            _ => None,
        };
        self.actions.iter().filter_map(advert).collect()
    }

    pub(crate) fn announcements(&self) -> Vec<Announcement> {
        let announcement = |action: &Action| match action {
            Action::Announce(announcement) => Some(*announcement),
            _ => None,
        };
        self.actions.iter().filter_map(announcement).collect()
    }

    pub(crate) fn transition(&self) -> Option<&Transition> {
        self.actions.iter().find_map(|action| match action {
            Action::Transition(transition) => Some(transition),
            _ => None,
        })
    }

    pub(crate) fn reason(&self) -> Reason {
        self.transition().expect("a transition").reason.clone()
    }

    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let warning = |action: &Action| match action {
            Action::Report(Report { warning, .. }) => Some(warning.clone()),
            _ => None,
        };
        self.actions.iter().filter_map(warning).collect()
    }

    pub(crate) fn encode(&self, advert: &Advert) -> Vec<u8> {
        let mut out = [0; MAX_ENCODED_LEN];
        let to = self.router.config().transport.destinations().next();
        let len = self
            .router
            .encode_message(advert, to.unwrap(), &mut out)
            .unwrap();
        out[..len].to_vec()
    }
}

/// The names of actions, for their order.
pub(crate) fn names(actions: &[Action]) -> Vec<&'static str> {
    let name = |action: &Action| match action {
        Action::SendAdvert(_) => "advert",
        Action::AddAddresses => "add",
        Action::RemoveAddresses => "remove",
        Action::Announce(_) => "announce",
        Action::Transition(_) => "transition",
        Action::Report(_) => "report",
        Action::Group(_) => "group",
        _ => "other",
    };
    actions.iter().map(name).collect()
}

/// Another router, as its adverts show it.
#[derive(Clone)]
pub(crate) struct Other {
    pub(crate) version: Version,
    pub(crate) priority: u8,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) hop_limit: u8,
    pub(crate) interval: Interval,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) auth: AuthData,
    pub(crate) form: ChecksumForm,
}

impl Other {
    pub(crate) fn new(version: Version, source: &str, priority: u8) -> Self {
        Self {
            version,
            priority,
            source: ip(source),
            destination: ip(GROUP),
            hop_limit: 255,
            interval: Interval::DEFAULT,
            addresses: vec![ip("10.0.0.100"), ip("10.0.0.101")],
            auth: AuthData::None,
            form: ChecksumForm::PseudoHeader,
        }
    }

    pub(crate) fn with(mut self, edit: impl FnOnce(&mut Self)) -> Self {
        edit(&mut self);
        self
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let advertisement = Advertisement {
            version: self.version,
            family: Family::of(self.source),
            vrid: vrid(),
            priority: Priority::new(self.priority),
            interval: self.interval,
            addresses: Cow::Borrowed(&self.addresses),
            auth: self.auth,
        };
        let addresses = PseudoHeader::new(self.source, self.destination).unwrap();
        let mut out = vec![0; advertisement.encoded_len()];
        advertisement
            .encode(&addresses, self.form, &mut out)
            .unwrap();
        out
    }

    pub(crate) fn received<'a>(&self, bytes: &'a [u8]) -> Received<'a> {
        Received::new(self.source, self.destination, self.hop_limit, bytes)
    }
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

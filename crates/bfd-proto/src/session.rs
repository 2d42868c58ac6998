//! One session in asynchronous mode (RFC 5880 §6).

use crate::packet::{ControlPacket, Diagnostic, State};
use std::collections::VecDeque;
use std::time::Duration;

/// Least interval of packets while a session is not up (§6.8.3).
const SLOW: Duration = Duration::from_secs(1);

/// Events that may wait to be polled; state changes beyond that drop the oldest.
const EVENTS: usize = 64;

/// How a session works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// Least interval at which we can receive (`min_rx`). Default 10 ms.
    pub required_min_rx: Duration,
    /// Interval at which we would like to send while up (`min_tx`). Default 10 ms.
    pub desired_min_tx: Duration,
    /// The same while not up (`idle_tx`); at least 1 s. Default 1 s.
    pub idle_tx: Duration,
    /// Packets of ours that the neighbour may miss (`multiplier`), from 1. Default 5.
    pub detect_multiplier: u8,
    /// Says nothing before it has heard the neighbour (`passive`). Default false.
    pub passive: bool,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            required_min_rx: Duration::from_millis(10),
            desired_min_tx: Duration::from_millis(10),
            idle_tx: SLOW,
            detect_multiplier: 5,
            passive: false,
        }
    }
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The state left.
    pub from: State,
    /// The state entered.
    pub to: State,
    /// Why the session is not up; `None` on the way up.
    pub diagnostic: Diagnostic,
}

/// Why a packet was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Dropped {
    /// It is for another session.
    #[error("discriminator {found}, this session has {expected}")]
    Discriminator {
        /// What the packet says.
        found: u32,
        /// What we are.
        expected: u32,
    },
    /// An operator holds the session down.
    #[error("the session is held down")]
    AdminDown,
}

/// One session with one neighbour.
#[derive(Clone, Debug)]
pub struct Session {
    config: SessionConfig,
    state: State,
    diagnostic: Diagnostic,
    local_discriminator: u32,
    /// The neighbour's; 0 while it is not known.
    remote_discriminator: u32,
    remote_state: State,
    remote_demand: bool,
    remote_multiplier: u8,
    remote_desired_min_tx: Duration,
    remote_min_rx: Duration,
    /// When a neighbour that says nothing is gone.
    detection_due: Option<Duration>,
    /// When the last packet went out and how much of the interval had been taken off, in 1/1024.
    sent: Option<(Duration, u32)>,
    /// A packet with `final_` is owed.
    answer: bool,
    /// A change of our interval has not been acknowledged yet.
    polling: bool,
    events: VecDeque<Event>,
}

impl Session {
    /// A session that is down. `discriminator` is our name for it, unique among our sessions and not 0 (0 is taken as 1).
    #[must_use]
    pub fn new(config: SessionConfig, discriminator: u32) -> Self {
        Self {
            config,
            state: State::Down,
            diagnostic: Diagnostic::None,
            local_discriminator: discriminator.max(1),
            remote_discriminator: 0,
            remote_state: State::Down,
            remote_demand: false,
            remote_multiplier: 0,
            remote_desired_min_tx: Duration::ZERO,
            remote_min_rx: Duration::from_micros(1),
            detection_due: None,
            sent: None,
            answer: false,
            polling: false,
            events: VecDeque::new(),
        }
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Our name for the session.
    #[must_use]
    pub const fn discriminator(&self) -> u32 {
        self.local_discriminator
    }

    /// Takes a packet that was decoded and whose hop limit is right (§6.8.6).
    ///
    /// # Errors
    /// If the packet is not for this session as it is. It changes nothing then.
    pub fn handle_packet(&mut self, now: Duration, packet: &ControlPacket) -> Result<(), Dropped> {
        let found = packet.your_discriminator;
        if found != 0 && found != self.local_discriminator {
            return Err(Dropped::Discriminator {
                found,
                expected: self.local_discriminator,
            });
        }
        self.remote_discriminator = packet.my_discriminator;
        self.remote_state = packet.state;
        self.remote_demand = packet.demand;
        self.remote_min_rx = packet.required_min_rx;
        self.remote_multiplier = packet.detect_multiplier;
        self.remote_desired_min_tx = packet.desired_min_tx;
        if packet.final_ {
            self.polling = false;
        }
        self.detection_due = Some(now + self.detection_time());
        if self.state == State::AdminDown {
            return Err(Dropped::AdminDown);
        }
        match (self.state, packet.state) {
            (State::Init | State::Up, State::AdminDown) | (State::Up, State::Down) => {
                self.enter(State::Down, Diagnostic::NeighborDown);
            }
            (State::Down, State::Down) => self.enter(State::Init, Diagnostic::None),
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => {
                self.enter(State::Up, Diagnostic::None);
            }
            _ => {}
        }
        self.answer |= packet.poll;
        Ok(())
    }

    /// Call when [`poll_timeout`](Self::poll_timeout) has passed; early or repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.detection_due.is_none_or(|due| due > now) {
            return;
        }
        self.detection_due = None;
        self.remote_discriminator = 0;
        if matches!(self.state, State::Init | State::Up) {
            self.enter(State::Down, Diagnostic::DetectionTimeExpired);
        }
        self.remote_min_rx = Duration::from_micros(1);
        self.remote_demand = false;
        self.remote_state = State::Down;
    }

    /// The packet that is due, if one is. `random` is any number: it spreads the packets (§6.8.7).
    #[must_use]
    pub fn poll_transmit(&mut self, now: Duration, random: u32) -> Option<ControlPacket> {
        let due = self.answer || self.transmit_due().is_some_and(|due| due <= now);
        if !due {
            return None;
        }
        // A poll is not sent in a packet that answers one.
        let final_ = std::mem::take(&mut self.answer);
        if !final_ {
            self.sent = Some((now, self.spread(random)));
        }
        Some(ControlPacket {
            diagnostic: self.diagnostic,
            state: self.state,
            poll: self.polling && !final_,
            final_,
            control_plane_independent: false,
            demand: false,
            detect_multiplier: self.config.detect_multiplier.max(1),
            my_discriminator: self.local_discriminator,
            your_discriminator: self.remote_discriminator,
            desired_min_tx: self.desired_min_tx(),
            required_min_rx: self.config.required_min_rx,
            required_min_echo_rx: Duration::ZERO,
        })
    }

    /// The next deadline; may change after any other call. Zero means at once.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.answer {
            return Some(Duration::ZERO);
        }
        [self.transmit_due(), self.detection_due]
            .into_iter()
            .flatten()
            .min()
    }

    /// The next change of state, in order; drain until `None`.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Takes the session down from our side; one more packet says so to the neighbour at once.
    pub fn shut_down(&mut self) {
        if self.state != State::AdminDown {
            self.enter(State::AdminDown, Diagnostic::AdminDown);
        }
    }

    fn enter(&mut self, state: State, diagnostic: Diagnostic) {
        let from = std::mem::replace(&mut self.state, state);
        if from == state {
            return;
        }
        // The reason stays known until the session is up again.
        if diagnostic != Diagnostic::None || state == State::Up {
            self.diagnostic = diagnostic;
        }
        // What we say has changed, so it is said at once (§6.8.7).
        self.sent = None;
        // Our interval changes on the way into Up and out of it, and the neighbour has to know.
        self.polling = state == State::Up;
        if self.events.len() >= EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(Event {
            from,
            to: state,
            diagnostic,
        });
    }

    fn desired_min_tx(&self) -> Duration {
        if self.state == State::Up {
            self.config.desired_min_tx
        } else {
            self.config.idle_tx.max(SLOW)
        }
    }

    /// How long the neighbour may be silent (§6.8.4).
    fn detection_time(&self) -> Duration {
        self.remote_desired_min_tx
            .max(self.config.required_min_rx)
            .saturating_mul(self.remote_multiplier.into())
    }

    /// When the next regular packet goes out (§6.8.7).
    fn transmit_due(&self) -> Option<Duration> {
        let waits = self.remote_discriminator == 0 && self.config.passive;
        let silent = self.remote_demand
            && self.state == State::Up
            && self.remote_state == State::Up
            && !self.polling;
        if waits || silent || self.remote_min_rx.is_zero() {
            return None;
        }
        let Some((last, spread)) = self.sent else {
            return Some(Duration::ZERO);
        };
        if self.state == State::AdminDown {
            return None;
        }
        let interval = self.desired_min_tx().max(self.remote_min_rx);
        let off = interval.saturating_mul(spread) / 1024;
        Some(last + interval.saturating_sub(off))
    }

    /// How much is taken off the interval: 0–25 %, and at least 10 % if a single lost packet counts; in 1/1024.
    fn spread(&self, random: u32) -> u32 {
        if self.config.detect_multiplier <= 1 {
            103 + random % 154
        } else {
            random % 257
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    struct Pair {
        sessions: [Session; 2],
        now: Duration,
        /// Packets from this one are lost.
        cut: [bool; 2],
        seed: u32,
        sent: [u32; 2],
    }

    impl Pair {
        fn new(one: SessionConfig, two: SessionConfig) -> Self {
            Self {
                sessions: [Session::new(one, 11), Session::new(two, 22)],
                now: Duration::from_secs(100),
                cut: [false; 2],
                seed: 1,
                sent: [0; 2],
            }
        }

        fn random(&mut self) -> u32 {
            self.seed = self
                .seed
                .wrapping_mul(1_664_525)
                .wrapping_add(1_013_904_223);
            self.seed >> 8
        }

        fn run(&mut self, time: Duration) {
            let end = self.now + time;
            loop {
                for index in [0, 1] {
                    let random = self.random();
                    self.sessions[index].handle_timeout(self.now);
                    while let Some(packet) = self.sessions[index].poll_transmit(self.now, random) {
                        self.sent[index] += 1;
                        let packet = ControlPacket::decode(&packet.encode()).unwrap();
                        if !self.cut[index] {
                            let taken = self.sessions[1 - index].handle_packet(self.now, &packet);
                            assert!(
                                matches!(taken, Ok(()) | Err(Dropped::AdminDown)),
                                "{taken:?}"
                            );
                        }
                    }
                }
                let next = self.sessions.iter().filter_map(Session::poll_timeout).min();
                match next {
                    Some(next) if next <= end => self.now = self.now.max(next),
                    _ => break,
                }
            }
            self.now = end;
        }

        fn states(&self) -> [State; 2] {
            [self.sessions[0].state(), self.sessions[1].state()]
        }
    }

    #[test]
    fn two_sessions_come_up_and_send_at_the_agreed_rate() {
        let slow = SessionConfig {
            required_min_rx: 50 * MILLISECOND,
            ..SessionConfig::default()
        };
        let mut pair = Pair::new(SessionConfig::default(), slow);
        pair.run(Duration::from_secs(3));
        assert_eq!(pair.states(), [State::Up; 2]);
        assert!(!pair.sessions[0].polling && !pair.sessions[1].polling);
        pair.sent = [0; 2];
        pair.run(Duration::from_secs(10));
        // 50 ms is what the second can take; the first takes 10 ms. A quarter less at most.
        assert!((200..=267).contains(&pair.sent[0]), "{:?}", pair.sent);
        assert!((1000..=1334).contains(&pair.sent[1]), "{:?}", pair.sent);
    }

    #[test]
    fn silence_is_noticed_in_time_and_told() {
        let config = SessionConfig::default();
        let mut pair = Pair::new(config, config);
        pair.run(Duration::from_secs(3));
        while pair.sessions[1].poll_event().is_some() {}
        pair.cut[0] = true;
        pair.run(49 * MILLISECOND - 10 * MILLISECOND);
        assert_eq!(pair.states(), [State::Up; 2]);
        pair.run(12 * MILLISECOND);
        assert_eq!(pair.sessions[1].state(), State::Down);
        let event = pair.sessions[1].poll_event().unwrap();
        assert_eq!(
            (event.from, event.to, event.diagnostic),
            (State::Up, State::Down, Diagnostic::DetectionTimeExpired)
        );
        // It tells the other one, which may hear it still.
        pair.run(20 * MILLISECOND);
        assert_ne!(pair.sessions[0].state(), State::Up);
        pair.cut[0] = false;
        pair.run(Duration::from_secs(5));
        assert_eq!(pair.states(), [State::Up; 2]);
        assert_eq!(pair.sessions[1].diagnostic, Diagnostic::None);
    }

    #[test]
    fn a_passive_one_waits_and_two_of_them_for_ever() {
        let passive = SessionConfig {
            passive: true,
            ..SessionConfig::default()
        };
        let mut pair = Pair::new(passive, passive);
        pair.run(Duration::from_secs(60));
        assert_eq!((pair.states(), pair.sent), ([State::Down; 2], [0; 2]));
        let mut pair = Pair::new(passive, SessionConfig::default());
        pair.run(Duration::from_secs(5));
        assert_eq!(pair.states(), [State::Up; 2]);
    }

    #[test]
    fn a_shut_down_is_told_at_once() {
        let config = SessionConfig::default();
        let mut pair = Pair::new(config, config);
        pair.run(Duration::from_secs(3));
        pair.sessions[0].shut_down();
        pair.run(Duration::ZERO);
        assert_eq!(pair.states(), [State::AdminDown, State::Down]);
        assert_eq!(pair.sessions[1].diagnostic, Diagnostic::NeighborDown);
    }

    #[test]
    fn a_packet_for_another_session_changes_nothing() {
        let mut session = Session::new(SessionConfig::default(), 7);
        let mut other = Session::new(SessionConfig::default(), 8);
        let mut packet = other.poll_transmit(Duration::ZERO, 0).unwrap();
        packet.your_discriminator = 9;
        let before = format!("{session:?}");
        assert!(session.handle_packet(Duration::ZERO, &packet).is_err());
        assert_eq!(format!("{session:?}"), before);
    }

    proptest! {
        #[test]
        fn any_packets_in_any_order_are_survived(
            steps in proptest::collection::vec((any::<[u8; 24]>(), 0_u64..5_000_000, any::<u32>()), 0..60)
        ) {
            let mut session = Session::new(SessionConfig::default(), 7);
            let mut now = Duration::ZERO;
            for (octets, wait, random) in steps {
                now += Duration::from_micros(wait);
                session.handle_timeout(now);
                let _ = session.poll_transmit(now, random);
                let mut octets = octets;
                octets[0] = 0x20;
                octets[1] &= !5;
                octets[3] = 24;
                octets[8..12].copy_from_slice(&[0, 0, 0, if random % 3 == 0 { 0 } else { 7 }]);
                if let Ok(packet) = ControlPacket::decode(&octets) {
                    let _ = session.handle_packet(now, &packet);
                }
                prop_assert!(session.events.len() <= EVENTS);
                if session.state() == State::Up {
                    prop_assert!(session.detection_due.is_some());
                }
            }
            // Left alone it is down in the end.
            now += Duration::from_secs(2_000_000);
            session.handle_timeout(now);
            prop_assert_eq!(session.state(), State::Down);
        }
    }
}

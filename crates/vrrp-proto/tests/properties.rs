//! Properties of the codec and of the state machine, for any input.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code: a surprise is a failure"
)]

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use proptest::prelude::*;
use vrrp_proto::auth::{Authentication, AuthenticationHeader, HmacKey, Password, Signing, Trailer};
use vrrp_proto::wire::{
    Advertisement, AuthData, ChecksumForm, Ipv4Header, MAX_ENCODED_LEN, Packet, PseudoHeader, peek,
};
use vrrp_proto::{
    Action, Config, Event, Family, Fault, GroupOrder, Handover, Instant, Interval, Overslept,
    Preemption, Priority, Received, ResumeError, State, Verdict, Version, VirtualRouter, Vrid,
};

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::V4), Just(Family::V6)]
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V2), Just(Version::V3)]
}

fn address(family: Family) -> BoxedStrategy<IpAddr> {
    match family {
        Family::V4 => any::<u32>()
            .prop_map(|it| IpAddr::V4(Ipv4Addr::from(it)))
            .boxed(),
        Family::V6 => any::<u128>()
            .prop_map(|it| IpAddr::V6(Ipv6Addr::from(it)))
            .boxed(),
    }
}

prop_compose! {
    fn advertisement()(family in family(), version in version())(
        vrid in 1u8..,
        priority in any::<u8>(),
        centiseconds in 1u16..=4_095,
        seconds in 1u8..,
        addresses in prop::collection::vec(address(family), 0..=255),
        kind in 1u8..,
        data in any::<[u8; 8]>(),
        typed in any::<bool>(),
        family in Just(family),
        version in Just(version),
    ) -> Advertisement<'static> {
        Advertisement {
            version,
            family,
            vrid: Vrid::new(vrid).unwrap(),
            priority: Priority::new(priority),
            interval: match version {
                Version::V2 => Interval::from_seconds(seconds).unwrap(),
                Version::V3 => Interval::from_centiseconds(centiseconds).unwrap(),
            },
            addresses: Cow::Owned(addresses),
            auth: match (typed, version, family) {
                (true, Version::V2, Family::V4) => AuthData::Typed { kind, data },
                _ => AuthData::None,
            },
        }
    }
}

fn form() -> impl Strategy<Value = ChecksumForm> {
    prop_oneof![
        Just(ChecksumForm::Message),
        Just(ChecksumForm::PseudoHeader),
        Just(ChecksumForm::MulticastPseudoHeader),
    ]
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same_meaning(
        meaning in advertisement(),
        source: u128,
        destination: u128,
        form in form(),
    ) {
        let addresses = match meaning.family {
            Family::V4 => PseudoHeader::V4((source as u32).into(), (destination as u32).into()),
            Family::V6 => PseudoHeader::V6(source.into(), destination.into()),
        };
        let mut out = vec![0xa5; MAX_ENCODED_LEN];
        let len = meaning.encode(&addresses, form, &mut out).unwrap();
        prop_assert_eq!(len, meaning.encoded_len());
        let packet = Packet::new_checked(&out[..len], meaning.family).unwrap();
        prop_assert!(packet.verify_checksum(&addresses).is_ok());
        prop_assert_eq!(packet.to_advertisement(), Some(meaning.clone()));
        prop_assert_eq!(packet.trailing().len(), 0);
        prop_assert_eq!(peek(112, &out).unwrap().vrid, meaning.vrid);
        // Any single changed bit of the message is found.
        let at = (source % (len as u128 * 8)) as usize;
        out[at / 8] ^= 1 << (at % 8);
        if let Ok(packet) = Packet::new_checked(&out[..len], meaning.family)
            && packet.message().len() == len
        {
            prop_assert!(packet.verify_checksum(&addresses).is_err());
        }
    }

    #[test]
    fn no_bytes_make_the_decoders_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        first in prop_oneof![Just(0x21u8), Just(0x31u8), Just(0x45u8), any::<u8>()],
        family in family(),
        protocol: u8,
    ) {
        let mut bytes = bytes;
        if let Some(byte) = bytes.first_mut() {
            *byte = first;
        }
        let _ = peek(protocol, &bytes);
        let _ = peek(51, &bytes);
        if let Ok(packet) = Packet::new_checked(&bytes, family) {
            prop_assert_eq!(packet.addresses().count(), usize::from(packet.count()));
            prop_assert_eq!(packet.message().len() + packet.trailing().len(), bytes.len());
            let _ = packet.to_advertisement();
            let _ = format!("{packet:?}");
        }
        let _ = Ipv4Header::parse(&bytes);
        let _ = AuthenticationHeader::parse(&bytes);
        let _ = Trailer::new(&bytes).map(|trailer| (trailer.kind(), trailer.stamp()));
    }

    #[test]
    fn the_nearest_interval_fits_its_version(version in version(), micros: u64) {
        let nearest = Interval::nearest(version, Duration::from_micros(micros));
        prop_assert!(nearest.fits(version));
    }
}

/// Something that may happen to a router.
#[derive(Clone, Debug)]
enum Operation {
    Pass(u32),
    Timeout,
    Event(Event),
    Hear {
        priority: u8,
        source: u8,
        centiseconds: u16,
        corrupt: bool,
    },
    Bytes(Vec<u8>),
    Reconfigure(u8, bool),
}

fn operation() -> impl Strategy<Value = Operation> {
    let fault = || {
        prop_oneof![
            Just(Fault::InterfaceDown("eth0".into())),
            Just(Fault::TrackersPending),
            Just(Fault::Tracker("t".into())),
        ]
    };
    let event = prop_oneof![
        4 => Just(Event::Startup),
        1 => Just(Event::Shutdown),
        1 => fault().prop_map(Event::FaultRaised),
        2 => fault().prop_map(Event::FaultCleared),
        1 => any::<u8>().prop_map(|it| Event::TrackedPriority(Priority::new(it))),
        1 => Just(Event::SourceChanged(None)),
        2 => (1u8..9).prop_map(|it| Event::SourceChanged(Some(Ipv4Addr::new(10, 0, 0, it).into()))),
        1 => Just(Event::TakeOver),
        1 => any::<Option<u16>>().prop_map(|it| Event::StandDown {
            hold: it.map(|millis| Duration::from_millis(millis.into())),
        }),
        1 => Just(Event::Announce),
        1 => Just(Event::Group(GroupOrder::Promote)),
        1 => Just(Event::Group(GroupOrder::ClearFault)),
        1 => Just(Event::Group(GroupOrder::Demote { because: "b".into() })),
        1 => Just(Event::Group(GroupOrder::Fault { because: "b".into() })),
    ];
    prop_oneof![
        4 => (0u32..5_000_000).prop_map(Operation::Pass),
        1 => any::<u32>().prop_map(Operation::Pass),
        4 => Just(Operation::Timeout),
        4 => event.prop_map(Operation::Event),
        6 => (any::<u8>(), 1u8..9, 1u16..400, prop::bool::weighted(0.1)).prop_map(
            |(priority, source, centiseconds, corrupt)| Operation::Hear {
                priority, source, centiseconds, corrupt,
            }
        ),
        1 => prop::collection::vec(any::<u8>(), 0..60).prop_map(Operation::Bytes),
        1 => (1u8.., any::<bool>()).prop_map(|(priority, more)| Operation::Reconfigure(priority, more)),
    ]
}

prop_compose! {
    fn config()(
        version in version(),
        priority in 1u8..,
        preemption in prop_oneof![
            Just(Preemption::Always),
            Just(Preemption::Never),
            Just(Preemption::Delayed(Duration::from_secs(3))),
        ],
        auth in 0u8..4,
        flags in any::<[bool; 5]>(),
        refresh in 0u64..3,
    ) -> Config {
        let mut config = Config::new(Vrid::new(7).unwrap(), Family::V4);
        config.version = version;
        config.priority = Priority::new(priority);
        config.preemption = preemption;
        config.source = Some(Ipv4Addr::new(10, 0, 0, 5).into());
        config.addresses = vec![Ipv4Addr::new(10, 0, 0, 100).into()];
        let password = Password::new(b"s3cret12");
        match (auth, version) {
            (1, Version::V2) => config.authentication = Authentication::Password(password),
            (2, Version::V2) => config.authentication = Authentication::Header(password),
            (3, _) => {
                let key = HmacKey::new(1, &[1; 32]).unwrap();
                config.signing = Some(Box::new(Signing::new(key, Interval::DEFAULT)));
            }
            _ => {}
        }
        config.lower_priority_no_advert = flags[0];
        config.higher_priority_send_advert = flags[1];
        config.answer_returning_master = flags[2];
        config.owner_ignore_adverts = flags[2];
        config.grouped = flags[3];
        if flags[4] {
            config.overslept = Overslept::Continue;
        }
        config.announce.refresh = Duration::from_secs(refresh);
        config
    }
}

fn encode(version: Version, source: Ipv4Addr, priority: u8, centiseconds: u16) -> Vec<u8> {
    let addresses = [Ipv4Addr::new(10, 0, 0, 100).into()];
    let advertisement = Advertisement {
        version,
        family: Family::V4,
        vrid: Vrid::new(7).unwrap(),
        priority: Priority::new(priority),
        interval: match version {
            Version::V2 => Interval::DEFAULT,
            Version::V3 => Interval::from_centiseconds(centiseconds).unwrap(),
        },
        addresses: Cow::Borrowed(&addresses),
        auth: AuthData::None,
    };
    let header = PseudoHeader::V4(source, Ipv4Addr::new(224, 0, 0, 18));
    let mut out = vec![0; advertisement.encoded_len()];
    advertisement
        .encode(&header, ChecksumForm::PseudoHeader, &mut out)
        .unwrap();
    out
}

/// What the outside must see whatever happens.
struct Observer {
    router: VirtualRouter,
    now: Instant,
    state: State,
    has_addresses: bool,
}

impl Observer {
    fn drain(&mut self) {
        let mut buffer = [0; MAX_ENCODED_LEN];
        while let Some(action) = self.router.poll_action() {
            match action {
                Action::SendAdvert(advert) => {
                    let group = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
                    let len = self
                        .router
                        .encode_datagram(&advert, group, &mut buffer)
                        .unwrap();
                    let received = Received::from_ipv4(&buffer[..len]).unwrap();
                    assert_eq!(received.peek().unwrap().vrid.value(), 7);
                }
                Action::AddAddresses => self.has_addresses = true,
                Action::RemoveAddresses => self.has_addresses = false,
                Action::Transition(transition) => {
                    assert_eq!(transition.from, self.state, "{transition}");
                    assert_ne!(transition.from, transition.to, "{transition}");
                    self.state = transition.to;
                }
                Action::Announce(announcement) => {
                    assert!(announcement.repeat > 0);
                }
                Action::Report(report) => assert!(!report.to_string().is_empty()),
                _ => {}
            }
        }
        let state = self.router.state();
        assert_eq!(state, self.state);
        assert_eq!(self.has_addresses, state == State::Master);
        let waits = matches!(state, State::Backup | State::Master);
        assert_eq!(self.router.poll_timeout().is_some(), waits, "{state}");
        let stats = self.router.stats();
        let is_master = u64::from(state == State::Master);
        assert_eq!(stats.became_master, stats.left_master + is_master);
    }

    fn hear(&mut self, received: &Received<'_>) {
        let before = (
            self.router.state(),
            self.router.poll_timeout(),
            self.router.effective_priority(),
        );
        let verdict = self.router.handle_packet(self.now, received);
        if let Verdict::Dropped(reason) = verdict {
            let after = (
                self.router.state(),
                self.router.poll_timeout(),
                self.router.effective_priority(),
            );
            assert_eq!(before, after, "{reason}");
            assert!(self.router.stats().dropped(reason) > 0);
        }
    }

    fn operate(&mut self, operation: &Operation) {
        self.act(operation);
        self.drain();
    }

    /// Leaves the actions where they are.
    fn act(&mut self, operation: &Operation) {
        let version = self.router.config().version;
        let group = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
        match operation {
            Operation::Pass(micros) => self.now += Duration::from_micros(u64::from(*micros)),
            Operation::Timeout => {
                self.router.handle_timeout(self.now);
                let next = self.router.poll_timeout();
                assert!(next.is_none_or(|next| next > self.now));
            }
            Operation::Event(event) => self.router.handle_event(self.now, event.clone()),
            Operation::Hear {
                priority,
                source,
                centiseconds,
                corrupt,
            } => {
                let source = Ipv4Addr::new(10, 0, 0, *source);
                let mut bytes = encode(version, source, *priority, *centiseconds);
                if *corrupt {
                    bytes[2] ^= 0x55;
                }
                self.hear(&Received::new(source.into(), group, 255, &bytes));
            }
            Operation::Bytes(bytes) => {
                let source = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));
                self.hear(&Received::new(source, group, 255, bytes));
            }
            Operation::Reconfigure(priority, more) => {
                let mut config = self.router.config().clone();
                config.priority = Priority::new(*priority);
                config.addresses = vec![Ipv4Addr::new(10, 0, 0, 100).into()];
                if *more {
                    config.addresses.push(Ipv4Addr::new(10, 0, 0, 101).into());
                }
                let before = self.router.state();
                self.router.reconfigure(self.now, config).unwrap();
                assert_eq!(self.router.state(), before);
            }
        }
    }
}

/// What was handed over, as the next process reads it.
fn written_and_read(handover: Handover) -> Handover {
    #[cfg(feature = "serde")]
    let handover = serde_json::from_str(&serde_json::to_string(&handover).unwrap()).unwrap();
    handover
}

/// All actions but the reports, whose rate a new process bounds anew.
fn actions(router: &mut VirtualRouter) -> Vec<Action> {
    std::iter::from_fn(|| router.poll_action())
        .filter(|action| !matches!(action, Action::Report(_)))
        .collect()
}

proptest! {
    #[test]
    fn a_router_handed_over_at_any_moment_does_what_it_would_have_done(
        config in config(),
        operations in prop::collection::vec((operation(), prop::bool::weighted(0.2)), 1..100),
    ) {
        let observer = |router| Observer {
            router,
            now: Instant::ZERO,
            state: State::Initialize,
            has_addresses: false,
        };
        let mut stays = observer(VirtualRouter::new(config.clone()).unwrap());
        let mut moves = observer(VirtualRouter::new(config).unwrap());
        for (operation, hand_over) in &operations {
            stays.act(operation);
            moves.act(operation);
            prop_assert_eq!(actions(&mut stays.router), actions(&mut moves.router));
            let now = moves.now;
            if *hand_over {
                let handover = written_and_read(moves.router.hand_over(now));
                let config = moves.router.config().clone();
                match VirtualRouter::resume(now, config, &handover) {
                    Ok(mut router) => {
                        prop_assert_eq!(actions(&mut router), []);
                        moves.router = router;
                    }
                    // Both stay where they are: time has passed without anybody acting on it.
                    Err(error) => {
                        let stale = matches!(error, ResumeError::Stale { .. });
                        prop_assert!(stale, "{}", error);
                        prop_assert!(moves.router.poll_timeout().unwrap() < now);
                    }
                }
            }
            prop_assert_eq!(stays.router.state(), moves.router.state());
            prop_assert_eq!(stays.router.poll_timeout(), moves.router.poll_timeout());
            prop_assert_eq!(stays.router.stats(), moves.router.stats());
            prop_assert_eq!(stays.router.faults(), moves.router.faults());
            prop_assert_eq!(stays.router.master(), moves.router.master());
        }
    }

    #[test]
    fn what_changed_with_the_process_is_as_after_a_reload(
        config in config(),
        operations in prop::collection::vec(operation(), 1..60),
        priority in 1u8..,
        more: bool,
    ) {
        let mut stays = Observer {
            router: VirtualRouter::new(config).unwrap(),
            now: Instant::ZERO,
            state: State::Initialize,
            has_addresses: false,
        };
        for operation in &operations {
            stays.act(operation);
            actions(&mut stays.router);
        }
        let mut changed = stays.router.config().clone();
        changed.priority = Priority::new(priority);
        if more {
            changed.addresses.push(Ipv4Addr::new(10, 0, 0, 102).into());
        }
        let handover = written_and_read(stays.router.hand_over(stays.now));
        let Ok(mut moved) = VirtualRouter::resume(stays.now, changed.clone(), &handover) else {
            return Ok(());
        };
        stays.router.reconfigure(stays.now, changed).unwrap();
        prop_assert_eq!(actions(&mut stays.router), actions(&mut moved));
        prop_assert_eq!(stays.router.state(), moved.state());
        prop_assert_eq!(stays.router.poll_timeout(), moved.poll_timeout());
        prop_assert_eq!(stays.router.effective_priority(), moved.effective_priority());
    }

    #[test]
    fn no_sequence_of_operations_breaks_the_state_machine(
        config in config(),
        operations in prop::collection::vec(operation(), 1..120),
    ) {
        let mut observer = Observer {
            router: VirtualRouter::new(config).unwrap(),
            now: Instant::ZERO,
            state: State::Initialize,
            has_addresses: false,
        };
        for operation in &operations {
            observer.operate(operation);
        }
    }
}

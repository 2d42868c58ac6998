//! Any sequence of operations on a router keeps what the outside relies on: addresses only on a
//! master, connected transitions, a deadline in the future, dropped packets without effect.
#![no_main]

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use vrrp_proto::wire::{Advertisement, AuthData, MAX_ENCODED_LEN, PseudoHeader};
use vrrp_proto::{
    Action, Config, Event, Family, Fault, GroupOrder, Instant, Interval, Preemption, Priority,
    Received, State, Verdict, Version, VirtualRouter, Vrid,
};

#[derive(Arbitrary, Debug)]
struct Plan {
    priority: u8,
    version_3: bool,
    grouped: bool,
    preemption: u8,
    options: u8,
    operations: Vec<Operation>,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Pass(u32),
    Timeout,
    Startup,
    Shutdown,
    Fault { kind: u8, raised: bool },
    Priority(u8),
    Source(u8),
    TakeOver,
    StandDown(Option<u16>),
    Announce,
    Group(u8),
    Hear { priority: u8, source: u8, centiseconds: u16, hop_limit: u8 },
    Bytes(Vec<u8>),
    Reconfigure { priority: u8, addresses: u8, interval: u16 },
}

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

fuzz_target!(|plan: Plan| {
    let mut config = Config::new(Vrid::new(7).expect("not 0"), Family::V4);
    if plan.version_3 {
        config.version = Version::V3;
    }
    config.priority = Priority::new(plan.priority.max(1));
    config.source = Some(node(5));
    config.addresses = vec![node(100)];
    config.grouped = plan.grouped;
    config.preemption = match plan.preemption % 3 {
        0 => Preemption::Always,
        1 => Preemption::Never,
        _ => Preemption::Delayed(Duration::from_millis(u64::from(plan.preemption) * 40)),
    };
    config.lower_priority_no_advert = plan.options & 1 != 0;
    config.higher_priority_send_advert = plan.options & 2 != 0;
    config.owner_ignore_adverts = plan.options & 4 != 0;
    config.announce.refresh = Duration::from_secs(u64::from(plan.options >> 6));
    let mut router = VirtualRouter::new(config).expect("a good configuration");
    let mut now = Instant::ZERO;
    let mut seen = (State::Initialize, false);
    for operation in &plan.operations {
        operate(&mut router, &mut now, operation);
        drain(&mut router, &mut seen);
    }
});

fn node(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
}

fn operate(router: &mut VirtualRouter, now: &mut Instant, operation: &Operation) {
    let event = match operation {
        Operation::Pass(micros) => {
            *now += Duration::from_micros(u64::from(*micros));
            return;
        }
        Operation::Timeout => {
            router.handle_timeout(*now);
            assert!(router.poll_timeout().is_none_or(|next| next > *now));
            return;
        }
        Operation::Hear { priority, source, centiseconds, hop_limit } => {
            let bytes = advert(router.config().version, *source, *priority, *centiseconds);
            let hop_limit = if *hop_limit < 250 { 255 } else { *hop_limit };
            hear(router, *now, &Received::new(node(*source), GROUP.into(), hop_limit, &bytes));
            return;
        }
        Operation::Bytes(bytes) => {
            hear(router, *now, &Received::new(node(9), GROUP.into(), 255, bytes));
            return;
        }
        Operation::Reconfigure { priority, addresses, interval } => {
            let mut config = router.config().clone();
            config.priority = Priority::new((*priority).max(1));
            config.addresses = (100..100 + addresses % 9).map(node).collect();
            let wished = Duration::from_millis(u64::from(*interval));
            config.interval = Interval::nearest(config.version, wished);
            let before = router.state();
            router.reconfigure(*now, config).expect("a good configuration");
            assert_eq!(router.state(), before);
            return;
        }
        Operation::Startup => Event::Startup,
        Operation::Shutdown => Event::Shutdown,
        Operation::Fault { kind, raised } => {
            let fault = match kind % 3 {
                0 => Fault::InterfaceDown("eth0".into()),
                1 => Fault::TrackersPending,
                _ => Fault::Tracker("t".into()),
            };
            if *raised {
                Event::FaultRaised(fault)
            } else {
                Event::FaultCleared(fault)
            }
        }
        Operation::Priority(priority) => Event::TrackedPriority(Priority::new(*priority)),
        Operation::Source(0) => Event::SourceChanged(None),
        Operation::Source(last) => Event::SourceChanged(Some(node(*last))),
        Operation::TakeOver => Event::TakeOver,
        Operation::StandDown(hold) => Event::StandDown {
            hold: hold.map(|millis| Duration::from_millis(millis.into())),
        },
        Operation::Announce => Event::Announce,
        Operation::Group(order) => Event::Group(match order % 5 {
            0 => GroupOrder::Promote,
            1 => GroupOrder::Demote { because: "b".into() },
            2 => GroupOrder::Fault { because: "b".into() },
            3 => GroupOrder::ClearFault,
            _ => GroupOrder::Announce,
        }),
    };
    router.handle_event(*now, event);
}

fn hear(router: &mut VirtualRouter, now: Instant, received: &Received<'_>) {
    let before = (router.state(), router.poll_timeout());
    if let Verdict::Dropped(reason) = router.handle_packet(now, received) {
        assert_eq!((router.state(), router.poll_timeout()), before, "{reason}");
    }
}

fn advert(version: Version, source: u8, priority: u8, centiseconds: u16) -> Vec<u8> {
    let addresses = [node(100)];
    let advertisement = Advertisement {
        version,
        family: Family::V4,
        vrid: Vrid::new(7).expect("not 0"),
        priority: Priority::new(priority),
        interval: Interval::nearest(version, Duration::from_millis(u64::from(centiseconds))),
        addresses: Cow::Borrowed(&addresses),
        auth: AuthData::None,
    };
    let header = PseudoHeader::V4(Ipv4Addr::new(10, 0, 0, source), GROUP);
    let mut out = vec![0; advertisement.encoded_len()];
    advertisement
        .encode(&header, Default::default(), &mut out)
        .expect("a good advertisement");
    out
}

fn drain(router: &mut VirtualRouter, (state, has_addresses): &mut (State, bool)) {
    let mut buffer = [0; MAX_ENCODED_LEN];
    while let Some(action) = router.poll_action() {
        match action {
            Action::SendAdvert(advert) => {
                router
                    .encode_datagram(&advert, GROUP.into(), &mut buffer)
                    .expect("every advert can be encoded");
            }
            Action::AddAddresses => *has_addresses = true,
            Action::RemoveAddresses => *has_addresses = false,
            Action::Transition(transition) => {
                assert_eq!(transition.from, *state);
                assert_ne!(transition.from, transition.to);
                *state = transition.to;
            }
            _ => {}
        }
    }
    assert_eq!(*state, router.state());
    assert_eq!(*has_addresses, *state == State::Master);
    let waits = matches!(state, State::Backup | State::Master);
    assert_eq!(router.poll_timeout().is_some(), waits);
}

//! What happens in a simulation: who takes part, how the network behaves, what goes wrong when.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use super::random::Random;
use crate::auth::{Authentication, HmacKey, Password, Signing};
use crate::ids::{Family, Priority, Version, Vrid};
use crate::machine::{Config, Peer, Preemption, Transport};
use crate::time::{Interval, micros};

/// A simulation to run. [`Scenario::random`] makes one from a seed; write your own to ask a
/// particular question. All times are microseconds of true time from the start.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Decides delays, losses and duplicates.
    pub seed: u64,
    /// Who takes part.
    pub nodes: Vec<Node>,
    /// Shortest and longest time a packet takes. Different delays reorder packets.
    pub delay: (u64, u64),
    /// Packets lost per thousand, until `quiet_from`.
    pub loss: u64,
    /// Packets delivered twice per thousand.
    pub duplication: u64,
    /// What goes wrong, in order of time.
    pub disturbances: Vec<(u64, Disturbance)>,
    /// From here on nothing goes wrong: all links are healed, nothing is lost.
    pub quiet_from: u64,
    /// When the simulation ends.
    pub end: u64,
}

/// A machine with one virtual router on each link.
#[derive(Clone, Debug)]
pub struct Node {
    /// How much faster than true time its clock goes, in millionths.
    pub clock_ppm: i64,
    /// What its clock shows at the start, in microseconds.
    pub clock_offset: u64,
    /// Its routers, one for each link in order. More than one are a sync group.
    pub routers: Vec<Config>,
}

/// Something that goes wrong, or ends. Nodes and links are numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disturbance {
    /// Packets from one node no longer reach another, on one link; the other direction may work.
    Cut {
        /// The link.
        link: usize,
        /// The sender.
        from: usize,
        /// Who no longer hears it.
        to: usize,
    },
    /// The nodes whose bit is set in `side` and the others no longer hear each other.
    Partition {
        /// The link.
        link: usize,
        /// Bit `n` for node `n`.
        side: u32,
    },
    /// Everybody on the link hears everybody again.
    Heal {
        /// The link.
        link: usize,
    },
    /// The node's process does not run for that long; packets wait for it.
    Stall {
        /// The node.
        node: usize,
        /// For how many microseconds.
        micros: u64,
    },
    /// The node's process hands over to its successor, which runs after that long.
    Replace {
        /// The node.
        node: usize,
        /// How many microseconds nobody listens and nobody speaks.
        micros: u64,
    },
    /// The node is gone, with its addresses.
    Crash {
        /// The node.
        node: usize,
    },
    /// A crashed or stopped node starts anew.
    Restart {
        /// The node.
        node: usize,
    },
    /// The node stops cleanly.
    Stop {
        /// The node.
        node: usize,
    },
    /// A fault appears at, or goes from, one router.
    Fault {
        /// The node.
        node: usize,
        /// The link.
        link: usize,
        /// Whether it appears.
        raised: bool,
    },
    /// Tracking gives all routers of a node another priority.
    Priority {
        /// The node.
        node: usize,
        /// The priority.
        priority: Priority,
    },
    /// An operator tells a router to stand down for that long.
    StandDown {
        /// The node.
        node: usize,
        /// The link.
        link: usize,
        /// For how many microseconds.
        micros: u64,
    },
    /// An operator tells a router to take over.
    TakeOver {
        /// The node.
        node: usize,
        /// The link.
        link: usize,
    },
}

impl Scenario {
    /// A scenario made from `seed` alone: two to five nodes, any version, family and authentication,
    /// any mix of options, and up to a dozen disturbances before it gets quiet.
    pub fn random(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let nodes = random_nodes(&mut random);
        let shortest = intervals(&nodes).min().unwrap_or(1_000_000);
        let longest = intervals(&nodes).max().unwrap_or(1_000_000);
        let most_delay = random.between(100, (shortest / 5).min(50_000));
        let quiet_from = longest * random.between(3, 14);
        let mut scenario = Self {
            seed: random.next(),
            delay: (50, most_delay),
            loss: if random.chance(500) {
                random.between(0, 400)
            } else {
                0
            },
            duplication: random.between(0, 100),
            disturbances: Vec::new(),
            quiet_from,
            end: 0,
            nodes,
        };
        scenario.disturb(&mut random);
        scenario.end = quiet_from + scenario.settling_time() + 4 * longest;
        scenario
    }

    /// How long after `quiet_from` it may take until there is one master on each link: the longest
    /// master-down interval of any router, by the slowest clock, and the longest delay. A sync group
    /// may need a second round: its members' timers run out one after the other.
    pub fn settling_time(&self) -> u64 {
        let rounds = if self.links() > 1 { 3 } else { 1 };
        let slowest = self.nodes.iter().map(|node| -node.clock_ppm).max();
        let slowest = slowest.unwrap_or(0).max(0) as u64;
        let longest = intervals(&self.nodes).max().unwrap_or(0);
        let adverts = routers(&self.nodes).map(|config| u64::from(config.down_timer_adverts));
        let adverts = adverts.max().unwrap_or(3);
        let skew = longest.max(1_000_000 * u64::from(self.has_version_2()));
        let down = adverts * longest + skew;
        rounds * (down + down * (slowest + 100) / 1_000_000 + 2 * self.delay.1)
    }

    /// How long two masters that hear each other may last: until the better one's next advert has
    /// come through, or the answer to an advert of the other.
    pub fn overlap_bound(&self) -> u64 {
        let longest = intervals(&self.nodes).max().unwrap_or(0);
        2 * (longest + longest / 50 + self.delay.1) + 2_000
    }

    /// How many links there are.
    pub fn links(&self) -> usize {
        let links = self.nodes.iter().map(|node| node.routers.len());
        links.max().unwrap_or(0)
    }

    fn has_version_2(&self) -> bool {
        routers(&self.nodes).any(|config| config.version == Version::V2)
    }

    fn disturb(&mut self, random: &mut Random) {
        let count = self.nodes.len() as u64;
        let links = self.links() as u64;
        let longest = intervals(&self.nodes).max().unwrap_or(1_000_000);
        let mut at: Vec<u64> = (0..random.between(0, 12))
            .map(|_| random.between(0, self.quiet_from * 9 / 10))
            .collect();
        at.sort_unstable();
        for at in at {
            let node = random.between(0, count - 1) as usize;
            let other = (node + random.between(1, count - 1) as usize) % count as usize;
            let link = random.between(0, links - 1) as usize;
            let length = random.between(longest / 4, 9 * longest);
            let what = match random.between(0, 15) {
                0 | 1 => Disturbance::Cut {
                    link,
                    from: node,
                    to: other,
                },
                2 | 3 => Disturbance::Partition {
                    link,
                    side: random.between(1, (1 << count) - 2) as u32,
                },
                4 => Disturbance::Heal { link },
                5 | 6 => Disturbance::Stall {
                    node,
                    micros: length.min(self.quiet_from - at),
                },
                7 => Disturbance::Crash { node },
                8 => Disturbance::Restart { node },
                9 => Disturbance::Stop { node },
                10 => Disturbance::Fault {
                    node,
                    link,
                    raised: random.chance(600),
                },
                11 => Disturbance::Priority {
                    node,
                    priority: Priority::new(random.between(1, 254) as u8),
                },
                12 => Disturbance::StandDown {
                    node,
                    link,
                    micros: length,
                },
                13 => Disturbance::TakeOver { node, link },
                // Mostly in time, sometimes far too late.
                14 => Disturbance::Replace {
                    node,
                    micros: (length / 20).min(self.quiet_from - at),
                },
                _ => Disturbance::Replace {
                    node,
                    micros: length.min(self.quiet_from - at),
                },
            };
            self.disturbances.push((at, what));
        }
    }
}

fn routers(nodes: &[Node]) -> impl Iterator<Item = &Config> {
    nodes.iter().flat_map(|node| &node.routers)
}

fn intervals(nodes: &[Node]) -> impl Iterator<Item = u64> + '_ {
    routers(nodes).map(|config| config.interval.as_micros())
}

/// The address of a node on a link.
pub(super) fn address(family: Family, node: usize, link: usize) -> IpAddr {
    let (node, link) = (node as u8 + 1, link as u8);
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::new(10, 0, link, node)),
        Family::V6 => IpAddr::V6(Ipv6Addr::new(
            0xfe80,
            0,
            0,
            0,
            0,
            0,
            u16::from(link),
            u16::from(node),
        )),
    }
}

/// What the routers of one link have in common.
struct Common {
    version: Version,
    family: Family,
    authentication: Authentication,
    signing: Option<Box<Signing>>,
    interval: Interval,
    unicast: bool,
    down_timer_adverts: u8,
    count: usize,
}

fn random_nodes(random: &mut Random) -> Vec<Node> {
    let count = random.pick(&[2usize, 2, 3, 3, 4, 5]).unwrap_or(2);
    let links = if random.chance(200) { 2 } else { 1 };
    let (version, family) = random
        .pick(&[
            (Version::V2, Family::V4),
            (Version::V3, Family::V4),
            (Version::V3, Family::V6),
            (Version::V2, Family::V6),
        ])
        .unwrap_or((Version::V2, Family::V4));
    let centiseconds = match version {
        Version::V2 => random.pick(&[100u16, 100, 200]),
        Version::V3 => random.pick(&[1u16, 2, 10, 50, 100, 300]),
    };
    let interval = centiseconds.and_then(Interval::from_centiseconds);
    let interval = interval.unwrap_or_default();
    let password = Password::new(b"s3cret12");
    let (authentication, signing) = match (random.between(0, 9), version, family) {
        (0 | 1, Version::V2, _) => (Authentication::Password(password), None),
        (2, Version::V2, Family::V4) => (Authentication::Header(password), None),
        (3, ..) => {
            let key = HmacKey::new(1, &[7; 32]).ok();
            let signing = key.map(|key| Box::new(Signing::new(key, interval)));
            (Authentication::None, signing)
        }
        _ => (Authentication::None, None),
    };
    let common = Common {
        version,
        family,
        authentication,
        signing,
        interval,
        unicast: random.chance(200),
        down_timer_adverts: if random.chance(150) {
            random.between(2, 5) as u8
        } else {
            3
        },
        count,
    };
    let owner = random
        .chance(150)
        .then(|| random.between(0, count as u64 - 1) as usize);
    (0..count)
        .map(|node| random_node(random, &common, node, links, owner == Some(node)))
        .collect()
}

fn random_node(
    random: &mut Random,
    common: &Common,
    node: usize,
    links: usize,
    owner: bool,
) -> Node {
    let priority = match random.between(0, 3) {
        _ if owner => 255,
        // Equal priorities are not rare in the field.
        0 => 100,
        _ => random.between(1, 254) as u8,
    };
    let preemption = match random.between(0, 9) {
        0..=5 => Preemption::Always,
        6 | 7 => Preemption::Never,
        _ => Preemption::Delayed(common.interval.as_duration() * random.between(1, 5) as u32),
    };
    let factor = match common.version {
        Version::V3 if random.chance(200) => random.between(2, 3) as u16,
        _ => 1,
    };
    let interval = Interval::from_centiseconds(common.interval.centiseconds() * factor);
    let (no_advert, send_advert) = (random.chance(150), random.chance(150));
    let router = |link: usize| {
        let mut config = Config::new(VRID, common.family);
        config.version = common.version;
        config.priority = Priority::new(priority);
        config.interval = interval.unwrap_or(common.interval);
        config.addresses = vec![address(common.family, 99, link)];
        config.source = Some(address(common.family, node, link));
        config.preemption = preemption;
        config.down_timer_adverts = common.down_timer_adverts;
        config.lower_priority_no_advert = no_advert;
        config.higher_priority_send_advert = send_advert;
        // Both kinds meet.
        config.answer_returning_master = node.is_multiple_of(2);
        config.authentication = common.authentication.clone();
        config.signing.clone_from(&common.signing);
        config.grouped = links > 1;
        config.announce.refresh = Duration::ZERO;
        if common.unicast {
            let others = (0..common.count).filter(|other| *other != node);
            config.transport = Transport::Unicast {
                peers: others
                    .map(|other| Peer::new(address(common.family, other, link)))
                    .collect(),
                check_source: true,
            };
        }
        config
    };
    Node {
        clock_ppm: random.between(0, 10_000) as i64 - 5_000,
        clock_offset: random.between(0, micros(Duration::from_secs(1_000_000))),
        routers: (0..links).map(router).collect(),
    }
}

const VRID: Vrid = match Vrid::new(51) {
    Some(vrid) => vrid,
    None => unreachable!(),
};

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::name::{Name, NameError};

/// How a service picks a destination for a new connection.
///
/// keepalived calls it `lvs_sched` (or `lb_algo`), ipvsadm `--scheduler`. Each lives in a kernel
/// module of its own, `ip_vs_` and the name, which the kernel loads when it is first asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "String", into = "String"))]
#[non_exhaustive]
pub enum Scheduler {
    /// `rr`: one after the other.
    RoundRobin,
    /// `wrr`: one after the other, in proportion to the weights.
    WeightedRoundRobin,
    /// `lc`: the one with the fewest connections.
    LeastConnection,
    /// `wlc`: the fewest connections for its weight; ipvsadm's default.
    #[default]
    WeightedLeastConnection,
    /// `lblc`: by the address that is asked for, kept on one cache.
    LocalityBasedLeastConnection,
    /// `lblcr`: as `lblc`, with a set of caches for each address.
    LocalityBasedLeastConnectionReplication,
    /// `dh`: hash of the destination address.
    DestinationHashing,
    /// `sh`: hash of the client's address.
    SourceHashing,
    /// `sed`: shortest expected delay.
    ShortestExpectedDelay,
    /// `nq`: an idle one if there is one, else the shortest expected delay.
    NeverQueue,
    /// `fo`: the one with the highest weight that is not overloaded.
    WeightedFailover,
    /// `ovf`: the highest weight until it holds as many connections as its weight, then the next.
    WeightedOverflow,
    /// `mh`: Maglev hashing of the client's address.
    MaglevHashing,
    /// `twos`: the better of two picked at random by weight.
    PowerOfTwoChoices,
    /// `none`: the kernel picks by persistence alone (a service without a scheduler).
    Unscheduled,
    /// A scheduler that this version does not know by name.
    Other(Name),
}

impl Scheduler {
    /// The schedulers of a current kernel, in the order of ipvsadm's help.
    pub const KNOWN: [Self; 14] = [
        Self::RoundRobin,
        Self::WeightedRoundRobin,
        Self::LeastConnection,
        Self::WeightedLeastConnection,
        Self::LocalityBasedLeastConnection,
        Self::LocalityBasedLeastConnectionReplication,
        Self::DestinationHashing,
        Self::SourceHashing,
        Self::ShortestExpectedDelay,
        Self::NeverQueue,
        Self::WeightedFailover,
        Self::WeightedOverflow,
        Self::MaglevHashing,
        Self::PowerOfTwoChoices,
    ];

    /// The kernel's short name, such as `wrr`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::RoundRobin => "rr",
            Self::WeightedRoundRobin => "wrr",
            Self::LeastConnection => "lc",
            Self::WeightedLeastConnection => "wlc",
            Self::LocalityBasedLeastConnection => "lblc",
            Self::LocalityBasedLeastConnectionReplication => "lblcr",
            Self::DestinationHashing => "dh",
            Self::SourceHashing => "sh",
            Self::ShortestExpectedDelay => "sed",
            Self::NeverQueue => "nq",
            Self::WeightedFailover => "fo",
            Self::WeightedOverflow => "ovf",
            Self::MaglevHashing => "mh",
            Self::PowerOfTwoChoices => "twos",
            Self::Unscheduled => "none",
            Self::Other(name) => name.as_str(),
        }
    }

    /// The module that must be loaded, such as `ip_vs_wrr`.
    #[must_use]
    pub fn module(&self) -> String {
        format!("ip_vs_{}", self.name())
    }
}

impl FromStr for Scheduler {
    type Err = NameError;

    /// Reads a kernel name; one that is not known becomes [`Scheduler::Other`].
    fn from_str(name: &str) -> Result<Self, NameError> {
        let known = Self::KNOWN
            .iter()
            .find(|scheduler| scheduler.name() == name);
        match known {
            Some(scheduler) => Ok(scheduler.clone()),
            None if name == "none" => Ok(Self::Unscheduled),
            None => Name::new(name).map(Self::Other),
        }
    }
}

impl TryFrom<String> for Scheduler {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        name.parse()
    }
}

impl From<Scheduler> for String {
    fn from(scheduler: Scheduler) -> Self {
        scheduler.name().to_owned()
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The three flags whose meaning the scheduler defines (`IP_VS_SVC_F_SCHED1` to `SCHED3`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct SchedulerFlags(u32);

impl SchedulerFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// `flag-1`.
    pub const FLAG_1: Self = Self(0x08);
    /// `flag-2`.
    pub const FLAG_2: Self = Self(0x10);
    /// `flag-3`.
    pub const FLAG_3: Self = Self(0x20);
    /// `sh-fallback`, `mh-fallback`: take the next destination if the one hashed to has weight 0.
    pub const HASH_FALLBACK: Self = Self::FLAG_1;
    /// `sh-port`, `mh-port`: hash the client's port as well.
    pub const HASH_PORT: Self = Self::FLAG_2;

    /// Keeps the scheduler flags of a service's flag word and drops the other bits.
    #[must_use]
    pub const fn from_bits_truncate(bits: u32) -> Self {
        Self(bits & 0x38)
    }

    /// The bits as they stand in the service's flag word.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether no flag is set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all flags of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The names ipvsadm prints for a scheduler, joined by commas; empty without flags.
    #[must_use]
    pub fn names(self, scheduler: &Scheduler) -> String {
        let [first, second, third] = match scheduler {
            Scheduler::SourceHashing => ["sh-fallback", "sh-port", "flag-3"],
            Scheduler::MaglevHashing => ["mh-fallback", "mh-port", "flag-3"],
            _ => ["flag-1", "flag-2", "flag-3"],
        };
        let names = [
            (Self::FLAG_1, first),
            (Self::FLAG_2, second),
            (Self::FLAG_3, third),
        ];
        let set: Vec<_> = names
            .into_iter()
            .filter(|(flag, _)| self.contains(*flag))
            .map(|(_, n)| n)
            .collect();
        set.join(",")
    }

    /// Reads ipvsadm's comma list (`sh-fallback,sh-port`, `mh-…`, `flag-1`…) for a scheduler.
    ///
    /// # Errors
    ///
    /// [`SchedulerFlagsError`] for a name that is no flag, or is a flag of another scheduler.
    pub fn parse(list: &str, scheduler: &Scheduler) -> Result<Self, SchedulerFlagsError> {
        let mut flags = Self::NONE;
        for name in list.split(',') {
            let (flag, of) = match name {
                "flag-1" => (Self::FLAG_1, None),
                "flag-2" => (Self::FLAG_2, None),
                "flag-3" => (Self::FLAG_3, None),
                "sh-fallback" => (Self::HASH_FALLBACK, Some(Scheduler::SourceHashing)),
                "sh-port" => (Self::HASH_PORT, Some(Scheduler::SourceHashing)),
                "mh-fallback" => (Self::HASH_FALLBACK, Some(Scheduler::MaglevHashing)),
                "mh-port" => (Self::HASH_PORT, Some(Scheduler::MaglevHashing)),
                _ => {
                    return Err(SchedulerFlagsError::Unknown {
                        flag: name.to_owned(),
                    });
                }
            };
            if let Some(of) = of
                && of != *scheduler
            {
                return Err(SchedulerFlagsError::OtherScheduler {
                    flag: name.to_owned(),
                    scheduler: scheduler.name().to_owned(),
                });
            }
            flags = flags.union(flag);
        }
        Ok(flags)
    }
}

/// Why a list of scheduler flags is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SchedulerFlagsError {
    /// No flag has this name.
    #[error(
        "no scheduler flag `{flag}`; there are sh-fallback, sh-port, mh-fallback, mh-port, \
         flag-1, flag-2 and flag-3"
    )]
    Unknown {
        /// What was given.
        flag: String,
    },
    /// The flag is another scheduler's.
    #[error("scheduler flag `{flag}` does not go with scheduler `{scheduler}`")]
    OtherScheduler {
        /// What was given.
        flag: String,
        /// The scheduler of the service.
        scheduler: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for scheduler in Scheduler::KNOWN {
            assert_eq!(scheduler.name().parse(), Ok(scheduler));
        }
        assert_eq!("none".parse(), Ok(Scheduler::Unscheduled));
        let other: Scheduler = "newest".parse().unwrap();
        assert_eq!(
            (other.name(), other.module().as_str()),
            ("newest", "ip_vs_newest")
        );
    }

    #[test]
    fn flags_are_named_after_the_scheduler() {
        let all = SchedulerFlags::from_bits_truncate(u32::MAX);
        assert_eq!(
            all.names(&Scheduler::SourceHashing),
            "sh-fallback,sh-port,flag-3"
        );
        assert_eq!(
            all.names(&Scheduler::MaglevHashing),
            "mh-fallback,mh-port,flag-3"
        );
        assert_eq!(all.names(&Scheduler::RoundRobin), "flag-1,flag-2,flag-3");
        let parsed = SchedulerFlags::parse("sh-port,flag-1", &Scheduler::SourceHashing).unwrap();
        assert_eq!(parsed.bits(), 0x18);
        assert!(SchedulerFlags::parse("mh-port", &Scheduler::SourceHashing).is_err());
        assert!(SchedulerFlags::parse("", &Scheduler::SourceHashing).is_err());
    }
}

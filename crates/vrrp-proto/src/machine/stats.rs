//! Counters of a virtual router.

use alloc::boxed::Box;
#[cfg(feature = "serde")]
use alloc::string::String;

use super::reason::DropReason;

/// Counters since the router was made; they only grow (RFC 9568 and keepalived's MIB name most).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Adverts that passed all checks.
    pub adverts_received: u64,
    /// Adverts sent, each counted once however many peers get a copy.
    pub adverts_sent: u64,
    /// Adverts with priority 0 among those received.
    pub resignations_received: u64,
    /// Adverts with priority 0 among those sent.
    pub resignations_sent: u64,
    /// Times it became master.
    pub became_master: u64,
    /// Times it stopped being master.
    pub left_master: u64,
    /// Adverts that listed other addresses than ours.
    pub address_list_mismatches: u64,
    /// Version 3 adverts with another interval than ours.
    pub interval_differences: u64,
    /// Adverts of a lower priority heard as master.
    pub lower_priority_received: u64,
    /// Adverts that listed our addresses under another identifier.
    pub foreign_identifiers: u64,
    /// Times the router woke later than its master-down interval.
    pub overslept: u64,
    dropped: DropCounters,
}

/// Most routers never drop a packet: the counters are made with the first one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct DropCounters(Option<Box<[u64; DropReason::ALL.len()]>>);

impl DropCounters {
    const NONE: [u64; DropReason::ALL.len()] = [0; DropReason::ALL.len()];

    fn all(&self) -> &[u64; DropReason::ALL.len()] {
        self.0.as_deref().unwrap_or(&Self::NONE)
    }

    fn counter(&mut self, reason: DropReason) -> Option<&mut u64> {
        let counters = self.0.get_or_insert_with(|| Box::new(Self::NONE));
        counters.get_mut(reason as usize)
    }
}

impl Stats {
    /// Packets dropped for `reason`.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped
            .all()
            .get(reason as usize)
            .copied()
            .unwrap_or(0)
    }

    /// Every reason with its counter.
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL
            .iter()
            .copied()
            .zip(self.dropped.all().iter().copied())
    }

    /// Packets dropped for any reason.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.all().iter().sum()
    }

    pub(super) fn count_drop(&mut self, reason: DropReason) {
        if let Some(counter) = self.dropped.counter(reason) {
            *counter += 1;
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Stats {
    /// The counters by name; `dropped` is a map of the reasons that occurred.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fields = serializer.serialize_struct("Stats", 12)?;
        fields.serialize_field("adverts_received", &self.adverts_received)?;
        fields.serialize_field("adverts_sent", &self.adverts_sent)?;
        fields.serialize_field("resignations_received", &self.resignations_received)?;
        fields.serialize_field("resignations_sent", &self.resignations_sent)?;
        fields.serialize_field("became_master", &self.became_master)?;
        fields.serialize_field("left_master", &self.left_master)?;
        fields.serialize_field("address_list_mismatches", &self.address_list_mismatches)?;
        fields.serialize_field("interval_differences", &self.interval_differences)?;
        fields.serialize_field("lower_priority_received", &self.lower_priority_received)?;
        fields.serialize_field("foreign_identifiers", &self.foreign_identifiers)?;
        fields.serialize_field("overslept", &self.overslept)?;
        let dropped: alloc::collections::BTreeMap<DropReason, u64> =
            self.drops().filter(|(_, count)| *count > 0).collect();
        fields.serialize_field("dropped", &dropped)?;
        fields.end()
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Stats {
    /// The opposite of serialising; counters and reasons that are not known are left out.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use alloc::collections::BTreeMap;
        use serde::de::IntoDeserializer as _;
        use serde::de::value::{Error, StrDeserializer};

        let counters: BTreeMap<String, Counter> = BTreeMap::deserialize(deserializer)?;
        let mut stats = Self::default();
        for (name, counter) in counters {
            let known = match &*name {
                "adverts_received" => &mut stats.adverts_received,
                "adverts_sent" => &mut stats.adverts_sent,
                "resignations_received" => &mut stats.resignations_received,
                "resignations_sent" => &mut stats.resignations_sent,
                "became_master" => &mut stats.became_master,
                "left_master" => &mut stats.left_master,
                "address_list_mismatches" => &mut stats.address_list_mismatches,
                "interval_differences" => &mut stats.interval_differences,
                "lower_priority_received" => &mut stats.lower_priority_received,
                "foreign_identifiers" => &mut stats.foreign_identifiers,
                "overslept" => &mut stats.overslept,
                _ => {
                    let Counter::Many(dropped) = counter else {
                        continue;
                    };
                    for (reason, count) in dropped {
                        let name: StrDeserializer<'_, Error> = reason.as_str().into_deserializer();
                        let reason = DropReason::deserialize(name).ok();
                        let place = reason.and_then(|reason| stats.dropped.counter(reason));
                        if let (Some(place), Counter::One(count)) = (place, count) {
                            *place = count;
                        }
                    }
                    continue;
                }
            };
            if let Counter::One(count) = counter {
                *known = count;
            }
        }
        Ok(stats)
    }
}

/// A counter, the map of those of the drops, or something that a later version counts in another way.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Counter {
    One(u64),
    Many(alloc::collections::BTreeMap<String, Self>),
    Other(serde::de::IgnoredAny),
}

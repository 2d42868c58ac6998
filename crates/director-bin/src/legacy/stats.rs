//! `keepalived.stats`

use director_control::snapshot::Instance;
use std::fmt::Write;
use vrrp_proto::DropReason;

/// A counter of keepalived: its name in `keepalived.json`, its line in `keepalived.stats`, and the reasons of dropped packets
/// that it counts.
type Counter = (&'static str, &'static str, &'static [DropReason]);

/// Packets that are no proper advertisements.
pub(super) const PACKETS: [Counter; 5] = [
    (
        "packet_len_err",
        "Length",
        &[DropReason::Truncated, DropReason::Excess],
    ),
    (
        "ip_ttl_err",
        "TTL",
        &[DropReason::HopLimit, DropReason::PeerHopLimit],
    ),
    ("invalid_type_rcvd", "Invalid Type", &[DropReason::Type]),
    (
        "advert_interval_err",
        "Advertisement Interval",
        &[DropReason::IntervalZero, DropReason::IntervalMismatch],
    ),
    (
        ADDRESS_LIST,
        "Address List",
        &[
            DropReason::AddressList,
            DropReason::NoAddresses,
            DropReason::Destination,
        ],
    ),
];

/// It counts accepted advertisements with other addresses too.
const ADDRESS_LIST: &str = "addr_list_err";

/// Passwords and authentication headers.
pub(super) const AUTHENTICATION: [Counter; 3] = [
    (
        "invalid_authtype",
        "Invalid Type",
        &[DropReason::AuthTypeUnknown],
    ),
    (
        "authtype_mismatch",
        "Type Mismatch",
        &[DropReason::AuthTypeMismatch],
    ),
    (
        "auth_failure",
        "Failure",
        &[
            DropReason::Password,
            DropReason::HeaderMalformed,
            DropReason::HeaderDigest,
            DropReason::HeaderReplay,
        ],
    ),
];

/// The trailer of `auth_hmac`.
pub(super) const EXTENSION: [Counter; 6] = [
    (
        "auth_ext_missing",
        "Missing",
        &[DropReason::SignatureMissing],
    ),
    (
        "auth_ext_malformed",
        "Malformed",
        &[DropReason::SignatureMalformed],
    ),
    (
        "auth_ext_unknown_key",
        "Unknown Key",
        &[DropReason::SignatureUnknownKey],
    ),
    (
        "auth_ext_invalid_hmac",
        "Invalid HMAC",
        &[DropReason::SignatureInvalid],
    ),
    ("auth_ext_stale", "Stale", &[DropReason::SignatureStale]),
    ("auth_ext_replay", "Replay", &[DropReason::SignatureReplay]),
];

/// What a counter of keepalived stands at.
pub(super) fn count(instance: &Instance, (name, _, reasons): &Counter) -> u64 {
    let ignored = &instance.counters.ignored;
    let dropped = reasons
        .iter()
        .filter_map(|reason| ignored.get(&reason.to_string()))
        .fold(0, |sum: u64, count| sum.saturating_add(*count));
    if *name == ADDRESS_LIST {
        dropped.saturating_add(instance.counters.address_list_mismatches)
    } else {
        dropped
    }
}

/// One group of lines for each instance.
pub(crate) fn stats(instances: &[Instance]) -> String {
    let mut text = String::new();
    for instance in instances {
        let counters = &instance.counters;
        let released = released(instance);
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "VRRP Instance: {}\n  Advertisements:\n    Received: {}\n    Sent: {}\n  Became master: {}\n  Released master: {released}\n",
            instance.name, counters.adverts_received, counters.adverts_sent, counters.became_master
        );
        let sections: [(&str, &[Counter]); 3] = [
            ("Packet Errors", &PACKETS),
            ("Authentication Errors", &AUTHENTICATION),
            ("Authentication Extension Errors", &EXTENSION),
        ];
        for (title, all) in sections {
            let _ = writeln!(text, "  {title}:");
            for counter in all {
                let _ = writeln!(text, "    {}: {}", counter.1, count(instance, counter));
            }
        }
        let _ = write!(
            text,
            "  Priority Zero:\n    Received: {}\n    Sent: {}\n",
            counters.resignations_received, counters.resignations_sent
        );
    }
    text
}

/// Times it left mastership.
pub(super) fn released(instance: &Instance) -> u64 {
    let master = instance.state == director_control::snapshot::InstanceState::Master;
    instance
        .counters
        .became_master
        .saturating_sub(u64::from(master))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::sample;
    use std::collections::BTreeSet;

    #[test]
    fn it_reads_as_keepalived_writes_it() {
        let text = stats(&sample::snapshot().instances);
        let wanted = "VRRP Instance: VI_1\n  Advertisements:\n    Received: 3\n    Sent: 27\n  Became master: 1\n  Released master: 0\n  Packet Errors:\n    Length: 0\n    TTL: 2\n";
        assert!(text.starts_with(wanted), "{text}");
        assert!(
            text.ends_with("  Priority Zero:\n    Received: 0\n    Sent: 0\n"),
            "{text}"
        );
    }

    #[test]
    fn every_reason_counts_in_one_place_at_most() {
        let mut instance = sample::snapshot().instances.remove(0);
        let all = || PACKETS.iter().chain(&AUTHENTICATION).chain(&EXTENSION);
        let mut counted = BTreeSet::new();
        for reason in DropReason::ALL {
            instance.counters.ignored = [(reason.to_string(), 7)].into();
            let moved: Vec<&str> = all()
                .filter(|counter| count(&instance, counter) == 7)
                .map(|(name, ..)| *name)
                .collect();
            assert!(moved.len() <= 1, "{reason}: {moved:?}");
            counted.extend(moved);
        }
        assert_eq!(counted.len(), all().count(), "{counted:?}");
        instance.counters.ignored.clear();
        instance.counters.address_list_mismatches = 3;
        let text = stats(&[instance]);
        assert!(text.contains("    Address List: 3\n"), "{text}");
    }
}

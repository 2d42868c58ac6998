//! `keepalived.stats`

use director_control::snapshot::Instance;
use std::fmt::Write;

/// What the reasons of dropped packets are called in keepalived's file, by a word of theirs.
const PACKETS: [(&str, &[&str]); 5] = [
    ("Length", &["length", "short", "truncated"]),
    ("TTL", &["TTL", "hop limit"]),
    ("Invalid Type", &["message type"]),
    ("Advertisement Interval", &["interval"]),
    ("Address List", &["address list", "addresses"]),
];

const AUTHENTICATION: [(&str, &[&str]); 3] = [
    ("Invalid Type", &["unknown authentication"]),
    ("Type Mismatch", &["authentication type"]),
    ("Failure", &["password", "digest", "signature", "HMAC"]),
];

/// The number of packets dropped for a reason that has one of these words.
pub(super) fn dropped(instance: &Instance, words: &[&str]) -> u64 {
    let ignored = instance.counters.ignored.iter();
    let of = ignored.filter(|(reason, _)| words.iter().any(|word| reason.contains(word)));
    of.map(|(_, count)| *count).fold(0, u64::saturating_add)
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
            "VRRP Instance: {}\n  Advertisements:\n    Received: {}\n    Sent: {}\n  Became master: {}\n  Released master: {released}\n  Packet Errors:\n",
            instance.name, counters.adverts_received, counters.adverts_sent, counters.became_master
        );
        for (name, words) in PACKETS {
            let _ = writeln!(text, "    {name}: {}", dropped(instance, words));
        }
        text.push_str("  Authentication Errors:\n");
        for (name, words) in AUTHENTICATION {
            let _ = writeln!(text, "    {name}: {}", dropped(instance, words));
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
}

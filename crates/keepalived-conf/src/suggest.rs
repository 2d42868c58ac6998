//! Near misses and words glued together.

/// Words of this length or more are not compared.
const WIDTH: usize = 48;

/// Edits between two words: insertion, deletion, replacement, exchange of neighbours.
/// Letter case does not count; `-` and `_` are the same.
pub(crate) fn distance(a: &str, b: &str, limit: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > limit || a.len() >= WIDTH || b.len() >= WIDTH {
        return None;
    }
    let norm = |byte: &u8| {
        if *byte == b'-' {
            b'_'
        } else {
            byte.to_ascii_lowercase()
        }
    };
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before = [0_usize; WIDTH];
    let mut last: [usize; WIDTH] = std::array::from_fn(|index| index);
    let mut row = [0_usize; WIDTH];
    let at = |row: &[usize], i: usize| row.get(i).copied().unwrap_or(usize::MAX / 2);
    for (i, x) in a.iter().map(norm).enumerate() {
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, y) in b.iter().map(norm).enumerate() {
            let mut cost = (at(&last, j) + usize::from(x != y))
                .min(at(&last, j + 1) + 1)
                .min(at(&row, j) + 1);
            if i > 0
                && j > 0
                && a.get(i - 1).map(norm) == Some(y)
                && b.get(j - 1).map(norm) == Some(x)
            {
                cost = cost.min(at(&before, j - 1) + 1);
            }
            if let Some(cell) = row.get_mut(j + 1) {
                *cell = cost;
            }
        }
        std::mem::swap(&mut before, &mut last);
        std::mem::swap(&mut last, &mut row);
    }
    Some(at(&last, b.len())).filter(|d| *d <= limit)
}

/// How many edits still count as a slip in a word of this length.
pub(crate) const fn tolerance(length: usize) -> usize {
    match length {
        0..=2 => 0,
        3..=5 => 1,
        6..=9 => 2,
        _ => 3,
    }
}

/// The candidate nearest to `word`, if one is near enough.
pub(crate) fn nearest<'c>(
    word: &str,
    candidates: impl Iterator<Item = &'c str>,
) -> Option<&'c str> {
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let limit = tolerance(word.len().max(candidate.len()));
        let Some(found) = distance(word, candidate, limit) else {
            continue;
        };
        let better = match best {
            None => true,
            Some((known, name)) => found < known || found == known && candidate < name,
        };
        if better {
            best = Some((found, candidate));
        }
    }
    if best.is_none() && word.len() >= 6 {
        return None;
    }
    best.map(|(_, name)| name)
}

/// What other programs and manuals call a value, and what it is called here.
const SYNONYMS: &[(&str, &str)] = &[
    ("roundrobin", "rr"),
    ("round_robin", "rr"),
    ("weighted_round_robin", "wrr"),
    ("leastconn", "lc"),
    ("least_conn", "lc"),
    ("leastconnection", "lc"),
    ("least_connection", "lc"),
    ("weighted_least_connection", "wlc"),
    ("source", "sh"),
    ("ip_hash", "sh"),
    ("source_hash", "sh"),
    ("source_hashing", "sh"),
    ("destination_hash", "dh"),
    ("maglev", "mh"),
    ("failover", "fo"),
    ("direct", "DR"),
    ("droute", "DR"),
    ("gate", "DR"),
    ("gatewaying", "DR"),
    ("direct_routing", "DR"),
    ("masq", "NAT"),
    ("masquerade", "NAT"),
    ("masquerading", "NAT"),
    ("tunnel", "TUN"),
    ("ipip", "TUN"),
    ("primary", "MASTER"),
    ("active", "MASTER"),
    ("secondary", "BACKUP"),
    ("standby", "BACKUP"),
    ("passive", "BACKUP"),
    ("slave", "BACKUP"),
    ("http", "TCP"),
    ("https", "TCP"),
];

/// The allowed word that means the same.
pub(crate) fn synonym(word: &str, allowed: &[&'static str]) -> Option<&'static str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    let (_, meant) = SYNONYMS.iter().find(|(name, _)| *name == word)?;
    allowed.iter().copied().find(|known| known == meant)
}

/// A keyword that `word` begins with, and the rest: `priority99` is `priority` and `99`,
/// `statusMASTER` is nearly `state` and `MASTER`.
pub(crate) fn glued<'c, 'w>(
    word: &'w str,
    candidates: impl Iterator<Item = &'c str>,
) -> Option<(&'c str, &'w str)> {
    let split = split_point(word)?;
    let (head, tail) = (word.get(..split)?, word.get(split..)?);
    let mut exact: Option<&'c str> = None;
    let mut near: Option<(usize, &'c str)> = None;
    for candidate in candidates {
        if word.starts_with(candidate)
            && word.len() > candidate.len()
            && exact.is_none_or(|known| known.len() < candidate.len())
        {
            exact = Some(candidate);
        }
        if let Some(found) = distance(head, candidate, tolerance(head.len().max(6)))
            && near.is_none_or(|(known, _)| found < known)
        {
            near = Some((found, candidate));
        }
    }
    if let Some(candidate) = exact {
        let rest = word.get(candidate.len()..)?;
        // `priorityx` is a slip, `priority99` and `stateMASTER` are glued.
        if rest.starts_with(|c: char| !c.is_ascii_lowercase() && c != '_' && c != '-') {
            return Some((candidate, rest));
        }
    }
    near.map(|(_, candidate)| (candidate, tail))
}

/// Where the value begins: at the first digit, or at an upper-case letter after a lower-case one.
fn split_point(word: &str) -> Option<usize> {
    let bytes = word.as_bytes();
    (1..bytes.len()).find(|index| {
        let (before, here) = (bytes.get(index - 1), bytes.get(*index));
        let lower = before.is_some_and(|b| b.is_ascii_lowercase() || *b == b'_');
        lower && here.is_some_and(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &[&str] = &[
        "priority",
        "state",
        "weight",
        "interface",
        "interval",
        "virtual_ipaddress",
    ];

    #[test]
    fn finds_slips() {
        let near = |word| nearest(word, WORDS.iter().copied());
        assert_eq!(near("prioritty"), Some("priority"));
        assert_eq!(near("weigth"), Some("weight"));
        assert_eq!(near("intervael"), Some("interval"));
        assert_eq!(near("virtual-ipaddress"), Some("virtual_ipaddress"));
        assert_eq!(near("xyz"), None);
    }

    #[test]
    fn finds_glued_words() {
        let glued = |word| glued(word, WORDS.iter().copied());
        assert_eq!(glued("priority99"), Some(("priority", "99")));
        assert_eq!(glued("statusMASTER"), Some(("state", "MASTER")));
        assert_eq!(glued("stateMASTER"), Some(("state", "MASTER")));
        assert_eq!(glued("prioritty"), None);
    }
}

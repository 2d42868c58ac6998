//! The processes that count, as far as they are known.

use super::Pattern;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Octets of a command line that are read.
const COMMAND_LINE: u64 = 64 * 1024;

/// Which processes match which pattern.
#[derive(Debug, Default)]
pub(super) struct Table {
    patterns: Vec<Pattern>,
    /// The patterns that a process matches, by its number; only of those that match one.
    matching: BTreeMap<i32, BTreeSet<usize>>,
    counts: Vec<u32>,
}

impl Table {
    pub(super) fn new(patterns: Vec<Pattern>) -> Self {
        let counts = vec![0; patterns.len()];
        Self {
            patterns,
            matching: BTreeMap::new(),
            counts,
        }
    }

    /// How many processes match that pattern.
    pub(super) fn count(&self, pattern: usize) -> u32 {
        self.counts.get(pattern).copied().unwrap_or(0)
    }

    /// A process has begun, or is something else now.
    pub(super) fn look_at(&mut self, pid: i32) {
        let found = matching(&self.patterns, &PathBuf::from(format!("/proc/{pid}")));
        self.put(pid, found);
    }

    /// A process has ended.
    pub(super) fn forget(&mut self, pid: i32) {
        self.put(pid, BTreeSet::new());
    }

    /// Looks at all processes. That may take some milliseconds, so it does not happen on the thread of the daemon's loop.
    pub(super) async fn look_at_all(&mut self) {
        let patterns = self.patterns.clone();
        let Ok(found) = tokio::task::spawn_blocking(move || all(&patterns)).await else {
            return;
        };
        self.matching = BTreeMap::new();
        self.counts = vec![0; self.patterns.len()];
        for (pid, found) in found {
            self.put(pid, found);
        }
    }

    fn put(&mut self, pid: i32, found: BTreeSet<usize>) {
        let before = if found.is_empty() {
            self.matching.remove(&pid)
        } else {
            self.matching.insert(pid, found.clone())
        }
        .unwrap_or_default();
        for pattern in &before {
            if let Some(count) = self.counts.get_mut(*pattern) {
                *count = count.saturating_sub(1);
            }
        }
        for pattern in &found {
            if let Some(count) = self.counts.get_mut(*pattern) {
                *count = count.saturating_add(1);
            }
        }
    }
}

fn all(patterns: &[Pattern]) -> Vec<(i32, BTreeSet<usize>)> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let found = matching(patterns, &entry.path());
            (!found.is_empty()).then_some((pid, found))
        })
        .collect()
}

/// The patterns that the process in that folder of `/proc` matches; none if it is gone or a zombie.
fn matching(patterns: &[Pattern], folder: &Path) -> BTreeSet<usize> {
    let Ok(status) = std::fs::read(folder.join("stat")) else {
        return BTreeSet::new();
    };
    let Some((name, state)) = name_and_state(&status) else {
        return BTreeSet::new();
    };
    if matches!(state, b'Z' | b'X') {
        return BTreeSet::new();
    }
    let needed = patterns.iter().any(Pattern::needs_command_line);
    let line = if needed {
        read_limited(&folder.join("cmdline"))
    } else {
        Vec::new()
    };
    let words: Vec<&[u8]> = line
        .strip_suffix(&[0])
        .map(|line| line.split(|octet| *octet == 0).collect())
        .unwrap_or_default();
    patterns
        .iter()
        .enumerate()
        .filter(|(_, pattern)| pattern.matches(name, &words))
        .map(|(index, _)| index)
        .collect()
}

fn read_limited(path: &Path) -> Vec<u8> {
    use std::io::Read;
    let mut line = Vec::new();
    if let Ok(file) = std::fs::File::open(path) {
        // What could be read counts, even if the process has ended meanwhile.
        let _ = file.take(COMMAND_LINE).read_to_end(&mut line);
    }
    line
}

/// `42 (name) S ...`: the name may hold anything, also parentheses.
fn name_and_state(status: &[u8]) -> Option<(&[u8], u8)> {
    let begin = status.iter().position(|octet| *octet == b'(')?;
    let end = status.iter().rposition(|octet| *octet == b')')?;
    let name = status.get(begin.checked_add(1)?..end)?;
    let state = *status.get(end.checked_add(2)?)?;
    Some((name, state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        assert_eq!(
            name_and_state(b"42 (a) b (c)) S 1 2"),
            Some((&b"a) b (c)"[..], b'S'))
        );
        assert_eq!(name_and_state(b"42 (x) Z"), Some((&b"x"[..], b'Z')));
        for broken in [&b""[..], b"42", b"42 (x", b"42 (x)", b") ("] {
            assert_eq!(name_and_state(broken), None);
        }
    }

    #[test]
    fn counts_follow_the_processes() {
        let mut table = Table::new(vec![Pattern::named("a"), Pattern::named("b")]);
        table.put(1, BTreeSet::from([0]));
        table.put(2, BTreeSet::from([0, 1]));
        assert_eq!((table.count(0), table.count(1), table.count(2)), (2, 1, 0));
        table.put(1, BTreeSet::from([1]));
        assert_eq!((table.count(0), table.count(1)), (1, 2));
        table.forget(1);
        table.forget(1);
        table.forget(7);
        assert_eq!((table.count(0), table.count(1)), (1, 1));
    }
}

//! A unified diff of two texts.

use std::fmt::Write as _;

/// Lines of unchanged text around a change.
const CONTEXT: usize = 3;
/// Greatest table of the exact method; larger changes are shown as one block.
const MAX_CELLS: usize = 4_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Edit {
    Keep,
    Remove,
    Add,
}

/// The difference between two texts; empty if there is none.
pub(crate) fn unified(name: &str, old: &str, new: &str) -> String {
    if old == new {
        return String::new();
    }
    let a: Vec<&str> = old.split_inclusive('\n').collect();
    let b: Vec<&str> = new.split_inclusive('\n').collect();
    let edits = edits(&a, &b);
    let mut out = format!("--- {name}\n+++ {name} (formatted)\n");
    hunks(&mut out, &a, &b, &edits);
    out
}

fn edits(a: &[&str], b: &[&str]) -> Vec<Edit> {
    let prefix = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let rest = a.len().min(b.len()) - prefix;
    let suffix = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take(rest)
        .take_while(|(x, y)| x == y)
        .count();
    let (middle_a, middle_b) = (
        a.get(prefix..a.len() - suffix).unwrap_or_default(),
        b.get(prefix..b.len() - suffix).unwrap_or_default(),
    );
    let mut out = vec![Edit::Keep; prefix];
    if middle_a.len().saturating_mul(middle_b.len()) > MAX_CELLS {
        out.resize(out.len() + middle_a.len(), Edit::Remove);
        out.resize(out.len() + middle_b.len(), Edit::Add);
    } else {
        longest_common(middle_a, middle_b, &mut out);
    }
    out.resize(out.len() + suffix, Edit::Keep);
    out
}

/// Edits by the longest common subsequence.
fn longest_common(a: &[&str], b: &[&str], out: &mut Vec<Edit>) {
    let width = b.len() + 1;
    let mut table = vec![0_u32; (a.len() + 1) * width];
    let cell = |table: &[u32], i: usize, j: usize| table.get(i * width + j).copied().unwrap_or(0);
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            let value = if a.get(i) == b.get(j) {
                cell(&table, i + 1, j + 1) + 1
            } else {
                cell(&table, i + 1, j).max(cell(&table, i, j + 1))
            };
            if let Some(slot) = table.get_mut(i * width + j) {
                *slot = value;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a.get(i) == b.get(j) {
            out.push(Edit::Keep);
            i += 1;
            j += 1;
        } else if j >= b.len() || i < a.len() && cell(&table, i + 1, j) >= cell(&table, i, j + 1) {
            out.push(Edit::Remove);
            i += 1;
        } else {
            out.push(Edit::Add);
            j += 1;
        }
    }
}

fn hunks(out: &mut String, a: &[&str], b: &[&str], edits: &[Edit]) {
    let mut at = 0;
    let (mut i, mut j) = (0, 0);
    while at < edits.len() {
        let Some(change) = edits
            .get(at..)
            .and_then(|e| e.iter().position(|edit| *edit != Edit::Keep))
        else {
            return;
        };
        let skip = change.saturating_sub(CONTEXT);
        at += skip;
        i += skip;
        j += skip;
        // The hunk ends after a run of unchanged lines longer than two contexts.
        let mut end = at;
        let mut quiet = 0;
        while end < edits.len() && quiet <= 2 * CONTEXT {
            quiet = if edits.get(end) == Some(&Edit::Keep) {
                quiet + 1
            } else {
                0
            };
            end += 1;
        }
        let end = end - quiet.saturating_sub(CONTEXT);
        let part = edits.get(at..end).unwrap_or_default();
        let removed = part.iter().filter(|e| **e != Edit::Add).count();
        let added = part.iter().filter(|e| **e != Edit::Remove).count();
        let _ = writeln!(out, "@@ -{},{removed} +{},{added} @@", i + 1, j + 1);
        for edit in part {
            let (sign, line) = match edit {
                Edit::Keep => (' ', a.get(i)),
                Edit::Remove => ('-', a.get(i)),
                Edit::Add => ('+', b.get(j)),
            };
            i += usize::from(*edit != Edit::Add);
            j += usize::from(*edit != Edit::Remove);
            let line = line.copied().unwrap_or("");
            let _ = write!(out, "{sign}{line}");
            if !line.ends_with('\n') {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_a_change_with_context() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let new = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n";
        assert_eq!(
            unified("f", old, new),
            "--- f\n+++ f (formatted)\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"
        );
        assert_eq!(unified("f", old, old), "");
    }
}

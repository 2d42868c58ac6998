//! The CPU for a guest. The guest's kernel and its processes take turns, so they do best on one
//! CPU without wake-ups across CPUs.

use std::collections::BTreeMap;
use std::time::Duration;

/// A CPU among the allowed ones: the one with the fewest other guests, then the idlest.
pub(super) fn choose(kernel: &str) -> Option<usize> {
    let allowed = cpu_list(&status_field("self", "Cpus_allowed_list")?);
    let before = busy();
    std::thread::sleep(Duration::from_millis(50));
    let after = busy();
    let guests = guests(kernel);
    allowed.into_iter().min_by_key(|cpu| {
        let worked = after
            .get(cpu)
            .copied()
            .unwrap_or(0)
            .saturating_sub(before.get(cpu).copied().unwrap_or(0));
        (guests.get(cpu).copied().unwrap_or(0), worked)
    })
}

fn status_field(process: &str, field: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

/// `0-2,5` is 0, 1, 2 and 5.
fn cpu_list(text: &str) -> Vec<usize> {
    text.split(',')
        .filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.trim().parse().ok()?..=last.trim().parse::<usize>().ok()?)
        })
        .flatten()
        .take(4096)
        .collect()
}

/// The time each CPU has worked, in ticks since boot.
fn busy() -> BTreeMap<usize, u64> {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut words = line.strip_prefix("cpu")?.split_whitespace();
            let cpu = words.next()?.parse().ok()?;
            Some((
                cpu,
                words
                    .take(3)
                    .filter_map(|word| word.parse::<u64>().ok())
                    .sum(),
            ))
        })
        .collect()
}

/// Guests bound to each CPU. A guest consists of many processes, its first is the group's leader.
fn guests(kernel: &str) -> BTreeMap<usize, usize> {
    let mut guests = BTreeMap::new();
    let short: String = kernel.chars().take(15).collect();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().into_string() else {
            continue;
        };
        let is_guest = std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|name| name.trim_end() == short);
        let leads = std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|text| {
            text.rsplit_once(')')
                .and_then(|(_, rest)| rest.split_whitespace().nth(2))
                == Some(pid.as_str())
        });
        if !pid.bytes().all(|byte| byte.is_ascii_digit()) || !is_guest || !leads {
            continue;
        }
        let cpus = status_field(&pid, "Cpus_allowed_list").map(|list| cpu_list(&list));
        if let Some([cpu]) = cpus.as_deref() {
            *guests.entry(*cpu).or_default() += 1;
        }
    }
    guests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(cpu_list("0-2,5"), [0, 1, 2, 5]);
        assert_eq!(cpu_list("3"), [3]);
        assert_eq!(cpu_list(""), Vec::<usize>::new());
    }

    #[test]
    fn some_cpu_is_found() {
        assert!(choose("no such kernel").is_some());
    }
}

//! A run that is cut off leaves nothing behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]
#![allow(
    clippy::print_stdout,
    reason = "a test tells what it saw, or why it was skipped"
)]
#![allow(missing_docs, reason = "a test is not an interface")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use director_lab::IpvsChoice;
use support::{directory, options, scenario, skipped};

/// A process that cannot be taken for another: its id and its time of start.
type Identity = (u32, u64);

/// All processes of this machine with their parents.
fn processes() -> BTreeMap<Identity, u32> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(text) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let Some((pid, rest)) = text.split_once(' ') else {
            continue;
        };
        let Some((_, rest)) = rest.rsplit_once(')') else {
            continue;
        };
        let words: Vec<&str> = rest.split_whitespace().collect();
        found.insert(
            (pid.parse().unwrap(), words[19].parse().unwrap()),
            words[1].parse().unwrap(),
        );
    }
    found
}

fn descendants(root: u32) -> BTreeSet<Identity> {
    let all = processes();
    let mut family = BTreeSet::new();
    let mut pids = BTreeSet::from([root]);
    loop {
        let before = family.len();
        family.extend(
            all.iter()
                .filter(|(_, parent)| pids.contains(parent))
                .map(|(one, _)| *one),
        );
        pids.extend(family.iter().map(|(pid, _)| *pid));
        if family.len() == before {
            return family;
        }
    }
}

/// Network namespaces of these processes and all their threads.
fn namespaces(family: &BTreeSet<Identity>) -> BTreeSet<String> {
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    family
        .iter()
        .flat_map(|(pid, _)| {
            std::fs::read_dir(format!("/proc/{pid}/task"))
                .into_iter()
                .flatten()
        })
        .flatten()
        .filter_map(|task| std::fs::read_link(task.path().join("ns/net")).ok())
        .filter(|namespace| *namespace != own)
        .map(|namespace| namespace.to_string_lossy().into_owned())
        .collect()
}

fn namespaces_in_use() -> BTreeSet<String> {
    let all: BTreeSet<Identity> = processes().into_keys().collect();
    namespaces(&all)
}

fn lab_files() -> BTreeSet<String> {
    ["/tmp", "/run", "/dev/shm", "/var/tmp"]
        .iter()
        .flat_map(|place| std::fs::read_dir(place).into_iter().flatten().flatten())
        .map(|entry| entry.path().to_string_lossy().into_owned())
        .filter(|path| path.contains("director-lab") || path.contains("vm_file"))
        .collect()
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(120);
    while !condition() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn cut_off(ipvs: IpvsChoice, flag: &str, signal: &str) {
    if skipped(&scenario("endless"), &options(ipvs)) {
        return;
    }
    let files = lab_files();
    let mut runner = Command::new(env!("CARGO_BIN_EXE_director-lab"))
        .args(["run", "--ipvs", flag])
        .arg(directory("endless"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = Vec::new();
    let begun = BufReader::new(runner.stdout.take().unwrap())
        .lines()
        .any(|line| {
            told.push(line.unwrap());
            told.last().is_some_and(|line| line.contains("1. waits"))
        });
    assert!(begun, "the story did not begin: {told:#?}");
    let family = descendants(runner.id());
    assert!(family.len() >= 2, "{family:?}");
    let spaces = namespaces(&family);
    if flag == "none" {
        // The bridges' and two nodes' own.
        assert!(spaces.len() >= 3, "{spaces:?}");
    }

    let killed = Command::new("kill")
        .args([signal, &runner.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    assert!(!runner.wait().unwrap().success());

    wait_until("processes are left", || {
        processes().keys().all(|one| !family.contains(one))
    });
    wait_until("namespaces are left", || {
        namespaces_in_use().is_disjoint(&spaces)
    });
    let new: Vec<String> = lab_files().difference(&files).cloned().collect();
    assert!(new.is_empty(), "files are left: {new:?}");
}

#[test]
fn nothing_is_left_when_the_runner_is_killed() {
    cut_off(IpvsChoice::None, "none", "-KILL");
}

#[test]
fn nothing_is_left_after_an_interrupt() {
    cut_off(IpvsChoice::None, "none", "-INT");
}

#[test]
fn nothing_is_left_of_a_guest_when_the_runner_is_killed() {
    cut_off(IpvsChoice::Uml, "uml", "-KILL");
}

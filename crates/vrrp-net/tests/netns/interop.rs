//! Beside the distribution's keepalived on one switch, as a third node sees both: times, preemption, groups, tracking,
//! reloads, a split. [`crate::keepalived`] has the election and both roles for each kind of packet.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vrrp_net::vrrp_proto::tracking::Tracker;
use vrrp_net::vrrp_proto::{Interval, Preemption, Priority};
use vrrp_net::{
    Configuration, Event, GroupConfig, InstanceConfig, State, TrackerConfig, TrackerState,
};

use crate::support::{
    Node, PATIENCE, Process, SeenAdvert, Tap, Trio, added, eventually, fast, one, run, settings,
    shared, trio,
};

/// A keepalived with all its files in a directory of the test.
struct Peer {
    process: Process,
    directory: tempfile::TempDir,
}

impl Peer {
    fn start(node: &Node, configuration: &str) -> Option<Self> {
        if Command::new("keepalived")
            .arg("--version")
            .output()
            .is_err()
        {
            println!("skipped: keepalived is not installed");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("keepalived.conf"), whole(configuration)).unwrap();
        let mut command = Command::new("keepalived");
        command.args(["--vrrp", "--dont-fork", "--log-console"]);
        command.arg("--use-file").arg(path("keepalived.conf"));
        command.arg("--pid").arg(path("main.pid"));
        command.arg("--vrrp_pid").arg(path("vrrp.pid"));
        Some(Self {
            process: node.spawn(command),
            directory,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Both of its processes. The one that speaks VRRP resigns when the other is gone, unless it stands still.
    fn kill(&self) {
        let signal = |file, signal| {
            let pid = std::fs::read_to_string(self.path(file)).unwrap();
            kill(Pid::from_raw(pid.trim().parse().unwrap()), signal).unwrap();
        };
        signal("vrrp.pid", Signal::SIGSTOP);
        signal("main.pid", Signal::SIGKILL);
        signal("vrrp.pid", Signal::SIGKILL);
    }

    fn reload(&self, configuration: &str) {
        std::fs::write(self.path("keepalived.conf"), whole(configuration)).unwrap();
        self.process.signal(Signal::SIGHUP);
    }
}

fn whole(configuration: &str) -> String {
    format!("global_defs {{\n router_id peer\n vrrp_version 3\n}}\n{configuration}\n")
}

fn instance(name: &str, vrid: u8, priority: u8, address: &str, extra: &str) -> String {
    let interval = if extra.contains("advert_int") {
        ""
    } else {
        "advert_int 0.1"
    };
    format!(
        "vrrp_instance {name} {{\n interface eth0\n virtual_router_id {vrid}\n priority {priority}\n \
         {interval}\n {extra}\n virtual_ipaddress {{\n {address}\n }}\n}}\n"
    )
}

const ADDRESS: &str = "10.9.0.100";
const OURS: &str = "10.9.0.1";
const THEIRS: &str = "10.9.0.2";

fn ours(priority: u8, interval: u16) -> InstanceConfig {
    let mut ours = fast("VI", 51, priority, &[ADDRESS]);
    ours.router_mut().interval = Interval::from_centiseconds(interval).unwrap();
    ours
}

/// `3 x interval + skew` of a backup (RFC 9568 section 6.1).
fn master_down(priority: u8, interval: Duration) -> Duration {
    3 * interval + interval * (256 - u32::from(priority)) / 256
}

/// The time between the last advert of one master and the first of the next. How late it may be is the machine's business.
fn silence(tap: &Tap, last: Duration, dead: &str, heir: &str) -> Duration {
    let mut last = last;
    loop {
        let (at, advert) = tap.advert_when("of the heir", |_| true);
        assert_ne!(advert.priority, 0, "a killed process says nothing");
        if advert.source.to_string() == dead {
            last = at;
        } else if advert.source.to_string() == heir {
            return at.saturating_sub(last);
        }
    }
}

/// The clock of the wall is not that of the timers.
const SLACK: Duration = Duration::from_millis(2);

fn killed_at(interval: u16) {
    let Some(trio) = trio() else { return };
    let Trio { a, b, witness, .. } = &trio;
    let each = Duration::from_millis(10) * u32::from(interval);
    let advert_int = format!("advert_int {}", f64::from(interval) / 100.0);
    let Some(peer) = Peer::start(b, &instance("VI", 51, 200, ADDRESS, &advert_int)) else {
        return;
    };
    eventually(|| b.holds(ADDRESS));
    run(async {
        let mut us = a.start(settings(), one(ours(100, interval)));
        us.until("the peer's adverts", |now| {
            now.instances["VI"].master.is_some()
        })
        .await;
        let tap = Tap::new(witness);
        let of_peer = |advert: &SeenAdvert| advert.source.to_string() == THEIRS;
        let (last, _) = tap.advert_when("of the peer", of_peer);
        peer.kill();
        let silence_before_us = silence(&tap, last, THEIRS, OURS);
        us.wait("the address", added(ADDRESS)).await;
        assert!(
            silence_before_us + SLACK >= master_down(100, each),
            "we took over {silence_before_us:?} after its last advert"
        );
        // What the killed one left on its interface would answer beside us; a restart clears it.
        drop(peer);
        let Some(_peer) = Peer::start(b, &instance("VI", 51, 50, ADDRESS, &advert_int)) else {
            return;
        };
        eventually(|| !b.holds(ADDRESS));
        keeps(&tap, OURS);
        let before = tap.advert_when("ours", |advert| advert.source.to_string() == OURS);
        us.engine.abort();
        let silence_before_it = silence(&tap, before.0, OURS, THEIRS);
        assert!(
            silence_before_it + SLACK >= master_down(50, each),
            "it took over {silence_before_it:?} after our last advert"
        );
        eventually(|| b.holds(ADDRESS));
    });
}

#[test]
fn item_050_item_065_sigkill_at_100_milliseconds() {
    killed_at(10);
}

#[test]
fn item_050_item_065_sigkill_at_10_milliseconds() {
    killed_at(1);
}

#[test]
fn item_061_item_074_item_103_a_resignation_is_followed_within_the_skew_time_on_both_sides() {
    let Some(trio) = trio() else { return };
    let Trio { a, b, witness, .. } = &trio;
    let tap = Tap::new(witness);
    let resigned = |source: &'static str| {
        move |advert: &SeenAdvert| advert.source.to_string() == source && advert.priority == 0
    };
    let Some(mut peer) = Peer::start(b, &instance("VI", 51, 200, ADDRESS, "")) else {
        return;
    };
    eventually(|| b.holds(ADDRESS));
    run(async {
        let mut us = a.start(settings(), one(ours(100, 10)));
        us.until("the peer's adverts", |now| {
            now.instances["VI"].master.is_some()
        })
        .await;
        peer.process.signal(Signal::SIGTERM);
        tap.advert_when("its resignation", resigned(THEIRS));
        let event = us.wait_state("VI", State::Master).await;
        assert!(
            event.to_string().contains("priority 0 advert from"),
            "{event}"
        );
        peer.process.wait();
        let Some(_peer) = Peer::start(b, &instance("VI", 51, 50, ADDRESS, "")) else {
            return;
        };
        // It has heard us when it has sent nothing for some adverts of ours.
        for _ in 0..20 {
            let (_, advert) = tap.advert_when("ours", |advert| advert.priority != 0);
            assert_eq!(advert.source.to_string(), OURS);
        }
        us.engine.shutdown().await;
        tap.advert_when("our resignation", resigned(OURS));
        let (_, advert) = tap.advert_when("its first", |advert| advert.priority != 0);
        assert_eq!(
            (advert.source.to_string().as_str(), advert.priority),
            (THEIRS, 50)
        );
        eventually(|| b.holds(ADDRESS) && !a.holds(ADDRESS));
    });
}

/// Nobody else speaks for longer than any master-down interval here.
fn keeps(tap: &Tap, source: &str) {
    tap.adverts();
    let start = Instant::now();
    let mut in_a_row = 0;
    while in_a_row < 8 {
        let (_, advert) = tap.advert_when("of the master", |_| true);
        // On a busy machine a process may stand still for three intervals, and is taken for dead for a moment.
        in_a_row = match advert.source.to_string() == source {
            true => in_a_row + 1,
            false => 0,
        };
        assert!(start.elapsed() < PATIENCE, "not {source}: {advert:?}");
    }
}

#[test]
fn item_067_preemption_its_delay_and_its_absence_on_both_sides() {
    let Some(trio) = trio() else { return };
    let Trio { a, b, witness, .. } = &trio;
    let tap = Tap::new(witness);
    let Some(peer) = Peer::start(b, &instance("VI", 51, 100, ADDRESS, "")) else {
        return;
    };
    eventually(|| b.holds(ADDRESS));
    run(async {
        // We could, and may not.
        let mut never = ours(200, 10);
        never.router_mut().preemption = Preemption::Never;
        let us = a.start(settings(), one(never));
        us.until("the peer's adverts", |now| {
            now.instances["VI"].master.is_some()
        })
        .await;
        keeps(&tap, THEIRS);
        assert_eq!(
            us.engine.snapshots().latest().instances["VI"].state,
            State::Backup
        );
        us.engine.shutdown().await;

        // We may, a second later.
        let mut delayed = ours(200, 10);
        delayed.router_mut().preemption = Preemption::Delayed(Duration::from_secs(1));
        let mut us = a.start(settings(), one(delayed));
        let begin = us.wait_state("VI", State::Backup).await;
        let end = us.wait_state("VI", State::Master).await;
        let (Event::Transition { at: begin, .. }, Event::Transition { at: end, .. }) = (begin, end)
        else {
            panic!("no transitions");
        };
        assert!(end - begin >= Duration::from_secs(1), "{:?}", end - begin);
        keeps(&tap, OURS);
        drop(peer);

        // It could, and may not.
        let nopreempt = "state BACKUP\n nopreempt";
        let Some(peer) = Peer::start(b, &instance("VI", 51, 250, ADDRESS, nopreempt)) else {
            return;
        };
        eventually(|| peer.path("vrrp.pid").exists());
        for _ in 0..3 {
            keeps(&tap, OURS);
        }
        drop(peer);

        // It may.
        let Some(_peer) = Peer::start(b, &instance("VI", 51, 250, ADDRESS, "")) else {
            return;
        };
        us.wait_state("VI", State::Backup).await;
        keeps(&tap, THEIRS);
    });
}

#[test]
fn item_099_groups_of_both_programs_change_sides_as_a_whole() {
    let Some(trio) = trio() else { return };
    let Trio { a, b, .. } = &trio;
    let theirs = format!(
        "vrrp_sync_group G {{\n group {{\n ONE\n TWO\n }}\n}}\n{}{}",
        instance("ONE", 51, 100, "10.9.0.100", ""),
        instance("TWO", 52, 100, "10.9.0.101", "")
    );
    let mut failing = fast("ONE", 51, 150, &["10.9.0.100"]);
    failing.trackers.push(Tracker {
        name: "disk".into(),
        weight: 0,
        reverse: false,
    });
    let configuration = Configuration {
        instances: shared([failing, fast("TWO", 52, 150, &["10.9.0.101"])]),
        groups: vec![GroupConfig::new(
            "G",
            vec!["ONE".to_owned(), "TWO".to_owned()],
        )],
        trackers: vec![TrackerConfig {
            name: "disk".into(),
            initial: TrackerState::Up,
        }],
        ..Configuration::default()
    };
    let both = |node: &Node| node.holds("10.9.0.100") && node.holds("10.9.0.101");
    let none = |node: &Node| !node.holds("10.9.0.100") && !node.holds("10.9.0.101");
    let Some(_peer) = Peer::start(b, &theirs) else {
        return;
    };
    run(async {
        let us = a.start(settings(), configuration);
        eventually(|| both(a) && none(b));
        let told = us.engine.tracker_result("disk", TrackerState::Down).await;
        told.unwrap();
        eventually(|| none(a) && both(b));
        let told = us.engine.tracker_result("disk", TrackerState::Up).await;
        told.unwrap();
        eventually(|| both(a) && none(b));
    });
}

#[test]
fn item_101_weights_change_sides_on_both_sides() {
    let Some(trio) = trio() else { return };
    let Trio { a, b, .. } = &trio;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "0").unwrap();
    let track = format!(
        "vrrp_track_file T {{\n file {}\n}}\n{}",
        file.path().display(),
        instance("VI", 51, 100, ADDRESS, "track_file {\n T weight 1\n }")
    );
    let Some(_peer) = Peer::start(b, &track) else {
        return;
    };
    let mut tracked = ours(110, 10);
    tracked.trackers.push(Tracker {
        name: "web".into(),
        weight: -50,
        reverse: false,
    });
    let configuration = Configuration {
        trackers: vec![TrackerConfig {
            name: "web".into(),
            initial: TrackerState::Up,
        }],
        ..one(tracked)
    };
    run(async {
        let us = a.start(settings(), configuration);
        eventually(|| a.holds(ADDRESS) && !b.holds(ADDRESS));
        us.engine
            .tracker_result("web", TrackerState::Down)
            .await
            .unwrap();
        eventually(|| !a.holds(ADDRESS) && b.holds(ADDRESS));
        us.engine
            .tracker_result("web", TrackerState::Up)
            .await
            .unwrap();
        eventually(|| a.holds(ADDRESS) && !b.holds(ADDRESS));
        std::fs::write(file.path(), "40").unwrap();
        eventually(|| !a.holds(ADDRESS) && b.holds(ADDRESS));
        std::fs::write(file.path(), "0").unwrap();
        eventually(|| a.holds(ADDRESS) && !b.holds(ADDRESS));
    });
}

#[test]
fn item_102_reloads_of_either_side_change_what_they_say_and_nothing_else() {
    let Some(trio) = trio() else { return };
    let Trio { a, b, witness, .. } = &trio;
    let tap = Tap::new(witness);
    let Some(peer) = Peer::start(b, &instance("VI", 51, 50, ADDRESS, "")) else {
        return;
    };
    run(async {
        let mut us = a.start(settings(), one(ours(100, 10)));
        us.wait("the address", added(ADDRESS)).await;
        us.changes();
        us.engine.replace(one(ours(120, 10))).await.unwrap();
        tap.advert_when("the new priority", |advert| advert.priority == 120);
        keeps(&tap, OURS);
        assert_eq!(us.changes(), ["VI: priority 100 -> 120 (120)"]);

        peer.reload(&instance("VI", 51, 200, ADDRESS, ""));
        us.wait_state("VI", State::Backup).await;
        keeps(&tap, THEIRS);
        peer.reload(&instance("VI", 51, 60, ADDRESS, ""));
        us.wait_state("VI", State::Master).await;
        keeps(&tap, OURS);
    });
}

#[test]
fn item_070_item_072_item_073_a_split_ends_with_one_master_whoever_it_is() {
    for theirs in [50, 200] {
        let Some(trio) = trio() else { return };
        let Trio { a, b, switch, .. } = &trio;
        let Some(_peer) = Peer::start(b, &instance("VI", 51, theirs, ADDRESS, "")) else {
            return;
        };
        run(async {
            let mut us = a.start(settings(), one(ours(100, 10)));
            eventually(|| a.holds(ADDRESS) != b.holds(ADDRESS));
            switch.ip("link set port2 nomaster");
            eventually(|| a.holds(ADDRESS) && b.holds(ADDRESS));
            us.wait("the address", added(ADDRESS)).await;
            us.changes();
            switch.ip("link set port2 master br0");
            let (winner, loser) = if theirs > 100 { (b, a) } else { (a, b) };
            eventually(|| winner.holds(ADDRESS) && !loser.holds(ADDRESS));
            if theirs > 100 {
                us.wait_state("VI", State::Backup).await;
            } else {
                assert_eq!(
                    us.engine.snapshots().latest().instances["VI"].state,
                    State::Master
                );
            }
        });
    }
}

#[test]
fn item_071_of_equal_priorities_the_greater_address_stays() {
    let Some(trio) = trio() else { return };
    let Trio { a, b, witness, .. } = &trio;
    let Some(_peer) = Peer::start(b, &instance("VI", 51, 100, ADDRESS, "")) else {
        return;
    };
    run(async {
        let mut us = a.start(settings(), one(ours(100, 10)));
        let tap = Tap::new(witness);
        eventually(|| a.holds(ADDRESS) != b.holds(ADDRESS));
        // Whoever was first: ordered to take over both are master for a moment, and 10.9.0.2 is the greater one.
        trio.switch.ip("link set port1 nomaster");
        eventually(|| a.holds(ADDRESS) && b.holds(ADDRESS));
        us.changes();
        trio.switch.ip("link set port1 master br0");
        us.wait_state("VI", State::Backup).await;
        eventually(|| b.holds(ADDRESS) && !a.holds(ADDRESS));
        keeps(&tap, THEIRS);
        assert_eq!(
            us.engine.snapshots().latest().instances["VI"].base_priority,
            Priority::new(100).value()
        );
    });
}

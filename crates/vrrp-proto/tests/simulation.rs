//! Thousands of elections under bad conditions; see `vrrp_proto::sim` for what must hold.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code: a surprise is a failure"
)]

use vrrp_proto::sim::{self, Scenario, Simulation};

const RUNS: u64 = 10_000;

#[test]
fn ten_thousand_runs_keep_every_invariant() {
    let workers = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let runs = |worker: u64| {
        let mut overlaps = 0;
        let mut transitions = 0;
        for seed in (worker..RUNS).step_by(workers as usize) {
            match sim::run(seed) {
                Ok(summary) => {
                    overlaps += summary.overlaps;
                    transitions += summary.transitions;
                }
                Err(violation) => panic!(
                    "seed {seed} {violation}\nreplay: \
                     cargo run -p vrrp-proto --example simulate -- --seed {seed}"
                ),
            }
        }
        (overlaps, transitions)
    };
    let (mut overlaps, mut transitions) = (0, 0);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers)
            .map(|worker| scope.spawn(move || runs(worker)))
            .collect();
        for thread in threads {
            let (more_overlaps, more_transitions) = thread.join().unwrap();
            overlaps += more_overlaps;
            transitions += more_transitions;
        }
    });
    // The conditions were bad enough to mean something.
    assert!(overlaps > RUNS / 10, "{overlaps} overlaps");
    assert!(transitions > RUNS * 5, "{transitions} transitions");
}

#[test]
fn a_seed_replays_exactly() {
    for seed in 0..200 {
        assert_eq!(sim::run(seed), sim::run(seed), "seed {seed}");
        let mut traced = Simulation::new(Scenario::random(seed)).with_trace();
        assert_eq!(traced.run_to_end(), sim::run(seed), "seed {seed}");
        assert!(!traced.trace().is_empty());
    }
}

//! Runs simulations of elections: `simulate [COUNT] [--from SEED]`, or one seed with all that happens:
//! `simulate --seed SEED`. Exit status 1 if an invariant does not hold.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program"
)]

use std::process::ExitCode;

use vrrp_proto::sim::{self, Scenario, Simulation};

fn main() -> ExitCode {
    let mut count = 10_000;
    let mut from = 0;
    let mut single = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok());
        match argument.as_str() {
            "--seed" => match number() {
                Some(seed) => single = Some(seed),
                None => return usage(),
            },
            "--from" => match number() {
                Some(seed) => from = seed,
                None => return usage(),
            },
            text => match text.parse() {
                Ok(runs) => count = runs,
                Err(_) => return usage(),
            },
        }
    }
    match single {
        Some(seed) => replay(seed),
        None => many(from, count),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: simulate [COUNT] [--from SEED] | simulate --seed SEED");
    ExitCode::from(2)
}

fn many(from: u64, count: u64) -> ExitCode {
    let (mut steps, mut packets, mut transitions, mut overlaps) = (0, 0, 0, 0);
    for seed in from..from.saturating_add(count) {
        match sim::run(seed) {
            Ok(summary) => {
                steps += summary.steps;
                packets += summary.packets;
                transitions += summary.transitions;
                overlaps += summary.overlaps;
            }
            Err(violation) => {
                eprintln!("seed {seed}: {violation}");
                eprintln!("see it all with --seed {seed}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!(
        "{count} runs from seed {from}: every invariant held in {steps} steps \
         ({packets} packets, {transitions} transitions, {overlaps} short overlaps of two masters)"
    );
    ExitCode::SUCCESS
}

fn replay(seed: u64) -> ExitCode {
    let scenario = Scenario::random(seed);
    println!("{scenario:#?}");
    let mut simulation = Simulation::new(scenario).with_trace();
    let outcome = simulation.run_to_end();
    for line in simulation.trace() {
        println!("{line}");
    }
    match outcome {
        Ok(summary) => {
            println!("every invariant held: {summary:?}");
            ExitCode::SUCCESS
        }
        Err(violation) => {
            eprintln!("seed {seed}: {violation}");
            ExitCode::FAILURE
        }
    }
}

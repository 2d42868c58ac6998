//! Whole scenarios through the library.

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

use director_lab::{IpvsChoice, Lab, Record, Report, Timeline};
use support::{options, scenario, skipped};

fn play(name: &str, ipvs: IpvsChoice) -> Option<Report> {
    let scenario = scenario(name);
    let options = options(ipvs);
    if skipped(&scenario, &options) {
        return None;
    }
    let mut text = Vec::new();
    let mut timeline = Timeline::new(&mut text, false);
    let report =
        Lab::run_observed(&scenario, &options, |record| timeline.show(record).unwrap()).unwrap();
    println!("{}", String::from_utf8_lossy(&text));
    Some(report)
}

#[test]
fn two_nodes_on_the_running_kernel() {
    let Some(report) = play("two-nodes", IpvsChoice::Auto) else {
        return;
    };
    assert!(report.passed);
    assert_eq!(report.steps.len(), 7);
    assert!(report.kernel.contains("this kernel"));
    assert!(report.traffic.answered["server"] >= 40);
    let again: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(again, report);
}

#[test]
fn two_nodes_in_user_mode_linux() {
    let Some(report) = play("two-nodes", IpvsChoice::Uml) else {
        return;
    };
    assert!(report.passed);
    assert!(report.kernel.contains("user-mode Linux"));
}

#[test]
fn a_table_with_real_traffic() {
    let Some(report) = play("ipvs", IpvsChoice::Auto) else {
        return;
    };
    assert!(report.passed);
    let tables: Vec<&String> = report.steps[0]
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Table { text, .. } => Some(text),
            _ => None,
        })
        .collect();
    assert_eq!(tables.len(), 1);
    assert!(
        tables[0].contains("TCP  172.16.1.8:80 wrr\n  -> 172.16.1.4:80"),
        "{}",
        tables[0]
    );
}

#[test]
fn a_failure_says_what_was_expected_and_seen_and_shows_logs() {
    let Some(report) = play("failing", IpvsChoice::Auto) else {
        return;
    };
    assert!(!report.passed);
    assert_eq!(report.steps.len(), 2);
    let failure = report.failed_step().unwrap().failure.as_ref().unwrap();
    assert!(
        failure.expected[0].contains("10.0.0.9 on a within 0.20 s"),
        "{failure:?}"
    );
    assert_eq!(failure.seen, ["no watched node has 10.0.0.9"]);
    assert!(
        failure.logs["a"]
            .iter()
            .any(|line| line.contains("these are my last words"))
    );
}

#[test]
fn the_time_limit_ends_a_run() {
    let scenario = scenario("endless");
    let mut options = options(IpvsChoice::None);
    if skipped(&scenario, &options) {
        return;
    }
    options.time_limit = std::time::Duration::from_secs(1);
    let error = Lab::run(&scenario, &options).unwrap_err();
    assert!(error.to_string().contains("time limit"), "{error}");
}

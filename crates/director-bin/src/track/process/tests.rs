use super::*;
use std::process::{Child, Command};

fn tracker(name: &str, pattern: Pattern) -> TrackProcess {
    TrackProcess {
        name: name.to_owned(),
        pattern,
        quorum: 1,
        quorum_max: None,
        fork_delay: Duration::ZERO,
        terminate_delay: Duration::ZERO,
    }
}

/// Ends it, and waits until it is gone.
fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn processes_are_seen_to_come_and_go() {
    // A number that nobody else sleeps for.
    let seconds = format!("100000.{}", std::process::id());
    let sleep = || Command::new("sleep").arg(&seconds).spawn().unwrap();
    let words = vec!["sleep".to_owned(), seconds.clone()];
    let exact = tracker("one", Pattern::new(words.clone(), Parameters::Exact));
    let mut two = tracker("two", Pattern::new(words, Parameters::Leading));
    two.quorum = 2;
    let (send, mut reports) = mpsc::channel(8);
    let task = tokio::spawn(watch(vec![exact, two], send));
    let mut next = async || {
        let report = tokio::time::timeout(Duration::from_secs(60), reports.recv()).await;
        let report = report.expect("it is noticed").unwrap();
        (report.name, report.state, report.reason)
    };
    let (one, two) = ("process one".to_owned(), "process two".to_owned());
    let reason = |text: &str| format!("{text} of `sleep {seconds}`");
    let none = reason("0 processes");
    assert_eq!(
        next().await,
        (one.clone(), TrackerState::Down, none.clone())
    );
    assert_eq!(
        next().await,
        (two.clone(), TrackerState::Down, none.clone())
    );
    let first = sleep();
    assert_eq!(
        next().await,
        (one.clone(), TrackerState::Up, reason("1 process"))
    );
    let second = sleep();
    assert_eq!(
        next().await,
        (two.clone(), TrackerState::Up, reason("2 processes"))
    );
    end(first);
    assert_eq!(next().await, (two, TrackerState::Down, reason("1 process")));
    end(second);
    assert_eq!(next().await, (one, TrackerState::Down, none));
    task.abort();
}

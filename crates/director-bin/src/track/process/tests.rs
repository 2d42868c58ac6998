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
        tracked: true,
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
    let mut two = tracker("two", Pattern::new(words.clone(), Parameters::Leading));
    two.quorum = 2;
    let mut counted = tracker("counted", Pattern::new(words, Parameters::Exact));
    counted.tracked = false;
    let (send, mut reports) = mpsc::channel(8);
    let (tell, tallies) = watch::channel(Tallies::new());
    let (_wished, wishes) = mpsc::unbounded_channel();
    let all = vec![exact, two, counted];
    let task = tokio::spawn(watch(all, wishes, tell, send));
    let seen = || -> Vec<_> {
        let tallies = tallies.borrow();
        let seen = tallies.values().map(|tally| (tally.processes, tally.good));
        seen.collect()
    };
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
    assert_eq!(seen(), [(2, true); 3]);
    end(first);
    assert_eq!(next().await, (two, TrackerState::Down, reason("1 process")));
    end(second);
    assert_eq!(next().await, (one, TrackerState::Down, none));
    assert_eq!(seen(), [(0, false); 3]);
    assert!(reports.is_empty(), "what nobody tracks is not reported");
    task.abort();
}

#[tokio::test]
async fn what_a_reload_does_not_change_goes_on() {
    let seconds = format!("200000.{}", std::process::id());
    let sleep = || Command::new("sleep").arg(&seconds).spawn().unwrap();
    let pattern = Pattern::new(vec!["sleep".to_owned(), seconds.clone()], Parameters::Exact);
    let mut held_up = tracker("held up", pattern.clone());
    held_up.terminate_delay = Duration::from_secs(3600);
    let mut counted = tracker("counted", pattern.clone());
    counted.tracked = false;
    let (send, mut reports) = mpsc::channel(8);
    let (tell, mut tallies) = watch::channel(Tallies::new());
    let (wished, wishes) = mpsc::unbounded_channel();
    let all = vec![held_up.clone(), counted.clone()];
    let process = sleep();
    let task = tokio::spawn(watch(all, wishes, tell, send));
    let patience = Duration::from_secs(60);
    let mut next = async || {
        let report = tokio::time::timeout(patience, reports.recv()).await;
        let report = report.expect("it is noticed").unwrap();
        (report.name, report.state)
    };
    // The kernel may not have its arguments yet when it is looked at first.
    let up = ("process held up".to_owned(), TrackerState::Up);
    while next().await != up {}
    end(process);
    let is_held_up = |tallies: &Tallies| {
        let cause = tallies.get("held up").and_then(|tally| tally.held_up_by);
        cause == Some(Cause::Termination)
    };
    let waiting = tallies.wait_for(is_held_up);
    drop(
        tokio::time::timeout(patience, waiting)
            .await
            .unwrap()
            .unwrap(),
    );

    counted.tracked = true;
    let another = tracker("another", pattern);
    // Two reloads at once; the first one drops what the second one has again.
    wished.send(vec![another.clone(), held_up.clone()]).unwrap();
    wished.send(vec![another, held_up, counted]).unwrap();
    let down = |name: &str| (format!("process {name}"), TrackerState::Down);
    assert_eq!(next().await, down("another"));
    assert_eq!(next().await, down("counted"), "now that somebody asks");
    assert!(is_held_up(&tallies.borrow()), "the delay goes on");
    drop(wished);
    tokio::time::timeout(patience, task).await.unwrap().unwrap();
    assert!(reports.is_empty(), "nothing else has changed");
}

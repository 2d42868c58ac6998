use super::*;
use crate::track::Report;
use std::net::Ipv4Addr;
use vrrp_net::TrackerState;

fn plan(name: &str, last: u8, neighbour: u8) -> BfdPlan {
    BfdPlan {
        name: name.to_owned(),
        neighbour: Ipv4Addr::new(127, 77, 0, neighbour).into(),
        source: Some(Ipv4Addr::new(127, 77, 0, last).into()),
        multihop: false,
        hop_limit: 255,
        max_hops: Some(0),
        session: SessionConfig::default(),
    }
}

/// One test after the other: they share the port.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The runner may run the other tests in processes of their own, which have the port for a moment.
async fn port_is_free() -> std::io::Result<()> {
    let until = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        match std::net::UdpSocket::bind("0.0.0.0:3784") {
            Err(_) if tokio::time::Instant::now() < until => {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            bound => return bound.map(|_| ()),
        }
    }
}

/// The next report, as session and state.
async fn next(reports: &mut mpsc::Receiver<Report>) -> (String, TrackerState) {
    let report = tokio::time::timeout(std::time::Duration::from_secs(60), reports.recv());
    let report = report.await.unwrap().unwrap();
    let session = session_of(&report.name).unwrap().to_owned();
    (session, report.state)
}

#[tokio::test]
async fn a_session_that_does_not_come_up_counts_as_down() {
    let _turn = TURN.lock().await;
    let (send, mut reports) = mpsc::channel(8);
    let bfd = Bfd::start(send).unwrap();
    bfd.replace(vec![plan("alone", 1, 9)]);
    let told = next(&mut reports).await;
    assert_eq!(told, ("alone".to_owned(), TrackerState::Down));
    drop(bfd);
}

/// Both ends in one process: each finds the packets of the other by their addresses.
#[tokio::test]
async fn a_session_that_is_taken_away_while_up_is_told_as_down_even_if_there_is_no_room() {
    let _turn = TURN.lock().await;
    if let Err(error) = port_is_free().await {
        println!("skipped: the port of BFD is taken: {error}");
        return;
    }
    let (send, mut reports) = mpsc::channel(1);
    let bfd = Bfd::start(send).unwrap();
    bfd.replace(vec![plan("a", 1, 2), plan("b", 2, 1)]);
    let mut up = Vec::new();
    while up.len() < 2 {
        let (session, state) = next(&mut reports).await;
        if state == TrackerState::Up {
            up.push(session);
        }
    }
    // Two reports at once, and room for one.
    bfd.replace(Vec::new());
    let mut down = Vec::new();
    for _ in 0..2 {
        let (session, state) = next(&mut reports).await;
        assert_eq!(state, TrackerState::Down);
        down.push(session);
    }
    assert_eq!(down, ["a", "b"]);
    drop(bfd);
}

#[tokio::test]
async fn the_thread_ends_when_nobody_wants_it() {
    let _turn = TURN.lock().await;
    let (send, _reports) = mpsc::channel(8);
    let bfd = Bfd::start(send).unwrap();
    bfd.replace(vec![plan("b", 3, 3)]);
    bfd.replace(Vec::new());
    drop(bfd);
}

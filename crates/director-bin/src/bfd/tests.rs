use super::*;
use std::net::Ipv4Addr;

#[test]
fn a_session_that_was_never_up_counts_as_down() {
    use healthcheck::Probe;
    let probe = BfdProbe::new("nobody knows it");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    assert!(!runtime.block_on(probe.run()).is_up());
    set_up("nobody knows it", true);
    assert!(runtime.block_on(probe.run()).is_up());
}

#[tokio::test]
async fn the_thread_ends_when_nobody_wants_it() {
    let (send, _reports) = mpsc::channel(8);
    let bfd = Bfd::start(send).unwrap();
    bfd.replace(vec![BfdPlan {
        name: "b".to_owned(),
        neighbour: Ipv4Addr::LOCALHOST.into(),
        source: Some(Ipv4Addr::LOCALHOST.into()),
        multihop: false,
        hop_limit: 255,
        max_hops: Some(0),
        session: SessionConfig::default(),
    }]);
    bfd.replace(Vec::new());
    drop(bfd);
    assert!(!is_up("b"));
}

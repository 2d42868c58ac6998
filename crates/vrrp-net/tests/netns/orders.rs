//! What an operator orders.

use std::time::Duration;

use crate::support::{PATIENCE, Running, fast, one, pair, run, shared};
use vrrp_net::{Configuration, Event, GroupConfig, Order, OrderError, Settings, Snapshot, State};

async fn until(engine: &Running, holds: impl FnMut(&Snapshot) -> bool) {
    let mut snapshots = engine.engine.snapshots();
    let wait = snapshots.wait_for(holds);
    tokio::time::timeout(PATIENCE, wait).await.unwrap().unwrap();
}

fn all(state: State) -> impl FnMut(&Snapshot) -> bool {
    move |snapshot| {
        let mut instances = snapshot.instances.values();
        instances.all(|instance| instance.state == state)
    }
}

#[test]
fn a_master_stands_down_and_takes_over_again() {
    let Some((a, b)) = pair() else { return };
    run(async {
        let mut first = a.start(
            Settings::default(),
            one(fast("VI", 51, 150, &["10.9.0.100"])),
        );
        first.wait_state("VI", State::Master).await;
        let mut second = b.start(
            Settings::default(),
            one(fast("VI", 51, 100, &["10.9.0.100"])),
        );
        until(&second, |now| now.instances["VI"].master.is_some()).await;

        // The lower priority may not take over from a better master.
        let state = second.engine.order("VI", Order::TakeOver).await;
        assert_eq!(state, Ok(State::Backup));
        second
            .wait("the refusal", |event| {
                matches!(event, Event::Warning { .. })
            })
            .await;

        let stand_down = Order::StandDown { hold: None };
        assert_eq!(
            first.engine.order("VI", stand_down).await,
            Ok(State::Backup)
        );
        let event = first.wait_state("VI", State::Backup).await.to_string();
        assert!(event.contains("ordered to stand down"), "{event}");
        second.wait_state("VI", State::Master).await;
        assert!(!a.holds("10.9.0.100"));

        // It holds although its priority is the higher one, until it is told otherwise.
        assert_eq!(
            first.engine.order("VI", Order::TakeOver).await,
            Ok(State::Master)
        );
        let event = first.wait_state("VI", State::Master).await.to_string();
        assert!(event.contains("ordered to take over"), "{event}");
        second.wait_state("VI", State::Backup).await;

        let unknown = first.engine.order("VI_9", Order::Announce).await;
        let instance = "VI_9".to_owned();
        assert_eq!(unknown, Err(OrderError::NoSuchInstance { instance }));
        let handle = first.engine.handle();
        first.engine.shutdown().await;
        let stopped = handle.order("VI", Order::Announce).await;
        assert_eq!(stopped, Err(OrderError::Stopped));
    });
}

#[test]
fn an_order_to_one_member_is_for_the_group() {
    let Some((a, b)) = pair() else { return };
    run(async {
        let configuration = |priority| Configuration {
            instances: shared([
                fast("one", 51, priority, &["10.9.0.100"]),
                fast("two", 52, priority, &["10.9.0.101"]),
            ]),
            groups: vec![GroupConfig::new(
                "G",
                vec!["one".to_owned(), "two".to_owned()],
            )],
            ..Configuration::default()
        };
        let first = a.start(Settings::default(), configuration(150));
        until(&first, all(State::Master)).await;
        let second = b.start(Settings::default(), configuration(100));
        let heard = |snapshot: &Snapshot| {
            let mut instances = snapshot.instances.values();
            instances.all(|instance| instance.master.is_some())
        };
        until(&second, heard).await;

        let hold = Some(Duration::from_secs(3600));
        let state = first.engine.order("one", Order::StandDown { hold }).await;
        assert_eq!(state, Ok(State::Backup));
        until(&first, all(State::Backup)).await;
        until(&second, all(State::Master)).await;
        assert!(b.holds("10.9.0.100") && b.holds("10.9.0.101"));

        let state = first.engine.order("two", Order::TakeOver).await;
        assert_eq!(state, Ok(State::Master));
        until(&first, all(State::Master)).await;
        until(&second, all(State::Backup)).await;
    });
}

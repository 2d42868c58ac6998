//! `TCP_CHECK` against loopback.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::net::SocketAddr;

use healthcheck::{Cause, Detail, Outcome, Probe, TcpProbe, TcpSettings};
use support::{PATIENT, closed_port, dialer, forever, serve};

fn probe(target: SocketAddr) -> TcpProbe {
    TcpProbe::new(TcpSettings {
        target,
        dialer: dialer(PATIENT),
    })
}

#[tokio::test]
async fn an_open_port_is_up_even_if_nobody_speaks() {
    let target = serve(|stream| async move {
        forever().await;
        drop(stream);
    })
    .await;
    let outcome = probe(target).run().await;
    assert!(
        matches!(
            outcome,
            Outcome::Up {
                detail: Detail::Connected,
                ..
            }
        ),
        "{outcome}"
    );
}

#[tokio::test]
async fn a_closed_port_is_refused() {
    let target = closed_port();
    let outcome = probe(target).run().await;
    assert_eq!(outcome.cause(), Some(&Cause::Refused { target }));
    assert_eq!(
        outcome.to_string(),
        format!("connection refused by {target}")
    );
}

#[tokio::test]
async fn a_full_backlog_times_out() {
    let domain = socket2::Domain::IPV4;
    let listener = socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap();
    listener
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    listener.listen(0).unwrap();
    let target = listener.local_addr().unwrap().as_socket().unwrap();
    // Fill the queue, so that the next SYN is dropped.
    let fillers: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || {
                std::net::TcpStream::connect_timeout(&target, std::time::Duration::from_millis(100))
            })
        })
        .collect();
    let _held: Vec<_> = fillers
        .into_iter()
        .map(|filler| filler.join().unwrap())
        .collect();
    let dialer = dialer(support::SHORT);
    let outcome = TcpProbe::new(TcpSettings { target, dialer }).run().await;
    assert_eq!(
        outcome.cause(),
        Some(&Cause::ConnectTimeout {
            target,
            after: support::SHORT
        })
    );
}

#[tokio::test]
async fn the_source_address_is_used() {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let target = serve(move |stream| {
        let _ = sender.send(stream.peer_addr().unwrap());
        async {}
    })
    .await;
    let mut dialer = dialer(PATIENT);
    dialer.bind_address = Some([127, 0, 0, 9].into());
    assert!(
        TcpProbe::new(TcpSettings { target, dialer })
            .run()
            .await
            .is_up()
    );
    assert_eq!(receiver.recv().await.unwrap().ip().to_string(), "127.0.0.9");
}

#[tokio::test]
async fn a_source_that_is_not_ours_is_named() {
    let mut dialer = dialer(PATIENT);
    dialer.bind_address = Some([203, 0, 113, 1].into());
    let outcome = TcpProbe::new(TcpSettings {
        target: closed_port(),
        dialer,
    })
    .run()
    .await;
    let text = outcome.to_string();
    assert!(
        text.starts_with("cannot bind to 203.0.113.1:0 for 127.0.0.1: "),
        "{text}"
    );
}

#[tokio::test]
async fn an_interface_that_is_not_there_is_named() {
    let mut dialer = dialer(PATIENT);
    dialer.bind_interface = Some("nosuch0".into());
    let outcome = TcpProbe::new(TcpSettings {
        target: closed_port(),
        dialer,
    })
    .run()
    .await;
    let text = outcome.to_string();
    assert!(
        text.starts_with("cannot use interface nosuch0 for 127.0.0.1: "),
        "{text}"
    );
}

#[test]
fn equal_settings_make_equal_keys() {
    let a = probe(([127, 0, 0, 1], 80).into());
    let b = probe(([127, 0, 0, 1], 80).into());
    let c = probe(([127, 0, 0, 1], 81).into());
    assert_eq!(a.key(), b.key());
    assert_ne!(a.key(), c.key());
}

//! `DNS_CHECK`, `UDP_CHECK` and `PING_CHECK` against loopback.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use std::net::SocketAddr;

use healthcheck::udp::InvalidUdp;
use healthcheck::{
    Cause, Detail, DnsProbe, DnsSettings, Outcome, PingProbe, PingSettings, Probe, UdpProbe,
    UdpSettings, Wanted,
};
use support::{PATIENT, SHORT, bounded, dialer};
use tokio::net::UdpSocket;

/// A server that answers each datagram with those made of it.
async fn answering(answers: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            for answer in answers(&buffer[..length]) {
                socket.send_to(&answer, peer).await.unwrap();
            }
        }
    });
    address
}

fn closed_udp_port() -> SocketAddr {
    std::net::UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

fn reply(query: &[u8], code: u8) -> Vec<u8> {
    let mut answer = query.to_vec();
    answer[2] |= 0x80;
    answer[3] = code;
    answer
}

async fn dns(target: SocketAddr, limit: std::time::Duration) -> Outcome {
    let mut settings = DnsSettings::new(target);
    settings.dialer = dialer(limit);
    settings.record_type = "a".parse().unwrap();
    settings.name = "www.example.org".parse().unwrap();
    bounded(&DnsProbe::new(settings)).await
}

#[tokio::test]
async fn a_name_server_is_judged_by_its_code() {
    let target = answering(|query| vec![reply(query, 0)]).await;
    let outcome = dns(target, PATIENT).await;
    assert!(
        matches!(
            outcome,
            Outcome::Up {
                detail: Detail::Dns { .. },
                ..
            }
        ),
        "{outcome}"
    );
    let target = answering(|query| vec![reply(query, 2)]).await;
    let outcome = dns(target, PATIENT).await;
    assert_eq!(
        outcome.to_string(),
        format!("DNS answer SERVFAIL from {target} for www.example.org. A")
    );
}

#[tokio::test]
async fn what_is_not_the_answer_is_not_taken_for_it() {
    let target = answering(|query| {
        let mut other_id = reply(query, 0);
        other_id[0] ^= 1;
        let mut other_name = reply(query, 0);
        other_name[14] ^= 1;
        vec![
            b"x".to_vec(),
            other_id,
            other_name,
            query.to_vec(),
            vec![0xc0; 600],
        ]
    })
    .await;
    let outcome = dns(target, SHORT).await;
    let expected = Cause::Timeout {
        target,
        wanted: Wanted::DnsAnswer,
        after: SHORT,
    };
    assert_eq!(outcome.cause(), Some(&expected));
    // A good answer among the bad ones is found, loops in names of its records or not.
    let target = answering(|query| {
        let mut looping = reply(query, 0);
        looping[7] = 1;
        looping.extend_from_slice(&[0xc0, 33, 0, 1, 0, 1]);
        vec![b"x".to_vec(), looping]
    })
    .await;
    assert!(dns(target, PATIENT).await.is_up());
}

#[tokio::test]
async fn an_answer_from_another_address_does_not_count() {
    let other = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let other_address = other.local_addr().unwrap();
    let relay = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let front = relay.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, peer)) = relay.recv_from(&mut buffer).await {
            other.send_to(&reply(&buffer[..length], 0), peer).unwrap();
        }
    });
    assert_ne!(front, other_address);
    let outcome = dns(front, SHORT).await;
    assert!(
        matches!(outcome.cause(), Some(Cause::Timeout { .. })),
        "{outcome}"
    );
}

#[tokio::test]
async fn a_flood_of_wrong_answers_ends_with_the_limit() {
    let target = answering(|query| {
        let mut other = reply(query, 0);
        other[0] ^= 1;
        vec![other; 2000]
    })
    .await;
    let outcome = dns(target, SHORT).await;
    assert!(
        matches!(outcome.cause(), Some(Cause::Timeout { .. })),
        "{outcome}"
    );
}

/// Records without number, names that point at themselves and at each other, and lengths that are not true.
#[tokio::test]
async fn answers_with_loops_and_lies_end_at_once() {
    let looping = |query: &[u8], records: &[u8], count: u16| {
        let mut answer = reply(query, 0);
        answer[6..8].copy_from_slice(&count.to_be_bytes());
        answer.extend_from_slice(records);
        answer
    };
    let loops: [&[u8]; 5] = [
        // To itself, to each other, and forward beyond the end.
        &[0xc0, 33, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 1, 2, 3, 4],
        &[0xc0, 35, 0xc0, 33, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0],
        &[0xff, 0xff, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0],
        // A record longer than the datagram, and labels without end.
        &[0, 0, 1, 0, 1, 0, 0, 0, 1, 0xff, 0xff],
        &[63; 900],
    ];
    for records in loops {
        let target = answering(move |query| vec![looping(query, records, u16::MAX)]).await;
        // The code decides; what cannot be read is not asked for.
        let outcome = dns(target, PATIENT).await;
        assert!(outcome.is_up(), "{records:?}: {outcome}");
        let target = answering(move |query| {
            let mut failed = looping(query, records, u16::MAX);
            failed[3] = 2;
            vec![failed]
        })
        .await;
        let outcome = dns(target, PATIENT).await;
        assert!(
            outcome.to_string().starts_with("DNS answer SERVFAIL"),
            "{outcome}"
        );
    }
}

#[tokio::test]
async fn nobody_there_is_refused() {
    let target = closed_udp_port();
    assert_eq!(
        dns(target, PATIENT).await.cause(),
        Some(&Cause::Refused { target })
    );
    let mut settings = UdpSettings::new(target);
    settings.dialer = dialer(PATIENT);
    let outcome = bounded(&UdpProbe::new(settings).unwrap()).await;
    assert_eq!(outcome.cause(), Some(&Cause::Refused { target }));
}

#[tokio::test]
async fn silence_is_a_good_sign_unless_a_reply_is_required() {
    let target = answering(|_| Vec::new()).await;
    let mut settings = UdpSettings::new(target);
    settings.dialer = dialer(SHORT);
    let outcome = bounded(&UdpProbe::new(settings.clone()).unwrap()).await;
    assert!(
        matches!(
            outcome,
            Outcome::Up {
                detail: Detail::NotRefused,
                ..
            }
        ),
        "{outcome}"
    );
    settings.require_reply = Some("".parse().unwrap());
    let outcome = bounded(&UdpProbe::new(settings).unwrap()).await;
    let expected = Cause::Timeout {
        target,
        wanted: Wanted::Datagram,
        after: SHORT,
    };
    assert_eq!(outcome.cause(), Some(&expected));
}

#[tokio::test]
async fn replies_are_compared() {
    let target = answering(|query| vec![query.to_vec()]).await;
    let check = |payload: &str, wanted: &str, min, max| {
        let mut settings = UdpSettings::new(target);
        settings.dialer = dialer(PATIENT);
        settings.payload = Some(healthcheck::udp::parse_payload(payload).unwrap());
        settings.require_reply = Some(wanted.parse().unwrap());
        settings.min_reply_length = min;
        settings.max_reply_length = max;
        let probe = UdpProbe::new(settings).unwrap();
        async move { probe.run().await }
    };
    assert!(check("01 02 03", "01 xx 03", 0, 255).await.is_up());
    let outcome = check("01 02 03", "01 xx 04", 0, 255).await;
    assert_eq!(outcome.cause(), Some(&Cause::ReplyMismatch { target }));
    let outcome = check("01 02 03", "", 0, 2).await;
    assert_eq!(
        outcome.cause(),
        Some(&Cause::ReplyLength {
            target,
            got: 3,
            min: 0,
            max: 2
        })
    );
    let outcome = check("01 02 03", "", 4, 9).await;
    assert_eq!(
        outcome.cause(),
        Some(&Cause::ReplyLength {
            target,
            got: 3,
            min: 4,
            max: 9
        })
    );
}

#[test]
fn settings_that_always_fail_are_refused() {
    let mut settings = UdpSettings::new(([127, 0, 0, 1], 9).into());
    settings.payload = Some(vec![0; 65_508]);
    assert!(matches!(
        UdpProbe::new(settings.clone()),
        Err(InvalidUdp::PayloadTooLong(65_508))
    ));
    settings.payload = None;
    settings.require_reply = Some("01".parse().unwrap());
    settings.min_reply_length = 300;
    assert!(matches!(
        UdpProbe::new(settings),
        Err(InvalidUdp::NoLength { .. })
    ));
}

#[tokio::test]
async fn loopback_answers_an_echo_request() {
    for target in ["127.0.0.1", "::1"] {
        let target = target.parse().unwrap();
        let dialer = dialer(PATIENT);
        let outcome = PingProbe::new(PingSettings { target, dialer }).run().await;
        match outcome.cause() {
            Some(Cause::PingUnreachable { error, .. }) => {
                println!("skipped: echo requests to {target} are not possible here: {error}");
            }
            _ => assert!(
                matches!(
                    outcome,
                    Outcome::Up {
                        detail: Detail::Echo,
                        ..
                    }
                ),
                "{outcome}"
            ),
        }
    }
}

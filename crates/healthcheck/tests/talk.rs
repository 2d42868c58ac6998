//! Send and expect, and agents.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::net::SocketAddr;

use healthcheck::http::Pattern;
use healthcheck::talk::{Expect, TalkStep};
use healthcheck::{
    AgentProbe, AgentSettings, Cause, Outcome, Probe, TalkProbe, TalkSettings, Wanted, Weight,
};
use support::{PATIENT, SHORT, dialer, forever, serve};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

/// Greets in two pieces, and answers `PING` with `+PONG` and all else with an error.
async fn talker() -> SocketAddr {
    serve(|stream| async move {
        let mut stream = BufReader::new(stream);
        let _ = stream.write_all(b"hel").await;
        let _ = stream.flush().await;
        let _ = stream.write_all(b"lo\r\n").await;
        let mut line = String::new();
        while stream
            .read_line(&mut line)
            .await
            .is_ok_and(|length| length > 0)
        {
            let answer: &[u8] = if line == "PING\r\n" {
                b"+PONG\r\n"
            } else {
                b"-ERR\r\n"
            };
            let _ = stream.write_all(answer).await;
            line.clear();
        }
    })
    .await
}

async fn talk(target: SocketAddr, limit: std::time::Duration, steps: Vec<TalkStep>) -> Outcome {
    let settings = TalkSettings {
        dialer: dialer(limit),
        ..TalkSettings::new(target, steps)
    };
    TalkProbe::new(settings).unwrap().run().await
}

fn step(send: &str, expect: Expect) -> TalkStep {
    TalkStep {
        send: send.into(),
        expect,
    }
}

#[tokio::test]
async fn turns_are_taken() {
    let target = talker().await;
    let steps = vec![
        step("", Expect::Start(b"hello".to_vec())),
        step("PING\r\n", Expect::Text(b"PONG".to_vec())),
        step("what\r\n", Expect::Regex(Pattern::new("^-E.R"))),
        step("bye\r\n", Expect::Nothing),
    ];
    let outcome = talk(target, PATIENT, steps).await;
    assert!(outcome.is_up(), "{outcome}");
}

#[tokio::test]
async fn wrong_and_missing_answers_are_told_apart() {
    let target = talker().await;
    let wrong = vec![step("", Expect::Start(b"help".to_vec()))];
    let outcome = talk(target, PATIENT, wrong).await;
    assert_eq!(outcome.cause(), Some(&Cause::ReplyMismatch { target }));
    let missing = vec![step("", Expect::Text(b"never".to_vec()))];
    let outcome = talk(target, SHORT, missing).await;
    let wanted = Wanted::ExpectedText;
    assert_eq!(
        outcome.cause(),
        Some(&Cause::Timeout {
            target,
            wanted,
            after: SHORT
        })
    );
    let endless =
        serve(|mut stream| async move { while stream.write_all(&[b'x'; 4096]).await.is_ok() {} })
            .await;
    let missing = vec![step("", Expect::Text(b"never".to_vec()))];
    let outcome = talk(endless, PATIENT, missing).await;
    assert_eq!(
        outcome.cause(),
        Some(&Cause::ReplyMismatch { target: endless })
    );
}

async fn agent(line: &'static str) -> Outcome {
    let target = serve(move |mut stream| async move {
        let _ = stream.write_all(line.as_bytes()).await;
        if line.ends_with('\n') {
            forever().await;
        }
    })
    .await;
    let settings = AgentSettings {
        dialer: dialer(PATIENT),
        ..AgentSettings::new(target)
    };
    AgentProbe::new(settings).run().await
}

#[tokio::test]
async fn agents_set_weights_and_states() {
    assert_eq!(agent("up 60%\n").await.weight(), Some(Weight::Percent(60)));
    assert_eq!(agent("drain").await.weight(), Some(Weight::Exact(0)));
    let outcome = agent("down #backup\n").await;
    assert!(
        outcome.to_string().ends_with(" says down: backup"),
        "{outcome}"
    );
    let outcome = agent("").await;
    assert!(
        matches!(outcome.cause(), Some(Cause::Closed { .. })),
        "{outcome}"
    );
    let outcome = agent("HTTP/1.0 200 OK\n").await;
    assert!(
        matches!(outcome.cause(), Some(Cause::Protocol { .. })),
        "{outcome}"
    );
}

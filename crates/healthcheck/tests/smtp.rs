//! `SMTP_CHECK` against servers that behave and servers that do not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::net::SocketAddr;

use healthcheck::smtp::{InvalidSmtp, SmtpHost};
use healthcheck::{Cause, Outcome, Probe, SmtpProbe, SmtpSettings, Wanted};
use support::{PATIENT, SHORT, closed_port, dialer, forever, serve};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;

/// A mail server with this greeting and this answer to HELO; tells the commands it gets.
async fn mail_server(
    greeting: &'static str,
    helo: &'static str,
) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let address = serve(move |stream| {
        let sender = sender.clone();
        async move {
            let mut stream = BufReader::new(stream);
            let _ = stream.write_all(greeting.as_bytes()).await;
            let mut line = String::new();
            while stream
                .read_line(&mut line)
                .await
                .is_ok_and(|length| length > 0)
            {
                let _ = sender.send(std::mem::take(&mut line));
                let _ = stream.write_all(helo.as_bytes()).await;
            }
        }
    })
    .await;
    (address, receiver)
}

async fn check(target: SocketAddr, limit: std::time::Duration) -> Outcome {
    let mut settings = SmtpSettings::new(target);
    settings.hosts = vec![SmtpHost {
        target,
        dialer: dialer(limit),
    }];
    SmtpProbe::new(settings).unwrap().run().await
}

#[tokio::test]
async fn a_mail_server_that_greets_and_answers_is_up() {
    let (target, mut commands) =
        mail_server("220-mail.example\r\n220 ready\r\n", "250 mail.example\r\n").await;
    let outcome = check(target, PATIENT).await;
    assert!(outcome.is_up(), "{outcome}");
    assert_eq!(
        commands.recv().await.unwrap(),
        "HELO smtpchecker.keepalived.org\r\n"
    );
    assert_eq!(commands.recv().await.unwrap(), "QUIT\r\n");
}

#[tokio::test]
async fn wrong_answers_have_their_causes() {
    let (target, _commands) = mail_server("554 no\r\n", "").await;
    assert_eq!(
        check(target, PATIENT).await.to_string(),
        format!("SMTP code 554 from {target} instead of 220 for the SMTP greeting")
    );
    let (target, _commands) = mail_server("220 ready\r\n", "421 busy\r\n").await;
    assert_eq!(
        check(target, PATIENT).await.to_string(),
        format!("SMTP code 421 from {target} instead of 250 for the answer to HELO")
    );
    let (target, _commands) = mail_server("* OK IMAP4 ready\r\n", "").await;
    let outcome = check(target, PATIENT).await;
    assert!(
        matches!(
            outcome.cause(),
            Some(Cause::Protocol {
                protocol: "SMTP",
                ..
            })
        ),
        "{outcome}"
    );
}

#[tokio::test]
async fn silence_closing_and_noise_are_bounded() {
    let target = serve(|stream| async move {
        forever().await;
        drop(stream);
    })
    .await;
    let expected = Cause::Timeout {
        target,
        wanted: Wanted::SmtpGreeting,
        after: SHORT,
    };
    assert_eq!(check(target, SHORT).await.cause(), Some(&expected));

    let target = serve(|mut stream| async move {
        let _ = stream.shutdown().await;
        let _ = stream.read(&mut [0; 1]).await;
    })
    .await;
    let expected = Cause::Closed {
        target,
        wanted: Wanted::SmtpGreeting,
    };
    assert_eq!(check(target, PATIENT).await.cause(), Some(&expected));

    let target =
        serve(|mut stream| async move { while stream.write_all(&[b'2'; 4096]).await.is_ok() {} })
            .await;
    let outcome = check(target, PATIENT).await;
    assert!(
        matches!(outcome.cause(), Some(Cause::Protocol { .. })),
        "{outcome}"
    );

    // A drop at a time must not stretch the limit.
    let target = serve(|mut stream| async move {
        while stream.write_all(b"2").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
    let expected = Cause::Timeout {
        target,
        wanted: Wanted::SmtpGreeting,
        after: SHORT,
    };
    assert_eq!(check(target, SHORT).await.cause(), Some(&expected));
}

#[tokio::test]
async fn all_hosts_must_answer() {
    let (good, _commands) = mail_server("220 ready\r\n", "250 ok\r\n").await;
    let bad = closed_port();
    let host = |target| SmtpHost {
        target,
        dialer: dialer(PATIENT),
    };
    let mut settings = SmtpSettings::new(good);
    settings.hosts = vec![host(good), host(bad)];
    let outcome = SmtpProbe::new(settings).unwrap().run().await;
    assert_eq!(outcome.cause(), Some(&Cause::Refused { target: bad }));
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let mut settings = SmtpSettings::new(([127, 0, 0, 1], 25).into());
    settings.helo_name = "a b".into();
    assert!(matches!(
        SmtpProbe::new(settings.clone()),
        Err(InvalidSmtp::HeloName(_))
    ));
    settings.hosts.clear();
    assert!(matches!(SmtpProbe::new(settings), Err(InvalidSmtp::NoHost)));
}

//! Mail servers of all kinds, played by the test.

use super::client::{Delivered, DeliveryError, deliver};
use super::message::{Alert, Message, compose};
use super::{Credentials, MailSettings, Mailer, Protection, connector};
use keepalived_conf::model::Secret;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// How a server behaves.
#[derive(Clone, Default)]
struct Behaviour {
    /// Says this instead of the usual reply to a command that begins so; the empty command is the connection.
    instead: Vec<(&'static str, &'static str)>,
    /// One octet at a time.
    slowly: bool,
    /// Speaks TLS: from the start, or after STARTTLS.
    tls: Option<(TlsAcceptor, bool)>,
}

/// Runs a server; everything that clients say comes line by line, `-- end` at the end of each connection.
async fn server(behaviour: Behaviour) -> (u16, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (send, lines) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (behaviour, send) = (behaviour.clone(), send.clone());
            tokio::spawn(async move {
                connection(stream, &behaviour, &send).await;
                let _ = send.send("-- end".to_owned());
            });
        }
    });
    (port, lines)
}

async fn connection(
    stream: TcpStream,
    behaviour: &Behaviour,
    said: &mpsc::UnboundedSender<String>,
) {
    match &behaviour.tls {
        None => drop(serve(stream, behaviour, said, true).await),
        Some((acceptor, true)) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                drop(serve(stream, behaviour, said, true).await);
            }
        }
        Some((acceptor, false)) => {
            if let Some(stream) = serve(stream, behaviour, said, true).await
                && let Ok(stream) = acceptor.accept(stream).await
            {
                let _ = said.send("-- TLS".to_owned());
                drop(serve(stream, behaviour, said, false).await);
            }
        }
    }
}

/// Serves one session; gives the stream back after STARTTLS.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    behaviour: &Behaviour,
    said: &mpsc::UnboundedSender<String>,
    greet: bool,
) -> Option<S> {
    let mut stream = BufReader::new(stream);
    let mut data = false;
    if greet && !say(&mut stream, behaviour, "", "220-test\r\n220 hello\r\n").await {
        return None;
    }
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end_matches("\r\n").to_owned();
        let _ = said.send(line.clone());
        let reply = if data && line == "." {
            data = false;
            "250 taken\r\n"
        } else if data {
            continue;
        } else if line.starts_with("EHLO") {
            "250-test\r\n250-STARTTLS\r\n250 AUTH LOGIN PLAIN\r\n"
        } else if line.starts_with("AUTH PLAIN") {
            "235 welcome\r\n"
        } else if line.starts_with("STARTTLS") {
            say(&mut stream, behaviour, &line, "220 go\r\n")
                .await
                .then_some(())?;
            return Some(stream.into_inner());
        } else if line == "DATA" {
            data = true;
            "354 go\r\n"
        } else if line == "QUIT" {
            "221 bye\r\n"
        } else {
            "250 ok\r\n"
        };
        if !say(&mut stream, behaviour, &line, reply).await {
            return None;
        }
    }
}

async fn say<S: AsyncWrite + Unpin>(
    stream: &mut S,
    behaviour: &Behaviour,
    command: &str,
    usual: &str,
) -> bool {
    let other = behaviour.instead.iter().find(|(start, _)| {
        if start.is_empty() {
            command.is_empty()
        } else {
            command.starts_with(start)
        }
    });
    let reply = other.map_or(usual, |(_, reply)| reply);
    if reply == "HANG UP" {
        return false;
    }
    let pieces: Vec<&[u8]> = if behaviour.slowly {
        reply.as_bytes().chunks(1).collect()
    } else {
        vec![reply.as_bytes()]
    };
    for piece in pieces {
        if stream.write_all(piece).await.is_err() || stream.flush().await.is_err() {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}

fn settings(port: u16) -> MailSettings {
    MailSettings {
        router_id: "R1".to_owned(),
        host: "127.0.0.1".to_owned(),
        port,
        from: "k@x.org".to_owned(),
        to: vec![
            "a@x.org".to_owned(),
            "Bob <b@x.org>".to_owned(),
            "root".to_owned(),
        ],
        helo_name: "lb1".to_owned(),
        timeout: Duration::from_secs(30),
        protection: Protection::Plain,
        credentials: None,
        batch_delay: Duration::ZERO,
    }
}

fn alert(subject: &str) -> Alert {
    Alert {
        subject: subject.to_owned(),
        body: "=> VRRP Instance is now owning VRRP VIPs <=".to_owned(),
        reason: String::new(),
        at: SystemTime::UNIX_EPOCH,
    }
}

fn message(settings: &MailSettings) -> Message {
    let alert = alert("VRRP Instance V1 - Entering MASTER state");
    compose(settings, &[alert], 0, SystemTime::UNIX_EPOCH, 1)
}

async fn try_with(behaviour: Behaviour) -> Result<Delivered, DeliveryError> {
    let (port, _lines) = server(behaviour).await;
    let settings = settings(port);
    deliver(&settings, &message(&settings)).await
}

fn instead(command: &'static str, reply: &'static str) -> Behaviour {
    Behaviour {
        instead: vec![(command, reply)],
        ..Behaviour::default()
    }
}

async fn until_end(lines: &mut mpsc::UnboundedReceiver<String>) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(line) = lines.recv().await {
        if line == "-- end" {
            break;
        }
        all.push(line);
    }
    all
}

#[tokio::test]
async fn the_dialogue_is_that_of_keepalived() {
    for slowly in [false, true] {
        let behaviour = Behaviour {
            slowly,
            ..Behaviour::default()
        };
        let (port, mut lines) = server(behaviour).await;
        let settings = settings(port);
        let delivered = deliver(&settings, &message(&settings)).await.unwrap();
        assert_eq!(
            delivered,
            Delivered {
                refused: Vec::new()
            }
        );
        let said = until_end(&mut lines).await;
        assert_eq!(
            said.get(..7).unwrap(),
            [
                "HELO lb1",
                "MAIL FROM:<k@x.org>",
                "RCPT TO:<a@x.org>",
                "RCPT TO:<b@x.org>",
                "RCPT TO:<root>",
                "DATA",
                "Date: Thu, 1 Jan 1970 00:00:00 +0000"
            ]
        );
        assert!(
            said.contains(&"Subject: [R1] VRRP Instance V1 - Entering MASTER state".to_owned())
        );
        assert_eq!(
            said.get(said.len() - 4..).unwrap(),
            [
                "",
                "=> VRRP Instance is now owning VRRP VIPs <=",
                ".",
                "QUIT"
            ]
        );
    }
}

#[tokio::test]
async fn refusals_are_told_apart() {
    for (command, reply, permanent) in [
        ("", "554 go away\r\n", true),
        ("", "421 busy\r\n", false),
        ("HELO", "550 who\r\n", true),
        ("MAIL", "451 later\r\n", false),
        ("RCPT", "550-nobody\r\n550 here\r\n", true),
        ("DATA", "250 what\r\n", false),
        (".", "552 too much\r\n", true),
        ("", "HANG UP", false),
        ("DATA", "HANG UP", false),
        ("", "hello\r\n", false),
    ] {
        let error = try_with(instead(command, reply)).await.unwrap_err();
        assert_eq!(
            error.is_permanent(),
            permanent,
            "{command} {reply}: {error}"
        );
        assert!(!error.to_string().contains('\n'));
    }
}

#[tokio::test]
async fn one_bad_recipient_does_not_stop_the_mail() {
    let delivered = try_with(instead("RCPT TO:<b", "550 nobody\r\n"))
        .await
        .unwrap();
    assert_eq!(delivered.refused, ["b@x.org: 550 nobody"]);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left() {
    let (port, _lines) = server(instead("MAIL", "")).await;
    let mut settings = settings(port);
    settings.timeout = Duration::from_millis(200);
    let error = deliver(&settings, &message(&settings)).await.unwrap_err();
    assert!(
        matches!(
            error,
            DeliveryError::Timeout {
                step: "the sender",
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_without_end_is_left() {
    let endless: &'static str = Box::leak("250-more\r\n".repeat(10_000).into_boxed_str());
    let error = try_with(instead("HELO", endless)).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Protocol { .. }), "{error}");
}

struct Certificate {
    acceptor: TlsAcceptor,
    authority: tempfile::NamedTempFile,
}

fn certificate() -> Certificate {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let authority = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(authority.path(), made.cert.pem()).unwrap();
    Certificate {
        acceptor: TlsAcceptor::from(Arc::new(config)),
        authority,
    }
}

#[tokio::test]
async fn tls_protects_user_and_password() {
    let certificate = certificate();
    for from_start in [true, false] {
        let behaviour = Behaviour {
            tls: Some((certificate.acceptor.clone(), from_start)),
            ..Behaviour::default()
        };
        let (port, mut lines) = server(behaviour).await;
        let tls = connector(Some(certificate.authority.path())).unwrap();
        let mut settings = settings(port);
        settings.protection = if from_start {
            Protection::Tls(tls)
        } else {
            Protection::StartTls(tls)
        };
        settings.credentials = Some(Credentials {
            user: "me".to_owned(),
            password: Secret::new("secret"),
        });
        assert!(!format!("{settings:?}").contains("secret"));
        deliver(&settings, &message(&settings)).await.unwrap();
        let said = until_end(&mut lines).await.join("\n");
        let begin = if from_start {
            "EHLO lb1\nAUTH PLAIN AG1lAHNlY3JldA==\nMAIL"
        } else {
            "EHLO lb1\nSTARTTLS\n-- TLS\nEHLO lb1\nAUTH PLAIN AG1lAHNlY3JldA==\nMAIL"
        };
        assert!(said.starts_with(begin), "{said}");
    }
}

#[tokio::test]
async fn a_strange_certificate_gets_no_mail() {
    let behaviour = Behaviour {
        tls: Some((certificate().acceptor, true)),
        ..Behaviour::default()
    };
    let (port, _lines) = server(behaviour).await;
    let other = certificate();
    let mut settings = settings(port);
    settings.protection = Protection::Tls(connector(Some(other.authority.path())).unwrap());
    let error = deliver(&settings, &message(&settings)).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Tls(_)), "{error}");
    settings.protection = Protection::Tls(connector(None).unwrap());
    deliver(&settings, &message(&settings)).await.unwrap();
}

#[tokio::test]
async fn nothing_is_sent_in_clear_if_tls_is_demanded() {
    let (port, mut lines) = server(instead("EHLO", "250 test\r\n")).await;
    let mut settings = settings(port);
    settings.protection = Protection::StartTls(connector(None).unwrap());
    let error = deliver(&settings, &message(&settings)).await.unwrap_err();
    assert!(matches!(error, DeliveryError::NotOffered(_)), "{error}");
    assert_eq!(until_end(&mut lines).await, ["EHLO lb1"]);
    // A reply that somebody has slipped in before the encryption begins does not count.
    let (port, _lines) = server(instead("STARTTLS", "220 go\r\n250 evil\r\n")).await;
    settings.port = port;
    let error = deliver(&settings, &message(&settings)).await.unwrap_err();
    assert!(
        matches!(
            error,
            DeliveryError::Protocol {
                step: "STARTTLS",
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn login_is_used_where_plain_is_not_offered() {
    let behaviour = Behaviour {
        instead: vec![
            ("EHLO", "250-test\r\n250 AUTH=LOGIN\r\n"),
            ("AUTH LOGIN", "334 VXNlcm5hbWU6\r\n"),
            ("bWU=", "334 UGFzc3dvcmQ6\r\n"),
            ("c2VjcmV0", "235 ok\r\n"),
        ],
        ..Behaviour::default()
    };
    let (port, mut lines) = server(behaviour).await;
    let mut settings = settings(port);
    settings.credentials = Some(Credentials {
        user: "me".to_owned(),
        password: Secret::new("secret"),
    });
    deliver(&settings, &message(&settings)).await.unwrap();
    let said = until_end(&mut lines).await;
    assert_eq!(said.get(1..4).unwrap(), ["AUTH LOGIN", "bWU=", "c2VjcmV0"]);
}

#[tokio::test]
async fn alerts_that_come_together_are_one_mail() {
    let (port, mut lines) = server(Behaviour::default()).await;
    let mut settings = settings(port);
    // Nobody waits for this: the end sends what is there.
    settings.batch_delay = Duration::from_secs(3600);
    let mut mailer = Mailer::start(settings);
    for number in 0..10 {
        mailer.send(alert(&format!(
            "Realserver {number} of virtual server V - DOWN"
        )));
    }
    mailer.finish(Duration::from_secs(60)).await;
    let said = until_end(&mut lines).await.join("\n");
    assert!(
        said.contains("Subject: [R1] 10 alerts: 10 Realserver DOWN\n"),
        "{said}"
    );
}

#[tokio::test]
async fn without_a_delay_each_alert_is_a_mail() {
    let (port, mut lines) = server(Behaviour::default()).await;
    let mut mailer = Mailer::start(settings(port));
    mailer.send(alert("one"));
    let mut other = settings(port);
    other.router_id = "R2".to_owned();
    mailer.change(other);
    mailer.send(alert("two"));
    let first = until_end(&mut lines).await;
    let second = until_end(&mut lines).await;
    assert!(
        second.contains(&"Subject: [R2] two".to_owned()),
        "{second:?}"
    );
    assert!(
        first.iter().any(|line| line.ends_with("] one")),
        "{first:?}"
    );
    mailer.finish(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn a_dead_server_does_not_hold_up_the_end() {
    let (port, _lines) = server(instead("", "")).await;
    let mut mailer = Mailer::start(settings(port));
    mailer.send(alert("one"));
    let ended = tokio::time::timeout(
        Duration::from_secs(60),
        mailer.finish(Duration::from_millis(100)),
    );
    ended.await.expect("the deadline counts");
}

/// Python's own server, where it has one still (up to 3.11, which is Debian 12's).
#[tokio::test]
async fn a_server_of_other_people_takes_it() {
    let Ok(reserved) = std::net::TcpListener::bind("127.0.0.1:0") else {
        return;
    };
    let port = reserved.local_addr().unwrap().port();
    drop(reserved);
    let started = tokio::process::Command::new("/usr/bin/python3")
        .args([
            "-W",
            "ignore",
            "-u",
            "-m",
            "smtpd",
            "-n",
            "-c",
            "DebuggingServer",
        ])
        .arg(format!("127.0.0.1:{port}"))
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let Ok(mut child) = started else {
        println!("skipped: /usr/bin/python3 is not installed");
        return;
    };
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut settings = settings(port);
    settings.to = vec!["a@x.org".to_owned(), "Bob <b@x.org>".to_owned()];
    let mut evil = alert(".");
    evil.body = ".\n..\nend".to_owned();
    let message = compose(&settings, &[evil], 0, SystemTime::UNIX_EPOCH, 1);
    while let Err(error) = deliver(&settings, &message).await {
        assert!(matches!(error, DeliveryError::Connect { .. }), "{error}");
        if let Ok(Some(_)) = child.try_wait() {
            println!("skipped: python3 has no module smtpd");
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut text = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains("END MESSAGE") {
            break;
        }
        text.push_str(&line);
        text.push('\n');
    }
    // It writes lines as Python writes octets.
    for line in ["b'Subject: [R1] .'", "b'.'", "b'..'", "b'end'"] {
        assert!(text.lines().any(|have| have == line), "{line} in {text}");
    }
}

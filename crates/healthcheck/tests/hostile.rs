//! Servers that do everything wrong, against every probe that talks over a stream: each pair has
//! the verdict and the reason that it must give, within its limit and in bounded memory.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use healthcheck::smtp::SmtpHost;
use healthcheck::talk::{Expect, TalkStep};
use healthcheck::{
    AgentProbe, AgentSettings, HttpProbe, HttpSettings, HttpUrl, Probe, SmtpProbe, SmtpSettings,
    TalkProbe, TalkSettings, TcpProbe, TcpSettings,
};
use socket2::SockRef;
use support::{BOUND, MEMORY, SHORT, dialer, forever, peak, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a server does with a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    /// Accepts and says nothing.
    Silent,
    /// An octet now and then, of what would be a good answer if it came.
    Dribbling,
    /// Zeros without end and without a line end.
    Flooding,
    /// Header lines without end.
    Chattering,
    /// Closes before a word is said.
    Closing,
    /// Resets before a word is said.
    Resetting,
    /// Begins a good answer and resets.
    Breaking,
    /// Begins a good answer and closes.
    Leaving,
    /// Says what no protocol knows.
    Babbling,
}

const MANNERS: [Manner; 9] = [
    Manner::Silent,
    Manner::Dribbling,
    Manner::Flooding,
    Manner::Chattering,
    Manner::Closing,
    Manner::Resetting,
    Manner::Breaking,
    Manner::Leaving,
    Manner::Babbling,
];

async fn reset(stream: TcpStream) {
    SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(stream);
}

async fn treat(manner: Manner, mut stream: TcpStream, good: &'static [u8]) {
    let begun = &good[..good.len() / 2];
    match manner {
        Manner::Silent => forever().await,
        Manner::Dribbling => {
            for octet in good.iter().cycle() {
                if stream.write_all(&[*octet]).await.is_err() {
                    return;
                }
                tokio::time::sleep(SHORT / 3).await;
            }
        }
        Manner::Flooding => while stream.write_all(&[0; 65536]).await.is_ok() {},
        Manner::Chattering => {
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n").await;
            while stream
                .write_all(b"250-X: y\r\n".repeat(4096).as_slice())
                .await
                .is_ok()
            {}
        }
        Manner::Closing => {}
        Manner::Resetting => reset(stream).await,
        Manner::Breaking => {
            let _ = stream.write_all(begun).await;
            let _ = stream.flush().await;
            // What has been sent must not be overtaken by the reset.
            tokio::time::sleep(SHORT / 10).await;
            reset(stream).await;
        }
        Manner::Leaving => {
            let _ = stream.write_all(begun).await;
            let _ = stream.shutdown().await;
            let _ = stream.read(&mut [0; 4096]).await;
        }
        Manner::Babbling => {
            let _ = stream.write_all(b"\x80\xff what?\0\r\n\r\n").await;
            forever().await;
        }
    }
}

async fn server(manner: Manner, good: &'static [u8]) -> SocketAddr {
    serve(move |stream| treat(manner, stream, good)).await
}

const PAGE: &[u8] = b"HTTP/1.0 200 OK\r\nContent-Length: 300000\r\n\r\nall is well";
const MAIL: &[u8] = b"220 mail.example ESMTP\r\n250 mail.example\r\n221 bye\r\n";
const LINE: &[u8] = b"up 100%\n";

fn http(target: SocketAddr, tls: bool) -> HttpProbe {
    let mut settings = HttpSettings::new(target, vec![HttpUrl::new("/")]);
    settings.dialer = dialer(SHORT);
    settings.tls = tls.then(healthcheck::TlsSettings::default);
    HttpProbe::new(settings).unwrap()
}

fn smtp(target: SocketAddr) -> SmtpProbe {
    let host = SmtpHost {
        dialer: dialer(SHORT),
        ..SmtpHost::new(target)
    };
    SmtpProbe::new(SmtpSettings {
        hosts: vec![host],
        helo_name: "check.example".to_owned(),
    })
    .unwrap()
}

fn talk(target: SocketAddr) -> TalkProbe {
    let step = TalkStep {
        send: b"PING\r\n".to_vec(),
        expect: Expect::Text(b"up 100%".to_vec()),
    };
    let mut settings = TalkSettings::new(target, vec![step]);
    settings.dialer = dialer(SHORT);
    TalkProbe::new(settings).unwrap()
}

fn agent(target: SocketAddr) -> AgentProbe {
    let mut settings = AgentSettings::new(target);
    settings.dialer = dialer(SHORT);
    AgentProbe::new(settings)
}

/// Makes one attempt; the text says what is wrong with its outcome.
async fn check(name: &str, probe: &impl Probe, wanted: &[&str]) -> Option<String> {
    let Ok(outcome) = tokio::time::timeout(BOUND, probe.run()).await else {
        return Some(format!("{name}: no end"));
    };
    let told = outcome.to_string();
    let good =
        !outcome.is_up() && told.len() < 300 && wanted.iter().any(|wanted| told.contains(wanted));
    (!good).then(|| format!("{name}: {told}"))
}

#[tokio::test]
async fn every_manner_has_its_reason() {
    use Manner::*;
    let before = peak();
    let mut wrong = Vec::new();
    for manner in MANNERS {
        let late: &[&str] = &["within 300ms"];
        let gone: &[&str] = &["closed", "reset", "refused", "broken", "broke"];
        let mismatch: &[&str] = &["does not match what is wanted"];
        let tls: &[&str] = &["TLS with"];
        let (of_http, of_tls, of_smtp, of_talk, of_agent) = match manner {
            Silent => (late, late, late, late, late),
            Dribbling => (late, tls, late, late, late),
            Flooding | Chattering => (&["HTTP"][..], tls, &["SMTP"][..], mismatch, &["agent"][..]),
            Closing | Resetting => (gone, gone, gone, gone, gone),
            Breaking => (gone, tls, gone, gone, gone),
            Leaving => (gone, tls, gone, mismatch, &["agent"][..]),
            Babbling => (&["HTTP"][..], tls, &["SMTP"][..], late, &["agent"][..]),
        };
        let target = server(manner, PAGE).await;
        let mut results = vec![check("http", &http(target, false), of_http).await];
        if cfg!(feature = "tls-rustls") {
            results.push(check("https", &http(target, true), of_tls).await);
        }
        let target = server(manner, MAIL).await;
        results.push(check("smtp", &smtp(target), of_smtp).await);
        let target = server(manner, LINE).await;
        results.push(check("talk", &talk(target), of_talk).await);
        results.push(check("agent", &agent(target), of_agent).await);
        let results = results.into_iter().flatten();
        wrong.extend(results.map(|result| format!("{manner:?} {result}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let grown = peak().saturating_sub(before);
    assert!(grown < MEMORY, "{grown} octets of memory");
}

/// A port that accepts is what `TCP_CHECK` asks for, whatever comes then.
#[tokio::test]
async fn tcp_asks_only_for_the_connection() {
    for manner in MANNERS {
        let target = server(manner, LINE).await;
        let probe = TcpProbe::new(TcpSettings {
            target,
            dialer: dialer(BOUND),
        });
        let outcome = probe.run().await;
        assert!(outcome.is_up(), "{manner:?}: {outcome}");
    }
}

/// A gigabyte is not read, and what is read is not kept.
#[tokio::test]
async fn a_gigabyte_is_neither_read_nor_kept() {
    let before = peak();
    let target = serve(|mut stream| async move {
        support::read_request(&mut stream).await;
        let _ = stream
            .write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
            .await;
        for _ in 0..16384 {
            if stream.write_all(&[b'x'; 65536]).await.is_err() {
                return;
            }
        }
    })
    .await;
    let mut url = HttpUrl::new("/");
    let mut settings = HttpSettings::new(target, vec![url.clone()]);
    settings.dialer = dialer(BOUND);
    let outcome = HttpProbe::new(settings.clone()).unwrap().run().await;
    assert!(
        outcome.is_up(),
        "the status was right, and nobody asked for the text: {outcome}"
    );
    url.regex = Some(healthcheck::http::Pattern::new("well"));
    settings.urls = vec![url];
    let outcome = HttpProbe::new(settings).unwrap().run().await;
    assert!(!outcome.is_up());
    assert!(outcome.to_string().contains("4194304"), "{outcome}");
    let grown = peak().saturating_sub(before);
    assert!(grown < MEMORY, "{grown} octets of memory");
}

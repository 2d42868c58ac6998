//! `SSL_GET` with certificates good and bad.

#![cfg(feature = "tls-rustls")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;

use healthcheck::tls::{InvalidTls, Pem, Verification};
use healthcheck::{
    Cause, Detail, HttpProbe, HttpSettings, HttpUrl, Outcome, Probe, TlsSettings, Wanted,
};
use support::{PATIENT, SHORT, bounded, dialer, forever, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What the server saw of one session: the name in the handshake, and whether it ended with a
/// farewell.
type Seen = (Option<String>, bool);

/// An HTTPS server with a fresh certificate for `name`; gives its address, that certificate and
/// what it sees.
async fn https(name: &str) -> (SocketAddr, Pem, mpsc::UnboundedReceiver<Seen>) {
    let certified = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let pem = Pem::new(certified.cert.pem());
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (sender, receiver) = mpsc::unbounded_channel();
    let address = serve(move |stream| {
        let acceptor = acceptor.clone();
        let sender = sender.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            let name = stream.get_ref().1.server_name().map(str::to_owned);
            let _ = stream.read(&mut [0; 1024]).await;
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            let _ = stream.write_all(answer).await;
            let farewell = stream.read(&mut [0; 1]).await.is_ok();
            let _ = sender.send((name, farewell));
        }
    })
    .await;
    (address, pem, receiver)
}

async fn check(target: SocketAddr, host: Option<&str>, tls: TlsSettings) -> Outcome {
    let settings = HttpSettings {
        dialer: dialer(PATIENT),
        virtual_host: host.map(str::to_owned),
        tls: Some(tls),
        ..HttpSettings::new(target, vec![HttpUrl::new("/")])
    };
    bounded(&HttpProbe::new(settings).unwrap()).await
}

#[tokio::test]
async fn any_certificate_will_do_unless_told_otherwise() {
    let (target, _, mut seen) = https("whoever.example").await;
    let outcome = check(target, Some("www.example"), TlsSettings::default()).await;
    let Outcome::Up {
        detail: Detail::Http {
            certificate_expires: Some(end),
            ..
        },
        ..
    } = outcome
    else {
        panic!("{outcome}")
    };
    assert!(end > std::time::SystemTime::now());
    assert_eq!(
        seen.recv().await,
        Some((None, false)),
        "neither name nor farewell unasked"
    );
}

#[tokio::test]
async fn the_server_is_named_and_bidden_farewell_when_asked() {
    let (target, _, mut seen) = https("whoever.example").await;
    let tls = TlsSettings {
        enable_sni: true,
        compliant: true,
        ..TlsSettings::default()
    };
    assert!(
        check(target, Some("www.example:443"), tls.clone())
            .await
            .is_up()
    );
    assert_eq!(seen.recv().await, Some((Some("www.example".into()), true)));
    let tls = TlsSettings {
        sni_name: Some("sni.example".into()),
        ..tls
    };
    assert!(check(target, Some("www.example"), tls).await.is_up());
    assert_eq!(seen.recv().await, Some((Some("sni.example".into()), true)));
}

#[tokio::test]
async fn verification_wants_the_right_authority_and_the_right_name() {
    let (target, pem, _seen) = https("www.example").await;
    let (_, other, _) = https("www.example").await;
    let verified = |pem| TlsSettings {
        verification: Verification::Authorities(pem),
        ..TlsSettings::default()
    };
    let outcome = check(target, Some("www.example"), verified(pem.clone())).await;
    assert!(outcome.is_up(), "{outcome}");
    let outcome = check(target, Some("else.example"), verified(pem)).await;
    assert!(
        matches!(outcome.cause(), Some(Cause::Tls { .. })),
        "{outcome}"
    );
    let outcome = check(target, Some("www.example"), verified(other)).await;
    assert!(
        matches!(outcome.cause(), Some(Cause::Tls { .. })),
        "{outcome}"
    );
}

#[tokio::test]
async fn a_plain_server_does_not_speak_tls() {
    let plain = serve(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").await;
        let _ = stream.read(&mut [0; 1024]).await;
        forever().await;
    })
    .await;
    let outcome = check(plain, None, TlsSettings::default()).await;
    assert!(
        matches!(outcome.cause(), Some(Cause::Tls { .. })),
        "{outcome}"
    );
    assert!(
        outcome
            .to_string()
            .starts_with(&format!("TLS with {plain} failed: ")),
        "{outcome}"
    );
}

#[tokio::test]
async fn silence_in_the_handshake_is_a_time_out() {
    let target = serve(|stream| async move {
        forever().await;
        drop(stream);
    })
    .await;
    let settings = HttpSettings {
        dialer: dialer(SHORT),
        tls: Some(TlsSettings::default()),
        ..HttpSettings::new(target, vec![HttpUrl::new("/")])
    };
    let outcome = HttpProbe::new(settings).unwrap().run().await;
    let expected = Cause::Timeout {
        target,
        wanted: Wanted::TlsHandshake,
        after: SHORT,
    };
    assert_eq!(outcome.cause(), Some(&expected));
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let target = SocketAddr::from(([127, 0, 0, 1], 443));
    let new = |tls| {
        let urls = vec![HttpUrl::new("/")];
        HttpProbe::new(HttpSettings {
            tls: Some(tls),
            ..HttpSettings::new(target, urls)
        })
    };
    let no_pem = Verification::Authorities(Pem::new("nothing"));
    let bad = [
        TlsSettings {
            sni_name: Some("not a name".into()),
            ..TlsSettings::default()
        },
        TlsSettings {
            verification: no_pem,
            ..TlsSettings::default()
        },
        TlsSettings {
            client_key: Some(Pem::new("x")),
            ..TlsSettings::default()
        },
    ];
    for tls in bad {
        let error = new(tls.clone()).unwrap_err();
        assert!(!error.to_string().is_empty(), "{tls:?}");
        assert!(matches!(
            error,
            healthcheck::http::InvalidHttp::Tls(
                InvalidTls::ServerName(_) | InvalidTls::Pem { .. } | InvalidTls::Identity { .. }
            )
        ));
    }
}

/// A key as `openssl genpkey -aes128` writes it, and as older programs do.
#[test]
fn a_key_with_a_password_is_refused_with_the_way_out() {
    let certified = rcgen::generate_simple_self_signed(vec!["client.example".to_owned()]).unwrap();
    for key in [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMIIB\n-----END RSA PRIVATE KEY-----\n",
    ] {
        let tls = TlsSettings {
            client_certificate: Some(Pem::new(certified.cert.pem())),
            client_key: Some(Pem::new(key)),
            ..TlsSettings::default()
        };
        let settings = HttpSettings {
            tls: Some(tls),
            ..HttpSettings::new(([127, 0, 0, 1], 443).into(), vec![HttpUrl::new("/")])
        };
        let error = HttpProbe::new(settings).unwrap_err().to_string();
        assert!(error.contains("openssl pkey"), "{error}");
    }
}

//! `HTTP_GET` against servers that behave and servers that do not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use healthcheck::http::GenhashSettings;
use healthcheck::http::{HttpProtocol, InvalidHttp, Md5Digest, Pattern, genhash};
use healthcheck::{Cause, Detail, HttpProbe, HttpSettings, HttpUrl, Outcome, Probe, Wanted};
use support::{PATIENT, SHORT, dialer, forever, http, read_request, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PAGE: &str = "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<html>all well</html>\n";
const BODY: &str = "<html>all well</html>\n";

fn settings(target: SocketAddr, url: HttpUrl) -> HttpSettings {
    HttpSettings {
        dialer: dialer(PATIENT),
        ..HttpSettings::new(target, vec![url])
    }
}

async fn check(target: SocketAddr, url: HttpUrl) -> Outcome {
    HttpProbe::new(settings(target, url)).unwrap().run().await
}

async fn check_within(target: SocketAddr, limit: Duration) -> Outcome {
    let settings = HttpSettings {
        answer_timeout: Some(limit),
        ..settings(target, HttpUrl::new("/"))
    };
    HttpProbe::new(settings).unwrap().run().await
}

fn cause(outcome: Outcome) -> Cause {
    outcome
        .cause()
        .unwrap_or_else(|| panic!("up: {outcome}"))
        .clone()
}

#[tokio::test]
async fn status_digest_and_text_are_judged() {
    let target = http(PAGE).await;
    let plain = HttpUrl::new("/");
    let outcome = check(target, plain.clone()).await;
    let Outcome::Up {
        detail:
            Detail::Http {
                status,
                body_bytes,
                certificate_expires: None,
            },
        ..
    } = outcome
    else {
        panic!("{outcome}")
    };
    assert_eq!((status.code(), body_bytes), (200, BODY.len() as u64));

    let good = HttpUrl {
        status: "200".parse().unwrap(),
        digest: Some(Md5Digest::of(BODY)),
        regex: Some(Pattern::new("all (well|good)")),
        ..plain.clone()
    };
    assert!(check(target, good).await.is_up());

    let status = HttpUrl {
        status: "404 500-599".parse().unwrap(),
        ..plain.clone()
    };
    assert_eq!(
        check(target, status).await.to_string(),
        format!("HTTP status 200 from http://{target}/, wanted 404 500-599")
    );
    let digest = HttpUrl {
        digest: Some(Md5Digest::of("other")),
        ..plain.clone()
    };
    assert!(matches!(
        cause(check(target, digest).await),
        Cause::Digest { .. }
    ));
    let mut pattern = Pattern::new("on fire");
    let regex = HttpUrl {
        regex: Some(pattern.clone()),
        ..plain.clone()
    };
    assert_eq!(
        check(target, regex).await.to_string(),
        format!("body of http://{target}/ does not match \"on fire\"")
    );
    pattern.regex = "well".into();
    pattern.must_not_match = true;
    let regex = HttpUrl {
        regex: Some(pattern),
        ..plain
    };
    assert!(matches!(
        cause(check(target, regex).await),
        Cause::Regex { matched: true, .. }
    ));
}

#[tokio::test]
async fn every_url_is_asked_for_over_its_own_connection() {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let target = serve(move |mut stream| {
        let sender = sender.clone();
        async move {
            let request = String::from_utf8(read_request(&mut stream).await).unwrap();
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            sender.send(request).unwrap();
            let status = if path == "/bad" { 503 } else { 200 };
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
            forever().await;
        }
    })
    .await;
    let named = HttpUrl {
        virtual_host: Some("b.example".into()),
        ..HttpUrl::new("/2")
    };
    let mut settings = settings(target, HttpUrl::new("/1"));
    settings.urls.push(named);
    settings.virtual_host = Some("a.example".into());
    settings.protocol = HttpProtocol::Http11;
    assert!(
        HttpProbe::new(settings.clone())
            .unwrap()
            .run()
            .await
            .is_up()
    );
    let requests = [
        receiver.recv().await.unwrap(),
        receiver.recv().await.unwrap(),
    ];
    assert!(
        requests[0].starts_with("GET /1 HTTP/1.1\r\n"),
        "{requests:?}"
    );
    assert!(requests[0].contains("Host: a.example\r\n"), "{requests:?}");
    assert!(requests[1].contains("Host: b.example\r\n"), "{requests:?}");

    settings.urls.insert(0, HttpUrl::new("/bad"));
    let outcome = HttpProbe::new(settings).unwrap().run().await;
    assert!(matches!(cause(outcome), Cause::Status { url, .. } if url.ends_with("/bad")));
    let request = receiver.recv().await.unwrap();
    assert!(request.starts_with("GET /bad "), "{request}");
    assert!(
        receiver.try_recv().is_err(),
        "the first failure ends the attempt"
    );
}

#[tokio::test]
async fn silence_is_a_time_out() {
    let target = serve(|stream| async move {
        forever().await;
        drop(stream);
    })
    .await;
    let expected = Cause::Timeout {
        target,
        wanted: Wanted::HttpHeader,
        after: SHORT,
    };
    assert_eq!(cause(check_within(target, SHORT).await), expected);
}

#[tokio::test]
async fn one_octet_at_a_time_does_not_outwit_the_limit() {
    let target = serve(|mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nX: ").await;
        while stream.write_all(b"a").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let expected = Cause::Timeout {
        target,
        wanted: Wanted::HttpHeader,
        after: SHORT,
    };
    assert_eq!(cause(check_within(target, SHORT).await), expected);
}

#[tokio::test]
async fn an_endless_body_is_not_read_to_its_end() {
    let target = serve(|mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 65536]).await.is_ok() {}
    })
    .await;
    assert!(
        check(target, HttpUrl::new("/")).await.is_up(),
        "only the status matters"
    );
    let url = HttpUrl {
        digest: Some(Md5Digest::of("")),
        ..HttpUrl::new("/")
    };
    let limit = HttpSettings::DEFAULT_BODY_LIMIT;
    assert!(
        matches!(cause(check(target, url).await), Cause::TooLong { limit: got, .. } if got == limit)
    );
}

#[tokio::test]
async fn an_endless_header_is_refused() {
    let target = serve(|mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n").await;
        while stream
            .write_all(b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n")
            .await
            .is_ok()
        {}
    })
    .await;
    assert!(matches!(
        cause(check(target, HttpUrl::new("/")).await),
        Cause::Protocol {
            protocol: "HTTP",
            ..
        }
    ));
}

#[tokio::test]
async fn broken_answers_have_their_causes() {
    for (answer, expected) in [
        (
            "",
            "closed the connection before the HTTP header was complete",
        ),
        (
            "HTTP/1.0 200 OK\r\nConte",
            "closed the connection before the HTTP header was complete",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
            "closed the connection before the HTTP body was complete",
        ),
        (
            "SSH-2.0-OpenSSH_9.2\r\n",
            "does not speak HTTP: malformed header",
        ),
        (
            "HTTP/1.1 2xx OK\r\n\r\n",
            "does not speak HTTP: malformed header",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "Content-Length is not one number",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "malformed chunk",
        ),
    ] {
        let target = http(answer).await;
        let outcome = check(target, HttpUrl::new("/")).await;
        assert!(
            outcome.to_string().contains(expected),
            "{answer:?}: {outcome}"
        );
    }
}

#[tokio::test]
async fn a_reset_in_the_middle_is_told() {
    let target = serve(|mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhalf").await;
        socket2::SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    })
    .await;
    // The reset may overtake the data, so either wait may be the one that breaks.
    let got = cause(check(target, HttpUrl::new("/")).await);
    assert!(matches!(got, Cause::Broken { .. }), "{got}");
}

#[tokio::test]
async fn a_half_closed_server_that_goes_on_sending_is_heard() {
    let target = serve(|mut stream| async move {
        socket2::SockRef::from(&stream)
            .shutdown(std::net::Shutdown::Read)
            .unwrap();
        let _ = stream.write_all(PAGE.as_bytes()).await;
        let _ = stream.shutdown().await;
        let _ = stream.read(&mut [0; 1]).await;
    })
    .await;
    let outcome = check(target, HttpUrl::new("/")).await;
    // The kernel may answer the request with a reset, but not before the page is delivered.
    assert!(
        outcome.is_up() || matches!(outcome.cause(), Some(Cause::Broken { .. })),
        "{outcome}"
    );
}

#[tokio::test]
async fn chunks_end_an_answer_on_an_open_connection() {
    let target = serve(|mut stream| async move {
        read_request(&mut stream).await;
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        let _ = stream.write_all(answer).await;
        forever().await;
    })
    .await;
    let url = HttpUrl {
        digest: Some(Md5Digest::of("2\r\nok\r\n0\r\n\r\n")),
        ..HttpUrl::new("/")
    };
    let outcome = check(target, url).await;
    assert!(outcome.is_up(), "{outcome}");
}

#[tokio::test]
async fn genhash_gives_the_digest_of_any_status() {
    let target = http("HTTP/1.0 404 Gone\r\nX: y\r\n\r\nnothing here").await;
    let mut settings = GenhashSettings::new(target, "/x");
    settings.dialer = dialer(PATIENT);
    settings.timeout = PATIENT;
    settings.keep_body = true;
    let page = genhash(&settings).await.unwrap();
    assert_eq!(page.digest, Md5Digest::of("nothing here"));
    assert_eq!(page.status.code(), 404);
    assert_eq!(page.header, b"HTTP/1.0 404 Gone\r\nX: y\r\n\r\n");
    assert_eq!(page.body.as_deref(), Some(&b"nothing here"[..]));
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let target = SocketAddr::from(([127, 0, 0, 1], 80));
    let new = |urls| HttpProbe::new(HttpSettings::new(target, urls));
    assert!(matches!(new(vec![]), Err(InvalidHttp::NoUrl)));
    let split = HttpUrl::new("/ HTTP/1.0\r\nX: y");
    assert!(matches!(new(vec![split]), Err(InvalidHttp::UnsafeText(_))));
    let regex = HttpUrl {
        regex: Some(Pattern::new("(")),
        ..HttpUrl::new("/")
    };
    assert!(matches!(new(vec![regex]), Err(InvalidHttp::Pattern(_))));
}

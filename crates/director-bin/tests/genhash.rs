//! `director genhash`, and the name `genhash`, against Debian's genhash.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that fails may panic, and says when it cannot run"
)]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Serves pages of all kinds on a port of its own, for as long as the test runs.
fn serve(with_tls: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let tls = Arc::new(tls());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut plain = stream.unwrap();
            if with_tls {
                let session = ServerConnection::new(Arc::clone(&tls)).unwrap();
                let mut stream = StreamOwned::new(session, plain);
                answer(&mut stream, port);
                stream.conn.send_close_notify();
                let _ = stream.flush();
            } else {
                answer(&mut plain, port);
            }
        }
    });
    port
}

fn tls() -> ServerConfig {
    let certified = rcgen::generate_simple_self_signed(vec!["www.example.com".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap()
}

fn answer(stream: &mut (impl Read + Write), port: u16) {
    let mut request = Vec::new();
    let mut octet = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut octet).unwrap_or(0) == 1 {
        request.push(octet[0]);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let body: Vec<u8> = match request.split(' ').nth(1) {
        Some("/empty") => Vec::new(),
        Some("/eight") => b"abcdefgh".to_vec(),
        Some("/binary") => (0..=255).collect(),
        Some("/missing") => b"nothing here\n".to_vec(),
        // What the program asked for is part of the answer.
        _ => request.replace(&port.to_string(), "PORT").into_bytes(),
    };
    let status = if request.contains("/missing") {
        "404 Not Found"
    } else {
        "200 OK"
    };
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(&body);
    let _ = stream.write_all(&answer);
    let _ = stream.flush();
}

/// Standard output, but for the time it took.
fn output(mut command: Command) -> Option<String> {
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => panic!("{error}"),
    };
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let end = text.rfind("] = ").unwrap_or(text.len());
    Some(text.get(..end).unwrap().to_owned())
}

#[test]
fn the_output_is_genhash_s_octet_by_octet() {
    same(&serve(false).to_string(), &[]);
}

#[test]
fn over_tls_too() {
    let port = serve(true).to_string();
    same(&port, &["-S"]);
    same(&port, &["--use-ssl", "--use-sni", "-V", "www.example.com"]);
}

/// Debian's genhash and ours under both names, with all kinds of pages and options.
fn same(port: &str, always: &[&str]) {
    for page in ["/", "/empty", "/eight", "/binary", "/missing", "/a?b=c"] {
        for more in [
            &[][..],
            &["-v"],
            &["--fwmark", "0"],
            &["-P", "1.1"],
            &["--protocol", "1.0c", "--use-virtualhost", "www.example.com"],
            &["-V", "www.example.com:8080", "--timeout", "20", "--verbose"],
        ] {
            if always.contains(&"--use-sni") && more.contains(&"www.example.com:8080") {
                // genhash sends the port in the handshake too, which this server takes for no name.
                continue;
            }
            let with = |mut command: Command| {
                command
                    .args(["-s", "127.0.0.1", "--port", port, "-u", page])
                    .args(always)
                    .args(more);
                command
            };
            let Some(theirs) = output(with(Command::new("genhash"))) else {
                println!("skipped: genhash is not installed");
                return;
            };
            let mut director = Command::new(env!("CARGO_BIN_EXE_director"));
            director.arg("genhash");
            assert_eq!(
                output(with(director)).unwrap(),
                theirs,
                "{page} {always:?} {more:?}"
            );
            let mut named = Command::new(env!("CARGO_BIN_EXE_director"));
            named.arg0("genhash");
            assert_eq!(output(with(named)).unwrap(), theirs, "{page} {more:?}");
        }
    }
}

#[test]
fn wrong_options_say_what_is_wrong() {
    for (arguments, text) in [
        (
            &["-s", "localhost", "-p", "80", "-u", "/"][..],
            "server should be an IP, not localhost",
        ),
        (
            &["-s", "127.0.0.1", "-p", "0", "-u", "/"],
            "0 is not in 1..=65535",
        ),
        (
            &["-s", "127.0.0.1", "-p", "80", "-u", "/", "-P", "2.0"],
            "invalid HTTP protocol version '2.0'",
        ),
        (&["-s", "127.0.0.1", "-p", "80"], "--url"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_director"))
            .arg0("/usr/bin/genhash")
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(text), "{error}");
    }
}

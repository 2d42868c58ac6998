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

/// Serves pages of all kinds on a port of its own, for as long as the test runs.
fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
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
        }
    });
    port
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
    let port = serve().to_string();
    for page in ["/", "/empty", "/eight", "/binary", "/missing", "/a?b=c"] {
        for more in [
            &[][..],
            &["-v"],
            &["-P", "1.1"],
            &["--protocol", "1.0c", "--use-virtualhost", "www.example.com"],
            &["-V", "www.example.com:8080", "--timeout", "20", "--verbose"],
        ] {
            let with = |mut command: Command| {
                command
                    .args(["-s", "127.0.0.1", "--port", &port, "-u", page])
                    .args(more);
                command
            };
            let Some(theirs) = output(with(Command::new("genhash"))) else {
                println!("skipped: genhash is not installed");
                return;
            };
            let mut director = Command::new(env!("CARGO_BIN_EXE_director"));
            director.arg("genhash");
            assert_eq!(output(with(director)).unwrap(), theirs, "{page} {more:?}");
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

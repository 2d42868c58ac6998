//! The schema is what the types say, and what is sent is what the schema says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

use director_control::client::{Client, ClientError};
use director_control::{
    Action, Call, Order, Problem, ProblemKind, Reply, Request, Response, VERSION, validate,
};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;

fn valid(definition: &str, value: &impl serde::Serialize) {
    let value = serde_json::to_value(value).unwrap();
    if let Err(violation) = validate(definition, &value) {
        panic!("{definition}: {violation}\n{value:#}");
    }
}

/// `UPDATE_DOCS=1` writes it anew.
#[cfg(feature = "schema")]
#[test]
fn the_checked_in_schema_is_that_of_the_types() {
    let made = format!("{:#}\n", director_control::make_schema());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/director-control.json");
        std::fs::write(path, &made).unwrap();
        return;
    }
    assert!(
        made == director_control::SCHEMA,
        "the schema is out of date; run UPDATE_DOCS=1 cargo test -p director-control --all-features"
    );
}

#[test]
fn every_request_fits_the_schema_and_comes_back() {
    let order = |action| Request::Order {
        order: Order {
            reason: Some("test".to_owned()),
            for_seconds: Some(60.0),
            ..Order::new(action)
        },
    };
    let target = || "10.0.0.4:80".to_owned();
    let requests = [
        Request::Status,
        Request::Events {
            follow: true,
            last: Some(10),
            after: None,
        },
        Request::Explain { target: target() },
        Request::Plan,
        Request::Export,
        Request::Metrics,
        Request::HandOver {
            pid: 7,
            network_namespace: Some(4_026_531_840),
        },
        Request::TakenOver {
            left_out: vec!["VI_1".to_owned()],
        },
        order(Action::Drain {
            target: target(),
            deadline_seconds: Some(1.5),
        }),
        order(Action::Undrain { target: target() }),
        order(Action::Weight {
            target: target(),
            weight: None,
        }),
        order(Action::Maintenance { on: true }),
        order(Action::Failover { instance: None }),
        order(Action::Reload {
            confirm_seconds: None,
        }),
        order(Action::Confirm),
        order(Action::CheckNow { target: None }),
    ];
    for request in requests {
        let call = Call {
            version: VERSION,
            request,
        };
        valid("Call", &call);
        let text = serde_json::to_string(&call).unwrap();
        assert_eq!(serde_json::from_str::<Call>(&text).unwrap(), call, "{text}");
    }
}

#[test]
fn what_the_schema_does_not_know_is_found() {
    let call = |text: &str| validate("Call", &serde_json::from_str(text).unwrap());
    assert!(call(r#"{"version":1,"request":{"type":"status"}}"#).is_ok());
    let at = |text: &str| call(text).unwrap_err().to_string();
    assert!(at(r#"{"request":{"type":"status"}}"#).contains("version is missing"));
    assert!(at(r#"{"version":"1","request":{"type":"status"}}"#).starts_with("/version: "));
    assert!(at(r#"{"version":1,"request":{"type":"dance"}}"#).starts_with("/request"));
    assert!(at(r#"{"version":1,"more":2,"request":{"type":"status"}}"#).contains("more is not in"));
}

/// A director that knows one answer.
fn director(
    folder: &Path,
    answer: String,
) -> (std::path::PathBuf, std::thread::JoinHandle<String>) {
    let path = folder.join("control.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        reader.get_mut().write_all(answer.as_bytes()).unwrap();
        line
    });
    (path, thread)
}

fn answer(response: Response) -> String {
    let reply = Reply {
        version: VERSION,
        response,
    };
    valid("Reply", &reply);
    serde_json::to_string(&reply).unwrap() + "\n"
}

#[test]
fn a_call_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (path, thread) = director(folder.path(), answer(Response::End));
    let mut client = Client::connect(&path).unwrap();
    assert_eq!(client.call(Request::Status).unwrap(), Response::End);
    let line = thread.join().unwrap();
    assert_eq!(line, "{\"version\":1,\"request\":{\"type\":\"status\"}}\n");
    assert!(matches!(client.next_response(), Ok(None)));
}

#[test]
fn problems_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let problem = Problem::new(ProblemKind::NotFound, "no real server 10.0.0.9:80");
    let (path, _thread) = director(
        folder.path(),
        answer(Response::Problem {
            problem: problem.clone(),
        }),
    );
    let error = Client::connect(&path).unwrap().call(Request::Status);
    assert!(matches!(error, Err(ClientError::Problem(told)) if told == problem));
}

#[test]
fn another_version_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = "{\"version\":9,\"response\":{\"type\":\"nonsense\"}}\n".to_owned();
    let (path, _thread) = director(folder.path(), text);
    let error = Client::connect(&path).unwrap().call(Request::Status);
    assert!(matches!(error, Err(ClientError::Version(9))));
}

#[test]
fn nobody_listening_says_where_it_looked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.sock");
    let error = Client::connect(&path).unwrap_err();
    assert!(error.to_string().contains("none.sock"), "{error}");
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn the_asynchronous_client_does_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (path, thread) = director(folder.path(), answer(Response::End));
    let mut client = director_control::client::tokio::Client::connect(&path)
        .await
        .unwrap();
    assert_eq!(client.call(Request::Status).await.unwrap(), Response::End);
    assert!(matches!(client.next_response().await, Ok(None)));
    thread.join().unwrap();
}

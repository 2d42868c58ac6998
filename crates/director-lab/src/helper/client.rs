//! The client: requests at a steady rate, a new connection for each, one line of JSON for each.
//!
//! Requests start on time whatever became of earlier ones, so an outage is seen at its true length.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use super::dns;
use crate::clock::Moment;
use crate::event::Request;

/// `http://HOST[:PORT]/PATH`
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    host: String,
    port: u16,
    path: String,
}

/// The longest answer.
const LONGEST_ANSWER: usize = 64 << 10;
/// Requests under way at once; a rate and a timeout that exceed this are reported as failures.
const MOST_UNDER_WAY: usize = 4096;

/// Sends requests until it is ended by a signal.
pub(crate) fn run(url: &str, rate: f64, timeout: Duration) -> io::Result<()> {
    let target = parse(url).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("not a URL for this client: {url}"),
        )
    })?;
    let target = Rc::new(target);
    let runtime = super::runtime()?;
    LocalSet::new().block_on(&runtime, async {
        super::say(&format!("sending to {url}, {rate} requests a second"))?;
        let under_way = Rc::new(Cell::new(0_usize));
        let mut ticks =
            tokio::time::interval(Duration::from_secs_f64(1.0 / rate.clamp(0.1, 1000.0)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for sequence in 1_u64.. {
            ticks.tick().await;
            let (target, under_way) = (Rc::clone(&target), Rc::clone(&under_way));
            under_way.set(under_way.get() + 1);
            tokio::task::spawn_local(async move {
                let request = if under_way.get() > MOST_UNDER_WAY {
                    let now = Moment::now();
                    let error = Some("too many requests under way".to_owned());
                    Request {
                        sequence,
                        started: now,
                        finished: now,
                        address: None,
                        by: None,
                        error,
                    }
                } else {
                    request(&target, sequence, timeout).await
                };
                under_way.set(under_way.get() - 1);
                if let Ok(line) = serde_json::to_string(&request) {
                    let _ = super::say(&line);
                }
            });
        }
        Ok(())
    })
}

async fn request(target: &Target, sequence: u64, timeout: Duration) -> Request {
    let started = Moment::now();
    let address = Cell::new(None);
    let answered = tokio::time::timeout(timeout, fetch(target, sequence, &address)).await;
    let (by, error) = match answered {
        Ok(Ok(by)) => (Some(by), None),
        Ok(Err(error)) => (None, Some(error)),
        Err(_) => (
            None,
            Some(format!("no answer within {} ms", timeout.as_millis())),
        ),
    };
    Request {
        sequence,
        started,
        finished: Moment::now(),
        address: address.get(),
        by,
        error,
    }
}

/// The name of the server that answered.
async fn fetch(
    target: &Target,
    sequence: u64,
    chosen: &Cell<Option<IpAddr>>,
) -> Result<String, String> {
    let address: IpAddr = match target.host.parse() {
        Ok(address) => address,
        Err(_) => {
            let server = dns::name_server().ok_or(dns::DnsError::NoServer);
            let server = server.map_err(|error| error.to_string())?;
            let found = dns::resolve(server, &target.host, sequence as u16).await;
            let found = found.map_err(|error| error.to_string())?;
            let first = found.first().copied();
            first
                .ok_or_else(|| dns::DnsError::NoAddress.to_string())?
                .into()
        }
    };
    chosen.set(Some(address));
    let text = |error: io::Error| error.to_string();
    let mut stream = TcpStream::connect(SocketAddr::new(address, target.port))
        .await
        .map_err(text)?;
    let question = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: director-lab\r\nConnection: close\r\n\r\n",
        target.path, target.host
    );
    stream.write_all(question.as_bytes()).await.map_err(text)?;
    let mut answer = Vec::new();
    let mut bounded = stream.take(LONGEST_ANSWER as u64);
    bounded.read_to_end(&mut answer).await.map_err(text)?;
    understand(&answer)
}

/// Who answered: the header `X-Served-By`, or else the first word of the page.
fn understand(answer: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(answer);
    if text.is_empty() {
        return Err("the connection was closed without an answer".to_owned());
    }
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or_else(|| "the answer is not HTTP".to_owned())?;
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        return Err(format!("the answer is {status:?}"));
    }
    let header = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("x-served-by")
            .then(|| value.trim().to_owned())
    });
    header
        .or_else(|| body.split_whitespace().next().map(str::to_owned))
        .ok_or_else(|| "the answer does not say who gave it".to_owned())
}

fn parse(url: &str) -> Option<Target> {
    let rest = url.strip_prefix("http://")?;
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let (host, port) = match authority.strip_prefix('[') {
        Some(six) => {
            let (host, rest) = six.split_once(']')?;
            (host, rest.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().ok()?,
        None => 80,
    };
    (!host.is_empty()).then(|| Target {
        host: host.to_owned(),
        port,
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let target = |host: &str, port, path: &str| Target {
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        };
        assert_eq!(parse("http://www"), Some(target("www", 80, "/")));
        assert_eq!(
            parse("http://10.0.0.1:8080/a/b"),
            Some(target("10.0.0.1", 8080, "/a/b"))
        );
        assert_eq!(
            parse("http://[fd00::1]:81/"),
            Some(target("fd00::1", 81, "/"))
        );
        for wrong in ["https://www/", "http://", "http://www:port/", "www"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_server_is_found_in_header_or_page() {
        let with = |head: &str, body: &str| understand(format!("{head}\r\n\r\n{body}").as_bytes());
        assert_eq!(
            with("HTTP/1.1 200 OK\r\nX-Served-By: rs1", "x").as_deref(),
            Ok("rs1")
        );
        assert_eq!(
            with("HTTP/1.1 200 OK", "rs2 welcomes you").as_deref(),
            Ok("rs2")
        );
        assert!(with("HTTP/1.1 503 Busy", "rs2").is_err());
        assert!(with("HTTP/1.1 200 OK", "").is_err());
        assert!(understand(b"").is_err());
    }
}

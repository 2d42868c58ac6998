//! Measures what checks cost: `cargo run --release --example many_checks -- [COUNT] [tcp|http]`
//!
//! Checks that many servers once a second for ten seconds, and prints the processor time of one
//! check, how late attempts start, and how long the first round takes. The servers are addresses
//! in 127.0.0.0/8, which one thread of the same process serves; its time does not count.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::error::Error;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use healthcheck::{
    Check, HttpProbe, HttpSettings, HttpUrl, Monitor, MonitorSettings, Policy, TcpProbe,
    TcpSettings,
};
use rustix::time::{ClockId, clock_gettime};

const ANSWER: &[u8] = b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nok\n";

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// Answers everybody, one after the other.
fn serve(listener: &TcpListener) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        if stream.read(&mut [0; 1024]).is_ok_and(|length| length > 0) {
            let _ = stream.write_all(ANSWER);
        }
    }
}

/// A port that keeps many connections waiting: the attempts come in bursts.
fn listen() -> std::io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let count: u32 = words.next().map_or(Ok(10_000), |word| word.parse())?;
    let http = words.next().is_some_and(|word| word == "http");
    let listener = listen()?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || serve(&listener));

    let (monitor, mut events) = Monitor::spawn(MonitorSettings::default());
    let policy = Policy::new(Duration::from_secs(1));
    let begin = Instant::now();
    for number in 0..count {
        let address = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 1).to_bits() + number);
        let target = SocketAddr::from((address, port));
        let check = if http {
            let settings = HttpSettings::new(target, vec![HttpUrl::new("/")]);
            Check::new(HttpProbe::new(settings)?, policy.clone())
        } else {
            Check::new(TcpProbe::new(TcpSettings::new(target)), policy.clone())
        };
        monitor.set(number, check);
    }
    for _ in 0..count {
        events.next().await;
    }
    println!("first round of {count} checks: {:?}", begin.elapsed());

    let (before, start) = (monitor.stats().await, processor_time());
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (after, used) = (monitor.stats().await, processor_time() - start);
    let checks = after.started - before.started;
    println!("{checks} checks in 10 s, {used:?} of processor time");
    println!(
        "each: {:.1} us",
        used.as_secs_f64() * 1e6 / f64::from(u32::try_from(checks)?)
    );
    println!("latest start: {:?} after it was due", after.worst_lateness);
    let down = monitor
        .snapshot()
        .await
        .iter()
        .filter(|check| !check.verdict.is_up())
        .count();
    println!("down: {down}");
    Ok(())
}

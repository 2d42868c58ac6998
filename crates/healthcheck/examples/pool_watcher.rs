//! Watches a pool of web servers and prints every change:
//! `cargo run --example pool_watcher -- 172.16.1.4:80 172.16.1.5:80`

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use healthcheck::{
    Check, Dialer, Event, HttpProbe, HttpSettings, HttpUrl, Monitor, MonitorSettings, Policy,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let pool = std::env::args().skip(1).map(|word| word.parse());
    let pool = pool.collect::<Result<Vec<SocketAddr>, _>>()?;
    if pool.is_empty() {
        return Err("give the addresses and ports of the servers to watch".into());
    }
    let (monitor, mut events) = Monitor::spawn(MonitorSettings::default());
    for server in &pool {
        let settings = HttpSettings {
            dialer: Dialer::with_timeout(Duration::from_secs(2)),
            ..HttpSettings::new(*server, vec![HttpUrl::new("/")])
        };
        let policy = Policy {
            retry: 2,
            ..Policy::http(Duration::from_secs(5))
        };
        monitor.set(*server, Check::new(HttpProbe::new(settings)?, policy));
    }
    while let Some(event) = events.next().await {
        if let Event::Changed { id, to, reason, .. } = event {
            let snapshot = monitor.snapshot().await;
            let up = snapshot
                .iter()
                .filter(|check| check.verdict.is_up())
                .count();
            println!(
                "{id} is {to} after {:?}: {reason}; {up} of {} up",
                reason.took(),
                pool.len()
            );
        }
    }
    Ok(())
}

//! Watches a pool of web servers and prints every change:
//! `cargo run --example pool_watcher -- 172.16.1.4:80 172.16.1.5:80`

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::collections::BTreeSet;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use healthcheck::{Check, Event, HttpProbe, HttpSettings, HttpUrl};
use healthcheck::{Monitor, MonitorSettings, Policy};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (monitor, mut events) = Monitor::spawn(MonitorSettings::default());
    let mut up = BTreeSet::new();
    for word in std::env::args().skip(1) {
        let server: SocketAddr = word.parse()?;
        let settings = HttpSettings::new(server, vec![HttpUrl::new("/")]);
        let policy = Policy::http(Duration::from_secs(5));
        monitor.set(server, Check::new(HttpProbe::new(settings)?, policy));
    }
    while let Some(event) = events.next().await {
        if let Event::Changed { id, to, reason, .. } = event {
            if to.is_up() {
                up.insert(id);
            } else {
                up.remove(&id);
            }
            println!("{id} is {to}: {reason}; {} up", up.len());
        }
    }
    Ok(())
}

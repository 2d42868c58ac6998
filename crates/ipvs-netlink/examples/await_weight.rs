//! Waits until a destination has a weight, for measurements: `await_weight SERVICE SERVER WEIGHT`. Prints when that was, in
//! microseconds since 1970.
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use ipvs_netlink::{Client, DestinationId, ServiceId};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let mut next = || {
        words
            .next()
            .ok_or("usage: await_weight SERVICE SERVER WEIGHT")
    };
    let service = ServiceId::tcp(next()?.parse()?);
    let server = DestinationId::from(next()?.parse::<SocketAddr>()?);
    let weight: u32 = next()?.parse()?;
    let mut client = Client::connect()?;
    loop {
        let destinations = client.destinations(&service)?;
        let found = destinations
            .iter()
            .find(|entry| entry.destination.id == server);
        if found.is_some_and(|entry| entry.destination.weight == weight) {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
            println!("{}", now.as_micros());
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

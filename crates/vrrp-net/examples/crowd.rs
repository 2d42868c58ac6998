//! Many virtual routers on one interface, to measure what they cost.
//!
//! ```text
//! crowd eth0 250 100
//! ```
//!
//! Virtual router ids 1 to COUNT, version 3, one second, addresses 10.200.0.ID/32. Needs root. Ends when its standard
//! input does, and prints how many adverts it sent and received.
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use std::error::Error;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr};

use vrrp_net::vrrp_proto::{Config, Family, Priority, Version, Vrid};
use vrrp_net::{Configuration, Engine, InstanceConfig, Settings, VirtualAddress};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [interface, count, priority] = arguments.as_slice() else {
        return Err("usage: crowd INTERFACE COUNT PRIORITY".into());
    };
    let (count, priority): (u8, u8) = (count.parse()?, priority.parse()?);
    let mut configuration = Configuration::default();
    for id in 1..=count {
        let vrid = Vrid::new(id).ok_or("0 is no virtual router id")?;
        let mut router = Config::new(vrid, Family::V4);
        router.version = Version::V3;
        router.priority = Priority::new(priority);
        let mut instance = InstanceConfig::new(format!("VI_{id}"), interface.as_str(), router);
        let address = IpAddr::V4(Ipv4Addr::new(10, 200, 0, id));
        instance.addresses.push(VirtualAddress::new(address));
        configuration.instances.push(instance.into());
    }
    let (engine, _events) = Engine::start(Settings::default(), configuration)?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    let snapshots = engine.snapshots();
    // The last snapshot has all counters as they are.
    drop(engine);
    let snapshot = snapshots.latest();
    let (mut sent, mut received) = (0, 0);
    for status in snapshot.instances.values() {
        sent += status.counters.adverts_sent;
        received += status.counters.adverts_received;
    }
    println!("sent {sent} received {received}");
    Ok(())
}

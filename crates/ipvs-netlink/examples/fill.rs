//! Fills the kernel with a table of so many services and destinations each, to measure with:
//! `time fill 1000 10`. Run it in a network namespace of its own.
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use std::net::{IpAddr, SocketAddr};

use ipvs_netlink::{
    Client, Destination, Forwarding, Owned, Scheduler, Service, ServiceId, Table, VirtualService,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut count = || arguments.next().ok_or("usage: fill SERVICES DESTINATIONS");
    let services: u16 = count()?.parse()?;
    let destinations: u8 = count()?.parse()?;

    let service = |number: u16| {
        let [high, low] = number.to_be_bytes();
        let address = SocketAddr::new(IpAddr::from([10, 0, high, low]), 80);
        let servers = (1..=destinations).map(move |server| {
            let address = SocketAddr::new(IpAddr::from([10, server, high, low]), 80);
            Destination::new(address, Forwarding::DirectRouting)
        });
        let service = Service::new(ServiceId::tcp(address), Scheduler::WeightedRoundRobin);
        VirtualService::with_destinations(service, servers)
    };
    let wished: Table = (0..services).map(service).collect();
    let changes = Client::connect()?.reconcile(&wished, Owned::Everything)?;
    println!("{} changes", changes.len());
    Ok(())
}

//! Keeps a service in step with a list of backends: run it again with another list, and only what
//! differs is changed; connections to servers that stay are not touched.
//!
//! `keep_in_step 172.16.1.8:80 172.16.1.4:80 172.16.1.5:80`
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use std::collections::BTreeSet;
use std::net::SocketAddr;

use ipvs_netlink::{
    Client, Destination, Forwarding, Owned, Scheduler, Service, ServiceId, Table, VirtualService,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let virtual_server = arguments
        .next()
        .ok_or("usage: keep_in_step VIRTUAL BACKEND...")?;
    let backends: Vec<SocketAddr> = arguments
        .map(|text| text.parse())
        .collect::<Result<_, _>>()?;

    let id = ServiceId::tcp(virtual_server.parse()?);
    let service = Service::new(id, Scheduler::WeightedRoundRobin);
    let backends = backends
        .into_iter()
        .map(|b| Destination::new(b, Forwarding::DirectRouting));
    let wished: Table = [VirtualService::with_destinations(service, backends)]
        .into_iter()
        .collect();

    // Services that somebody else made are none of our business.
    let owned = BTreeSet::from([id]);
    for change in Client::connect()?.reconcile(&wished, Owned::Only(&owned))? {
        println!("{change}");
    }
    Ok(())
}

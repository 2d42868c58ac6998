//! IPVS: the difference of two large tables, and commands as bytes.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ipvs_netlink::fake::FakeKernel;
use ipvs_netlink::wire::encode_command;
use ipvs_netlink::{
    Change, Client, Command, Destination, Forwarding, Owned, Scheduler, Service, ServiceId, Table,
    VirtualService,
};

/// 1,000 services with 10 destinations each.
fn large_table() -> Table {
    let service = |number: u16| {
        let [high, low] = number.to_be_bytes();
        let address = SocketAddr::new(IpAddr::from([10, 0, high, low]), 80);
        let destinations = (1..=10).map(move |server| {
            let address = SocketAddr::new(IpAddr::from([10, server, high, low]), 80);
            Destination::new(address, Forwarding::DirectRouting)
        });
        let service = Service::new(ServiceId::tcp(address), Scheduler::WeightedRoundRobin);
        VirtualService::with_destinations(service, destinations)
    };
    (0..1000).map(service).collect()
}

fn changed_table() -> Table {
    let mut table = large_table();
    let destination = table
        .services
        .values_mut()
        .nth(500)
        .and_then(|service| service.destinations.values_mut().next());
    if let Some(destination) = destination {
        destination.weight = 7;
    }
    table
}

fn difference(criterion: &mut Criterion) {
    let (before, wished) = (large_table(), changed_table());
    assert_eq!(before.diff(&wished, Owned::Everything).len(), 1);
    criterion.bench_function("ipvs/diff of 10,000 destinations, one changed", |bencher| {
        bencher.iter(|| black_box(&before).diff(black_box(&wished), Owned::Everything));
    });
    let empty = Table::new();
    criterion.bench_function("ipvs/diff of 10,000 destinations, all new", |bencher| {
        bencher.iter(|| black_box(&empty).diff(black_box(&wished), Owned::Everything));
    });
}

fn encode(criterion: &mut Criterion) {
    let changes = Table::new().diff(&large_table(), Owned::Everything);
    let commands: Vec<Command> = changes.iter().map(Change::command).take(10_000).collect();
    let mut group = criterion.benchmark_group("ipvs");
    group.throughput(Throughput::Elements(10_000));
    let mut out = Vec::new();
    group.bench_function("encode 10,000 commands", |bencher| {
        bencher.iter(|| {
            out.clear();
            for (sequence, command) in (0..).zip(&commands) {
                encode_command(black_box(command), 0x1c, sequence, false, &mut out);
            }
            black_box(out.len())
        });
    });
    group.finish();
}

/// Encoding, answers and decoding; the kernel is in memory.
fn reconcile(criterion: &mut Criterion) {
    let (before, wished) = (large_table(), changed_table());
    let kernel = FakeKernel::new();
    let Ok(mut client) = Client::with_transport(kernel.transport()) else {
        return;
    };
    let mut group = criterion.benchmark_group("ipvs");
    group.sample_size(10);
    group.bench_function("read 10,000 destinations and change one", |bencher| {
        let mut turn = false;
        let _ = client.reconcile(&before, Owned::Everything);
        bencher.iter(|| {
            turn = !turn;
            let wished = if turn { &wished } else { &before };
            client.reconcile(wished, Owned::Everything).is_ok()
        });
    });
    group.finish();
}

criterion_group!(benches, difference, encode, reconcile);
criterion_main!(benches);

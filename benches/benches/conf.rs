//! Loading, formatting and comparing keepalived.conf.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use keepalived_conf::{InMemory, Options, load};

/// Virtual servers with four real servers and a TCP_CHECK each.
fn services(count: usize) -> String {
    let mut text = String::from("global_defs {\n    router_id bench\n}\n");
    for index in 0..count {
        let (a, b, c) = (index >> 14 & 255, index >> 7 & 127, index % 128 + 1);
        let _ = writeln!(
            text,
            "virtual_server 10.{a}.{b}.{c} 80 {{\n    delay_loop 6\n    lb_algo rr\n    lb_kind NAT\n    \
             protocol TCP"
        );
        for real in index * 4..index * 4 + 4 {
            let _ = writeln!(
                text,
                "    real_server 192.168.{}.{} 80 {{\n        weight 1\n        TCP_CHECK {{\n            \
                 connect_timeout 3\n            connect_port 80\n        }}\n    }}",
                real >> 8 & 255,
                real & 255
            );
        }
        text.push_str("}\n");
    }
    text
}

fn conf(c: &mut Criterion) {
    let mut group = c.benchmark_group("conf");
    for count in [1_000, 10_000] {
        let text = services(count);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.sample_size(20);
        group.bench_function(format!("load_{count}_services"), |b| {
            b.iter_batched(
                || InMemory::new().with("f", text.as_str()),
                |mut loader| {
                    let parsed = load("f".as_ref(), &mut loader, &Options::default());
                    assert_eq!(parsed.config.virtual_server.len(), count);
                    black_box(parsed)
                },
                BatchSize::LargeInput,
            );
        });
    }
    let text = services(1_000);
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("format_1000_services", |b| {
        b.iter(|| black_box(keepalived_conf::format(black_box(&text))));
    });
    group.finish();
}

criterion_group!(benches, conf);
criterion_main!(benches);

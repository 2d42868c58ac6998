//! The kernel's answers, requests to the in-memory kernel, and the connection table: nothing may
//! panic, whatever the bytes.
#![no_main]

use std::time::Duration;

use ipvs_netlink::fake::FakeKernel;
use ipvs_netlink::transport::Transport;
use ipvs_netlink::wire::{Answer, Body, Query, decode};
use ipvs_netlink::{Family, ServiceId, connections, listing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&first, bytes)) = input.split_first() else { return };
    let Some(mark) = ServiceId::fwmark(7, if first & 1 == 0 { Family::V4 } else { Family::V6 })
    else {
        return;
    };
    let query = match first >> 1 & 7 {
        0 => Query::Family,
        1 => Query::Info,
        2 => Query::Timeouts,
        3 => Query::Daemons,
        4 => Query::Services,
        5 => Query::Service(mark),
        6 => Query::Destinations(mark),
        _ => {
            let mut transport = FakeKernel::new().transport();
            if transport.send(bytes).is_ok() {
                let mut answer = Vec::new();
                while transport.receive(&mut answer, Duration::ZERO).is_ok() {
                    decode(&Query::Services, &answer).for_each(drop);
                }
            }
            if let Ok(text) = std::str::from_utf8(bytes) {
                let read: Vec<_> = connections::parse(text).filter_map(Result::ok).collect();
                let _ = listing::connections(&read, true);
            }
            return;
        }
    };
    for message in decode(&query, bytes).filter_map(Result::ok) {
        if let Body::Answer(Answer::Service(entry)) = message.body {
            // What was understood can be said.
            let _ = entry.service.to_string();
        }
    }
});

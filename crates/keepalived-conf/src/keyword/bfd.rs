//! `bfd_instance`.

use super::arguments::{BOOL, FLAG, int};
use super::table::put;
use super::{Arguments, Row, Scope, Table, row};
use crate::model::BfdInstance;

const fn ms(min: u64) -> Arguments {
    Arguments::Milliseconds {
        min: min * 1000,
        max: 4_294_967_000,
    }
}

#[rustfmt::skip]
static ROWS: &[Row<BfdInstance>] = &[
    row("neighbor_ip", Arguments::Address, "", "Address of the neighbour; mandatory.", |t: &mut BfdInstance, c| c.put(&mut t.neighbor_ip)).alias(&["neighbour_ip"]),
    row("source_ip", Arguments::Address, "any", "Own address, of the neighbour's family.", put!(source_ip)),
    row("min_rx", ms(1), "10", "Required minimum interval of received packets.", put!(min_rx)),
    row("min_tx", ms(1), "10", "Desired minimum interval of sent packets.", put!(min_tx)),
    row("idle_tx", ms(1000), "1000", "Interval of sent packets while the session is down.", put!(idle_tx)),
    row("multiplier", int(1, 255), "5", "Missed packets until the session is down.", put!(multiplier)),
    row("passive", FLAG, "", "Do not initiate the session.", put!(passive)),
    row("ttl", int(1, 255), "255 (IPv4) or 64 (IPv6)", "Time to live or hop limit of sent packets.", |t: &mut BfdInstance, c| c.put(&mut t.ttl)).alias(&["hoplimit"]),
    row("max_hops", int(-1, 255), "0", "Most hops to the neighbour; 255 switches the check off.", |t: &mut BfdInstance, c| {
        if let Some(word) = c.required() && let Some(hops) = c.integer(word, -1, 255, false) {
            t.max_hops.set(u8::try_from(hops).ok(), word.span);
        }
    }),
    row("multihop", BOOL, "false", "Use the multihop port 4784.", |t: &mut BfdInstance, c| c.put(&mut t.multihop)).since("2.4.3"),
    row("weight", Arguments::Weight { limit: 253 }, "0", "Default weight for `track_bfd`.", put!(weight)),
    row("vrrp", FLAG, "", "Events go to VRRP only, or to both with `checker`.", |t: &mut BfdInstance, c| {
        if !t.checker.is_written() {
            t.checker.value = false;
        }
        t.vrrp.value = true;
        c.put(&mut t.vrrp);
    }),
    row("checker", FLAG, "", "Events go to checkers only, or to both with `vrrp`.", |t: &mut BfdInstance, c| {
        if !t.vrrp.is_written() {
            t.vrrp.value = false;
        }
        c.put(&mut t.checker);
    }),
];

pub(crate) static BFD: Table<BfdInstance> = Table::new(Scope::BfdInstance, &[ROWS]);

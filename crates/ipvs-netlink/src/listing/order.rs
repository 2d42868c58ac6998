//! ipvsadm's order of rows.
//!
//! It compares numbers by the sign of their 32-bit difference, which is no order at all once they
//! are more than 2^31 apart (1.2.3.4 and 200.1.1.1): what comes out then depends on the sorting
//! method. So both are kept, the comparison and glibc's merge sort.

use std::cmp::Ordering;
use std::net::IpAddr;

use crate::table::ServiceSnapshot;
use crate::types::{DestinationEntry, ServiceEntry, ServiceId};

pub(super) fn services(rows: &mut Vec<&ServiceSnapshot>) {
    merge_sort(rows, &|a, b| {
        compare_services(&a.entry.service.id, &b.entry.service.id)
    });
}

/// The positions of the services in their order.
pub(super) fn entries(services: &[ServiceEntry]) -> Vec<usize> {
    let mut rows: Vec<(usize, &ServiceEntry)> = services.iter().enumerate().collect();
    merge_sort(&mut rows, &|(_, a), (_, b)| {
        compare_services(&a.service.id, &b.service.id)
    });
    rows.into_iter().map(|(position, _)| position).collect()
}

pub(super) fn destinations(rows: &mut Vec<&DestinationEntry>) {
    merge_sort(rows, &|a, b| {
        let (a, b) = (a.destination.id, b.destination.id);
        compare_addresses(a.address, b.address).then_with(|| a.port.cmp(&b.port))
    });
}

fn compare_services(a: &ServiceId, b: &ServiceId) -> Ordering {
    let mark = |id: &ServiceId| match id {
        ServiceId::Fwmark { mark, .. } => mark.get(),
        ServiceId::Address { .. } => 0,
    };
    let first = difference(mark(a), mark(b)).then_with(|| a.family().cmp(&b.family()));
    match (a, b) {
        (
            ServiceId::Address {
                protocol,
                address,
                port,
            },
            ServiceId::Address {
                protocol: other_protocol,
                address: other,
                port: other_port,
            },
        ) => first
            .then_with(|| protocol.number().cmp(&other_protocol.number()))
            .then_with(|| compare_addresses(*address, *other))
            .then_with(|| port.cmp(other_port)),
        _ => first,
    }
}

/// Word by word, whatever the family: 10.0.0.1, 2001:db8::1 and 127.0.0.1 stand in this order.
fn compare_addresses(a: IpAddr, b: IpAddr) -> Ordering {
    let words = |address| match address {
        IpAddr::V4(v4) => [v4.to_bits(), 0, 0, 0],
        IpAddr::V6(v6) => [96, 64, 32, 0].map(|shift| (v6.to_bits() >> shift) as u32),
    };
    let pairs = words(a).into_iter().zip(words(b));
    pairs.fold(Ordering::Equal, |order, (a, b)| {
        order.then_with(|| difference(a, b))
    })
}

fn difference(a: u32, b: u32) -> Ordering {
    a.wrapping_sub(b).cast_signed().cmp(&0)
}

/// Halves, sorts each and merges, the left one first where both are equal.
fn merge_sort<T: Copy>(rows: &mut Vec<T>, compare: &impl Fn(&T, &T) -> Ordering) {
    if rows.len() < 2 {
        return;
    }
    let mut right = rows.split_off(rows.len() / 2);
    let mut left = std::mem::take(rows);
    merge_sort(&mut left, compare);
    merge_sort(&mut right, compare);
    rows.reserve(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        if compare(a, b) == Ordering::Greater {
            rows.extend(right.next());
        } else {
            rows.extend(left.next());
        }
    }
    rows.extend(left);
    rows.extend(right);
}

//! Entries of the small blocks of the root level.

use std::time::Duration;

use super::Call;
use super::value::decimal;
use crate::codes;
use crate::model::{Config, InterfaceDelay, LinkbeatInterface};
use crate::syntax::statement::Word;

const METHODS: &[&str] = &["MII", "ETHTOOL", "IOCTL"];

pub(crate) fn linkbeat(config: &mut Config, call: &mut Call<'_, '_>) {
    call.entries(|entry| {
        let Some(interface) = entry.next_text() else {
            return;
        };
        let mut method = None;
        if let Some(word) = entry.next()
            && let Some(index) = entry.one_of(word, METHODS, false)
        {
            method = METHODS.get(index).copied();
        }
        entry.rest_of_entry();
        config
            .linkbeat_interfaces
            .push(LinkbeatInterface { interface, method });
    });
}

fn hold(entry: &mut Call<'_, '_>, word: Word) -> Option<Duration> {
    let found = decimal(entry.text(word.span)).filter(|d| d.micro <= 255_000_000);
    if found.is_none() {
        entry.out_of_range(word.span, "0 to 255 s");
    }
    found.map(|d| Duration::from_micros(d.micro))
}

pub(crate) fn interface_delays(config: &mut Config, call: &mut Call<'_, '_>) {
    call.entries(|entry| {
        let Some(interface) = entry.next_text() else {
            return;
        };
        let Some(word) = entry.next() else {
            let span = interface.span;
            entry.error(
                codes::MISSING_ARGUMENT,
                "the entry needs a delay in seconds",
                span,
            );
            return;
        };
        let Some(down) = hold(entry, word) else {
            return;
        };
        let up = match entry.next() {
            None => Duration::ZERO,
            Some(word) => match hold(entry, word) {
                Some(up) => up,
                None => return,
            },
        };
        entry.rest_of_entry();
        config.interface_up_down_delays.push(InterfaceDelay {
            interface,
            down,
            up,
        });
    });
}

//! Small steps that rows of several blocks share.

use std::collections::hash_map::Entry;
use std::time::Duration;

use super::Call;
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{ExtraInterfaceGarp, Setting};

impl Call<'_, '_> {
    /// All words that are left.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        while let Some(word) = self.next_text() {
            words.push(word.value);
        }
        words
    }

    /// 0 stands for one second.
    pub(crate) fn one_second(&mut self, setting: &mut Setting<Duration>) {
        if setting.value.is_zero()
            && let Some(span) = setting.span
        {
            setting.value = Duration::from_secs(1);
            let message = format!("`{} 0` is read as 1 second", self.keyword.name);
            self.warning(codes::BAD_VALUE, message, span);
        }
    }

    /// 0 stands for 1.
    pub(crate) fn at_least_one(&mut self, setting: &mut Setting<u32>) {
        if setting.value == 0
            && let Some(span) = setting.span
        {
            setting.value = 1;
            let message = format!("`{} 0` is read as 1", self.keyword.name);
            self.warning(codes::BAD_VALUE, message, span);
        }
    }

    /// An interface name as the keyword's value.
    pub(crate) fn interface(&mut self, slot: &mut Setting<Option<String>>) {
        let Some(word) = self.required() else { return };
        let capitals = self.text(word.span).contains('_') && self.fill_in_name(word);
        if capitals || self.fill_in(word) || !self.interface_name_fits(word) {
            return;
        }
        let name = self.text(word.span).to_owned();
        if name.parse::<std::net::IpAddr>().is_ok() {
            let message = format!("`{name}` is an address, not an interface");
            let diagnostic =
                Diagnostic::new(codes::BAD_INTERFACE, Severity::Error, message, word.span)
                    .note("keepalived finds no such interface and refuses to start")
                    .help("write the name of the interface that has the address");
            self.report(diagnostic);
        }
        if name == "lo" {
            let diagnostic = Diagnostic::new(
                codes::BAD_INTERFACE,
                Severity::Error,
                "VRRP cannot run on the loopback interface",
                word.span,
            )
            .note("keepalived refuses it");
            self.report(diagnostic);
        }
        slot.set(Some(name), word.span);
    }

    /// `[all] SECONDS`.
    pub(crate) fn extra_interface_garp(
        &mut self,
        slot: &mut Setting<Option<ExtraInterfaceGarp>>,
        min: i64,
    ) {
        let all = self.peek() == Some("all");
        if all {
            self.used += 1;
        }
        let Some(word) = self.required() else { return };
        if let Some(seconds) = self.integer(word, min, 86_400, false) {
            let interval = Duration::from_secs(seconds.unsigned_abs());
            slot.set(Some(ExtraInterfaceGarp { all, interval }), word.span);
        }
    }

    /// False, with a report, if a block of this name was defined before: the first counts.
    pub(crate) fn is_first(&mut self, what: &'static str, name: &str) -> bool {
        let span = self.span();
        let before = match self.low.defined.entry((what, name.to_owned())) {
            Entry::Vacant(entry) => {
                entry.insert(span);
                return true;
            }
            Entry::Occupied(entry) => *entry.get(),
        };
        // keepalived does not notice second trackers, so files that have them are in use.
        let unnoticed = matches!(what, "vrrp_script" | "track_file" | "vrrp_track_process");
        let severity = if unnoticed {
            Severity::Warning
        } else {
            Severity::Error
        };
        let diagnostic = Diagnostic::new(
            codes::DUPLICATE_NAME,
            severity,
            format!("`{what} {name}` is defined twice; the first counts"),
            span,
        )
        .label(before, "first here")
        .note(if unnoticed {
            "keepalived does not notice and uses the first"
        } else {
            "keepalived rejects the second"
        });
        self.report(diagnostic);
        false
    }
}

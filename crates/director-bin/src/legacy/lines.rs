//! The form of keepalived's texts.

use crate::config::Plan;
use crate::daemon::Trigger;
use director_control::snapshot::Instance;
use std::fmt::{Display, Write as _};
use std::time::Duration;
use vrrp_net::{InstanceConfig, VirtualAddress};

/// A text that grows by lines.
#[derive(Default)]
pub(super) struct Lines {
    pub(super) text: String,
}

impl Lines {
    /// `------< Title >------`
    pub(super) fn section(&mut self, title: &str) {
        self.line(0, format_args!("------< {title} >------"));
    }

    pub(super) fn line(&mut self, indent: usize, text: impl Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{:indent$}{text}", "");
    }

    /// `Name = value`
    pub(super) fn field(&mut self, indent: usize, name: &str, value: impl Display) {
        self.line(indent, format_args!("{name} = {value}"));
    }

    /// `Name value`
    pub(super) fn field_with_blank(&mut self, indent: usize, name: &str, value: impl Display) {
        self.line(indent, format_args!("{name} {value}"));
    }

    /// The scripts of an object.
    pub(super) fn notifications(&mut self, plan: &Plan, object: &str) {
        for (trigger, program) in plan.hooks.of(object) {
            let title = match trigger {
                Trigger::Master => "Master state transition script",
                Trigger::Backup => "Backup state transition script",
                Trigger::Fault => "Fault state transition script",
                Trigger::Stop => "Stop state transition script",
                Trigger::Deleted => "Deleted state transition script",
                Trigger::LowerPriority => "Master rx lower pri script",
                Trigger::Any => "Generic state transition script",
                Trigger::Up => "RS up notify script",
                Trigger::Down => "RS down notify script",
                Trigger::QuorumUp => "Quorum up notify script",
                Trigger::QuorumDown => "Quorum down notify script",
            };
            let who = program.identity.as_ref();
            let who = who.map_or_else(String::new, |who| {
                format!(", uid:gid {}:{}", who.uid, who.gid)
            });
            let command = quoted(&program.arguments);
            self.line(3, format_args!("{title} = {command}{who}"));
        }
    }
}

/// `'/etc/notify' 'an argument'`
pub(super) fn quoted(arguments: &[String]) -> String {
    let each: Vec<String> = arguments
        .iter()
        .map(|argument| format!("'{argument}'"))
        .collect();
    each.join(" ")
}

/// `10.0.0.1/24 dev eth0 scope global label eth0:1 set`
pub(super) fn address(
    address: &VirtualAddress,
    shown: &Instance,
    config: &InstanceConfig,
) -> String {
    let mut text = address.address.to_string();
    let whole = if address.address.is_ipv4() { 32 } else { 128 };
    if address.prefix_length != whole {
        let _ = write!(text, "/{}", address.prefix_length);
    }
    let own = &shown.interface;
    let carrier = config.carrier(address);
    let links = [
        address.virtual_link.as_ref().map(|link| &link.name),
        config.virtual_link.as_ref().map(|link| &link.name),
    ];
    let device = if links.into_iter().flatten().any(|name| name == carrier) {
        format!("{carrier}@{own}")
    } else {
        carrier.to_owned()
    };
    let _ = write!(text, " dev {device} scope {}", scope(address.scope.0));
    if let Some(label) = &address.label {
        let _ = write!(text, " label {label}");
    }
    let mut held = shown.addresses.iter();
    if held.any(|held| held.address == address.address && held.present) {
        text.push_str(" set");
    }
    text
}

/// As `ip` names it.
fn scope(number: u8) -> String {
    match number {
        0 => "global".to_owned(),
        200 => "site".to_owned(),
        253 => "link".to_owned(),
        254 => "host".to_owned(),
        other => other.to_string(),
    }
}

pub(super) const fn on_off(value: bool) -> &'static str {
    if value { "enabled" } else { "disabled" }
}

pub(super) const fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

/// Whole seconds without a fraction.
pub(super) fn seconds(duration: Duration) -> String {
    duration.as_secs_f64().to_string()
}

/// A delay in seconds.
pub(super) fn delay(duration: Duration) -> String {
    seconds(duration)
}

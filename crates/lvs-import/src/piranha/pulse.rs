//! What pulse did: the addresses and the pair of nodes, as a VRRP instance.

use super::convert::Reading;
use super::file::{Section, Statement};
use crate::Node;
use crate::block::Block;
use crate::names;
use crate::parts::{self, command, words};
use crate::report::Severity;
use crate::vrrp::{self, VirtualAddress, Wish, is_device};
use std::net::IpAddr;

impl Reading<'_> {
    /// The instance that takes the place of pulse.
    pub(super) fn instance(&mut self, addresses: Vec<VirtualAddress>) -> Vec<Block> {
        let Some(first) = addresses.first() else {
            self.report.add(None, Severity::Lost, "pulse", "no active virtual server has an address, so there is nothing that a vrrp_instance could hold");
            return Vec::new();
        };
        let interface = self
            .options
            .interface
            .clone()
            .filter(|name| is_device(name))
            .unwrap_or_else(|| first.device.clone());
        let mut wish = Wish {
            interface: interface.clone(),
            addresses,
            stay: true,
            ..Wish::default()
        };
        let keepalive = self
            .global
            .number("keepalive", self.report)
            .filter(|n| *n > 0)
            .unwrap_or(2);
        let deadtime = self
            .global
            .number("deadtime", self.report)
            .filter(|n| *n > 0)
            .unwrap_or(5);
        let count = deadtime.div_ceil(keepalive).clamp(1, 100);
        wish.interval = Some(keepalive);
        wish.count = Some(count);
        if keepalive > 255 || keepalive.saturating_mul(count) != deadtime {
            let line = self.global.of("deadtime").map(|statement| statement.line);
            let message = format!(
                "the partner counts as dead after {count} missed advertisements of {} s each",
                keepalive.min(255)
            );
            self.report
                .add(line, Severity::Changed, "deadtime", message);
        }
        wish.unicast = self.partners();
        self.watch_links(&mut wish);
        self.commands(&mut wish);
        let id = self.options.virtual_router_id;
        self.report.add(None, Severity::Assumed, "vrrp_instance", format!("VRRP on {interface} with virtual_router_id {id} takes the place of pulse; both nodes must have the same one"));
        let (this, other) = match self.options.node {
            Node::Primary => ("primary", "backup"),
            Node::Backup => ("backup", "primary"),
        };
        self.report.add(None, Severity::Note, "node", format!("this is the file of the {this} node; import once more with --node {other} for the other one"));
        vrrp::instances(&wish, self.options)
    }

    /// Own and partner's address, if there are two nodes.
    fn partners(&mut self) -> Option<(IpAddr, IpAddr)> {
        let active = self
            .global
            .yes("backup_active", self.report)
            .unwrap_or(false);
        let address = |reading: &mut Self, key: &str| {
            let statement = reading.global.of(key)?;
            let (line, text) = (statement.line, statement.value().to_owned());
            let address = names::host(&text, false, reading.names);
            if address.is_none() {
                reading.report.mistake(
                    line,
                    key,
                    format!("host `{text}` is not known here; write its address"),
                );
            }
            address.filter(|address| !address.is_unspecified())
        };
        let primary = address(self, "primary");
        let backup = address(self, "backup");
        let pair = match (primary, backup) {
            (Some(primary), Some(backup)) if active => (primary, backup),
            _ => {
                self.report.add(None, Severity::Note, "backup", "the file names no active pair of nodes, so advertisements are sent by multicast");
                return None;
            }
        };
        Some(match self.options.node {
            Node::Primary => pair,
            Node::Backup => (pair.1, pair.0),
        })
    }

    fn watch_links(&mut self, wish: &mut Wish) {
        let watched = self
            .global
            .yes("monitor_links", self.report)
            .unwrap_or(false);
        if !watched {
            let line = self
                .global
                .of("monitor_links")
                .map(|statement| statement.line);
            self.report.add(line, Severity::Changed, "monitor_links", "the link of the instance's interface is always watched; `dont_track_primary` would end that");
            return;
        }
        let mut others: Vec<&str> = wish
            .addresses
            .iter()
            .map(|address| address.device.as_str())
            .filter(|device| *device != wish.interface)
            .collect();
        others.sort_unstable();
        others.dedup();
        if !others.is_empty() {
            wish.watched = others.into_iter().map(str::to_owned).collect();
        }
    }

    fn commands(&mut self, wish: &mut Wish) {
        for (key, keywords) in [
            ("active_cmd", ["notify_master"].as_slice()),
            (
                "inactive_cmd",
                ["notify_backup", "notify_fault", "notify_stop"].as_slice(),
            ),
        ] {
            let Some(statement) = self.global.of(key) else {
                continue;
            };
            let words: Vec<String> = if statement.values.len() > 1 {
                statement.values.clone()
            } else {
                words(statement.value())
            };
            if words.is_empty() {
                continue;
            }
            self.scripts = true;
            for keyword in keywords {
                wish.lines.push(format!("{keyword} {}", command(&words)));
            }
        }
    }

    /// The floating inside address of NAT.
    pub(super) fn nat_router(&mut self) -> Option<VirtualAddress> {
        let statement = self.global.of("nat_router")?.clone();
        let mask = self.global.of("nat_nmask").cloned();
        self.address(&statement, mask.as_ref())
    }

    pub(super) fn virtual_address(&mut self, section: &Section) -> Option<VirtualAddress> {
        let statement = section.of("address")?;
        self.address(statement, section.of("vip_nmask"))
    }

    /// `IP DEVICE[:ALIAS]` and its mask.
    fn address(
        &mut self,
        statement: &Statement,
        mask: Option<&Statement>,
    ) -> Option<VirtualAddress> {
        let host = statement.value();
        let Some(address) = names::host(host, false, self.names) else {
            self.report.mistake(
                statement.line,
                &statement.key,
                format!("host `{host}` is not known here; write its address"),
            );
            return None;
        };
        let given = statement.values.get(1).cloned();
        let alias = given.unwrap_or_else(|| {
            let interface = self
                .options
                .interface
                .clone()
                .unwrap_or_else(|| "eth0".to_owned());
            self.report.add(
                Some(statement.line),
                Severity::Assumed,
                &statement.key,
                format!("no device is given, {interface} is taken"),
            );
            interface
        });
        let device = alias.split(':').next().unwrap_or_default().to_owned();
        if !is_device(&device) {
            self.report.mistake(
                statement.line,
                &statement.key,
                format!("`{alias}` is no name of an interface"),
            );
            return None;
        }
        let suffix = alias.split_once(':').map_or("", |(_, suffix)| suffix);
        let label = (alias.len() < 16 && is_device(suffix)).then_some(alias);
        let prefix_length = mask.and_then(|mask| {
            let length = parts::prefix_length(mask.value());
            if length.is_none() {
                self.report.mistake(
                    mask.line,
                    &mask.key,
                    format!("`{}` is no network mask", mask.value()),
                );
            }
            length
        });
        Some(VirtualAddress {
            address,
            prefix_length,
            device,
            label,
        })
    }
}

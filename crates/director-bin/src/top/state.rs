//! What the screen shows, and what keys do to it. Pure.

use director_control::Snapshot;
use director_control::snapshot::VirtualServer;

/// Rows of one page.
const PAGE: usize = 20;

/// What a key means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Quit,
    Up,
    Down,
    PageUp,
    PageDown,
    In,
    Out,
}

/// How deep the user has gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Level {
    /// Instances and virtual servers.
    #[default]
    All,
    /// Real servers of the virtual server of this name.
    Servers(String),
    /// Why something is as it is; above it the level to go back to.
    Reason(Box<Level>, String),
}

/// The whole state.
#[derive(Debug, Default)]
pub(super) struct Top {
    pub(super) snapshot: Option<Snapshot>,
    pub(super) level: Level,
    /// The row that is marked.
    pub(super) row: usize,
    /// First line shown of a reason.
    pub(super) scroll: usize,
    /// The reason that was asked for.
    pub(super) text: String,
    pub(super) problem: Option<String>,
    /// Rows to come back to.
    rows: Vec<usize>,
    wanted: Option<String>,
}

impl Top {
    /// A new snapshot.
    pub(super) fn seen(&mut self, snapshot: Snapshot) {
        self.snapshot = Some(snapshot);
        self.problem = None;
        if let Level::Servers(name) = &self.level
            && self.virtual_server(name).is_none()
        {
            self.level = Level::All;
            self.row = 0;
        }
        self.row = self.row.min(self.count().saturating_sub(1));
    }

    /// There is none.
    pub(super) fn problem(&mut self, text: String) {
        self.problem = Some(text);
    }

    /// The virtual server of this name.
    pub(super) fn virtual_server(&self, name: &str) -> Option<&VirtualServer> {
        self.snapshot.as_ref()?.virtual_server(name)
    }

    /// Rows of this level.
    pub(super) fn count(&self) -> usize {
        let Some(snapshot) = &self.snapshot else {
            return 0;
        };
        match &self.level {
            Level::All => snapshot
                .instances
                .len()
                .saturating_add(snapshot.virtual_servers.len()),
            Level::Servers(name) => self
                .virtual_server(name)
                .map_or(0, |server| server.real_servers.len()),
            Level::Reason(..) => self.text.lines().count(),
        }
    }

    /// Does what a key says; false to leave.
    pub(super) fn press(&mut self, key: Key) -> bool {
        let last = self.count().saturating_sub(1);
        let reading = matches!(self.level, Level::Reason(..));
        let at = if reading {
            &mut self.scroll
        } else {
            &mut self.row
        };
        match key {
            Key::Quit => return false,
            Key::Up => *at = at.saturating_sub(1),
            Key::Down => *at = at.saturating_add(1).min(last),
            Key::PageUp => *at = at.saturating_sub(PAGE),
            Key::PageDown => *at = at.saturating_add(PAGE).min(last),
            Key::In => self.go_in(),
            Key::Out => return self.go_out(),
        }
        true
    }

    fn go_in(&mut self) {
        let Some(snapshot) = &self.snapshot else {
            return;
        };
        let (level, wanted) = match &self.level {
            Level::All => {
                let instances = snapshot.instances.len();
                if let Some(instance) = snapshot.instances.get(self.row) {
                    (
                        Level::Reason(Box::new(Level::All), instance.name.clone()),
                        Some(instance.name.clone()),
                    )
                } else if let Some(server) = snapshot
                    .virtual_servers
                    .get(self.row.saturating_sub(instances))
                {
                    (Level::Servers(server.name.clone()), None)
                } else {
                    return;
                }
            }
            Level::Servers(name) => {
                let real = self
                    .virtual_server(name)
                    .and_then(|server| server.real_servers.get(self.row));
                let Some(real) = real else { return };
                let target = format!("{name}/{}", real.address);
                (
                    Level::Reason(Box::new(self.level.clone()), target.clone()),
                    Some(target),
                )
            }
            Level::Reason(..) => return,
        };
        self.rows.push(self.row);
        self.level = level;
        (self.row, self.scroll) = (0, 0);
        self.wanted = wanted;
    }

    fn go_out(&mut self) -> bool {
        self.level = match std::mem::take(&mut self.level) {
            Level::All => return false,
            Level::Servers(_) => Level::All,
            Level::Reason(before, _) => *before,
        };
        self.row = self
            .rows
            .pop()
            .unwrap_or(0)
            .min(self.count().saturating_sub(1));
        true
    }

    /// What is to be explained now, once.
    pub(super) fn wants_explanation(&mut self) -> Option<String> {
        self.wanted.take()
    }

    /// The answer.
    pub(super) fn explained(&mut self, text: String) {
        self.text = text;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::sample;

    #[test]
    fn keys_lead_down_to_a_reason_and_back() {
        let mut top = Top::default();
        top.seen(sample::snapshot());
        assert_eq!(top.count(), 2, "an instance and a virtual server");
        for key in [Key::Down, Key::Down, Key::In] {
            assert!(top.press(key));
        }
        assert_eq!(top.level, Level::Servers("[172.16.1.8]:tcp:80".to_owned()));
        assert_eq!(top.wants_explanation(), None);
        top.press(Key::PageDown);
        top.press(Key::In);
        assert_eq!(
            top.wants_explanation().as_deref(),
            Some("[172.16.1.8]:tcp:80/10.0.0.5:80")
        );
        assert_eq!(top.wants_explanation(), None, "once");
        top.explained("one\ntwo".to_owned());
        top.press(Key::Down);
        top.press(Key::Down);
        assert_eq!(top.scroll, 1);
        assert!(top.press(Key::Out));
        assert_eq!(top.row, 1, "back where it was");
        assert!(top.press(Key::Out) && top.level == Level::All && top.row == 1);
        assert!(!top.press(Key::Out), "and out");
    }

    #[test]
    fn a_virtual_server_that_is_gone_leads_back() {
        let mut top = Top::default();
        let mut snapshot = sample::snapshot();
        top.seen(snapshot.clone());
        top.press(Key::Down);
        top.press(Key::In);
        snapshot.virtual_servers.clear();
        top.seen(snapshot);
        assert_eq!((&top.level, top.row), (&Level::All, 0));
    }
}

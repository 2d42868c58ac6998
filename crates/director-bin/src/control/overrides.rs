//! What operators have set: kept in the state directory, so that it holds over reload and restart. The configuration file is
//! never touched.

use crate::lvs::{Setting, VirtualServer};
use director_control::snapshot::Maintenance;
use director_control::{Override, OverrideKind, Timestamp};
use ipvs_netlink::{DestinationId, ServiceId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Greatest file that is read.
const LIMIT: u64 = 64 << 20;

/// Everything that is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Overrides {
    /// By virtual server and real server.
    #[serde(default)]
    pub(crate) servers: Vec<Override>,
    /// The node is in maintenance.
    #[serde(default)]
    pub(crate) maintenance: Option<Maintenance>,
    /// Instances that were told to stand down.
    #[serde(default)]
    pub(crate) stood_down: BTreeMap<String, Maintenance>,
    #[serde(skip)]
    path: Option<PathBuf>,
}

impl Overrides {
    /// What an earlier director has left at `path`. A file that cannot be read is put aside, so that it is not lost.
    pub(crate) fn read(path: PathBuf) -> Self {
        let text = File::open(&path).and_then(|file| {
            let mut text = String::new();
            file.take(LIMIT).read_to_string(&mut text).map(|_| text)
        });
        let read = match text {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.to_string()),
            Ok(text) => serde_json::from_str(&text).map_err(|error| error.to_string()),
        };
        let mut all = read.unwrap_or_else(|problem: String| {
            let aside = path.with_extension("unreadable");
            // Whether that works or not, the next write replaces the file.
            let _ = std::fs::rename(&path, &aside);
            let (path, aside) = (path.display(), aside.display());
            tracing::error!(
                event = "overrides_unreadable",
                reason = problem,
                "what operators have set is lost, {path} cannot be read and is now {aside}: {problem}"
            );
            Self::default()
        });
        // Those by files are found anew.
        all.servers
            .retain(|set| !matches!(set.kind, OverrideKind::Maintenance { .. }));
        all.path = Some(path);
        all
    }

    /// Writes them, whole or not at all, and on the disk when it returns.
    pub(crate) fn write(&self) -> io::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let mut kept = self.clone();
        kept.servers
            .retain(|set| !matches!(set.kind, OverrideKind::Maintenance { .. }));
        let text = serde_json::to_vec_pretty(&kept)?;
        let new = path.with_extension("new");
        let mut options = OpenOptions::new();
        let options = options.create(true).write(true).truncate(true).mode(0o600);
        let mut file = options.open(&new)?;
        file.write_all(&text)?;
        file.sync_data()?;
        std::fs::rename(&new, path)?;
        path.parent()
            .map_or(Ok(()), |folder: &Path| File::open(folder)?.sync_all())
    }

    /// What is set for a real server. An order counts before a file in the maintenance directory.
    pub(crate) fn of(&self, virtual_server: &str, real_server: &str) -> Option<&Override> {
        let mut all = self
            .servers
            .iter()
            .filter(|set| is(set, virtual_server, real_server));
        let first = all.next();
        let by_file = |set: &&Override| matches!(set.kind, OverrideKind::Maintenance { .. });
        match first {
            Some(set) if by_file(&set) => all.next().or(first),
            other => other,
        }
    }

    /// Sets something in place of what was set; a file does not displace an order, nor the reverse.
    pub(crate) fn put(&mut self, set: Override) {
        let by_file = matches!(set.kind, OverrideKind::Maintenance { .. });
        self.servers.retain(|known| {
            !is(known, &set.virtual_server, &set.real_server)
                || matches!(known.kind, OverrideKind::Maintenance { .. }) != by_file
        });
        self.servers.push(set);
    }

    /// Takes back what an order has set.
    pub(crate) fn take_back(
        &mut self,
        virtual_server: &str,
        real_server: &str,
    ) -> Option<Override> {
        let by_order = |set: &Override| !matches!(set.kind, OverrideKind::Maintenance { .. });
        let wanted = |set: &Override| is(set, virtual_server, real_server) && by_order(set);
        let position = self.servers.iter().position(wanted)?;
        Some(self.servers.remove(position))
    }

    /// When the first of them takes itself back or reaches its deadline.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        let servers = self.servers.iter().flat_map(|set| {
            let deadline = match &set.kind {
                OverrideKind::Drain {
                    deadline,
                    ended: None,
                } => *deadline,
                _ => None,
            };
            set.until.into_iter().chain(deadline)
        });
        let node = self.maintenance.iter().chain(self.stood_down.values());
        servers.chain(node.filter_map(|node| node.until)).min()
    }

    /// Whether somebody has to look at the connections of draining servers.
    pub(crate) fn is_draining(&self) -> bool {
        let draining = |set: &Override| matches!(set.kind, OverrideKind::Drain { ended: None, .. });
        self.servers.iter().any(draining)
    }

    /// As lines of a configuration file, with who did it and why.
    pub(crate) fn export<'a>(&self, servers: impl Iterator<Item = &'a VirtualServer>) -> String {
        let mut text = String::new();
        let servers: BTreeMap<&str, &VirtualServer> =
            servers.map(|server| (&*server.name, server)).collect();
        for set in &self.servers {
            let weight = match &set.kind {
                OverrideKind::Weight { weight } => *weight,
                OverrideKind::Drain { .. } | OverrideKind::Maintenance { .. } => 0,
            };
            let kind = set.kind.to_string().replace(char::is_control, " ");
            let _ = write!(text, "# {kind} since {}", set.since);
            if let Some(by) = &set.by {
                let _ = write!(text, " by {by}");
            }
            if let Some(until) = set.until {
                let _ = write!(text, ", until {until}");
            }
            if let Some(reason) = &set.reason {
                let _ = write!(text, ": {}", reason.replace(char::is_control, " "));
            }
            text.push('\n');
            let Some(server) = servers.get(set.virtual_server.as_str()) else {
                let _ = writeln!(
                    text,
                    "# {} is not in the configuration now\n",
                    set.virtual_server
                );
                continue;
            };
            let Ok(address) = set.real_server.parse::<SocketAddr>() else {
                continue;
            };
            let _ = writeln!(
                text,
                "virtual_server {} {{\n    real_server {} {} {{\n        weight {weight}\n    }}\n}}\n",
                head(server),
                address.ip(),
                address.port()
            );
        }
        if let Some(maintenance) = &self.maintenance {
            let _ = writeln!(
                text,
                "# this node is in maintenance since {} by {}; a configuration has no word for that",
                maintenance.since, maintenance.by
            );
        }
        text
    }
}

/// What stands behind `virtual_server` in a configuration.
fn head(server: &VirtualServer) -> String {
    if let Some(group) = server
        .name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix("]:0"))
    {
        // An address is in brackets, too, but has a protocol.
        return format!("group {group}");
    }
    match server.services.first().map(|service| service.id) {
        Some(ServiceId::Address { address, port, .. }) => format!("{address} {port}"),
        Some(ServiceId::Fwmark { mark, .. }) => format!("fwmark {mark}"),
        _ => server.name.to_string(),
    }
}

fn is(set: &Override, virtual_server: &str, real_server: &str) -> bool {
    set.virtual_server == virtual_server && set.real_server == real_server
}

/// What a setting means for the model.
pub(crate) const fn setting(set: &Override) -> Setting {
    match &set.kind {
        OverrideKind::Drain { ended: None, .. } => Setting::Drain,
        OverrideKind::Drain { ended: Some(_), .. } => Setting::Drained,
        OverrideKind::Weight { weight } => Setting::Weight(*weight),
        OverrideKind::Maintenance { .. } => Setting::Weight(0),
    }
}

/// The real server that something is set for.
pub(crate) fn server_of(set: &Override) -> Option<DestinationId> {
    set.real_server
        .parse::<SocketAddr>()
        .ok()
        .map(DestinationId::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(server: &str, kind: OverrideKind) -> Override {
        Override {
            virtual_server: "v".to_owned(),
            real_server: server.to_owned(),
            kind,
            reason: Some("new kernel".to_owned()),
            by: None,
            since: Timestamp::default(),
            until: None,
        }
    }

    fn by_file() -> OverrideKind {
        OverrideKind::Maintenance {
            file: "/m/10.0.0.4".to_owned(),
        }
    }

    const DRAIN: OverrideKind = OverrideKind::Drain {
        deadline: None,
        ended: None,
    };

    #[test]
    fn orders_are_kept_and_files_are_found_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("overrides.json");
        let mut all = Overrides::read(path.clone());
        all.put(set("10.0.0.4:80", by_file()));
        all.put(set("10.0.0.4:80", OverrideKind::Weight { weight: 3 }));
        all.put(set("10.0.0.4:80", DRAIN));
        assert_eq!(all.servers.len(), 2, "an order replaces an order");
        assert_eq!(all.of("v", "10.0.0.4:80").unwrap().kind, DRAIN);
        all.write().unwrap();
        let mut again = Overrides::read(path.clone());
        assert_eq!(again.servers, [set("10.0.0.4:80", DRAIN)]);
        assert!(again.is_draining());
        assert!(again.take_back("v", "10.0.0.4:80").is_some());
        assert!(again.take_back("v", "10.0.0.4:80").is_none());
        std::fs::write(&path, "{").unwrap();
        assert!(Overrides::read(path.clone()).servers.is_empty());
        assert!(path.with_extension("unreadable").exists());
    }

    #[test]
    fn the_next_deadline_is_the_earliest_of_all() {
        let at = Timestamp::from_unix_milliseconds;
        let mut all = Overrides::default();
        assert_eq!(all.next(), None);
        all.put(set("10.0.0.4:80", DRAIN));
        assert_eq!(all.next(), None);
        let mut until = set("10.0.0.5:80", OverrideKind::Weight { weight: 1 });
        until.until = Some(at(9));
        all.put(until);
        let deadline = OverrideKind::Drain {
            deadline: Some(at(5)),
            ended: None,
        };
        all.put(set("10.0.0.6:80", deadline));
        assert_eq!(all.next(), Some(at(5)));
        let ended = OverrideKind::Drain {
            deadline: Some(at(5)),
            ended: Some(at(5)),
        };
        all.put(set("10.0.0.6:80", ended));
        assert_eq!(all.next(), Some(at(9)));
    }
}

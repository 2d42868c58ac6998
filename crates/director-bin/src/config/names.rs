//! The name tables of iproute2: routing tables, realms and the like by name.

use keepalived_conf::model::GlobalDefs;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where distributions keep the tables that come with iproute2 (`iproute_usr_dir`).
const VENDOR: [&str; 2] = ["/usr/share/iproute2", "/usr/lib/iproute2"];
/// Where administrators keep theirs (`iproute_etc_dir`).
const SITE: &str = "/etc/iproute2";
/// A table of names has some dozens of lines.
const LARGEST: u64 = 1024 * 1024;

/// Kinds of names, by the file that has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Table,
    TypeOfService,
    Realm,
    Protocol,
    Scope,
    Group,
}

impl Kind {
    const fn file(self) -> &'static str {
        match self {
            Self::Table => "rt_tables",
            Self::TypeOfService => "rt_dsfield",
            Self::Realm => "rt_realms",
            Self::Protocol => "rt_protos",
            Self::Scope => "rt_scopes",
            Self::Group => "group",
        }
    }

    /// What iproute2 knows without a file.
    const fn built_in(self) -> &'static [(&'static str, u32)] {
        match self {
            Self::Table => &[("default", 253), ("main", 254), ("local", 255)],
            Self::TypeOfService | Self::Realm => &[],
            Self::Protocol => &[
                ("redirect", 1),
                ("kernel", 2),
                ("boot", 3),
                ("static", 4),
                ("ra", 9),
                ("keepalived", 18),
            ],
            Self::Scope => &[
                ("global", 0),
                ("universe", 0),
                ("site", 200),
                ("link", 253),
                ("host", 254),
                ("nowhere", 255),
            ],
            Self::Group => &[("default", 0)],
        }
    }
}

/// Names with their numbers, read when the first one of a kind is asked for.
#[derive(Debug)]
pub(super) struct Names {
    /// What comes later overrides.
    directories: Vec<PathBuf>,
    read: RefCell<BTreeMap<Kind, BTreeMap<String, u32>>>,
}

impl Names {
    pub(super) fn new(global: &GlobalDefs) -> Self {
        let vendor = match &global.iproute_usr_dir.value {
            Some(written) => vec![PathBuf::from(written)],
            None => VENDOR.iter().map(PathBuf::from).collect(),
        };
        let site = global.iproute_etc_dir.value.as_deref().unwrap_or(SITE);
        let directories = vendor.into_iter().chain([PathBuf::from(site)]);
        Self {
            directories: directories.collect(),
            read: RefCell::default(),
        }
    }

    /// A number as it is written, decimal or `0x` and hexadecimal, or that of a name.
    pub(super) fn number(&self, kind: Kind, text: &str) -> Option<u32> {
        if let Some(number) = number(text) {
            return Some(number);
        }
        let mut read = self.read.borrow_mut();
        let names = read.entry(kind).or_insert_with(|| self.read(kind));
        names.get(text).copied()
    }

    fn read(&self, kind: Kind) -> BTreeMap<String, u32> {
        let built_in = kind.built_in().iter();
        let mut names: BTreeMap<String, u32> = built_in
            .map(|(name, number)| ((*name).to_owned(), *number))
            .collect();
        for directory in &self.directories {
            add(&directory.join(kind.file()), &mut names);
            let Ok(more) = std::fs::read_dir(directory.join(format!("{}.d", kind.file()))) else {
                continue;
            };
            let paths = more.filter_map(|entry| Some(entry.ok()?.path()));
            let mut paths: Vec<PathBuf> = paths
                .filter(|path| path.extension().is_some_and(|end| end == "conf"))
                .collect();
            paths.sort();
            for path in paths {
                add(&path, &mut names);
            }
        }
        names
    }
}

/// A file that is not there has no names.
fn add(path: &Path, names: &mut BTreeMap<String, u32>) {
    let small = std::fs::metadata(path).is_ok_and(|data| data.is_file() && data.len() < LARGEST);
    let text = small.then(|| std::fs::read_to_string(path).ok()).flatten();
    for line in text.unwrap_or_default().lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        if let (Some(value), Some(name)) = (words.next().and_then(number), words.next()) {
            names.insert(name.to_owned(), value);
        }
    }
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_both_directories_and_their_parts() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::create_dir_all(path("etc/rt_tables.d")).unwrap();
        std::fs::create_dir_all(path("usr")).unwrap();
        std::fs::write(
            path("usr/rt_tables"),
            "# text\n100 isp\n0x65 other # hex\njunk\n",
        )
        .unwrap();
        std::fs::write(path("etc/rt_tables"), "200 isp\n").unwrap();
        std::fs::write(path("etc/rt_tables.d/a.conf"), "300\tmore\n").unwrap();
        std::fs::write(path("etc/rt_tables.d/b.txt"), "301 ignored\n").unwrap();
        let text = format!(
            "global_defs {{\n iproute_usr_dir {}\n iproute_etc_dir {}\n}}\n",
            path("usr").display(),
            path("etc").display()
        );
        let parsed = keepalived_conf::load_str(&text);
        let names = Names::new(&parsed.config.global_defs);
        let table = |name| names.number(Kind::Table, name);
        assert_eq!(table("isp"), Some(200));
        assert_eq!(table("other"), Some(0x65));
        assert_eq!(table("more"), Some(300));
        assert_eq!(table("main"), Some(254));
        assert_eq!(table("0x10"), Some(16));
        assert_eq!((table("ignored"), table("junk")), (None, None));
        assert_eq!(names.number(Kind::Scope, "link"), Some(253));
    }
}

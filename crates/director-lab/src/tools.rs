//! Programs that a run needs, where they are and which package brings them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::options::Options;
use crate::scenario::{ProcessKind, Scenario};

/// Directories for administrators' programs, which are often missing from `PATH`.
const MORE: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// `PATH` with the administrators' directories.
pub(crate) fn search_path() -> OsString {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let mut all: Vec<PathBuf> = std::env::split_paths(&own)
        .filter(|path| path.is_absolute())
        .collect();
    for directory in MORE.map(PathBuf::from) {
        if !all.contains(&directory) {
            all.push(directory);
        }
    }
    std::env::join_paths(all).unwrap_or(own)
}

/// The absolute path of a program; one with a slash is taken as it is.
pub(crate) fn find(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return is_executable(program).then(|| program.to_owned());
    }
    std::env::split_paths(&search_path())
        .map(|directory| directory.join(program))
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The Debian package that brings a program, where it is not named like the program.
fn package(program: &str) -> &str {
    match program {
        "named" => "bind9",
        "ip" | "ss" | "tc" => "iproute2",
        "linux.uml" => "user-mode-linux",
        "modprobe" => "kmod",
        "nft" => "nftables",
        other => other,
    }
}

/// Programs that the scenario needs and the machine lacks: `named (package bind9)`.
pub(crate) fn missing(scenario: &Scenario, options: &Options) -> Vec<String> {
    let mut wanted: BTreeMap<PathBuf, ()> = BTreeMap::new();
    for process in scenario.nodes.iter().flat_map(|node| &node.processes) {
        let program = match &process.kind {
            ProcessKind::Director { program, .. } => {
                program.clone().or_else(|| options.director_program.clone())
            }
            ProcessKind::Named { .. } => Some("named".into()),
            ProcessKind::Nginx { .. } => Some("nginx".into()),
            // A path may lie in the scenario.
            ProcessKind::Command(command) => command
                .first()
                .filter(|program| !program.contains('/') && *program != crate::stage::OWN_NAME)
                .map(PathBuf::from),
            ProcessKind::Web { .. } | ProcessKind::Client { .. } => None,
        };
        wanted.extend(program.map(|program| (program, ())));
    }
    wanted
        .into_keys()
        .filter(|program| find(program).is_none())
        .map(|program| describe(&program))
        .collect()
}

/// A program with its package, for a message.
pub(crate) fn describe(program: &Path) -> String {
    let name = program
        .file_name()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    if program.components().count() > 1 {
        return program.display().to_string();
    }
    format!("{name} (package {})", package(&name))
}

//! Mounts of the stage and of each node. Everything a run writes lies in one tmpfs that belongs to
//! the stage's mount namespace and ends with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use thiserror::Error;

use crate::scenario::{Node, Scenario};

/// The tmpfs of the stage.
pub(crate) const STAGE: &str = "/run";
/// Where a node's processes find the node's own copy of the scenario: their working directory.
pub(crate) const SCENARIO: &str = "/run/lab";

/// A mount or a file of the stage that could not be made.
#[derive(Debug, Error)]
#[error("cannot {doing} {path}: {source}", path = .path.display())]
pub(crate) struct MountError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn failed(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> MountError {
    let path = path.into();
    move |source| MountError {
        doing,
        path,
        source,
    }
}

fn mount_at(
    doing: &'static str,
    source: &str,
    target: impl AsRef<Path>,
    kind: Option<&str>,
    flags: MsFlags,
    data: Option<&str>,
) -> Result<(), MountError> {
    let target = target.as_ref();
    mount(Some(source), target, kind, flags, data)
        .map_err(|errno| failed(doing, target)(errno.into()))
}

/// A private file system for writing at a directory that exists.
pub(crate) fn tmpfs(target: &str, data: &str) -> Result<(), MountError> {
    mount_at(
        "mount a tmpfs on",
        "director-lab",
        target,
        Some("tmpfs"),
        MsFlags::empty(),
        Some(data),
    )
}

/// Mounts made from here on stay in this mount namespace.
pub(crate) fn make_private() -> Result<(), MountError> {
    mount_at(
        // EINVAL: the root directory is no mount point, as in a plain chroot.
        "make private (in a chroot, first bind-mount its root onto itself)",
        "none",
        "/",
        None,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None,
    )
}

/// A `/proc` that shows the processes of this PID namespace.
pub(crate) fn proc() -> Result<(), MountError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount_at("mount", "proc", "/proc", Some("proc"), flags, None)
}

fn sysfs() -> Result<(), MountError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount_at("mount", "sysfs", "/sys", Some("sysfs"), flags, None)
}

/// Prepares the stage: the tmpfs and in it a directory for each node with its copy of the scenario.
pub(crate) fn stage(scenario: &Scenario) -> Result<(), MountError> {
    let files = scenario_files(&scenario.directory)?;
    tmpfs(STAGE, "mode=755,size=512m")?;
    sysfs()?;
    for node in &scenario.nodes {
        let root = node_directory(&node.name);
        for below in [
            "lab",
            "tmp",
            "lock",
            "etc",
            "keepalived",
            "director",
            "named",
        ] {
            let path = root.join(below);
            fs::create_dir_all(&path).map_err(failed("create", &path))?;
        }
        for (relative, content) in &files {
            let path = root.join("lab").join(relative);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(failed("create", parent))?;
            }
            fs::write(&path, content).map_err(failed("write", &path))?;
            let mode = fs::metadata(scenario.directory.join(relative)).map(|m| m.permissions());
            if let Ok(mode) = mode {
                fs::set_permissions(&path, mode).map_err(failed("set the mode of", &path))?;
            }
        }
        let write = |name: &str, content: String| {
            let path = root.join("etc").join(name);
            fs::write(&path, content).map_err(failed("write", &path))
        };
        write("hosts", hosts(scenario))?;
        write("hostname", format!("{}\n", node.name))?;
        let resolver = node.name_server.map_or_else(
            || "# no name server in this laboratory\n".to_owned(),
            |server| format!("nameserver {server}\noptions timeout:1 attempts:2\n"),
        );
        write("resolv.conf", resolver)?;
    }
    Ok(())
}

/// Prepares the mount namespace of a node; the calling thread must be in it.
pub(crate) fn node(node: &Node) -> Result<(), MountError> {
    make_private()?;
    let own = node_directory(&node.name);
    let bind = |source: &Path, target: &Path| {
        mount(
            Some(source),
            target,
            None::<&str>,
            MsFlags::MS_BIND,
            None::<&str>,
        )
        .map_err(|errno| failed("bind", target)(errno.into()))
    };
    bind(&own, Path::new(STAGE))?;
    sysfs()?;
    // What programs write outside /run must not reach the machine.
    for writable in [
        "/var/log",
        "/var/cache",
        "/var/spool",
        "/var/lib/keepalived",
    ] {
        if Path::new(writable).is_dir() {
            tmpfs(writable, "mode=755,size=64m")?;
        }
    }
    for name in ["hosts", "resolv.conf", "hostname"] {
        let source = Path::new(STAGE).join("etc").join(name);
        let target = Path::new("/etc").join(name);
        // `resolv.conf` is often a link into /run, which is empty now.
        let real = match fs::read_link(&target) {
            Ok(link) => Path::new("/etc").join(link),
            Err(_) => target,
        };
        if let Ok(resolved) = real.canonicalize() {
            bind(&source, &resolved)?;
        } else if let Some(parent) = lexically(&real).parent().filter(|p| p.starts_with(STAGE)) {
            fs::create_dir_all(parent).map_err(failed("create", parent))?;
            fs::copy(&source, lexically(&real)).map_err(failed("write", &real))?;
        }
    }
    // Nothing shall be left behind, so this machine's files can only be read. Where the root is no
    // mount of its own (in a chroot) it cannot be made so.
    let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    let _ = mount(None::<&str>, "/", None::<&str>, read_only, None::<&str>);
    Ok(())
}

/// The path without `..`, for one that does not exist.
fn lexically(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        if part == std::path::Component::ParentDir {
            clean.pop();
        } else {
            clean.push(part);
        }
    }
    clean
}

fn node_directory(name: &str) -> PathBuf {
    Path::new(STAGE).join("nodes").join(name)
}

/// `/etc/hosts` of every node: names for the nodes' own addresses.
fn hosts(scenario: &Scenario) -> String {
    let mut text = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n".to_owned();
    for node in &scenario.nodes {
        for prefix in node
            .interfaces
            .iter()
            .flat_map(|interface| &interface.addresses)
        {
            text.push_str(&format!("{} {}\n", prefix.address, node.name));
        }
    }
    text
}

/// Scenarios are small; these bounds catch a directory given by mistake.
const MOST_FILES: usize = 1_000;
const MOST_BYTES: u64 = 16 << 20;

/// All files of the scenario's directory with their paths relative to it.
fn scenario_files(directory: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, MountError> {
    let mut files = Vec::new();
    let mut bytes = 0_u64;
    let mut pending = vec![PathBuf::new()];
    while let Some(relative) = pending.pop() {
        let absolute = directory.join(&relative);
        for entry in fs::read_dir(&absolute).map_err(failed("read", &absolute))? {
            let entry = entry.map_err(failed("read", &absolute))?;
            let below = relative.join(entry.file_name());
            let path = entry.path();
            let kind = fs::metadata(&path).map_err(failed("read", &path))?;
            if kind.is_dir() {
                pending.push(below);
                continue;
            }
            bytes += kind.len();
            if !kind.is_file() || files.len() >= MOST_FILES || bytes > MOST_BYTES {
                let source = io::Error::other(
                    "a scenario's directory holds plain files, 1000 and 16 MiB at most",
                );
                return Err(failed("copy", &path)(source));
            }
            files.push((below, fs::read(&path).map_err(failed("read", &path))?));
        }
    }
    Ok(files)
}

//! Process 1 of the user-mode Linux guest: mounts what programs expect, loads the modules, runs the
//! stage, and switches the guest off.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::wait::{WaitStatus, wait};
use rustix::termios::{OptionalActions, tcdrain, tcgetattr, tcsetattr};
use serde::{Deserialize, Serialize};

use crate::record::Record;
use crate::stage::StageOrder;

/// What the guest finds when it begins, in a tmpfs of its host processes.
pub(crate) const DIRECTORY: &str = "/run/director-lab";
/// A link to the executable, the guest's process 1.
pub(crate) const INIT: &str = "/run/director-lab/init";
/// A library for the guest's host processes.
pub(crate) const REGISTERS: &str = "/run/director-lab/registers.so";
/// A [`GuestOrder`].
pub(crate) const ORDER: &str = "/run/director-lab/order";
/// A [`StageOrder`], in the guest's own `/run`.
pub(crate) const STAGE_ORDER: &str = "/run/stage-order";

/// What the guest is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GuestOrder {
    pub(crate) modules: PathBuf,
    pub(crate) stage: StageOrder,
}

/// The serial line that carries the records out.
const RECORDS: &str = "/dev/ttyS1";

/// Modules loaded in advance; others are loaded when the kernel asks for them.
const WANTED: &[&str] = &[
    "ipv6",
    "nf_conntrack",
    "nf_nat",
    "ip_vs",
    "ip_vs_rr",
    "ip_vs_wrr",
    "ip_vs_lc",
    "ip_vs_wlc",
    "ip_vs_lblc",
    "ip_vs_lblcr",
    "ip_vs_dh",
    "ip_vs_sh",
    "ip_vs_mh",
    "ip_vs_sed",
    "ip_vs_nq",
    "ip_vs_fo",
    "ip_vs_ovf",
    "ip_vs_twos",
    "ip_vs_ftp",
    "ip_vs_pe_sip",
    "veth",
    "bridge",
    "macvlan",
    "dummy",
    "8021q",
    "ipip",
    "ip_gre",
    "fou",
    "ip_tables",
    "iptable_mangle",
    "xt_mark",
    "xt_multiport",
    "af_packet",
];

/// Runs as process 1 and never returns to a caller that could use it.
pub(crate) fn run() -> ExitCode {
    let message = match begin() {
        Ok(()) => None,
        Err(error) => Some(format!("the guest could not be set up: {error}")),
    };
    if let Some(message) = message {
        let _ = writeln!(io::stderr(), "{message}");
        if let Ok(line) = serde_json::to_vec(&Record::Trouble { message }) {
            let _ = fs::write(RECORDS, [line.as_slice(), b"\n"].concat());
        }
    }
    let _ = reboot(RebootMode::RB_POWER_OFF);
    ExitCode::from(125)
}

fn begin() -> io::Result<()> {
    let order: GuestOrder = serde_json::from_slice(&fs::read(ORDER)?)?;
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount_at("proc", "/proc", quiet, "")?;
    mount_at("sysfs", "/sys", quiet, "")?;
    if !fs::read_to_string("/proc/mounts")?.contains(" /dev devtmpfs ") {
        mount_at("devtmpfs", "/dev", MsFlags::MS_NOSUID, "mode=755")?;
    }
    mount_at(
        "tmpfs",
        "/run",
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        "mode=755",
    )?;
    fs::write(STAGE_ORDER, serde_json::to_vec(&order.stage)?)?;
    for directory in ["/dev/pts", "/dev/shm"] {
        fs::create_dir_all(directory)?;
    }
    mount_at(
        "devpts",
        "/dev/pts",
        MsFlags::MS_NOSUID,
        "mode=620,ptmxmode=666",
    )?;
    mount_at(
        "tmpfs",
        "/dev/shm",
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        "mode=1777",
    )?;
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "fd/0"),
        ("stdout", "fd/1"),
        ("stderr", "fd/2"),
    ] {
        let _ = std::os::unix::fs::symlink(target, Path::new("/dev").join(name));
    }
    load_modules(&order.modules)?;
    let _ = help_the_kernel(&order.modules);

    let records = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(RECORDS)?;
    let mut terminal = tcgetattr(&records)?;
    terminal.make_raw();
    tcsetattr(&records, OptionalActions::Now, &terminal)?;
    let stage = Command::new(&order.stage.executable)
        .args(&order.stage.lab_arguments)
        .args(["helper", "guest-stage"])
        .env("PATH", crate::tools::search_path())
        .stdin(Stdio::null())
        .stdout(Stdio::from(records.try_clone()?))
        .spawn()?;
    let stage = i32::try_from(stage.id()).unwrap_or(i32::MAX);
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..))
                if pid.as_raw() == stage =>
            {
                break;
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    tcdrain(&records)?;
    Ok(())
}

fn mount_at(kind: &str, target: &str, flags: MsFlags, data: &str) -> io::Result<()> {
    mount(Some(kind), target, Some(kind), flags, Some(data)).map_err(|errno| {
        io::Error::new(io::Error::from(errno).kind(), format!("{target}: {errno}"))
    })
}

/// Loads the wanted modules that this kernel has, with all they depend on.
fn load_modules(directory: &Path) -> io::Result<()> {
    let list = fs::read_to_string(directory.join("modules.dep"))?;
    let dependencies = Dependencies::parse(&list);
    for file in dependencies.in_order(WANTED) {
        let module = fs::File::open(directory.join(&file))?;
        match finit_module(&module, c"", ModuleInitFlags::empty()) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => {
                return Err(io::Error::other(format!(
                    "cannot load the module {file}: {errno}"
                )));
            }
        }
    }
    Ok(())
}

/// Lets the kernel load modules by itself, where `modprobe` is installed.
fn help_the_kernel(modules: &Path) -> io::Result<()> {
    let release = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    let base = Path::new("/run/modules");
    fs::create_dir_all(base.join("lib/modules"))?;
    std::os::unix::fs::symlink(modules, base.join("lib/modules").join(release))?;
    let script = base.join("modprobe");
    fs::write(
        &script,
        format!("#!/bin/sh\nexec modprobe -d {} \"$@\"\n", base.display()),
    )?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    fs::write(
        "/proc/sys/kernel/modprobe",
        script.as_os_str().as_encoded_bytes(),
    )
}

/// `modules.dep`: which files a module needs.
#[derive(Debug, Default)]
struct Dependencies {
    /// By module name: its file and the files it needs, the deepest last.
    modules: BTreeMap<String, (String, Vec<String>)>,
}

impl Dependencies {
    fn parse(text: &str) -> Self {
        let mut modules = BTreeMap::new();
        for line in text.lines() {
            let Some((file, needs)) = line.split_once(':') else {
                continue;
            };
            let needs = needs.split_whitespace().map(str::to_owned).collect();
            modules.insert(module_name(file), (file.to_owned(), needs));
        }
        Self { modules }
    }

    /// The files of these modules and of all they need, in the order of loading.
    fn in_order(&self, wanted: &[&str]) -> Vec<String> {
        let mut files = Vec::new();
        let mut known = BTreeSet::new();
        for (file, needs) in wanted.iter().filter_map(|name| self.modules.get(*name)) {
            for file in needs.iter().rev().chain([file]) {
                if known.insert(file.clone()) {
                    files.push(file.clone());
                }
            }
        }
        files
    }
}

/// `kernel/net/bridge/br_netfilter.ko` is the module `br_netfilter`.
fn module_name(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.split('.').next().unwrap_or(name).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_come_after_what_they_need() {
        let text = "kernel/a.ko:\nkernel/b-b.ko: kernel/a.ko\n\
                    kernel/c.ko: kernel/b-b.ko kernel/a.ko\nkernel/d.ko: kernel/a.ko\n";
        let order = Dependencies::parse(text).in_order(&["c", "d", "b_b", "unknown"]);
        assert_eq!(
            order,
            ["kernel/a.ko", "kernel/b-b.ko", "kernel/c.ko", "kernel/d.ko"]
        );
    }
}

//! Without root: what it takes, and what is said where something is missing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that fails may panic"
)]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Far longer than anything here takes, so that a busy machine does not fail the tests.
const PATIENCE: Duration = Duration::from_secs(60);

const CONFIG: &str = "vrrp_instance VI_1 {
    state MASTER
    interface veth1
    virtual_router_id 51
    priority 255
    virtual_ipaddress {
        192.0.2.8/24
    }
}
";

struct Running {
    child: Child,
    lines: Receiver<String>,
    _folder: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The user nobody with these capabilities, in a network of its own with an interface; `None` where that cannot be made.
fn as_nobody(capabilities: &str, config: &str) -> Option<Running> {
    let become_nobody = format!(
        "setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps {capabilities} --ambient-caps {capabilities} \
         --bounding-set {capabilities}"
    );
    start(&["--net"], &become_nobody, config)
}

/// In new namespaces, by way of another program; `None` where that cannot be made.
fn start(namespaces: &[&str], by_way_of: &str, config_text: &str) -> Option<Running> {
    let works = Command::new("unshare")
        .args(namespaces)
        .args(["sh", "-c", &format!("{by_way_of} true")])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output();
    if !works.is_ok_and(|output| output.status.success()) {
        println!("skipped: no network or user namespace, or no setpriv");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    for (path, mode) in [
        (folder.path().to_owned(), 0o777),
        (folder.path().join("state"), 0o777),
    ] {
        std::fs::create_dir_all(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let config = folder.path().join("keepalived.conf");
    std::fs::write(&config, config_text).unwrap();
    // Where nobody may go.
    let program = folder.path().join("director");
    std::fs::copy(env!("CARGO_BIN_EXE_director"), &program).unwrap();
    let script = format!(
        "ip link add veth1 type veth peer name veth2 && ip address add 192.0.2.1/24 dev veth1 && \
         ip link set veth1 up && ip link set veth2 up && \
         exec {by_way_of} {} run --log-format json --log-to stderr --state-dir {} --config {}",
        program.display(),
        folder.path().join("state").display(),
        config.display()
    );
    let mut child = Command::new("unshare")
        .args(namespaces)
        .args(["sh", "-c", &script])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (sender, lines) = channel();
    let err = child.stderr.take().unwrap();
    std::thread::spawn(move || {
        BufReader::new(err)
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| sender.send(line))
    });
    Some(Running {
        child,
        lines,
        _folder: folder,
    })
}

impl Running {
    /// The next event of that name.
    fn event(&self, name: &str) -> serde_json::Value {
        let mut all = Vec::new();
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("no {name}: {all:#?}")
            };
            if let Ok(event) = serde_json::from_str::<serde_json::Value>(&line)
                && event["event"] == name
            {
                return event;
            }
            all.push(line);
        }
    }
}

#[test]
fn two_ambient_capabilities_are_enough_to_hold_an_address() {
    let Some(mut running) = as_nobody("-all,+net_admin,+net_raw", CONFIG) else {
        return;
    };
    assert_eq!(running.event("address_added")["address"], "192.0.2.8");
    let pid = running.child.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    running.event("address_removed");
    running.event("stopped");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_is_missing_is_named_with_what_it_is_for() {
    let Some(mut running) = as_nobody("-all,+net_admin", CONFIG) else {
        return;
    };
    let reason = running.event("start_refused")["reason"].to_string();
    assert!(
        reason.contains("vrrp_instance (advertisements) needs CAP_NET_RAW"),
        "{reason}"
    );
    assert!(reason.contains("AmbientCapabilities="), "{reason}");
    assert_eq!(running.child.wait().unwrap().code(), Some(1));
}

#[test]
fn what_does_not_stand_in_the_way_is_told_and_the_rest_works() {
    let config = format!(
        "global_defs {{\n    script_user root\n    vrrp_rt_priority 20\n    vrrp_no_swap\n}}\n{}",
        CONFIG.replace(
            "    priority 255\n",
            "    priority 255\n    notify_master /bin/true\n"
        )
    );
    let Some(running) = as_nobody("-all,+net_admin,+net_raw", &config) else {
        return;
    };
    let mut told = Vec::new();
    for _ in 0..5 {
        let event = running.event("privilege_missing");
        told.push(event["capability"].as_str().unwrap().to_owned());
    }
    told.sort();
    let expected = ["IPC_LOCK", "KILL", "SETGID", "SETUID", "SYS_NICE"];
    assert_eq!(told, expected.map(|name| format!("CAP_{name}")));
    assert_eq!(running.event("address_added")["address"], "192.0.2.8");
}

#[test]
fn root_of_a_user_namespace_holds_an_address() {
    let Some(mut running) = start(&["--user", "--map-root-user", "--net"], "", CONFIG) else {
        return;
    };
    assert_eq!(running.event("address_added")["address"], "192.0.2.8");
    let pid = running.child.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    running.event("address_removed");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
}

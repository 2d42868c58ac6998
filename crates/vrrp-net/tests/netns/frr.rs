//! Beside FRR's vrrpd: version 3 over IPv4 and IPv6, each side in turn as master.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use vrrp_net::vrrp_proto::{Config, Family, Interval, Priority, Version, Vrid};
use vrrp_net::{InstanceConfig, State, VirtualAddress};

use crate::support::{Node, Process, Running, Trio, eventually, one, run, settings, trio};

const DAEMONS: &str = "/usr/lib/frr";

/// The two daemons that VRRP takes, and where their files are.
struct Frr {
    vrrpd: Process,
    _zebra: Process,
    _directory: tempfile::TempDir,
}

impl Frr {
    /// It finds its virtual routers by interfaces with their hardware addresses, which others must make.
    fn start(node: &Node, family: Family, priority: u8, addresses: &[&str]) -> Option<Self> {
        if !Path::new(DAEMONS).join("vrrpd").exists() {
            println!("skipped: frr is not installed");
            return None;
        }
        let (kind, block) = match family {
            Family::V4 => ("ip", "01"),
            Family::V6 => ("ipv6", "02"),
        };
        let link = format!("vrrp-{kind}-51");
        if !node.ip("-o link show").contains(&link) {
            node.ip(&format!(
                "link add {link} link eth0 type macvlan mode bridge"
            ));
            node.ip(&format!("link set {link} address 00:00:5e:00:{block}:33"));
            for address in addresses {
                let length = if family == Family::V4 { 24 } else { 64 };
                let nodad = if family == Family::V4 { "" } else { "nodad" };
                node.ip(&format!(
                    "address add {address}/{length} dev {link} {nodad}"
                ));
            }
            node.ip(&format!("link set {link} up"));
        }
        let directory = tempfile::tempdir().unwrap();
        // The daemons run as a user of their own.
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(directory.path(), open).unwrap();
        let listed: String = addresses
            .iter()
            .map(|address| format!(" vrrp 51 {kind} {address}\n"))
            .collect();
        let configuration = format!(
            "interface eth0\n vrrp 51 version 3\n vrrp 51 priority {priority}\n \
             vrrp 51 advertisement-interval 100\n{listed}"
        );
        let daemon = |name: &str, configuration: &str| {
            let path = |ending: &str| directory.path().join(format!("{name}.{ending}"));
            std::fs::write(path("conf"), configuration).unwrap();
            std::fs::set_permissions(path("conf"), std::fs::Permissions::from_mode(0o666)).unwrap();
            let mut command = Command::new(format!("{DAEMONS}/{name}"));
            command.arg("-z").arg(directory.path().join("zebra.api"));
            command.arg("-i").arg(path("pid"));
            command.arg("-f").arg(path("conf"));
            command.arg("--vty_socket").arg(directory.path());
            command.args(["-A", "127.0.0.1", "-P", "0", "--log", "stdout"]);
            node.spawn(command)
        };
        let zebra = daemon("zebra", "hostname zebra\n");
        eventually(|| directory.path().join("zebra.api").exists());
        let vrrpd = daemon("vrrpd", &configuration);
        Some(Self {
            vrrpd,
            _zebra: zebra,
            _directory: directory,
        })
    }
}

fn ours(family: Family, priority: u8, addresses: &[&str]) -> InstanceConfig {
    let mut router = Config::new(Vrid::new(51).unwrap(), family);
    router.version = Version::V3;
    router.priority = Priority::new(priority);
    router.interval = Interval::from_centiseconds(10).unwrap();
    let mut instance = InstanceConfig::new("VI", "eth0", router);
    let addresses = addresses.iter().map(|address| address.parse().unwrap());
    instance.addresses = addresses.map(VirtualAddress::new).collect();
    instance
}

async fn follows(us: &Running, priority: u8) {
    us.until("the adverts of FRR", |now| {
        let status = &now.instances["VI"];
        status
            .master
            .is_some_and(|master| master.priority == priority)
            && status.counters.adverts_received > 3
    })
    .await;
}

fn both_roles(family: Family, addresses: &[&str]) {
    let Some(trio) = trio() else { return };
    let Trio { a, b, .. } = &trio;
    let Some(frr) = Frr::start(b, family, 200, addresses) else {
        return;
    };
    run(async {
        let mut us = a.start(settings(), one(ours(family, 100, addresses)));
        us.until("us as backup of FRR", |now| {
            now.instances["VI"].state == State::Backup && now.instances["VI"].master.is_some()
        })
        .await;
        follows(&us, 200).await;
        let snapshot = us.engine.refresh().await.unwrap();
        let ignored = &snapshot.instances["VI"].counters.ignored;
        assert!(ignored.is_empty(), "{ignored:?}");

        // Killed, it says nothing: we take over when the master-down interval is over.
        frr.vrrpd.signal(Signal::SIGKILL);
        let event = us.wait_state("VI", State::Master).await;
        assert!(event.to_string().contains("no advert for"), "{event}");
        drop(frr);

        // Of lower priority it stays backup as long as it understands us; then it takes over.
        let Some(_frr) = Frr::start(b, family, 50, addresses) else {
            return;
        };
        let sent = |now: &vrrp_net::Snapshot| now.instances["VI"].counters.adverts_sent;
        let before = sent(&us.engine.refresh().await.unwrap());
        us.until("adverts of ours", |now| sent(now) > before + 30)
            .await;
        let heard = us.engine.refresh().await.unwrap();
        assert_eq!(heard.instances["VI"].state, State::Master);
        us.engine.abort();
        let after = a.start(settings(), one(ours(family, 40, addresses)));
        follows(&after, 50).await;
    });
}

#[test]
fn version_3_over_ipv4() {
    both_roles(Family::V4, &["10.9.0.100"]);
}

#[test]
fn version_3_over_ipv6() {
    both_roles(Family::V6, &["fe80::100", "fd09::100"]);
}

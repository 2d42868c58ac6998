//! Beside the distribution's keepalived, each side in turn as master.

use std::process::Command;

use crate::support::{Node, Process, eventually, one, pair, run};
use nix::sys::signal::Signal;
use vrrp_net::vrrp_proto::auth::{Authentication, Password};
use vrrp_net::vrrp_proto::{
    Config, Family, Interval, Peer, Preemption, Priority, Transport, Version, Vrid,
};
use vrrp_net::{
    InstanceConfig, IpvlanMode, Settings, State, VirtualAddress, VirtualLink, VirtualLinkKind,
    virtual_mac,
};

/// Starts keepalived in a namespace, with all its files in a directory of the test.
fn keepalived(node: &Node, directory: &tempfile::TempDir, instance: &str) -> Option<Process> {
    if Command::new("keepalived")
        .arg("--version")
        .output()
        .is_err()
    {
        println!("skipped: keepalived is not installed");
        return None;
    }
    let path = |name: &str| directory.path().join(name);
    std::fs::write(
        path("keepalived.conf"),
        format!("global_defs {{\n router_id peer\n}}\n{instance}\n"),
    )
    .unwrap();
    let mut command = Command::new("keepalived");
    command.args(["--vrrp", "--dont-fork", "--log-console"]);
    command.arg("--use-file").arg(path("keepalived.conf"));
    command.arg("--pid").arg(path("main.pid"));
    command.arg("--vrrp_pid").arg(path("vrrp.pid"));
    Some(node.spawn(command))
}

fn peer_configuration(priority: u8, extra: &str, addresses: &[String]) -> String {
    format!(
        "vrrp_instance VI {{\n interface eth0\n virtual_router_id 51\n priority {priority}\n \
         {extra}\n virtual_ipaddress {{\n {}\n }}\n}}",
        addresses.join("\n ")
    )
}

fn version_2(priority: u8, authentication: Authentication) -> InstanceConfig {
    let mut router = Config::new(Vrid::new(51).unwrap(), Family::V4);
    router.priority = Priority::new(priority);
    router.authentication = authentication;
    let mut instance = InstanceConfig::new("VI", "eth0", router);
    instance
        .addresses
        .push(VirtualAddress::new("10.9.0.100".parse().unwrap()));
    instance
}

fn version_3(priority: u8) -> InstanceConfig {
    let mut instance = version_2(priority, Authentication::None);
    instance.router_mut().version = Version::V3;
    instance.router_mut().interval = Interval::from_centiseconds(10).unwrap();
    instance
}

/// keepalived is master first; it resigns, comes back as backup, and takes over when we crash.
fn both_roles(ours: InstanceConfig, peer: &str) {
    let Some((a, b)) = pair() else { return };
    let addresses: Vec<String> = ours
        .addresses
        .iter()
        .map(|address| address.address.to_string())
        .collect();
    let address = addresses.last().unwrap().as_str();
    let directory = tempfile::tempdir().unwrap();
    let Some(mut process) = keepalived(&b, &directory, &peer_configuration(200, peer, &addresses))
    else {
        return;
    };
    eventually(|| b.holds(address));
    run(async {
        let mut ours = {
            let mut ours = ours;
            ours.router_mut().preemption = Preemption::Always;
            a.start(Settings::default(), one(ours))
        };
        ours.wait_state("VI", State::Backup).await;
        ours.until("the peer's adverts", |snapshot| {
            let status = &snapshot.instances["VI"];
            status.counters.adverts_received >= 1
                && status.master.is_some_and(|master| master.priority == 200)
        })
        .await;
        let snapshot = ours.engine.refresh().await.unwrap();
        assert!(
            snapshot.instances["VI"].counters.ignored.is_empty(),
            "{snapshot:?}"
        );
        assert_eq!(snapshot.instances["VI"].state, State::Backup);

        process.signal(Signal::SIGTERM);
        let event = ours.wait_state("VI", State::Master).await;
        assert!(
            event.to_string().contains("priority 0 advert from"),
            "{event}"
        );
        process.wait();
        eventually(|| a.holds(address));

        // Lower than ours now: it stays backup as long as it understands our adverts.
        let Some(_process) = keepalived(&b, &directory, &peer_configuration(50, peer, &addresses))
        else {
            return;
        };
        let sent = |snapshot: &vrrp_net::Snapshot| snapshot.instances["VI"].counters.adverts_sent;
        let before = sent(&ours.engine.refresh().await.unwrap());
        ours.until("four adverts", |snapshot| sent(snapshot) >= before + 4)
            .await;
        assert!(!b.holds(address), "two masters");
        assert_eq!(
            ours.engine.snapshots().latest().instances["VI"].state,
            State::Master
        );
        ours.engine.abort();
        eventually(|| b.holds(address));
    });
}

#[test]
fn version_2_with_a_password() {
    let password = Authentication::Password(Password::new(b"secret"));
    both_roles(
        version_2(100, password),
        "authentication {\n auth_type PASS\n auth_pass secret\n }",
    );
}

#[test]
fn version_2_with_an_authentication_header() {
    let password = Authentication::Header(Password::new(b"secret"));
    both_roles(
        version_2(100, password),
        "authentication {\n auth_type AH\n auth_pass secret\n }",
    );
}

#[test]
fn version_3_every_100_milliseconds() {
    both_roles(version_3(100), "version 3\n advert_int 0.1");
}

#[test]
fn version_3_to_peers_one_by_one() {
    let mut ours = version_3(100);
    let peers = vec![Peer::new("10.9.0.2".parse().unwrap())];
    ours.router_mut().transport = Transport::Unicast {
        peers,
        check_source: true,
    };
    both_roles(
        ours,
        "version 3\n advert_int 0.1\n unicast_peer {\n 10.9.0.1\n }",
    );
}

fn version_3_over_ipv6() -> InstanceConfig {
    let mut router = Config::new(Vrid::new(51).unwrap(), Family::V6);
    router.interval = Interval::from_centiseconds(10).unwrap();
    let mut ours = InstanceConfig::new("VI", "eth0", router);
    for address in ["fe80::100", "fd09::100"] {
        ours.addresses
            .push(VirtualAddress::new(address.parse().unwrap()));
    }
    ours
}

#[test]
fn version_3_with_ipv6_addresses() {
    both_roles(version_3_over_ipv6(), "version 3\n advert_int 0.1");
}

/// On an interface with the virtual router's own hardware address, as the peer.
fn on_virtual_mac(mut ours: InstanceConfig) -> InstanceConfig {
    let mac = virtual_mac(ours.router.family, ours.router.vrid);
    ours.virtual_link = Some(Box::new(VirtualLink::macvlan("vrrp.51", mac)));
    ours
}

#[test]
fn version_3_with_virtual_macs_on_both_sides() {
    both_roles(
        on_virtual_mac(version_3(100)),
        "version 3\n advert_int 0.1\n use_vmac",
    );
}

#[test]
fn version_3_with_virtual_macs_whose_adverts_leave_by_the_base() {
    let mut ours = on_virtual_mac(version_3(100));
    ours.transmit_on_base = true;
    both_roles(
        ours,
        "version 3\n advert_int 0.1\n use_vmac\n vmac_xmit_base",
    );
}

#[test]
fn version_3_with_a_virtual_mac_on_our_side_alone() {
    both_roles(on_virtual_mac(version_3(100)), "version 3\n advert_int 0.1");
}

#[test]
fn version_3_over_ipv6_with_virtual_macs_on_both_sides() {
    both_roles(
        on_virtual_mac(version_3_over_ipv6()),
        "version 3\n advert_int 0.1\n use_vmac",
    );
}

/// Both on interfaces of their own that share the hardware address of their base.
#[test]
fn version_3_on_ipvlan_interfaces_on_both_sides() {
    if crate::virtual_mac::node_with("ipvlan").is_none() {
        return;
    }
    let mut ours = version_3(100);
    let own: std::net::IpAddr = "10.9.0.7".parse().unwrap();
    ours.router_mut().source = Some(own);
    ours.virtual_link = Some(Box::new(VirtualLink {
        name: "ipvl.51".to_owned(),
        kind: VirtualLinkKind::Ipvlan {
            mode: IpvlanMode::Bridge,
            address: Some((own, 24)),
        },
        group: None,
    }));
    both_roles(
        ours,
        "version 3\n advert_int 0.1\n use_ipvlan ipvl.51 10.9.0.8/24 bridge",
    );
}

/// What no_accept means to the peer does not change what it says.
#[test]
fn version_3_with_packets_accepted_by_nobody() {
    let mut ours = version_3(100);
    ours.accept = false;
    both_roles(ours, "version 3\n advert_int 0.1\n no_accept");
}

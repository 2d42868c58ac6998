//! A group's mark from nftables to IPVS, with packets: needs a kernel that has both.

use crate::config::{MarkTable, Plan};
use crate::lvs::{Fate, Model};
use ipvs_netlink::{Client, ServiceId};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::gettid;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread::spawn;
use std::time::Duration;
use vrrp_net::nftables::{Family, Hook, Nftables, NftablesError};

const GROUP: &str = "
global_defs {
    nftables_ipvs ours
    nftables_counters
}
virtual_server_group two_ports_of_a_range {
    10.77.0.5-6 80
    10.77.0.5 81
}
virtual_server group two_ports_of_a_range {
    protocol UDP
    lvs_sched rr
    lvs_method NAT
    real_server 10.77.1.2 0 {
    }
    real_server 10.77.2.2 0 {
    }
}
";

fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn planned() -> Plan {
    let parsed = keepalived_conf::load_str(GROUP);
    let (plan, problems) = crate::config::plan(&parsed.config);
    assert!(problems.is_empty(), "{problems:?}");
    plan
}

/// A network namespace with a thread in it, which does what it is sent; answers with its path.
fn namespace(work: impl FnOnce() + Send + 'static) -> (String, impl FnOnce()) {
    let (path, here) = channel();
    let (go, wait) = channel();
    spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let id = gettid();
        path.send(format!("/proc/self/task/{id}/ns/net")).unwrap();
        wait.recv().unwrap();
        work();
    });
    (
        here.recv()
            .unwrap()
            .replace("self", &std::process::id().to_string()),
        move || {
            go.send(()).unwrap();
        },
    )
}

/// A real server, for UDP on two ports.
fn real_server(name: &'static str) {
    for port in [80, 81] {
        let socket = UdpSocket::bind(("0.0.0.0", port)).unwrap();
        spawn(move || {
            let mut question = [0; 16];
            while let Ok((_, client)) = socket.recv_from(&mut question) {
                let _ = socket.send_to(name.as_bytes(), client);
            }
        });
    }
}

/// Who answers; from a new port, so that each question is scheduled anew. That nobody does is known from an error.
fn answer_of(server: &str) -> String {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let patience = Some(Duration::from_secs(30));
    socket.set_read_timeout(patience).unwrap();
    socket.connect(server).unwrap();
    socket.send(b"who?").unwrap();
    let mut answer = [0; 16];
    match socket.recv(&mut answer) {
        Ok(length) => String::from_utf8_lossy(&answer[..length]).into_owned(),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            "ConnectionRefused".to_owned()
        }
        Err(error) => panic!("{server}: {error}"),
    }
}

/// `inet`, or `bridge` where the kernel lacks that: the same maps and rules, at the bridge that the client is behind.
fn mark(table: &MarkTable) -> Result<Family, NftablesError> {
    let mut nftables = Nftables::open()?;
    let mut table = table.table();
    match nftables.replace(std::slice::from_ref(&table)) {
        Err(NftablesError::Missing) => {
            table.family = Family::Bridge;
            table
                .chains
                .retain(|chain| matches!(chain.hook, Some((Hook::Prerouting, _))));
            nftables
                .replace(std::slice::from_ref(&table))
                .map(|()| Family::Bridge)
        }
        done => done.map(|()| Family::Inet),
    }
}

#[test]
fn packets_to_a_group_are_balanced_by_the_mark_that_nftables_gives_them() {
    let test = spawn(|| {
        let has_programs = Command::new("sh")
            .args(["-c", "nft list tables && nsenter -V && ip -V"])
            .output()
            .is_ok_and(|output| output.status.success());
        if unshare(CloneFlags::CLONE_NEWNET).is_err() || !has_programs {
            println!("skipped: needs root, nft, nsenter and ip");
            return;
        }
        let mut client = match Client::connect() {
            Ok(client) => client,
            Err(error) => {
                println!("skipped: {error}");
                return;
            }
        };
        let plan = planned();
        let table = plan.marks.as_ref().unwrap();
        let family = match mark(table) {
            Ok(family) => family,
            Err(error) => {
                println!("skipped: {error}");
                return;
            }
        };
        let (asked, answers) = channel();
        let (client_path, ask) = namespace(move || {
            let group = ["10.77.0.5:80", "10.77.0.6:80", "10.77.0.5:81"].map(|to| (to, 10));
            // A kernel says a few times in a row that nobody is there, then once a second.
            let nobody = ["10.77.0.7:80", "10.77.0.6:81"].map(|to| (to, 2));
            for (to, times) in group.into_iter().chain(nobody) {
                for _ in 0..times {
                    asked.send((to, answer_of(to))).unwrap();
                }
            }
        });
        let (first_path, serve_first) = namespace(|| real_server("first"));
        let (second_path, serve_second) = namespace(|| real_server("second"));
        sh(&format!(
            "ip link set lo up
            ip link add bridge type bridge
            ip addr add 10.77.9.1/24 dev bridge
            ip link set bridge up
            ip route add local 10.77.0.0/24 dev lo
            echo 1 >/proc/sys/net/ipv4/ip_forward
            join() {{ # NAMESPACE INTERFACE ADDRESS ROUTER
                ip link add $2 type veth peer name eth0 netns $1
                ip link set $2 up
                nsenter --net=$1 sh -ec \"ip link set lo up; ip addr add $3/24 dev eth0; ip link set eth0 up; ip route add default via $4\"
            }}
            join {client_path} outside 10.77.9.2 10.77.9.1
            ip link set outside master bridge
            join {first_path} inside1 10.77.1.2 10.77.1.1
            ip addr add 10.77.1.1/24 dev inside1
            join {second_path} inside2 10.77.2.2 10.77.2.1
            ip addr add 10.77.2.1/24 dev inside2"
        ));
        let mut model = Model::default();
        model.replace(&plan.virtual_servers, |_| Fate::New);
        let wished = plan.wished(&model);
        let mark = ServiceId::fwmark(1000, ipvs_netlink::Family::V4).unwrap();
        assert_eq!(wished.services.keys().copied().collect::<Vec<_>>(), [mark]);
        let changes = client
            .table()
            .unwrap()
            .diff(&wished, ipvs_netlink::Owned::Everything);
        client.apply_changes(&changes).unwrap();
        serve_first();
        serve_second();
        ask();
        let mut shares: BTreeMap<&str, BTreeMap<String, u32>> = BTreeMap::new();
        for (to, answer) in answers {
            *shares.entry(to).or_default().entry(answer).or_default() += 1;
        }
        let half =
            |count| BTreeMap::from([("first".to_owned(), count), ("second".to_owned(), count)]);
        let nobody = BTreeMap::from([("ConnectionRefused".to_owned(), 2)]);
        let expected = [
            ("10.77.0.5:80", half(5)),
            ("10.77.0.5:81", half(5)),
            ("10.77.0.6:80", half(5)),
            ("10.77.0.6:81", nobody.clone()),
            ("10.77.0.7:80", nobody),
        ];
        assert_eq!(shares, BTreeMap::from(expected), "{family}");
        let counted = sh("nft list table {family} ours"
            .replace("{family}", family.as_str())
            .as_str());
        assert!(
            counted.contains("meta mark 0x000003e8 counter packets 30 "),
            "{counted}"
        );
    });
    test.join().unwrap();
}

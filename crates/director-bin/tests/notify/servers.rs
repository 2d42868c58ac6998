//! Virtual and real servers: start, failures one after the other, recovery, the end.

use super::node::{Node, Program, Told, globals, possible};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A server on a port of the calling thread's namespace, until dropped.
struct Server {
    end: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
    /// The namespace's own `connect`, which wakes the thread.
    wake: std::sync::mpsc::Sender<()>,
}

impl Server {
    fn start(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let end = Arc::new(AtomicBool::new(false));
        let (wake, woken) = std::sync::mpsc::channel();
        let ended = Arc::clone(&end);
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                if let Ok((mut stream, _)) = listener.accept() {
                    let _ = stream.set_nonblocking(false);
                    let _ = stream.set_read_timeout(Some(std::time::Duration::from_secs(5)));
                    let mut request = [0; 512];
                    if stream.read(&mut request).is_ok_and(|read| read > 0) {
                        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello");
                    }
                    continue;
                }
                let _ = woken.recv_timeout(std::time::Duration::from_millis(10));
            }
        });
        Self {
            end,
            thread: Some(thread),
            wake,
        }
    }

    /// Ends; the port refuses connections from then on.
    fn stop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        let _ = self.wake.send(());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn configuration(folder: &Path, program: Program) -> String {
    let globals = globals(folder, program, "rs_init_notifies");
    let folder = folder.display();
    let check = |kind: &str, more: &str| {
        format!(
            "        {kind} {{
            retry 0
            warmup 0
            {more}
        }}
"
        )
    };
    let real = |address: &str, name: &str, checks: &[String]| {
        format!(
            "    real_server {address} {{
        notify_up \"{folder}/told.sh {name} up\"
        notify_down \"{folder}/told.sh {name} down\"
{}    }}
",
            checks.concat()
        )
    };
    let virtual_server = |header: &str, name: &str, more: &str, servers: &[String]| {
        format!(
            "virtual_server {header} {{
    delay_loop 2
    lb_algo rr
    {more}
    quorum_up \"{folder}/told.sh {name} gained\"
    quorum_down \"{folder}/told.sh {name} lost\"
{}}}
",
            servers.concat()
        )
    };
    let tcp = check("TCP_CHECK", "connect_timeout 10");
    let flag = check(
        "MISC_CHECK",
        &format!("misc_timeout 20\n            misc_path \"/usr/bin/test ! -e {folder}/flag\""),
    );
    let page = check(
        "HTTP_GET",
        "connect_timeout 10\n            url {\n                path /\n            }",
    );
    [
        globals,
        "virtual_server_group GG {\n    10.9.0.20 80\n}\n".to_owned(),
        virtual_server(
            "10.9.0.9 80",
            "A",
            "lb_kind NAT\n    protocol TCP\n    quorum 2\n    omega",
            &[
                real("127.0.0.1 8081", "A1", std::slice::from_ref(&tcp)),
                real("127.0.0.1 8082", "A2", &[tcp, flag.clone()]),
            ],
        ),
        virtual_server(
            "group GG",
            "B",
            "lb_kind NAT\n    protocol TCP\n    alpha",
            &[real("127.0.0.1 8083", "B1", &[page])],
        ),
        virtual_server(
            "fwmark 7",
            "C",
            "lb_kind DR\n    ip_family inet",
            &[real("127.0.0.3", "C1", &[flag])],
        ),
    ]
    .concat()
}

const A: &str = "[10.9.0.9]:tcp:80";
const A1: &str = "RS [127.0.0.1]:tcp:8081 [10.9.0.9]:tcp:80";
const A2: &str = "RS [127.0.0.1]:tcp:8082 [10.9.0.9]:tcp:80";
const B1: &str = "RS [127.0.0.1]:tcp:8083 [GG]:0";
const C1: &str = "RS [127.0.0.3]:none:0 FWM 7";

fn live(program: Program) -> Told {
    let folder = tempfile::tempdir().unwrap();
    let configuration = configuration(folder.path(), program);
    let ports = [8081, 8082, 8083];
    let start = || ports.map(Server::start);
    let (mut node, mut servers) = Node::start(program, "-C", folder.path(), &configuration, start);
    let until = |wanted: &[String], after: usize| {
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        node.until(&wanted, after)
    };
    let up = |names: &[&str]| {
        names
            .iter()
            .map(|name| format!("{name} UP"))
            .collect::<Vec<_>>()
    };
    let down = |names: &[&str]| {
        names
            .iter()
            .map(|name| format!("{name} DOWN"))
            .collect::<Vec<_>>()
    };
    let own = format!("VS {A}");
    let before = until(&up(&[&own, "VS FWM 7", "VS [GG]:0", B1]), 0);
    // Quorum of each virtual server, and the one server that had to prove itself; keepalived also tells the first success of
    // both scripts.
    let first = match program {
        Program::Keepalived => 6,
        Program::Director => 4,
    };
    drop(node.mails(first));
    servers[0].stop();
    let before = until(&down(&[A1, &own]), before);
    let mut mails = node.mails(2);
    std::fs::write(node.folder.join("flag"), "").unwrap();
    let before = until(&down(&[A2, C1, "VS FWM 7"]), before);
    mails.extend(node.mails(3));
    std::fs::remove_file(node.folder.join("flag")).unwrap();
    let before = until(&up(&[A2, C1, "VS FWM 7"]), before);
    servers[0] = Server::start(8081);
    until(&up(&[A1, &own]), before);
    let fifo = node.fifo(|line| line.rsplit_once(' ').unwrap().0);
    for (object, lines) in node.mails(5) {
        mails.entry(object).or_default().extend(lines);
    }
    node.until_scripts(17);
    node.stop();
    // omega: both servers of the first virtual server, and its quorum.
    node.until_scripts(20);
    Told {
        fifo,
        scripts: node.scripts(),
        mails,
    }
}

#[test]
fn servers_are_told_as_by_keepalived() {
    if !possible() {
        return;
    }
    if !Path::new("/proc/net/ip_vs").exists() {
        println!("skipped: this kernel has no IPVS");
        return;
    }
    let run = |program| std::thread::spawn(move || live(program));
    let (theirs, ours) = (run(Program::Keepalived), run(Program::Director));
    let (theirs, ours) = (theirs.join().unwrap(), ours.join().unwrap());
    assert_eq!(ours.fifo, theirs.fifo);
    assert_eq!(ours.mails, theirs.mails);
    assert_eq!(ours.scripts, theirs.scripts);
}

//! The program under the name `ipvsadm` beside ipvsadm itself: each runs the same command lines in
//! a network namespace of its own, and output, status and the table must be the same after each.
//!
//! On a machine without IPVS it runs in user-mode Linux, whose kernel has it: boot one with this
//! machine's files as its root, and start this test's executable in it as root.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that fails may panic; it says when it cannot run"
)]

use nix::sched::{CloneFlags, unshare};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Command lines, run one after the other on a table that is empty at first.
const LINES: &str = include_str!("ipvsadm/lines.txt");

/// Texts to restore, each on a table with what the one before has left.
const TEXTS: [&str; 9] = [
    "-A -t 10.0.0.1:80 -s rr\n\nipvsadm -a -t 10.0.0.1:80 -r 10.0.1.1 -m\n  -a\t-t 10.0.0.1:80 -r 10.0.1.3  -w 3 -x 5\r\n",
    "-A -t 10.0.0.2:80\n-A -t 10.0.0.2:80\n-A -t 10.0.0.3:80 -q\n-A -t 10.0.0.4:80\n",
    "-A -t 10.0.0.5:80\n-A -t 10.0.0.5:80 -w 3\n-A -t 10.0.0.6:80\n",
    "-A -t 10.0.0.7:80\n-A -t 10.0.0.7:80",
    "-A -t 10.0.0.7:80\n-A -t 10.0.0.8:80\n-R\n-A -t 10.0.0.9:80\n",
    "-Ln\n-C\nipvsadm\n-Ln\n",
    "foo\n-A -t 10.0.0.9:80\n",
    "-A -t \"10.0.0.9:80\"\n",
    "-A -f 4294967295\n--set 7 8 9\n--start-daemon master --syncid 7\n-Ln -f 77\n-A -f 3\n",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Program {
    Ipvsadm,
    Director,
}

impl Program {
    fn command(self) -> Command {
        match self {
            Self::Ipvsadm => Command::new("ipvsadm"),
            Self::Director => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_director"));
                command.arg0("ipvsadm");
                command
            }
        }
    }

    fn run(self, arguments: &[&str], input: &str) -> (Option<i32>, String) {
        let mut child = self
            .command()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // A program that reads no input closes the pipe.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text)
    }
}

/// What a command line did: status, output, and what ipvsadm finds in the kernel after it.
type Deed = (String, Option<i32>, String, String);

/// Moves this thread, and what it starts, into a network namespace with an interface `eth0`.
fn fresh_namespace() -> Result<(), String> {
    if !Path::new("/proc/net/ip_vs").exists() {
        return Err("no IPVS in this kernel (modprobe ip_vs)".to_owned());
    }
    if Command::new("ipvsadm").arg("-v").output().is_err() {
        return Err("no ipvsadm to compare with".to_owned());
    }
    unshare(CloneFlags::CLONE_NEWNET)
        .map_err(|errno| format!("cannot make a network namespace ({errno}); run as root"))?;
    for line in [
        "link set lo up",
        "link add eth0 type dummy",
        "addr add 192.0.2.1/24 dev eth0",
        "addr add 192.0.2.9/32 dev eth0",
        "link set eth0 up",
    ] {
        let status = Command::new("ip").args(line.split(' ')).status();
        if !status.is_ok_and(|status| status.success()) {
            return Err("cannot make an interface with `ip` (iproute2)".to_owned());
        }
    }
    Ok(())
}

fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn play(program: Program) -> Result<Vec<Deed>, String> {
    fresh_namespace()?;
    let mut client = ipvs_netlink::Client::connect().unwrap();
    let lines = LINES.lines().map(|line| (line, ""));
    let texts = TEXTS.iter().map(|text| ("-R", *text));
    let deeds = lines
        .chain(texts)
        .enumerate()
        .map(|(number, (line, input))| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (status, output) = program.run(&words, input);
            // The kernel's own order is another one in each namespace.
            let output = if words.contains(&"--nosort") {
                sorted(&output)
            } else {
                output
            };
            let snapshot = client.snapshot().unwrap();
            let table = ipvs_netlink::listing::table(&snapshot);
            // Each service stays with its servers.
            let mut table = sorted(&table.replace("\n  ->", "\r  ->"));
            // The rest of what the kernel knows takes four processes to see, so less often.
            if number % 16 == 0 || !input.is_empty() {
                let views = [
                    &["-Sn"][..],
                    &["-Ln", "--thresholds"],
                    &["-L", "--timeout"],
                    &["-L", "--daemon"],
                ];
                for view in views {
                    // Far numbers have no order of their own in ipvsadm, so the kernel's shows.
                    table.push_str(&sorted(&Program::Ipvsadm.run(view, "").1));
                }
            }
            (format!("{line} {input:?}"), status, output, table)
        });
    Ok(deeds.collect())
}

#[test]
fn every_command_line_does_what_ipvsadm_does() {
    let played = [Program::Ipvsadm, Program::Director]
        .map(|program| std::thread::spawn(move || play(program)).join().unwrap());
    let [theirs, ours] = match played {
        [Ok(theirs), Ok(ours)] => [theirs, ours],
        [Err(why), _] | [_, Err(why)] => return println!("skipped: {why}"),
    };
    assert!(theirs.len() > 250);
    let differing: Vec<String> = theirs
        .iter()
        .zip(&ours)
        .filter(|(theirs, ours)| theirs != ours)
        .map(|(theirs, ours)| {
            let (line, status, output, table) = theirs;
            let (_, our_status, our_output, our_table) = ours;
            let output = if output == our_output {
                String::new()
            } else {
                format!("\n{output}--- ours\n{our_output}")
            };
            let table = if table == our_table {
                ""
            } else {
                "\nthe tables differ"
            };
            format!("{line}: status {status:?}, ours {our_status:?}{output}{table}")
        })
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n\n"));
    println!("{} command lines compared", theirs.len());
}

#[test]
fn connections_are_listed_alike() {
    if let Err(why) = fresh_namespace() {
        return println!("skipped: {why}");
    }
    let server = TcpListener::bind("192.0.2.1:5353").unwrap();
    let service = "-A -t 192.0.2.9:53 -p 100\n-a -t 192.0.2.9:53 -r 192.0.2.1:5353 -m\n";
    assert_eq!(Program::Director.run(&["-R"], service).0, Some(0));
    let client = TcpStream::connect("192.0.2.9:53").unwrap();
    for arguments in [&["-Lc"][..], &["-Lcn"], &["-Lcn", "--persistent-conn"]] {
        // The seconds that remain may change between the two.
        let alike = (0..20).any(|_| {
            let theirs = Program::Ipvsadm.run(arguments, "");
            assert!(theirs.1.contains("ESTABLISHED"), "{}", theirs.1);
            theirs == Program::Director.run(arguments, "")
        });
        assert!(alike, "{arguments:?}");
    }
    drop((server, client));
}

#[test]
fn a_difference_is_restored_as_a_whole_or_not_at_all() {
    if let Err(why) = fresh_namespace() {
        return println!("skipped: {why}");
    }
    let director = |arguments: &[&str], input| Program::Director.run(arguments, input);
    let first = "-A -t 192.0.2.9:80 -s rr\n-a -t 192.0.2.9:80 -r 192.0.2.1:80 -g -w 1 -x 9\n-A -f 7 -s wlc\n";
    assert_eq!(director(&["-R", "--by-difference"], first).0, Some(0));
    let saved = director(&["-S", "-n", "--complete"], "").1;
    assert!(
        saved.contains("-w 1 -x 9\n") && saved.contains("-A -f 7 -s wlc\n"),
        "{saved}"
    );

    // The second line is refused: the service of the first goes again.
    let refused = "-A -t 192.0.2.9:81 -s rr\n-a -t 192.0.2.9:81 -r 224.0.0.1:81\n";
    assert_eq!(director(&["-R", "--by-difference"], refused).0, Some(255));
    assert_eq!(director(&["-S", "-n", "--complete"], "").1, saved);
    let senseless = "-A -t 192.0.2.9:81 -s rr\n-a -t 192.0.2.9:82 -r 192.0.2.1\n";
    assert_eq!(director(&["-R", "--by-difference"], senseless).0, Some(2));
    assert_eq!(director(&["-S", "-n", "--complete"], "").1, saved);

    // What ipvsadm saves is taken, and what no line names goes.
    let theirs = Program::Ipvsadm.run(&["-Sn"], "").1;
    let web = theirs.lines().take(2).map(|line| format!("{line}\n"));
    let web: String = web.collect();
    assert_eq!(director(&["-R", "--by-difference"], &web).0, Some(0));
    assert_eq!(Program::Ipvsadm.run(&["-Sn"], "").1, web);
    assert_eq!(director(&["-C"], "").0, Some(0));
    assert_eq!(director(&["-R"], &saved).0, Some(0));
    assert_eq!(director(&["-S", "-n", "--complete"], "").1, saved);
}

#[test]
fn every_listing_is_json_too() {
    if let Err(why) = fresh_namespace() {
        return println!("skipped: {why}");
    }
    let table = "-A -t 192.0.2.9:80 -s mh -b mh-port -p 60 -M 255.255.255.0\n\
                 -a -t 192.0.2.9:80 -r 192.0.2.7:80 -i --tun-type gue --tun-port 6080 -w 3 -x 9 -y 4\n\
                 -A -f 7 -6 -s rr\n";
    assert_eq!(Program::Director.run(&["-R"], table).0, Some(0));
    let status = Program::Director.run(&["--start-daemon", "master", "--syncid", "9"], "");
    assert_eq!(status.0, Some(0));
    let json = |words: &str| -> Value {
        let mut words: Vec<&str> = words.split(' ').collect();
        words.push("--json");
        let (status, text) = Program::Director.run(&words, "");
        assert_eq!(status, Some(0), "{words:?}");
        serde_json::from_str(&text).unwrap()
    };
    // Whatever the view: everything that is known.
    let all = json("-L");
    for view in [
        "-L --stats",
        "-L --rate --exact",
        "-L --thresholds",
        "-L --persistent-conn",
        "-L --tun-info",
    ] {
        assert_eq!(json(view), all, "{view}");
    }
    let services = all["services"].as_array().unwrap();
    assert_eq!(services.len(), 2);
    let web = services
        .iter()
        .find(|service| !service["destinations"].as_array().unwrap().is_empty());
    let web = web.unwrap().to_string();
    for part in [
        "\"mh\"",
        "255.255.255.0",
        "192.0.2.7",
        "6080",
        "\"weight\":3",
        "\"upper_threshold\":9",
        "packets_in",
    ] {
        assert!(web.contains(part), "{part} in {web}");
    }
    assert_eq!(json("-L -t 192.0.2.9:80").to_string(), web);
    assert!(json("-L --timeout")["tcp"].as_u64().unwrap() > 0);
    assert_eq!(json("-L --daemon")[0]["sync_id"], 9);
    assert_eq!(json("-L -c"), Value::Array(Vec::new()));
}

#[test]
fn a_list_is_watched_until_the_reader_goes() {
    if let Err(why) = fresh_namespace() {
        return println!("skipped: {why}");
    }
    let mut child = Program::Director
        .command()
        .args(["-L", "--json", "--watch", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let services = |line: String| {
        let read: Value = serde_json::from_str(&line).unwrap();
        read["services"].as_array().unwrap().len()
    };
    assert_eq!(services(lines.next().unwrap().unwrap()), 0);
    let add = Program::Director.run(&["-A", "-t", "192.0.2.9:80"], "");
    assert_eq!(add.0, Some(0));
    assert!(
        lines
            .by_ref()
            .take(20)
            .any(|line| services(line.unwrap()) == 1)
    );
    drop(lines);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_complete_save_loses_nothing() {
    if let Err(why) = fresh_namespace() {
        return println!("skipped: {why}");
    }
    let director = |arguments: &[&str], input: &str| Program::Director.run(arguments, input);
    let table = "--set 901 31 61\n\
                 -A -t 192.0.2.9:80 -s sh -b sh-fallback,sh-port,flag-3 -p 60 -M 255.255.255.0\n\
                 -a -t 192.0.2.9:80 -r 192.0.2.7:80 -i --tun-type gue --tun-port 6080 --tun-csum -w 3 -x 9 -y 4\n\
                 -A -u 192.0.2.9:53 -s rr -o\n\
                 -A --sctp-service 192.0.2.9:99 -s mh -b mh-fallback\n\
                 -a --sctp-service 192.0.2.9:99 -r 192.0.2.7:98 -m -w 0\n\
                 -A -f 4294967295 -s rr\n\
                 -A -t [2001:db8::9]:80 -s wlc -p 9 -M 64\n\
                 -a -t [2001:db8::9]:80 -r [2001:db8::7]:80 -g -w 5\n\
                 --start-daemon master --mcast-interface eth0 --syncid 9 --sync-maxlen 1300 --mcast-group 224.0.0.99 --mcast-port 8899 --mcast-ttl 3\n\
                 --start-daemon backup --mcast-interface eth0 --syncid 9 --sync-maxlen 1300 --mcast-group 224.0.0.99 --mcast-port 8899 --mcast-ttl 3\n";
    // Line by line, and as a difference to whatever is there.
    assert_eq!(director(&["-R"], table).0, Some(0));
    let everything = director(&["-L", "--json"], "").1;
    let saved = director(&["-S", "-n", "--complete"], "").1;
    for restore in [&["-R"][..], &["-R", "--by-difference"]] {
        assert_eq!(director(&["-C"], "").0, Some(0));
        for role in ["master", "backup"] {
            assert_eq!(director(&["--stop-daemon", role], "").0, Some(0));
        }
        assert_eq!(director(&["--set", "1", "1", "1"], "").0, Some(0));
        assert_ne!(director(&["-L", "--json"], "").1, everything);
        assert_eq!(director(restore, &saved).0, Some(0), "{saved}");
        // The kernel's own order of services is another one each time.
        let order = |text: &str| {
            let mut value: Value = serde_json::from_str(text).unwrap();
            let services = value["services"].as_array_mut().unwrap();
            services.sort_by_key(ToString::to_string);
            value
        };
        assert_eq!(
            order(&director(&["-L", "--json"], "").1),
            order(&everything)
        );
        assert_eq!(director(&["-S", "-n", "--complete"], "").1, saved);
    }
}

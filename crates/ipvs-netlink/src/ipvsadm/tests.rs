use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::types::{DaemonRole, Timeouts};

/// Knows one host and one service.
struct Known;

impl Resolver for Known {
    fn host(&self, name: &str) -> Option<Ipv4Addr> {
        (name == "web").then_some(Ipv4Addr::new(192, 0, 2, 7))
    }

    fn port(&self, service: &str, protocol: Protocol) -> Option<u16> {
        (service == "http" && protocol == Protocol::Tcp).then_some(80)
    }

    fn host_name(&self, address: IpAddr) -> Option<String> {
        (address == IpAddr::from([192, 0, 2, 7])).then(|| "web".to_owned())
    }

    fn service_name(&self, port: u16, protocol: Protocol) -> Option<String> {
        (port == 80 && protocol == Protocol::Tcp).then(|| "http".to_owned())
    }
}

fn read(line: &str) -> Result<Invocation, UsageError> {
    let words: Vec<&str> = line.split_whitespace().collect();
    parse(&words, &Known)
}

/// The command as a sentence, or the exit status.
fn says(line: &str) -> Result<String, u8> {
    match read(line) {
        Ok(Invocation::Change(command)) => Ok(command.to_string()),
        Ok(other) => panic!("{line}: {other:?}"),
        Err(error) => Err(error.status()),
    }
}

#[test]
fn commands_mean_what_ipvsadm_means() {
    for (line, meaning) in [
        ("-A -t 10.0.0.1:80", "add service TCP 10.0.0.1:80 wlc"),
        (
            "-A --tcp-service=web:http -s rr",
            "add service TCP 192.0.2.7:80 rr",
        ),
        ("-A -u10.0.0.1:53 -ops300", "status 2"),
        (
            "-A -u 10.0.0.1:53 -op 300",
            "add service UDP 10.0.0.1:53 wlc persistent 300 ops",
        ),
        (
            "-A -t=10.0.0.1 -p",
            "add service TCP 10.0.0.1:0 wlc persistent 360",
        ),
        (
            "-A -t 10.0.0.1:80 -p=7 -M 255.255.255",
            "add service TCP 10.0.0.1:80 wlc persistent 7 mask 255.255.0.255",
        ),
        (
            "-A -f 5 -6 -p 9 -M 64",
            "add service FWM 5 IPv6 wlc persistent 9 mask 64",
        ),
        (
            "-A -M 64 -t [2001:db8::8]:80 -p 1",
            "add service TCP [2001:db8::8]:80 wlc persistent 1",
        ),
        (
            "-A -t 10.0.0.1:80 -b sh-port,,flag-1, -s sh",
            "add service TCP 10.0.0.1:80 sh (sh-fallback,sh-port)",
        ),
        (
            "-E --sctp-service 10.0.0.1:80 --pe sip",
            "edit service SCTP 10.0.0.1:80 wlc pe sip",
        ),
        ("-D -f 4294967295", "remove service FWM 4294967295"),
        (
            "-a -t 10.0.0.1:80 -r 10.0.1.1:8080",
            "add destination 10.0.1.1:80 route weight 1 to TCP 10.0.0.1:80",
        ),
        (
            "-a -t 10.0.0.1:80 -r 10.0.1.1:8080 -m -w 08",
            "add destination 10.0.1.1:8080 masq weight 8 to TCP 10.0.0.1:80",
        ),
        (
            "-a -r 10.0.1.1 -t 10.0.0.1:80 -m",
            "add destination 10.0.1.1:0 masq weight 1 to TCP 10.0.0.1:80",
        ),
        (
            "-a -t 10.0.0.1:80 -r 2001:db8::9 -i",
            "add destination [2001:db8::9]:80 tunnel ipip weight 1 to TCP 10.0.0.1:80",
        ),
        (
            "-e -t 10.0.0.1:80 -r 10.0.1.1 --tun-type gue --tun-port 6 --tun-csum -i -x 9 -y 3",
            "edit destination 10.0.1.1:80 tunnel gue port 6 csum weight 1 thresholds 9 3 of TCP 10.0.0.1:80",
        ),
        (
            "-d -t 10.0.0.1:80 -r 10.0.1.1",
            "remove destination 10.0.1.1:80 from TCP 10.0.0.1:80",
        ),
        ("-C", "remove all services"),
        ("-Z", "zero all counters"),
        ("-Z -f 3", "zero counters of FWM 3"),
        ("1 2 --set 0", "set timeouts tcp 1 tcpfin 2 udp 0"),
        (
            "--start-daemon=backup --syncid=5",
            "start sync daemon backup on eth0 syncid 5",
        ),
        ("--stop-daemon master --syncid 5", "stop sync daemon master"),
    ] {
        let said = says(line).unwrap_or_else(|status| format!("status {status}"));
        assert_eq!(said, meaning, "{line}");
    }
}

#[test]
fn mistakes_end_with_ipvsadms_status() {
    for (line, status) in [
        ("-n -L", 255),
        ("foo", 255),
        ("--lis", 255),
        ("--set=1 2 3", 255),
        ("-L -q", 255),
        ("-A -t", 255),
        ("-A -u 10.0.0.3:81 --ops=1", 255),
        ("--set 900 -1 3", 255),
        ("--start-daemon", 255),
        ("-A", 2),
        ("-A -t 10.0.0.1", 2),
        ("-A -t 10.0.0.1:http2", 2),
        ("-A -u 10.0.0.1:http", 2),
        ("-A -t 10.0.0.1:80 -D", 2),
        ("-A -t 10.0.0.1:80 -w 1", 2),
        ("-A -t 10.0.0.1:80 -p 0", 2),
        ("-A -t 10.0.0.1:80 -p 2678401", 2),
        ("-A -t 10.0.0.1:80 -o", 2),
        ("-A -t 10.0.0.1:80 -u 10.0.0.1:80", 2),
        ("-A -t 10.0.0.1:80 -b sh-port", 2),
        ("-A -6 -f 7", 2),
        ("-A -f 0", 2),
        ("-A -f -5", 2),
        ("-A -t [2001:db8::6]:80 -M 129 -p", 2),
        ("-a -t 10.0.0.1:80", 2),
        ("-a -t 10.0.0.1:80 -r 10.0.1.4 -m -g", 2),
        ("-a -t 10.0.0.1:80 -r 2001:db8::9", 2),
        ("-a -t 10.0.0.1:80 -r 10.0.1.4 -w 2147483648", 2),
        ("-a -t 10.0.0.1:80 -r 10.0.1.4 --tun-type ipip", 2),
        ("-a -t 10.0.0.1:80 -r 10.0.1.4 -i --tun-type gue", 2),
        (
            "-a -t 10.0.0.1:80 -r 10.0.1.4 -i --tun-type gre --tun-remcsum",
            2,
        ),
        ("-a -t 10.0.0.1:80 -r 10.0.1.4 -i --tun-csum", 2),
        (
            "-a -t 10.0.0.1:80 -r 10.0.1.4 -i --tun-type gre --tun-csum --tun-nocsum",
            2,
        ),
        ("--set 1 2", 2),
        ("--set 1 2 3 4", 2),
        ("--start-daemon foo", 2),
        ("--start-daemon master --syncid 256", 2),
        ("--start-daemon master --mcast-group 10.0.0.1", 2),
        ("--start-daemon master --mcast-ttl 0", 2),
        ("-R -n", 2),
        ("-S --nosort", 2),
        ("-Zn", 2),
    ] {
        assert_eq!(says(line), Err(status), "{line}");
    }
}

#[test]
fn lists_have_one_subject_and_one_view() {
    let list = |line: &str| match read(line) {
        Ok(Invocation::List(list)) => Ok(list),
        Ok(other) => panic!("{line}: {other:?}"),
        Err(error) => Err(error.status()),
    };
    let plain = list("").unwrap();
    assert_eq!(plain.subject, Subject::Table(Listing::default()));
    assert!(!plain.numeric);
    assert!(list("-Ln --").unwrap().numeric);
    let stats = list("-lX --rate --stats --nosort --sort").unwrap().subject;
    let want = Listing {
        view: crate::listing::View::Stats,
        sorted: false,
        exact: true,
    };
    assert_eq!(stats, Subject::Table(want));
    let connections = list("-Lcn --persistent-conn --exact").unwrap().subject;
    assert_eq!(connections, Subject::Connections { persistent: true });
    assert_eq!(
        list("-L --timeout --tun-info").unwrap().subject,
        Subject::Timeouts
    );
    assert!(matches!(
        list("-L -f 3 -6").unwrap().subject,
        Subject::Service(..)
    ));
    assert!(list("-L --json --daemon").unwrap().json);
    let watch = |line| list(line).unwrap().watch.map(|time| time.as_secs());
    assert_eq!(watch("-Ln"), None);
    assert_eq!(watch("-Ln --watch"), Some(2));
    assert_eq!(watch("-Ln --watch 5 --stats"), Some(5));
    assert!(list("-Ln --watch 0").is_err());
    for line in [
        "-L -c --timeout",
        "-L -c --stats",
        "-L -c -t 10.0.0.1:80",
        "-L --daemon --timeout",
        "-L --daemon -t 10.0.0.1:80",
        "-L --timeout --persistent-conn",
        "-Lnn",
        "-L -",
        "-L --weight 3",
    ] {
        assert_eq!(list(line), Err(2), "{line}");
    }
}

#[test]
fn names_are_looked_up_and_printed() {
    let Ok(Invocation::Change(Command::AddService(service))) = read("-A -t web:http") else {
        panic!("a service");
    };
    let snapshot = crate::Snapshot {
        services: vec![crate::ServiceSnapshot {
            entry: crate::ServiceEntry {
                service,
                stats: crate::Stats::default(),
            },
            destinations: Vec::new(),
        }],
        ..crate::Snapshot::default()
    };
    assert_eq!(
        save(&snapshot, Save::default(), &Known),
        "-A -t web:http -s wlc\n"
    );
    let numeric = Save {
        numeric: true,
        complete: true,
    };
    assert_eq!(
        save(&snapshot, numeric, &Known),
        "--set 0 0 0\n-A -t 192.0.2.7:80 -s wlc\n"
    );
    let listed = Listing::default().table_named(&snapshot, &Known);
    assert!(listed.ends_with("\nTCP  web:http wlc\n"), "{listed}");
}

#[test]
fn a_script_is_a_table() {
    let text = "\
# made by hand
ipvsadm -A -t 10.0.0.1:80 -s rr
-a -t 10.0.0.1:80 -r 10.0.1.1 -m

-E -t 10.0.0.1:80 -s wrr
-A -f -1
-A -f 7
-D -f 7
--set 1 2 3
--set 0 9 0
--start-daemon master
";
    let script = Script::parse(text, &Numeric).unwrap();
    assert_eq!(script.table.services.len(), 2);
    assert!(
        script
            .table
            .services
            .contains_key(&ServiceId::fwmark(u32::MAX, crate::Family::V4).unwrap())
    );
    let timeouts = Timeouts {
        tcp: 1,
        tcp_fin: 9,
        udp: 3,
    };
    assert_eq!(script.table.timeouts, Some(timeouts));
    assert!(
        script
            .table
            .daemons
            .as_ref()
            .unwrap()
            .contains_key(&DaemonRole::Master)
    );
    let changes = crate::Table::new().diff(&script.table, crate::Owned::Nothing);
    let lines: Vec<_> = changes
        .iter()
        .map(|change| script.line_of(change))
        .collect();
    assert_eq!(lines, [Some(10), Some(5), Some(3), Some(6), Some(11)]);
}

#[test]
fn a_script_names_the_line_at_fault() {
    let fails = |text: &str| Script::parse(text, &Numeric).unwrap_err().to_string();
    assert_eq!(
        fails("-A -t 10.0.0.1:80\n\n-A -t 10.0.0.1:80\n"),
        "line 3: cannot add service TCP 10.0.0.1:80 wlc: line 1 has added it already"
    );
    assert!(fails("-a -t 10.0.0.1:80 -r 10.0.0.2\n").starts_with("line 1: cannot add destination"));
    assert!(fails("-C\n-e -t 10.0.0.1:80 -r 10.0.0.2\n").starts_with("line 2: "));
    assert!(fails("-Ln\n").starts_with("line 1: it changes nothing"));
    assert!(fails("-A -t 10.0.0.1:80 -q\n").starts_with("line 1: no option `-q`"));
    assert_eq!(
        Script::parse("-R\n", &Numeric).unwrap_err().problem,
        UsageError::NestedRestore.into()
    );
}

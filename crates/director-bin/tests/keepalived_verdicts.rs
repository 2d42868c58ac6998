//! The daemon beside Debian's keepalived: both check the same servers by the same file, and must come
//! to the same verdicts: pages of nginx by status, digest and text, and servers of every other kind.
//!
//! It needs root for a network namespace, keepalived, nginx and a C compiler. The kernel needs no
//! IPVS: `benches/checks/ipvs-stand-in.c` takes the commands of both.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that fails may panic; it says when it cannot run"
)]

use nix::sched::{CloneFlags, unshare};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const PAGE: &str = "<html>\n<body>All is well</body>\n</html>\n";

/// A page, what the `url` block says besides its path, and whether the server is up by that.
const CASES: &[(&str, &str, bool)] = &[
    ("/page.html", "", true),
    ("/missing", "", false),
    ("/missing", "status_code 404", true),
    ("/page.html", "status_code 404", false),
    ("/page.html", "status_code 100-199 200 300-399", true),
    ("/moved", "", false),
    ("/moved", "status_code 302", true),
    ("/nothing", "", true),
    ("/broken", "", false),
    ("/broken", "status_code 500-599", true),
    ("/page.html", "digest PAGE", true),
    (
        "/page.html",
        "digest 00112233445566778899aabbccddeeff",
        false,
    ),
    ("/long.html", "digest LONG", true),
    (
        "/empty.html",
        "digest d41d8cd98f00b204e9800998ecf8427e",
        true,
    ),
    ("/octets", "digest OCTETS", true),
    ("/page.html", "digest PAGE\nstatus_code 404", false),
    ("/page.html", "regex \"is (well|fine)\"", true),
    ("/page.html", "regex \"is (bad|worse)\"", false),
    ("/page.html", "regex \"is bad\"\nregex_no_match", true),
    ("/page.html", "regex \"is well\"\nregex_no_match", false),
    ("/page.html", "regex \"all IS well\"", false),
    (
        "/page.html",
        "regex \"all IS well\"\nregex_options caseless",
        true,
    ),
    ("/page.html", "regex \"html>.<body\"", false),
    (
        "/page.html",
        "regex \"html>.<body\"\nregex_options dotall",
        true,
    ),
    (
        "/page.html",
        "regex \"^<body>\"\nregex_options multiline",
        true,
    ),
    (
        "/page.html",
        "regex \"well</body>$\"\nregex_options multiline",
        true,
    ),
    (
        "/page.html",
        "regex \"A l l # comment\"\nregex_options extended",
        true,
    ),
    (
        "/page.html",
        "regex \"body\"\nregex_options firstline",
        false,
    ),
    ("/page.html", "regex \"[[:alpha:]]+ is \\\\w{4}\"", true),
    ("/page.html", "regex \"\\\\d\"", true),
    ("/page.html", "regex \"well\"\nregex_max_offset 20", false),
    ("/octets", "regex \"\\\\xff\\\\xfe\"", true),
    (
        "/host",
        "regex \"named.example\"\nvirtualhost named.example",
        true,
    ),
    ("/host", "regex \"named.example\"", false),
    ("/page.html", "regex \"nginx\"", true),
    ("/page.html", "regex \"^HTTP/1.. 200 OK\"", true),
    ("/page.html", "regex \"qqq\"", false),
    ("/page.html", "digest PAGE\nregex \"is well\"", true),
    ("/page.html", "digest PAGE\nregex \"is bad\"", false),
    ("/page.html", "regex \"is (?=well)\"", true),
    ("/page.html", "regex \"is (?!well)\"", false),
    ("/page.html", "regex \"(?<=All )is\"", true),
    ("/page.html", "regex \"<(body)>.*</\\\\1>\"", true),
    ("/page.html", "regex \"(?>[a-z]+)l\"", false),
    ("/page.html", "regex \"we++l\"", true),
    ("/page.html", "regex \"wel++l\"", false),
];

/// A check of another kind, and whether the server is up by it. What it talks to is in [`servers`].
const OTHERS: &[(&str, bool)] = &[
    ("TCP_CHECK {\nconnect_port 80\n", true),
    ("TCP_CHECK {\nconnect_port 81\n", false),
    (
        "SSL_GET {\nconnect_port 443\nurl {\npath /page.html\nstatus_code 200\n}\n",
        true,
    ),
    (
        "SSL_GET {\nconnect_port 443\nurl {\npath /broken\nstatus_code 200\n}\n",
        false,
    ),
    (
        "SSL_GET {\nconnect_port 80\nurl {\npath /page.html\nstatus_code 200\n}\n",
        false,
    ),
    (
        "SMTP_CHECK {\nconnect_port 2525\nhelo_name check.example\n",
        true,
    ),
    (
        "SMTP_CHECK {\nconnect_port 2526\nhelo_name check.example\n",
        false,
    ),
    (
        "DNS_CHECK {\nconnect_port 5301\ntype a\nname www.example.org\n",
        true,
    ),
    (
        "DNS_CHECK {\nconnect_port 5302\ntype a\nname www.example.org\n",
        false,
    ),
    (
        "DNS_CHECK {\nconnect_port 5309\ntype a\nname www.example.org\n",
        false,
    ),
    (
        "UDP_CHECK {\nconnect_port 5303\npayload 01 02\nrequire_reply 01 x2\n",
        true,
    ),
    (
        "UDP_CHECK {\nconnect_port 5303\npayload 01 02\nrequire_reply 01 03\n",
        false,
    ),
    ("UDP_CHECK {\nconnect_port 5309\npayload 01\n", false),
    ("PING_CHECK {\n", true),
    (
        "MISC_CHECK {\nmisc_path \"/bin/true\"\nmisc_timeout 5\n",
        true,
    ),
    (
        "MISC_CHECK {\nmisc_path \"/bin/false\"\nmisc_timeout 5\n",
        false,
    ),
    (
        "MISC_CHECK {\nmisc_path \"/bin/sh -c 'exit 7'\"\nmisc_dynamic\nmisc_timeout 5\n",
        true,
    ),
    (
        "MISC_CHECK {\nmisc_path \"/bin/sleep 100\"\nmisc_timeout 1\n",
        false,
    ),
    ("FILE_CHECK {\ntrack_file good\nweight 0\n", true),
    ("FILE_CHECK {\ntrack_file bad\nweight 0\n", false),
];

/// Name servers that answer well and ill, an echo, and mail servers that do and do not greet.
fn servers() {
    let datagrams = |port: u16, answer: fn(&mut [u8])| {
        let socket = std::net::UdpSocket::bind(("127.0.0.1", port)).unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                answer(&mut buffer[..length]);
                let _ = socket.send_to(&buffer[..length], peer);
            }
        });
    };
    datagrams(5301, |query| query[2] |= 0x80);
    datagrams(5302, |query| {
        query[2] |= 0x80;
        query[3] = 2;
    });
    datagrams(5303, |_| {});
    for (port, greeting) in [(2525, "220 mail.example\r\n"), (2526, "554 go away\r\n")] {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let _ = (&stream).write_all(greeting.as_bytes());
                    for line in BufReader::new(&stream).lines().map_while(Result::ok) {
                        let answer = if line.starts_with("QUIT") {
                            "221 bye"
                        } else {
                            "250 well"
                        };
                        let _ = (&stream).write_all(format!("{answer}\r\n").as_bytes());
                    }
                });
            }
        });
    }
}

/// What the programs log of a server that is down.
const THEIR_MARKS: &[&str] = &["Removing service"];
const OUR_MARKS: &[&str] = &["real_server_down"];

/// A process that ends with the test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    /// Asks it to end, and waits until it has.
    fn stop(mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let begin = Instant::now();
        while self.0.try_wait().unwrap().is_none() && begin.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn find(program: &str) -> bool {
    let look = |folder: &str| Path::new(folder).join(program).exists();
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .into_iter()
        .any(look)
}

/// Why this cannot run here.
fn obstacle() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("a network namespace needs root".to_owned());
    }
    if let Some(missing) = ["keepalived", "nginx", "cc", "ip"]
        .into_iter()
        .find(|p| !find(p))
    {
        return Some(format!("{missing} is not installed"));
    }
    unshare(CloneFlags::CLONE_NEWNET)
        .err()
        .map(|error| format!("no network namespace: {error}"))
}

fn pages(folder: &Path) {
    fs::write(folder.join("page.html"), PAGE).unwrap();
    fs::write(folder.join("long.html"), PAGE.repeat(5000)).unwrap();
    fs::write(folder.join("empty.html"), "").unwrap();
    let octets: Vec<u8> = (0..=255).chain([0xff, 0xfe]).collect();
    fs::write(folder.join("octets"), octets).unwrap();
    let configuration = "daemon off; master_process off; pid nginx.pid; error_log stderr;
        events { worker_connections 256; }
        http {
          client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
          uwsgi_temp_path uwsgi; scgi_temp_path scgi; access_log access.log; gzip off;
          default_type text/plain;
          ssl_certificate cert.pem; ssl_certificate_key key.pem;
          server { listen 127.0.0.1:80; listen 127.0.0.1:443 ssl; root .;
            location /moved { return 302 http://127.0.0.1/page.html; }
            location /nothing { return 204; }
            location /broken { return 503; }
            location /host { return 200 $host; }
          }
        }";
    fs::write(folder.join("nginx.conf"), configuration).unwrap();
    let certified = rcgen::generate_simple_self_signed(vec!["server.example".to_owned()]).unwrap();
    fs::write(folder.join("cert.pem"), certified.cert.pem()).unwrap();
    fs::write(
        folder.join("key.pem"),
        certified.signing_key.serialize_pem(),
    )
    .unwrap();
    fs::write(folder.join("good"), "0\n").unwrap();
    fs::write(folder.join("bad"), "0\n").unwrap();
}

fn digest(folder: &Path, page: &str) -> String {
    let output = Command::new("md5sum")
        .arg(folder.join(page))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()[..32].to_owned()
}

fn configuration(folder: &Path) -> String {
    let mut text = String::from("global_defs {\nscript_user root\n}\n");
    for name in ["good", "bad"] {
        let file = folder.join(name);
        write!(text, "track_file {name} {{\nfile {}\n}}\n", file.display()).unwrap();
    }
    text.push_str(
        "virtual_server 10.9.9.9 80 {\ndelay_loop 1\nlb_algo rr\nlb_kind NAT\nprotocol TCP\n",
    );
    for (index, (path, rest, _)) in CASES.iter().enumerate() {
        let rest = rest
            .replace("PAGE", &digest(folder, "page.html"))
            .replace("LONG", &digest(folder, "long.html"))
            .replace("OCTETS", &digest(folder, "octets"));
        write!(
            text,
            "real_server 127.0.1.{index} 80 {{\nHTTP_GET {{\nconnect_ip 127.0.0.1\nconnect_timeout 1\nretry 0\nwarmup 0.1\n\
             url {{\npath {path}?case={index}\n{rest}\n}}\n}}\n}}\n"
        )
        .unwrap();
    }
    for (index, (check, _)) in OTHERS.iter().enumerate() {
        // Programs and files have nothing to connect to, and files no rules of their own.
        let common = if check.starts_with("FILE_CHECK") {
            ""
        } else if check.starts_with("MISC_CHECK") {
            "retry 0\nwarmup 0.1\n"
        } else {
            "connect_ip 127.0.0.1\nconnect_timeout 1\nretry 0\nwarmup 0.1\n"
        };
        write!(
            text,
            "real_server 127.0.2.{index} 80 {{\n{check}{common}}}\n}}\n"
        )
        .unwrap();
    }
    text + "}\n"
}

/// Waits until every page has been asked for three times: then the first two verdicts are made.
fn wait_for_rounds(access: &Path, log: &Path) {
    let begin = Instant::now();
    loop {
        let text = fs::read_to_string(access).unwrap_or_default();
        let asked = |index: &usize| text.matches(&format!("?case={index} ")).count();
        let missing: Vec<usize> = (0..CASES.len()).filter(|index| asked(index) < 3).collect();
        if missing.is_empty() {
            return;
        }
        assert!(
            begin.elapsed() < PATIENCE,
            "not asked for three times: {missing:?}\n{}",
            fs::read_to_string(log).unwrap_or_default()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until all these servers are down, and gives the log as it is then.
fn wait_for_down(log: &Path, marks: &[&str], wanted: &BTreeSet<Case>) -> String {
    let begin = Instant::now();
    loop {
        let text = fs::read_to_string(log).unwrap_or_default();
        if down(&text, marks).is_superset(wanted) || begin.elapsed() > PATIENCE {
            return text;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A list of cases, 1 or 2, and the place in it.
type Case = (usize, usize);

/// The cases whose servers went down, by the program's log.
fn down(log: &str, marks: &[&str]) -> BTreeSet<Case> {
    let lines = log
        .lines()
        .filter(|line| marks.iter().all(|mark| line.contains(mark)));
    let case = |line: &str| {
        let (_, rest) = line.split_once("127.0.")?;
        let mut numbers = rest.split(|c: char| !c.is_ascii_digit());
        let list = numbers.next()?.parse().ok()?;
        Some((list, numbers.next()?.parse().ok()?))
    };
    lines.filter_map(case).collect()
}

#[test]
fn verdicts_are_those_of_keepalived() {
    if let Some(why) = obstacle() {
        println!("skipped: {why}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let run = |program: &str, arguments: &[&str]| {
        assert!(
            Command::new(program)
                .args(arguments)
                .status()
                .unwrap()
                .success(),
            "{program}"
        );
    };
    run("ip", &["link", "set", "lo", "up"]);
    let source = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../benches/checks/ipvs-stand-in.c"
    );
    let stand_in = path.join("stand-in.so");
    run(
        "cc",
        &[
            "-O1",
            "-shared",
            "-fPIC",
            "-o",
            stand_in.to_str().unwrap(),
            source,
            "-ldl",
        ],
    );
    pages(path);
    let file = path.join("checks.conf");
    fs::write(&file, configuration(path)).unwrap();
    let prefix = format!("{}/", path.display());
    let _nginx = Running::start(
        Command::new("/usr/sbin/nginx")
            .args(["-p", &prefix, "-c", "nginx.conf"])
            .stderr(Stdio::null()),
    );
    let access = path.join("access.log");
    servers();
    let pages = CASES.iter().enumerate().filter(|(_, case)| !case.2);
    let others = OTHERS.iter().enumerate().filter(|(_, case)| !case.1);
    let expected: BTreeSet<Case> = pages
        .map(|(index, _)| (1, index))
        .chain(others.map(|(index, _)| (2, index)))
        .collect();

    let log = path.join("keepalived.log");
    let output = fs::File::create(&log).unwrap();
    let keepalived = Running::start(
        Command::new("/usr/sbin/keepalived")
            .args([
                "--check",
                "--dont-fork",
                "--log-console",
                "--log-detail",
                "--use-file",
            ])
            .arg(&file)
            .arg("--pid")
            .arg(path.join("k.pid"))
            .arg("--checkers_pid")
            .arg(path.join("c.pid"))
            .env("LD_PRELOAD", &stand_in)
            .stdout(output.try_clone().unwrap())
            .stderr(output),
    );
    wait_for_rounds(&access, &log);
    fs::write(path.join("bad"), "1\n").unwrap();
    let theirs = wait_for_down(&log, THEIR_MARKS, &expected);
    keepalived.stop();

    fs::write(&access, "").unwrap();
    fs::write(path.join("bad"), "0\n").unwrap();
    let log = path.join("director.log");
    let director = Running::start(
        Command::new(env!("CARGO_BIN_EXE_director"))
            .args(["run", "--log-format", "json", "--config"])
            .arg(&file)
            .arg("--state-dir")
            .arg(path.join("state"))
            .env("LD_PRELOAD", &stand_in)
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap()),
    );
    wait_for_rounds(&access, &log);
    fs::write(path.join("bad"), "1\n").unwrap();
    let ours = wait_for_down(&log, OUR_MARKS, &expected);
    director.stop();

    let name = |cases: &BTreeSet<Case>| -> Vec<(Case, &str, &str)> {
        cases
            .iter()
            .map(|case| match *case {
                (1, index) => (*case, CASES[index].0, CASES[index].1),
                (_, index) => (*case, OTHERS[index].0, ""),
            })
            .collect()
    };
    let theirs_down = down(&theirs, THEIR_MARKS);
    let ours_down = down(&ours, OUR_MARKS);
    assert_eq!(
        name(&theirs_down),
        name(&expected),
        "keepalived says:\n{theirs}"
    );
    assert_eq!(
        name(&ours_down),
        name(&theirs_down),
        "director says:\n{ours}"
    );
}

//! The daemon beside Debian's keepalived: both check the same pages of nginx by the same file, and
//! must come to the same verdicts on status, digest and text.
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
];

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
          server { listen 127.0.0.1:80; root .;
            location /moved { return 302 http://127.0.0.1/page.html; }
            location /nothing { return 204; }
            location /broken { return 503; }
            location /host { return 200 $host; }
          }
        }";
    fs::write(folder.join("nginx.conf"), configuration).unwrap();
}

fn digest(folder: &Path, page: &str) -> String {
    let output = Command::new("md5sum")
        .arg(folder.join(page))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()[..32].to_owned()
}

fn configuration(folder: &Path) -> String {
    let mut text = String::from(
        "global_defs {\nscript_user root\n}\nvirtual_server 10.9.9.9 80 {\ndelay_loop 1\nlb_algo rr\nlb_kind NAT\nprotocol TCP\n",
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

/// The cases whose servers went down, by the program's log.
fn down(log: &str, marks: &[&str]) -> BTreeSet<usize> {
    let lines = log
        .lines()
        .filter(|line| marks.iter().all(|mark| line.contains(mark)));
    let case = |line: &str| {
        let (_, rest) = line.split_once("127.0.1.")?;
        rest.split(|c: char| !c.is_ascii_digit())
            .next()?
            .parse()
            .ok()
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
    let theirs = fs::read_to_string(&log).unwrap();
    keepalived.stop();

    fs::write(&access, "").unwrap();
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
    let ours = fs::read_to_string(&log).unwrap();
    director.stop();

    let expected: BTreeSet<usize> = (0..CASES.len()).filter(|index| !CASES[*index].2).collect();
    let name = |cases: &BTreeSet<usize>| -> Vec<(usize, &str, &str)> {
        cases
            .iter()
            .map(|index| (*index, CASES[*index].0, CASES[*index].1))
            .collect()
    };
    let theirs_down = down(&theirs, &["Removing service"]);
    let ours_down = down(&ours, &["real_server_down"]);
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

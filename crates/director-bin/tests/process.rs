//! The program as a service: under the unit of Debian's keepalived, as a daemon, as process 1 of a container.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that fails may panic"
)]

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Far longer than anything here takes, so that a busy machine does not fail the tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// Harmless anywhere: neither an instance nor a virtual server, so neither privilege nor interface is needed.
const EMPTY: &str = "global_defs {\n    router_id test\n}\n";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// Called by the name keepalived, with nothing of this machine touched.
    fn keepalived(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_director"));
        command
            .arg0("/usr/sbin/keepalived")
            .env("STATE_DIRECTORY", self.path("state"));
        command
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Killed {
    fn status(&mut self) -> Option<i32> {
        wait_for("the process ends", || self.0.try_wait().unwrap()).code()
    }
}

fn signal(pid: u32, name: &str) {
    assert!(
        Command::new("kill")
            .args([&format!("-{name}"), &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn pid_of(file: &Path) -> Option<u32> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The arguments of `ExecStart=` as systemd would build them, from Debian's unit if it is here.
fn debian_arguments(options: &str) -> Vec<String> {
    let unit = std::fs::read_to_string("/lib/systemd/system/keepalived.service")
        .unwrap_or_else(|_| "ExecStart=/usr/sbin/keepalived --dont-fork $DAEMON_ARGS\n".to_owned());
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="))
        .unwrap();
    let words = line.split_whitespace().skip(1);
    words
        .flat_map(|word| {
            if word == "$DAEMON_ARGS" {
                options.split_whitespace().collect()
            } else {
                vec![word]
            }
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn under_the_unit_of_debians_keepalived() {
    let folder = Folder::new();
    let config = folder.file("keepalived.conf", EMPTY);
    let (main, vrrp) = (folder.path("keepalived.pid"), folder.path("vrrp.pid"));
    let socket = UnixDatagram::bind(folder.path("notify")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = |until: &str| {
        let mut all = String::new();
        let mut buffer = [0; 4096];
        while !all.contains(until) {
            let length = socket
                .recv(&mut buffer)
                .expect("the service manager is told in time");
            all.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
            all.push('\n');
        }
        all
    };
    let options = format!(
        "-D -d -S 3 -G -l -R -x -B -p {} -r {} -f {}",
        main.display(),
        vrrp.display(),
        config.display()
    );
    let log = folder.path("log");
    let mut child = Killed(
        folder
            .keepalived()
            .args(debian_arguments(&options))
            .env("NOTIFY_SOCKET", folder.path("notify"))
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap(),
    );
    let pid = child.0.id();
    let ready = told("READY=1");
    assert!(
        ready.contains("STATUS=0 VRRP instances, 0 virtual servers"),
        "{ready}"
    );
    assert_eq!((pid_of(&main), pid_of(&vrrp)), (Some(pid), Some(pid)));

    signal(pid, "HUP");
    let reload = told("READY=1");
    assert!(
        reload.contains("RELOADING=1") && reload.contains("MONOTONIC_USEC="),
        "{reload}"
    );

    signal(pid, "TERM");
    told("STOPPING=1");
    assert_eq!(child.status(), Some(0));
    assert!(!main.exists() && !vrrp.exists(), "the pid files are gone");
    let log = std::fs::read_to_string(log).unwrap();
    for option in ["--dont-respawn", "--snmp", "--no_bfd"] {
        assert!(
            log.contains(&format!("{option} has no meaning here: ")),
            "{option}: {log}"
        );
    }
}

#[test]
fn the_watchdog_is_fed_as_often_as_it_asks() {
    let folder = Folder::new();
    let config = folder.file("keepalived.conf", EMPTY);
    let socket = UnixDatagram::bind(folder.path("notify")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let child = Killed(
        Command::new(env!("CARGO_BIN_EXE_director"))
            .args([
                "run",
                "--log-to",
                "none",
                "--config",
                config.to_str().unwrap(),
            ])
            .env("STATE_DIRECTORY", folder.path("state"))
            .env("NOTIFY_SOCKET", folder.path("notify"))
            .env("WATCHDOG_USEC", "2000000")
            .spawn()
            .unwrap(),
    );
    let mut buffer = [0; 4096];
    let mut seen = 0;
    while seen < 2 {
        let length = socket
            .recv(&mut buffer)
            .expect("the watchdog is fed in time");
        seen += usize::from(
            std::str::from_utf8(&buffer[..length])
                .unwrap()
                .contains("WATCHDOG=1"),
        );
    }
    drop(child);
}

#[test]
fn in_the_background_as_init_scripts_want_it() {
    let folder = Folder::new();
    let config = folder.file("keepalived.conf", EMPTY);
    let broken = folder.file("broken.conf", "vrrp_instance X {\n");
    let (pid_file, log) = (folder.path("keepalived.pid"), folder.path("log"));
    let start = |config: &Path| {
        let mut command = folder.keepalived();
        command
            .arg("-G")
            .arg("-p")
            .arg(&pid_file)
            .arg(format!("--log-file={}", log.display()))
            .arg("-f")
            .arg(config);
        command.stdin(Stdio::null()).output().unwrap()
    };
    let output = start(&broken);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("is refused"), "{text}");
    assert!(!pid_file.exists());

    let output = start(&config);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let pid = pid_of(&pid_file).expect("it runs when its caller ends");
    let second = start(&config);
    assert_eq!(second.status.code(), Some(1), "one is enough");
    assert!(
        String::from_utf8_lossy(&second.stderr).contains("another director runs"),
        "{second:?}"
    );
    assert_eq!(pid_of(&pid_file), Some(pid));

    signal(pid, "HUP");
    wait_for("the reload", || {
        std::fs::read_to_string(&log)
            .unwrap()
            .contains("is in force")
            .then_some(())
    });
    signal(pid, "TERM");
    wait_for("the end", || {
        (!Path::new(&format!("/proc/{pid}")).exists()).then_some(())
    });
    assert!(!pid_file.exists());
    assert!(
        std::fs::read_to_string(&log)
            .unwrap()
            .contains("stopped, nothing is left behind")
    );
}

#[test]
fn as_process_1_of_a_container() {
    let works = Command::new("unshare")
        .args(["--pid", "--fork", "--mount-proc", "true"])
        .output();
    if !works.is_ok_and(|output| output.status.success()) {
        println!("skipped: no PID namespace can be made here");
        return;
    }
    let folder = Folder::new();
    let config = folder.file("keepalived.conf", EMPTY);
    // The shell becomes process 1 and then the director.
    let mut child = Killed(
        Command::new("unshare")
            .args(["--pid", "--fork", "--mount-proc", "--kill-child=KILL"])
            .args([env!("CARGO_BIN_EXE_director"), "run", "--pid-file"])
            .arg(folder.path("never-written"))
            .arg("--config")
            .arg(&config)
            .env("STATE_DIRECTORY", folder.path("state"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let (sender, lines) = channel();
    let out = child.0.stdout.take().unwrap();
    std::thread::spawn(move || {
        BufReader::new(out)
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| sender.send(line))
    });
    let event = |name: &str| loop {
        let line = lines
            .recv_timeout(PATIENCE)
            .expect("it logs to standard output");
        let event: serde_json::Value = serde_json::from_str(&line).expect("as JSON");
        if event["event"] == name {
            return event;
        }
    };
    event("started");
    assert!(!folder.path("never-written").exists());

    // Process 1 there is the only child of unshare here; its own child is the director.
    let children = |pid: u32| {
        let list =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        list.split_whitespace()
            .map(|pid| pid.parse::<u32>().unwrap())
            .collect::<Vec<_>>()
    };
    let init = children(child.0.id())[0];
    let director = children(init)[0];
    // An orphan: its parent ends at once, so it becomes a child of process 1, which must bury it.
    let orphan = format!(
        "(sh -c 'exec sleep 0.1' &) ; echo made > {}",
        folder.path("made").display()
    );
    let made = Command::new("nsenter")
        .args(["-t", &init.to_string(), "-p", "sh", "-c", &orphan])
        .status()
        .unwrap();
    assert!(made.success());
    wait_for("no child but the director is left, dead or alive", || {
        (children(init) == [director]).then_some(())
    });

    signal(init, "HUP");
    event("reload_done");
    signal(init, "TERM");
    event("stopped");
    assert_eq!(child.status(), Some(0));
}

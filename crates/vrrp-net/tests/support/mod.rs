//! Network namespaces for tests. They live in threads of the test and vanish with them, whatever happens.

use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use vrrp_net::vrrp_proto::{Config, Family, Interval, Version, Vrid};
use vrrp_net::{
    Configuration, Engine, Event, Events, InstanceConfig, Settings, State, VirtualAddress,
};

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace with a thread inside.
pub struct Node {
    jobs: mpsc::Sender<Job>,
    tid: i32,
}

impl Node {
    pub fn new() -> Option<Self> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (tid_in, tid_out) = mpsc::channel();
        std::thread::spawn(move || {
            let made = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET);
            tid_in
                .send(made.map(|()| nix::unistd::gettid().as_raw()))
                .unwrap();
            while let Ok(job) = inbox.recv() {
                job();
            }
        });
        match tid_out.recv().unwrap() {
            Ok(tid) => {
                let node = Self { jobs, tid };
                node.ip("link set lo up");
                Some(node)
            }
            Err(error) => {
                println!("skipped: cannot make a network namespace: {error}");
                None
            }
        }
    }

    /// Runs something inside the namespace.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer_in, answer_out) = mpsc::channel();
        self.jobs
            .send(Box::new(move || answer_in.send(job()).unwrap()))
            .unwrap();
        answer_out.recv().unwrap()
    }

    pub fn ip(&self, arguments: &str) -> String {
        let words: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        let output = self.run(move || Command::new("ip").args(&words).output().unwrap());
        assert!(
            output.status.success(),
            "ip {arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn start(&self, settings: Settings, configuration: Configuration) -> Running {
        let (engine, events) = self
            .run(move || Engine::start(settings, configuration))
            .unwrap();
        Running {
            engine,
            events,
            seen: Vec::new(),
        }
    }

    pub fn spawn(&self, mut command: Command) -> Process {
        Process(self.run(move || {
            command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        }))
    }

    /// Whether an address is on an interface now.
    pub fn holds(&self, address: &str) -> bool {
        self.ip("-o address show")
            .split_whitespace()
            .any(|word| word.split('/').next() == Some(address))
    }
}

/// A program that ends with the test.
pub struct Process(std::process::Child);

impl Process {
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    pub fn wait(&mut self) {
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.0.try_wait().ok().flatten().is_none() {
            // SIGTERM lets the program end its own children.
            self.signal(nix::sys::signal::Signal::SIGTERM);
            let _ = self.0.wait();
        }
    }
}

/// Two namespaces on one link: 10.9.0.1 and 10.9.0.2 on `eth0`.
pub fn pair() -> Option<(Node, Node)> {
    let (a, b) = (Node::new()?, Node::new()?);
    a.ip(&format!(
        "link add eth0 type veth peer name eth0 netns {}",
        b.tid
    ));
    for (node, number) in [(&a, 1), (&b, 2)] {
        node.ip(&format!("address add 10.9.0.{number}/24 dev eth0"));
        node.ip("link set eth0 up");
    }
    for node in [&a, &b] {
        eventually(|| node.ip("-o link show eth0").contains("state UP"));
    }
    Some((a, b))
}

/// An engine with its events.
pub struct Running {
    pub engine: Engine,
    pub events: Events,
    seen: Vec<Event>,
}

/// Longer than anything takes on a machine that is not stuck.
pub const PATIENCE: Duration = Duration::from_secs(20);

impl Running {
    /// Takes events until one fits.
    pub async fn wait(&mut self, what: &str, fits: impl Fn(&Event) -> bool) -> Event {
        let wait = async {
            while let Some(event) = self.events.recv().await {
                self.seen.push(event.clone());
                if fits(&event) {
                    return Some(event);
                }
            }
            None
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(Some(event)) => event,
            _ => panic!("waited for {what}, saw:\n{}", self.story()),
        }
    }

    pub async fn wait_state(&mut self, name: &str, state: State) -> Event {
        let what = format!("{name} {state}");
        self.wait(&what, |event| {
            matches!(event, Event::Transition { instance, to, .. } if &**instance == name && *to == state)
        })
        .await
    }

    pub fn story(&self) -> String {
        self.seen
            .iter()
            .map(|event| format!("  {event}\n"))
            .collect()
    }
}

pub fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// For states of the kernel that announce themselves to nobody in the test.
pub fn eventually(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "it never came to hold");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A fast version 3 instance on `eth0`.
pub fn fast(name: &str, vrid: u8, priority: u8, addresses: &[&str]) -> InstanceConfig {
    let mut router = Config::new(Vrid::new(vrid).unwrap(), Family::V4);
    router.version = Version::V3;
    router.priority = vrrp_proto::Priority::new(priority);
    router.interval = Interval::from_centiseconds(10).unwrap();
    let mut instance = InstanceConfig::new(name, "eth0", router);
    instance.addresses = addresses
        .iter()
        .map(|address| VirtualAddress::new(address.parse().unwrap()))
        .collect();
    instance
}

pub fn one(instance: InstanceConfig) -> Configuration {
    Configuration {
        instances: vec![instance],
        ..Configuration::default()
    }
}

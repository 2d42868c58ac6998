//! Network namespaces for tests. They live in threads of the test and vanish with them, whatever happens.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use vrrp_net::vrrp_proto::{Config, Family, Interval, Version, Vrid};
use vrrp_net::{
    Configuration, Engine, Event, Events, Handover, InstanceConfig, Settings, State, VirtualAddress,
};

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace with a thread inside.
pub(crate) struct Node {
    jobs: mpsc::Sender<Job>,
    tid: i32,
}

impl Node {
    pub(crate) fn new() -> Option<Self> {
        if Command::new("ip").arg("-V").output().is_err() {
            println!("skipped: the ip command is not installed");
            return None;
        }
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
                // Link-local addresses without a second of waiting; a system without IPv6 has no such file.
                node.run(|| std::fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0").ok());
                Some(node)
            }
            Err(error) => {
                println!("skipped: cannot make a network namespace: {error}");
                None
            }
        }
    }

    /// The thread whose namespace it is.
    pub(crate) const fn tid(&self) -> i32 {
        self.tid
    }

    /// Runs something inside the namespace.
    pub(crate) fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer_in, answer_out) = mpsc::channel();
        self.jobs
            .send(Box::new(move || answer_in.send(job()).unwrap()))
            .unwrap();
        answer_out.recv().unwrap()
    }

    pub(crate) fn ip(&self, arguments: &str) -> String {
        let words: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        let output = self.run(move || Command::new("ip").args(&words).output().unwrap());
        assert!(
            output.status.success(),
            "ip {arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Lets another engine go on where one stopped; the hand-over is written and read as between two processes.
    pub(crate) fn resume(
        &self,
        settings: Settings,
        configuration: Configuration,
        handover: &Handover,
    ) -> Running {
        #[cfg(feature = "serde")]
        let handover: Handover = {
            let written = serde_json::to_string(handover).unwrap();
            serde_json::from_str(&written).unwrap()
        };
        #[cfg(not(feature = "serde"))]
        let handover = handover.clone();
        let (engine, events) = self
            .run(move || Engine::resume(settings, configuration, handover))
            .unwrap();
        Running {
            engine,
            events,
            seen: Vec::new(),
        }
    }

    pub(crate) fn start(&self, settings: Settings, configuration: Configuration) -> Running {
        let (engine, events) = self
            .run(move || Engine::start(settings, configuration))
            .unwrap();
        Running {
            engine,
            events,
            seen: Vec::new(),
        }
    }

    pub(crate) fn spawn(&self, mut command: Command) -> Process {
        Process(self.run(move || {
            command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        }))
    }

    /// Whether an address is on an interface now.
    pub(crate) fn holds(&self, address: &str) -> bool {
        self.ip("-o address show")
            .split_whitespace()
            .any(|word| word.split('/').next() == Some(address))
    }
}

/// A program that ends with the test.
pub(crate) struct Process(std::process::Child);

impl Process {
    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    pub(crate) fn wait(&mut self) {
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
pub(crate) fn pair() -> Option<(Node, Node)> {
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

/// Three namespaces on one switch, which is a fourth: 10.9.0.1 to 10.9.0.3 on `eth0`. The last one looks on.
pub(crate) struct Trio {
    pub(crate) a: Node,
    pub(crate) b: Node,
    pub(crate) witness: Node,
    pub(crate) switch: Node,
}

pub(crate) fn trio() -> Option<Trio> {
    let switch = Node::new()?;
    switch.ip("link add br0 type bridge mcast_snooping 0");
    switch.ip("link set br0 up");
    let node = |number: u8| {
        let node = Node::new()?;
        switch.ip(&format!(
            "link add port{number} type veth peer name eth0 netns {}",
            node.tid
        ));
        switch.ip(&format!("link set port{number} master br0"));
        switch.ip(&format!("link set port{number} up"));
        node.ip(&format!("address add 10.9.0.{number}/24 dev eth0"));
        node.ip("link set eth0 up");
        eventually(|| node.ip("-o link show eth0").contains("state UP"));
        Some(node)
    };
    let (a, b, witness) = (node(1)?, node(2)?, node(3)?);
    eventually(|| {
        !switch
            .ip("-d -o link show master br0")
            .contains("state listening")
    });
    Some(Trio {
        a,
        b,
        witness,
        switch,
    })
}

/// An advert as a third node sees it, over IPv4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenAdvert {
    pub(crate) source: Ipv4Addr,
    pub(crate) identification: u16,
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
    /// Behind an authentication header: its sequence number.
    pub(crate) sequence: Option<u32>,
}

impl SeenAdvert {
    pub(crate) fn parse(frame: &[u8]) -> Option<Self> {
        let ip = frame.strip_prefix(&[1, 0, 0x5e, 0, 0, 0x12])?.get(6..)?;
        let ip = ip.strip_prefix(&[8, 0])?;
        let payload = ip.get(20..)?;
        let (sequence, message) = match ip[9] {
            112 => (None, payload),
            51 => {
                let sequence = payload[8..12].try_into().unwrap();
                (Some(u32::from_be_bytes(sequence)), &payload[24..])
            }
            _ => return None,
        };
        Some(Self {
            source: Ipv4Addr::new(ip[12], ip[13], ip[14], ip[15]),
            identification: u16::from_be_bytes([ip[4], ip[5]]),
            vrid: message[1],
            priority: message[2],
            sequence,
        })
    }
}

/// Sees all frames of a namespace.
pub(crate) struct Tap(socket2::Socket);

impl Tap {
    pub(crate) fn new(node: &Node) -> Self {
        node.run(|| {
            use socket2::{Domain, Protocol, Socket, Type};
            let every_protocol = i32::from(3_u16.to_be());
            let socket = Socket::new(
                Domain::PACKET,
                Type::RAW,
                Some(Protocol::from(every_protocol)),
            );
            let socket = socket.unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            let stamps = nix::sys::socket::sockopt::ReceiveTimestampns;
            nix::sys::socket::setsockopt(&socket, stamps, &true).unwrap();
            Self(socket)
        })
    }

    /// Waits for the next advert that fits, and tells when the kernel saw it.
    pub(crate) fn advert_when(
        &self,
        what: &str,
        fits: impl Fn(&SeenAdvert) -> bool,
    ) -> (Duration, SeenAdvert) {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let (at, frame) = self.next_stamped();
            if let Some(advert) = SeenAdvert::parse(&frame).filter(&fits) {
                return (at, advert);
            }
        }
        panic!("no advert in time: {what}");
    }

    /// The next frame with the time of the kernel, on the clock of the wall.
    pub(crate) fn next_stamped(&self) -> (Duration, Vec<u8>) {
        use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
        use std::os::fd::AsRawFd as _;
        let mut buffer = vec![0; 2048];
        let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec);
        let (at, length) = {
            let mut vectors = [std::io::IoSliceMut::new(&mut buffer)];
            // A child that ends interrupts whoever waits.
            self.wait();
            let received = recvmsg::<()>(
                self.0.as_raw_fd(),
                &mut vectors,
                Some(&mut control),
                MsgFlags::empty(),
            );
            let received = received.expect("a frame in time");
            let stamp = received.cmsgs().unwrap().find_map(|message| match message {
                ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
                _ => None,
            });
            (stamp.expect("a time"), received.bytes)
        };
        buffer.truncate(length);
        (at, buffer)
    }

    /// Waits for the next advert.
    pub(crate) fn next_advert(&self) -> SeenAdvert {
        loop {
            if let Some(advert) = SeenAdvert::parse(&self.next()) {
                return advert;
            }
        }
    }

    /// All adverts that have come and were not taken yet.
    pub(crate) fn adverts(&self) -> Vec<SeenAdvert> {
        use std::io::Read as _;
        self.0.set_nonblocking(true).unwrap();
        let mut buffer = vec![0; 2048];
        let mut seen = Vec::new();
        while let Ok(length) = (&self.0).read(&mut buffer) {
            seen.extend(SeenAdvert::parse(&buffer[..length]));
        }
        self.0.set_nonblocking(false).unwrap();
        seen
    }

    /// Until there is a frame, whatever signals come meanwhile.
    fn wait(&self) {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let mut waiting = [PollFd::new(&self.0, PollFlags::IN)];
            let patience = Timespec {
                tv_sec: 1,
                tv_nsec: 0,
            };
            if poll(&mut waiting, Some(&patience)).is_ok_and(|ready| ready > 0) {
                return;
            }
        }
        panic!("no frame in time");
    }

    pub(crate) fn next(&self) -> Vec<u8> {
        self.wait();
        use std::io::Read as _;
        let mut buffer = vec![0; 2048];
        loop {
            match (&self.0).read(&mut buffer) {
                Ok(length) => {
                    buffer.truncate(length);
                    return buffer;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => panic!("no frame in time: {error}"),
            }
        }
    }
}

/// An engine with its events.
pub(crate) struct Running {
    pub(crate) engine: Engine,
    pub(crate) events: Events,
    seen: Vec<Event>,
}

/// Longer than anything takes on a machine that is not stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

impl Running {
    /// Takes events until one fits.
    pub(crate) async fn wait(&mut self, what: &str, fits: impl Fn(&Event) -> bool) -> Event {
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

    pub(crate) async fn wait_state(&mut self, name: &str, state: State) -> Event {
        let what = format!("{name} {state}");
        self.wait(&what, |event| {
            matches!(event, Event::Transition { instance, to, .. } if &**instance == name && *to == state)
        })
        .await
    }

    /// Asks for snapshots until one fits.
    pub(crate) async fn until(&self, what: &str, fits: impl Fn(&vrrp_net::Snapshot) -> bool) {
        let start = Instant::now();
        while !fits(&self.engine.refresh().await.unwrap()) {
            assert!(start.elapsed() < PATIENCE, "waited for {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Takes all events there are; those that tell of a change of state or of addresses are returned.
    pub(crate) fn changes(&mut self) -> Vec<String> {
        let mut changes = Vec::new();
        while let Some(event) = self.events.try_recv() {
            let quiet = matches!(event, Event::Warning { .. } | Event::Resumed { .. });
            if !quiet {
                changes.push(event.to_string());
            }
            self.seen.push(event);
        }
        changes
    }

    pub(crate) fn story(&self) -> String {
        self.seen
            .iter()
            .map(|event| format!("  {event}\n"))
            .collect()
    }
}

pub(crate) fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// For states of the kernel that announce themselves to nobody in the test.
pub(crate) fn eventually(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "it never came to hold");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A fast version 3 instance on `eth0`.
pub(crate) fn fast(name: &str, vrid: u8, priority: u8, addresses: &[&str]) -> InstanceConfig {
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

/// Instances as a configuration has them.
pub(crate) fn shared<const COUNT: usize>(
    instances: [InstanceConfig; COUNT],
) -> Vec<Arc<InstanceConfig>> {
    instances.map(Arc::new).to_vec()
}

pub(crate) fn one(instance: InstanceConfig) -> Configuration {
    Configuration {
        instances: shared([instance]),
        ..Configuration::default()
    }
}

pub(crate) fn settings() -> Settings {
    Settings::default()
}

/// An event that tells of this address on its interface.
pub(crate) fn added(address: &str) -> impl Fn(&Event) -> bool + use<> {
    let wanted: std::net::IpAddr = address.parse().unwrap();
    move |event| matches!(event, Event::AddressAdded { address, .. } if *address == wanted)
}

//! The loop of the BFD thread.

use super::socket::{Received, destination, receive, receiver, sender};
use super::{BfdPlan, bfd_tracker};
use crate::track::Report;
use bfd_proto::{ControlPacket, Session, State};
use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{debug, warn};
use vrrp_net::TrackerState;

/// What sessions can share a socket for receiving: IPv6 or not, multihop or not.
type Kind = (bool, bool);

/// A socket that cannot be opened is tried again after this.
const AGAIN: Duration = Duration::from_secs(5);

/// A session that has not come up within this time counts as down.
const SLOW: Duration = Duration::from_secs(5);

/// A report that finds no room is tried again after this.
const CROWDED: Duration = Duration::from_millis(10);

struct Running {
    plan: BfdPlan,
    session: Session,
    /// `None` while it cannot be opened.
    socket: Option<UdpSocket>,
    /// When it counts as down if nothing has been told of it until then.
    unknown_until: Option<Instant>,
    /// The last that was told of it, or stands in `untold`.
    up: bool,
}

struct Engine {
    sessions: BTreeMap<String, Running>,
    receivers: BTreeMap<Kind, Option<UdpSocket>>,
    start: Instant,
    random: u32,
    reports: mpsc::Sender<Report>,
    /// Reports for which there was no room, the newest of each session.
    untold: BTreeMap<String, Report>,
    /// When sockets that could not be opened are tried again.
    again: Option<Instant>,
}

/// Runs the sessions that it is told of, until nobody can tell any more.
pub(super) async fn run(
    mut orders: mpsc::UnboundedReceiver<Vec<BfdPlan>>,
    reports: mpsc::Sender<Report>,
) {
    let mut engine = Engine {
        sessions: BTreeMap::new(),
        receivers: BTreeMap::new(),
        start: Instant::now(),
        // Low bits of a fresh hasher's value are as good as any.
        random: u32::try_from(RandomState::new().build_hasher().finish() & 0xffff_ffff)
            .unwrap_or(1),
        reports,
        untold: BTreeMap::new(),
        again: None,
    };
    loop {
        let due = engine.due();
        tokio::select! {
            order = orders.recv() => match order {
                Some(plans) => engine.replace(plans),
                None => break,
            },
            received = next(&engine.receivers) => match received {
                Ok(received) => engine.take(&received),
                // An ICMP error of an earlier packet, for instance; the detection time tells what it means.
                Err(error) => debug!(%error, "BFD socket: {error}"),
            },
            () = tokio::time::sleep_until(due) => {}
        }
        engine.work();
    }
    for running in engine.sessions.values_mut() {
        running.session.shut_down();
    }
    engine.work();
}

/// The next datagram on any of the sockets.
async fn next(receivers: &BTreeMap<Kind, Option<UdpSocket>>) -> io::Result<Received> {
    let on = |kind: Kind| async move {
        match receivers.get(&kind) {
            Some(Some(socket)) => receive(socket).await,
            _ => std::future::pending().await,
        }
    };
    tokio::select! {
        received = on((false, false)) => received,
        received = on((false, true)) => received,
        received = on((true, false)) => received,
        received = on((true, true)) => received,
    }
}

impl Engine {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn random(&mut self) -> u32 {
        // Only spreads packets and chooses names; nobody has to be unable to guess it.
        self.random = self
            .random
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        self.random >> 4
    }

    fn due(&self) -> Instant {
        let sessions = self.sessions.values();
        let due = sessions
            .filter_map(|running| running.session.poll_timeout())
            .min();
        let due = due.map(|due| self.start + due);
        let unknown = self.sessions.values();
        let unknown = unknown.filter_map(|running| running.unknown_until).min();
        let now = Instant::now();
        let crowded = (!self.untold.is_empty()).then(|| now + CROWDED);
        let far = now + Duration::from_secs(3600);
        let all = [due, unknown, crowded, self.again];
        all.into_iter().flatten().min().unwrap_or(far)
    }

    fn replace(&mut self, plans: Vec<BfdPlan>) {
        let mut before = std::mem::take(&mut self.sessions);
        for plan in plans {
            let running = match before.remove(&plan.name) {
                Some(running) if running.plan == plan => running,
                other => {
                    if let Some(old) = other {
                        self.end(old, "the session begins anew");
                    }
                    let discriminator = self.random().max(1);
                    Running {
                        session: Session::new(plan.session, discriminator),
                        socket: None,
                        unknown_until: Some(Instant::now() + SLOW),
                        up: false,
                        plan,
                    }
                }
            };
            self.sessions.insert(running.plan.name.clone(), running);
        }
        for gone in before.into_values() {
            self.end(gone, "the session is not configured any more");
        }
        self.open();
    }

    /// Ends a session, which the neighbour is told, and so is who takes it to be up.
    fn end(&mut self, mut ended: Running, why: &str) {
        ended.session.shut_down();
        transmit(&mut ended, self.now(), 0);
        if ended.up {
            self.tell(&ended.plan, false, why.to_owned());
        }
    }

    /// Reports a session. What finds no room now is kept until there is some.
    fn tell(&mut self, plan: &BfdPlan, up: bool, reason: String) {
        let state = if up {
            TrackerState::Up
        } else {
            TrackerState::Down
        };
        let report = Report {
            kind: "bfd_instance",
            name: bfd_tracker(&plan.name),
            state,
            reason,
        };
        self.untold.insert(plan.name.clone(), report);
        self.tell_waiting();
    }

    fn tell_waiting(&mut self) {
        while let Some((_, report)) = self.untold.first_key_value() {
            if let Err(mpsc::error::TrySendError::Full(_)) = self.reports.try_send(report.clone()) {
                return;
            }
            // Told, or nobody is there any more.
            self.untold.pop_first();
        }
    }

    /// Opens the sockets that are needed and not there, and closes those that are not needed any more.
    fn open(&mut self) {
        self.again = None;
        let kinds: BTreeMap<Kind, ()> = self
            .sessions
            .values()
            .map(|running| (kind(&running.plan), ()))
            .collect();
        self.receivers.retain(|kind, _| kinds.contains_key(kind));
        let mut failed = Vec::new();
        for kind in kinds.into_keys() {
            let slot = self.receivers.entry(kind).or_insert(None);
            if slot.is_none() {
                match receiver(kind.0, kind.1) {
                    Ok(socket) => *slot = Some(socket),
                    Err(error) => failed.push(format!(
                        "port {} cannot be listened on: {error}",
                        super::socket::port(kind.1)
                    )),
                }
            }
        }
        let random = self.random();
        for running in self
            .sessions
            .values_mut()
            .filter(|running| running.socket.is_none())
        {
            let plan = &running.plan;
            match sender(plan.neighbour, plan.source, plan.hop_limit, random) {
                Ok(socket) => running.socket = Some(socket),
                Err(error) => failed.push(format!("session {}: {error}", plan.name)),
            }
        }
        for problem in &failed {
            warn!(event = "bfd_socket", reason = problem, "BFD: {problem}");
        }
        if !failed.is_empty() {
            self.again = Some(Instant::now() + AGAIN);
        }
    }

    fn take(&mut self, received: &Received) {
        let packet = match ControlPacket::decode(&received.octets) {
            Ok(packet) => packet,
            Err(error) => {
                debug!(source = %received.source, %error, "BFD packet dropped: {error}");
                return;
            }
        };
        let now = self.now();
        let ours = |running: &&mut Running| match packet.your_discriminator {
            0 => running.plan.neighbour == received.source,
            ours => running.session.discriminator() == ours,
        };
        let Some(running) = self.sessions.values_mut().find(ours) else {
            debug!(source = %received.source, "BFD packet for no session of ours");
            return;
        };
        let plan = &running.plan;
        let hops = received.hop_limit.unwrap_or(0);
        let far = plan
            .max_hops
            .is_some_and(|most| hops.saturating_add(most) < plan.hop_limit);
        if far || plan.neighbour != received.source {
            debug!(source = %received.source, hops, "BFD packet from elsewhere dropped");
            return;
        }
        if let Err(error) = running.session.handle_packet(now, &packet) {
            debug!(session = plan.name, %error, "BFD packet dropped: {error}");
        }
    }

    /// Sends what is due and reports what has happened.
    fn work(&mut self) {
        if self.again.is_some_and(|again| again <= Instant::now()) {
            self.open();
        }
        let now = self.now();
        let random = self.random();
        let mut news = Vec::new();
        for running in self.sessions.values_mut() {
            running.session.handle_timeout(now);
            transmit(running, now, random);
            while let Some(event) = running.session.poll_event() {
                let name = &running.plan.name;
                debug!(session = name, from = %event.from, to = %event.to, "BFD session {name}: {} -> {}", event.from, event.to);
                let up = event.to == State::Up;
                if !up && event.from != State::Up {
                    continue;
                }
                running.up = up;
                running.unknown_until = None;
                let reason = if up {
                    format!("the session with {} is up", running.plan.neighbour)
                } else {
                    event.diagnostic.to_string()
                };
                news.push((running.plan.clone(), up, reason));
            }
            if running
                .unknown_until
                .is_some_and(|until| until <= Instant::now())
            {
                running.unknown_until = None;
                let reason = format!(
                    "the session with {} has not come up",
                    running.plan.neighbour
                );
                news.push((running.plan.clone(), false, reason));
            }
        }
        for (plan, up, reason) in news {
            self.tell(&plan, up, reason);
        }
        self.tell_waiting();
    }
}

fn kind(plan: &BfdPlan) -> Kind {
    (plan.neighbour.is_ipv6(), plan.multihop)
}

fn transmit(running: &mut Running, now: Duration, random: u32) {
    let to = destination(running.plan.neighbour, running.plan.multihop);
    while let Some(packet) = running.session.poll_transmit(now, random) {
        if let Some(socket) = &running.socket
            && let Err(error) = socket.try_send_to(&packet.encode(), to)
        {
            debug!(session = running.plan.name, %error, "BFD packet not sent: {error}");
        }
    }
}

//! Giving up mastership in order: failover and maintenance.

use super::actions::{Told, because, record};
use super::running::Running;
use crate::control::master_down;
use director_control::{Order, Problem, ProblemKind, Timestamp, Who};
use healthcheck::{PingProbe, PingSettings, Probe};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use vrrp_net::{Configuration, Order as EngineOrder, State, Tracker, TrackerConfig, TrackerState};
use vrrp_proto::Transport;

/// A tracker of every instance, which is bad while the node is in maintenance: it brings the priority down to 1, so that
/// whoever comes takes over.
const MAINTENANCE: &str = "maintenance of the node";

/// The lowest weight of a tracker.
const LOWEST: i16 = -253;

/// The configuration with the tracker of maintenance.
pub(super) fn with_maintenance(configuration: &Configuration) -> Configuration {
    let mut configuration = configuration.clone();
    configuration.trackers.push(TrackerConfig {
        name: MAINTENANCE.into(),
        initial: TrackerState::Up,
    });
    configuration.common_trackers.push(Tracker {
        name: MAINTENANCE.into(),
        weight: LOWEST,
        reverse: false,
    });
    configuration
}

type Done = Result<Told, Problem>;

/// Routers that could take over an instance.
#[derive(Debug)]
pub(super) struct Candidates {
    instance: String,
    peers: Vec<IpAddr>,
}

impl Running {
    /// The instances that are master now.
    pub(super) fn masters(&self) -> Vec<Arc<str>> {
        let Some(vrrp) = &self.vrrp else {
            return Vec::new();
        };
        let snapshot = vrrp.engine.snapshots().latest();
        let master = snapshot
            .instances
            .iter()
            .filter(|(_, status)| status.state == State::Master);
        master.map(|(name, _)| Arc::clone(name)).collect()
    }

    /// The instance and those that are master only together with it.
    fn with_group(&self, instance: &str) -> Vec<String> {
        let mut groups = self.plan.vrrp.groups.iter();
        let group = groups.find(|group| group.members.iter().any(|member| member == instance));
        group.map_or_else(|| vec![instance.to_owned()], |group| group.members.clone())
    }

    /// Who could take over what an order gives up. They are asked, off the loop, whether they are there.
    pub(super) fn candidates(&self, instance: Option<&str>) -> Vec<Candidates> {
        let masters = self.masters();
        let wanted = masters
            .iter()
            .filter(|name| instance.is_none_or(|wanted| wanted == &***name));
        let of = |name: &Arc<str>| {
            let mut peers: Vec<IpAddr> = self.control.heard(name);
            let configured = self
                .plan
                .vrrp
                .instances
                .iter()
                .find(|config| *config.name == **name);
            if let Some(Transport::Unicast { peers: all, .. }) =
                configured.map(|config| &config.router.transport)
            {
                peers.extend(all.iter().map(|peer| peer.address));
            }
            peers.sort_unstable();
            peers.dedup();
            Candidates {
                instance: name.to_string(),
                peers,
            }
        };
        wanted.map(of).collect()
    }

    pub(super) async fn fail_over(
        &mut self,
        instance: Option<&str>,
        until: Option<Timestamp>,
        order: &Order,
        who: &Who,
    ) -> Done {
        let masters = self.masters();
        let chosen: Vec<String> = match instance {
            None if masters.is_empty() => {
                return Err(Problem::new(
                    ProblemKind::Precondition,
                    "no instance is master here, so there is nothing to give up",
                ));
            }
            None => masters.iter().map(ToString::to_string).collect(),
            Some(name) => {
                if !self
                    .plan
                    .vrrp
                    .instances
                    .iter()
                    .any(|config| &*config.name == name)
                {
                    return Err(Problem::new(
                        ProblemKind::NotFound,
                        format!(
                            "there is no instance {name}; `director status` shows what there is"
                        ),
                    ));
                }
                if !masters.iter().any(|master| **master == *name) {
                    return Err(Problem::new(
                        ProblemKind::Precondition,
                        format!("{name} is not master here; give the order to the node that is"),
                    ));
                }
                vec![name.to_owned()]
            }
        };
        let mut told = Told::default();
        let hold = order.for_seconds.map(Duration::from_secs_f64);
        for name in &chosen {
            told.changes
                .push(format!("{name} resigns and lets another router be master"));
            if let Some(back) = self.back_again(name) {
                told.notes.push(back);
            }
        }
        if order.dry_run {
            return Ok(told);
        }
        let why = because(who, order.reason.as_deref());
        for name in &chosen {
            for member in self.with_group(name) {
                let record = record(order, who, until);
                self.control.overrides.stood_down.insert(member, record);
            }
            tracing::info!(event = "failover", instance = name, %who, reason = order.reason, "{name} is told to stand down {why}");
            self.engine_order(name, EngineOrder::StandDown { hold })
                .await?;
        }
        Ok(told)
    }

    /// What happens if nobody takes over.
    fn back_again(&self, name: &str) -> Option<String> {
        let config = self
            .plan
            .vrrp
            .instances
            .iter()
            .find(|config| &*config.name == name)?;
        let seconds = master_down(config, config.router.priority.value()).as_secs_f64();
        Some(format!(
            "if nobody takes over, {name} is master again after {seconds:.2} s"
        ))
    }

    pub(super) async fn begin_maintenance(
        &mut self,
        until: Option<Timestamp>,
        order: &Order,
        who: &Who,
    ) -> Done {
        let mut told = Told::default();
        let masters = self.masters();
        told.changes.push(
            "the node is in maintenance: its priorities are 1, and it is not master while any other router is there"
                .to_owned(),
        );
        for name in &masters {
            told.changes
                .push(format!("{name} resigns and lets another router be master"));
            told.notes.extend(self.back_again(name));
        }
        if order.dry_run {
            return Ok(told);
        }
        let before = self
            .control
            .overrides
            .maintenance
            .replace(record(order, who, until));
        if let Err(error) = self.control.overrides.write() {
            self.control.overrides.maintenance = before;
            return Err(Problem::new(
                ProblemKind::Failed,
                format!(
                    "the state directory cannot be written, so maintenance would be forgotten at the next start: {error}"
                ),
            ));
        }
        let why = because(who, order.reason.as_deref());
        tracing::warn!(event = "maintenance_begun", %who, reason = order.reason, "the node is in maintenance {why}");
        self.stand_down().await;
        Ok(told)
    }

    pub(super) async fn end_maintenance(&mut self, order: &Order, who: &Who) -> Done {
        let mut told = Told::default();
        if self.control.overrides.maintenance.is_none() {
            told.notes.push("the node is not in maintenance".to_owned());
            return Ok(told);
        }
        told.changes
            .push("the node is not in maintenance any more and takes part in elections".to_owned());
        if order.dry_run {
            return Ok(told);
        }
        self.control.overrides.maintenance = None;
        let written = self.control.overrides.write();
        let why = because(who, order.reason.as_deref());
        tracing::info!(event = "maintenance_ended", %who, reason = order.reason, "the node is not in maintenance any more {why}");
        self.take_part_again().await;
        if let Err(error) = written {
            told.notes.push(format!("the state directory cannot be written, so the next start is in maintenance again: {error}"));
        }
        Ok(told)
    }

    /// In maintenance every instance accepts any other master. Said again after a start or reload, which may bring new ones.
    pub(super) async fn stand_down(&mut self) {
        if self.control.overrides.maintenance.is_none() {
            return;
        }
        self.tell_maintenance(TrackerState::Down).await;
        self.order_all(EngineOrder::StandDown { hold: None }, &[])
            .await;
    }

    /// Elections as configured again: a hold that is over at once.
    pub(super) async fn take_part_again(&mut self) {
        self.tell_maintenance(TrackerState::Up).await;
        let hold = Some(Duration::ZERO);
        // A master would give up mastership.
        let masters = self.masters();
        self.order_all(EngineOrder::StandDown { hold }, &masters)
            .await;
    }

    async fn tell_maintenance(&self, state: TrackerState) {
        if let Some(vrrp) = &self.vrrp {
            // The engine has ended: the loop learns that from its events.
            let _ = vrrp.engine.tracker_result(MAINTENANCE, state).await;
        }
    }

    async fn order_all(&mut self, order: EngineOrder, but: &[Arc<str>]) {
        let names: Vec<Arc<str>> = self
            .plan
            .vrrp
            .instances
            .iter()
            .map(|config| Arc::clone(&config.name))
            .collect();
        for name in names
            .into_iter()
            .filter(|name| !but.iter().any(|master| **master == **name))
        {
            if let Err(problem) = self.engine_order(&name, order).await {
                let reason = problem.message;
                tracing::error!(
                    event = "order_failed",
                    instance = &*name,
                    reason,
                    "{name}: {reason}"
                );
            }
        }
    }

    async fn engine_order(&self, instance: &str, order: EngineOrder) -> Result<State, Problem> {
        let failed = |message: String| Problem::new(ProblemKind::Failed, message);
        let Some(vrrp) = &self.vrrp else {
            return Err(failed("the VRRP engine does not run".to_owned()));
        };
        vrrp.engine
            .order(instance, order)
            .await
            .map_err(|error| failed(crate::output::chain(&error)))
    }
}

/// Whether somebody is there to take over. A backup says nothing, so all that can be found out is whether a router that has
/// been heard, or is configured, answers an echo request.
pub(super) async fn peers_answer(candidates: Vec<Candidates>) -> Result<Vec<String>, Problem> {
    let mut notes = Vec::new();
    let mut reasons = Vec::new();
    for Candidates { instance, peers } in candidates {
        if peers.is_empty() {
            reasons.push(format!(
                "no other router of {instance} has been heard or is configured, and a silent backup cannot be told from none"
            ));
            continue;
        }
        let mut answering = Vec::new();
        let mut silent = Vec::new();
        for peer in peers {
            let probe = PingProbe::new(PingSettings::new(peer));
            let attempt = tokio::time::timeout(Duration::from_secs(2), probe.run());
            match attempt.await {
                Ok(outcome) if outcome.is_up() => answering.push(peer.to_string()),
                Ok(outcome) => silent.push(format!("{peer} ({outcome})")),
                Err(_) => silent.push(format!("{peer} (no answer)")),
            }
        }
        if answering.is_empty() {
            reasons.push(format!(
                "no router that could take over {instance} answers: {}",
                silent.join(", ")
            ));
        } else {
            notes.push(format!(
                "{instance}: {} answers an echo request",
                answering.join(", ")
            ));
        }
    }
    if reasons.is_empty() {
        return Ok(notes);
    }
    Err(Problem {
        kind: ProblemKind::Precondition,
        message: "nobody is known to be there to take over; --force tries it all the same"
            .to_owned(),
        reasons,
    })
}

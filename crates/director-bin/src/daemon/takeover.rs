//! Restart without loss: a new process takes over from the running one.
//!
//! The new process reads and checks its configuration first. Then it asks the old one, over the control socket, to stand
//! still: the VRRP engine stops between two adverts, addresses and IPVS table stay where they are, and all that is known is
//! handed over. The new process starts its engine from that, and says so; only then does the old one end. If the new process
//! fails or goes away, the old one goes on as if nothing had happened.

use super::running::Running;
use super::{privileges, report, start};
use crate::cli::RunArguments;
use crate::config::Plan;
use crate::control::{Incoming, places, problem};
use crate::exit::Exit;
use crate::lvs::{CheckId, Model, Touched, Verdict};
use crate::output;
use crate::state::network_namespace;
use director_control::client::{Client, ClientError};
use director_control::{ProblemKind, Request, Response, Who};
use healthcheck::{Monitor, Weight};
use ipvs_netlink::DestinationId;
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What is handed over, as this version writes it. It grows when a reader that leaves out what it does not know would go
/// wrong; what is merely added stays in the same format and has a default for those who do not write it.
const FORMAT: u32 = 1;

/// The oldest format that this version reads.
const OLDEST: u32 = 1;

/// How long the new process waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two questions to one that is busy.
const BREATH: Duration = Duration::from_millis(200);

/// How long scripts that still run at the end are waited for.
const SCRIPTS: Duration = Duration::from_secs(5);

/// What one process hands to the next.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Inheritance {
    format: u32,
    /// The program that wrote it.
    #[serde(default)]
    version: String,
    /// The VRRP engine; `None` if none runs.
    pub(super) vrrp: Option<vrrp_net::Handover>,
    #[serde(default)]
    pub(super) lvs: InheritedLvs,
}

/// What is known of the real servers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct InheritedLvs {
    #[serde(default)]
    checks: Vec<InheritedCheck>,
    /// Virtual servers whose quorum is there.
    #[serde(default)]
    quorums: Vec<String>,
    /// VRRP instances that are master.
    #[serde(default)]
    masters: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct InheritedCheck {
    virtual_server: String,
    real_server: SocketAddr,
    index: usize,
    up: bool,
    /// A check has really come to this verdict.
    made: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<InheritedWeight>,
    reason: String,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum InheritedWeight {
    Exact(u32),
    Adjust(i64),
    Percent(u32),
}

impl InheritedWeight {
    const fn of(weight: Weight) -> Option<Self> {
        match weight {
            Weight::Exact(weight) => Some(Self::Exact(weight)),
            Weight::Adjust(change) => Some(Self::Adjust(change)),
            Weight::Percent(share) => Some(Self::Percent(share)),
            _ => None,
        }
    }

    const fn weight(self) -> Weight {
        match self {
            Self::Exact(weight) => Weight::Exact(weight),
            Self::Adjust(change) => Weight::Adjust(change),
            Self::Percent(share) => Weight::Percent(share),
        }
    }
}

impl InheritedCheck {
    fn id(&self) -> CheckId {
        CheckId {
            virtual_server: Arc::from(self.virtual_server.as_str()),
            real_server: DestinationId::from(self.real_server),
            index: self.index,
        }
    }

    fn weight(&self) -> Option<Weight> {
        self.weight.map(InheritedWeight::weight)
    }
}

impl InheritedLvs {
    /// What a director knows of its servers.
    fn of(model: &Model, masters: Vec<String>) -> Self {
        let mut all = Self {
            masters,
            ..Self::default()
        };
        for state in model.states() {
            let name = state.config().name.to_string();
            for real in state.real_servers() {
                for (index, verdict) in real.verdicts.iter().enumerate() {
                    all.checks.push(InheritedCheck {
                        virtual_server: name.clone(),
                        real_server: real.config.destination.id.address_and_port(),
                        index,
                        up: verdict.up,
                        made: verdict.made,
                        weight: verdict.weight.and_then(InheritedWeight::of),
                        reason: verdict.reason.to_string(),
                    });
                }
            }
            if state.quorum_up() {
                all.quorums.push(name);
            }
        }
        all
    }

    /// Verdicts and quorums as the predecessor knew them. What is not configured any more is left out.
    pub(super) fn give_to(&self, model: &mut Model) {
        for check in &self.checks {
            let verdict = Verdict {
                made: check.made,
                ..Verdict::made(check.up, check.weight(), &check.reason)
            };
            // The predecessor has told what follows from it.
            let _ = model.observe(&check.id(), verdict, &mut Touched::default());
        }
        for name in &self.quorums {
            model.resume_quorum(name);
        }
        for instance in &self.masters {
            model.set_master(&Arc::from(instance.as_str()), true);
        }
    }

    /// Retries go on counting from what was known.
    pub(super) fn give_to_monitor(&self, monitor: &Monitor<CheckId>) {
        for check in self.checks.iter().filter(|check| check.made) {
            let verdict = if check.up {
                healthcheck::Verdict::Up
            } else {
                healthcheck::Verdict::Down
            };
            monitor.adopt(check.id(), verdict, check.weight());
        }
    }
}

/// A director that stands still for this process.
pub(super) struct Predecessor {
    client: Client,
    inheritance: Option<Inheritance>,
    /// Its VRRP instances that were master and are not configured any more.
    left_out: Vec<String>,
}

impl Predecessor {
    /// What it has handed over, apart.
    pub(super) fn split(mut self) -> (Self, Inheritance) {
        let inheritance = self.inheritance.take().unwrap_or_default();
        (self, inheritance)
    }

    /// Everything runs here: it may end.
    pub(super) fn release(&mut self) {
        match self.client.call(Request::TakenOver {
            left_out: std::mem::take(&mut self.left_out),
        }) {
            // The old one may be gone before its last word is.
            Ok(_) | Err(ClientError::Closed) => tracing::info!(
                event = "taken_over",
                "taken over from the director before this one, which ends"
            ),
            Err(error) => {
                let reason = output::chain(&error);
                tracing::warn!(
                    event = "taken_over",
                    reason,
                    "taken over from the director before this one, which has not answered: {reason}"
                );
            }
        }
    }
}

/// Asks the running director to stand still, if that is wanted and there is one.
pub(super) fn ask(arguments: &RunArguments, plan: &Plan) -> Result<Option<Predecessor>, String> {
    if !arguments.takeover {
        return Ok(None);
    }
    // What would stop this process later must not make the other one stand still.
    let missing = privileges::missing(
        !plan.vrrp.instances.is_empty(),
        !plan.virtual_servers.is_empty(),
    );
    if let Some(missing) = missing.first() {
        return Err(missing.to_string());
    }
    for place in places(arguments.control.as_deref(), &arguments.state_dir) {
        if let Some((client, state)) = ask_at(&place)? {
            let inheritance = understood(state)?;
            let version = &inheritance.version;
            tracing::info!(
                event = "taking_over",
                version,
                "taking over from a director of version {version:?}"
            );
            let vrrp = inheritance.vrrp.as_ref();
            let left_out = vrrp.map(|vrrp| vrrp.masters_left_out(&plan.vrrp));
            return Ok(Some(Predecessor {
                client,
                inheritance: Some(inheritance),
                left_out: left_out.unwrap_or_default(),
            }));
        }
    }
    tracing::info!(
        event = "nobody_to_take_over",
        "no director runs that could be taken over from, starting as usual"
    );
    Ok(None)
}

/// Asks the director that listens at `place`; `None` if there is none for this network namespace.
fn ask_at(place: &Path) -> Result<Option<(Client, serde_json::Value)>, String> {
    let mut client = match Client::connect(place) {
        Ok(client) => client,
        Err(ClientError::NotRunning(_)) => return Ok(None),
        Err(error) => return Err(output::chain(&error)),
    };
    client
        .set_patience(Some(PATIENCE))
        .map_err(|error| output::chain(&error))?;
    let request = Request::HandOver {
        pid: std::process::id(),
        network_namespace: Some(network_namespace()),
    };
    let asked = Instant::now();
    let answer = loop {
        match client.call(request.clone()) {
            // Another successor has failed it, or is about to be the one to ask.
            Err(ClientError::Problem(problem))
                if problem.kind == ProblemKind::Busy && asked.elapsed() < PATIENCE =>
            {
                std::thread::sleep(BREATH);
            }
            answer => break answer,
        }
    };
    match answer {
        Ok(Response::HandOver { state }) => Ok(Some((client, state))),
        Ok(other) => Err(format!("the running director answered {other:?}")),
        Err(ClientError::Problem(problem)) if problem.kind == ProblemKind::NotFound => Ok(None),
        // It has just ended.
        Err(ClientError::Closed) => Ok(None),
        Err(error) => Err(format!(
            "the running director does not hand over: {}",
            output::chain(&error)
        )),
    }
}

/// What was handed over, if this version can go on from it. Fields that it does not know are left out.
fn understood(state: serde_json::Value) -> Result<Inheritance, String> {
    let of = |state: &serde_json::Value| {
        let version = state.get("version").and_then(serde_json::Value::as_str);
        version.map_or_else(
            || "the running director".to_owned(),
            |version| format!("the running director ({version})"),
        )
    };
    const ADVICE: &str = "it goes on running; to change over, stop it and start this one, and the other node takes over meanwhile";
    let who = of(&state);
    // Another format may look different everywhere else.
    let format = state.get("format").and_then(serde_json::Value::as_u64);
    let known = format.and_then(|format| u32::try_from(format).ok());
    if !known.is_some_and(|format| (OLDEST..=FORMAT).contains(&format)) {
        let format = format.map_or_else(|| "none".to_owned(), |format| format.to_string());
        return Err(format!(
            "{who} hands over in format {format}, this one reads {OLDEST} to {FORMAT}; {ADVICE}"
        ));
    }
    let inheritance: Inheritance = serde_json::from_value(state)
        .map_err(|error| format!("what {who} hands over is not understood: {error}; {ADVICE}"))?;
    // Else its instances would begin anew, and the addresses go away for a while.
    match inheritance
        .vrrp
        .as_ref()
        .and_then(vrrp_net::Handover::problem)
    {
        Some(problem) => Err(format!(
            "what {who} hands over of VRRP cannot be used, {problem}; {ADVICE}"
        )),
        None => Ok(inheritance),
    }
}

/// What a later version might hand over in the same format: everything has got something more.
fn of_a_later_version(state: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match state {
        Value::Array(all) => all.into_iter().map(of_a_later_version).collect(),
        Value::Object(fields) => {
            // What has one field may be a choice, to which a version adds others, not fields; a duration stays what it is.
            let more = fields.len() > 1 && !fields.contains_key("nanos");
            let mut fields: serde_json::Map<String, Value> = fields
                .into_iter()
                .map(|(name, value)| (name, of_a_later_version(value)))
                .collect();
            if more {
                fields.insert(
                    "since_a_later_version".to_owned(),
                    serde_json::json!({ "words": ["new"], "number": 1.5 }),
                );
            }
            Value::Object(fields)
        }
        other => other,
    }
}

impl Running {
    /// Stands still for a successor. True if that has taken over.
    pub(super) async fn hand_over(
        &mut self,
        (pid, namespace): (u32, Option<u64>),
        who: &Who,
        answer: oneshot::Sender<Response>,
    ) -> bool {
        let refuse = |kind, message: &str| problem(kind, message);
        if who.uid != 0 && who.uid != geteuid().as_raw() {
            let _ = answer.send(refuse(
                ProblemKind::NotAllowed,
                "only root and the director's own user may take over",
            ));
            return false;
        }
        if namespace.is_some_and(|namespace| namespace != network_namespace()) {
            let text = "this director runs in another network namespace";
            let _ = answer.send(refuse(ProblemKind::NotFound, text));
            return false;
        }
        // What is written, the successor goes on with.
        if self.control.undo.is_some() && self.written_waiting().is_none() {
            let text = "a reload waits to be confirmed; `director confirm` it first";
            let _ = answer.send(refuse(ProblemKind::Precondition, text));
            return false;
        }
        tracing::info!(event = "handing_over", pid, %who, "handing over to process {pid}");
        let masters = self.masters().iter().map(ToString::to_string).collect();
        let lvs = InheritedLvs::of(&self.model, masters);
        let held = match &self.vrrp {
            Some(vrrp) => vrrp.engine.hand_over().await.ok(),
            None => None,
        };
        let inheritance = Inheritance {
            format: FORMAT,
            version: crate::VERSION.to_owned(),
            vrrp: held.as_ref().map(|held| held.handover().clone()),
            lvs,
        };
        let state = match serde_json::to_value(&inheritance) {
            Ok(state) if cfg!(feature = "later-handover") => of_a_later_version(state),
            Ok(state) => state,
            Err(error) => {
                let _ = answer.send(refuse(ProblemKind::Failed, &error.to_string()));
                return false;
            }
        };
        self.control.give_up();
        self.state.unlock();
        // If the session has gone, so has the successor.
        let asked = answer.send(Response::HandOver { state }).is_ok();
        let taken = if asked {
            self.successor_runs().await
        } else {
            None
        };
        if let Some(left_out) = taken {
            if let Some(held) = held {
                held.release_resigning(left_out);
            }
            return true;
        }
        drop(held);
        self.go_on(pid);
        false
    }

    /// Waits for the successor's word. Others have to wait or ask again.
    async fn successor_runs(&mut self) -> Option<Vec<String>> {
        loop {
            match self.control.next().await {
                Some(Incoming::TakenOver(taken)) => return taken,
                Some(Incoming::Asked(asked)) => {
                    let busy = problem(
                        ProblemKind::Busy,
                        "the director is handing over to its successor, ask again",
                    );
                    let _ = asked.answer.send(busy);
                }
                Some(Incoming::Drained(_)) => self.control.counted(),
                None => return None,
            }
        }
    }

    /// The successor has failed.
    fn go_on(&mut self, pid: u32) {
        if let Err(error) = self.state.lock_again() {
            let reason = output::chain(&error);
            tracing::error!(
                event = "state_lost",
                reason,
                "the state directory cannot be locked again: {reason}"
            );
        }
        self.control.take_back(&self.arguments, &self.state);
        tracing::error!(
            event = "hand_over_failed",
            pid,
            "process {pid} has not taken over, going on"
        );
        // Whatever it did to the table.
        if let Some(table) = &mut self.table {
            match table.replace(self.plan.wished(&self.model), false) {
                Ok(changes) => report::changes(&changes),
                Err(error) => report::table_error(&error),
            }
        }
        start::announce(&self.plan);
    }

    /// The end of a director that has a successor: everything stays where it is.
    pub(super) async fn leave(mut self) -> Exit {
        self.trackers.stop().await;
        if let Some(vrrp) = self.vrrp.take() {
            // It ends by itself after its release; what is in place is the successor's.
            vrrp.engine.abort();
        }
        self.notifier.finish(SCRIPTS).await;
        tracing::info!(event = "handed_over", "handed over, the successor runs");
        self.control.close();
        Exit::Success
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn inheritance() -> Inheritance {
        Inheritance {
            format: FORMAT,
            version: "0.1.0".to_owned(),
            vrrp: None,
            lvs: InheritedLvs {
                checks: vec![InheritedCheck {
                    virtual_server: "[10.0.0.1]:tcp:80".to_owned(),
                    real_server: "10.1.0.1:80".parse().unwrap(),
                    index: 0,
                    up: false,
                    made: true,
                    weight: Some(InheritedWeight::Percent(50)),
                    reason: "connection refused".to_owned(),
                }],
                quorums: vec!["[10.0.0.1]:tcp:80".to_owned()],
                masters: vec!["VI_1".to_owned()],
            },
        }
    }

    #[test]
    fn what_a_later_version_adds_is_left_out() {
        let now = serde_json::to_value(inheritance()).unwrap();
        let later = of_a_later_version(now.clone());
        assert_ne!(now, later);
        let read = understood(later).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), now);
    }

    #[test]
    fn an_earlier_version_writes_less() {
        let read = understood(json!({ "format": 1, "vrrp": null })).unwrap();
        assert_eq!(read.version, "");
        assert!(read.lvs.checks.is_empty());
    }

    #[test]
    fn what_cannot_be_understood_is_refused_with_the_way_out() {
        for (state, wanted) in [
            (
                json!({ "format": 2, "version": "9.0.0", "all": "new" }),
                "(9.0.0) hands over in format 2, this one reads 1 to 1",
            ),
            (json!({ "format": "x" }), "format none"),
            (json!([]), "format none"),
            (json!({ "format": 1, "vrrp": 7 }), "is not understood"),
            (
                json!({ "format": 1, "vrrp": { "format": 9, "boot": "", "taken_at": 0, "instances": [] } }),
                "its format is 9",
            ),
        ] {
            let error = understood(state).unwrap_err();
            assert!(error.contains(wanted), "{error}");
            assert!(error.contains("it goes on running"), "{error}");
        }
    }
}

//! What goes over the socket.

use crate::{ActionOutcome, Event, Order, Snapshot};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Version of the protocol that this crate speaks.
pub const VERSION: u32 = 1;

/// What a client writes: one line of JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Call {
    /// [`VERSION`] of the client.
    pub version: u32,
    /// What it wants.
    pub request: Request,
}

/// What a client wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Everything at this moment; answered by [`Response::Status`].
    Status,
    /// Events of the journal; answered by one [`Response::Event`] each, then [`Response::End`].
    Events {
        /// Go on with what happens from now on, until the client closes the connection.
        #[serde(default)]
        follow: bool,
        /// Begin so many events back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<usize>,
        /// Begin behind this sequence number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
    },
    /// Why something is as it is; answered by [`Response::Explanation`].
    Explain {
        /// A real server, virtual server, virtual address or instance.
        target: String,
    },
    /// What a reload would change; answered by [`Response::Done`].
    Plan,
    /// Do something; answered by [`Response::Done`].
    Order {
        /// What, why and for how long.
        #[serde(flatten)]
        order: Order,
    },
    /// What operators have set, as lines of configuration; answered by [`Response::Export`].
    Export,
    /// The metrics in OpenMetrics text; answered by [`Response::Metrics`].
    Metrics,
    /// Hand everything over to a successor; answered by [`Response::HandOver`]. The director stands
    /// still until [`Request::TakenOver`] comes on the same connection, or goes on if that closes.
    HandOver {
        /// Process id of the successor.
        pid: u32,
        /// Inode number of the successor's network namespace: a director in another one is not its predecessor, and
        /// answers that it is [not found](ProblemKind::NotFound).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        network_namespace: Option<u64>,
    },
    /// The successor runs: the director ends and leaves everything where it is; answered by
    /// [`Response::End`].
    TakenOver {
        /// VRRP instances that were master and that the successor does not have: they resign.
        #[serde(default)]
        left_out: Vec<String>,
    },
}

/// What the director writes: one line of JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Reply {
    /// [`VERSION`] of the director.
    pub version: u32,
    /// The answer.
    pub response: Response,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Response {
    /// Everything at one moment.
    Status {
        /// The moment.
        snapshot: Box<Snapshot>,
    },
    /// Something that happened.
    Event {
        /// What.
        event: Event,
    },
    /// The client was too slow: so many events are left out here.
    Missed {
        /// How many.
        count: u64,
    },
    /// Nothing follows.
    End,
    /// Why something is as it is.
    Explanation {
        /// One for each thing that the target names.
        explanations: Vec<Explanation>,
    },
    /// What became of an order.
    Done {
        /// What was changed.
        #[serde(flatten)]
        outcome: ActionOutcome,
    },
    /// Lines of configuration.
    Export {
        /// The text.
        text: String,
    },
    /// Metrics.
    Metrics {
        /// OpenMetrics text.
        text: String,
    },
    /// What a successor needs to know. Its content is between directors and not part of the
    /// protocol's promise.
    HandOver {
        /// The state.
        state: serde_json::Value,
    },
    /// It was not done.
    Problem {
        /// Why, and what would help.
        #[serde(flatten)]
        problem: Problem,
    },
}

/// Why a request was not answered with what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[error("{message}")]
pub struct Problem {
    /// The kind, for programs.
    pub kind: ProblemKind,
    /// The whole of it as a sentence.
    pub message: String,
    /// Every single reason, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

impl Problem {
    /// A problem with one reason.
    #[must_use]
    pub fn new(kind: ProblemKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            reasons: Vec::new(),
        }
    }
}

/// Kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// The request is not understood, or is of another version.
    BadRequest,
    /// Nothing of that name.
    NotFound,
    /// The caller may look but not change.
    NotAllowed,
    /// A precondition is not met; `force` overrides it.
    Precondition,
    /// It was tried and did not work; nothing has changed.
    Failed,
    /// Too many clients, or the director is stopping.
    Busy,
}

/// Why one thing is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Explanation {
    /// What is explained, such as `real server 10.0.0.4:80 of [172.16.1.8]:tcp:80`.
    pub subject: String,
    /// Its state in one sentence.
    pub state: String,
    /// The chain of causes, outermost first.
    pub because: Vec<Fact>,
    /// What would change it, a sentence each.
    pub would_change: Vec<String>,
    /// The last events about it, oldest first.
    pub history: Vec<Fact>,
}

/// A sentence with its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Fact {
    /// Since when, or when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<crate::Timestamp>,
    /// The sentence.
    pub text: String,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}.", self.subject, self.state)?;
        let mut part = |title: &str, facts: &mut dyn Iterator<Item = Fact>| -> fmt::Result {
            let mut facts = facts.peekable();
            if facts.peek().is_none() {
                return Ok(());
            }
            writeln!(f, "\n{title}")?;
            for fact in facts {
                match fact.at {
                    Some(at) => writeln!(f, "  - {} ({at})", fact.text)?,
                    None => writeln!(f, "  - {}", fact.text)?,
                }
            }
            Ok(())
        };
        part("because:", &mut self.because.iter().cloned())?;
        let plain = |text: &String| Fact {
            at: None,
            text: text.clone(),
        };
        part(
            "this would change it:",
            &mut self.would_change.iter().map(plain),
        )?;
        part("what happened lately:", &mut self.history.iter().cloned())
    }
}

/// Every line that either side may write, for the schema.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Line {
    /// From the client.
    Call(Box<Call>),
    /// From the director.
    Reply(Box<Reply>),
}

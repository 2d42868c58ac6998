//! The stream of records from the stage, where the nodes live, to the program that was called.
//!
//! One JSON object a line. The same records make the timeline on a terminal and the JSON report.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One line of the stream. Times are milliseconds since the first step began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Record {
    /// The nodes stand.
    Begin {
        /// The scenario's name.
        scenario: String,
        /// The scenario's description.
        description: String,
        /// Which kernel, and with it which IPVS, the nodes run on.
        kernel: String,
        /// One line a node: its name and its addresses.
        nodes: Vec<String>,
    },
    /// A step begins.
    StepBegin {
        /// When.
        at: u64,
        /// From 1.
        number: usize,
        /// Its title.
        title: String,
    },
    /// The runner does something to a node.
    Action {
        /// When.
        at: u64,
        /// What.
        text: String,
    },
    /// Something happened at a node.
    Note {
        /// When.
        at: u64,
        /// Where.
        node: String,
        /// What.
        text: String,
    },
    /// An expectation of the current step holds.
    Held {
        /// When it was true for the first time.
        at: u64,
        /// The expectation.
        text: String,
        /// What was seen.
        seen: String,
        /// Milliseconds from the step's first action.
        after: u64,
        /// Its deadline, as the scenario gives it; the slack is named where it was needed.
        limit: String,
    },
    /// An IPVS table that has changed since it was last shown.
    Table {
        /// When it was read.
        at: u64,
        /// The nodes whose table it is.
        nodes: Vec<String>,
        /// As `ipvsadm -Ln` prints it.
        text: String,
    },
    /// A step is over.
    StepEnd {
        /// When.
        at: u64,
        /// From 1.
        number: usize,
        /// Absent if everything held.
        failure: Option<Failure>,
        /// Which nodes hold the addresses that the scenario is about.
        holders: BTreeMap<IpAddr, Vec<String>>,
        /// The clients' requests in this step.
        traffic: TrafficSummary,
    },
    /// The run is over.
    End {
        /// When.
        at: u64,
        /// Whether every step held.
        passed: bool,
        /// All requests of all clients.
        traffic: TrafficSummary,
    },
    /// The laboratory itself failed.
    Trouble {
        /// What could not be done.
        message: String,
    },
}

/// Why a step did not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What was expected and did not come true.
    pub expected: Vec<String>,
    /// What was seen instead, in the same order.
    pub seen: Vec<String>,
    /// The last log lines of the nodes concerned.
    pub logs: BTreeMap<String, Vec<String>>,
}

/// Requests counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficSummary {
    /// Good answers by server.
    pub answered: BTreeMap<String, u64>,
    /// Requests without a good answer.
    pub failed: u64,
    /// The longest time between two good answers of an address, in milliseconds.
    pub longest_gap: BTreeMap<IpAddr, u64>,
}

impl TrafficSummary {
    /// Good answers of all servers together.
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.answered.values().sum()
    }
}

impl From<crate::judge::TrafficCount> for TrafficSummary {
    fn from(count: crate::judge::TrafficCount) -> Self {
        Self {
            answered: count.answered,
            failed: count.failed,
            longest_gap: count
                .longest_gap
                .into_iter()
                .map(|(address, gap)| (address, milliseconds(gap)))
                .collect(),
        }
    }
}

pub(crate) fn milliseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Record {
    /// Writes one line to standard output, which is the way out of the stage.
    pub(crate) fn send(&self) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        let mut out = std::io::stdout().lock();
        out.write_all(&line)?;
        out.flush()
    }
}

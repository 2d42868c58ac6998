//! The report of a run: every record, sorted into steps.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::record::{Failure, Record, TrafficSummary};

/// The version of the report's JSON form; it changes when a reader must.
pub const SCHEMA: u32 = 1;

/// What happened in a run. As JSON it is the output of `director lab run --json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The scenario's description.
    pub description: String,
    /// The kernel, and with it the IPVS, that the nodes ran on.
    pub kernel: String,
    /// Whether every step held.
    pub passed: bool,
    /// The length of the story in milliseconds, without setting up.
    pub milliseconds: u64,
    /// The nodes with their addresses.
    pub nodes: Vec<String>,
    /// The steps that were played, in order; the last one may have failed.
    pub steps: Vec<StepReport>,
    /// All requests of all clients.
    pub traffic: TrafficSummary,
}

/// What happened in a step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepReport {
    /// From 1; 0 is the start of the nodes, which is reported only if it fails.
    pub number: usize,
    /// Its title.
    pub title: String,
    /// When it began, in milliseconds since the first step began.
    pub began: u64,
    /// When it was over.
    pub ended: u64,
    /// Whether all its expectations held.
    pub passed: bool,
    /// Actions, happenings, expectations that held, and tables, in order.
    pub records: Vec<Record>,
    /// Why it did not hold.
    pub failure: Option<Failure>,
    /// Who held the addresses of the story at its end.
    pub holders: BTreeMap<IpAddr, Vec<String>>,
    /// The clients' requests in it.
    pub traffic: TrafficSummary,
}

impl Report {
    /// The step that failed.
    #[must_use]
    pub fn failed_step(&self) -> Option<&StepReport> {
        self.steps.iter().find(|step| !step.passed)
    }

    /// Takes in the next record.
    pub(crate) fn push(&mut self, record: Record) {
        match record {
            Record::Begin {
                scenario,
                description,
                kernel,
                nodes,
            } => {
                self.schema = SCHEMA;
                self.scenario = scenario;
                self.description = description;
                self.kernel = kernel;
                self.nodes = nodes;
            }
            Record::StepBegin { at, number, title } => self.steps.push(StepReport {
                number,
                title,
                began: at,
                ..StepReport::default()
            }),
            Record::StepEnd {
                at,
                number,
                failure,
                holders,
                traffic,
            } => {
                if self.steps.last().is_none_or(|step| step.number != number) {
                    self.steps.push(StepReport {
                        number,
                        title: "the nodes start".to_owned(),
                        ..StepReport::default()
                    });
                }
                if let Some(step) = self.steps.last_mut() {
                    step.ended = at;
                    step.passed = failure.is_none();
                    step.failure = failure;
                    step.holders = holders;
                    step.traffic = traffic;
                }
            }
            Record::End {
                at,
                passed,
                traffic,
            } => {
                self.milliseconds = at;
                self.passed = passed;
                self.traffic = traffic;
            }
            Record::Trouble { .. } => {}
            within => {
                if let Some(step) = self.steps.last_mut() {
                    step.records.push(within);
                }
            }
        }
    }
}

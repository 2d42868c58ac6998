use std::collections::BTreeMap;

use thiserror::Error;

use super::parse::command_line;
use super::{Invocation, Resolver, UsageError};
use crate::command::Command;
use crate::table::{Change, Table, VirtualService};
use crate::types::{DaemonRole, DestinationId, ServiceId};

/// One line of a text to restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Line number, from 1.
    pub line: usize,
    /// What the line asks for.
    pub meaning: Result<Invocation, UsageError>,
}

/// A text to restore, read as a whole: the table that it describes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// What the kernel's table should be. Timeouts and daemons are there if the text sets them.
    pub table: Table,
    services: BTreeMap<ServiceId, usize>,
    destinations: BTreeMap<(ServiceId, DestinationId), usize>,
    timeouts: usize,
    daemons: BTreeMap<DaemonRole, usize>,
}

/// A line that cannot be part of a description of a table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {problem}")]
pub struct ScriptError {
    /// Line number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: ScriptProblem,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ScriptProblem {
    /// It is not understood.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// It does not change a table.
    #[error("it changes nothing, so it has no place in a table to restore; remove it")]
    NotAChange,
    /// It adds what an earlier line has added.
    #[error("cannot {0}: line {1} has added it already")]
    Twice(Command, usize),
    /// It speaks of something that no earlier line has added.
    #[error("cannot {0}: no line before it has added that")]
    Missing(Command),
}

impl Script {
    /// The lines of a text to restore, one after the other, to be run so.
    ///
    /// Each is a command line of its own, split at blanks (there is no quoting), and may begin
    /// with `ipvsadm`. Empty lines and lines that begin with `#` are skipped.
    pub fn statements<'a>(
        text: &'a str,
        resolver: &'a dyn Resolver,
    ) -> impl Iterator<Item = Statement> + 'a {
        text.lines().enumerate().filter_map(|(index, line)| {
            let words = line.split_ascii_whitespace();
            let words: Vec<&str> = words.skip_while(|word| *word == "ipvsadm").collect();
            let comment = words.first().is_none_or(|word| word.starts_with('#'));
            (!comment).then(|| Statement {
                line: index + 1,
                meaning: command_line(&words, resolver, true),
            })
        })
    }

    /// Reads a text as the description of a whole table: its lines, run on an empty table.
    ///
    /// # Errors
    ///
    /// The first line that is not understood or could not be run.
    pub fn parse(text: &str, resolver: &dyn Resolver) -> Result<Self, ScriptError> {
        let mut script = Self::default();
        for Statement { line, meaning } in Self::statements(text, resolver) {
            let problem = match meaning {
                Ok(Invocation::Change(command)) => script.run(command, line),
                Ok(_) => Err(ScriptProblem::NotAChange),
                Err(error) => Err(error.into()),
            };
            problem.map_err(|problem| ScriptError { line, problem })?;
        }
        Ok(script)
    }

    fn run(&mut self, command: Command, line: usize) -> Result<(), ScriptProblem> {
        match &command {
            Command::AddService(service) => {
                if let Some(earlier) = self.services.get(&service.id) {
                    return Err(ScriptProblem::Twice(command, *earlier));
                }
                self.services.insert(service.id, line);
                self.table.insert(VirtualService::new(service.clone()));
            }
            Command::EditService(service) => match self.table.services.get_mut(&service.id) {
                Some(present) => {
                    present.service = service.clone();
                    self.services.insert(service.id, line);
                }
                None => return Err(ScriptProblem::Missing(command)),
            },
            Command::RemoveService(id) => {
                if self.table.services.remove(id).is_none() {
                    return Err(ScriptProblem::Missing(command));
                }
                self.services.remove(id);
                self.destinations.retain(|(service, _), _| service != id);
            }
            Command::AddDestination(id, destination) => {
                let key = (*id, destination.id);
                if let Some(earlier) = self.destinations.get(&key) {
                    return Err(ScriptProblem::Twice(command, *earlier));
                }
                let Some(service) = self.table.services.get_mut(id) else {
                    return Err(ScriptProblem::Missing(command));
                };
                service.destinations.insert(destination.id, *destination);
                self.destinations.insert(key, line);
            }
            Command::EditDestination(id, destination) => {
                let service = self.table.services.get_mut(id);
                match service.and_then(|s| s.destinations.get_mut(&destination.id)) {
                    Some(present) => *present = *destination,
                    None => return Err(ScriptProblem::Missing(command)),
                }
                self.destinations.insert((*id, destination.id), line);
            }
            Command::RemoveDestination(id, destination) => {
                let service = self.table.services.get_mut(id);
                if service
                    .and_then(|s| s.destinations.remove(destination))
                    .is_none()
                {
                    return Err(ScriptProblem::Missing(command));
                }
                self.destinations.remove(&(*id, *destination));
            }
            Command::SetTimeouts(timeouts) => {
                let before = self.table.timeouts.unwrap_or_default();
                self.table.timeouts = Some(timeouts.over(before));
                self.timeouts = line;
            }
            Command::StartDaemon(daemon) => {
                if let Some(earlier) = self.daemons.get(&daemon.role) {
                    return Err(ScriptProblem::Twice(command, *earlier));
                }
                let daemons = self.table.daemons.get_or_insert_default();
                daemons.insert(daemon.role, daemon.clone());
                self.daemons.insert(daemon.role, line);
            }
            Command::StopDaemon(role) => {
                // On an empty table there is none to stop: it says that none of this role runs.
                self.table.daemons.get_or_insert_default().remove(role);
                self.daemons.remove(role);
            }
            Command::Flush => {
                self.table.services.clear();
                self.services.clear();
                self.destinations.clear();
            }
            Command::Zero(_) => return Err(ScriptProblem::NotAChange),
        }
        Ok(())
    }

    /// The line that asked for what a change makes; none for what goes because no line names it.
    #[must_use]
    pub fn line_of(&self, change: &Change) -> Option<usize> {
        let line = match change {
            Change::AddService(service) | Change::EditService { to: service, .. } => {
                self.services.get(&service.id)
            }
            Change::AddDestination {
                service,
                destination,
            }
            | Change::EditDestination {
                service,
                to: destination,
                ..
            } => self.destinations.get(&(*service, destination.id)),
            Change::SetTimeouts { .. } => Some(&self.timeouts),
            Change::StartDaemon(daemon) => self.daemons.get(&daemon.role),
            _ => None,
        };
        line.copied()
    }
}

use thiserror::Error;

use super::Change;
use crate::error::ApplyError;
use crate::refusal::Refusal;
use crate::types::ServiceId;

/// What became of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The kernel did it.
    Done,
    /// The kernel refused.
    Refused(Refusal),
    /// It was not sent, because one before it was refused.
    NotSent,
    /// It was sent and the answer was lost (the receive buffer was full); read the table to know.
    Unknown,
}

/// What became of a list of commands, one outcome for each, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    pub(crate) outcomes: Vec<Outcome>,
}

impl Applied {
    /// One outcome for each command.
    #[must_use]
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// Whether every command was done.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.outcomes
            .iter()
            .all(|outcome| *outcome == Outcome::Done)
    }

    /// Whether answers were lost, so that only reading the table tells what is there.
    #[must_use]
    pub fn has_unknown(&self) -> bool {
        self.outcomes.contains(&Outcome::Unknown)
    }

    /// The refusals with the position of their command.
    pub fn refusals(&self) -> impl Iterator<Item = (usize, &Refusal)> {
        self.outcomes
            .iter()
            .enumerate()
            .filter_map(|(position, outcome)| match outcome {
                Outcome::Refused(refusal) => Some((position, refusal)),
                _ => None,
            })
    }

    /// Nothing if every command was done, else the first refusal.
    ///
    /// # Errors
    ///
    /// The first refusal; later ones often follow from it.
    pub fn into_result(self) -> Result<(), Refusal> {
        let refused = self.outcomes.into_iter().find_map(|outcome| match outcome {
            Outcome::Refused(refusal) => Some(refusal),
            _ => None,
        });
        refused.map_or(Ok(()), Err)
    }
}

/// The changes that take back what was done of `changes`, last first.
///
/// A change whose outcome is unknown is taken back too; the kernel refuses that if it was never
/// made, which does no harm.
#[must_use]
pub fn rollback(changes: &[Change], applied: &Applied) -> Vec<Change> {
    let mut back = Vec::new();
    let made = changes
        .iter()
        .zip(&applied.outcomes)
        .filter(|(_, outcome)| matches!(outcome, Outcome::Done | Outcome::Unknown));
    let made: Vec<&Change> = made.map(|(change, _)| change).collect();
    // Destinations of a service that goes again need no removal of their own.
    let new: std::collections::BTreeSet<ServiceId> = made
        .iter()
        .filter_map(|change| match change {
            Change::AddService(service) => Some(service.id),
            _ => None,
        })
        .collect();
    for change in made.into_iter().rev() {
        match change {
            Change::AddDestination { service, .. } if new.contains(service) => {}
            _ => back.extend(change.inverse()),
        }
    }
    back
}

/// The kernel refused a change, and those made before it were taken back.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{refusal}; {} made before it taken back{}", changes(*.taken_back), remains(.left))]
pub struct RolledBack {
    /// Position of the refused change.
    pub position: usize,
    /// The refused change itself.
    pub change: Box<Change>,
    /// Why it was refused.
    pub refusal: Refusal,
    /// Number of changes taken back.
    pub taken_back: usize,
    /// What could not be taken back, and why.
    pub left: Vec<Refusal>,
}

fn changes(count: usize) -> String {
    match count {
        1 => "1 change".to_owned(),
        _ => format!("{count} changes"),
    }
}

fn remains(left: &[Refusal]) -> String {
    match left {
        [] => String::new(),
        [first, ..] => format!(", but {} could not be: {first}", changes(left.len())),
    }
}

/// A list of changes that was stopped by a refusal.
pub(crate) struct Failed {
    position: usize,
    change: Change,
    refusal: Refusal,
    /// What takes back the changes made.
    pub(crate) back: Vec<Change>,
}

/// What follows from the outcomes of a list of changes: nothing more, or taking them back.
pub(crate) fn settle(changes: &[Change], applied: Applied) -> Result<Option<Failed>, ApplyError> {
    let refused = applied.refusals().next();
    let refused = refused.and_then(|(at, refusal)| Some((at, refusal, changes.get(at)?)));
    let Some((position, refusal, change)) = refused else {
        return if applied.has_unknown() {
            Err(ApplyError::AnswersLost)
        } else {
            Ok(None)
        };
    };
    let refusal = refusal.clone();
    Ok(Some(Failed {
        position,
        change: change.clone(),
        refusal,
        back: rollback(changes, &applied),
    }))
}

impl Failed {
    /// `applied` is what became of taking back.
    pub(crate) fn rolled_back(self, applied: &Applied) -> ApplyError {
        let nothing = RolledBack {
            position: self.position,
            change: Box::new(self.change),
            refusal: self.refusal,
            taken_back: 0,
            left: Vec::new(),
        };
        nothing.and_before(applied)
    }
}

impl RolledBack {
    /// The same after more was taken back.
    pub(crate) fn and_before(mut self, applied: &Applied) -> ApplyError {
        if applied.has_unknown() {
            return ApplyError::AnswersLost;
        }
        let refusals = applied.refusals().map(|(_, refusal)| refusal.clone());
        let left: Vec<Refusal> = refusals.collect();
        self.taken_back += applied.outcomes.len().saturating_sub(left.len());
        self.left = left;
        self.into()
    }
}

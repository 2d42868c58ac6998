//! What an operator has set for a real server, in place of what follows from configuration and checks.

/// A setting. Checks still decide: a server that fails is out whatever is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Stays in the table with weight 0, also while the sorry server answers: its connections go on.
    Drain,
    /// Not in the table.
    Drained,
    /// This weight in place of the configured one and of what checks ask for.
    Weight(u32),
}

impl Setting {
    /// The weight that it sets.
    pub(super) const fn weight(self) -> u32 {
        match self {
            Self::Drain | Self::Drained => 0,
            Self::Weight(weight) => weight,
        }
    }
}

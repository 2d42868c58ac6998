//! The mode bits that new files do not get, those of scripts included.

use super::ProcessArguments;
use nix::sys::stat::{Mode, umask};

/// Who decides: the command line (`-u`), else the configuration (`umask`), else whoever has started the program.
#[derive(Debug)]
pub(crate) struct FileMask {
    /// The command line has decided.
    fixed: bool,
    /// What there was before the configuration said anything.
    inherited: Option<Mode>,
}

impl FileMask {
    /// As the program was started.
    pub(crate) const fn new(arguments: &ProcessArguments) -> Self {
        Self {
            fixed: arguments.umask.is_some(),
            inherited: None,
        }
    }

    /// Does as the configuration in force says.
    pub(crate) fn follow(&mut self, configured: Option<u32>) {
        if self.fixed {
            return;
        }
        match (configured, self.inherited) {
            (Some(mask), _) => {
                let before = umask(Mode::from_bits_truncate(mask));
                self.inherited.get_or_insert(before);
            }
            (None, Some(inherited)) => {
                umask(inherited);
            }
            (None, None) => {}
        }
    }
}

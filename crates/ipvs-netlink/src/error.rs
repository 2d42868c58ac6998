//! What can go wrong, named by who is to blame and what to do.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::refusal::Refusal;
use crate::table::RolledBack;
use crate::wire::DecodeError;

/// Why a connection to IPVS could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The kernel has no IPVS, or it is not loaded and this process may not load it.
    #[error("this kernel has no IPVS: load it with `modprobe ip_vs`")]
    Unavailable,
    /// The network namespace could not be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The netlink socket could not be set up.
    #[error("cannot open a netlink socket ({doing})")]
    Socket {
        /// The step that failed.
        doing: &'static str,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The socket works but the question for the family failed.
    #[error("cannot ask the kernel for its IPVS family")]
    Resolve(#[source] Error),
}

/// Why a network namespace could not be entered.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NamespaceError {
    /// No file of that name.
    #[error(
        "no network namespace at {path}: make it with `ip netns add`, or correct the name",
        path = .path.display()
    )]
    NotFound {
        /// The path that was tried.
        path: PathBuf,
    },
    /// A name that is no file name.
    #[error("`{name}` is no name of a network namespace; names have no `/` and are not empty")]
    BadName {
        /// What was given.
        name: String,
    },
    /// The namespace is there and cannot be entered.
    #[error("cannot enter the network namespace {path}", path = .path.display())]
    Enter {
        /// The path that was tried.
        path: PathBuf,
        /// The operating system's answer; `EPERM` asks for `CAP_SYS_ADMIN`.
        source: io::Error,
    },
    /// The thread for the namespace could not be started or died.
    #[error("cannot start a thread for the network namespace {path}", path = .path.display())]
    Thread {
        /// The path that was tried.
        path: PathBuf,
    },
}

/// Why a request had no good answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel understood and said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// IPVS went away while in use (its module was unloaded).
    #[error("this kernel has no IPVS any more: load it with `modprobe ip_vs`")]
    Unavailable,
    /// The kernel did not answer in time.
    #[error("{doing}: no answer from the kernel within {after:?}; try again")]
    Timeout {
        /// What was asked.
        doing: &'static str,
        /// The time waited.
        after: Duration,
    },
    /// The table changed under the reader again and again.
    #[error("{doing}: the table changed during each of {attempts} reads; try again")]
    Interrupted {
        /// What was asked.
        doing: &'static str,
        /// How often it was read.
        attempts: u32,
    },
    /// Answers were lost because the receive buffer was full, again and again.
    #[error("{doing}: answers were lost, the receive buffer is too small; try again")]
    Overrun {
        /// What was asked.
        doing: &'static str,
    },
    /// The kernel's answer could not be understood.
    #[error("{doing}: the kernel's answer is malformed")]
    Malformed {
        /// What was asked.
        doing: &'static str,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The socket failed.
    #[error("{doing}: the netlink socket failed")]
    Io {
        /// What was asked.
        doing: &'static str,
        /// The operating system's answer.
        source: io::Error,
    },
}

impl Error {
    /// The refusal, if the kernel said no.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

/// Why a list of changes was not made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// One was refused; those before it were taken back.
    #[error(transparent)]
    RolledBack(#[from] RolledBack),
    /// Answers were lost, so it is not known what was made, or what of it was taken back.
    #[error("answers were lost: read the table and apply the difference again")]
    AnswersLost,
    /// The conversation failed; any of them may have been made.
    #[error(transparent)]
    Failed(#[from] Error),
}

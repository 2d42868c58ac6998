//! What the exit status of a program means.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::process::{self, Ended};
use super::security::check_program;
use crate::outcome::{Cause, Detail, Outcome, Weight};
use crate::probe::{Attempt, Probe, ProbeKey};

/// The numbers of a user and a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// User number.
    pub user: u32,
    /// Group number. Supplementary groups are dropped.
    pub group: u32,
}

/// Settings of a [`MiscProbe`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MiscSettings {
    /// The program, with its full path, and its arguments (`misc_path`). No shell is involved.
    pub command: Vec<OsString>,
    /// The program is killed when it takes longer (`misc_timeout`).
    pub timeout: Duration,
    /// Exit statuses from 2 to 255 stand for weights from 0 to 253 (`misc_dynamic`).
    pub dynamic: bool,
    /// Who the program runs as (`user`); as we do if `None`.
    pub credentials: Option<Credentials>,
    /// Added to our environment for the program.
    pub environment: Vec<(OsString, OsString)>,
    /// Refuse to run a program that users other than root could have changed
    /// (`enable_script_security`). Looked at before every attempt.
    pub secure: bool,
}

impl MiscSettings {
    /// A check by this program, with its full path first and then its arguments.
    #[must_use]
    pub fn new<A: Into<OsString>>(command: impl IntoIterator<Item = A>, timeout: Duration) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            timeout,
            dynamic: false,
            credentials: None,
            environment: Vec::new(),
            secure: false,
        }
    }
}

/// The settings of a check by a program cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMisc {
    /// There is no program.
    #[error("no program to run")]
    NoProgram,
    /// The program would be looked for along `PATH`.
    #[error("{} is not a full path, write the program with its directory", .0.display())]
    NotAbsolute(PathBuf),
    /// A word cannot be handed to a program.
    #[error("an argument or variable of {} holds a NUL octet, or `=` in a name", .0.display())]
    Unusable(PathBuf),
}

/// Runs a program and judges its exit status (`MISC_CHECK`).
///
/// Status 0 is success and 1 is failure. Any other is failure too, unless the check is dynamic:
/// then it is success with a weight of the status less 2.
///
/// The program runs in a process group of its own, without input, and its output goes nowhere. When it takes too long the group
/// gets `SIGTERM`, and half a second later `SIGKILL`. It is always reaped. When the attempt is cancelled, the group is killed at
/// once.
#[derive(Clone, Debug)]
pub struct MiscProbe {
    settings: Arc<MiscSettings>,
    program: PathBuf,
}

impl MiscProbe {
    /// A probe with these settings.
    ///
    /// # Errors
    /// If there is no program, or a word cannot be handed to one.
    pub fn new(settings: MiscSettings) -> Result<Self, InvalidMisc> {
        let Some(program) = settings.command.first().map(PathBuf::from) else {
            return Err(InvalidMisc::NoProgram);
        };
        if !program.is_absolute() {
            return Err(InvalidMisc::NotAbsolute(program));
        }
        let has_nul = |word: &OsString| word.as_bytes().contains(&0);
        let bad_name = |name: &OsString| name.is_empty() || name.as_bytes().contains(&b'=');
        let bad_words = settings.command.iter().any(has_nul);
        let bad_variables = settings
            .environment
            .iter()
            .any(|(name, value)| bad_name(name) || has_nul(name) || has_nul(value));
        if bad_words || bad_variables {
            return Err(InvalidMisc::Unusable(program));
        }
        Ok(Self {
            settings: Arc::new(settings),
            program,
        })
    }

    async fn check(&self) -> Result<Detail, Cause> {
        let program = || self.program.clone();
        if self.settings.secure {
            check_program(&self.program).map_err(|error| Cause::Insecure {
                program: program(),
                reason: match std::error::Error::source(&error) {
                    Some(source) => format!("{error}: {source}"),
                    None => error.to_string(),
                },
            })?;
        }
        match process::run(&self.settings).await {
            Err(error) => Err(Cause::Spawn {
                program: program(),
                error: error.into(),
            }),
            Ok(Ended::TimedOut) => Err(Cause::ProgramTimeout {
                program: program(),
                after: self.settings.timeout,
            }),
            Ok(Ended::Exited(status)) => judge(status, self.settings.dynamic, &self.program),
        }
    }
}

/// What an exit status means.
fn judge(status: ExitStatus, dynamic: bool, program: &Path) -> Result<Detail, Cause> {
    let program = || program.to_path_buf();
    let Some(code) = status.code() else {
        let signal = status.signal().unwrap_or_default();
        return Err(Cause::Signalled {
            program: program(),
            signal,
        });
    };
    let code = u8::try_from(code).unwrap_or(u8::MAX);
    match code {
        0 => Ok(Detail::Exited {
            status: 0,
            weight: None,
        }),
        2.. if dynamic => Ok(Detail::Exited {
            status: code,
            weight: Some(Weight::Exact(u32::from(code) - 2)),
        }),
        _ => Err(Cause::ExitStatus {
            program: program(),
            status: code,
        }),
    }
}

impl Probe for MiscProbe {
    fn run(&self) -> Attempt<'_> {
        Box::pin(async move {
            let start = Instant::now();
            let result = self.check().await;
            Outcome::from_result(result, start.elapsed())
        })
    }

    fn key(&self) -> Option<ProbeKey> {
        Some(ProbeKey::shared(Arc::clone(&self.settings)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_statuses_mean_what_keepalived_says() {
        let exit = |code: i32| ExitStatus::from_raw(code << 8);
        let judge = |status, dynamic| judge(status, dynamic, Path::new("/p"));
        assert!(judge(exit(0), false).is_ok());
        assert!(judge(exit(2), false).is_err());
        assert!(judge(exit(1), true).is_err());
        assert_eq!(judge(exit(0), true).unwrap().weight(), None);
        assert_eq!(
            judge(exit(2), true).unwrap().weight(),
            Some(Weight::Exact(0))
        );
        assert_eq!(
            judge(exit(255), true).unwrap().weight(),
            Some(Weight::Exact(253))
        );
        assert!(matches!(
            judge(ExitStatus::from_raw(9), true),
            Err(Cause::Signalled { signal: 9, .. })
        ));
    }

    #[test]
    fn refuses_what_cannot_be_run() {
        let new =
            |words: &[&str]| MiscProbe::new(MiscSettings::new(words, Duration::ZERO)).map(|_| ());
        assert_eq!(new(&[]), Err(InvalidMisc::NoProgram));
        assert_eq!(new(&["true"]), Err(InvalidMisc::NotAbsolute("true".into())));
        assert_eq!(
            new(&["/bin/true", "a\0b"]),
            Err(InvalidMisc::Unusable("/bin/true".into()))
        );
    }
}

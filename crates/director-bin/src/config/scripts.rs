//! Scripts of the configuration: user, program, and whether they can run at all.

use super::{MISSING, Problems};
use crate::script::{Identity, Links, Program, ProgramError, Security};
use keepalived_conf::Span;
use keepalived_conf::model::{GlobalDefs, Script, ScriptUser};
use nix::unistd::Uid;
use std::cell::{Cell, OnceCell};

/// Turns scripts into programs that can be started.
pub(super) struct Scripts {
    security: Security,
    links: Links,
    /// Every user comes with all its groups (`set_supplementary_groups`).
    all_groups: bool,
    /// Who runs scripts for which nobody is named; looked up with the first of them.
    default: OnceCell<Option<Identity>>,
    /// Some script is run by another user than the daemon.
    other_users: Cell<bool>,
}

impl Scripts {
    pub(super) fn new(global: &GlobalDefs) -> Self {
        let security = security_of(global);
        let links = links_of(global);
        let all_groups = *global.set_supplementary_groups;
        Self {
            security,
            links,
            all_groups,
            default: OnceCell::new(),
            other_users: Cell::new(false),
        }
    }

    /// Whether some script so far is run by another user than the daemon.
    pub(super) const fn has_other_users(&self) -> bool {
        self.other_users.get()
    }

    /// Takes the choices of `global_defs`, which may have been read meanwhile.
    pub(super) const fn follow(&mut self, global: &GlobalDefs) {
        self.security = security_of(global);
        self.links = links_of(global);
        self.all_groups = global.set_supplementary_groups.value;
    }

    /// What `enable_script_security` asks for.
    pub(super) const fn security(&self) -> Security {
        self.security
    }

    /// The program of a script; `None` with a problem told if it cannot run.
    pub(super) fn program(
        &self,
        script: &Script,
        what: &str,
        problems: &mut Problems,
    ) -> Option<Program> {
        let result = self.identity(script.user.as_ref()).and_then(|identity| {
            let mut program = Program::new(script.command.clone()).run_as(identity);
            self.resolve(&mut program).map(|()| program)
        });
        self.report(result, what, *script.span, problems)
    }

    /// Checks a program and settles which file it is.
    pub(super) fn resolve(&self, program: &mut Program) -> Result<(), ProgramError> {
        program.resolve(self.security, self.links)
    }

    /// Who runs a script of that user.
    pub(super) fn identity(
        &self,
        user: Option<&ScriptUser>,
    ) -> Result<Option<Identity>, ProgramError> {
        let identity = match user {
            Some(user) => Some(Identity::look_up(
                &user.user,
                user.group.as_deref(),
                user.supplementary_groups || self.all_groups,
            )?),
            None => self.default.get_or_init(|| self.usual()).clone(),
        };
        if let Some(identity) = &identity
            && identity.uid != Uid::effective().as_raw()
        {
            self.other_users.set(true);
        }
        Ok(identity)
    }

    /// keepalived's rule: this user if there is one, else the daemon's own. Only root can choose.
    fn usual(&self) -> Option<Identity> {
        let root = Uid::effective().is_root();
        root.then(|| Identity::look_up("keepalived_script", None, self.all_groups).ok())
            .flatten()
    }

    pub(super) fn report<T>(
        &self,
        result: Result<T, ProgramError>,
        what: &str,
        span: Span,
        problems: &mut Problems,
    ) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                problems.error(MISSING, format!("{what} cannot run: {error}"), span);
                None
            }
        }
    }
}

const fn security_of(global: &GlobalDefs) -> Security {
    if global.enable_script_security.value {
        Security::On
    } else {
        Security::Off
    }
}

const fn links_of(global: &GlobalDefs) -> Links {
    if global.use_symlink_paths.value {
        Links::Keep
    } else {
        Links::Follow
    }
}

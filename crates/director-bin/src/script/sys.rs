//! What happens in a child between fork and exec.

#![allow(unsafe_code)]

use super::Identity;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
use tokio::process::Command;

/// Lets the child become that user, and end when the daemon does.
pub(super) fn become_user(command: &mut Command, identity: Option<&Identity>) {
    let identity = identity.map(|identity| {
        let groups: Vec<Gid> = identity.groups.iter().copied().map(Gid::from_raw).collect();
        (
            Uid::from_raw(identity.uid),
            Gid::from_raw(identity.gid),
            groups,
        )
    });
    let prepare = move || {
        if let Some((uid, gid, groups)) = &identity {
            setgroups(groups)?;
            setgid(*gid)?;
            setuid(*uid)?;
        }
        // After the change of user, which would clear it.
        set_pdeathsig(Signal::SIGTERM)?;
        Ok(())
    };
    // SAFETY: between fork and exec only calls that are safe in a signal handler are allowed. The closure makes plain system
    // calls on values that were made before the fork; it neither allocates nor locks, and errors are plain numbers.
    unsafe {
        command.pre_exec(prepare);
    }
}

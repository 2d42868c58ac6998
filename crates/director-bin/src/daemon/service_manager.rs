//! What systemd is told (`Type=notify`). Without `NOTIFY_SOCKET` all of this does nothing.

use sd_notify::NotifyState;

/// The director runs; `status` is shown by `systemctl status`.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload has begun; [`ready`] ends it.
pub(crate) fn reloading() {
    let mut states = vec![NotifyState::Reloading];
    if let Ok(time) = NotifyState::monotonic_usec_now() {
        states.push(time);
    }
    tell(&states);
}

/// The director has begun to stop.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}

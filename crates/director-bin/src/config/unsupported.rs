//! What a file may ask for and this version does not do, beyond what the keyword table says itself.
//!
//! An error where leaving it out would be dangerous, else a warning.

use super::{Problems, UNSUPPORTED, vrrp};
use keepalived_conf::model::{Config, Trackers};

pub(super) fn report(config: &Config, problems: &mut Problems) {
    for instance in &config.vrrp_instance {
        unwatched(&instance.track, problems);
    }
    for group in &config.vrrp_sync_group {
        unwatched(&group.track, problems);
    }
}

/// A tracked object that nobody watches would count as unknown for ever.
fn unwatched(track: &Trackers, problems: &mut Problems) {
    for (kind, entry) in vrrp::unwatched(track) {
        let name = &entry.name.value;
        let message = format!(
            "{kind} is not in this version, so `{name}` would never count; use track_script"
        );
        problems.error(UNSUPPORTED, message, *entry.span);
    }
}

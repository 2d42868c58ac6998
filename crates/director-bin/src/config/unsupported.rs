//! What a file may ask for and this version does not do, beyond what the keyword table says itself.
//!
//! An error where leaving it out would be dangerous, else a warning.

use super::{Problems, UNSUPPORTED};
use keepalived_conf::model::Config;

pub(super) fn report(config: &Config, problems: &mut Problems) {
    for instance in &config.vrrp_instance {
        if *instance.unicast_fault_no_peer && instance.unicast && instance.unicast_peer.is_empty() {
            let message = "without a peer this version sends multicast; add a unicast_peer";
            let span = instance.unicast_fault_no_peer.span;
            problems.error(UNSUPPORTED, message, span.unwrap_or(*instance.span));
        }
    }
}

//! A running engine passed on to another process.

use std::net::IpAddr;

use tokio::sync::oneshot;
use vrrp_proto::tracking::TrackerState;
use vrrp_proto::{Instant, State};

use crate::instance::Configuration;

/// Everything a running engine knows that its configuration does not say, for a successor on the same machine:
/// [`Engine::resume`](crate::Engine::resume) continues from it.
///
/// With the feature `serde` it can be written and read. No secret is among it, but who can write it decides which
/// addresses are adopted: pass it over a channel that only root can use.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Handover {
    /// Grows when a reader could misunderstand what it reads.
    pub(crate) format: u32,
    /// Which run of the machine the times belong to.
    pub(crate) boot: String,
    pub(crate) taken_at: Instant,
    pub(crate) instances: Vec<InheritedInstance>,
    #[cfg_attr(feature = "serde", serde(default))]
    pub(crate) groups: Vec<InheritedGroup>,
    #[cfg_attr(feature = "serde", serde(default))]
    pub(crate) trackers: Vec<(String, TrackerState)>,
    #[cfg_attr(feature = "serde", serde(default))]
    pub(crate) static_addresses: Vec<InheritedAddress>,
    /// Routes and rules in place, as they are written in logs.
    #[cfg_attr(feature = "serde", serde(default))]
    pub(crate) entries: Vec<String>,
}

#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct InheritedInstance {
    pub(crate) name: String,
    pub(crate) interface: String,
    pub(crate) ipv6: bool,
    pub(crate) vrid: u8,
    pub(crate) router: vrrp_proto::Handover,
    pub(crate) since: Instant,
    pub(crate) addresses: Vec<InheritedAddress>,
    /// Announcements that wait for their turn: interface and address.
    #[cfg_attr(feature = "serde", serde(default))]
    pub(crate) announcements: Vec<(String, IpAddr)>,
    #[cfg_attr(feature = "serde", serde(default))]
    pub(crate) counts: Counts,
}

/// An address in place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct InheritedAddress {
    pub(crate) interface: String,
    pub(crate) address: IpAddr,
    pub(crate) prefix_length: u8,
    /// Label, scope and the like, to be compared only.
    #[cfg_attr(feature = "serde", serde(default))]
    pub(crate) manner: String,
}

#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct InheritedGroup {
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) since: Instant,
}

/// What the router itself does not count.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
pub(crate) struct Counts {
    pub(crate) announcements_sent: u64,
    pub(crate) send_errors: u64,
    pub(crate) addresses_restored: u64,
    pub(crate) slowest_takeover: std::time::Duration,
}

/// The only format there is.
pub(crate) const FORMAT: u32 = 1;

impl Handover {
    /// The instances in it with their names and states.
    pub fn instances(&self) -> impl Iterator<Item = (&str, State)> {
        self.instances
            .iter()
            .map(|instance| (&*instance.name, instance.router.state()))
    }

    /// Why this version cannot go on from it, if that is so: another version has written it in a way that this one does not
    /// know, or the machine was restarted since. An engine that is given it all the same begins anew.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.refusal(&boot(), self.taken_at)
    }

    /// The masters in it that `configuration` has no more, by name: for
    /// [`Held::release_resigning`].
    #[must_use]
    pub fn masters_left_out(&self, configuration: &Configuration) -> Vec<String> {
        let kept = |instance: &InheritedInstance| {
            configuration.instances.iter().any(|config| {
                let router = &config.router;
                *config.interface == *instance.interface
                    && crate::wire::is_ipv6(router.family) == instance.ipv6
                    && router.vrid.value() == instance.vrid
            })
        };
        self.instances
            .iter()
            .filter(|instance| instance.router.state() == State::Master && !kept(instance))
            .map(|instance| instance.name.clone())
            .collect()
    }

    /// Why nothing of it can be used, if that is so.
    pub(crate) fn refusal(&self, boot: &str, now: Instant) -> Option<String> {
        if self.format != FORMAT {
            return Some(format!(
                "its format is {}, this version knows {FORMAT}",
                self.format
            ));
        }
        if self.boot != boot {
            return Some("the machine was restarted since".to_owned());
        }
        (now < self.taken_at).then(|| "it is from the future".to_owned())
    }
}

/// Tells one run of the machine from another; empty where the kernel does not say.
pub(crate) fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// An engine that stands still: it neither sends nor listens, and its addresses are in place.
///
/// Pass [`handover`](Self::handover) on to the successor. Once that runs, [`release`](Self::release); dropping this
/// lets the engine go on where it stopped, as after a successor that failed. Be quick: after three advertisement
/// intervals the other routers hold an election. Orders and reloads given meanwhile wait.
#[derive(Debug)]
pub struct Held {
    pub(crate) handover: Handover,
    pub(crate) verdict: oneshot::Sender<Vec<String>>,
}

impl Held {
    /// What the successor needs.
    #[must_use]
    pub const fn handover(&self) -> &Handover {
        &self.handover
    }

    /// The successor runs: the engine ends without a word to anybody, and leaves the addresses where they are.
    pub fn release(self) {
        self.release_resigning(Vec::new());
    }

    /// As [`release`](Self::release), but these instances, which the successor does not have, resign: another router
    /// takes over at once, and not after its master-down interval. See [`Handover::masters_left_out`].
    pub fn release_resigning(self, instances: Vec<String>) {
        // Fails only when the engine has ended otherwise, which is as well.
        let _ = self.verdict.send(instances);
    }
}

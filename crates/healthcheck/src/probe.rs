//! The one trait that every kind of check implements.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use crate::outcome::Outcome;

/// One running attempt. Dropping it cancels the attempt and frees all it holds.
pub type Attempt<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// A way to check a server once.
///
/// An attempt never retries and never sleeps: when to try again, and what a failure means, is the
/// business of a [`Tracker`](crate::Tracker). It is bounded in time and in bytes whatever the
/// server does, and is cancelled by dropping it. It runs within a tokio runtime with its I/O and
/// time drivers on.
///
/// ```
/// use std::time::Duration;
/// use healthcheck::{Attempt, Detail, Outcome, Probe};
///
/// /// Says up if a file is there.
/// #[derive(Debug)]
/// struct Present(std::path::PathBuf);
///
/// impl Probe for Present {
///     fn run(&self) -> Attempt<'_> {
///         Box::pin(async move {
///             let detail = Detail::Told(format!("{} is there", self.0.display()));
///             let cause = healthcheck::Cause::Told(format!("{} is gone", self.0.display()));
///             let result = self.0.exists().then_some(detail).ok_or(cause);
///             Outcome::from_result(result, Duration::ZERO)
///         })
///     }
/// }
/// ```
pub trait Probe: Send + Sync + fmt::Debug + 'static {
    /// Starts one attempt.
    fn run(&self) -> Attempt<'_>;

    /// Starts one attempt that keeps the probe alive, as a [`Monitor`](crate::Monitor) does. It is
    /// [`run`](Self::run) with one more box around it; a probe that is run very often can do without.
    fn run_shared(self: Arc<Self>) -> Attempt<'static> {
        Box::pin(async move { self.run().await })
    }

    /// What makes this probe the same as another: kind, target and every parameter. A
    /// [`Monitor`](crate::Monitor) runs probes with equal keys (and equal policies) only once.
    /// `None`, the default, means that it is never the same as another.
    fn key(&self) -> Option<ProbeKey> {
        None
    }

    /// The host that is checked, for limits per host. `None` means no such limit applies.
    fn host(&self) -> Option<IpAddr> {
        None
    }
}

/// The identity of a probe; see [`Probe::key`].
#[derive(Clone)]
pub struct ProbeKey(Arc<dyn Key>);

impl ProbeKey {
    /// Makes a key of the settings of a probe. Settings of different types are never equal.
    #[must_use]
    pub fn new<S: Eq + Hash + Send + Sync + 'static>(settings: S) -> Self {
        Self(Arc::new(settings))
    }

    /// Makes a key of settings that the probe keeps anyway, without a copy of them.
    #[must_use]
    pub fn shared<S: Eq + Hash + Send + Sync + 'static>(settings: Arc<S>) -> Self {
        Self(settings)
    }

    /// The same for equal keys, and hardly ever for others.
    pub(crate) fn digest(&self) -> u64 {
        self.0.digest()
    }
}

impl PartialEq for ProbeKey {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.same(other.0.as_any())
    }
}

impl Eq for ProbeKey {}

impl Hash for ProbeKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.digest());
    }
}

impl fmt::Debug for ProbeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProbeKey({:016x})", self.0.digest())
    }
}

/// Equality and hash through a trait object.
trait Key: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn same(&self, other: &dyn Any) -> bool;
    fn digest(&self) -> u64;
}

impl<S: Eq + Hash + Send + Sync + 'static> Key for S {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn same(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<S>() == Some(self)
    }

    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        std::any::TypeId::of::<S>().hash(&mut hasher);
        self.hash(&mut hasher);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_equal_only_for_equal_settings_of_one_type() {
        assert_eq!(ProbeKey::new(7_u32), ProbeKey::new(7_u32));
        assert_ne!(ProbeKey::new(7_u32), ProbeKey::new(8_u32));
        assert_ne!(ProbeKey::new(7_u32), ProbeKey::new(7_i32));
    }
}

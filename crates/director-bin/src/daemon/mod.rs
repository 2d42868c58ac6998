//! The daemon: brings the parts together and keeps them in step.
//!
//! VRRP has a thread of its own, inside `vrrp-net`. Everything else runs on the single-threaded runtime here: one loop that
//! takes verdicts, transitions, script results and signals, asks the model what follows, and applies the difference.

mod actions;
mod answer;
mod chores;
mod log_level;
mod mastership;
mod notice;
mod notifier;
mod notify;
mod privileges;
mod recover;
mod reload;
mod report;
mod running;
mod service_manager;
mod sessions;
mod signals;
mod start;
mod stop;
mod suspend;
mod sys;
mod table;
mod takeover;
mod telling;
mod unconfirmed;

pub(crate) use log_level::LevelsUntil;
#[cfg(test)]
pub(crate) use notice::Notice;
#[cfg(test)]
pub(crate) use notify::Announced;
pub(crate) use notify::{
    HookTable, Trigger, group_object, instance_object, real_server_object, virtual_server_object,
};
pub(crate) use privileges::restrict as restrict_privileges;
pub(crate) use start::run;

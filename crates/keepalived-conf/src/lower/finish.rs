//! After the last line: names are resolved, defaults and inheritance applied.

use std::collections::HashMap;
use std::time::Duration;

use super::finish_lvs;
use super::finish_vrrp;
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::expand::Reader;
use crate::model::{Config, GlobalDefs, Script, ScriptUser, Setting, TrackEntry, TrackWeight};
use crate::source::Span;
use crate::suggest;

pub(crate) fn finish(config: &mut Config, reader: &mut Reader<'_>) {
    globals(&mut config.global_defs);
    scripts(config);
    groups(config, reader);
    finish_vrrp::instances(config, reader);
    trackers(config, reader);
    finish_lvs::virtual_servers(config, reader);
}

fn globals(globals: &mut GlobalDefs) {
    if globals.vrrp_min_garp.value {
        let span = globals.vrrp_min_garp.span;
        let once = Setting { value: 1, span };
        let never = Setting {
            value: Duration::ZERO,
            span,
        };
        globals.vrrp_garp_master_repeat.inherit(&once);
        globals.vrrp_garp_master_refresh_repeat.inherit(&once);
        globals.vrrp_garp_master_delay.inherit(&never);
        globals.vrrp_garp_master_refresh.inherit(&never);
    }
    let delay = globals.vrrp_garp_master_delay;
    let repeat = globals.vrrp_garp_master_repeat;
    globals.vrrp_garp_lower_prio_delay.inherit(&delay);
    globals.vrrp_garp_lower_prio_repeat.inherit(&repeat);
    let interval = globals.snmp_vs_stats_update_interval;
    globals.snmp_rs_stats_update_interval.inherit(&interval);
}

fn run_as(script: &mut Script, user: &Setting<Option<ScriptUser>>) {
    script.user.inherit(user);
}

/// `script_user` for every script without a user of its own.
fn scripts(config: &mut Config) {
    let user = config.global_defs.script_user.clone();
    let globals = &mut config.global_defs;
    for script in [
        &mut globals.startup_script,
        &mut globals.shutdown_script,
        &mut globals.notify_fifo_script,
        &mut globals.vrrp_notify_fifo_script,
        &mut globals.lvs_notify_fifo_script,
    ] {
        if let Some(script) = &mut script.value {
            run_as(script, &user);
        }
    }
    for script in &mut config.vrrp_script {
        let interval = script.interval;
        script.timeout.inherit(&interval);
        script.user.inherit(&user);
        let own = script.user.clone();
        if let Some(command) = &mut script.script.value {
            run_as(command, &own);
        }
    }
    let instances = config.vrrp_instance.iter_mut().map(|i| &mut i.notify);
    for notify in instances.chain(config.vrrp_sync_group.iter_mut().map(|g| &mut g.notify)) {
        for script in [
            &mut notify.notify_master,
            &mut notify.notify_backup,
            &mut notify.notify_fault,
            &mut notify.notify_stop,
            &mut notify.notify_deleted,
            &mut notify.notify,
            &mut notify.notify_master_rx_lower_pri,
        ]
        .into_iter()
        .flatten()
        {
            run_as(script, &user);
        }
    }
}

/// Says that a name is not defined, with the nearest one that is.
pub(super) fn unresolved<'n>(
    what: &str,
    name: &str,
    span: Span,
    known: impl Iterator<Item = &'n str>,
) -> Diagnostic {
    let diagnostic = Diagnostic::new(
        codes::UNRESOLVED,
        Severity::Error,
        format!("{what} `{name}` is not defined"),
        span,
    );
    match suggest::nearest(name, known) {
        Some(near) => diagnostic.fix(format!("did you mean `{near}`?"), span, near),
        None => diagnostic,
    }
}

/// Members of sync groups.
fn groups(config: &mut Config, reader: &mut Reader<'_>) {
    let Config {
        vrrp_sync_group,
        vrrp_instance,
        global_defs,
        ..
    } = config;
    let by_name: HashMap<String, usize> = vrrp_instance
        .iter()
        .enumerate()
        .map(|(index, instance)| (instance.name.value.clone(), index))
        .collect();
    for group in vrrp_sync_group.iter_mut() {
        group
            .notify_priority_changes
            .inherit(&global_defs.vrrp_notify_priority_changes);
        finish_vrrp::alert(
            &mut group.smtp_alert,
            &global_defs.smtp_alert_vrrp,
            &global_defs.smtp_alert,
        );
        let mut members = std::mem::take(&mut group.group);
        members.retain(|member| {
            let found = by_name
                .get(&member.value)
                .and_then(|i| vrrp_instance.get_mut(*i));
            let Some(instance) = found else {
                let names = vrrp_instance.iter().map(|i| i.name.value.as_str());
                let diagnostic = unresolved("instance", &member.value, member.span, names)
                    .note("keepalived leaves the name out of the group");
                reader.report(diagnostic);
                return false;
            };
            if let Some(other) = &instance.sync_group {
                let message = if *other == group.name.value {
                    format!("`{}` is listed twice", member.value)
                } else {
                    format!("`{}` is in sync group `{other}` already", member.value)
                };
                let severity = if *other == group.name.value {
                    Severity::Warning
                } else {
                    Severity::Error
                };
                let diagnostic =
                    Diagnostic::new(codes::IN_TWO_GROUPS, severity, message, member.span);
                reader.report(diagnostic);
                return false;
            }
            instance.sync_group = Some(group.name.value.clone());
            instance
                .notify_priority_changes
                .inherit(&group.notify_priority_changes);
            true
        });
        group.group = members;
    }
}

/// A kind of tracked object.
struct Kind<'k> {
    what: &'static str,
    /// Name, default weight and place in its list.
    known: HashMap<String, (TrackWeight, usize)>,
    used: &'k mut Vec<bool>,
    lost: &'static str,
}

impl Kind<'_> {
    fn resolve(&mut self, entries: &mut [TrackEntry], reader: &mut Reader<'_>) {
        for entry in entries {
            match self.known.get(&entry.name.value) {
                Some((weight, index)) => {
                    entry.weight.inherit(&Setting::default_of(*weight));
                    if let Some(used) = self.used.get_mut(*index) {
                        *used = true;
                    }
                }
                None => {
                    entry.resolved = false;
                    let mut names: Vec<&str> = self.known.keys().map(String::as_str).collect();
                    names.sort_unstable();
                    let name = entry.name.value.clone();
                    let span = entry.name.span;
                    let diagnostic =
                        unresolved(self.what, &name, span, names.into_iter()).note(self.lost);
                    reader.report(diagnostic);
                }
            }
        }
    }
}

fn trackers(config: &mut Config, reader: &mut Reader<'_>) {
    let Config {
        vrrp_script,
        vrrp_track_process,
        track_file,
        bfd_instance,
        ..
    } = config;
    let mut scripts_used = vec![false; vrrp_script.len()];
    let mut processes_used = vec![false; vrrp_track_process.len()];
    let mut files_used = vec![false; track_file.len()];
    let mut bfd_used = vec![false; bfd_instance.len()];
    macro_rules! known {
        ($list:expr) => {
            $list
                .iter()
                .enumerate()
                .map(|(index, item)| (item.name.value.clone(), (item.weight.value, index)))
                .collect()
        };
    }
    const LOST: &str = "keepalived goes on without it: the instance then runs without this check";
    let mut script = Kind {
        what: "script",
        known: known!(vrrp_script),
        used: &mut scripts_used,
        lost: LOST,
    };
    let mut process = Kind {
        what: "process tracker",
        known: known!(vrrp_track_process),
        used: &mut processes_used,
        lost: LOST,
    };
    let mut file = Kind {
        what: "track file",
        known: known!(track_file),
        used: &mut files_used,
        lost: LOST,
    };
    let mut bfd = Kind {
        what: "BFD instance",
        known: known!(bfd_instance),
        used: &mut bfd_used,
        lost: LOST,
    };
    let instances = config.vrrp_instance.iter_mut().map(|i| &mut i.track);
    for track in instances.chain(config.vrrp_sync_group.iter_mut().map(|g| &mut g.track)) {
        script.resolve(&mut track.track_script, reader);
        process.resolve(&mut track.track_process, reader);
        file.resolve(&mut track.track_file, reader);
        bfd.resolve(&mut track.track_bfd, reader);
    }
    for (script, used) in vrrp_script.iter_mut().zip(scripts_used) {
        script.tracked = used;
    }
    for (process, used) in vrrp_track_process.iter_mut().zip(processes_used) {
        process.tracked = used;
    }
    for (file, used) in track_file.iter_mut().zip(files_used) {
        file.tracked = used;
    }
}

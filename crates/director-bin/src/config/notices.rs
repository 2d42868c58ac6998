//! What is told to whom: mail, FIFOs and the switches of both.

use super::scripts::Scripts;
use super::{MISSING, Plan, Problems, UNUSABLE, lvs};
use crate::fifo::FifoPlan;
use crate::mail::{self, Credentials, MailSettings, Protection};
use crate::script::{Identity, Once, Program};
use ipvs_netlink::DestinationId;
use keepalived_conf::model::{
    Config, GlobalDefs, NotifyFifo, Script, ScriptUser, Secret, Setting, SmtpServer, SmtpTls,
    VirtualServerTarget,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What a FIFO grants, less the mask.
const FIFO_MODE: u32 = 0o644;

/// What is told to whom, besides scripts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notices {
    /// Name of this machine in mails and for scripts (`router_id`).
    pub(crate) router_id: String,
    /// The mail server, if there is one and somebody to write to.
    pub(crate) mail: Option<MailSettings>,
    /// Instances whose transitions are mailed.
    pub(crate) instance_mail: BTreeSet<String>,
    /// Sync groups whose transitions are mailed.
    pub(crate) group_mail: BTreeSet<String>,
    /// Virtual servers whose quorum is mailed.
    pub(crate) virtual_server_mail: BTreeSet<String>,
    /// Virtual servers with real servers whose checks are mailed.
    pub(super) real_server_mail: BTreeMap<Arc<str>, Mailed>,
    /// No mail for FAULT.
    pub(crate) no_email_faults: bool,
    /// No mail for a check that leaves its server as it was.
    pub(crate) no_checker_emails: bool,
    /// Instances whose changes of priority go to the FIFOs (`notify_priority_changes`).
    pub(crate) priority_changes: BTreeSet<String>,
    /// The FIFOs.
    pub(crate) fifos: Vec<FifoPlan>,
    /// All states are written into the FIFOs again after a reload.
    pub(crate) states_on_reload: bool,
    /// Real servers that start as up are told at the start (`rs_init_notifies`).
    pub(crate) initial_servers: bool,
    /// Protocols of virtual servers whose names do not tell them: those of groups.
    pub(crate) group_protocols: BTreeMap<String, String>,
}

/// Of which real servers of a virtual server the checks are mailed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mailed {
    /// Of all, which is usual.
    All,
    /// Of these.
    Some(Arc<BTreeSet<DestinationId>>),
}

impl Notices {
    /// Masks the FIFOs otherwise than the configuration says.
    pub(crate) fn mask_fifos(&mut self, mask: u32) {
        for fifo in &mut self.fifos {
            fifo.mode = FIFO_MODE & !mask;
        }
    }

    /// Whether the checks of this real server are mailed.
    pub(crate) fn mails_checks_of(&self, virtual_server: &str, real_server: DestinationId) -> bool {
        match self.real_server_mail.get(virtual_server) {
            None => false,
            Some(Mailed::All) => true,
            Some(Mailed::Some(servers)) => servers.contains(&real_server),
        }
    }
}

pub(super) fn add(config: &Config, plan: &mut Plan, scripts: &Scripts, problems: &mut Problems) {
    let global = &config.global_defs;
    let notices = &mut plan.notices;
    let host = host_name();
    notices.router_id = match &*global.router_id {
        Some(name) => name.clone(),
        None => host.clone().unwrap_or_else(|| "[unknown]".to_owned()),
    };
    notices.no_email_faults = *global.no_email_faults;
    notices.no_checker_emails = *global.no_checker_emails;
    notices.states_on_reload = *global.fifo_write_vrrp_states_on_reload;
    notices.initial_servers = *global.rs_init_notifies;
    plan.startup = once(
        "startup_script",
        &global.startup_script,
        *global.startup_script_timeout,
        scripts,
        problems,
    );
    plan.shutdown = once(
        "shutdown_script",
        &global.shutdown_script,
        *global.shutdown_script_timeout,
        scripts,
        problems,
    );
    for instance in &config.vrrp_instance {
        let name = &instance.name.value;
        if *instance.smtp_alert {
            notices.instance_mail.insert(name.clone());
        }
        if *instance.notify_priority_changes {
            notices.priority_changes.insert(name.clone());
        }
    }
    for group in config
        .vrrp_sync_group
        .iter()
        .filter(|group| *group.smtp_alert)
    {
        notices.group_mail.insert(group.name.value.clone());
    }
    servers(config, notices);
    if let Some(server) = &*global.smtp_server
        && !global.notification_email.is_empty()
    {
        notices.mail = mail(global, server, host, notices.router_id.clone(), problems);
    }
    notices.fifos = fifos(global, scripts, problems);
}

fn once(
    keyword: &'static str,
    script: &Setting<Option<Script>>,
    limit: Duration,
    scripts: &Scripts,
    problems: &mut Problems,
) -> Option<Once> {
    let program = scripts.program(script.as_ref()?, keyword, problems)?;
    Some(Once {
        keyword,
        program,
        limit,
    })
}

/// Mail about virtual and real servers, by the names that the LVS model gives them.
fn servers(config: &Config, notices: &mut Notices) {
    let mut ordinals = BTreeMap::new();
    for server in config
        .virtual_server
        .iter()
        .filter(|server| !server.real_server.is_empty())
    {
        let name = lvs::name(server, &mut ordinals);
        if matches!(server.target.value, VirtualServerTarget::Group(_)) {
            let protocol = server
                .protocol
                .value
                .map_or_else(|| "none".to_owned(), |p| p.to_string().to_lowercase());
            notices.group_protocols.insert(name.clone(), protocol);
        }
        if *server.smtp_alert {
            notices.virtual_server_mail.insert(name.clone());
        }
        let all = &server.real_server;
        let mailed = if all.iter().all(|real| *real.smtp_alert) {
            Mailed::All
        } else {
            let some = all.iter().filter(|real| *real.smtp_alert);
            let ids: BTreeSet<DestinationId> = some
                .map(|real| DestinationId {
                    address: real.address,
                    port: real.port.unwrap_or(0),
                })
                .collect();
            if ids.is_empty() {
                continue;
            }
            Mailed::Some(ids.into())
        };
        notices.real_server_mail.insert(name.into(), mailed);
    }
}

fn mail(
    global: &GlobalDefs,
    server: &SmtpServer,
    host: Option<String>,
    router_id: String,
    problems: &mut Problems,
) -> Option<MailSettings> {
    let local = host.unwrap_or_else(|| "localhost".to_owned());
    let from = match &*global.notification_email_from {
        Some(from) => from.clone(),
        None => format!("{}@{local}", user_name()),
    };
    let protection = protection(global, problems)?;
    let credentials = credentials(global, problems)?;
    if credentials.is_some() && protection == Protection::Plain {
        warning(
            problems,
            "the password for the mail server goes over the network in clear; add smtp_tls",
            &global.smtp_user,
        );
    }
    Some(MailSettings {
        router_id,
        host: server.host.clone(),
        port: server.port,
        from,
        to: global
            .notification_email
            .iter()
            .map(|to| to.value.clone())
            .collect(),
        helo_name: global.smtp_helo_name.value.clone().unwrap_or(local),
        timeout: *global.smtp_connect_timeout,
        protection,
        credentials,
        batch_delay: *global.smtp_batch_delay,
    })
}

fn protection(global: &GlobalDefs, problems: &mut Problems) -> Option<Protection> {
    let tls = *global.smtp_tls;
    if tls == SmtpTls::No {
        let written = [global.smtp_no_verify.span, global.smtp_ca_file.span];
        for span in written.into_iter().flatten() {
            let message = "without smtp_tls this has no effect";
            problems.warning(UNUSABLE, message, span);
        }
        return Some(Protection::Plain);
    }
    let connector = if *global.smtp_no_verify {
        mail::connector(None)
    } else {
        match &*global.smtp_ca_file {
            Some(file) => mail::connector(Some(Path::new(file))),
            None => mail::system_authorities().and_then(|file| mail::connector(Some(&file))),
        }
    };
    match connector {
        Ok(connector) if tls == SmtpTls::Tls => Some(Protection::Tls(connector)),
        Ok(connector) => Some(Protection::StartTls(connector)),
        Err(error) => {
            let span = global.smtp_ca_file.span.or(global.smtp_tls.span)?;
            problems.error(MISSING, crate::output::chain(&error), span);
            None
        }
    }
}

/// The outer `None` stands for a problem that has been told.
fn credentials(global: &GlobalDefs, problems: &mut Problems) -> Option<Option<Credentials>> {
    let password = match (&*global.smtp_password, &*global.smtp_password_file) {
        (Some(password), _) => Some(password.clone()),
        (None, Some(path)) => match std::fs::read_to_string(path) {
            Ok(text) => Some(Secret::new(text.lines().next().unwrap_or_default().trim())),
            Err(error) => {
                let span = global.smtp_password_file.span?;
                problems.error(MISSING, format!("{path} cannot be read: {error}"), span);
                return None;
            }
        },
        (None, None) => None,
    };
    match (&*global.smtp_user, password) {
        (Some(user), Some(password)) => Some(Some(Credentials {
            user: user.clone(),
            password,
        })),
        (Some(_), None) => {
            let message = "smtp_user has no password; add smtp_password_file";
            problems.error(UNUSABLE, message, global.smtp_user.span?);
            None
        }
        (None, Some(_)) => {
            let span = global
                .smtp_password
                .span
                .or(global.smtp_password_file.span)?;
            problems.error(UNUSABLE, "a password without smtp_user is never sent", span);
            None
        }
        (None, None) => Some(None),
    }
}

fn warning<T>(problems: &mut Problems, message: &str, setting: &Setting<T>) {
    if let Some(span) = setting.span {
        problems.warning(UNUSABLE, message, span);
    }
}

/// The FIFOs in keepalived's order: those of one kind, then the global one. One path is one FIFO.
fn fifos(global: &GlobalDefs, scripts: &Scripts, problems: &mut Problems) -> Vec<FifoPlan> {
    let kinds = [
        (
            "vrrp_notify_fifo",
            &global.vrrp_notify_fifo,
            &global.vrrp_notify_fifo_script,
        ),
        (
            "lvs_notify_fifo",
            &global.lvs_notify_fifo,
            &global.lvs_notify_fifo_script,
        ),
        (
            "notify_fifo",
            &global.notify_fifo,
            &global.notify_fifo_script,
        ),
    ];
    let path_of = |fifo: &Setting<Option<NotifyFifo>>| fifo.as_ref().map(|fifo| fifo.path.clone());
    let all_path = path_of(&global.notify_fifo);
    let mut plans: Vec<FifoPlan> = Vec::new();
    for (keyword, fifo, script) in kinds {
        let Some(wanted) = &**fifo else {
            if script.is_written() {
                warning(
                    problems,
                    &format!("{keyword}_script has no {keyword} to read"),
                    script,
                );
            }
            continue;
        };
        if keyword != "notify_fifo" && all_path.as_ref() == Some(&wanted.path) {
            let message = format!(
                "{} is notify_fifo already; this one is left out, as keepalived does",
                wanted.path
            );
            warning(problems, &message, fifo);
            continue;
        }
        if let Some(same) = plans
            .iter_mut()
            .find(|plan| plan.path.to_str() == Some(&wanted.path))
        {
            same.lvs = true;
            if same.script.is_some() && script.is_some() {
                let message =
                    "the FIFO has a script already; this one is left out, as keepalived does";
                warning(problems, message, script);
            } else if same.script.is_none() {
                same.script = reader(keyword, script, scripts, problems);
            }
            continue;
        }
        let Ok(owner) = owner(wanted.user.as_ref(), scripts, problems, fifo) else {
            continue;
        };
        plans.push(FifoPlan {
            keyword,
            path: wanted.path.clone().into(),
            vrrp: keyword != "lvs_notify_fifo",
            lvs: keyword != "vrrp_notify_fifo",
            owner,
            mode: FIFO_MODE & !*global.umask,
            script: reader(keyword, script, scripts, problems),
        });
    }
    plans
}

fn reader(
    keyword: &str,
    script: &Setting<Option<Script>>,
    scripts: &Scripts,
    problems: &mut Problems,
) -> Option<Program> {
    let what = format!("{keyword}_script");
    scripts.program(script.as_ref()?, &what, problems)
}

/// An error stands for a problem that has been told.
fn owner(
    user: Option<&ScriptUser>,
    scripts: &Scripts,
    problems: &mut Problems,
    fifo: &Setting<Option<NotifyFifo>>,
) -> Result<Option<Identity>, ()> {
    let Some(user) = user else { return Ok(None) };
    let found = scripts.identity(Some(user));
    let Some(span) = fifo.span else {
        return Err(());
    };
    scripts.report(found, "the FIFO", span, problems).ok_or(())
}

fn host_name() -> Option<String> {
    let name = nix::unistd::gethostname().ok()?.into_string().ok()?;
    (!name.is_empty()).then_some(name)
}

fn user_name() -> String {
    nix::unistd::User::from_uid(nix::unistd::Uid::effective())
        .ok()
        .flatten()
        .map_or_else(|| "root".to_owned(), |user| user.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_mailed_unless_a_real_server_says_otherwise() {
        let server = |last: u8, third: &str| {
            format!(
                "virtual_server 10.0.0.{last} 80 {{\n protocol TCP\n real_server 10.1.0.1 80 {{\n }}\n \
                 real_server 10.1.0.2 80 {{\n {third}\n }}\n}}\n"
            )
        };
        let text = server(1, "") + &server(2, "smtp_alert false");
        let parsed = keepalived_conf::load_str(&text);
        let (plan, problems) = crate::config::plan(&parsed.config);
        assert!(problems.is_empty(), "{problems:?}");
        let mailed = |virtual_server: &str, last: u8| {
            let id = DestinationId {
                address: [10, 1, 0, last].into(),
                port: 80,
            };
            plan.notices.mails_checks_of(virtual_server, id)
        };
        assert!(mailed("[10.0.0.1]:tcp:80", 1) && mailed("[10.0.0.1]:tcp:80", 2));
        assert!(mailed("[10.0.0.2]:tcp:80", 1) && !mailed("[10.0.0.2]:tcp:80", 2));
        assert!(!mailed("[10.0.0.3]:tcp:80", 1));
    }

    #[test]
    fn fifos_are_masked_by_the_configuration_or_the_command_line() {
        for (umask, configured) in [("", 0o600), ("umask 022", 0o644), ("umask 027", 0o640)] {
            let text = format!("global_defs {{\n {umask}\n vrrp_notify_fifo /run/f\n}}\n");
            let parsed = keepalived_conf::load_str(&text);
            let (mut plan, _) = crate::config::plan(&parsed.config);
            let modes = |plan: &Plan| -> Vec<u32> {
                let fifos = plan.notices.fifos.iter();
                fifos.map(|fifo| fifo.mode).collect()
            };
            assert_eq!(modes(&plan), [configured], "{umask}");
            plan.notices.mask_fifos(0o037);
            assert_eq!(modes(&plan), [0o640], "{umask}");
        }
    }
}

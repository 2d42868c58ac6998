//! Commands that the daemon would run.

use std::path::Path;

use crate::Options;
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::expand::Reader;
use crate::model::{CheckerKind, Config, Script};

pub(super) fn check(config: &Config, reader: &mut Reader<'_>, options: &Options) {
    missing(config, reader);
    let scripts = all(config);
    for script in &scripts {
        one(script, reader, options);
    }
    security(config, &scripts, reader, options);
    if options.check_scripts {
        passwords(config, reader);
    }
}

/// Tracked scripts without a command.
fn missing(config: &Config, reader: &mut Reader<'_>) {
    for script in &config.vrrp_script {
        if script.script.value.is_none() && !script.script.is_written() {
            let diagnostic = Diagnostic::new(
                codes::MISSING_KEYWORD,
                Severity::Error,
                format!("script `{}` has no `script`", script.name.value),
                script.span.0,
            )
            .note("keepalived drops it; instances run without this check")
            .help("add `script \"/path/to/command\"`");
            reader.report(diagnostic);
        }
    }
    for process in &config.vrrp_track_process {
        if process.process.value.is_empty() {
            let message = format!("process tracker `{}` has no `process`", process.name.value);
            reader.report(Diagnostic::new(
                codes::MISSING_KEYWORD,
                Severity::Error,
                message,
                process.span.0,
            ));
        }
    }
    for file in &config.track_file {
        if file.file.value.is_empty() {
            let message = format!("track file `{}` has no `file`", file.name.value);
            reader.report(Diagnostic::new(
                codes::MISSING_KEYWORD,
                Severity::Error,
                message,
                file.span.0,
            ));
        }
    }
    for bfd in &config.bfd_instance {
        if bfd.neighbor_ip.value.is_none() {
            let message = format!("BFD instance `{}` has no `neighbor_ip`", bfd.name.value);
            reader.report(Diagnostic::new(
                codes::MISSING_KEYWORD,
                Severity::Error,
                message,
                bfd.span.0,
            ));
        }
    }
}

/// Every command of the configuration.
fn all(config: &Config) -> Vec<&Script> {
    let globals = &config.global_defs;
    let mut scripts: Vec<&Script> = [
        &globals.startup_script,
        &globals.shutdown_script,
        &globals.notify_fifo_script,
        &globals.vrrp_notify_fifo_script,
        &globals.lvs_notify_fifo_script,
    ]
    .into_iter()
    .filter_map(|setting| setting.value.as_ref())
    .collect();
    scripts.extend(
        config
            .vrrp_script
            .iter()
            .filter_map(|s| s.script.value.as_ref()),
    );
    let instances = config.vrrp_instance.iter().map(|i| &i.notify);
    for notify in instances.chain(config.vrrp_sync_group.iter().map(|g| &g.notify)) {
        scripts.extend(
            [
                &notify.notify_master,
                &notify.notify_backup,
                &notify.notify_fault,
                &notify.notify_stop,
                &notify.notify_deleted,
                &notify.notify,
                &notify.notify_master_rx_lower_pri,
            ]
            .into_iter()
            .flatten(),
        );
    }
    for server in &config.virtual_server {
        scripts.extend(
            [&server.quorum_up, &server.quorum_down]
                .into_iter()
                .flatten()
                .map(|s| &**s),
        );
        for real in &server.real_server {
            let notify = [&real.notify_up, &real.notify_down];
            scripts.extend(notify.into_iter().flatten().map(|s| &**s));
            for checker in &real.checkers {
                if let CheckerKind::Misc(misc) = &checker.kind {
                    scripts.extend(misc.misc_path.value.as_ref());
                }
            }
        }
    }
    scripts
}

/// Words that only a shell understands.
fn is_shell(script: &Script) -> Option<&str> {
    let path = script.path();
    if path.starts_with(['<', '>']) {
        return Some(path);
    }
    let interpreter = Path::new(path).file_name().is_some_and(|name| {
        matches!(
            name.to_str(),
            Some("sh" | "bash" | "dash" | "ash" | "zsh" | "ksh")
        )
    });
    if interpreter {
        return None;
    }
    script.command.iter().map(String::as_str).find(|word| {
        matches!(*word, "|" | "||" | "&&" | ";" | "&" | ">" | ">>" | "<")
            || word.starts_with("2>")
            || word.starts_with(">/")
            || word.starts_with("$(")
            || word.starts_with('`')
            || word.ends_with(';') && word.len() > 1
    })
}

fn one(script: &Script, reader: &mut Reader<'_>, options: &Options) {
    let path = script.path();
    let span = script.span.0;
    if let Some(word) = is_shell(script) {
        let diagnostic = Diagnostic::new(
            codes::SCRIPT_PATH,
            Severity::Warning,
            format!("`{word}` is for a shell, but the command is run without one"),
            span,
        )
        .note(
            "keepalived passes it as an argument, or calls a shell only if the first word is no \
               program",
        )
        .help("put the line into a script file, or run `/bin/sh -c '...'`");
        reader.report(diagnostic);
        return;
    }
    if !path.contains('/') {
        let diagnostic = Diagnostic::new(
            codes::SCRIPT_PATH,
            Severity::Note,
            format!("`{path}` is looked up in PATH"),
            span,
        )
        .note("keepalived 2.4.3 cannot do so with a script user other than root")
        .help("write the full path");
        reader.report(diagnostic);
        return;
    }
    if !path.starts_with('/') {
        let diagnostic = Diagnostic::new(
            codes::SCRIPT_PATH,
            Severity::Warning,
            format!("`{path}` is relative to the directory that the daemon happens to be in"),
            span,
        )
        .help("write the full path");
        reader.report(diagnostic);
        return;
    }
    let user = script.user.value.as_ref();
    if path.starts_with("/root/") && user.is_some_and(|u| u.user != "root" && u.user != "0") {
        let diagnostic = Diagnostic::new(
            codes::SCRIPT_PATH,
            Severity::Warning,
            format!("only root can reach `{path}`; the script runs as another user"),
            span,
        );
        reader.report(diagnostic);
    }
    if !options.check_scripts {
        return;
    }
    let Some(file) = reader.loader.script(Path::new(path)) else {
        return;
    };
    let problem = if !file.exists {
        "does not exist"
    } else if !file.executable {
        "cannot be executed"
    } else {
        return;
    };
    let diagnostic = Diagnostic::new(
        codes::SCRIPT_PATH,
        Severity::Warning,
        format!("`{path}` {problem}"),
        span,
    )
    .note("keepalived disables the script");
    reader.report(diagnostic);
}

/// Who may change what root runs.
fn security(config: &Config, scripts: &[&Script], reader: &mut Reader<'_>, options: &Options) {
    let enabled = config.global_defs.enable_script_security.value;
    let mut unsafe_path = None;
    if options.check_scripts {
        for script in scripts {
            let root = script
                .user
                .value
                .as_ref()
                .is_none_or(|user| user.user == "root" || user.user == "0");
            let Some(file) = reader.loader.script(Path::new(script.path())) else {
                continue;
            };
            if root && file.exists && file.writable_by_others {
                unsafe_path = unsafe_path.or_else(|| Some(script.path()));
                let severity = if enabled {
                    Severity::Error
                } else {
                    Severity::Warning
                };
                let message = format!(
                    "`{}` runs as root, and others than root can change it or its directory",
                    script.path()
                );
                let diagnostic =
                    Diagnostic::new(codes::SCRIPT_SECURITY, severity, message, script.span.0)
                        .note("with `enable_script_security` keepalived disables such a script")
                        .help("make the file and its directories writable by root only");
                reader.report(diagnostic);
            }
        }
    }
    let Some(first) = scripts.first() else { return };
    if enabled || unsafe_path.is_some() {
        return;
    }
    let mut names: Vec<&str> = scripts.iter().map(|script| script.path()).collect();
    names.sort_unstable();
    names.dedup();
    let shown = names
        .iter()
        .take(4)
        .map(|n| format!("`{n}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let more = names.len().saturating_sub(4);
    let list = if more > 0 {
        format!("{shown} and {more} more")
    } else {
        shown
    };
    let user = match &config.global_defs.script_user.value {
        Some(user) => format!("user `{}`", user.user),
        None => String::from("user `keepalived_script` if it exists, else as root"),
    };
    let diagnostic = Diagnostic::new(
        codes::SCRIPT_SECURITY,
        Severity::Note,
        format!("scripts are run without `enable_script_security`: {list}"),
        first.span.0,
    )
    .note(format!("they run as {user}"))
    .note("keepalived reports a security violation without naming them")
    .help("add `enable_script_security` and `script_user USER` to `global_defs`");
    reader.report(diagnostic);
}

/// Passwords that every user of the machine can read.
fn passwords(config: &Config, reader: &mut Reader<'_>) {
    for instance in &config.vrrp_instance {
        let Some(authentication) = &instance.authentication else {
            continue;
        };
        let span = reader.sources.in_file(authentication.pass_span.0);
        let Some(file) = reader.sources.file_of(span) else {
            continue;
        };
        let Some(path) = reader.sources.path_of(file).map(Path::to_path_buf) else {
            continue;
        };
        if reader
            .loader
            .mode(&path)
            .is_some_and(|mode| mode & 0o004 != 0)
        {
            let diagnostic = Diagnostic::new(
                codes::PASSWORD_READABLE,
                Severity::Note,
                format!(
                    "every user of this machine can read this password in {}",
                    path.display()
                ),
                span,
            )
            .help("run `chmod o-r` on the file");
            reader.report(diagnostic);
            return;
        }
    }
}

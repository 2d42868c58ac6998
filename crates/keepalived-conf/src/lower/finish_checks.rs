//! Effective values of checkers, and what they refer to.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::finish::unresolved;
use crate::expand::Reader;
use crate::model::{
    CheckDefaults, Checker, CheckerKind, GlobalDefs, RealServer, Script, ScriptUser, Setting,
    TrackWeight, VirtualServer, VirtualServerTarget,
};

/// Retries and the pause between them if nobody writes them.
fn check_defaults(kind: &CheckerKind, delay_loop: Duration) -> (u32, Duration) {
    match kind {
        CheckerKind::Http(_) | CheckerKind::Ssl(_) => (1, Duration::from_secs(3)),
        CheckerKind::Dns(_) => (3, delay_loop),
        CheckerKind::Misc(_) => (0, Duration::from_secs(1)),
        _ => (1, Duration::from_secs(1)),
    }
}

/// Own value, else the real server's, else the virtual server's, else the default.
fn settle<T: Copy>(
    own: &mut Setting<T>,
    real: Option<&Setting<Option<T>>>,
    server: &Setting<Option<T>>,
    default: T,
) {
    if own.span.is_some() {
        return;
    }
    let written = [real, Some(server)]
        .into_iter()
        .flatten()
        .find(|r| r.span.is_some());
    *own = match written {
        Some(&Setting {
            value: Some(value),
            span,
        }) => Setting { value, span },
        _ => Setting::default_of(default),
    };
}

pub(super) fn checkers(real: &mut RealServer, server: &VirtualServer, globals: &GlobalDefs) {
    let RealServer {
        address,
        port,
        alpha,
        checks,
        names,
        checkers,
        ..
    } = real;
    let own: Option<&CheckDefaults> = checks.as_deref();
    let virtualhost = names
        .as_ref()
        .map(|n| &n.virtualhost)
        .filter(|v| v.is_written())
        .unwrap_or(&server.virtualhost);
    let user = &globals.script_user;
    let target_port = match &server.target.value {
        VirtualServerTarget::Address { port, .. } => *port,
        _ => None,
    };
    for checker in checkers {
        effective(checker, *address, port.or(target_port), own, &server.checks);
        checker.alpha.inherit(alpha);
        checker
            .log_all_failures
            .inherit(&globals.checker_log_all_failures);
        match &mut checker.kind {
            CheckerKind::Http(http) | CheckerKind::Ssl(http) => {
                http.virtualhost.inherit(virtualhost);
                for url in &mut http.url {
                    url.tls_compliant.inherit(&http.tls_compliant);
                }
            }
            CheckerKind::Misc(misc) => {
                let delay_loop = Setting::default_of(checker.delay_loop.value);
                misc.misc_timeout.inherit(&delay_loop);
                misc.user.inherit(user);
                let own = misc.user.clone();
                if let Some(script) = &mut misc.misc_path.value {
                    run_as(script, &own);
                }
            }
            _ => {}
        }
    }
}

fn run_as(script: &mut Script, user: &Setting<Option<ScriptUser>>) {
    script.user.inherit(user);
}

fn effective(
    checker: &mut Checker,
    address: IpAddr,
    port: Option<u16>,
    real: Option<&CheckDefaults>,
    server: &CheckDefaults,
) {
    checker.connect_ip.inherit(&Setting::default_of(address));
    checker.connect_port.inherit(&Setting::default_of(port));
    settle(
        &mut checker.connect_timeout,
        real.map(|r| &r.connect_timeout),
        &server.connect_timeout,
        Duration::from_secs(5),
    );
    settle(
        &mut checker.delay_loop,
        real.map(|r| &r.delay_loop),
        &server.delay_loop,
        Duration::from_secs(60),
    );
    let (retry, pause) = check_defaults(&checker.kind, checker.delay_loop.value);
    settle(
        &mut checker.retry,
        real.map(|r| &r.retry),
        &server.retry,
        retry,
    );
    settle(
        &mut checker.delay_before_retry,
        real.map(|r| &r.delay_before_retry),
        &server.delay_before_retry,
        pause,
    );
    let delay_loop = checker.delay_loop.value;
    settle(
        &mut checker.warmup,
        real.map(|r| &r.warmup),
        &server.warmup,
        delay_loop,
    );
}

pub(super) fn references(
    checker: &mut Checker,
    files: &HashMap<String, (TrackWeight, usize)>,
    bfd: &[String],
    used: &mut [bool],
    reader: &mut Reader<'_>,
) {
    const LOST: &str = "keepalived drops the check, and the server counts as up";
    match &mut checker.kind {
        CheckerKind::File(file) => {
            let Setting {
                value: Some(name),
                span: Some(span),
            } = &file.track_file
            else {
                return;
            };
            match files.get(name) {
                Some((weight, index)) => {
                    file.weight.inherit(&Setting::default_of(*weight));
                    if let Some(used) = used.get_mut(*index) {
                        *used = true;
                    }
                }
                None => {
                    let mut names: Vec<&str> = files.keys().map(String::as_str).collect();
                    names.sort_unstable();
                    let diagnostic =
                        unresolved("track file", name, *span, names.into_iter()).note(LOST);
                    reader.report(diagnostic);
                }
            }
        }
        CheckerKind::Bfd(name) if !name.value.is_empty() && !bfd.contains(&name.value) => {
            let names = bfd.iter().map(String::as_str);
            let diagnostic = unresolved("BFD instance", &name.value, name.span, names).note(LOST);
            reader.report(diagnostic);
        }
        _ => {}
    }
}

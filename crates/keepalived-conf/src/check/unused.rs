//! What is defined and never acts: trackers, groups, mail.

use std::collections::HashSet;

use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::expand::Reader;
use crate::model::{Config, VirtualServerTarget};
use crate::source::Span;

fn warn(code: crate::Code, message: impl Into<String>, span: Span) -> Diagnostic {
    Diagnostic::new(code, Severity::Warning, message, span)
}

pub(super) fn check(config: &Config, reader: &mut Reader<'_>) {
    unused(config, reader);
    mail(config, reader);
}

fn unused(config: &Config, reader: &mut Reader<'_>) {
    let mut report = |what: &str, name: &str, span: Span| {
        let diagnostic = warn(
            codes::UNUSED,
            format!("{what} `{name}` is tracked by nobody; it has no effect"),
            span,
        )
        .note("keepalived drops it without a word")
        .help(format!(
            "add `{name}` to a `track_...` block of an instance, or remove it"
        ));
        reader.report(diagnostic);
    };
    for script in config.vrrp_script.iter().filter(|s| !s.tracked) {
        report("script", &script.name.value, script.span.0);
    }
    for process in config.vrrp_track_process.iter().filter(|p| !p.tracked) {
        report("process tracker", &process.name.value, process.span.0);
    }
    for file in config.track_file.iter().filter(|f| !f.tracked) {
        report("track file", &file.name.value, file.span.0);
    }
    let used: HashSet<&str> = config
        .virtual_server
        .iter()
        .filter_map(|server| match &server.target.value {
            VirtualServerTarget::Group(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    for group in &config.virtual_server_group {
        if !used.contains(group.name.value.as_str()) {
            let message = format!(
                "virtual server group `{}` has no virtual server",
                group.name.value
            );
            reader.report(warn(codes::UNUSED, message, group.span.0));
        }
    }
}

/// Recipients without alerts, alerts without recipients.
fn mail(config: &Config, reader: &mut Reader<'_>) {
    let globals = &config.global_defs;
    let alerts: Vec<Span> = config
        .vrrp_instance
        .iter()
        .map(|i| &i.smtp_alert)
        .chain(config.vrrp_sync_group.iter().map(|g| &g.smtp_alert))
        .chain(config.virtual_server.iter().map(|v| &v.smtp_alert))
        .filter(|alert| alert.value)
        .filter_map(|alert| alert.span)
        .collect();
    let has_real = config
        .virtual_server
        .iter()
        .any(|v| !v.real_server.is_empty());
    let can_send = globals.smtp_server.value.is_some() && !globals.notification_email.is_empty();
    if let Some(span) = alerts.first()
        && !can_send
    {
        let diagnostic = warn(
            codes::NO_MAIL,
            "no mail is ever sent: `smtp_server` or `notification_email` is missing",
            *span,
        );
        reader.report(diagnostic);
    }
    if let Some(span) = globals.notification_email.span
        && alerts.is_empty()
        && !has_real
    {
        let diagnostic = Diagnostic::new(
            codes::NO_MAIL,
            Severity::Note,
            "no mail is ever sent: `smtp_alert` is on nowhere",
            span,
        )
        .help("add `smtp_alert` to the instances");
        reader.report(diagnostic);
    }
}

//! Effective values of virtual servers and real servers.

use std::collections::HashMap;
use std::time::Duration;

use super::finish::unresolved;
use super::finish_checks::{checkers, references};
use super::finish_vrrp::alert;
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::expand::Reader;
use crate::model::{
    Config, Family, GlobalDefs, LvsMethod, Protocol, RealServer, Setting, TrackWeight,
    VirtualServer, VirtualServerGroup, VirtualServerGroupMember, VirtualServerTarget,
};
use crate::source::Span;

const FOREVER: Duration = Duration::from_secs(360);

pub(super) fn virtual_servers(config: &mut Config, reader: &mut Reader<'_>) {
    let Config {
        virtual_server,
        virtual_server_group,
        global_defs,
        track_file,
        bfd_instance,
        ..
    } = config;
    let files: HashMap<String, (TrackWeight, usize)> = track_file
        .iter()
        .enumerate()
        .map(|(i, file)| (file.name.value.clone(), (file.weight.value, i)))
        .collect();
    let bfd: Vec<String> = bfd_instance.iter().map(|b| b.name.value.clone()).collect();
    let groups: HashMap<&str, &VirtualServerGroup> = virtual_server_group
        .iter()
        .map(|g| (g.name.value.as_str(), g))
        .collect();
    let mut used = vec![false; track_file.len()];
    for server in virtual_server.iter_mut() {
        let group = match &server.target.value {
            VirtualServerTarget::Group(name) => {
                let found = groups.get(name.as_str()).copied();
                if found.is_none() {
                    let names = virtual_server_group.iter().map(|g| g.name.value.as_str());
                    let span = server.target.span;
                    let diagnostic = unresolved("virtual server group", name, span, names)
                        .note("keepalived drops the virtual server with one line in its log");
                    reader.report(diagnostic);
                }
                found
            }
            _ => None,
        };
        virtual_server_of(server, group, global_defs, reader);
        for real in &mut server.real_server {
            for checker in &mut real.checkers {
                references(checker, &files, &bfd, &mut used, reader);
            }
        }
    }
    for (file, used) in track_file.iter_mut().zip(used) {
        file.tracked |= used;
    }
}

/// Effective values of a server that refers to nothing outside its block.
pub(super) fn alone(server: &mut VirtualServer, globals: &GlobalDefs, reader: &mut Reader<'_>) {
    virtual_server_of(server, None, globals, reader);
}

fn group_family(group: &VirtualServerGroup) -> Option<Family> {
    group.members.iter().find_map(|member| match member {
        VirtualServerGroupMember::Range { first, .. } => Some(Family::of(first)),
        VirtualServerGroupMember::Fwmark { family, .. } => *family,
    })
}

fn virtual_server_of(
    server: &mut VirtualServer,
    group: Option<&VirtualServerGroup>,
    globals: &GlobalDefs,
    reader: &mut Reader<'_>,
) {
    let header = server.target.span;
    let target_family = match &server.target.value {
        VirtualServerTarget::Address { address, .. } => Some(Family::of(address)),
        VirtualServerTarget::Group(_) => group.and_then(group_family),
        VirtualServerTarget::Fwmark(_) => None,
    };
    let family = target_family.or(server.ip_family.value).or_else(|| {
        let real = server.real_server.iter();
        real.filter(|r| !matches!(r.lvs_method.value, LvsMethod::Tun(_)))
            .map(|r| Family::of(&r.address))
            .next()
            .or(Some(Family::Inet))
    });
    server.ip_family.value = family;
    protocol(server, reader);
    let port = match &server.target.value {
        VirtualServerTarget::Address { port, .. } => *port,
        _ => None,
    };
    if let VirtualServerTarget::Address { port: None, .. } = server.target.value
        && server.persistence_timeout.value.is_none()
    {
        server.persistence_timeout = Setting {
            value: Some(FOREVER),
            span: Some(header),
        };
    }
    alert(
        &mut server.smtp_alert,
        &globals.smtp_alert_checker,
        &globals.smtp_alert,
    );
    unwritten_choices(server, reader);
    hysteresis(server, reader);
    sorry(server, port, reader);
    let mut servers = std::mem::take(&mut server.real_server);
    servers.retain_mut(|real| {
        inherit(real, server, globals);
        fits(real, server, reader)
    });
    for real in &mut servers {
        real_port(real, server, port, reader);
        checkers(real, server, globals);
    }
    server.real_server = servers;
}

/// Scheduler and method have defaults, which keepalived reports.
fn unwritten_choices(server: &VirtualServer, reader: &mut Reader<'_>) {
    let choices = [
        (server.lb_kind.is_written(), "lb_kind", "NAT"),
        (server.lb_algo.is_written(), "lb_algo", "wlc"),
    ];
    for (written, keyword, default) in choices {
        if written {
            continue;
        }
        let target = &server.target;
        let diagnostic = Diagnostic::new(
            codes::MISSING_KEYWORD,
            Severity::Warning,
            format!(
                "virtual server {} has no `{keyword}`; it is {default}",
                target.value
            ),
            target.span,
        )
        .note("keepalived reports it and takes the same")
        .help(format!("add `{keyword} {default}`"));
        reader.report(diagnostic);
    }
}

fn protocol(server: &mut VirtualServer, reader: &mut Reader<'_>) {
    let header = server.target.span;
    match &server.target.value {
        VirtualServerTarget::Fwmark(_) => {
            if let Some(span) = server.protocol.span {
                let diagnostic = Diagnostic::new(
                    codes::INEFFECTIVE,
                    Severity::Warning,
                    "a firewall mark has no protocol",
                    span,
                )
                .note("keepalived clears it");
                reader.report(diagnostic);
            }
            server.protocol = Setting::default_of(None);
        }
        _ if server.protocol.value.is_none() => {
            if server.protocol.span.is_none() {
                let diagnostic = Diagnostic::new(
                    codes::MISSING_KEYWORD,
                    Severity::Warning,
                    format!(
                        "virtual server {} has no `protocol`; it is UDP",
                        server.target.value
                    ),
                    header,
                )
                .note("keepalived reports it and takes UDP too")
                .help("add `protocol TCP` or `protocol UDP`");
                reader.report(diagnostic);
            }
            // One that cannot be understood was probably not meant to be UDP.
            let unwritten = server.protocol.span.is_none();
            server.protocol.value = Some(if unwritten {
                Protocol::Udp
            } else {
                Protocol::Tcp
            });
        }
        _ => {}
    }
}

fn hysteresis(server: &mut VirtualServer, reader: &mut Reader<'_>) {
    if server.hysteresis.value < server.quorum.value {
        return;
    }
    let value = server.quorum.value.saturating_sub(1);
    if let Some(span) = server.hysteresis.span {
        let diagnostic = Diagnostic::new(
            codes::HYSTERESIS,
            Severity::Warning,
            format!(
                "the hysteresis must be below the quorum, {}; it becomes {value}",
                server.quorum.value
            ),
            span,
        )
        .note("keepalived does the same");
        reader.report(diagnostic);
    }
    server.hysteresis.value = value;
}

fn sorry(server: &mut VirtualServer, port: Option<u16>, reader: &mut Reader<'_>) {
    let method = server.lb_kind.value;
    let family = server.ip_family.value;
    let fwmark = matches!(server.target.value, VirtualServerTarget::Fwmark(_));
    let Some(sorry) = &mut server.sorry_server else {
        return;
    };
    let span = sorry.span.0;
    if sorry.address.is_unspecified() {
        let diagnostic = Diagnostic::new(
            codes::MISSING_KEYWORD,
            Severity::Error,
            "an option of the sorry server without `sorry_server`",
            span,
        );
        reader.report(diagnostic);
        server.sorry_server = None;
        return;
    }
    if !sorry.lvs_method_written {
        sorry.lvs_method = method;
    }
    let tunnel = matches!(sorry.lvs_method, LvsMethod::Tun(_));
    if !tunnel && family.is_some_and(|f| f != Family::of(&sorry.address)) {
        let diagnostic = Diagnostic::new(
            codes::MIXED_FAMILIES,
            Severity::Error,
            "the sorry server is of the other family",
            span,
        )
        .note("keepalived leaves it out");
        reader.report(diagnostic);
        server.sorry_server = None;
        return;
    }
    if sorry.lvs_method == LvsMethod::Nat {
        sorry.port = sorry.port.or(port);
        return;
    }
    if sorry.port.is_some() && sorry.port != port && !fwmark {
        let diagnostic = port_mismatch(sorry.port, port, span, "sorry server");
        reader.report(diagnostic);
    }
    sorry.port = port;
}

fn port_mismatch(found: Option<u16>, wanted: Option<u16>, span: Span, what: &str) -> Diagnostic {
    let show = |port: Option<u16>| port.map_or_else(|| String::from("none"), |p| p.to_string());
    Diagnostic::new(
        codes::PORT_MISMATCH,
        Severity::Warning,
        format!(
            "port {} of the {what} gives way to the virtual server's, {}: without NAT the \
             packets keep their port",
            show(found),
            show(wanted)
        ),
        span,
    )
    .note("keepalived resets it too")
}

/// Applies what the virtual server says to a real server.
fn inherit(real: &mut RealServer, server: &VirtualServer, globals: &GlobalDefs) {
    real.weight.inherit(&server.weight);
    real.lvs_method.inherit(&server.lb_kind);
    real.inhibit_on_failure.inherit(&server.inhibit_on_failure);
    real.alpha.inherit(&server.alpha);
    alert(
        &mut real.smtp_alert,
        &globals.smtp_alert_checker,
        &globals.smtp_alert,
    );
    let user = &globals.script_user;
    for script in [&mut real.notify_up, &mut real.notify_down]
        .into_iter()
        .flatten()
    {
        script.user.inherit(user);
    }
}

/// False for a real server of the wrong family.
fn fits(real: &RealServer, server: &VirtualServer, reader: &mut Reader<'_>) -> bool {
    let tunnel = matches!(real.lvs_method.value, LvsMethod::Tun(_));
    if tunnel
        || server
            .ip_family
            .value
            .is_none_or(|f| f == Family::of(&real.address))
    {
        return true;
    }
    let diagnostic = Diagnostic::new(
        codes::MIXED_FAMILIES,
        Severity::Error,
        format!(
            "real server {} is of another family than its virtual server",
            real.address
        ),
        real.span.0,
    )
    .label(server.target.span, "the virtual server")
    .note("keepalived leaves it out; only tunnels can mix families");
    reader.report(diagnostic);
    false
}

fn real_port(
    real: &mut RealServer,
    server: &VirtualServer,
    port: Option<u16>,
    reader: &mut Reader<'_>,
) {
    if real.lvs_method.value == LvsMethod::Nat {
        real.port = real.port.or(port);
        return;
    }
    match server.target.value {
        VirtualServerTarget::Fwmark(_) => {}
        VirtualServerTarget::Group(_) => {}
        VirtualServerTarget::Address { .. } => {
            if real.port.is_some() && real.port != port {
                let diagnostic = port_mismatch(real.port, port, real.span.0, "real server");
                reader.report(diagnostic);
            }
            real.port = port;
        }
    }
}

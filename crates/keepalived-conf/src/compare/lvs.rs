//! Virtual servers of two nodes.

use super::Pair;
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{RealServer, Scheduler, VirtualServer};
use crate::source::Span;

pub(super) fn compare(pair: &mut Pair<'_>) {
    let (a, b) = (pair.a, pair.b);
    let twin = |server: &VirtualServer, list: &'_ [VirtualServer]| {
        list.iter().position(|s| {
            s.target.value == server.target.value && s.protocol.value == server.protocol.value
        })
    };
    for server in &a.virtual_server {
        match twin(server, &b.virtual_server).and_then(|i| b.virtual_server.get(i)) {
            Some(other) => servers(pair, server, other),
            None => alone(pair, server, 1),
        }
    }
    for server in &b.virtual_server {
        if twin(server, &a.virtual_server).is_none() {
            alone(pair, server, 0);
        }
    }
}

fn alone(pair: &mut Pair<'_>, server: &VirtualServer, other: usize) {
    let other = pair.names.get(other).cloned().unwrap_or_default();
    let diagnostic = Diagnostic::new(
        codes::ONE_SIDED,
        Severity::Warning,
        format!(
            "virtual server {} is missing in {other}",
            server.target.value
        ),
        server.target.span,
    )
    .note("after a failover the service is not balanced any more");
    pair.findings.push(diagnostic);
}

fn servers(pair: &mut Pair<'_>, a: &VirtualServer, b: &VirtualServer) {
    let name = a.target.value.to_string();
    let at = |span: Option<Span>, server: &VirtualServer| span.unwrap_or(server.target.span);
    let warning = Severity::Warning;
    if a.lb_algo.value != b.lb_algo.value {
        let message = format!(
            "{name} is scheduled with {} here and {} there",
            a.lb_algo.value.name(),
            b.lb_algo.value.name()
        );
        pair.differs(
            warning,
            message,
            at(a.lb_algo.span, a),
            at(b.lb_algo.span, b),
        );
    }
    if a.lb_kind.value != b.lb_kind.value {
        let message = format!("the forwarding methods of {name} differ");
        pair.differs(
            warning,
            message,
            at(a.lb_kind.span, a),
            at(b.lb_kind.span, b),
        );
    }
    if a.persistence_timeout.value != b.persistence_timeout.value {
        let message = format!("the persistence timeouts of {name} differ");
        let (x, y) = (
            at(a.persistence_timeout.span, a),
            at(b.persistence_timeout.span, b),
        );
        pair.differs(warning, message, x, y);
    }
    let key = |r: &RealServer| (r.address, r.port);
    let mut same_set = true;
    for (have, lack, other) in [(a, b, 1), (b, a, 0)] {
        for real in &have.real_server {
            if lack.real_server.iter().any(|r| key(r) == key(real)) {
                continue;
            }
            same_set = false;
            let other = pair.names.get(other).cloned().unwrap_or_default();
            let diagnostic = Diagnostic::new(
                codes::MUST_BE_EQUAL,
                warning,
                format!(
                    "real server {} of {name} is missing in {other}",
                    real.address
                ),
                real.span.0,
            )
            .label(lack.target.span, "not in this virtual server");
            pair.findings.push(diagnostic);
        }
    }
    for real in &a.real_server {
        let twin = b.real_server.iter().find(|r| key(r) == key(real));
        if let Some(twin) = twin.filter(|t| t.weight.value != real.weight.value) {
            let message = format!(
                "real server {} of {name} has weight {} here and {} there",
                real.address, real.weight.value, twin.weight.value
            );
            pair.differs(
                warning,
                message,
                real.weight.span.unwrap_or(real.span.0),
                twin.weight.span.unwrap_or(twin.span.0),
            );
        }
    }
    let hashed = matches!(
        a.lb_algo.value,
        Scheduler::Mh | Scheduler::Sh | Scheduler::Dh
    );
    let order = a
        .real_server
        .iter()
        .map(key)
        .eq(b.real_server.iter().map(key));
    if hashed && same_set && !order {
        let message = format!(
            "the order of the real servers of {name} differs; with `{}` it decides which server a \
             client gets",
            a.lb_algo.value.name()
        );
        pair.differs(warning, message, a.target.span, b.target.span);
    }
}

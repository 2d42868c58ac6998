//! Virtual servers, real servers, checkers.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::expand::Reader;
use crate::model::{
    CheckDefaults, Checker, CheckerKind, Config, Protocol, RealServer, Scheduler, Setting,
    VirtualServer, VirtualServerTarget,
};
use crate::source::Span;

fn warn(code: crate::Code, message: impl Into<String>, span: Span) -> Diagnostic {
    Diagnostic::new(code, Severity::Warning, message, span)
}

fn lost(message: impl Into<String>, span: Span) -> Diagnostic {
    Diagnostic::new(codes::CHECKER_INCOMPLETE, Severity::Error, message, span)
        .note("keepalived drops the check, and the server counts as up")
}

/// What is compared between virtual servers.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    value: VirtualServerTarget,
    protocol: Option<Protocol>,
    v6: bool,
    span: Span,
    /// The first check that takes any certificate.
    unverified: Option<Span>,
}

impl Target {
    /// Of a server with its effective values.
    pub(crate) fn of(server: &VirtualServer) -> Self {
        Self {
            value: server.target.value.clone(),
            protocol: server.protocol.value,
            v6: server.ip_family.value == Some(crate::model::Family::Inet6),
            span: server.target.span,
            unverified: unverified(server),
        }
    }

    /// The same where its block begins at `start`.
    pub(crate) fn at(mut self, start: u32) -> Self {
        let length = self.span.length();
        self.span = Span::new(start, start.saturating_add(length));
        self
    }
}

pub(super) fn check(config: &mut Config, passed: Vec<Target>, reader: &mut Reader<'_>) {
    let mut targets = passed;
    targets.extend(config.virtual_server.iter().map(Target::of));
    targets.sort_by_key(|target| target.span.start());
    duplicates(&targets, reader);
    held(config, &targets, reader);
    tell_unverified(config, &targets, reader);
    for server in &mut config.virtual_server {
        virtual_server(server, reader);
    }
}

/// Whatever the server itself tells.
pub(crate) fn virtual_server(server: &mut VirtualServer, reader: &mut Reader<'_>) {
    scheduler(server, reader);
    slow_start(server, reader);
    servers(server, reader);
    quorum(server, reader);
    for real in &server.real_server {
        real_server(real, reader);
    }
}

/// Addresses of virtual servers that no instance holds, each at its first use.
fn held(config: &Config, targets: &[Target], reader: &mut Reader<'_>) {
    if config.vrrp_instance.is_empty() {
        return;
    }
    let held: HashSet<IpAddr> = config
        .vrrp_instance
        .iter()
        .flat_map(|i| {
            i.virtual_ipaddress
                .iter()
                .chain(&i.virtual_ipaddress_excluded)
        })
        .chain(&config.static_ipaddress)
        .map(|vip| vip.address)
        .collect();
    let mut missing: HashSet<IpAddr> = HashSet::new();
    for target in targets {
        if let VirtualServerTarget::Address { address, .. } = target.value
            && !held.contains(&address)
            && missing.insert(address)
        {
            let diagnostic = warn(
                codes::ADDRESS_NOT_HELD,
                format!("no instance holds {address}"),
                target.span,
            )
            .note("packets to it do not reach this director unless it is configured elsewhere")
            .help("add it to `virtual_ipaddress` or `virtual_ipaddress_excluded` of an instance");
            reader.report(diagnostic);
        }
    }
}

fn duplicates(targets: &[Target], reader: &mut Reader<'_>) {
    let mut seen: HashMap<(&VirtualServerTarget, Option<Protocol>, bool), Span> =
        HashMap::with_capacity(targets.len());
    for target in targets {
        let key = (&target.value, target.protocol, target.v6);
        let Some(before) = seen.insert(key, target.span) else {
            continue;
        };
        let diagnostic = Diagnostic::new(
            codes::DUPLICATE_VIRTUAL_SERVER,
            Severity::Warning,
            format!("virtual server {} is defined twice", target.value),
            target.span,
        )
        .label(before, "first here")
        .note("both edit one entry of the kernel's table; the outcome depends on timing")
        .help("merge the two blocks");
        reader.report(diagnostic);
    }
}

/// The first `SSL_GET` of a server that names no authorities.
fn unverified(server: &VirtualServer) -> Option<Span> {
    let checkers = server.real_server.iter().flat_map(|real| &real.checkers);
    let takes_any = |checker: &&Checker| match &checker.kind {
        CheckerKind::Ssl(http) => http.tls.as_ref().is_none_or(|tls| tls.verify_ca.is_none()),
        _ => false,
    };
    let mut found = checkers.filter(takes_any);
    found.next().map(|checker| checker.span.0)
}

/// Says once that nobody looks at the certificates of `SSL_GET`.
fn tell_unverified(config: &Config, targets: &[Target], reader: &mut Reader<'_>) {
    if config.ssl.as_ref().is_some_and(|ssl| ssl.ca.is_some()) {
        return;
    }
    if let Some(first) = targets.iter().find_map(|target| target.unverified) {
        let diagnostic = Diagnostic::new(
            codes::UNVERIFIED_TLS,
            Severity::Note,
            "this check takes any certificate, as in keepalived",
            first,
        )
        .help("name the authorities with `verify_ca FILE` here, or with `ca FILE` in `SSL`");
        reader.report(diagnostic);
    }
}

fn scheduler(server: &VirtualServer, reader: &mut Reader<'_>) {
    let algorithm = server.lb_algo.value;
    let flags = [
        (&server.sh_port, "sh-port", Scheduler::Sh),
        (&server.sh_fallback, "sh-fallback", Scheduler::Sh),
        (&server.mh_port, "mh-port", Scheduler::Mh),
        (&server.mh_fallback, "mh-fallback", Scheduler::Mh),
    ];
    for (flag, name, wanted) in flags {
        if let Setting {
            value: true,
            span: Some(span),
        } = flag
            && algorithm != wanted
        {
            let message = format!("`{name}` has no effect with `lb_algo {}`", algorithm.name());
            reader.report(warn(codes::INEFFECTIVE, message, *span));
        }
    }
    let fallback = match algorithm {
        Scheduler::Sh => Some((server.sh_fallback.value, "sh-fallback")),
        Scheduler::Mh => Some((server.mh_fallback.value, "mh-fallback")),
        _ => None,
    };
    if let Some((false, flag)) = fallback {
        let inhibited = server.real_server.iter().find_map(|r| {
            r.inhibit_on_failure
                .span
                .filter(|_| r.inhibit_on_failure.value)
        });
        let quiesced = server.real_server.iter().find(|r| r.weight.value == 0);
        if let Some(span) = inhibited.or_else(|| quiesced.map(|r| r.span.0)) {
            let diagnostic = warn(
                codes::HASH_WITHOUT_FALLBACK,
                format!(
                    "`{}` keeps choosing servers of weight 0 without `{flag}`: their share of \
                     clients is refused",
                    algorithm.name()
                ),
                span,
            )
            .help(format!(
                "add `{flag}`, or let failed servers leave the table"
            ));
            reader.report(diagnostic);
        }
    }
    if let Setting {
        value: true,
        span: Some(span),
    } = server.ops
        && matches!(server.protocol.value, Some(Protocol::Tcp | Protocol::Sctp))
    {
        let diagnostic =
            warn(codes::INEFFECTIVE, "`ops` is for UDP only", span).note("keepalived clears it");
        reader.report(diagnostic);
    }
    if server.protocol.value == Some(Protocol::Udp)
        && server.protocol.is_written()
        && !server.ops.value
    {
        let span = server.protocol.span.unwrap_or(server.target.span);
        let diagnostic = Diagnostic::new(
            codes::UDP_STICKY,
            Severity::Note,
            "clients that send from one port stay with a server after it is gone",
            span,
        )
        .note("add `ops`, or set net.ipv4.vs.expire_nodest_conn to 1 in the kernel");
        reader.report(diagnostic);
    }
    if let Setting {
        value: true,
        span: Some(span),
    } = server.ha_suspend
        && !matches!(server.target.value, VirtualServerTarget::Address { .. })
    {
        let message = "`ha_suspend` has no effect without an address";
        let diagnostic = warn(codes::INEFFECTIVE, message, span)
            .note("keepalived never runs the checkers of a group then");
        reader.report(diagnostic);
    }
}

/// `slow_start` where nothing looks at weights, or no weight can grow.
fn slow_start(server: &VirtualServer, reader: &mut Reader<'_>) {
    let asked = |checks: &CheckDefaults| {
        let time = &checks.slow_start;
        time.span
            .filter(|_| time.value.is_some_and(|time| !time.is_zero()))
    };
    let in_general = asked(&server.checks);
    // What a program or file says may be any weight.
    let fixed = |real: &&RealServer| {
        !real
            .checkers
            .iter()
            .any(|checker| matches!(checker.kind, CheckerKind::Misc(_) | CheckerKind::File(_)))
    };
    let of_each = server.real_server.iter().filter(fixed).filter_map(|real| {
        let own = real.checks.as_deref();
        let span = match own.filter(|checks| checks.slow_start.is_written()) {
            Some(checks) => asked(checks),
            None => in_general,
        };
        span.map(|span| (real.weight.value, span))
    });
    let Some((greatest, span)) = of_each.max_by_key(|(weight, _)| *weight) else {
        return;
    };
    let algorithm = server.lb_algo.value;
    if matches!(algorithm, Scheduler::Rr | Scheduler::Lc | Scheduler::Dh) {
        let algorithm = algorithm.name();
        let message = format!("`slow_start` has no effect with `lb_algo {algorithm}`");
        let diagnostic = warn(codes::INEFFECTIVE, message, span)
            .note("it lets a weight grow, and this scheduler does not look at weights")
            .help("take `wrr` or `wlc`");
        reader.report(diagnostic);
    } else if greatest <= 1 {
        let message = "`slow_start` has no effect on a weight of 1";
        let diagnostic = warn(codes::INEFFECTIVE, message, span)
            .note("there is nothing between 0, which takes no connections, and 1")
            .help("give the real servers weights such as 100");
        reader.report(diagnostic);
    }
}

fn servers(server: &mut VirtualServer, reader: &mut Reader<'_>) {
    if server.real_server.is_empty() {
        let diagnostic = warn(
            codes::NO_REAL_SERVER,
            format!("virtual server {} has no real server", server.target.value),
            server.target.span,
        )
        .note("keepalived drops it, its sorry server included");
        reader.report(diagnostic);
    }
    let key = |r: &RealServer| (r.address, r.port);
    let many = server.real_server.len() > 8;
    let mut seen: HashMap<(IpAddr, Option<u16>), Span> = HashMap::new();
    let mut doubled: Vec<usize> = Vec::new();
    for (index, real) in server.real_server.iter().enumerate() {
        let before = if many {
            let before = seen.get(&key(real)).copied();
            seen.entry(key(real)).or_insert(real.span.0);
            before
        } else {
            server
                .real_server
                .get(..index)
                .unwrap_or_default()
                .iter()
                .find(|r| key(r) == key(real))
                .map(|r| r.span.0)
        };
        if let Some(before) = before {
            doubled.push(index);
            let diagnostic = warn(
                codes::DUPLICATE_REAL_SERVER,
                format!(
                    "real server {} is defined twice; the first counts",
                    real.address
                ),
                real.span.0,
            )
            .label(before, "first here")
            .note("keepalived removes the later one");
            reader.report(diagnostic);
        }
    }
    for index in doubled.into_iter().rev() {
        server.real_server.remove(index);
    }
    if let Some(sorry) = &server.sorry_server {
        let real = server
            .real_server
            .iter()
            .find(|r| key(r) == (sorry.address, sorry.port));
        if let Some(real) = real {
            let diagnostic = warn(
                codes::SORRY_IS_REAL,
                format!("the sorry server {} is a real server too", sorry.address),
                sorry.span.0,
            )
            .label(real.span.0, "this one")
            .note("when it is needed, it is down as well");
            reader.report(diagnostic);
        }
    }
}

fn quorum(server: &mut VirtualServer, reader: &mut Reader<'_>) {
    let sum: u64 = server
        .real_server
        .iter()
        .map(|r| u64::from(r.weight.value))
        .sum();
    if u64::from(server.quorum.value) <= sum || server.real_server.is_empty() {
        return;
    }
    let Some(span) = server.quorum.span else {
        return;
    };
    let diagnostic = warn(
        codes::QUORUM_UNREACHABLE,
        format!("the quorum is above {sum}, the sum of the weights; it becomes {sum}"),
        span,
    )
    .note("keepalived does the same");
    reader.report(diagnostic);
    server.quorum.value = u32::try_from(sum).unwrap_or(u32::MAX).max(1);
    server.hysteresis.value = server.hysteresis.value.min(server.quorum.value - 1);
}

fn real_server(real: &RealServer, reader: &mut Reader<'_>) {
    if real.checkers.is_empty() && !reader.leaves_out_notes() {
        let diagnostic = Diagnostic::new(
            codes::NO_CHECKER,
            Severity::Note,
            format!(
                "real server {} has no checker; it always counts as up",
                real.address
            ),
            real.span.0,
        );
        reader.report(diagnostic);
    }
    if real.lthreshold.value > real.uthreshold.value
        && real.uthreshold.value > 0
        && let Some(span) = real.lthreshold.span
    {
        let message = "`lthreshold` is above `uthreshold`";
        reader.report(warn(codes::BAD_VALUE, message, span));
    }
    for checker in &real.checkers {
        self::checker(real, checker, reader);
    }
}

fn checker(real: &RealServer, checker: &Checker, reader: &mut Reader<'_>) {
    let keyword = checker.kind.keyword();
    let span = checker.span.0;
    match &checker.kind {
        CheckerKind::Http(http) | CheckerKind::Ssl(http) if http.url.is_empty() => {
            let diagnostic =
                lost(format!("`{keyword}` has no `url`"), span).help("add `url { path / }`");
            reader.report(diagnostic);
        }
        CheckerKind::Misc(misc)
            if misc.misc_path.value.is_none() && !misc.misc_path.is_written() =>
        {
            reader.report(lost("`MISC_CHECK` has no `misc_path`", span));
        }
        CheckerKind::File(file) if file.track_file.value.is_none() => {
            reader.report(lost("`FILE_CHECK` has no `track_file`", span));
        }
        CheckerKind::Bfd(name) if name.value.is_empty() => {
            reader.report(lost("`BFD_CHECK` has no `name`", span));
        }
        CheckerKind::Talk(talk) if talk.turns.is_empty() => {
            let message = "`TALK_CHECK` has neither `send` nor `expect`: it only connects";
            reader.report(warn(codes::INEFFECTIVE, message, span).help("use `TCP_CHECK`"));
        }
        CheckerKind::Udp(udp) if udp.min_reply_length.value > udp.max_reply_length.value => {
            let span = udp.min_reply_length.span.unwrap_or(span);
            let message = "`min_reply_length` is above `max_reply_length`: the check always fails";
            reader.report(Diagnostic::new(
                codes::BAD_VALUE,
                Severity::Error,
                message,
                span,
            ));
        }
        _ => {}
    }
    let connects = !matches!(
        checker.kind,
        CheckerKind::Misc(_) | CheckerKind::File(_) | CheckerKind::Bfd(_)
    );
    if connects {
        connection(real, checker, reader);
    }
}

fn connection(real: &RealServer, checker: &Checker, reader: &mut Reader<'_>) {
    let keyword = checker.kind.keyword();
    let span = checker.span.0;
    if checker.connect_port.value.is_none() && !matches!(checker.kind, CheckerKind::Ping) {
        let mut diagnostic = Diagnostic::new(
            codes::CHECKER_INCOMPLETE,
            Severity::Error,
            format!(
                "`{keyword}` has no port: neither the real server nor the virtual server has one"
            ),
            span,
        )
        .label(real.span.0, "the real server");
        diagnostic = diagnostic.help("add `connect_port N`");
        reader.report(diagnostic);
    }
    let source = checker.source.as_deref();
    if let IpAddr::V6(v6) = checker.connect_ip.value
        && v6.segments().first().is_some_and(|s| s & 0xffc0 == 0xfe80)
        && source.is_none_or(|s| s.bind_if.value.is_none())
    {
        let diagnostic = lost(
            format!("{v6} is link-local; `{keyword}` needs `bind_if`"),
            span,
        );
        reader.report(diagnostic);
    }
    if let Some(bindto) = source.and_then(|s| s.bindto.value)
        && bindto.is_ipv4() != checker.connect_ip.value.is_ipv4()
    {
        let span = source.and_then(|s| s.bindto.span).unwrap_or(span);
        reader.report(lost(
            "`bindto` is of another family than the address to check",
            span,
        ));
    }
    if let Some(span) = checker.connect_timeout.span
        && checker.connect_timeout.value > checker.delay_loop.value
    {
        let diagnostic = warn(
            codes::TIMEOUT_OVER_LOOP,
            format!(
                "the timeout, {} s, is longer than `delay_loop`, {} s: a dead server is noticed \
                 late",
                checker.connect_timeout.value.as_secs_f64(),
                checker.delay_loop.value.as_secs_f64()
            ),
            span,
        );
        reader.report(diagnostic);
    }
}

//! Keywords of virtual and real servers whose grammar is their own.

use std::net::IpAddr;
use std::time::Duration;

use super::Call;
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::keyword::Table;
use crate::keyword::lvs::{REAL_SERVER, SCHEDULERS, scheduler_at};
use crate::model::{
    Config, Granularity, LvsMethod, Origin, RealServer, Setting, SorryServer, Spanned, Tunnel,
    TunnelChecksum, TunnelKind, VirtualServer, VirtualServerGroup, VirtualServerTarget,
};
use crate::source::Span;
use crate::syntax::statement::Word;

const MONTH: i64 = 2_678_400;

fn target(call: &mut Call<'_, '_>) -> Option<Spanned<VirtualServerTarget>> {
    let word = call.required()?;
    let value = match call.text(word.span) {
        "fwmark" => {
            let value = call.option_value(word)?;
            let mark = call.integer(value, 1, i64::from(u32::MAX), false)?;
            VirtualServerTarget::Fwmark(u32::try_from(mark).ok()?)
        }
        "group" => {
            let value = call.option_value(word)?;
            VirtualServerTarget::Group(call.text(value.span).to_owned())
        }
        _ => {
            let (address, port) = address_and_port(call, word)?;
            VirtualServerTarget::Address { address, port }
        }
    };
    Some(Spanned::new(value, call.span()))
}

/// `ADDRESS [PORT]` from the word already taken.
fn address_and_port(call: &mut Call<'_, '_>, word: Word) -> Option<(IpAddr, Option<u16>)> {
    let address = call.address(word)?;
    let port = match call.next() {
        Some(port) => call.port(port)?,
        None => None,
    };
    Some((address, port))
}

pub(crate) fn virtual_server(
    config: &mut Config,
    table: &'static Table<VirtualServer>,
    call: &mut Call<'_, '_>,
) {
    let header = target(call);
    if header.is_some() {
        call.surplus_header();
    }
    let span = call.span();
    let mut server = VirtualServer {
        span: Origin(span),
        ..VirtualServer::default()
    };
    // The block is read even if its header is bad, so that all its problems are reported.
    if let Some(target) = &header {
        server.target = target.clone();
    }
    call.block(table, &mut server);
    if header.is_some() {
        server.real_server.shrink_to_fit();
        config.virtual_server.push(server);
    }
}

pub(crate) fn virtual_server_group(config: &mut Config, call: &mut Call<'_, '_>) {
    let Some(name) = call.block_name() else {
        return;
    };
    let mut members = Vec::new();
    call.group_members(&mut members);
    let span = Origin(call.span());
    if members.is_empty() {
        let message = format!("virtual server group `{}` has no members", name.value);
        call.error(codes::BAD_VALUE, message, span.0);
    }
    if !call.is_first("virtual_server_group", &name.value) {
        return;
    }
    config.virtual_server_group.push(VirtualServerGroup {
        name,
        members,
        span,
    });
}

pub(crate) fn real_server(server: &mut VirtualServer, call: &mut Call<'_, '_>) {
    let header = call
        .required()
        .and_then(|word| address_and_port(call, word));
    if header.is_some() {
        call.surplus_header();
    }
    let mut real = RealServer {
        span: Origin(call.span()),
        ..RealServer::default()
    };
    if let Some((address, port)) = header {
        real.address = address;
        real.port = port;
    }
    call.block(&REAL_SERVER, &mut real);
    if header.is_some() {
        server.real_server.push(real);
    }
}

pub(crate) fn scheduler(server: &mut VirtualServer, call: &mut Call<'_, '_>) {
    let Some(word) = call.required() else {
        return server.lb_algo.spoil(call.name);
    };
    match call.one_of(word, SCHEDULERS, false).and_then(scheduler_at) {
        Some(scheduler) => server.lb_algo.set(scheduler, word.span),
        None => server.lb_algo.spoil(word.span),
    }
}

const METHODS: &[&str] = &["NAT", "DR", "TUN"];

pub(crate) fn method(slot: &mut Setting<LvsMethod>, call: &mut Call<'_, '_>) {
    match read_method(call) {
        Some((method, span)) => slot.set(method, span),
        None => slot.spoil(call.name),
    }
}

fn read_method(call: &mut Call<'_, '_>) -> Option<(LvsMethod, Span)> {
    let word = call.required()?;
    if matches!(call.text(word.span), "FNAT" | "fnat" | "FULLNAT" | "SNAT") {
        let text = call.text(word.span).to_owned();
        let diagnostic = Diagnostic::new(
            codes::BAD_CHOICE,
            Severity::Error,
            format!("`{text}` is a forwarding method of DPVS; the kernel's IPVS has none like it"),
            word.span,
        )
        .note("keepalived reports it and forwards with NAT, another way than the file says")
        .note("it takes NAT, DR, TUN");
        call.report(diagnostic);
        return None;
    }
    let index = call.one_of(word, METHODS, false)?;
    let span = word.span;
    match index {
        0 => Some((LvsMethod::Nat, span)),
        1 => Some((LvsMethod::Dr, span)),
        _ => Some((LvsMethod::Tun(tunnel(call)?), span)),
    }
}

const TUNNEL_OPTIONS: &[&str] = &["type", "port", "nocsum", "csum", "remcsum"];

fn tunnel(call: &mut Call<'_, '_>) -> Option<Tunnel> {
    let mut tunnel = Tunnel {
        kind: TunnelKind::Ipip,
        port: None,
        checksum: TunnelChecksum::None,
    };
    let mut checksum = None;
    while let Some(option) = call.next() {
        match call.text(option.span) {
            "type" => {
                let word = call.option_value(option)?;
                tunnel.kind = match call.one_of(word, &["ipip", "gue", "gre"], false)? {
                    0 => TunnelKind::Ipip,
                    1 => TunnelKind::Gue,
                    _ => TunnelKind::Gre,
                };
            }
            "port" => {
                let word = call.option_value(option)?;
                tunnel.port = u16::try_from(call.integer(word, 1, 65535, false)?).ok();
            }
            "nocsum" => checksum = Some((TunnelChecksum::None, option)),
            "csum" => checksum = Some((TunnelChecksum::Checksum, option)),
            "remcsum" => checksum = Some((TunnelChecksum::Remote, option)),
            _ => call.unknown_option(option, TUNNEL_OPTIONS),
        }
    }
    let span = call.span();
    let gue = tunnel.kind == TunnelKind::Gue;
    if gue && tunnel.port.is_none() {
        call.error(
            codes::MISSING_ARGUMENT,
            "a `gue` tunnel needs a `port`",
            span,
        );
        return None;
    }
    if !gue && tunnel.port.is_some() {
        call.error(
            codes::BAD_OPTION,
            "only a `gue` tunnel takes a `port`",
            span,
        );
        return None;
    }
    if let Some((value, option)) = checksum {
        let bad = match (value, tunnel.kind) {
            (TunnelChecksum::Checksum, TunnelKind::Ipip) => Some("`ipip` has no checksum"),
            (TunnelChecksum::Remote, TunnelKind::Gre) => Some("`gre` has no remote checksum"),
            (TunnelChecksum::Remote, TunnelKind::Ipip) => Some("`ipip` has no checksum"),
            _ => None,
        };
        if let Some(message) = bad {
            call.error(codes::BAD_OPTION, message, option.span);
            return None;
        }
        tunnel.checksum = value;
    }
    Some(tunnel)
}

pub(crate) fn persistence(server: &mut VirtualServer, call: &mut Call<'_, '_>) {
    let Some(word) = call.next() else {
        call.set(
            &mut server.persistence_timeout,
            Some(Duration::from_secs(360)),
        );
        return;
    };
    if let Some(seconds) = call.integer(word, 1, MONTH, true) {
        let value = Some(Duration::from_secs(seconds.unsigned_abs())).filter(|t| !t.is_zero());
        server.persistence_timeout.set(value, word.span);
    }
}

pub(crate) fn granularity(server: &mut VirtualServer, call: &mut Call<'_, '_>) {
    let Some(word) = call.required() else { return };
    let text = call.text(word.span);
    let value = if text.contains('.') {
        match text.parse() {
            Ok(mask) => Granularity::Mask(mask),
            Err(_) => {
                call.bad_address(word.span);
                return;
            }
        }
    } else {
        match call
            .integer(word, 1, 128, false)
            .and_then(|n| u8::try_from(n).ok())
        {
            Some(length) => Granularity::PrefixLength(length),
            None => return,
        }
    };
    server.persistence_granularity.set(Some(value), word.span);
    if !server.persistence_timeout.is_written() {
        server
            .persistence_timeout
            .set(Some(Duration::from_secs(360)), word.span);
    }
}

pub(crate) fn sorry_server(server: &mut VirtualServer, call: &mut Call<'_, '_>) {
    let Some(word) = call.required() else { return };
    let Some((address, port)) = address_and_port(call, word) else {
        return;
    };
    // Order does not matter here: options given before the server are kept.
    let before = server.sorry_server.take();
    let early = before.filter(|b| b.address.is_unspecified());
    server.sorry_server = Some(Box::new(SorryServer {
        address,
        port,
        inhibit: early.as_ref().is_some_and(|e| e.inhibit),
        lvs_method: early.as_ref().map_or(LvsMethod::Nat, |e| e.lvs_method),
        lvs_method_written: early.is_some_and(|e| e.lvs_method_written),
        span: Origin(call.span()),
    }));
}

fn early_sorry<'s>(server: &'s mut VirtualServer, call: &Call<'_, '_>) -> &'s mut SorryServer {
    let span = Origin(call.span());
    server.sorry_server.get_or_insert_with(|| {
        Box::new(SorryServer {
            address: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
            port: None,
            inhibit: false,
            lvs_method: LvsMethod::Nat,
            lvs_method_written: false,
            span,
        })
    })
}

pub(crate) fn sorry_inhibit(server: &mut VirtualServer, call: &mut Call<'_, '_>) {
    early_sorry(server, call).inhibit = true;
}

pub(crate) fn sorry_method(server: &mut VirtualServer, call: &mut Call<'_, '_>) {
    if let Some((method, _)) = read_method(call) {
        let sorry = early_sorry(server, call);
        sorry.lvs_method = method;
        sorry.lvs_method_written = true;
    }
}

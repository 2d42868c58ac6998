//! Keywords of `global_defs` whose grammar is their own.

use std::time::Duration;

use super::Call;
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{
    AutoPriority, DynamicInterfaces, FlushOnStop, GlobalDefs, Iptables, LvsSyncDaemon, NotifyFifo,
    ReceiveBufferPolicy, Secret, Setting, SmtpServer,
};
use crate::syntax::statement::Word;

/// The kernel's limit of process names.
const MAX_PROCESS_NAME: usize = 15;
const MONTH: i64 = 2_678_400;

pub(crate) fn process_name(slot: &mut Setting<Option<String>>, call: &mut Call<'_, '_>) {
    let Some(word) = call.required() else { return };
    let mut name = call.text(word.span).to_owned();
    if name.len() > MAX_PROCESS_NAME {
        let message = format!("the name is cut to {MAX_PROCESS_NAME} bytes");
        call.warning(codes::NAME_TOO_LONG, message, word.span);
        while name.len() > MAX_PROCESS_NAME {
            name.pop();
        }
    }
    slot.set(Some(name), word.span);
}

pub(crate) fn auto_priority(target: &mut GlobalDefs, call: &mut Call<'_, '_>) {
    let value = match call.next() {
        None => Some(99),
        Some(word) => call.integer(word, -1, 99, false),
    };
    let Some(value) = value else { return };
    let value = match u8::try_from(value) {
        Err(_) => AutoPriority::Silent,
        Ok(0) => AutoPriority::Off,
        Ok(most) => AutoPriority::UpTo(most),
    };
    call.set(&mut target.max_auto_priority, value);
}

/// A number in C notation, or names like `IRUSR|IRWXG`.
pub(crate) fn umask(target: &mut GlobalDefs, call: &mut Call<'_, '_>) {
    if call.required().is_none() {
        return;
    }
    call.used = 1;
    let text: String = call.rest().concat();
    let span = call.span();
    let number = if let Some(hexadecimal) = text.strip_prefix("0x") {
        u32::from_str_radix(hexadecimal, 16).ok()
    } else if text.starts_with('0') {
        u32::from_str_radix(&text, 8).ok()
    } else {
        text.parse().ok()
    };
    let named = || {
        text.split('|').try_fold(0, |mask, name| {
            let (bits, who) = name
                .strip_prefix('I')?
                .split_at_checked(name.len().checked_sub(4)?)?;
            let shift = match who {
                "USR" => 6,
                "GRP" => 3,
                "OTH" => 0,
                _ => return name_all(name).map(|bits| mask | bits),
            };
            let bits = match bits {
                "R" => 4,
                "W" => 2,
                "X" => 1,
                _ => return None,
            };
            Some(mask | bits << shift)
        })
    };
    match number.or_else(named).filter(|mask| *mask <= 0o777) {
        Some(mask) => target.umask.set(mask, span),
        None => call.error(
            codes::BAD_VALUE,
            format!("`{text}` is no file mode mask"),
            span,
        ),
    }
}

fn name_all(name: &str) -> Option<u32> {
    match name {
        "IRWXU" => Some(0o700),
        "IRWXG" => Some(0o070),
        "IRWXO" => Some(0o007),
        _ => None,
    }
}

pub(crate) fn notification_email(target: &mut GlobalDefs, call: &mut Call<'_, '_>) {
    let names = call.names();
    let span = call.span();
    if names.is_empty() {
        call.warning(codes::NO_MAIL, "the list of recipients is empty", span);
        return;
    }
    target.notification_email.value.extend(names);
    target.notification_email.span = Some(span);
}

pub(crate) fn smtp_server(target: &mut GlobalDefs, call: &mut Call<'_, '_>) {
    let Some(word) = call.required() else { return };
    let host = call.text(word.span).to_owned();
    if call.fill_in(word) {
        return;
    }
    let port = match call.next() {
        None => Some(25),
        Some(port) => call
            .integer(port, 1, 65535, false)
            .and_then(|p| u16::try_from(p).ok()),
    };
    if let Some(port) = port {
        target
            .smtp_server
            .set(Some(SmtpServer { host, port }), word.span);
    }
}

pub(crate) fn smtp_password(target: &mut GlobalDefs, call: &mut Call<'_, '_>) {
    if let Some(word) = call.required() {
        let secret = Secret::new(call.text(word.span).as_bytes().to_vec());
        target.smtp_password.set(Some(secret), word.span);
    }
}

pub(crate) fn dynamic_interfaces(target: &mut GlobalDefs, call: &mut Call<'_, '_>) {
    let value = match call.next() {
        None => DynamicInterfaces::Yes,
        Some(word) => match call.one_of(word, &["allow_if_changes"], false) {
            Some(_) => DynamicInterfaces::AllowChanges,
            None => return,
        },
    };
    call.set(&mut target.dynamic_interfaces, value);
}

/// One packet only, for whatever was not written by now.
pub(crate) fn min_garp(target: &mut GlobalDefs, call: &mut Call<'_, '_>) {
    call.put(&mut target.vrrp_min_garp);
}

pub(crate) fn rx_bufs_policy(target: &mut GlobalDefs, call: &mut Call<'_, '_>) {
    let Some(word) = call.required() else { return };
    let text = call.text(word.span);
    let value = if text.eq_ignore_ascii_case("MTU") {
        ReceiveBufferPolicy::Mtu
    } else if text.eq_ignore_ascii_case("ADVERT") {
        ReceiveBufferPolicy::Advert
    } else {
        match call.integer(word, 1, i64::from(u32::MAX), false) {
            Some(bytes) => ReceiveBufferPolicy::Bytes(u32::try_from(bytes).unwrap_or(u32::MAX)),
            None => return,
        }
    };
    target.vrrp_rx_bufs_policy.set(Some(value), word.span);
}

pub(crate) fn iptables(target: &mut GlobalDefs, call: &mut Call<'_, '_>) {
    let chains = match (call.next_text(), call.next_text()) {
        (None, _) => Iptables {
            input: String::from("INPUT"),
            output: Some(String::from("OUTPUT")),
        },
        (Some(input), output) => {
            if let Some(output) = &output
                && output.value == input.value
            {
                let span = output.span;
                call.error(codes::BAD_VALUE, "the two chains must differ", span);
                return;
            }
            Iptables {
                input: input.value,
                output: output.map(|o| o.value),
            }
        }
    };
    call.set(&mut target.vrrp_iptables, Some(chains));
}

pub(crate) fn lvs_timeouts(target: &mut GlobalDefs, call: &mut Call<'_, '_>) {
    let mut timeouts = target.lvs_timeouts.value.unwrap_or_default();
    let Some(mut option) = call.required() else {
        return;
    };
    loop {
        let slot = match call.text(option.span) {
            "tcp" => Some(&mut timeouts.tcp),
            "tcpfin" => Some(&mut timeouts.tcpfin),
            "udp" => Some(&mut timeouts.udp),
            _ => None,
        };
        match slot {
            None => call.unknown_option(option, &["tcp", "tcpfin", "udp"]),
            Some(slot) => {
                let Some(word) = call.option_value(option) else {
                    return;
                };
                if let Some(seconds) = call.integer(word, 0, MONTH, false) {
                    *slot = Some(Duration::from_secs(seconds.unsigned_abs()));
                }
            }
        }
        match call.next() {
            Some(next) => option = next,
            None => break,
        }
    }
    call.set(&mut target.lvs_timeouts, Some(timeouts));
}

pub(crate) fn flush_on_stop(target: &mut GlobalDefs, call: &mut Call<'_, '_>) {
    let value = match call.next() {
        None => FlushOnStop::All,
        Some(word) => match call.one_of(word, &["VS"], false) {
            Some(_) => FlushOnStop::VirtualServers,
            None => return,
        },
    };
    call.set(&mut target.lvs_flush_on_stop, value);
}

const SYNC_OPTIONS: &[&str] = &["inst", "id", "maxlen", "port", "ttl", "group"];

pub(crate) fn sync_daemon(target: &mut GlobalDefs, call: &mut Call<'_, '_>) {
    let Some(interface) = call.required() else {
        return;
    };
    if call.fill_in(interface) || !call.interface_name_fits(interface) {
        return;
    }
    let name = call.text(interface.span).to_owned();
    let mut daemon = LvsSyncDaemon {
        interface: crate::model::Spanned::new(name, interface.span),
        inst: None,
        id: None,
        maxlen: None,
        port: None,
        ttl: None,
        group: None,
    };
    let number = |call: &mut Call<'_, '_>, option: Word, min: i64, max: i64| {
        let word = call.option_value(option)?;
        call.integer(word, min, max, false)
    };
    let mut positional = 0;
    while let Some(option) = call.next() {
        match call.text(option.span) {
            "inst" => {
                let Some(word) = call.option_value(option) else {
                    break;
                };
                let text = call.text(word.span).to_owned();
                daemon.inst = Some(crate::model::Spanned::new(text, word.span));
            }
            "id" => {
                daemon.id = number(call, option, 0, 255).and_then(|n| u8::try_from(n).ok());
            }
            "maxlen" => {
                daemon.maxlen = number(call, option, 1, 65507).and_then(|n| u16::try_from(n).ok());
            }
            "port" => {
                daemon.port = number(call, option, 1, 65535).and_then(|n| u16::try_from(n).ok());
            }
            "ttl" => {
                daemon.ttl = number(call, option, 1, 255).and_then(|n| u8::try_from(n).ok());
            }
            "group" => {
                let Some(word) = call.option_value(option) else {
                    break;
                };
                daemon.group = call.address(word);
                if daemon.group.is_some_and(|group| !group.is_multicast()) {
                    call.error(
                        codes::BAD_ADDRESS,
                        "this is no multicast address",
                        word.span,
                    );
                    daemon.group = None;
                }
            }
            _ if positional == 0 && daemon.inst.is_none() => {
                positional = 1;
                let text = call.text(option.span).to_owned();
                daemon.inst = Some(crate::model::Spanned::new(text, option.span));
            }
            text if positional == 1 && text.bytes().all(|b| b.is_ascii_digit()) => {
                positional = 2;
                daemon.id = call
                    .integer(option, 0, 255, false)
                    .and_then(|n| u8::try_from(n).ok());
            }
            _ => call.unknown_option(option, SYNC_OPTIONS),
        }
    }
    call.set(&mut target.lvs_sync_daemon, Some(daemon));
}

pub(crate) fn fifo(slot: &mut Setting<Option<NotifyFifo>>, call: &mut Call<'_, '_>) {
    let Some(word) = call.required() else { return };
    let path = call.text(word.span).to_owned();
    let user = call.peek().is_some().then(|| call.user()).flatten();
    slot.set(Some(NotifyFifo { path, user }), word.span);
}

pub(crate) fn cpus(slot: &mut Setting<Vec<u32>>, call: &mut Call<'_, '_>) {
    let Some(first) = call.required() else { return };
    call.used = 1;
    let mut found = Vec::new();
    while let Some(word) = call.next() {
        match call
            .integer(word, 0, 8191, false)
            .and_then(|n| u32::try_from(n).ok())
        {
            Some(cpu) => found.push(cpu),
            None => return,
        }
    }
    slot.set(found, first.span);
}

/// `read`, `match`, `wildcard_match`, `brace_match`, each with `+` or `-`; a first word without
/// sign replaces the set.
pub(crate) fn include_check(target: &mut GlobalDefs, call: &mut Call<'_, '_>) {
    const WORDS: &[&str] = &["read", "match", "wildcard_match", "brace_match"];
    let mut checks = call.low.reader.include_checks;
    if call.peek().is_none() {
        checks.read = true;
        checks.matched = true;
        checks.wildcard = true;
        checks.brace = true;
    }
    let mut first = true;
    while let Some(word) = call.next() {
        let text = call.text(word.span).to_owned();
        let (value, name) = match text.strip_prefix('-') {
            Some(name) => (false, name),
            None => (true, text.strip_prefix('+').unwrap_or(&text)),
        };
        let unsigned = !text.starts_with(['+', '-']);
        if unsigned && first {
            checks = crate::model::IncludeChecks {
                read: true,
                ..Default::default()
            };
        }
        first = false;
        match name {
            "read" => checks.read = value,
            "match" => checks.matched = value,
            "wildcard_match" => checks.wildcard = value,
            "brace_match" => checks.brace = value,
            "readable" => {
                checks.read = value;
                let diagnostic = Diagnostic::new(
                    codes::OLD_SPELLING,
                    Severity::Warning,
                    "the word is `read`",
                    word.span,
                )
                .note("the man page says `readable`, which keepalived rejects");
                call.report(diagnostic);
            }
            _ => call.unknown_option(word, WORDS),
        }
    }
    call.low.reader.include_checks = checks;
    call.set(&mut target.include_check, checks);
}

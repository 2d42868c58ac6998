//! Keywords of instances whose grammar is their own.

use std::net::IpAddr;
use std::time::Duration;

use super::Call;
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::keyword::instance::{AUTH_HMAC, AUTHENTICATION, AuthenticationDraft, HmacDraft};
use crate::model::{
    AuthHmac, Authentication, HmacKey, InitialState, IpvlanMode, Origin, Secret, Setting,
    UnicastPeer, UseIpvlan, UseVmac, VrrpInstance,
};
use crate::syntax::statement::Word;

pub(crate) fn use_vmac(target: &mut VrrpInstance, call: &mut Call<'_, '_>) {
    let mut vmac = UseVmac::default();
    while let Some(word) = call.next() {
        let text = call.text(word.span).to_owned();
        match text.as_str() {
            "name" => vmac.name = call.interface_value(word).map(|n| n.value),
            "netlink_notify_msg" => vmac.netlink_notify_msg = true,
            "group" => {
                vmac.group = call
                    .option_value(word)
                    .map(|w| call.text(w.span).to_owned());
            }
            _ if text.contains(':') => match mac(&text, target.virtual_router_id.value) {
                Some(mac) if mac.first().is_some_and(|b| b & 1 == 0) => vmac.mac = Some(mac),
                _ => {
                    let message = format!("`{text}` is not a unicast hardware address");
                    call.error(codes::BAD_ADDRESS, message, word.span);
                }
            },
            _ if vmac.name.is_none() => {
                if call.interface_name_fits(word) {
                    vmac.name = Some(text);
                }
            }
            _ => call.unknown_option(word, &["name", "netlink_notify_msg", "group"]),
        }
    }
    call.set(&mut target.use_vmac, Some(vmac));
}

/// Six octets, or five with the VRID as the last.
fn mac(text: &str, vrid: u8) -> Option<[u8; 6]> {
    let mut octets = Vec::with_capacity(6);
    for part in text.trim_end_matches(':').split(':') {
        octets.push(u8::from_str_radix(part, 16).ok()?);
    }
    if octets.len() == 5 {
        octets.push(vrid);
    }
    octets.try_into().ok()
}

pub(crate) fn use_ipvlan(target: &mut VrrpInstance, call: &mut Call<'_, '_>) {
    let mut ipvlan = UseIpvlan::default();
    while let Some(word) = call.next() {
        let text = call.text(word.span).to_owned();
        match text.as_str() {
            "name" => ipvlan.name = call.interface_value(word).map(|n| n.value),
            "bridge" => ipvlan.mode = IpvlanMode::Bridge,
            "private" => ipvlan.mode = IpvlanMode::Private,
            "vepa" => ipvlan.mode = IpvlanMode::Vepa,
            "group" => {
                ipvlan.group = call
                    .option_value(word)
                    .map(|w| call.text(w.span).to_owned());
            }
            _ if text.contains(['.', ':']) => ipvlan.address = call.prefix(word),
            _ if ipvlan.name.is_none() => {
                if call.interface_name_fits(word) {
                    ipvlan.name = Some(text);
                }
            }
            _ => call.unknown_option(word, &["name", "bridge", "private", "vepa", "group"]),
        }
    }
    call.set(&mut target.use_ipvlan, Some(ipvlan));
}

/// `state`; SLAVE is what people write for BACKUP.
pub(crate) fn state(target: &mut VrrpInstance, call: &mut Call<'_, '_>) {
    if let Some(word) = call.word(1)
        && call.text(word.span).eq_ignore_ascii_case("slave")
    {
        call.used = 2;
        target.state.set(InitialState::Backup, word.span);
        let diagnostic = Diagnostic::new(
            codes::BAD_CHOICE,
            Severity::Warning,
            "there is no state SLAVE; it is read as BACKUP",
            word.span,
        )
        .note("keepalived reports it and uses BACKUP too")
        .fix("write `BACKUP`", word.span, "BACKUP");
        call.report(diagnostic);
        return;
    }
    call.choose(
        &mut target.state,
        &[InitialState::Master, InitialState::Backup],
    );
}

pub(crate) fn multicast(setting: &mut Setting<Option<IpAddr>>, call: &mut Call<'_, '_>) {
    if let Setting {
        value: Some(address),
        span: Some(span),
    } = *setting
        && !address.is_multicast()
    {
        call.error(
            codes::BAD_ADDRESS,
            format!("{address} is no multicast address"),
            span,
        );
        *setting = Setting::default_of(None);
    }
}

/// `vrrp_unicast_peer ADDR` of patched 1.x versions.
pub(crate) fn old_peer(target: &mut VrrpInstance, call: &mut Call<'_, '_>) {
    let Some(word) = call.required() else { return };
    let Some(address) = call.address(word) else {
        return;
    };
    let name = call.name;
    let diagnostic = Diagnostic::new(
        codes::OLD_SPELLING,
        Severity::Warning,
        "`vrrp_unicast_peer` is an old form of `unicast_peer`",
        name,
    )
    .note("keepalived does not know this spelling and ignores the line")
    .help(format!("write `unicast_peer {{ {address} }}`"));
    call.report(diagnostic);
    target.unicast = true;
    let span = Origin(word.span);
    target.unicast_peer.push(UnicastPeer {
        address,
        min_ttl: None,
        max_ttl: None,
        span,
    });
}

pub(crate) fn sync_daemon(target: &VrrpInstance, call: &mut Call<'_, '_>) {
    let Some(interface) = target.lvs_sync_daemon_interface.value.as_deref() else {
        return;
    };
    let line = format!("lvs_sync_daemon {interface} {}", target.name.value);
    let span = call.span();
    let diagnostic = Diagnostic::new(
        codes::OLD_SPELLING,
        Severity::Warning,
        "the sync daemon is set in `global_defs` today",
        span,
    )
    .note("keepalived accepts it here and calls it deprecated")
    .help(format!("write `{line}` in `global_defs`"));
    call.report(diagnostic);
}

/// Tells when a `#` or `!` directly after the word cut it.
pub(crate) fn comment_cuts(call: &mut Call<'_, '_>, word: Word) {
    let file_span = call.low.reader.sources.in_file(word.span);
    let line = call.low.reader.sources.line_of(file_span);
    let after = crate::Span::new(file_span.end(), line.end());
    let text = call.low.reader.sources.text(after);
    if word.quoted || !text.starts_with(['#', '!']) {
        return;
    }
    let sign = text.chars().next().unwrap_or('#');
    let span = crate::Span::new(after.start(), after.start() + 1);
    let diagnostic = Diagnostic::new(
        codes::COMMENT_IN_WORD,
        Severity::Warning,
        format!("`{sign}` begins a comment here, which cuts the word before it"),
        span,
    )
    .note("keepalived cuts it too, without a word")
    .help(format!(
        "write `\\{sign}` or put the word into double quotes if it belongs to it"
    ));
    call.report(diagnostic);
}

pub(crate) fn authentication(target: &mut VrrpInstance, call: &mut Call<'_, '_>) {
    call.surplus_header();
    let mut draft = AuthenticationDraft::default();
    call.block(&AUTHENTICATION, &mut draft);
    let span = call.span();
    let missing = match (draft.auth_type, draft.auth_pass) {
        (Some(kind), Some(pass)) => {
            target.authentication = Some(Authentication {
                auth_type: kind.value,
                auth_pass: pass.value,
                type_span: Origin(kind.span),
                pass_span: Origin(pass.span),
            });
            return;
        }
        (Some(_), None) => "auth_pass",
        (None, Some(_)) => "auth_type",
        (None, None) => return,
    };
    let diagnostic = Diagnostic::new(
        codes::MISSING_KEYWORD,
        Severity::Warning,
        format!("`authentication` without `{missing}` has no effect"),
        span,
    );
    call.report(diagnostic);
}

pub(crate) fn hmac_key(call: &mut Call<'_, '_>) -> Option<HmacKey> {
    let word = call.required()?;
    let id = u8::try_from(call.integer(word, 1, 255, false)?).ok()?;
    let Some(value) = call.next() else {
        let name = call.name;
        call.error(
            codes::MISSING_ARGUMENT,
            "`key` needs a number and a value",
            name,
        );
        return None;
    };
    let text = call.text(value.span).to_owned();
    let bytes = if let Some(path) = text.strip_prefix("file:") {
        let read = call.low.reader.loader.read(std::path::Path::new(path), 139);
        match read {
            Ok(bytes) => {
                let end = bytes.iter().rposition(|b| !matches!(b, b'\r' | b'\n'));
                let text =
                    String::from_utf8_lossy(bytes.get(..end.map_or(0, |e| e + 1))?).into_owned();
                key_bytes(&text)
            }
            Err(error) => {
                let message = format!("cannot read the key file `{path}`: {error}");
                call.error(codes::BAD_VALUE, message, value.span);
                return None;
            }
        }
    } else {
        key_bytes(&text)
    };
    match bytes {
        Some(bytes) if (32..=64).contains(&bytes.len()) => Some(HmacKey {
            id,
            key: Secret::new(bytes),
            span: Origin(call.span()),
        }),
        Some(bytes) => {
            let message = format!("the key has {} bytes, not 32 to 64", bytes.len());
            call.error(codes::BAD_VALUE, message, value.span);
            None
        }
        None => {
            let message = "the key is no pairs of hexadecimal digits";
            call.error(codes::BAD_VALUE, message, value.span);
            None
        }
    }
}

fn key_bytes(text: &str) -> Option<Vec<u8>> {
    match text.strip_prefix("hex:") {
        Some(digits) => super::check_parts::hex_bytes(digits),
        None => Some(text.as_bytes().to_vec()),
    }
}

pub(crate) fn auth_hmac(target: &mut VrrpInstance, call: &mut Call<'_, '_>) {
    call.surplus_header();
    let mut draft = HmacDraft::default();
    if let Some(before) = target.auth_hmac.take() {
        draft.keys = before.key;
        draft.mode = before.mode;
        draft.anti_replay = before.anti_replay;
    }
    call.block(&AUTH_HMAC, &mut draft);
    let span = call.span();
    let Some(active) = draft.active_key else {
        call.error(
            codes::MISSING_KEYWORD,
            "`auth_hmac` needs `active_key`",
            span,
        );
        return;
    };
    if !draft.keys.iter().any(|key| key.id == active.value) {
        let message = format!(
            "key {} is not defined; nothing would be signed",
            active.value
        );
        call.error(codes::UNRESOLVED, message, active.span);
        return;
    }
    target.auth_hmac = Some(AuthHmac {
        key: draft.keys,
        active_key: active.value,
        time_window: draft.time_window.unwrap_or_else(|| {
            let window = target.advert_int.value.saturating_mul(3);
            window.clamp(Duration::from_secs(5), Duration::from_secs(300))
        }),
        anti_replay: draft.anti_replay,
        mode: draft.mode,
        span: Origin(span),
    });
}

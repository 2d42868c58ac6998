//! Effective values of instances.

use std::net::IpAddr;
use std::time::Duration;

use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::expand::Reader;
use crate::model::{
    AuthType, Config, Family, GlobalDefs, InitialState, Setting, VrrpInstance, VrrpVersion,
};

/// Priority of the owner of the addresses.
pub(crate) const OWNER: u8 = 255;
/// Longest interval of version 3: 4095 centiseconds.
const MAX_INTERVAL_V3: Duration = Duration::from_millis(40_950);

/// Written, else the narrower default, else the wider one.
pub(super) fn alert(
    setting: &mut Setting<bool>,
    narrow: &Setting<Option<bool>>,
    wide: &Setting<Option<bool>>,
) {
    for from in [narrow, wide] {
        if let (None, Some(value)) = (setting.span, from.value) {
            *setting = Setting {
                value,
                span: from.span,
            };
        }
    }
}

pub(super) fn instances(config: &mut Config, reader: &mut Reader<'_>) {
    let globals = config.global_defs.clone();
    for instance in &mut config.vrrp_instance {
        inherit(instance, &globals);
        family(instance, reader);
        version(instance, &globals, reader);
        state(instance, reader);
        owner(instance, &globals, reader);
        interval(instance, reader);
        preemption(instance, reader);
        authentication(instance, reader);
    }
}

fn inherit(instance: &mut VrrpInstance, globals: &GlobalDefs) {
    instance.strict_mode.inherit(&globals.vrrp_strict);
    instance
        .down_timer_adverts
        .inherit(&globals.vrrp_down_timer_adverts);
    instance
        .skip_check_adv_addr
        .inherit(&globals.vrrp_skip_check_adv_addr);
    instance
        .higher_prio_send_advert
        .inherit(&globals.vrrp_higher_prio_send_advert);
    instance
        .v3_checksum_as_v2
        .inherit(&globals.v3_checksum_as_v2);
    instance
        .check_unicast_src
        .inherit(&globals.vrrp_check_unicast_src);
    instance
        .notify_priority_changes
        .inherit(&globals.vrrp_notify_priority_changes);
    instance.garp_extra_if.inherit(&globals.vrrp_garp_extra_if);
    instance
        .garp_master_delay
        .inherit(&globals.vrrp_garp_master_delay);
    instance
        .garp_master_repeat
        .inherit(&globals.vrrp_garp_master_repeat);
    instance
        .garp_master_refresh
        .inherit(&globals.vrrp_garp_master_refresh);
    instance
        .garp_master_refresh_repeat
        .inherit(&globals.vrrp_garp_master_refresh_repeat);
    if instance.strict_mode.value {
        let span = instance.strict_mode.span;
        instance.lower_prio_no_advert = Setting { value: true, span };
        instance.higher_prio_send_advert = Setting { value: false, span };
        instance.garp_lower_prio_delay = Setting {
            value: Duration::ZERO,
            span,
        };
        instance.garp_lower_prio_repeat = Setting { value: 0, span };
        instance.down_timer_adverts = Setting { value: 3, span };
    } else {
        instance
            .lower_prio_no_advert
            .inherit(&globals.vrrp_lower_prio_no_advert);
        instance
            .garp_lower_prio_delay
            .inherit(&globals.vrrp_garp_lower_prio_delay);
        instance
            .garp_lower_prio_repeat
            .inherit(&globals.vrrp_garp_lower_prio_repeat);
    }
    alert(
        &mut instance.smtp_alert,
        &globals.smtp_alert_vrrp,
        &globals.smtp_alert,
    );
    if instance.linkbeat_use_polling.is_written() {
        instance.linkbeat_use_polling.value = true;
    }
}

/// The family is that of the source address, of the peers, or of the first virtual address.
fn family(instance: &mut VrrpInstance, reader: &mut Reader<'_>) {
    let addresses = [
        instance.unicast_src_ip.value,
        instance.mcast_src_ip.value,
        instance.mcast_dst_ip.value,
        instance.unicast_peer.first().map(|peer| peer.address),
        instance.virtual_ipaddress.first().map(|vip| vip.address),
    ];
    let first = addresses.iter().flatten().next().map(Family::of);
    instance.family = if instance.native_ipv6.value {
        Family::Inet6
    } else {
        first.unwrap_or(Family::Inet)
    };
    let wanted = instance.family;
    let name = instance.name.value.clone();
    let mut other = |address: &IpAddr, span, what: &str| {
        if Family::of(address) == wanted {
            return true;
        }
        let family = if wanted == Family::Inet {
            "IPv4"
        } else {
            "IPv6"
        };
        let diagnostic = Diagnostic::new(
            codes::MIXED_FAMILIES,
            Severity::Error,
            format!("{what} {address} is not {family}, as instance `{name}` is"),
            span,
        )
        .note("keepalived leaves it out")
        .help("one instance has one family; use `virtual_ipaddress_excluded` or another instance");
        reader.report(diagnostic);
        false
    };
    instance
        .virtual_ipaddress
        .retain(|vip| other(&vip.address, vip.span.0, "virtual address"));
    instance
        .unicast_peer
        .retain(|peer| other(&peer.address, peer.span.0, "peer"));
    for source in [&mut instance.unicast_src_ip, &mut instance.mcast_src_ip] {
        if let Setting {
            value: Some(address),
            span: Some(span),
        } = *source
            && !other(&address, span, "source address")
        {
            source.value = None;
        }
    }
}

fn version(instance: &mut VrrpInstance, globals: &GlobalDefs, reader: &mut Reader<'_>) {
    if instance.family == Family::Inet6 {
        if let Setting {
            value: VrrpVersion::V2,
            span: Some(span),
        } = instance.version
        {
            let diagnostic = Diagnostic::new(
                codes::INEFFECTIVE,
                Severity::Warning,
                "IPv6 needs version 3; `version 2` gives way",
                span,
            );
            reader.report(diagnostic);
        }
        let span = instance
            .version
            .span
            .filter(|_| instance.version.value == VrrpVersion::V3);
        instance.version = Setting {
            value: VrrpVersion::V3,
            span,
        };
    } else {
        instance.version.inherit(&globals.vrrp_version);
    }
}

fn state(instance: &mut VrrpInstance, reader: &mut Reader<'_>) {
    let master = instance.state.value == InitialState::Master;
    if !instance.priority.is_written() {
        if master && let Some(span) = instance.state.span {
            instance.priority.value = OWNER;
            let diagnostic = Diagnostic::new(
                codes::OWNER_PRIORITY,
                Severity::Warning,
                format!(
                    "instance `{}` has no `priority`; with `state MASTER` that means 255, the \
                     owner of the addresses",
                    instance.name.value
                ),
                span,
            )
            .help("write a `priority` below 255");
            reader.report(diagnostic);
        }
    } else if !instance.state.is_written() && instance.priority.value == OWNER {
        instance.state.value = InitialState::Master;
    }
}

/// Only an owner can ignore adverts.
fn owner(instance: &mut VrrpInstance, globals: &GlobalDefs, reader: &mut Reader<'_>) {
    if instance.priority.value == OWNER {
        instance
            .owner_ignore_adverts
            .inherit(&globals.vrrp_owner_ignore_adverts);
        if instance.strict_mode.value {
            let strict = Setting {
                value: true,
                span: instance.strict_mode.span,
            };
            instance.owner_ignore_adverts.inherit(&strict);
        }
    } else if let Setting {
        value: true,
        span: Some(span),
    } = instance.owner_ignore_adverts
    {
        instance.owner_ignore_adverts.value = false;
        let diagnostic = Diagnostic::new(
            codes::INEFFECTIVE,
            Severity::Warning,
            "`owner_ignore_adverts` has no effect below priority 255",
            span,
        )
        .note("keepalived clears it");
        reader.report(diagnostic);
    }
}

fn interval(instance: &mut VrrpInstance, reader: &mut Reader<'_>) {
    let Some(span) = instance.advert_int.span else {
        return;
    };
    let written = instance.advert_int.value;
    let (value, why) = match instance.version.value {
        VrrpVersion::V2 => {
            let seconds = (written + Duration::from_millis(500)).as_secs().max(1);
            (Duration::from_secs(seconds), "version 2 has whole seconds")
        }
        VrrpVersion::V3 => {
            let centiseconds = ((written.as_micros() + 5000) / 10_000).max(1);
            let rounded = Duration::from_millis(u64::try_from(centiseconds).unwrap_or(4095) * 10);
            (
                rounded.min(MAX_INTERVAL_V3),
                "version 3 has hundredths of a second up to 40.95 s",
            )
        }
    };
    if value == written {
        return;
    }
    instance.advert_int.value = value;
    let mut diagnostic = Diagnostic::new(
        codes::INTERVAL_VERSION,
        Severity::Warning,
        format!("{why}; the interval becomes {} s", value.as_secs_f64()),
        span,
    )
    .note("keepalived changes it too");
    if instance.version.value == VrrpVersion::V2 && written < Duration::from_secs(1) {
        diagnostic = diagnostic.help("add `version 3` on all routers for shorter intervals");
    }
    reader.report(diagnostic);
}

fn preemption(instance: &mut VrrpInstance, reader: &mut Reader<'_>) {
    let owner = instance.priority.value == OWNER;
    let master = instance.state.value == InitialState::Master && instance.state.is_written();
    if let Setting {
        value: true,
        span: Some(span),
    } = instance.nopreempt
        && (master || owner)
    {
        instance.nopreempt.value = false;
        let why = if master {
            "`state MASTER`"
        } else {
            "priority 255"
        };
        let mut diagnostic = Diagnostic::new(
            codes::NOPREEMPT_MASTER,
            Severity::Warning,
            format!("`nopreempt` has no effect with {why}"),
            span,
        )
        .note("keepalived clears it");
        if master && let Some(state) = instance.state.span {
            diagnostic = diagnostic.label(state, "the first state");
            diagnostic = diagnostic.fix("use `state BACKUP` on both routers", state, "BACKUP");
        }
        reader.report(diagnostic);
    }
    let Some(span) = instance.preempt_delay.span else {
        return;
    };
    if instance.preempt_delay.value.is_zero() {
        return;
    }
    let why = if master {
        "`state MASTER`"
    } else if instance.nopreempt.value {
        "`nopreempt`"
    } else if instance.strict_mode.value {
        "strict mode"
    } else {
        return;
    };
    instance.preempt_delay.value = Duration::ZERO;
    let diagnostic = Diagnostic::new(
        codes::INEFFECTIVE,
        Severity::Warning,
        format!("`preempt_delay` has no effect with {why}"),
        span,
    )
    .note("keepalived clears it");
    reader.report(diagnostic);
}

fn authentication(instance: &mut VrrpInstance, reader: &mut Reader<'_>) {
    let Some(authentication) = &instance.authentication else {
        return;
    };
    let (code, why) = if instance.strict_mode.value {
        (codes::STRICT, "strict mode has no authentication")
    } else if instance.version.value == VrrpVersion::V3 {
        (codes::AUTHENTICATION_V3, "VRRPv3 has no authentication")
    } else if instance.auth_hmac.is_some() {
        (codes::INEFFECTIVE, "`auth_hmac` takes its place")
    } else if authentication.auth_type == AuthType::Ah && instance.family == Family::Inet6 {
        (
            codes::INEFFECTIVE,
            "the authentication header is for IPv4 only",
        )
    } else {
        return;
    };
    let diagnostic = Diagnostic::new(
        code,
        Severity::Warning,
        format!("`authentication` has no effect: {why}"),
        authentication.type_span.0,
    )
    .note("keepalived ignores it")
    .help("remove the block, or leave out what excludes it");
    reader.report(diagnostic);
    instance.authentication = None;
}

//! What a file may ask for and this version does not do yet. Each is said, with its place, so that nobody relies on it.

use super::{Problems, UNSUPPORTED, vrrp};
use keepalived_conf::Span;
use keepalived_conf::model::{Config, Setting};

pub(super) fn report(config: &Config, problems: &mut Problems) {
    globals(config, problems);
    for instance in &config.vrrp_instance {
        let flags = [
            written("use_vmac", &instance.use_vmac),
            written("use_ipvlan", &instance.use_ipvlan),
            written("vrf", &instance.vrf),
            written("linkbeat_use_polling", &instance.linkbeat_use_polling),
            written("garp_extra_if", &instance.garp_extra_if),
            first(
                "virtual_routes",
                instance.virtual_routes.first().map(|route| *route.span),
            ),
            first(
                "virtual_rules",
                instance.virtual_rules.first().map(|rule| *rule.span),
            ),
            first(
                "notify_master_rx_lower_pri",
                instance
                    .notify
                    .notify_master_rx_lower_pri
                    .as_ref()
                    .map(|s| *s.span),
            ),
        ];
        tell(flags, problems);
        if !*instance.accept {
            let span = instance.accept.span.unwrap_or(*instance.span);
            tell([Some(("no_accept", span))], problems);
        }
    }
    let groups = config.vrrp_sync_group.iter().map(|group| &group.track);
    for track in config
        .vrrp_instance
        .iter()
        .map(|instance| &instance.track)
        .chain(groups)
    {
        for (kind, entry) in vrrp::unwatched(track) {
            problems.error(
                UNSUPPORTED,
                format!("{kind} is not in this version, and without it `{}` would never count; use track_script", entry.name.value),
                *entry.span,
            );
        }
    }
    for server in &config.virtual_server {
        tell([written("ha_suspend", &server.ha_suspend)], problems);
    }
}

fn globals(config: &Config, problems: &mut Problems) {
    let global = &config.global_defs;
    tell(
        [
            first(
                "static_ipaddress",
                config.static_ipaddress.first().map(|address| *address.span),
            ),
            first(
                "static_routes",
                config.static_routes.first().map(|route| *route.span),
            ),
            first(
                "static_rules",
                config.static_rules.first().map(|rule| *rule.span),
            ),
            first(
                "bfd_instance",
                config.bfd_instance.first().map(|bfd| *bfd.span),
            ),
            written("net_namespace", &config.net_namespace),
            written("net_namespace_ipvs", &config.net_namespace_ipvs),
            written("startup_script", &global.startup_script),
            written("shutdown_script", &global.shutdown_script),
            written("notify_fifo", &global.notify_fifo),
            written("vrrp_notify_fifo", &global.vrrp_notify_fifo),
            written("lvs_notify_fifo", &global.lvs_notify_fifo),
            written("lvs_sync_daemon", &global.lvs_sync_daemon),
            written("lvs_timeouts", &global.lvs_timeouts),
            written("lvs_flush", &global.lvs_flush),
            written("lvs_flush_on_stop", &global.lvs_flush_on_stop),
            written("nftables", &global.nftables),
            written("nftables_ipvs", &global.nftables_ipvs),
            written("vrrp_iptables", &global.vrrp_iptables),
            written("vrrp_startup_delay", &global.vrrp_startup_delay),
            written("vrrp_delay_after_boot", &global.vrrp_delay_after_boot),
            written("rs_init_notifies", &global.rs_init_notifies),
            written("smtp_server", &global.smtp_server),
            written("snmp_socket", &global.snmp_socket),
            written("enable_snmp_vrrp", &global.enable_snmp_vrrp),
            written("enable_snmp_checker", &global.enable_snmp_checker),
            written("enable_dbus", &global.enable_dbus),
        ],
        problems,
    );
}

type Found = Option<(&'static str, Span)>;

fn written<T>(keyword: &'static str, setting: &Setting<T>) -> Found {
    setting.span.map(|span| (keyword, span))
}

fn first(keyword: &'static str, span: Option<Span>) -> Found {
    span.map(|span| (keyword, span))
}

fn tell(found: impl IntoIterator<Item = Found>, problems: &mut Problems) {
    for (keyword, span) in found.into_iter().flatten() {
        problems.warning(
            UNSUPPORTED,
            format!("`{keyword}` is not in this version of director and has no effect"),
            span,
        );
    }
}

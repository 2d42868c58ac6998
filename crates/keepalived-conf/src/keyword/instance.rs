//! `vrrp_instance`, its `authentication` and `auth_hmac`, and `vrrp_sync_group`.

use std::time::Duration;

use super::arguments::{
    BOOL, FLAG, SCRIPT, block, bytes, choice, entries, grammar, int, seconds, text, timer,
};
use super::table::{deprecated, forgotten, put};
use super::{Arguments, Row, Scope, Table, row};
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::lower::{address_entry, instance_parts};
use crate::model::{
    AntiReplay, AuthType, HmacKey, HmacMode, Notify, OldUnicastChecksum, Origin, Secret, Spanned,
    Trackers, VrrpInstance, VrrpSyncGroup, VrrpVersion,
};

const U32: i64 = u32::MAX as i64;
pub(super) const TRACK: Arguments = entries("NAME [weight N [reverse|noreverse]]");
pub(super) const ADDRESS: Arguments = entries(
    "ADDRESS[/LENGTH] [dev IF] [scope S] [broadcast ADDRESS|+|-] [label L] [peer ADDRESS[/LENGTH]] \
     [home] [-nodad] [mngtmpaddr] [noprefixroute] [autojoin] [preferred_lft N|forever] [no_track] \
     [use_vmac]",
);
pub(super) const ROUTE: Arguments =
    entries("[inet|inet6] [to] [TYPE] DESTINATION [OPTION...] [nexthop ...]");
pub(super) const RULE: Arguments = entries("[not] [from PREFIX] [to PREFIX] [OPTION...] ACTION");

type I = VrrpInstance;

#[rustfmt::skip]
static INTERFACE: &[Row<VrrpInstance>] = &[
    row("interface", text("IF"), "", "Interface to run on; mandatory unless unicast with a source address.", |t: &mut I, c| {
        c.interface(&mut t.interface);
        t.interface.span.get_or_insert(c.name);
    }),
    row("vrf", text("IF"), "none", "VRF, for unicast without interface.", put!(vrf)),
    row("use_vmac", grammar("[[name] IF] [MAC] [netlink_notify_msg] [group G]"), "", "Run on a virtual MAC interface.", |t: &mut I, c| instance_parts::use_vmac(t, c)),
    row("use_vmac_addr", FLAG, "", "Virtual MAC interfaces also for addresses on other interfaces.", put!(use_vmac_addr)),
    row("vmac_xmit_base", FLAG, "", "Send and receive adverts on the base interface.", put!(vmac_xmit_base)),
    row("use_ipvlan", grammar("[[name] IF] [ADDRESS[/LENGTH]] [bridge|private|vepa] [group G]"), "", "Run on an ipvlan interface.", |t: &mut I, c| instance_parts::use_ipvlan(t, c)),
    row("native_ipv6", FLAG, "", "Force IPv6 and version 3.", put!(native_ipv6)),
    row("mcast_src_ip", Arguments::Address, "first address of the interface", "Source address of adverts.", put!(mcast_src_ip)),
    row("unicast_src_ip", Arguments::Address, "first address of the interface", "Source address of unicast adverts.", |t: &mut I, c| {
        c.put(&mut t.unicast_src_ip);
        t.unicast = true;
    }).old(&[forgotten("vrrp_unicast_bind")]),
    row("track_src_ip", FLAG, "", "Fault while the configured source address is absent.", put!(track_src_ip)),
    row("mcast_dst_ip", Arguments::Address, "vrrp_mcast_group4 or 6", "Multicast group.", |t: &mut I, c| {
        c.put(&mut t.mcast_dst_ip);
        instance_parts::multicast(&mut t.mcast_dst_ip, c);
    }),
    row("unicast_peer", entries("ADDRESS [min_ttl N] [max_ttl N]"), "none", "Peers; adverts go to them rather than to the group.", |t: &mut I, c| {
        c.unicast_peers(&mut t.unicast_peer);
        t.unicast = true;
    }).adds(),
    row("vrrp_unicast_peer", Arguments::Address, "", "One unicast peer, as in old patched versions.", |t: &mut I, c| instance_parts::old_peer(t, c)).adds().since("never"),
    row("unicast_fault_no_peer", FLAG, "", "Fault rather than multicast if there is no peer.", put!(unicast_fault_no_peer)),
    row("check_unicast_src", FLAG, "", "Drop adverts whose source is not a peer.", |t: &mut I, c| {
        c.put(&mut t.check_unicast_src);
        t.unicast = true;
    }),
    row("unicast_ttl", int(0, 255), "255 (IPv4), the kernel's (IPv6)", "Time to live of unicast adverts.", put!(unicast_ttl)),
    row("old_unicast_checksum", grammar("[never]"), "detected", "Checksum of older versions (VRRPv3, IPv4, unicast).", |t: &mut I, c| {
        let how = match c.next() {
            None => Some(OldUnicastChecksum::Always),
            Some(word) => c.one_of(word, &["never"], false).map(|_| OldUnicastChecksum::Never),
        };
        if how.is_some() {
            c.set(&mut t.old_unicast_checksum, how);
            t.unicast = true;
        }
    }),
    row("v3_checksum_as_v2", BOOL, "v3_checksum_as_v2 of global_defs", "VRRPv3 IPv4 checksum without pseudo header.", |t: &mut VrrpInstance, c| c.put(&mut t.v3_checksum_as_v2)).since("2.4.3"),
    row("kernel_rx_buf_size", bytes(), "vrrp_rx_bufs_policy", "Size of the receive buffer.", put!(kernel_rx_buf_size)),
    row("linkbeat_use_polling", FLAG, "", "Poll the link state of the interface.", put!(linkbeat_use_polling)),
];

#[rustfmt::skip]
static PROTOCOL: &[Row<VrrpInstance>] = &[
    row("virtual_router_id", int(1, 255), "", "Virtual router id, the same on all routers of the group; mandatory.", |t: &mut I, c| {
        c.put(&mut t.virtual_router_id);
        // A bad number was reported; it is not missing as well.
        t.virtual_router_id.span.get_or_insert(c.name);
    }),
    row("version", choice(&["2", "3"]), "vrrp_version; 3 for IPv6", "Protocol version.", |t: &mut I, c| c.choose(&mut t.version, &[VrrpVersion::V2, VrrpVersion::V3])).first(),
    row("state", choice(&["MASTER", "BACKUP"]), "from the priority", "Wished first state. It gives no head start to routers that do not own the address.", |t: &mut I, c| instance_parts::state(t, c)),
    row("priority", int(1, 255), "100; 255 with `state MASTER`", "Base priority; 255 is for the owner of the addresses.", put!(priority)),
    row("advert_int", timer(10_000, 255_000_000), "1", "Interval of adverts; whole seconds with version 2, at most 40.95 s with version 3.", put!(advert_int)),
    row("down_timer_adverts", int(1, 100), "vrrp_down_timer_adverts", "Missed adverts until the master counts as down.", put!(down_timer_adverts)),
    row("preempt", FLAG, "", "Take over from a master of lower priority.", |t: &mut I, c| c.set(&mut t.nopreempt, false)),
    row("nopreempt", FLAG, "", "Never take over from a live master; for `state BACKUP`.", put!(nopreempt)),
    row("preempt_delay", timer(0, 1_000_000_000), "0", "Wait before taking over.", put!(preempt_delay)),
    row("timer_expired_backup", grammar("[PRIORITY]"), "off", "Go to backup when the process was held up for too long; needs `nopreempt`.", |t: &mut I, c| {
        let priority = match c.next() {
            None => Some(254),
            Some(word) => c.integer(word, 1, 254, false).and_then(|p| u8::try_from(p).ok()),
        };
        if priority.is_some() {
            c.set(&mut t.timer_expired_backup, priority);
        }
    }).old(&[deprecated("thread_timer_expired")]).since("2.4.3"),
    row("strict_mode", BOOL, "vrrp_strict", "Follow the RFC strictly.", put!(strict_mode)),
    row("skip_check_adv_addr", BOOL, "vrrp_skip_check_adv_addr", "Compare addresses only in the first advert of a master.", put!(skip_check_adv_addr)),
    row("lower_prio_no_advert", BOOL, "vrrp_lower_prio_no_advert", "Do not answer adverts of lower priority.", put!(lower_prio_no_advert)),
    row("higher_prio_send_advert", BOOL, "vrrp_higher_prio_send_advert", "Send one more advert before yielding.", put!(higher_prio_send_advert)),
    row("owner_ignore_adverts", BOOL, "vrrp_owner_ignore_adverts", "An owner ignores adverts.", |t: &mut VrrpInstance, c| c.put(&mut t.owner_ignore_adverts)).since("2.4.3"),
    row("accept", FLAG, "", "Accept packets to the virtual addresses; the default.", put!(accept)),
    row("no_accept", FLAG, "", "Drop packets to the virtual addresses unless owner.", |t: &mut I, c| c.set(&mut t.accept, false)),
    row("debug", int(0, 4), "0", "Debug level.", put!(debug)),
];

#[rustfmt::skip]
static ADDRESSES: &[Row<VrrpInstance>] = &[
    row("virtual_ipaddress", ADDRESS, "", "Addresses of the virtual router, all of one family.", |t: &mut I, c| c.entries(|e| t.virtual_ipaddress.extend(address_entry(e)))).adds(),
    row("virtual_ipaddress_excluded", ADDRESS, "", "Addresses that move along but are not in adverts; any family.", |t: &mut I, c| c.entries(|e| t.virtual_ipaddress_excluded.extend(address_entry(e)))).adds(),
    row("no_virtual_ipaddress", FLAG, "", "No address is intended.", |t: &mut VrrpInstance, c| c.put(&mut t.no_virtual_ipaddress)).since("2.4.3"),
    row("promote_secondaries", FLAG, "", "Set the kernel's `promote_secondaries` on the interface.", put!(promote_secondaries)),
    row("virtual_routes", ROUTE, "", "Routes while master.", |t: &mut I, c| c.entries(|e| t.virtual_routes.extend(crate::lower::route_entry(e)))).adds(),
    row("virtual_rules", RULE, "", "Policy rules while master.", |t: &mut I, c| c.entries(|e| t.virtual_rules.extend(crate::lower::rule_entry(e)))).adds(),
    row("dont_track_primary", FLAG, "", "Ignore faults of the own interface.", put!(dont_track_primary)),
    row("track_interface", TRACK, "", "Interfaces whose loss is a fault or changes the priority.", |t: &mut I, c| c.track_entries(254, &mut t.track.track_interface)).adds(),
    row("track_script", TRACK, "", "Scripts (`vrrp_script`) whose failure is a fault or changes the priority.", |t: &mut I, c| c.track_entries(254, &mut t.track.track_script)).adds(),
    row("track_file", TRACK, "", "Files (`track_file`) whose number changes the priority.", |t: &mut I, c| c.track_entries(254, &mut t.track.track_file)).adds(),
    row("track_process", TRACK, "", "Processes (`vrrp_track_process`) whose absence is a fault or changes the priority.", |t: &mut I, c| c.track_entries(254, &mut t.track.track_process)).adds(),
    row("track_bfd", TRACK, "", "BFD sessions (`bfd_instance`) whose loss is a fault or changes the priority.", |t: &mut I, c| c.track_entries(253, &mut t.track.track_bfd)).adds(),
];

#[rustfmt::skip]
static NOTIFICATION: &[Row<VrrpInstance>] = &[
    row("notify_master", SCRIPT, "", "Run on becoming master.", |t: &mut VrrpInstance, c| c.put(&mut t.notify.notify_master)).first(),
    row("notify_backup", SCRIPT, "", "Run on becoming backup.", |t: &mut VrrpInstance, c| c.put(&mut t.notify.notify_backup)).first(),
    row("notify_fault", SCRIPT, "", "Run on a fault.", |t: &mut VrrpInstance, c| c.put(&mut t.notify.notify_fault)).first(),
    row("notify_stop", SCRIPT, "", "Run at a stop.", |t: &mut VrrpInstance, c| c.put(&mut t.notify.notify_stop)).first(),
    row("notify_deleted", Arguments::Script { optional: true }, "", "Report DELETED rather than FAULT when a reload removes the instance; with a script, run it.", |t: &mut I, c| {
        c.set(&mut t.notify_deleted, true);
        c.put(&mut t.notify.notify_deleted);
    }).first(),
    row("notify", SCRIPT, "", "Run on every transition with INSTANCE, name, state and priority added.", |t: &mut VrrpInstance, c| c.put(&mut t.notify.notify)).first(),
    row("notify_master_rx_lower_pri", SCRIPT, "", "Run when a master receives an advert of lower priority.", |t: &mut VrrpInstance, c| c.put(&mut t.notify.notify_master_rx_lower_pri)).first(),
    row("notify_priority_changes", BOOL, "vrrp_notify_priority_changes", "Report changes of priority to the FIFO.", put!(notify_priority_changes)),
    row("smtp_alert", BOOL, "smtp_alert_vrrp, smtp_alert, false", "Send mail at transitions.", put!(smtp_alert)),
    row("lvs_sync_daemon_interface", text("IF"), "", "Bind the connection synchronisation to this instance; `lvs_sync_daemon` in `global_defs` is the present form.", |t: &mut I, c| {
        c.put(&mut t.lvs_sync_daemon_interface);
        instance_parts::sync_daemon(t, c);
    }).old(&[forgotten("lvs_sync_daemon_inteface")]),
    row("authentication", block("", Scope::Authentication), "none", "Authentication of VRRPv2.", |t: &mut I, c| instance_parts::authentication(t, c)),
    row("auth_hmac", block("", Scope::AuthHmac), "none", "keepalived's HMAC extension.", |t: &mut I, c| instance_parts::auth_hmac(t, c)).since("2.4.3"),
];

#[rustfmt::skip]
static GARP: &[Row<VrrpInstance>] = &[
    row("garp_master_delay", seconds(0, 4294), "vrrp_garp_master_delay", "Delay of the second burst of gratuitous ARPs; 0 for none.", put!(garp_master_delay)),
    row("garp_master_repeat", int(0, U32), "vrrp_garp_master_repeat", "Packets per address and burst.", |t: &mut I, c| {
        c.put(&mut t.garp_master_repeat);
        c.at_least_one(&mut t.garp_master_repeat);
    }),
    row("garp_master_refresh", seconds(0, 4_294_967_295), "vrrp_garp_master_refresh", "Period of the refresh while master; 0 for none.", put!(garp_master_refresh)),
    row("garp_master_refresh_repeat", int(0, U32), "vrrp_garp_master_refresh_repeat", "Packets per address and refresh.", |t: &mut I, c| {
        c.put(&mut t.garp_master_refresh_repeat);
        c.at_least_one(&mut t.garp_master_refresh_repeat);
    }),
    row("garp_lower_prio_delay", seconds(0, 4294), "vrrp_garp_lower_prio_delay", "Delay of the second burst after an advert of lower priority.", put!(garp_lower_prio_delay)),
    row("garp_lower_prio_repeat", int(0, i32::MAX as i64), "vrrp_garp_lower_prio_repeat", "Packets after an advert of lower priority; 0 for none.", put!(garp_lower_prio_repeat)),
    row("garp_extra_if", grammar("[all] SECONDS (0..86400)"), "vrrp_garp_extra_if", "Periodic announcements on other interfaces; 0 switches it off.", |t: &mut I, c| c.extra_interface_garp(&mut t.garp_extra_if, 0)).old(&[deprecated("vmac_garp_intvl")]),
];

pub(crate) static INSTANCE: Table<VrrpInstance> = Table::new(
    Scope::Instance,
    &[INTERFACE, PROTOCOL, ADDRESSES, NOTIFICATION, GARP],
);

/// What an `authentication` block says.
#[derive(Default)]
pub(crate) struct AuthenticationDraft {
    pub(crate) auth_type: Option<Spanned<AuthType>>,
    pub(crate) auth_pass: Option<Spanned<Secret>>,
}

#[rustfmt::skip]
static AUTHENTICATION_ROWS: &[Row<AuthenticationDraft>] = &[
    row("auth_type", choice(&["PASS", "AH"]), "", "Simple password or IPsec authentication header.", |t: &mut AuthenticationDraft, c| {
        if let Some(word) = c.required() && let Some(index) = c.one_of(word, &["PASS", "AH"], false) {
            let kind = if index == 0 { AuthType::Pass } else { AuthType::Ah };
            t.auth_type = Some(Spanned::new(kind, word.span));
        }
    }),
    row("auth_pass", text("PASSWORD"), "", "Password; the first 8 bytes count.", |t: &mut AuthenticationDraft, c| {
        let Some(word) = c.required() else { return };
        let bytes = c.text(word.span).as_bytes();
        let cut = bytes.get(..8).unwrap_or(bytes).to_vec();
        let length = bytes.len();
        if length > 8 {
            let diagnostic = Diagnostic::new(
                codes::PASSWORD_CUT,
                Severity::Warning,
                format!("the password has {length} bytes; only the first 8 are used"),
                word.span,
            )
            .note("VRRPv2 carries 8 bytes; both routers must agree on them")
            .help("shorten it to 8 bytes on all routers");
            c.report(diagnostic);
        }
        instance_parts::comment_cuts(c, word);
        t.auth_pass = Some(Spanned::new(Secret::new(cut), word.span));
    }),
];

pub(crate) static AUTHENTICATION: Table<AuthenticationDraft> =
    Table::new(Scope::Authentication, &[AUTHENTICATION_ROWS]);

/// What an `auth_hmac` block says.
#[derive(Default)]
pub(crate) struct HmacDraft {
    pub(crate) keys: Vec<HmacKey>,
    pub(crate) active_key: Option<Spanned<u8>>,
    pub(crate) time_window: Option<Duration>,
    pub(crate) anti_replay: AntiReplay,
    pub(crate) mode: HmacMode,
}

#[rustfmt::skip]
static HMAC_ROWS: &[Row<HmacDraft>] = &[
    row("key", grammar("ID VALUE"), "", "A key of 32 to 64 bytes: text, `hex:DIGITS` or `file:PATH`.", |t: &mut HmacDraft, c| {
        if let Some(key) = instance_parts::hmac_key(c) {
            if t.keys.iter().any(|k| k.id == key.id) {
                let message = format!("key {} is defined twice; the first counts", key.id);
                let span = c.span();
                c.warning(codes::DUPLICATE_NAME, message, span);
            } else {
                t.keys.push(key);
            }
        }
    }).adds().since("2.4.3"),
    row("active_key", int(1, 255), "", "Key that signs; mandatory.", |t: &mut HmacDraft, c| {
        if let Some(word) = c.required() && let Some(id) = c.integer(word, 1, 255, false) {
            t.active_key = u8::try_from(id).ok().map(|id| Spanned::new(id, word.span));
        }
    }).since("2.4.3"),
    row("time_window", int(1, 300), "3 x advert_int, from 5 to 300", "Accepted difference of clocks in seconds.", |t: &mut HmacDraft, c| {
        if let Some(word) = c.required() && let Some(window) = c.integer(word, 1, 300, false) {
            t.time_window = Some(Duration::from_secs(window.unsigned_abs()));
        }
    }).since("2.4.3"),
    row("anti_replay", choice(&["time", "monotonic"]), "time", "Kind of replay protection.", |t: &mut HmacDraft, c| {
        if let Some(word) = c.required() && let Some(i) = c.one_of(word, &["time", "monotonic"], false) {
            t.anti_replay = if i == 0 { AntiReplay::Time } else { AntiReplay::Monotonic };
        }
    }).since("2.4.3"),
    row("mode", choice(&["enforce", "permissive", "receive-only"]), "enforce", "What is accepted.", |t: &mut HmacDraft, c| {
        if let Some(word) = c.required() && let Some(i) = c.one_of(word, &["enforce", "permissive", "receive-only"], false) {
            t.mode = match i { 0 => HmacMode::Enforce, 1 => HmacMode::Permissive, _ => HmacMode::ReceiveOnly };
        }
    }).since("2.4.3"),
];

pub(crate) static AUTH_HMAC: Table<HmacDraft> = Table::new(Scope::AuthHmac, &[HMAC_ROWS]);

type G = VrrpSyncGroup;

#[rustfmt::skip]
static GROUP_ROWS: &[Row<VrrpSyncGroup>] = &[
    row("group", entries("INSTANCE..."), "", "Members; mandatory.", |t: &mut G, c| t.group.extend(c.names())).adds(),
    row("track_interface", TRACK, "", "Interfaces tracked for all members.", |t: &mut G, c| c.track_entries(254, &mut t.track.track_interface)).adds(),
    row("track_script", TRACK, "", "Scripts tracked for all members.", |t: &mut G, c| c.track_entries(254, &mut t.track.track_script)).adds(),
    row("track_file", TRACK, "", "Files tracked for all members.", |t: &mut G, c| c.track_entries(254, &mut t.track.track_file)).adds(),
    row("track_process", TRACK, "", "Processes tracked for all members.", |t: &mut G, c| c.track_entries(254, &mut t.track.track_process)).adds(),
    row("track_bfd", TRACK, "", "BFD sessions tracked for all members.", |t: &mut G, c| c.track_entries(253, &mut t.track.track_bfd)).adds(),
    row("notify_master", SCRIPT, "", "Run when the group becomes master.", |t: &mut VrrpSyncGroup, c| c.put(&mut t.notify.notify_master)).first(),
    row("notify_backup", SCRIPT, "", "Run when the group becomes backup.", |t: &mut VrrpSyncGroup, c| c.put(&mut t.notify.notify_backup)).first(),
    row("notify_fault", SCRIPT, "", "Run when the group faults.", |t: &mut VrrpSyncGroup, c| c.put(&mut t.notify.notify_fault)).first(),
    row("notify_stop", SCRIPT, "", "Run at a stop.", |t: &mut VrrpSyncGroup, c| c.put(&mut t.notify.notify_stop)).first(),
    row("notify", SCRIPT, "", "Run on every transition with GROUP, name, state and 0 added.", |t: &mut VrrpSyncGroup, c| c.put(&mut t.notify.notify)).first(),
    row("smtp_alert", BOOL, "smtp_alert_vrrp, smtp_alert, false", "Send mail at transitions.", put!(smtp_alert)),
    row("notify_priority_changes", BOOL, "vrrp_notify_priority_changes", "Report members' changes of priority to the FIFO.", put!(notify_priority_changes)),
    row("sync_group_tracking_weight", FLAG, "", "Keep the weights of members' trackers.", |t: &mut VrrpSyncGroup, c| c.put(&mut t.sync_group_tracking_weight)).old(&[deprecated("global_tracking")]),
];

pub(crate) static SYNC_GROUP: Table<VrrpSyncGroup> = Table::new(Scope::SyncGroup, &[GROUP_ROWS]);

/// An instance with its name and place.
pub(super) fn new_instance(name: Spanned<String>, span: crate::Span) -> VrrpInstance {
    VrrpInstance {
        name,
        span: Origin(span),
        ..VrrpInstance::default()
    }
}

/// A sync group with its name and place.
pub(super) fn new_group(name: Spanned<String>, span: crate::Span) -> VrrpSyncGroup {
    VrrpSyncGroup {
        name,
        span: Origin(span),
        track: Trackers::default(),
        notify: Notify::default(),
        ..VrrpSyncGroup::default()
    }
}

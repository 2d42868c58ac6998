//! The root level and its small blocks.

use super::arguments::{FLAG, block, entries, grammar, seconds, text, timer_or_off};
use super::instance::{ADDRESS, ROUTE, RULE, new_group, new_instance};
use super::table::{deprecated, put};
use super::{Arguments, Row, Scope, Table, bfd, global, instance, lvs, row, track};
use crate::lower::{address_entry, lvs_parts, root_parts, route_entry, rule_entry};
use crate::model::{
    BfdInstance, Config, GarpGroup, Origin, SslKeys, TrackFile, TrackGroup, TrackProcess,
    VrrpScript,
};

type C = Config;

#[rustfmt::skip]
static ROOT_ROWS: &[Row<Config>] = &[
    row("global_defs", block("", Scope::GlobalDefs), "", "Settings of the whole daemon; may occur several times.", |t: &mut C, c| {
        c.surplus_header();
        c.block(&global::GLOBAL, &mut t.global_defs);
    }).adds(),
    row("vrrp_instance", block("NAME", Scope::Instance), "", "A virtual router.", |t: &mut C, c| {
        if let Some(name) = c.block_name() {
            let mut new = new_instance(name, c.span());
            c.block(&instance::INSTANCE, &mut new);
            if c.is_first("vrrp_instance", &new.name) {
                t.vrrp_instance.push(new);
            }
        }
    }).adds(),
    row("vrrp_sync_group", block("NAME", Scope::SyncGroup), "", "Virtual routers that change state together.", |t: &mut C, c| {
        if let Some(name) = c.block_name() {
            let mut new = new_group(name, c.span());
            c.block(&instance::SYNC_GROUP, &mut new);
            if c.is_first("vrrp_sync_group", &new.name) {
                t.vrrp_sync_group.push(new);
            }
        }
    }).adds(),
    row("vrrp_script", block("NAME", Scope::VrrpScript), "", "A script whose result changes priorities or faults instances.", |t: &mut C, c| {
        if let Some(name) = c.block_name() {
            let mut new = VrrpScript { name, span: Origin(c.span()), ..VrrpScript::default() };
            c.block(&track::SCRIPT, &mut new);
            if c.is_first("vrrp_script", &new.name) {
                t.vrrp_script.push(new);
            }
        }
    }).adds(),
    row("vrrp_track_process", block("NAME", Scope::TrackProcess), "", "A process whose presence changes priorities or faults instances.", |t: &mut C, c| {
        if let Some(name) = c.block_name() {
            let mut new = TrackProcess { name, span: Origin(c.span()), ..TrackProcess::default() };
            c.block(&track::PROCESS, &mut new);
            if c.is_first("vrrp_track_process", &new.name) {
                t.vrrp_track_process.push(new);
            }
        }
    }).adds(),
    row("track_file", block("NAME", Scope::TrackFile), "", "A file whose number changes priorities, weights, or faults instances.", |t: &mut C, c| {
        if let Some(name) = c.block_name() {
            let mut new = TrackFile { name, span: Origin(c.span()), ..TrackFile::default() };
            c.block(&track::FILE, &mut new);
            if c.is_first("track_file", &new.name) {
                t.track_file.push(new);
            }
        }
    }).adds().old(&[deprecated("vrrp_track_file")]),
    row("bfd_instance", block("NAME", Scope::BfdInstance), "", "A BFD session.", |t: &mut C, c| {
        if let Some(name) = c.block_name() {
            let mut new = BfdInstance { name, span: Origin(c.span()), ..BfdInstance::default() };
            c.block(&bfd::BFD, &mut new);
            if c.is_first("bfd_instance", &new.name) {
                t.bfd_instance.push(new);
            }
        }
    }).adds(),
    row("virtual_server", block("ADDRESS [PORT] | fwmark N | group NAME", Scope::VirtualServer), "", "A virtual service and its real servers.", |t: &mut C, c| lvs_parts::virtual_server(t, &lvs::VIRTUAL_SERVER, c)).adds(),
    row("virtual_server_group", Arguments::NamedEntries { header: "NAME", entry: "ADDRESS[-END][/LENGTH] [PORT] | fwmark N [inet|inet6]" }, "", "Addresses and marks that share one set of real servers.", |t: &mut C, c| lvs_parts::virtual_server_group(t, c)).adds(),
    row("track_group", block("NAME", Scope::TrackGroup), "", "Instances that fault when a static item disappears.", |t: &mut C, c| {
        if let Some(name) = c.block_name() {
            let mut new = TrackGroup { name, group: Vec::new(), span: Origin(c.span()) };
            c.block(&TRACK_GROUP, &mut new);
            if c.is_first("track_group", &new.name) {
                t.track_group.push(new);
            }
        }
    }).adds(),
    row("static_ipaddress", ADDRESS, "", "Addresses that are always there; also `track_group NAME`.", |t: &mut C, c| c.entries(|e| t.static_ipaddress.extend(address_entry(e)))).adds(),
    row("static_routes", ROUTE, "", "Routes that are always there; also `track_group NAME`.", |t: &mut C, c| c.entries(|e| t.static_routes.extend(route_entry(e)))).adds(),
    row("static_rules", RULE, "", "Policy rules that are always there; also `track_group NAME`.", |t: &mut C, c| c.entries(|e| t.static_rules.extend(rule_entry(e)))).adds(),
    row("linkbeat_interfaces", entries("IF [MII|ETHTOOL|IOCTL]"), "", "Interfaces whose link is polled.", |t: &mut C, c| root_parts::linkbeat(t, c)).adds(),
    row("interface_up_down_delays", entries("IF DOWN [UP]"), "", "Holds, in seconds up to 255, before the loss and the return of an interface count; UP is 0 if absent.", |t: &mut C, c| root_parts::interface_delays(t, c)).adds(),
    row("garp_group", block("", Scope::GarpGroup), "", "Interfaces that share one spacing of announcements.", |t: &mut C, c| {
        c.surplus_header();
        let mut new = GarpGroup { span: Origin(c.span()), ..GarpGroup::default() };
        c.block(&GARP_GROUP, &mut new);
        t.garp_group.push(new);
    }).adds(),
    row("SSL", block("", Scope::Ssl), "", "Client certificate of `SSL_GET`.", |t: &mut C, c| {
        c.surplus_header();
        let mut new = SslKeys { span: Origin(c.span()), ..SslKeys::default() };
        c.block(&SSL, &mut new);
        t.ssl = Some(new);
    }),
    row("linkbeat_use_polling", FLAG, "", "Poll the link of every instance's interface.", put!(linkbeat_use_polling)),
    row("net_namespace", text("NAME"), "none", "Run in a named network namespace.", |t: &mut Config, c| c.put(&mut t.net_namespace)).first(),
    row("net_namespace_ipvs", Arguments::OptionalText("NAME"), "net_namespace", "Network namespace of IPVS; without NAME the default one.", |t: &mut Config, c| c.put(&mut t.net_namespace_ipvs)).first(),
    row("namespace_with_ipsets", FLAG, "", "Allow ipsets inside a namespace on kernels before 3.13.", put!(namespace_with_ipsets)),
    row("use_pid_dir", FLAG, "", "Process id files in a directory of their own.", put!(use_pid_dir)),
    row("instance", text("NAME"), "none", "Name of this instance of the daemon.", |t: &mut Config, c| c.put(&mut t.instance)).first(),
    row("child_wait_time", seconds(0, u32::MAX as u64), "5", "How long children may take to exit.", put!(child_wait_time)),
];

pub(crate) static ROOT: Table<Config> = Table::new(Scope::Root, &[ROOT_ROWS]);

#[rustfmt::skip]
static TRACK_GROUP_ROWS: &[Row<TrackGroup>] = &[
    row("group", entries("INSTANCE..."), "", "The instances; mandatory.", |t: &mut TrackGroup, c| t.group.extend(c.names())).adds(),
];

pub(crate) static TRACK_GROUP: Table<TrackGroup> =
    Table::new(Scope::TrackGroup, &[TRACK_GROUP_ROWS]);

/// Spacing of announcements: up to 2^32 microseconds.
const SPACING: Arguments = timer_or_off(1, 4_294_967_295);

#[rustfmt::skip]
static GARP_ROWS: &[Row<GarpGroup>] = &[
    row("garp_interval", SPACING, "0", "Spacing of gratuitous ARPs over the group.", put!(garp_interval)),
    row("gna_interval", SPACING, "0", "Spacing of unsolicited neighbour advertisements over the group.", put!(gna_interval)),
    row("interface", text("IF"), "", "The only interface.", |t: &mut GarpGroup, c| t.interfaces.extend(c.next_text())),
    row("interfaces", entries("IF..."), "", "The interfaces.", |t: &mut GarpGroup, c| t.interfaces.extend(c.names())).adds(),
];

pub(crate) static GARP_GROUP: Table<GarpGroup> = Table::new(Scope::GarpGroup, &[GARP_ROWS]);

#[rustfmt::skip]
static SSL_ROWS: &[Row<SslKeys>] = &[
    row("password", grammar("PASSWORD"), "none", "Password of the key.", |t: &mut SslKeys, c| {
        if let Some(word) = c.required() {
            let bytes = c.text(word.span).as_bytes().to_vec();
            t.password.set(Some(crate::model::Secret::new(bytes)), word.span);
        }
    }),
    row("ca", text("FILE"), "none", "Trusted authorities.", put!(ca)),
    row("certificate", text("FILE"), "none", "Certificate.", put!(certificate)),
    row("key", text("FILE"), "none", "Key.", put!(key)),
];

pub(crate) static SSL: Table<SslKeys> = Table::new(Scope::Ssl, &[SSL_ROWS]);

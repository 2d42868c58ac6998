//! `vrrp_instance`, `vrrp_sync_group` and `vrrp_script`.

use super::machine;
use super::names::{Kind, Names};
use super::routing::Routing;
use super::scripts::Scripts;
use super::virtual_links::VirtualLinks;
use super::{Plan, Problems, UNUSABLE, processes};
use crate::bfd::bfd_tracker;
use crate::daemon::{HookTable, Trigger, group_object, instance_object};
use crate::track::{TrackFile, TrackScript, Watched, file_tracker, process_tracker};
use keepalived_conf::model::{
    AntiReplay, AuthHmac, AuthType, Broadcast, Config, HmacMode, Lifetime, Notify,
    OldUnicastChecksum, RouteScope, TrackEntry, Trackers, VirtualAddress, VrrpInstance, VrrpScript,
    VrrpVersion,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use vrrp_net::{AddressScope, GroupConfig, InstanceConfig, Tracker, TrackerConfig, TrackerState};
use vrrp_proto::auth::{Authentication, HmacKey, Password, Signing, SigningMode};
use vrrp_proto::wire::ChecksumForm;
use vrrp_proto::{
    AddressCheck, Family, Interval, Peer, Preemption, Priority, Transport, Version, Vrid,
};

pub(super) fn add(config: &Config, plan: &mut Plan, scripts: &Scripts, problems: &mut Problems) {
    plan.vrrp_settings = machine::settings(config);
    // All at once: a list that grows has room for as many again.
    plan.vrrp
        .instances
        .reserve_exact(config.vrrp_instance.len());
    for script in config.vrrp_script.iter().filter(|script| script.tracked) {
        let watched = track_script(script, scripts, problems).map(Watched::Script);
        plan.watched.extend(watched);
        add_tracker(plan, script.name.value.clone());
    }
    for file in config.track_file.iter().filter(|file| file.tracked) {
        plan.watched.push(Watched::File(TrackFile {
            name: file.name.value.clone(),
            path: file.file.value.clone().into(),
            initial: *file.init_file,
            overwrite: *file.init_file_overwrite,
        }));
        add_tracker(plan, file_tracker(&file.name));
    }
    processes::add(config, plan);
    processes::add_sessions(config, plan);
    let mut routing = Routing::new(config);
    let mut links = VirtualLinks::new(config);
    routing.statics(config, &mut plan.vrrp, problems);
    // What hundreds of instances are on has its name once.
    let mut interfaces_seen: BTreeSet<Arc<str>> = BTreeSet::new();
    for instance in &config.vrrp_instance {
        hooks(
            &mut plan.hooks,
            &instance_object(&instance.name),
            &instance.notify,
            scripts,
            problems,
        );
        if *instance.notify_deleted {
            plan.notify_deleted.insert(instance.name.value.clone());
        }
        if *instance.strict_mode {
            plan.strict.insert(instance.name.value.clone());
        }
        for (interface, span) in interfaces(instance) {
            plan.interfaces.entry(interface).or_insert(span);
        }
        if let Some(mut mapped) = self::instance(config, instance, &routing, problems) {
            links.add(instance, &mut mapped, routing.names(), problems);
            mapped.routes = routing.routes(&instance.virtual_routes, problems);
            mapped.rules = routing.rules(&instance.virtual_rules, problems);
            match interfaces_seen.get(&mapped.interface) {
                Some(seen) => mapped.interface = Arc::clone(seen),
                None => _ = interfaces_seen.insert(Arc::clone(&mapped.interface)),
            }
            plan.vrrp.instances.push(Arc::new(mapped));
        }
    }
    for group in &config.vrrp_sync_group {
        hooks(
            &mut plan.hooks,
            &group_object(&group.name),
            &group.notify,
            scripts,
            problems,
        );
        let members = group
            .group
            .iter()
            .map(|member| member.value.clone())
            .collect();
        plan.vrrp.groups.push(GroupConfig {
            trackers: trackers(&group.track),
            track_interfaces: tracked(&group.track.track_interface),
            ..GroupConfig::new(group.name.value.clone(), members)
        });
    }
}

pub(super) fn add_tracker(plan: &mut Plan, name: String) {
    let initial = TrackerState::Pending;
    plan.vrrp.trackers.push(TrackerConfig { name, initial });
}

fn instance(
    config: &Config,
    instance: &VrrpInstance,
    routing: &Routing,
    problems: &mut Problems,
) -> Option<InstanceConfig> {
    let name = &instance.name.value;
    let interface = match (&instance.interface.value, &instance.vrf.value) {
        (Some(interface), _) => interface.clone(),
        (None, Some(domain)) if instance.is_unicast() => domain.clone(),
        (None, None) if instance.is_unicast() && instance.source_address().is_some() => {
            String::new()
        }
        _ => {
            let message = format!(
                "instance {name} has no interface; add `interface NAME`, or `unicast_src_ip` beside its peers"
            );
            problems.error(UNUSABLE, message, *instance.span);
            return None;
        }
    };
    // Without a number the parser has already reported an error.
    let vrid = Vrid::new(*instance.virtual_router_id)?;
    let family = match instance.family {
        keepalived_conf::model::Family::Inet => Family::V4,
        keepalived_conf::model::Family::Inet6 => Family::V6,
    };
    let mut router = vrrp_proto::Config::new(vrid, family);
    router.version = match *instance.version {
        VrrpVersion::V2 => Version::V2,
        VrrpVersion::V3 => Version::V3,
    };
    router.priority = Priority::new(*instance.priority);
    router.interval = Interval::nearest(router.version, *instance.advert_int);
    router.source = instance.source_address();
    router.transport = transport(config, instance, family);
    router.preemption = preemption(instance);
    router.down_timer_adverts = *instance.down_timer_adverts;
    router.lower_priority_no_advert = *instance.lower_prio_no_advert;
    router.higher_priority_send_advert = *instance.higher_prio_send_advert;
    router.answer_returning_master = !*instance.strict_mode;
    router.owner_ignore_adverts = *instance.owner_ignore_adverts;
    if *instance.skip_check_adv_addr {
        router.address_check = AddressCheck::SkipKnownMaster;
    }
    router.authentication = authentication(instance);
    router.signing = instance
        .auth_hmac
        .as_ref()
        .and_then(|hmac| signing(hmac, router.interval, problems))
        .map(Box::new);
    router.checksum = match (*instance.old_unicast_checksum, *instance.v3_checksum_as_v2) {
        (Some(OldUnicastChecksum::Always), _) => ChecksumForm::MulticastPseudoHeader,
        (_, true) => ChecksumForm::Message,
        _ => ChecksumForm::PseudoHeader,
    };
    router.follow_old_unicast_checksum =
        *instance.old_unicast_checksum != Some(OldUnicastChecksum::Never);
    router.hop_limit = instance
        .unicast_ttl
        .filter(|_| instance.is_unicast())
        .unwrap_or(255);
    router.announce.repeat = *instance.garp_master_repeat;
    router.announce.delay = *instance.garp_master_delay;
    router.announce.refresh = *instance.garp_master_refresh;
    router.announce.refresh_repeat = *instance.garp_master_refresh_repeat;
    router.announce.lower_priority_repeat = *instance.garp_lower_prio_repeat;
    router.announce.lower_priority_delay = *instance.garp_lower_prio_delay;
    let addresses = |list: &[VirtualAddress], problems: &mut Problems| -> Vec<_> {
        list.iter()
            .map(|address| virtual_address(address, routing.names(), problems))
            .collect()
    };
    let advertised = addresses(&instance.virtual_ipaddress, problems);
    router.addresses = advertised.iter().map(|address| address.address).collect();
    let tracks = member_trackers(config, instance);
    let mut mapped = InstanceConfig {
        addresses: advertised,
        excluded: addresses(&instance.virtual_ipaddress_excluded, problems),
        track_source: *instance.track_src_ip,
        trackers: tracks.0,
        track_interfaces: tracks.1,
        ignore_own_interface: *instance.dont_track_primary,
        accept: machine::accept(instance),
        promote_secondaries: *instance.promote_secondaries
            && instance.use_vmac.is_none()
            && instance.use_ipvlan.is_none(),
        extra_announcements: instance
            .garp_extra_if
            .map(|extra| (extra.interval, extra.all)),
        receive_buffer: machine::receive_buffer(config, instance),
        standing_fault: machine::standing_fault(instance),
        ..InstanceConfig::new(name.as_str(), interface, router)
    };
    if instance.interface.value.is_none() {
        let default = &*config.global_defs.default_interface;
        for address in mapped.addresses.iter_mut().chain(&mut mapped.excluded) {
            address.device.get_or_insert_with(|| default.clone());
        }
    }
    Some(mapped)
}

fn transport(config: &Config, instance: &VrrpInstance, family: Family) -> Transport {
    if instance.is_unicast() {
        let peer = |peer: &keepalived_conf::model::UnicastPeer| Peer {
            min_hop_limit: peer.min_ttl.unwrap_or(0),
            max_hop_limit: peer.max_ttl.unwrap_or(255),
            ..Peer::new(peer.address)
        };
        let peers = instance.unicast_peer.iter().map(peer).collect();
        return Transport::Unicast {
            peers,
            check_source: *instance.check_unicast_src,
        };
    }
    let global = &config.global_defs;
    let default = match family {
        Family::V4 => (*global.vrrp_mcast_group4).into(),
        Family::V6 => (*global.vrrp_mcast_group6).into(),
    };
    Transport::Multicast(instance.mcast_dst_ip.value.unwrap_or(default))
}

fn preemption(instance: &VrrpInstance) -> Preemption {
    match (*instance.nopreempt, *instance.preempt_delay) {
        (true, _) => Preemption::Never,
        (false, Duration::ZERO) => Preemption::Always,
        (false, delay) => Preemption::Delayed(delay),
    }
}

fn authentication(instance: &VrrpInstance) -> Authentication {
    let Some(authentication) = &instance.authentication else {
        return Authentication::None;
    };
    let password = Password::new(authentication.auth_pass.expose());
    match authentication.auth_type {
        AuthType::Pass => Authentication::Password(password),
        AuthType::Ah => Authentication::Header(password),
    }
}

fn signing(hmac: &AuthHmac, interval: Interval, problems: &mut Problems) -> Option<Signing> {
    let mut keys = Vec::new();
    for key in &hmac.key {
        match HmacKey::new(key.id, key.key.expose()) {
            Ok(key) => keys.push(key),
            Err(error) => problems.error(UNUSABLE, format!("key {}: {error}", key.id), *key.span),
        }
    }
    let mut keys = keys.into_iter();
    let mut signing = Signing::new(keys.next()?, interval);
    keys.for_each(|key| signing.add_key(key));
    if !signing.activate(hmac.active_key) {
        problems.error(
            UNUSABLE,
            format!("there is no key {}, which should sign", hmac.active_key),
            *hmac.span,
        );
    }
    signing.mode = match hmac.mode {
        HmacMode::Enforce => SigningMode::Enforce,
        HmacMode::Permissive => SigningMode::Permissive,
        HmacMode::ReceiveOnly => SigningMode::ReceiveOnly,
    };
    signing.anti_replay = match hmac.anti_replay {
        AntiReplay::Time => vrrp_proto::auth::AntiReplay::Time(hmac.time_window),
        AntiReplay::Monotonic => vrrp_proto::auth::AntiReplay::Monotonic,
    };
    Some(signing)
}

pub(super) fn virtual_address(
    address: &VirtualAddress,
    names: &Names,
    problems: &mut Problems,
) -> vrrp_net::VirtualAddress {
    let mut mapped =
        vrrp_net::VirtualAddress::new(address.address).with_prefix_length(address.prefix_length);
    mapped.device = address.dev.as_ref().map(|dev| dev.value.clone());
    mapped.label = address.label.as_ref().map(|label| label.value.clone());
    mapped.scope = match &address.scope {
        None => AddressScope::GLOBAL,
        Some(RouteScope::Number(number)) => AddressScope(*number),
        Some(RouteScope::Name(name)) => {
            let number = names.number(Kind::Scope, name);
            let number = number.and_then(|number| u8::try_from(number).ok());
            if number.is_none() {
                let message = format!("scope `{name}` is not known; write its number");
                problems.error(UNUSABLE, message, *address.span);
            }
            number.map_or(AddressScope::GLOBAL, AddressScope)
        }
    };
    mapped.broadcast = match address.broadcast {
        None => vrrp_net::Broadcast::None,
        Some(Broadcast::Address(broadcast)) => vrrp_net::Broadcast::Address(broadcast),
        Some(Broadcast::HostBitsSet) => vrrp_net::Broadcast::HostBitsSet,
        Some(Broadcast::HostBitsClear) => vrrp_net::Broadcast::HostBitsClear,
    };
    mapped.peer = address.peer.map(|peer| peer.address);
    mapped.duplicate_detection = !address.nodad;
    mapped.home = address.home;
    mapped.manage_temporary = address.mngtmpaddr;
    mapped.no_prefix_route = address.noprefixroute;
    mapped.auto_join = address.autojoin;
    mapped.preferred_lifetime = match address.preferred_lft {
        Lifetime::Forever => None,
        Lifetime::Seconds(seconds) => Some(Duration::from_secs(seconds.into())),
    };
    mapped.restore = !address.no_track;
    if let Err(error) = mapped.validate() {
        problems.error(UNUSABLE, error.to_string(), *address.span);
    }
    mapped
}

/// Every interface that an instance needs, with the place that names it.
fn interfaces(instance: &VrrpInstance) -> impl Iterator<Item = (String, keepalived_conf::Span)> {
    let own = instance.interface.value.iter().map(|name| {
        (
            name.clone(),
            instance.interface.span.unwrap_or(*instance.span),
        )
    });
    let all = instance
        .virtual_ipaddress
        .iter()
        .chain(&instance.virtual_ipaddress_excluded);
    let devices = all
        .filter_map(|address| address.dev.as_ref())
        .map(|dev| (dev.value.clone(), dev.span));
    own.chain(devices)
}

/// Trackers and tracked interfaces of an instance. In a sync group they count only as faults, unless the group has
/// `sync_group_tracking_weight`: what has a weight is left out, but an interface's weight, and the default weight of a file,
/// become 0. Process trackers keep theirs. So keepalived has it.
fn member_trackers(config: &Config, instance: &VrrpInstance) -> (Vec<Tracker>, Vec<Tracker>) {
    let group = instance.sync_group.as_ref().and_then(|name| {
        let mut groups = config.vrrp_sync_group.iter();
        groups.find(|group| group.name.value == *name)
    });
    let mut track = instance.track.clone();
    if *instance.priority == u8::MAX {
        // The priority of an owner stays, so a file with the default weight is a matter of fault.
        for entry in &mut track.track_file {
            if entry.weight.weight == 1 {
                entry.weight.value.weight = 0;
            }
        }
    }
    if group.is_none_or(|group| *group.sync_group_tracking_weight) {
        let interfaces = tracked(&track.track_interface);
        return (trackers(&track), interfaces);
    }
    track.track_bfd.retain(|entry| entry.weight.weight == 0);
    track.track_script.retain(|entry| entry.weight.weight == 0);
    track
        .track_file
        .retain(|entry| matches!(entry.weight.weight, 0 | 1));
    for entry in track
        .track_file
        .iter_mut()
        .chain(&mut track.track_interface)
    {
        entry.weight.value.weight = 0;
    }
    let interfaces = tracked(&track.track_interface);
    (trackers(&track), interfaces)
}

/// Scripts, files and processes that an instance or group tracks.
fn trackers(track: &Trackers) -> Vec<Tracker> {
    let mut files = tracked(&track.track_file);
    for file in &mut files {
        file.name = file_tracker(&file.name).into();
    }
    let mut processes = tracked(&track.track_process);
    for process in &mut processes {
        process.name = process_tracker(&process.name).into();
    }
    let mut sessions = tracked(&track.track_bfd);
    for session in &mut sessions {
        session.name = bfd_tracker(&session.name).into();
    }
    let mut all = tracked(&track.track_script);
    all.append(&mut sessions);
    all.append(&mut files);
    all.append(&mut processes);
    all
}

fn tracked(entries: &[TrackEntry]) -> Vec<Tracker> {
    let entry = |entry: &TrackEntry| Tracker {
        name: entry.name.value.as_str().into(),
        weight: i16::try_from(entry.weight.weight.clamp(-253, 253)).unwrap_or(0),
        reverse: entry.weight.reverse,
    };
    entries
        .iter()
        .filter(|entry| entry.resolved)
        .map(entry)
        .collect()
}

fn track_script(
    script: &VrrpScript,
    scripts: &Scripts,
    problems: &mut Problems,
) -> Option<TrackScript> {
    let what = format!("vrrp_script {}", script.name.value);
    let command = script.script.value.as_ref()?;
    let mut program = scripts.program(command, &what, problems)?;
    if script.user.is_written() {
        let identity = scripts.identity(script.user.as_ref());
        program.identity = scripts.report(
            identity,
            &what,
            script.user.span.unwrap_or(*script.span),
            problems,
        )?;
    }
    Some(TrackScript {
        name: script.name.value.clone(),
        program,
        interval: *script.interval,
        timeout: *script.timeout,
        rise: *script.rise,
        fall: *script.fall,
    })
}

fn hooks(
    table: &mut HookTable,
    object: &str,
    notify: &Notify,
    scripts: &Scripts,
    problems: &mut Problems,
) {
    let triggers = [
        (Trigger::Master, &notify.notify_master),
        (Trigger::Backup, &notify.notify_backup),
        (Trigger::Fault, &notify.notify_fault),
        (Trigger::Stop, &notify.notify_stop),
        (Trigger::Deleted, &notify.notify_deleted),
        (Trigger::Any, &notify.notify),
        (Trigger::LowerPriority, &notify.notify_master_rx_lower_pri),
    ];
    for (trigger, script) in triggers {
        if let Some(program) = script
            .as_ref()
            .and_then(|script| scripts.program(script, trigger.keyword(), problems))
        {
            table.add(object.to_owned(), trigger, program);
        }
    }
}

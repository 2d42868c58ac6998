//! VRRP instances: the engine's state with what the configuration says of them.

use crate::control::facts::Facts;
use director_control::snapshot::{
    Address, Contest, Counters, Disagreement, Group, Instance, InstanceState, MasterSeen, PeerSeen,
    Timers,
};
use std::collections::BTreeMap;
use std::time::Duration;
use vrrp_net::{InstanceConfig, InstanceStatus, State};
use vrrp_proto::{Preemption, Transport, Version};

type Parts = (Vec<Instance>, Vec<Group>, BTreeMap<String, u64>);

pub(super) fn build(facts: &Facts) -> Parts {
    let Some(vrrp) = &facts.vrrp else {
        return Parts::default();
    };
    let configured: BTreeMap<&str, &InstanceConfig> = facts
        .plan
        .vrrp
        .instances
        .iter()
        .map(|config| (&*config.name, &**config))
        .collect();
    let instances = vrrp.instances.iter().filter_map(|(name, status)| {
        let config = configured.get(&**name)?;
        Some(instance(facts, name, status, config))
    });
    let groups = vrrp.groups.iter().map(|(name, status)| Group {
        name: name.to_string(),
        state: state(status.state),
        since: facts.clock.wall_of(status.since),
        members: members(facts, name),
    });
    let ignored = vrrp.ignored.iter();
    let ignored = ignored.map(|(reason, count)| ((*reason).to_owned(), *count));
    (instances.collect(), groups.collect(), ignored.collect())
}

fn members(facts: &Facts, group: &str) -> Vec<String> {
    let groups = &facts.plan.vrrp.groups;
    let found = groups.iter().find(|config| config.name == group);
    found
        .map(|config| config.members.clone())
        .unwrap_or_default()
}

fn instance(
    facts: &Facts,
    name: &str,
    status: &InstanceStatus,
    config: &InstanceConfig,
) -> Instance {
    let wall = |instant| facts.clock.wall_of(instant);
    let groups = &facts.plan.vrrp.groups;
    let is_member =
        |group: &&vrrp_net::GroupConfig| group.members.iter().any(|member| member == name);
    Instance {
        name: name.to_owned(),
        interface: status.interface.to_string(),
        vrid: status.vrid,
        version: config.router.version.number(),
        group: groups
            .iter()
            .find(is_member)
            .map(|group| group.name.clone()),
        state: state(status.state),
        since: wall(status.since),
        reason: status.reason.to_string(),
        priority: status.base_priority,
        effective_priority: status.effective_priority,
        priority_arithmetic: status.priority_arithmetic.to_string(),
        preempt: config.router.preemption != Preemption::Never,
        stood_down: facts
            .overrides
            .stood_down
            .get(name)
            .filter(|_| status.state != State::Master)
            .cloned(),
        timers: timers(facts, status, config),
        master: status.master.map(|master| MasterSeen {
            address: master.address,
            priority: master.priority,
            at: wall(master.at),
        }),
        contested: status.contested().map(|contest| Contest {
            by: contest.by,
            priority: contest.priority.unwrap_or(0),
            since: wall(contest.since),
            last: wall(contest.last),
        }),
        contests: status
            .contests
            .iter()
            .map(|contest| disagreement(facts, contest))
            .collect(),
        peers: peers(facts, name, config),
        source: status.source,
        addresses: addresses(status, config),
        faults: status.faults.clone(),
        counters: counters(&status.counters),
    }
}

fn disagreement(facts: &Facts, contest: &vrrp_net::Contest) -> Disagreement {
    Disagreement {
        about: contest.about.to_string(),
        by: contest.by,
        priority: contest.priority,
        adverts: contest.adverts,
        since: facts.clock.wall_of(contest.since),
        last: facts.clock.wall_of(contest.last),
    }
}

fn timers(facts: &Facts, status: &InstanceStatus, config: &InstanceConfig) -> Timers {
    let interval = config.router.interval.as_duration();
    let down = master_down(config, status.effective_priority);
    let left = |heard| down.saturating_sub(facts.clock.since(heard)).as_secs_f64();
    Timers {
        advertisement_seconds: interval.as_secs_f64(),
        master_down_seconds: down.as_secs_f64(),
        takeover_in_seconds: (status.state == State::Backup)
            .then(|| status.master.map(|master| left(master.at)))
            .flatten(),
    }
}

/// RFC 3768 section 6.1 and RFC 9568 section 6.1, with keepalived's `down_timer_adverts`.
pub(crate) fn master_down(config: &InstanceConfig, priority: u8) -> Duration {
    let interval = config.router.interval.as_duration();
    let below = u32::from(256 - u16::from(priority));
    let whole = match config.router.version {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => interval,
    };
    interval * u32::from(config.router.down_timer_adverts) + whole * below / 256
}

fn peers(facts: &Facts, name: &str, config: &InstanceConfig) -> Vec<PeerSeen> {
    let configured: Vec<_> = match &config.router.transport {
        Transport::Unicast { peers, .. } => peers.iter().map(|peer| peer.address).collect(),
        Transport::Multicast(_) => Vec::new(),
    };
    let heard = facts.peers.of(name).map(|(address, heard)| PeerSeen {
        address,
        configured: configured.contains(&address),
        priority: Some(heard.priority),
        last_advert: Some(facts.clock.wall_of(heard.at)),
    });
    let mut all: Vec<PeerSeen> = heard.collect();
    for address in configured {
        if all.iter().all(|peer| peer.address != address) {
            all.push(PeerSeen {
                address,
                configured: true,
                priority: None,
                last_advert: None,
            });
        }
    }
    all
}

fn addresses(status: &InstanceStatus, config: &InstanceConfig) -> Vec<Address> {
    let wished = config.all_addresses().map(|wished| {
        let interface = wished.device.clone();
        let interface = interface.unwrap_or_else(|| status.interface.to_string());
        Address {
            address: wished.address,
            prefix_length: wished.prefix_length,
            present: status
                .addresses
                .iter()
                .any(|held| held.address == wished.address),
            interface,
        }
    });
    wished.collect()
}

fn counters(counters: &vrrp_net::Counters) -> Counters {
    Counters {
        adverts_sent: counters.adverts_sent,
        adverts_received: counters.adverts_received,
        became_master: counters.became_master,
        resignations_sent: counters.resignations_sent,
        resignations_received: counters.resignations_received,
        announcements_sent: counters.announcements_sent,
        send_errors: counters.send_errors,
        addresses_restored: counters.addresses_restored,
        lower_priority_received: counters.lower_priority_received,
        address_list_mismatches: counters.address_list_mismatches,
        interval_differences: counters.interval_differences,
        foreign_identifiers: counters.foreign_identifiers,
        overslept: counters.overslept,
        ignored: counters.ignored.clone(),
        slowest_takeover_seconds: counters.slowest_takeover.as_secs_f64(),
    }
}

const fn state(state: State) -> InstanceState {
    match state {
        State::Initialize => InstanceState::Initialize,
        State::Backup => InstanceState::Backup,
        State::Master => InstanceState::Master,
        State::Fault => InstanceState::Fault,
    }
}

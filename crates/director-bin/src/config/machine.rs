//! What the file asks of the machine on behalf of VRRP: scheduling, interfaces, firewall, buffers.

use keepalived_conf::model::{
    self, Config, DynamicInterfaces, InterfaceDelay, ReceiveBufferPolicy, VrrpInstance, VrrpVersion,
};
use std::time::Duration;
use vrrp_net::{AutoPriority, GarpGroup, ReceiveBuffer, Settings, UpDownDelay};

pub(super) fn settings(config: &Config) -> Settings {
    let global = &config.global_defs;
    let mut settings = Settings::default();
    // Who wants to know the counters asks.
    settings.counter_interval = Duration::from_secs(60);
    settings.realtime_priority = *global.vrrp_rt_priority;
    if let model::AutoPriority::UpTo(most) = *global.max_auto_priority {
        settings.auto_priority = Some(AutoPriority {
            most,
            lateness: *global.min_auto_priority_delay,
        });
    }
    let processors = global.vrrp_cpu_affinity.iter();
    let processors = processors.filter_map(|number| usize::try_from(*number).ok());
    settings.processors = processors.collect();
    settings.lock_memory = *global.vrrp_no_swap;
    settings.late_interfaces = *global.dynamic_interfaces != DynamicInterfaces::No;
    settings.reclaim_marked = true;
    settings.garp_interval = *global.vrrp_garp_interval;
    settings.neighbour_advertisement_interval = *global.vrrp_gna_interval;
    settings.garp_groups = config.garp_group.iter().map(garp_group).collect();
    let delays = config.interface_up_down_delays.iter();
    settings.up_down_delays = delays.map(|delay| up_down_delay(delay, config)).collect();
    settings.startup_delay = *global.vrrp_startup_delay;
    settings.delay_after_boot = *global.vrrp_delay_after_boot;
    settings.tell_unknown_routers = *global.log_unknown_vrids;
    settings.disable_local_igmp = *global.disable_local_igmp;
    if let Some(table) = &global.nftables.value {
        // The name that keepalived's own has where none is written.
        let written = Some(table.as_str()).filter(|name| !name.is_empty());
        written
            .unwrap_or("keepalived")
            .clone_into(&mut settings.firewall.table);
    }
    settings.firewall.priority = *global.nftables_priority;
    settings.firewall.counters = *global.nftables_counters;
    settings.firewall.by_index = *global.nftables_ifindex;
    settings
}

fn garp_group(group: &model::GarpGroup) -> GarpGroup {
    let interfaces = group.interfaces.iter();
    GarpGroup {
        interfaces: interfaces.map(|name| name.value.clone()).collect(),
        garp_interval: group
            .garp_interval
            .is_written()
            .then_some(*group.garp_interval),
        neighbour_advertisement_interval: group
            .gna_interval
            .is_written()
            .then_some(*group.gna_interval),
    }
}

/// A loss that counts later than the others take over would make two masters: the delay is cut to less than that.
fn up_down_delay(delay: &InterfaceDelay, config: &Config) -> UpDownDelay {
    let on_it = config
        .vrrp_instance
        .iter()
        .filter(|instance| instance.interface.value.as_ref() == Some(&delay.interface.value));
    let longest = on_it.map(|instance| {
        let interval = *instance.advert_int;
        let intervals = u32::from(*instance.down_timer_adverts).saturating_sub(1);
        (interval * intervals).saturating_sub(interval / 256)
    });
    let down = longest.fold(delay.down, Duration::min);
    UpDownDelay {
        interface: delay.interface.value.clone(),
        down,
        up: if delay.up == delay.down {
            down
        } else {
            delay.up
        },
    }
}

/// Strict mode accepts nothing unless told so, and version 2 cannot be told so.
pub(super) fn accept(instance: &VrrpInstance) -> bool {
    let told = instance.accept.is_written() && *instance.version == VrrpVersion::V3;
    *instance.accept && (!*instance.strict_mode || told || *instance.priority == 255)
}

/// The instance's own size, else by the policy of all.
pub(super) fn receive_buffer(config: &Config, instance: &VrrpInstance) -> Option<ReceiveBuffer> {
    let global = &config.global_defs;
    let factor = *global.vrrp_rx_bufs_multiplier;
    if let Some(bytes) = *instance.kernel_rx_buf_size {
        return Some(ReceiveBuffer::Bytes(bytes));
    }
    Some(match (*global.vrrp_rx_bufs_policy)? {
        ReceiveBufferPolicy::Bytes(bytes) => ReceiveBuffer::Bytes(bytes),
        ReceiveBufferPolicy::Mtu => ReceiveBuffer::Packets(factor),
        ReceiveBufferPolicy::Advert => ReceiveBuffer::Adverts(factor),
    })
}

pub(super) fn standing_fault(instance: &VrrpInstance) -> Option<String> {
    let alone = instance.unicast && instance.unicast_peer.is_empty();
    (*instance.unicast_fault_no_peer && alone)
        .then(|| "unicast_fault_no_peer and there is no unicast_peer".to_owned())
}

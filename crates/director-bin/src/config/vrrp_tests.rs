//! Tests of what instances ask of the machine.

use super::tests::planned;
use crate::track::Watched;
use std::time::Duration;

#[test]
fn virtual_mac_interfaces_are_named_in_order() {
    let plan = planned(
        "
global_defs {
    vmac_addr_prefix vad
}
vrrp_instance A {
    interface eth0
    virtual_router_id 51
    use_vmac
    use_vmac_addr
    virtual_ipaddress {
        10.9.0.100/24
        10.8.0.101/24 dev eth1
        10.8.0.102/24 dev eth1
    }
    virtual_ipaddress_excluded {
        fd00::100/64
        fd00::101/64 dev eth1
    }
}
vrrp_instance A6 {
    interface eth0
    virtual_router_id 51
    use_vmac
    vmac_xmit_base
    virtual_ipaddress {
        fe80::100/64
    }
}
vrrp_instance B {
    interface eth0
    virtual_router_id 52
    no_accept
    virtual_ipaddress {
        10.9.0.110/24
        10.9.0.112/24 use_vmac
    }
}
vrrp_instance C {
    interface eth1
    virtual_router_id 53
    use_vmac name own 02:00:00:00:00:35 group 7
    garp_extra_if all 60
    virtual_ipaddress {
        10.8.0.120/24
    }
}
",
    );
    let [a, a6, b, c] = plan.vrrp.instances.as_slice() else {
        panic!("{:?}", plan.vrrp.instances);
    };
    // The names that keepalived 2.2.7 gives for this file.
    assert_eq!(a.own_interface(), "vrrp.51");
    let carriers = |instance: &vrrp_net::InstanceConfig| {
        let addresses = instance.all_addresses();
        addresses
            .map(|address| instance.carrier(address).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        carriers(a),
        ["vrrp.51", "vad.51", "vad.51", "vad6.51", "vad1.51"]
    );
    assert_eq!(
        (a6.own_interface(), a6.advert_interface()),
        ("vrrp6.51", "eth0")
    );
    assert_eq!(carriers(b), ["eth0", "vad.52"]);
    assert!(!b.accept && a.accept);
    let link = c.virtual_link.as_deref().unwrap();
    let own = vrrp_net::VirtualLink::macvlan("own", [2, 0, 0, 0, 0, 0x35]);
    assert_eq!(
        link,
        &vrrp_net::VirtualLink {
            group: Some(7),
            ..own
        }
    );
    assert_eq!(c.extra_announcements, Some((Duration::from_secs(60), true)));
}

#[test]
fn strict_mode_accepts_nothing_unless_told_so() {
    let text = |version: u8, priority: u8, extra: &str| {
        format!(
            "
global_defs {{
    vrrp_strict
    nftables mine
    nftables_counters
}}
vrrp_instance A {{
    interface eth0
    virtual_router_id 51
    version {version}
    priority {priority}
    {extra}
    virtual_ipaddress {{
        10.9.0.100
    }}
}}
"
        )
    };
    let accepts = |text: String| {
        let plan = planned(&text);
        assert_eq!(plan.vrrp_settings.firewall.table, "mine");
        assert!(plan.vrrp_settings.firewall.counters);
        plan.vrrp.instances[0].accept
    };
    assert!(!accepts(text(3, 100, "")));
    assert!(accepts(text(3, 100, "accept")));
    assert!(!accepts(text(2, 100, "accept")));
    assert!(accepts(text(3, 255, "")));
}

#[test]
fn a_delay_of_an_interface_is_shorter_than_the_others_patience() {
    let plan = planned(
        "
interface_up_down_delays {
    eth0 5 10
    eth1 5 5
}
garp_group {
    garp_interval 0.5
    interfaces {
        eth0 eth1
    }
}
vrrp_instance A {
    interface eth0
    virtual_router_id 51
    advert_int 1
    unicast_fault_no_peer
    virtual_ipaddress {
        10.9.0.100
    }
}
",
    );
    let delays = &plan.vrrp_settings.up_down_delays;
    assert_eq!(delays[0].down, Duration::from_secs_f64(2.0 - 1.0 / 256.0));
    assert_eq!(delays[0].up, Duration::from_secs(10));
    assert_eq!(
        (delays[1].down, delays[1].up),
        (Duration::from_secs(5), Duration::from_secs(5))
    );
    let groups = &plan.vrrp_settings.garp_groups;
    assert_eq!(groups[0].interfaces, ["eth0", "eth1"]);
    assert_eq!(groups[0].garp_interval, Some(Duration::from_millis(500)));
    assert_eq!(groups[0].neighbour_advertisement_interval, None);
}

#[test]
fn what_is_asked_of_the_machine_is_mapped() {
    let plan = planned(
        "
global_defs {
    vrrp_startup_delay 2.5
    vrrp_delay_after_boot 60
    max_auto_priority 10
    vrrp_cpu_affinity 0
    vrrp_rx_bufs_policy ADVERT
    vrrp_rx_bufs_multiplier 7
    disable_local_igmp
    vrrp_garp_interval 0.001
}
vrrp_instance A {
    interface eth0
    virtual_router_id 51
    promote_secondaries
    virtual_ipaddress {
        10.9.0.100
    }
}
vrrp_instance B {
    interface eth0
    virtual_router_id 52
    kernel_rx_buf_size 65536
    use_ipvlan ipvl private 10.9.0.7/24
    virtual_ipaddress {
        10.9.0.101
        239.1.1.1 autojoin
    }
}
",
    );
    let settings = &plan.vrrp_settings;
    assert_eq!(settings.startup_delay, Duration::from_millis(2500));
    assert_eq!(settings.delay_after_boot, Duration::from_secs(60));
    assert_eq!(settings.garp_interval, Duration::from_millis(1));
    assert_eq!(settings.auto_priority.unwrap().most, 10);
    assert_eq!(settings.processors, [0]);
    assert!(settings.disable_local_igmp);
    let [a, b] = plan.vrrp.instances.as_slice() else {
        panic!("{:?}", plan.vrrp.instances);
    };
    assert!(a.promote_secondaries);
    assert_eq!(a.receive_buffer, Some(vrrp_net::ReceiveBuffer::Adverts(7)));
    assert_eq!(
        b.receive_buffer,
        Some(vrrp_net::ReceiveBuffer::Bytes(65536))
    );
    assert_eq!(b.own_interface(), "ipvl");
    assert_eq!(b.router.source, Some("10.9.0.7".parse().unwrap()));
    assert!(b.addresses[1].auto_join);
}

#[test]
fn routes_may_be_encapsulated_and_tracked() {
    let plan = planned(
        "
track_group watchers {
    group {
        A
    }
}
static_routes {
    10.7.0.0/16 via 10.9.0.254 dev eth0 track_group watchers
}
vrrp_instance A {
    interface eth0
    virtual_router_id 51
    virtual_ipaddress {
        10.9.0.100
    }
    virtual_routes {
        10.1.0.0/16 encap ip id 7 dst 10.9.0.3 ttl 9 dev tun0
        10.2.0.0/16 encap mpls 100/200 via 10.9.0.3
        10.3.0.0/16 via 10.9.0.3 or 10.9.0.4
        10.4.0.0/16 via 10.9.0.3 vrf red
        10.5.0.0/16 encap ila 2001:db8:0:1 via 10.9.0.3
        10.6.0.0/16 via 10.9.0.3 table main scope link
    }
}
",
    );
    assert_eq!(plan.vrrp.static_routes[0].needed_by, ["A"]);
    let routes = &plan.vrrp.instances[0].routes;
    let Some(vrrp_net::Encapsulation::Ip(header)) = &routes[0].encapsulation else {
        panic!("{:?}", routes[0]);
    };
    assert_eq!((header.id, header.hop_limit), (Some(7), Some(9)));
    assert_eq!(
        routes[1].encapsulation,
        Some(vrrp_net::Encapsulation::Mpls(vec![100, 200]))
    );
    let gateways: Vec<_> = routes[2].next_hops.iter().map(|hop| hop.gateway).collect();
    assert_eq!(gateways.len(), 2);
    assert_eq!(routes[3].vrf.as_deref(), Some("red"));
    assert_eq!(
        routes[4].encapsulation,
        Some(vrrp_net::Encapsulation::Ila(0x2001_0db8_0000_0001))
    );
    assert_eq!((routes[5].table, routes[5].scope), (254, Some(253)));
}

#[test]
fn a_unicast_router_needs_no_interface() {
    let text = |extra: &str| {
        format!(
            "
global_defs {{
    default_interface eth7
}}
vrrp_instance A {{
    virtual_router_id 51
    {extra}
    unicast_src_ip 10.9.0.1
    unicast_peer {{
        10.9.0.2
    }}
    virtual_ipaddress {{
        10.9.0.100
        10.9.0.101 dev eth1
    }}
}}
"
        )
    };
    let plan = planned(&text(""));
    let instance = &plan.vrrp.instances[0];
    assert_eq!(&*instance.interface, "");
    let devices: Vec<_> = instance
        .all_addresses()
        .map(|address| address.device.as_deref().unwrap())
        .collect();
    assert_eq!(devices, ["eth7", "eth1"]);
    let plan = planned(&text("vrf red"));
    assert_eq!(&*plan.vrrp.instances[0].interface, "red");
}

#[test]
fn processes_and_sessions_are_watched() {
    let plan = planned(
        "
vrrp_track_process p {
    process /usr/sbin/nginx -g daemon
    param_match partial
    quorum 2
    terminate_delay 3
}
bfd_instance b {
    neighbor_ip 192.0.2.1
    min_rx 50
    multiplier 3
    max_hops 5
}
vrrp_instance A {
    interface eth0
    virtual_router_id 1
    virtual_ipaddress {
        192.0.2.8
    }
    track_process {
        p weight 10
    }
    track_bfd {
        b
    }
}
",
    );
    let [Watched::Processes(processes), Watched::Bfd(sessions)] = plan.watched.as_slice() else {
        panic!("{:?}", plan.watched)
    };
    let process = processes.first().unwrap();
    assert_eq!(process.pattern.to_string(), "/usr/sbin/nginx -g daemon");
    assert_eq!((process.quorum, process.quorum_max), (2, None));
    assert_eq!(process.terminate_delay, Duration::from_secs(3));
    let session = sessions.first().unwrap();
    assert_eq!((session.hop_limit, session.max_hops), (255, Some(5)));
    assert_eq!(session.session.required_min_rx, Duration::from_millis(50));
    assert_eq!(session.session.detect_multiplier, 3);
    let trackers: Vec<_> = plan.vrrp.instances[0]
        .trackers
        .iter()
        .map(|tracker| (&*tracker.name, tracker.weight))
        .collect();
    assert_eq!(trackers, [("bfd b", 0), ("process p", 10)]);
}

#[test]
fn in_a_sync_group_trackers_only_count_as_faults() {
    let text = "
vrrp_script weighted {
    script /bin/true
    weight 5
}
vrrp_script plain {
    script /bin/true
}
vrrp_sync_group G {
    group {
        A
    }
    FLAG
}
vrrp_instance A {
    interface eth0
    virtual_router_id 1
    virtual_ipaddress {
        192.0.2.8
    }
    track_script {
        weighted
        plain
    }
    track_interface {
        eth1 weight 7
    }
}
";
    let tracked = |text: &str| {
        let plan = planned(text);
        let instance = plan.vrrp.instances[0].clone();
        let scripts = instance
            .trackers
            .iter()
            .map(|tracker| tracker.name.to_string());
        let scripts: Vec<String> = scripts.collect();
        (scripts.join(" "), instance.track_interfaces[0].weight)
    };
    assert_eq!(tracked(&text.replace("FLAG", "")), ("plain".to_owned(), 0));
    assert_eq!(
        tracked(&text.replace("FLAG", "sync_group_tracking_weight")),
        ("weighted plain".to_owned(), 7)
    );
}

#[test]
fn sessions_and_files_with_weights_are_taken_as_keepalived_takes_them() {
    let text = |priority: u8, group: &str| {
        format!(
            "
bfd_instance plain {{
    neighbor_ip 192.0.2.3
    source_ip 192.0.2.1
}}
bfd_instance weighted {{
    neighbor_ip 192.0.2.4
    source_ip 192.0.2.1
    weight 5
}}
track_file usual {{
    file /tmp/usual
}}
track_file twice {{
    file /tmp/twice
    weight 2
}}
{group}
vrrp_instance A {{
    interface eth0
    virtual_router_id 1
    priority {priority}
    virtual_ipaddress {{
        192.0.2.8
    }}
    track_bfd {{
        plain
        weighted
    }}
    track_file {{
        usual
        twice
    }}
}}
"
        )
    };
    let tracked = |priority, group| -> Vec<(String, i16)> {
        let plan = planned(&text(priority, group));
        let trackers = plan.vrrp.instances[0].trackers.iter();
        let each = trackers.map(|tracker| (tracker.name.to_string(), tracker.weight));
        each.collect()
    };
    let named = |all: &[(&str, i16)]| -> Vec<(String, i16)> {
        let each = all.iter();
        each.map(|(name, weight)| ((*name).to_owned(), *weight))
            .collect()
    };
    assert_eq!(
        tracked(100, ""),
        named(&[
            ("bfd plain", 0),
            ("bfd weighted", 5),
            ("file usual", 1),
            ("file twice", 2)
        ])
    );
    assert_eq!(
        tracked(100, "vrrp_sync_group G {\n group {\n A\n }\n}"),
        named(&[("bfd plain", 0), ("file usual", 0)])
    );
    // The weights of an owner do not count; with the default one a file is a matter of fault.
    let owner = tracked(255, "");
    assert!(owner.contains(&("file usual".to_owned(), 0)), "{owner:?}");
}

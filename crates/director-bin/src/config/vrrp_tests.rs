//! Tests of what instances ask of the machine.

use super::tests::planned;
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
    let link = c.virtual_link.as_ref().unwrap();
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

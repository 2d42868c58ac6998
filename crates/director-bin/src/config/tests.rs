//! Tests of the mapping, from text as people write it.

use super::*;

use crate::daemon::{
    Announced, Notice, instance_object, real_server_object, virtual_server_object,
};
use ipvs_netlink::{Forwarding, Persistence, Scheduler, SchedulerFlags, ServiceId};
use std::time::Duration;
use vrrp_proto::auth::Authentication;
use vrrp_proto::{Preemption, Priority, Transport, Version};

/// The plan of a text that is expected to be in order.
pub(super) fn planned(text: &str) -> Plan {
    let parsed = keepalived_conf::load_str(text);
    let errors: Vec<_> = parsed
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    let (plan, problems) = plan(&parsed.config);
    assert!(problems.is_empty(), "{problems:?}");
    plan
}

fn problems(text: &str) -> Vec<(Severity, String)> {
    let parsed = keepalived_conf::load_str(text);
    let (_, problems) = plan(&parsed.config);
    problems
        .into_iter()
        .map(|problem| (problem.severity, problem.message))
        .collect()
}

#[test]
fn an_instance_is_mapped() {
    let plan = planned(
        "
vrrp_script chk {
    script \"/bin/true -a 'b c'\"
    interval 2
    timeout 1
    weight -20
    rise 2
    fall 3
    user root
}
vrrp_instance VI_1 {
    state MASTER
    interface eth0
    virtual_router_id 51
    priority 100
    advert_int 2
    nopreempt
    authentication {
        auth_type PASS
        auth_pass 1111
    }
    virtual_ipaddress {
        172.16.1.8 dev eth0 label eth0:0
    }
    virtual_ipaddress_excluded {
        2001:db8::8/64
    }
    track_script {
        chk
    }
    notify /bin/true
}
",
    );
    let [instance] = plan.vrrp.instances.as_slice() else {
        panic!("{:?}", plan.vrrp)
    };
    assert_eq!((&*instance.name, &*instance.interface), ("VI_1", "eth0"));
    let router = &instance.router;
    assert_eq!(
        (router.vrid.value(), router.version, router.priority),
        (51, Version::V2, Priority::new(100))
    );
    assert_eq!(router.interval.as_duration(), Duration::from_secs(2));
    assert!(matches!(router.authentication, Authentication::Password(_)));
    assert!(matches!(router.transport, Transport::Multicast(_)));
    let address = &instance.addresses[0];
    assert_eq!(
        (address.prefix_length, address.label.as_deref()),
        (32, Some("eth0:0"))
    );
    assert_eq!(instance.excluded[0].prefix_length, 64);
    assert_eq!(
        (&*instance.trackers[0].name, instance.trackers[0].weight),
        ("chk", -20)
    );
    let [Watched::Script(script)] = plan.watched.as_slice() else {
        panic!("{:?}", plan.watched)
    };
    assert_eq!(script.program.arguments, ["/bin/true", "-a", "b c"]);
    assert_eq!(
        (script.interval, script.timeout),
        (Duration::from_secs(2), Duration::from_secs(1))
    );
    assert_eq!((script.rise, script.fall), (2, 3));
    assert_eq!(
        script
            .program
            .identity
            .as_ref()
            .map(|identity| identity.uid),
        Some(0)
    );
    let backup = Notice::Instance {
        name: "VI_1".to_owned(),
        state: Announced::Backup,
        previous: None,
        priority: 100,
        reason: String::new(),
    };
    assert_eq!(plan.hooks.hooks(&backup, "R1").len(), 1);
    assert!(plan.interfaces.contains_key("eth0"));
    assert_eq!(instance_object("VI_1"), "vrrp_instance VI_1");
}

#[test]
fn unicast_and_groups_are_mapped() {
    let plan = planned(
        "
vrrp_sync_group G {
    group {
        A
        B
    }
}
vrrp_instance A {
    interface eth0
    virtual_router_id 1
    unicast_src_ip 192.0.2.1
    unicast_peer {
        192.0.2.2
    }
    preempt_delay 30
    virtual_ipaddress {
        192.0.2.8/24
    }
}
vrrp_instance B {
    interface eth1
    virtual_router_id 2
    virtual_ipaddress {
        198.51.100.8/24
    }
}
",
    );
    assert_eq!(plan.vrrp.groups[0].members, ["A", "B"]);
    let router = &plan.vrrp.instances[0].router;
    assert_eq!(router.source, Some("192.0.2.1".parse().unwrap()));
    assert!(matches!(&router.transport, Transport::Unicast { peers, .. } if peers.len() == 1));
    assert_eq!(
        router.preemption,
        Preemption::Delayed(Duration::from_secs(30))
    );
}

const SERVERS: &str = "
virtual_server 172.16.1.8 80 {
    delay_loop 3
    lb_algo wrr
    lb_kind DR
    protocol TCP
    persistence_timeout 50
    quorum 2
    hysteresis 1
    sorry_server 172.16.1.6 80
    quorum_up /bin/true
    real_server 172.16.1.4 80 {
        weight 3
        inhibit_on_failure
        uthreshold 100
        notify_down /bin/true
        TCP_CHECK {
            connect_timeout 2
        }
        HTTP_GET {
            url {
                path /health
                status_code 200
            }
            connect_timeout 2
        }
    }
    real_server 172.16.1.5 80 {
        weight 1
    }
}
";

#[test]
fn a_virtual_server_is_mapped() {
    let timeouts = "global_defs {\n    lvs_timeouts tcp 600 udp 30\n}\n";
    let plan = planned(&format!("{timeouts}{SERVERS}"));
    let expected = Timeouts {
        tcp: 600,
        tcp_fin: 0,
        udp: 30,
    };
    assert_eq!(plan.timeouts, Some(expected));
    let [server] = plan.virtual_servers.as_slice() else {
        panic!("{:?}", plan.virtual_servers)
    };
    assert_eq!(&*server.name, "[172.16.1.8]:tcp:80");
    assert_eq!((server.quorum, server.hysteresis), (2, 1));
    let service = &server.services[0];
    assert_eq!(service.id, ServiceId::tcp("172.16.1.8:80".parse().unwrap()));
    assert_eq!(service.scheduler, Scheduler::WeightedRoundRobin);
    assert_eq!(
        service.persistence,
        Some(Persistence::new(ipvs_netlink::Family::V4, 50))
    );
    let [first, second] = server.real_servers.as_slice() else {
        panic!("{server:?}")
    };
    assert_eq!(first.destination.forwarding, Forwarding::DirectRouting);
    assert_eq!(
        (first.destination.weight, first.destination.upper_threshold),
        (3, 100)
    );
    assert!(first.inhibit_on_failure && !second.inhibit_on_failure);
    let kinds: Vec<_> = first.checks.iter().map(|check| check.kind).collect();
    assert_eq!(kinds, ["TCP_CHECK", "HTTP_GET"]);
    assert!(second.checks.is_empty());
    assert_eq!(plan.checks.len(), 2);
    assert!(server.sorry_server.is_some());
    assert_eq!(
        virtual_server_object(&server.name),
        "virtual_server [172.16.1.8]:tcp:80"
    );
    let object = real_server_object(&server.name, first.destination.id);
    let down = Notice::RealServer {
        virtual_server: server.name.to_string(),
        real_server: first.destination.id,
        up: false,
        reason: String::new(),
    };
    let hooks = plan.hooks.hooks(&down, "R1");
    assert_eq!(hooks.first().map(|(object, _)| object), Some(&object));
}

#[test]
fn checkers_of_our_own_are_mapped() {
    let plan = planned(
        "
virtual_server 172.16.1.8 80 {
    protocol TCP
    real_server 172.16.1.4 80 {
        TALK_CHECK {
            send \"PING\\r\\n\"
            expect \"+PONG\"
            send \"\\x51UIT\"
            response_timeout 2
            rise 3
            jitter 0.5
        }
        AGENT_CHECK {
            connect_port 9000
            send \"weight\\n\"
        }
        SSL_GET {
            url {
                path /
            }
            response_timeout 4
            certificate_warning 14
        }
    }
}",
    );
    let told: Vec<String> = plan
        .checks
        .iter()
        .map(|(_, check)| format!("{check:?}"))
        .collect();
    let [talk, agent, https] = told.as_slice() else {
        panic!("{told:?}")
    };
    for part in [
        "TalkStep { send: [80, 73, 78, 71, 13, 10], expect: Text([43, 80, 79, 78, 71]) }",
        "TalkStep { send: [81, 85, 73, 84], expect: Nothing }",
        "answer_timeout: Some(2s)",
        "rise: 3",
        "jitter: 500ms",
    ] {
        assert!(talk.contains(part), "{part} in {talk}");
    }
    assert!(
        agent.contains("172.16.1.4:9000") && agent.contains("AgentProbe"),
        "{agent}"
    );
    for part in [
        "answer_timeout: Some(4s)",
        "certificate_warning: Some(1209600s)",
    ] {
        assert!(https.contains(part), "{part} in {https}");
    }
}

#[test]
fn the_way_back_is_of_the_real_server_or_of_the_virtual_server() {
    let plan = planned(
        "
virtual_server 172.16.1.8 80 {
    protocol TCP
    slow_start 30
    flap_damping 60
    real_server 172.16.1.4 80 {
        TCP_CHECK {
        }
    }
    real_server 172.16.1.5 80 {
        slow_start 0
        flap_limit 5
        TCP_CHECK {
        }
    }
}",
    );
    let servers = &plan.virtual_servers[0].real_servers;
    let [first, second] = [servers[0].recovery, servers[1].recovery];
    assert_eq!(first.slow_start, Some(Duration::from_secs(30)));
    assert_eq!(first.damping.map(|damping| damping.limit), Some(3));
    assert_eq!(second.slow_start, None, "0 turns it off");
    let damping = second.damping.unwrap();
    assert_eq!(
        (damping.half_life, damping.limit),
        (Duration::from_secs(60), 5)
    );
}

#[test]
fn a_certificate_file_that_is_missing_is_named() {
    let told = problems(
        "
virtual_server 172.16.1.8 443 {
    protocol TCP
    real_server 172.16.1.4 443 {
        SSL_GET {
            url {
                path /
            }
            verify_ca /no/such/authorities.pem
        }
    }
}",
    );
    assert!(
        told.iter()
            .any(|(severity, message)| *severity == Severity::Error
                && message.contains("/no/such/authorities.pem cannot be read")),
        "{told:?}"
    );
}

#[test]
fn an_unchanged_check_is_the_same_and_a_changed_one_is_not() {
    let (before, same) = (planned(SERVERS), planned(SERVERS));
    let changed = planned(&SERVERS.replace("path /health", "path /other"));
    let sameness: Vec<bool> = before
        .checks
        .iter()
        .map(|(id, check)| check.same_as(same.checks.get(&id).unwrap()))
        .collect();
    assert_eq!(sameness, [true, true]);
    let sameness: Vec<bool> = before
        .checks
        .iter()
        .map(|(id, check)| check.same_as(changed.checks.get(&id).unwrap()))
        .collect();
    assert_eq!(sameness, [true, false], "only the HTTP_GET");
}

#[test]
fn groups_and_marks_are_mapped() {
    let plan = planned(
        "
virtual_server_group WEB {
    10.0.0.1-3 80
    fwmark 7
}
virtual_server group WEB {
    lb_algo sh
    sh-port
    lb_kind TUN
    protocol TCP
    real_server 10.1.0.1 80 {
        weight 1
    }
}
virtual_server fwmark 9 {
    lb_algo rr
    lb_kind NAT
    real_server 10.1.0.1 8080 {
        weight 1
    }
}
",
    );
    let [group, mark] = plan.virtual_servers.as_slice() else {
        panic!("{:?}", plan.virtual_servers)
    };
    assert_eq!((&*group.name, group.services.len()), ("[WEB]:0", 4));
    assert_eq!(group.services[0].scheduler_flags, SchedulerFlags::HASH_PORT);
    assert!(matches!(
        group.real_servers[0].destination.forwarding,
        Forwarding::Tunnel(_)
    ));
    assert_eq!(&*mark.name, "FWM 9");
    assert_eq!(
        mark.real_servers[0].destination.forwarding,
        Forwarding::Masquerading
    );
}

#[test]
fn what_cannot_be_done_is_said() {
    let found = problems(&format!("{SERVERS}{SERVERS}"));
    assert!(
        found
            .iter()
            .any(|(severity, text)| *severity == Severity::Error && text.contains("already")),
        "{found:?}"
    );
    let found = problems(&SERVERS.replace("/bin/true", "/nowhere/script"));
    assert_eq!(
        found
            .iter()
            .filter(|(_, text)| text.contains("/nowhere/script"))
            .count(),
        2,
        "{found:?}"
    );
}

#[test]
fn routes_and_rules_are_mapped() {
    let plan = planned(
        "
static_ipaddress {
    10.1.0.1/24 dev eth1
}
static_routes {
    blackhole 10.2.0.0/16
    9 10.3.0.0/16
}
static_rules {
    from 10.3.0.0/16 table 100 preference 50
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    virtual_ipaddress {
        172.16.1.8
    }
    virtual_routes {
        10.4.0.0/16 via 172.16.1.1 dev eth0 src 172.16.1.8 metric 7 table 0x64 mtu lock 1400
    }
    virtual_rules {
        fwmark 1/3 table main preference 60
        ipproto OSPF sport 1-9 prohibit preference 61
    }
}
",
    );
    let vrrp = &plan.vrrp;
    assert_eq!(vrrp.static_addresses[0].device.as_deref(), Some("eth1"));
    let entries: Vec<String> = vrrp
        .static_routes
        .iter()
        .chain(&vrrp.instances[0].routes)
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        entries,
        [
            "route blackhole 10.2.0.0/16",
            "route throw 10.3.0.0/16",
            "route 10.4.0.0/16 via 172.16.1.1 dev eth0 src 172.16.1.8 table 100 metric 7 mtu lock 1400",
        ]
    );
    assert!(vrrp.instances[0].routes[0].metrics[0].lock);
    let rules: Vec<String> = vrrp
        .static_rules
        .iter()
        .chain(&vrrp.instances[0].rules)
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        rules,
        [
            "rule 50: from 10.3.0.0/16 table 100",
            "rule 60: fwmark 0x1/0x3 table 254",
            "rule 61: ipproto 89 sport 1-9 prohibit",
        ]
    );
}

#[test]
fn a_tos_that_the_kernel_refuses_is_foreseen() {
    let found = problems(
        "
static_routes {
    10.2.0.0/16 dev eth0 tos 0x20
    10.3.0.0/16 dev eth0 tos 0x21
    2001:db8::/64 dev eth0 tos 0x04
}
static_rules {
    from 10.0.0.0/8 tos 0x1c table 100
    from 10.0.0.0/8 tos 0x20 table 100
    from 2001:db8::/32 tos 0x20 table 100
}
",
    );
    let found: Vec<&str> = found
        .iter()
        .filter(|(severity, _)| *severity == Severity::Warning)
        .map(|(_, message)| message.as_str())
        .collect();
    assert_eq!(
        found,
        [
            "the kernel refuses tos 0x21: here it takes multiples of 4 up to 0xfc",
            "the kernel refuses tos 0x04: routes for IPv6 have none",
            "the kernel refuses tos 0x20: here it takes multiples of 4 up to 0x1c",
        ]
    );
}

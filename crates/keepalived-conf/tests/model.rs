//! Effective values and where they come from.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a failing test may panic

use std::time::Duration;

use keepalived_conf::model::*;
use keepalived_conf::{Parsed, load_str};

fn clean(text: &str) -> Parsed {
    let parsed = load_str(text);
    let report = keepalived_conf::render::concise(&parsed.diagnostics, &parsed.sources);
    assert!(!parsed.diagnostics.has_errors(), "{report}");
    parsed
}

#[test]
fn checkers_inherit_from_real_and_virtual_servers() {
    let parsed = clean(
        "virtual_server 10.0.0.1 80 {\n protocol TCP\n lb_algo wrr\n lb_kind NAT\n delay_loop 6\n\
         retry 5\n weight 7\n connect_timeout 2\n\
         real_server 10.0.0.2 8080 {\n retry 2\n TCP_CHECK {\n }\n HTTP_GET {\n url {\n path /\n }\n\
         connect_timeout 9\n }\n MISC_CHECK {\n misc_path \"/bin/x 'a b'\" nobody\n }\n\
         DNS_CHECK {\n type mx\n retry 1\n }\n }\n real_server 10.0.0.3 {\n }\n}\n",
    );
    let server = &parsed.config.virtual_server[0];
    assert_eq!(server.lb_algo.value, Scheduler::Wrr);
    let real = &server.real_server[0];
    assert_eq!((real.weight.value, real.port), (7, Some(8080)));
    assert_eq!(server.real_server[1].port, Some(80));
    let [tcp, http, misc, dns] = real.checkers.as_slice() else {
        panic!()
    };
    assert_eq!(tcp.connect_timeout.value, Duration::from_secs(2));
    assert_eq!((tcp.retry.value, tcp.connect_port.value), (2, Some(8080)));
    assert_eq!(tcp.delay_loop.value, Duration::from_secs(6));
    assert_eq!(tcp.warmup.value, Duration::from_secs(6));
    assert_eq!(tcp.delay_before_retry.value, Duration::from_secs(1));
    assert_eq!(http.connect_timeout.value, Duration::from_secs(9));
    assert_eq!(http.delay_before_retry.value, Duration::from_secs(3));
    let CheckerKind::Misc(misc) = &misc.kind else {
        panic!()
    };
    let script = misc.misc_path.value.as_ref().unwrap();
    assert_eq!(script.command, ["/bin/x", "a b"]);
    assert_eq!(script.user.value.as_ref().unwrap().user, "nobody");
    assert_eq!(dns.delay_before_retry.value, Duration::from_secs(6));
    assert_eq!(dns.retry.value, 1);
    let span = tcp.connect_timeout.span.unwrap();
    assert_eq!(parsed.sources.text(span), "2");
}

#[test]
fn instances_inherit_from_globals_wherever_they_stand() {
    let parsed = clean(
        "vrrp_instance A {\n interface eth0\n virtual_router_id 5\n virtual_ipaddress {\n\
         10.0.0.1/24 dev eth0 label eth0:0\n }\n garp_master_repeat 2\n}\n\
         vrrp_instance B {\n interface eth0\n virtual_router_id 6\n state MASTER\n priority 90\n\
         virtual_ipaddress {\n fe80::1\n }\n}\n\
         global_defs {\n vrrp_garp_master_delay 9\n vrrp_version 3\n}\n",
    );
    let [a, b] = parsed.config.vrrp_instance.as_slice() else {
        panic!()
    };
    assert_eq!(a.version.value, VrrpVersion::V3);
    assert_eq!(a.garp_master_delay.value, Duration::from_secs(9));
    assert_eq!(a.garp_lower_prio_delay.value, Duration::from_secs(9));
    assert_eq!(a.garp_master_repeat.value, 2);
    assert_eq!((a.priority.value, a.priority.is_written()), (100, false));
    let vip = &a.virtual_ipaddress[0];
    assert_eq!(
        (vip.prefix_length, vip.label.as_ref().unwrap().as_str()),
        (24, "eth0:0")
    );
    assert_eq!(
        (b.family, b.version.value),
        (Family::Inet6, VrrpVersion::V3)
    );
    assert_eq!(b.state.value, InitialState::Master);
}

#[test]
fn values_of_expansions_know_their_place() {
    let parsed = load_str(
        "$VIPS=10.0.0.999\nvrrp_instance A {\n interface eth0\n virtual_router_id 5\n\
         virtual_ipaddress {\n  ${VIPS} dev eth0\n }\n}\n",
    );
    let diagnostic = parsed
        .diagnostics
        .iter()
        .find(|d| d.message.contains("999"))
        .unwrap();
    let span = diagnostic.span().unwrap();
    let place = parsed.sources.locate(span).unwrap();
    assert_eq!((place.line, place.column, place.end_column), (6, 3, 10));
    let vias = parsed.sources.vias(span);
    assert_eq!(parsed.sources.text(vias[0].definition), "$VIPS");
    assert_eq!(parsed.sources.locate(vias[0].definition).unwrap().line, 1);
}

#[test]
fn ports_follow_the_forwarding_method() {
    let parsed = clean(
        "virtual_server 10.0.0.1 80 {\n protocol TCP\n lb_algo rr\n lb_kind DR\n\
         real_server 10.0.0.2 8080 {\n TCP_CHECK {\n connect_port 8080\n }\n }\n\
         sorry_server 10.0.0.9 8000\n}\n\
         virtual_server fwmark 7 {\n lb_algo rr\n lb_kind TUN type gue port 6080 csum\n\
         real_server 10.0.0.2 {\n }\n}\n",
    );
    let [dr, tun] = parsed.config.virtual_server.as_slice() else {
        panic!()
    };
    assert_eq!(dr.real_server[0].port, Some(80));
    assert_eq!(dr.real_server[0].checkers[0].connect_port.value, Some(8080));
    assert_eq!(dr.sorry_server.as_ref().unwrap().port, Some(80));
    assert_eq!(tun.protocol.value, None);
    let tunnel = Tunnel {
        kind: TunnelKind::Gue,
        port: Some(6080),
        checksum: TunnelChecksum::Checksum,
    };
    assert_eq!(tun.real_server[0].lvs_method.value, LvsMethod::Tun(tunnel));
}

#[test]
fn equality_is_by_meaning() {
    let a = load_str("global_defs {\n router_id x\n}\n").config;
    let b = load_str("# other\nglobal_defs { router_id \"x\" }\n").config;
    let c = load_str("global_defs {\n router_id y\n}\n").config;
    assert!(a == b);
    assert!(a != c);
}

#[test]
fn a_mask_is_a_number_or_names() {
    for (text, expected) in [
        ("027", Some(0o027)),
        ("0x1f", Some(0o037)),
        ("IRUSR|IWGRP|IXOTH", Some(0o421)),
        ("IRWXG | IRWXO", Some(0o077)),
        ("IX", None),
        ("I", None),
        ("IRUSR|", None),
    ] {
        let parsed = load_str(&format!("global_defs {{\n umask {text}\n}}\n"));
        let mask = &parsed.config.global_defs.umask;
        assert_eq!(mask.span.map(|_| mask.value), expected, "{text}");
    }
}

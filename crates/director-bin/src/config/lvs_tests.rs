//! Tests of what concerns IPVS as a whole, and of what two plans share.

use super::super::plan;
use super::super::tests::planned;
use std::sync::Arc;

const SYNCHRONISED: &str = "
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    virtual_ipaddress { 172.16.1.8 }
}
";

#[test]
fn the_sync_daemon_is_mapped() {
    let settings = |globals: &str| {
        let plan = planned(&format!("global_defs {{ {globals} }}\n{SYNCHRONISED}"));
        plan.sync.expect("a sync daemon")
    };
    let full = "lvs_sync_daemon eth1 inst VI_1 id 7 maxlen 1400 port 8850 ttl 3 group 224.0.0.90";
    let sync = settings(full);
    assert_eq!(sync.instance.as_deref(), Some("VI_1"));
    let daemon = sync.settings;
    assert_eq!((daemon.interface.as_str(), daemon.sync_id), ("eth1", 7));
    assert_eq!(
        (daemon.max_length, daemon.port, daemon.ttl),
        (Some(1400), Some(8850), Some(3))
    );
    assert_eq!(daemon.group, Some("224.0.0.90".parse().unwrap()));
    // Without a number it is the instance's.
    assert_eq!(settings("lvs_sync_daemon eth1 VI_1").settings.sync_id, 51);
    let alone = settings("lvs_sync_daemon eth1");
    assert_eq!((alone.instance, alone.settings.sync_id), (None, 0));
    let plan = planned(SYNCHRONISED);
    assert_eq!(plan.sync, None);
}

#[test]
fn the_old_place_of_the_sync_daemon_is_mapped() {
    let text = SYNCHRONISED.replace(
        "interface eth0",
        "interface eth0\n lvs_sync_daemon_inteface eth2",
    );
    let (plan, _) = plan(&keepalived_conf::load_str(&text).config);
    let sync = plan.sync.expect("a sync daemon");
    assert_eq!(sync.instance.as_deref(), Some("VI_1"));
    assert_eq!(sync.settings.interface.as_str(), "eth2");
    assert_eq!(sync.settings.sync_id, 51);
}

#[test]
fn flushing_is_mapped() {
    let flush = |globals: &str| {
        let plan = planned(&format!("global_defs {{ {globals} }}"));
        (plan.flush_at_start, plan.flush_at_stop)
    };
    assert_eq!(flush(""), (false, false));
    assert_eq!(flush("lvs_flush"), (true, false));
    assert_eq!(flush("lvs_flush_on_stop"), (false, true));
    // Our own services go at every stop.
    assert_eq!(flush("lvs_flush_on_stop VS"), (false, false));
}

#[test]
fn what_a_reload_does_not_change_is_the_same() {
    let text = |weight: u32, loops: u32| {
        format!(
            "virtual_server 10.0.0.1 80 {{
                protocol TCP
                delay_loop {loops}
                real_server 10.0.1.1 80 {{ weight {weight}\n TCP_CHECK {{ }} }}
            }}
            virtual_server 10.0.0.2 80 {{
                protocol TCP
                real_server 10.0.1.1 80 {{ TCP_CHECK {{ }} }}
            }}"
        )
    };
    let before = planned(&text(1, 5));
    let shared = |text: &str| {
        let mut plan = planned(text);
        plan.share_with(&before);
        let pairs = plan.virtual_servers.iter().zip(&before.virtual_servers);
        pairs.map(|(a, b)| Arc::ptr_eq(a, b)).collect::<Vec<_>>()
    };
    assert_eq!(shared(&text(1, 5)), [true, true]);
    assert_eq!(
        shared(&format!("\n\n{}", text(1, 5))),
        [true, true],
        "only moved"
    );
    assert_eq!(shared(&text(2, 5)), [false, true]);
    assert_eq!(shared(&text(1, 6)), [false, true], "another check");
}

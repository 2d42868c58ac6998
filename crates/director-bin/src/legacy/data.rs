//! `keepalived.data`: what is configured and what runs, for people and for scripts that look for a line. Sections and names of
//! fields are keepalived's; what director does not have is left out.

use super::lines::{Lines, address, delay, on_off, seconds, yes_no};
use crate::config::Plan;
use crate::daemon::{group_object, instance_object};
use director_control::Timestamp;
use director_control::snapshot::{Instance, InstanceState, Snapshot, TrackerValue};
use std::time::Duration;
use vrrp_net::InstanceConfig;
use vrrp_proto::auth::Authentication;
use vrrp_proto::{Family, Preemption, Transport, Version};

/// The whole file.
pub(crate) fn data(snapshot: &Snapshot, plan: &Plan) -> String {
    let mut lines = Lines::default();
    globals(&mut lines, plan);
    if !snapshot.instances.is_empty() {
        lines.section("VRRP Topology");
    }
    for shown in &snapshot.instances {
        let mut configured = plan.vrrp.instances.iter();
        if let Some(config) = configured.find(|config| *config.name == *shown.name) {
            instance(&mut lines, shown, config, plan);
        }
    }
    groups(&mut lines, snapshot, plan);
    scripts(&mut lines, snapshot);
    lines.text
}

fn globals(lines: &mut Lines, plan: &Plan) {
    lines.section("Global definitions");
    lines.field(1, "Router ID", &plan.notices.router_id);
    if let Some(mail) = &plan.notices.mail {
        lines.field(1, "Smtp server", &mail.host);
        lines.field(1, "Smtp server port", mail.port);
        lines.field(1, "Email notification from", &mail.from);
        for to in &mail.to {
            lines.field(1, "Email notification", to);
        }
    }
    lines.field(1, "Dynamic interfaces", plan.vrrp_settings.late_interfaces);
    lines.field(1, "LVS flush", plan.flush_at_start);
    let flush = if plan.flush_at_stop {
        "enabled"
    } else {
        "disabled"
    };
    lines.field(1, "LVS flush on stop", flush);
}

fn instance(lines: &mut Lines, shown: &Instance, config: &InstanceConfig, plan: &Plan) {
    let router = &config.router;
    let announce = &router.announce;
    lines.field(1, "VRRP Instance", &shown.name);
    lines.field(3, "VRRP Version", shown.version);
    if router.family == Family::V6 {
        lines.line(3, "Using Native IPv6");
    }
    if let Some(group) = &shown.group {
        lines.field(3, "Sync group", group);
    }
    let state = state(shown.state);
    lines.field(3, "State", state);
    lines.field(3, "Wantstate", state);
    lines.field(
        3,
        "Number of config faults",
        usize::from(config.standing_fault.is_some()),
    );
    lines.field(
        3,
        "Number of interface and track script faults",
        shown
            .faults
            .len()
            .saturating_sub(usize::from(config.standing_fault.is_some())),
    );
    lines.field(3, "Last transition", moment(shown.since));
    lines.field(
        3,
        "Master down timer",
        format_args!(
            "{} usecs",
            Duration::from_secs_f64(shown.timers.master_down_seconds).as_micros()
        ),
    );
    lines.field(3, "Interface", &shown.interface);
    if let Some(link) = &config.virtual_link {
        lines.field(3, "VMAC Interface", &link.name);
    }
    if let Some(source) = shown.source {
        lines.field(3, "Using src_ip", source);
    }
    match &router.transport {
        Transport::Multicast(group) => lines.field_with_blank(3, "Multicast address", group),
        Transport::Unicast { peers, .. } => {
            lines.line(3, "Unicast Peer :");
            for peer in peers {
                lines.line(5, peer.address);
            }
        }
    }
    lines.field(3, "Gratuitous ARP delay", delay(announce.delay));
    lines.field(3, "Gratuitous ARP repeat", announce.repeat);
    lines.field(3, "Gratuitous ARP refresh", announce.refresh.as_secs());
    lines.field(3, "Gratuitous ARP refresh repeat", announce.refresh_repeat);
    let lower = announce.lower_priority_delay;
    lines.field(3, "Gratuitous ARP lower priority delay", delay(lower));
    lines.field(
        3,
        "Gratuitous ARP lower priority repeat",
        announce.lower_priority_repeat,
    );
    lines.field(3, "Down timer adverts", router.down_timer_adverts);
    lines.field(
        3,
        "Send advert after receive lower priority advert",
        !router.lower_priority_no_advert,
    );
    lines.field(
        3,
        "Send advert after receive higher priority advert",
        router.higher_priority_send_advert,
    );
    lines.field(3, "Virtual Router ID", shown.vrid);
    lines.field(3, "Priority", shown.priority);
    lines.field(3, "Effective priority", shown.effective_priority);
    lines.field(3, "Total priority", shown.effective_priority);
    lines.field(
        3,
        "Advert interval",
        interval(router.interval.as_duration(), router.version),
    );
    lines.field(3, "Accept", on_off(config.accept));
    lines.field(3, "Preempt", on_off(router.preemption != Preemption::Never));
    if let Preemption::Delayed(wait) = router.preemption {
        lines.field(3, "Preempt delay", format_args!("{} secs", seconds(wait)));
    }
    lines.field(3, "Promote_secondaries", on_off(config.promote_secondaries));
    match &router.authentication {
        Authentication::Password(_) => lines.field(3, "Authentication type", "SIMPLE_PASSWORD"),
        Authentication::Header(_) => lines.field(3, "Authentication type", "IPSEC_AH"),
        Authentication::None => {}
    }
    let mut list = |title: &str, all: Vec<String>| {
        if !all.is_empty() {
            lines.line(3, title);
            all.iter().for_each(|one| lines.line(5, one));
        }
    };
    let addresses = |all: &[vrrp_net::VirtualAddress]| -> Vec<String> {
        all.iter().map(|one| address(one, shown, config)).collect()
    };
    list(
        &format!("Virtual IP ({}):", config.addresses.len()),
        addresses(&config.addresses),
    );
    list("Virtual IP Excluded :", addresses(&config.excluded));
    list(
        "Virtual Routes :",
        config.routes.iter().map(ToString::to_string).collect(),
    );
    list(
        "Virtual Rules :",
        config.rules.iter().map(ToString::to_string).collect(),
    );
    let trackers = |all: &[vrrp_net::Tracker]| -> Vec<String> {
        let weighted = all
            .iter()
            .filter(|tracker| super::is_configured(&tracker.name));
        let weighted = weighted.map(|tracker| {
            let reverse = if tracker.reverse { " reverse" } else { "" };
            format!("{} weight {}{reverse}", tracker.name, tracker.weight)
        });
        weighted.collect()
    };
    list("Tracked interfaces :", trackers(&config.track_interfaces));
    list("Tracked scripts :", trackers(&config.trackers));
    let mailed = plan.notices.instance_mail.contains(&shown.name);
    lines.field(3, "Using smtp notification", yes_no(mailed));
    let deleted = plan.notify_deleted.contains(&shown.name);
    lines.field(
        3,
        "Notify deleted",
        if deleted { "Deleted" } else { "Fault" },
    );
    lines.notifications(plan, &instance_object(&shown.name));
    let changes = plan.notices.priority_changes.contains(&shown.name);
    lines.field(3, "Notify priority changes", changes);
}

fn groups(lines: &mut Lines, snapshot: &Snapshot, plan: &Plan) {
    if !snapshot.groups.is_empty() {
        lines.section("VRRP Sync groups");
    }
    for group in &snapshot.groups {
        let text = format!("{}, {}", group.name, state(group.state));
        lines.field(1, "VRRP Sync Group", text);
        lines.line(3, "VRRP member instances :");
        for member in &group.members {
            lines.line(5, member);
        }
        let mailed = plan.notices.group_mail.contains(&group.name);
        lines.field(3, "Using smtp notification", yes_no(mailed));
        lines.notifications(plan, &group_object(&group.name));
    }
}

fn scripts(lines: &mut Lines, snapshot: &Snapshot) {
    let of = |kind: &'static str| {
        snapshot
            .trackers
            .iter()
            .filter(move |tracker| tracker.kind == kind)
    };
    for (kind, section, title) in [
        ("vrrp_script", "VRRP Scripts", "VRRP Script"),
        ("track_file", "VRRP Track files", "VRRP Track file"),
        (
            "track_process",
            "VRRP Track processes",
            "VRRP Track process",
        ),
    ] {
        if of(kind).next().is_some() {
            lines.section(section);
        }
        for tracker in of(kind) {
            lines.field(1, title, &tracker.name);
            let status = match tracker.value {
                TrackerValue::Pending => "INIT".to_owned(),
                TrackerValue::Up => "GOOD".to_owned(),
                TrackerValue::Down => "BAD".to_owned(),
                TrackerValue::Value(value) => value.to_string(),
            };
            lines.field(3, "Status", status);
        }
    }
}

const fn state(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Initialize => "INIT",
        InstanceState::Backup => "BACKUP",
        InstanceState::Master => "MASTER",
        InstanceState::Fault => "FAULT",
    }
}

/// Seconds since 1970 with microseconds, and the same for people.
fn moment(at: Timestamp) -> String {
    let milliseconds = at.unix_milliseconds();
    let (whole, rest) = (milliseconds.div_euclid(1000), milliseconds.rem_euclid(1000));
    format!("{whole}.{rest:03}000 ({at})")
}

/// Version 2 counts in seconds, version 3 in hundredths of them.
fn interval(interval: Duration, version: Version) -> String {
    match version {
        Version::V2 => format!("{} sec", seconds(interval)),
        Version::V3 => format!("{} milli-sec", interval.as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::sample;
    use crate::legacy::check_data;

    fn plan(text: &str) -> Plan {
        let parsed = keepalived_conf::load_str(text);
        crate::config::plan(&parsed.config).0
    }

    const TEXT: &str = "global_defs {
            router_id test
            script_user root
        }
        vrrp_sync_group G1 {
            group {
                VI_1
            }
        }
        vrrp_instance VI_1 {
            state BACKUP
            interface eth0
            virtual_router_id 51
            priority 100
            garp_master_delay 1
            authentication {
                auth_type PASS
                auth_pass abcd
            }
            virtual_ipaddress {
                172.16.1.8/24 dev eth0 label eth0:1
                172.16.1.9/32
            }
            notify_master \"/bin/true arg\"
        }
        virtual_server 172.16.1.8 80 {
            delay_loop 3
            lb_algo wrr
            lb_kind DR
            persistence_timeout 300
            protocol TCP
            sorry_server 10.0.0.9 80
            real_server 10.0.0.4 80 {
                weight 1
                TCP_CHECK {
                }
            }
            real_server 10.0.0.5 80 {
                weight 1
                inhibit_on_failure
            }
        }
    ";

    #[test]
    fn it_has_keepalived_s_sections_and_fields() {
        let text = data(&sample::snapshot(), &plan(TEXT));
        // Lines of keepalived 2.2.7 for the same configuration, where the state is the same.
        for line in [
            "------< Global definitions >------",
            " Router ID = test",
            "------< VRRP Topology >------",
            " VRRP Instance = VI_1",
            "   VRRP Version = 2",
            "   Sync group = G1",
            "   State = MASTER",
            "   Master down timer = 3687500 usecs",
            "   Interface = eth0",
            "   Using src_ip = 10.0.0.2",
            "   Multicast address 224.0.0.18",
            "   Gratuitous ARP delay = 1",
            "   Gratuitous ARP repeat = 5",
            "   Send advert after receive lower priority advert = true",
            "   Virtual Router ID = 51",
            "   Priority = 100",
            "   Effective priority = 80",
            "   Advert interval = 1 sec",
            "   Accept = enabled",
            "   Preempt = enabled",
            "   Authentication type = SIMPLE_PASSWORD",
            "   Virtual IP (2):",
            "     172.16.1.8/24 dev eth0 scope global label eth0:1 set",
            "     172.16.1.9 dev eth0 scope global",
            "   Using smtp notification = no",
            "   Notify deleted = Fault",
            "   Master state transition script = '/bin/true' 'arg'",
            "------< VRRP Sync groups >------",
            " VRRP Sync Group = G1, MASTER",
            "   VRRP member instances :",
            "     VI_1",
        ] {
            assert!(
                text.lines()
                    .any(|known| known == line || known.starts_with(&format!("{line}, uid:gid"))),
                "{line}\n{text}"
            );
        }
        assert!(!text.contains("abcd"), "no password: {text}");
    }

    #[test]
    fn the_servers_have_a_file_of_their_own() {
        let text = check_data(&sample::snapshot(), &plan(TEXT));
        for line in [
            "------< LVS Topology >------",
            " ------< Virtual server >------",
            " VS VIP = 172.16.1.8, VPORT = 80",
            "   delay_loop = 3.000000",
            "   lvs_sched = wrr",
            "   persistence timeout = 300",
            "   protocol = TCP",
            "   quorum = 1, hysteresis = 0",
            "   default forwarding method = DR",
            "   sorry server = [10.0.0.9]:tcp:80",
            "   quorum_state_up = 1",
            "   ------< Real server >------",
            "   RIP = 10.0.0.4, RPORT = 80, WEIGHT = 1 EFF WEIGHT = 1",
            "   forwarding method = DR",
            "   Inhibit on failure is OFF",
            "   Inhibit on failure is ON",
            "   alive = 1",
            "   alive = 0",
            "   num failed checkers = 1",
            "------< Health checkers >------",
            " [172.16.1.8]:tcp:80 -> [10.0.0.4]:tcp:80",
            "   Up = no",
            "   Keepalive method = HTTP_GET",
        ] {
            assert!(text.lines().any(|known| known == line), "{line}\n{text}");
        }
        let nothing = check_data(&sample::snapshot(), &Plan::default());
        assert_eq!(nothing, "", "keepalived writes none without checkers");
    }
}

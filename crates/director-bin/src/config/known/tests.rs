use super::super::load::{Against, Before, Loaded, load_after};
use crate::config::Plan;
use crate::control::changes;
use keepalived_conf::{FileSystem, render};
use std::fmt::Write as _;

/// A number that differs with each call.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % below
    }
}

fn server(dice: &mut Dice, number: u64) -> String {
    let mut text = format!(
        "virtual_server 10.0.0.{number} 80 {{\n    delay_loop 6\n    lb_algo rr\n    lb_kind DR\n"
    );
    let _ = match dice.roll(12) {
        0 => writeln!(text, "    omega\n    alpha"),
        1 => writeln!(text, "    sorry_server 10.0.2.1 80"),
        2 => writeln!(text, "    quorum_up \"/bin/true\" root"),
        3 => writeln!(text, "    smtp_alert"),
        // Something to report.
        4 => writeln!(text, "    quorum 9"),
        5 => writeln!(text, "    persistence_timeout $TIME"),
        6 => writeln!(text, "    snmp_name {number}"),
        _ => writeln!(text, "    alpha"),
    };
    let _ = writeln!(text, "    protocol TCP");
    for real in 0..dice.roll(3) {
        let weight = dice.roll(3);
        let _ = writeln!(
            text,
            "    real_server 10.0.1.{real} 80 {{\n        weight {weight}\n        TCP_CHECK {{\n            connect_timeout 2\n        }}\n    }}"
        );
    }
    text + "}\n"
}

fn show(loaded: &Loaded) -> Vec<String> {
    let each = loaded.diagnostics.iter();
    each.map(|diagnostic| render::concise_line(diagnostic, &loaded.sources))
        .collect()
}

/// All of a plan that concerns virtual servers.
fn parts(plan: &Plan) -> (Vec<String>, String, String) {
    let mut servers: Vec<String> = plan
        .virtual_servers
        .iter()
        .map(|server| format!("{server:?}").replace(&format!("{:?}", server.place), ""))
        .map(|text| text.split("place").next().unwrap_or_default().to_owned())
        .collect();
    servers.sort();
    let mut notices = plan.notices.clone();
    notices.router_id.clear();
    (servers, format!("{:?}", plan.omega), format!("{notices:?}"))
}

#[test]
fn a_plan_with_memory_is_the_plan_without() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.conf");
    let mut taken_over = 0;
    for seed in 0..12 {
        let mut dice = Dice(seed);
        let mail = if seed % 3 == 0 { "smtp_alert true" } else { "" };
        let mut head = format!("$TIME=30\nglobal_defs {{\n    router_id a\n    {mail}\n}}\n");
        let mut servers: Vec<String> = (1..20).map(|number| server(&mut dice, number)).collect();
        let mut before: Option<Loaded> = None;
        for _ in 0..8 {
            std::fs::write(&path, format!("{head}{}", servers.join("\n"))).unwrap();
            let full = load_after(
                &path,
                Against::ThisMachine,
                &mut FileSystem,
                |_| {},
                Before::default(),
            );
            let known = Before {
                plan: before.as_ref().map(|before| (&before.plan, &before.memory)),
                ..Before::default()
            };
            let loaded = load_after(&path, Against::ThisMachine, &mut FileSystem, |_| {}, known);
            assert_eq!(show(&loaded), show(&full));
            let (with, without) = (parts(&loaded.plan), parts(&full.plan));
            assert_eq!(with, without, "seed {seed}");
            assert_eq!(
                changes::plans(&full.plan, &loaded.plan),
                Vec::<String>::new()
            );
            assert_eq!(full.plan.checks.len(), loaded.plan.checks.len());
            if let Some(before) = &before {
                let of_before = |server| {
                    before
                        .plan
                        .virtual_servers
                        .iter()
                        .any(|known| std::sync::Arc::ptr_eq(known, server))
                };
                taken_over += loaded
                    .plan
                    .virtual_servers
                    .iter()
                    .filter(|server| of_before(server))
                    .count();
            }
            before = Some(loaded);
            match dice.roll(6) {
                0 => head.push_str("# a comment\n"),
                1 => head = head.replace("$TIME=30", "$TIME=60"),
                2 => servers.rotate_left(3),
                3 => drop(servers.pop()),
                _ => {
                    let at = dice.roll(servers.len() as u64);
                    servers[at as usize] = server(&mut dice, at + 1);
                }
            }
        }
    }
    assert!(taken_over > 200, "{taken_over}");
}

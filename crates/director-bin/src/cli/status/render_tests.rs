use super::*;
use crate::control::sample;

fn lines(snapshot: &Snapshot, colour: bool) -> Vec<String> {
    let text = render(snapshot, None, Paint(colour));
    text.lines().map(str::to_owned).collect()
}

#[test]
fn it_fits_a_hundred_columns_whatever_the_names() {
    let mut snapshot = sample::snapshot();
    for server in &mut snapshot.virtual_servers {
        server.name = "[2001:db8:1111:2222:3333:4444:5555:6666]:tcp:65535".repeat(2);
        for real in &mut server.real_servers {
            real.address = "[2001:db8:1111:2222:3333:4444:5555:6666]:65535".to_owned();
            real.forwarding = "tunnel gue port 12345 remcsum".to_owned();
            real.reasons = vec!["a reason that is much too long for any line ".repeat(9)];
        }
    }
    for instance in &mut snapshot.instances {
        instance.name = "an_instance_with_a_name_that_is_far_too_long".to_owned();
        instance.faults = vec!["something ".repeat(30)];
    }
    for line in lines(&snapshot, false) {
        assert!(
            line.chars().count() <= WIDTH,
            "{}: {line}",
            line.chars().count()
        );
        assert!(!line.contains('\x1b'), "no colours: {line}");
    }
    assert!(
        lines(&snapshot, true)
            .iter()
            .any(|line| line.contains("\x1b["))
    );
}

#[test]
fn what_is_not_well_is_told_with_its_reason() {
    let text = lines(&sample::snapshot(), false).join("\n");
    for wanted in [
        "director 1.2.3 on lb1, pid 77",
        "VI_1",
        "MASTER",
        "priority 100 - 20 (chk_web down) = 80",
        "[172.16.1.8]:tcp:80 wrr, 1 of 2 servers, persistent 300 s",
        "HTTP_GET: HTTP status 503, wanted 200",
        "chk_web",
        "notify_master",
        "exit status 1",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing:\n{text}");
    }
}

#[test]
fn control_characters_of_a_reason_cannot_reach_the_terminal() {
    let mut snapshot = sample::snapshot();
    snapshot.instances[0].reason = "\x1b]0;title\x07".to_owned();
    assert!(!lines(&snapshot, false).join("\n").contains('\x07'));
}

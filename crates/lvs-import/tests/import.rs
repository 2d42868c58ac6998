//! Whole files of each kind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that fails may panic"
)]

use keepalived_conf::{Severity as Level, load_str, render};
use lvs_import::{Imported, NoNames, Node, Options, Severity, Source, detect, import};
use proptest::prelude::*;

const IPVSADM: &str = include_str!("files/web.ipvsadm");
const LDIRECTORD: &str = include_str!("files/ha.ldirectord.cf");
const PIRANHA: &str = include_str!("files/pair.lvs.cf");

/// Translates, and holds the result against the checker and the formatter.
fn translate(text: &str, options: &Options) -> Imported {
    let imported = import(detect(text).unwrap(), text, options, &NoNames);
    let parsed = load_str(&imported.configuration);
    assert!(
        !parsed.diagnostics.has_errors(),
        "{}\n{}",
        imported.configuration,
        render::concise(&parsed.diagnostics, &parsed.sources)
    );
    let formatted = keepalived_conf::format(&imported.configuration).unwrap();
    assert_eq!(
        imported.configuration, formatted,
        "already in the form of the formatter"
    );
    let written: usize = parsed
        .config
        .virtual_server
        .iter()
        .map(|v| v.real_server.len())
        .sum();
    assert_eq!(imported.virtual_servers, parsed.config.virtual_server.len());
    assert_eq!(imported.real_servers, written);
    imported
}

fn findings(imported: &Imported, severity: Severity) -> Vec<(Option<u32>, &str)> {
    let of = imported
        .findings
        .iter()
        .filter(|finding| finding.severity == severity);
    of.map(|finding| (finding.line, finding.subject.as_str()))
        .collect()
}

/// The configuration without indentation, to look for sequences of lines.
fn flat(imported: &Imported) -> String {
    imported
        .configuration
        .lines()
        .map(|line| format!("{}\n", line.trim()))
        .collect()
}

fn with_interface() -> Options {
    let mut options = Options::default();
    options.interface = Some("eth0".to_owned());
    options
}

#[test]
fn a_dump_of_ipvsadm() {
    let imported = translate(IPVSADM, &with_interface());
    let text = flat(&imported);
    assert_eq!(imported.source, Source::Ipvsadm);
    assert!(
        text.contains("lvs_timeouts tcp 900 tcpfin 120 udp 300\nlvs_sync_daemon eth1 LVS id 7\n"),
        "{text}"
    );
    assert!(
        text.contains("virtual_ipaddress {\n192.0.2.10/32\n}"),
        "{text}"
    );
    assert!(text.contains("vrrp_instance LVS_6 {"), "{text}");
    assert!(
        text.contains(
            "real_server 192.0.2.22 80 {\nweight 1\nuthreshold 100\nlthreshold 80\nTCP_CHECK {"
        ),
        "{text}"
    );
    assert!(
        text.contains("real_server 198.51.100.7 80 {\nlvs_method TUN\n"),
        "{text}"
    );
    assert!(text.contains("virtual_server 192.0.2.10 53 {\nprotocol UDP\nlb_algo rr\nops\nlb_kind NAT\nreal_server 192.0.2.23 5353 {\nweight 1\n}"), "{text}");
    assert!(
        text.contains("virtual_server fwmark 7 {\nlb_algo sh\nsh-port\nsh-fallback\nlb_kind DR\n"),
        "{text}"
    );
    assert!(
        text.contains("lvs_method TUN type gue port 6080 csum\n"),
        "{text}"
    );
    let mistakes = findings(&imported, Severity::Mistake);
    let lines: Vec<_> = mistakes.iter().map(|(line, _)| line.unwrap()).collect();
    assert_eq!(lines, [5, 12, 15, 16], "{mistakes:?}");

    let mut options = with_interface();
    options.add_checks = false;
    assert!(
        !translate(IPVSADM, &options)
            .configuration
            .contains("TCP_CHECK")
    );
    let bare = translate(IPVSADM, &Options::default());
    assert!(!bare.configuration.contains("vrrp_instance"));
    assert!(bare.configuration.contains("lvs_sync_daemon eth1 id 7"));
}

#[test]
fn a_file_of_ldirectord() {
    let imported = translate(LDIRECTORD, &Options::default());
    let text = flat(&imported);
    assert_eq!(imported.source, Source::Ldirectord);
    assert!(text.contains("notification_email {\nops@example.net\nnight@example.net\n}\nnotification_email_from lb@example.net\n"), "{text}");
    assert!(text.contains("# Shop\nvirtual_server 192.0.2.10 80 {\nprotocol TCP\nlb_algo wrr\nlb_kind DR\npersistence_timeout 600\npersistence_granularity 255.255.255.0\ndelay_loop 5\nalpha\ninhibit_on_failure\nsorry_server 127.0.0.1 80\n"), "{text}");
    for server in ["192.0.2.21", "192.0.2.22", "192.0.2.23"] {
        assert!(text.contains(&format!("real_server {server} 80 {{\nweight 5\nHTTP_GET {{\nurl {{\npath \"/health?a=b#c\"\nvirtualhost www.example.net\nregex \"all")), "{text}");
    }
    assert!(
        text.contains("connect_timeout 6\nretry 2\ndelay_before_retry 5\n"),
        "{text}"
    );
    assert!(text.contains("real_server 192.0.2.24 8080 {\nlvs_method NAT\nweight 2\nuthreshold 50\nlthreshold 10\nHTTP_GET {\nurl {\npath /own\nvirtualhost www.example.net\nregex \"fine\"\n"), "{text}");
    assert!(
        text.contains(
            "misc_path \"/usr/local/bin/mail check 192.0.2.10 25 192.0.2.31 25\"\nmisc_timeout 3\n"
        ),
        "{text}"
    );
    assert!(
        text.contains("quorum_down \"/usr/local/bin/sorry start 192.0.2.10:25 tcp\"\n"),
        "{text}"
    );
    assert!(
        text.contains("DNS_CHECK {\ntype A\nname www.example.net\n"),
        "{text}"
    );
    assert!(text.contains("virtual_server 2001:db8::10 443 {"), "{text}");
    assert!(
        text.contains("sorry_server ::1 443\n") && text.contains("SSL_GET {"),
        "{text}"
    );
    assert!(text.contains("# real_server 192.0.2.61 {\n"), "{text}");
    let lost = findings(&imported, Severity::Lost);
    assert!(lost.contains(&(Some(6), "autoreload")), "{lost:?}");
    let changed = findings(&imported, Severity::Changed);
    assert!(
        changed.contains(&(Some(45), "service")) && changed.contains(&(Some(10), "maintenancedir")),
        "{changed:?}"
    );
    let mistakes = findings(&imported, Severity::Mistake);
    assert_eq!(mistakes, [(Some(12), "bogus"), (Some(58), "192.0.2.10:80")]);
}

#[test]
fn a_file_of_piranha() {
    let imported = translate(PIRANHA, &Options::default());
    let text = flat(&imported);
    assert_eq!(imported.source, Source::Piranha);
    assert!(
        text.contains("lvs_timeouts tcp 900\nlvs_sync_daemon eth1 LVS id 3\nscript_user root\n"),
        "{text}"
    );
    assert!(text.contains("priority 150\nadvert_int 4\ndown_timer_adverts 5\nnopreempt\nunicast_src_ip 192.0.2.1\nunicast_peer {\n192.0.2.2\n}\n"), "{text}");
    assert!(text.contains("track_interface {\neth1\n}\nnotify_master \"/etc/lvs/active.sh now\"\nnotify_backup \"/etc/lvs/inactive.sh\"\n"), "{text}");
    assert!(
        text.contains("192.0.2.10/24 dev eth0 label eth0:1\n"),
        "{text}"
    );
    assert!(
        text.contains("10.0.0.254/24 dev eth1 label eth1:1\n}"),
        "{text}"
    );
    assert!(text.contains("inhibit_on_failure\nsorry_server 127.0.0.1 80\nslow_start 20\n# one\nreal_server 10.0.0.21 8080 {\nweight 2\nHTTP_GET {\nurl {\npath /health\nstatus_code 200\nvirtualhost www.example.net\n}\nconnect_timeout 6\nretry 0\nrise 2\ndelay_before_retry 6\n"), "{text}");
    let changed = findings(&imported, Severity::Changed);
    for subject in ["reentry", "slow start"] {
        assert!(
            changed.iter().any(|(_, known)| *known == subject),
            "{subject}: {changed:?}"
        );
    }
    let portable = {
        let mut options = Options::default();
        options.only_keepalived = true;
        translate(PIRANHA, &options)
    };
    let lost_too = findings(&portable, Severity::Lost);
    for subject in ["reentry", "slow start"] {
        assert!(
            lost_too.iter().any(|(_, known)| *known == subject),
            "{subject}: {lost_too:?}"
        );
    }
    assert!(!flat(&portable).contains("rise"), "{}", flat(&portable));
    assert!(text.contains("# real_server 10.0.0.22 80 {\n"), "{text}");
    assert!(
        text.contains("UDP_CHECK {\npayload 0971\nrequire_reply 61\n"),
        "{text}"
    );
    assert!(
        text.contains("# virtual_server 192.0.2.13 80 {\n"),
        "{text}"
    );
    let lost = findings(&imported, Severity::Lost);
    for subject in [
        "primary_private",
        "reservation_conflict_action",
        "load_monitor",
        "failover ftp",
    ] {
        assert!(
            lost.iter().any(|(_, known)| *known == subject),
            "{subject}: {lost:?}"
        );
    }
    let backup = {
        let mut options = Options::default();
        options.node = Node::Backup;
        flat(&translate(PIRANHA, &options))
    };
    assert!(
        backup.contains("priority 100\n")
            && backup.contains("unicast_src_ip 192.0.2.2\nunicast_peer {\n192.0.2.1\n"),
        "{backup}"
    );
}

#[test]
fn dialogues_become_talks() {
    let piranha = "serial_no = 1\nlvs = active\nvirtual pop {\n active = 1\n address = 192.0.2.9 eth0:1\n port = 110\n \
        send = \"QUIT\\r\\n\"\n expect = \"+OK \\\"x\\\"\"\n server a {\n address = 10.0.0.1\n active = 1\n }\n}\n";
    let imported = translate(piranha, &Options::default());
    let text = flat(&imported);
    assert!(
        text.contains("TALK_CHECK {\nsend \"QUIT\\r\\n\"\nexpect_regex \"^\\+OK "),
        "{text}"
    );
    let ldirectord = "virtual=192.0.2.9:21\n\treal=10.0.0.1:21 gate\n\tservice=ftp\n\
        virtual=192.0.2.9:7000\n\treal=10.0.0.1:7000 gate\n\tservice=simpletcp\n\trequest=\"ping\\n\"\n\treceive=\"po+ng\"\n";
    let imported = translate(ldirectord, &Options::default());
    let text = flat(&imported);
    assert!(
        text.contains("TALK_CHECK {\nexpect_regex \"^220\"\nsend \"QUIT\\r\\n\"\n"),
        "{text}"
    );
    assert!(
        text.contains("TALK_CHECK {\nsend \"ping\\n\"\nexpect_regex \"po+ng\"\n"),
        "{text}"
    );
}

/// What a shell in the check gets to see is what the operator had written.
#[test]
fn a_program_and_its_expected_text_survive_two_levels_of_quoting() {
    let imported = translate(PIRANHA, &Options::default());
    let parsed = load_str(&imported.configuration);
    let voice = &parsed.config.virtual_server[1];
    let keepalived_conf::model::CheckerKind::Misc(misc) = &voice.real_server[0].checkers[0].kind
    else {
        panic!("not a MISC_CHECK");
    };
    let command = &misc.misc_path.as_ref().unwrap().command;
    assert_eq!(command[..2], ["/bin/sh", "-c"]);
    assert_eq!(
        command[2],
        "test \"$(/usr/local/bin/sip 10.0.0.31 5060)\" = 'it'\\''s fine'"
    );
}

#[test]
fn the_kind_of_a_file_is_recognised() {
    assert_eq!(detect("# x\n\nserial_no = 1\n"), Some(Source::Piranha));
    assert_eq!(detect("virtual web {\n"), Some(Source::Piranha));
    assert_eq!(detect("virtual=1.2.3.4:80\n"), Some(Source::Ldirectord));
    assert_eq!(detect("ipvsadm -A -t 1.2.3.4:80\n"), Some(Source::Ipvsadm));
    assert_eq!(detect("--set 1 2 3\n"), Some(Source::Ipvsadm));
    assert_eq!(detect("vrrp_instance VI_1 {\n"), None);
    assert_eq!(detect(""), None);
}

#[test]
fn carriage_returns_end_lines() {
    let text = PIRANHA.replace('\n', "\r\n");
    let imported = translate(&text, &Options::default());
    let plain = translate(PIRANHA, &Options::default());
    assert_eq!(imported.configuration, plain.configuration);
}

/// keepalived itself takes the results.
#[test]
fn keepalived_takes_the_results() {
    if std::process::Command::new("keepalived")
        .arg("--version")
        .output()
        .is_err()
    {
        println!("skipped: keepalived is not installed");
        return;
    }
    for (index, text) in [IPVSADM, LDIRECTORD, PIRANHA].iter().enumerate() {
        let mut options = with_interface();
        options.only_keepalived = true;
        let imported = translate(text, &options);
        let path =
            std::env::temp_dir().join(format!("lvs-import-{}-{index}.conf", std::process::id()));
        std::fs::write(&path, &imported.configuration).unwrap();
        let output = std::process::Command::new("keepalived")
            .arg("-t")
            .arg("-f")
            .arg(&path)
            .output()
            .unwrap();
        std::fs::remove_file(&path).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // Scripts and interfaces are another machine's.
        let bad: Vec<&str> = said
            .lines()
            .filter(|line| {
                line.contains("Unknown keyword")
                    || line.contains("invalid")
                    || line.contains("missing")
            })
            .collect();
        assert!(bad.is_empty(), "{said}");
    }
}

fn pieces() -> impl Strategy<Value = String> {
    let words: Vec<&'static str> = IPVSADM
        .split_whitespace()
        .chain(LDIRECTORD.split_inclusive(['=', ':', ' ', '\n', '"']))
        .chain(PIRANHA.split_inclusive([' ', '\n', '"']))
        .collect();
    prop::collection::vec(
        prop_oneof![
            prop::sample::select(words).prop_map(str::to_owned),
            "\\PC{0,6}",
            Just("\n".to_owned()),
            Just("\t".to_owned())
        ],
        0..60,
    )
    .prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever the file holds, the result has the language's form, and nothing of it escapes its place.
    #[test]
    fn any_text_becomes_a_configuration(text in pieces(), which in 0..3_usize) {
        let source = [Source::Ipvsadm, Source::Ldirectord, Source::Piranha][which];
        let imported = import(source, &text, &with_interface(), &NoNames);
        let parsed = load_str(&imported.configuration);
        let bad: Vec<String> = parsed.diagnostics.iter()
            .filter(|d| d.severity == Level::Error && d.code.to_string().starts_with("KC00"))
            .map(|d| d.message.clone()).collect();
        prop_assert!(bad.is_empty(), "{bad:?}\n{}", imported.configuration);
    }
}

//! Formatting is idempotent and keeps the meaning: with definitions, conditions and includes.

use std::path::Path;

use keepalived_conf::{FormatError, InMemory, format_file};
use proptest::prelude::*;

/// Text as people write it, from pieces that interact.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "vrrp_instance VI_1",
        "virtual_ipaddress",
        "priority 100",
        "state  MASTER",
        "{",
        "}",
        " ",
        "\n",
        "\n",
        "\n\n",
        "# comment",
        "! other",
        "script \"a  b\"",
        "10.0.0.1/24 dev eth0",
        "$V=10.0.0.2",
        "$V",
        "@main interface eth0",
        "interface eth0",
        "\t",
        "global_defs",
        "router_id \"x y\"",
        "virtual_router_id 7",
        "notify_master '/a  b' root",
        "$M=a \\",
        "x }",
        "vrrp_script c",
        "track_script",
        "c weight 2",
        "include other.conf",
        "@b ",
        "@^main ",
        "~SEQ(i, 2) 10.0.1.$i\n",
        "~LST(i, a, b) x{$i}",
        "$FROM_OTHER",
        "${FROM_OTHER}",
        "zzyzx  {",
        "real_server 10.0.0.1  80",
        "\\#x",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Blocks in blocks, with everything that may stand between.
fn blocks() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "priority  100",
        "state MASTER # why",
        "@main  priority 150",
        "@^main priority 50",
        "$V=10.0.0.2",
        "${V}   dev eth0",
        "$M=10.0.0.3  dev eth0 \\\n   10.0.0.4 \\\n 10.0.0.5",
        "$M",
        "~SEQ(i, 2) 10.0.1.$i",
        "include other.conf",
        "$FROM_OTHER",
        "notify_master '/a  b'   root",
        "",
        "! alone",
        "zzyzx a   b",
    ])
    .prop_map(String::from);
    let header = prop::sample::select(vec![
        "vrrp_instance  VI_1",
        "virtual_ipaddress",
        "@main vrrp_instance VI_2",
        "global_defs",
        "zzyzx",
        "track_script",
        "real_server 10.0.0.1 80",
    ]);
    let open = prop::sample::select(vec!["{\n", " {\n", "\n{\n", " # c\n\n{ ", "{"]);
    let close = prop::sample::select(vec!["}\n", "}", "  } # end\n", "\n\n}\n"]);
    let line = leaf.prop_map(|leaf| leaf + "\n");
    line.prop_recursive(4, 40, 6, move |inner| {
        let children = prop::collection::vec(inner, 0..6);
        (header.clone(), open.clone(), children, close.clone()).prop_map(
            |(header, open, children, close)| format!("{header}{open}{}{close}", children.concat()),
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn formatting_is_idempotent_and_keeps_the_meaning(text in prop_oneof![pieces(), blocks()]) {
        let path = Path::new("keepalived.conf");
        let mut loader = InMemory::new().with(
            "other.conf",
            "$FROM_OTHER=priority 7 \\\n state MASTER\nvrrp_script other {\n script /x\n}\n",
        );
        let once = match format_file(path, &text, &mut loader) {
            Ok(once) => once,
            Err(FormatError::Structure { .. }) => return Ok(()),
            Err(_) => {
                prop_assert!(text.contains(['$', '@', '~']) || text.contains("include"));
                return Ok(());
            }
        };
        prop_assert_eq!(format_file(path, &once, &mut loader), Ok(once.clone()));
        for id in [None, Some("main"), Some("b"), Some("c")] {
            let mut options = keepalived_conf::Options::default();
            options.config_id = id.map(str::to_owned);
            let read = |text: &str| {
                let mut loader = loader.clone().with(path, text);
                keepalived_conf::load(path, &mut loader, &options).config
            };
            prop_assert!(read(&text) == read(&once), "differs for {:?}", id);
        }
    }
}

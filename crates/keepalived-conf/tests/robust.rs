//! Whatever the bytes: diagnostics, never a panic, a hang or unbounded memory.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a failing test may panic

use std::path::{Path, PathBuf};

use keepalived_conf::cli::{self, FmtMode, Format};
use keepalived_conf::loader::{ReadError, ScriptFile};
use keepalived_conf::tree::Tree;
use keepalived_conf::{Code, FileSystem, InMemory, Loader, Options, codes, load, load_str, render};
use proptest::prelude::*;

fn codes_of(text: &str) -> Vec<Code> {
    load_str(text).diagnostics.iter().map(|d| d.code).collect()
}

/// Pieces of the language that interact.
fn pieces() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "global_defs",
        "vrrp_instance",
        "VI_1",
        "virtual_server",
        "10.0.0.1",
        "80",
        "real_server",
        "TCP_CHECK",
        "HTTP_GET",
        "url",
        "path",
        "/",
        "status_code",
        "200-299",
        "{",
        "}",
        "{",
        "}",
        "\n",
        "\n",
        "\n",
        " ",
        "\t",
        "\"",
        "'",
        "#",
        "!",
        "\\",
        "\\\n",
        "$A=",
        "$A",
        "${A}",
        "${B}",
        "${_RANDOM 1 5}",
        "${_ENV X}",
        "${_PWD}",
        "@a",
        "@^a ",
        "~SEQ(A, 1, 9) ",
        "~SEQ(A,0,",
        "~LST({A,B}, {1,2}) ",
        "include ",
        "include *\n",
        "includea {a,b}",
        "keepalived.conf",
        "virtual_ipaddress",
        "10.0.0.1/24 dev eth0 label x",
        "track_script",
        "weight",
        "-10",
        "priority99",
        "=",
        "authentication",
        "auth_pass 123456789",
        "notify \"/a b\" c :d",
        "0x10",
        "18446744073709551616",
        "-1",
        "1e9",
        ".",
        "..",
        "é",
        "\u{a0}",
        "\u{feff}",
        "\0",
        "\r\n",
        "virtual_routes",
        "virtual_rules",
        "encap",
        "nexthop via 10.0.0.1",
        "lvs_sync_daemon",
        "unicast_peer",
        "group",
        "use_vmac",
        "regex \"\\x\"",
        "payload 0x",
        "require_reply xx1",
        "# director: allow KC0101",
        "vrrp_script",
        "interval 99999999999999999999.9",
    ]);
    prop::collection::vec(words, 0..60).prop_map(|words| words.join(""))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn pieces_of_the_language_never_panic(text in pieces()) {
        let parsed = load_str(&text);
        let _ = render::concise(&parsed.diagnostics, &parsed.sources);
        let _ = render::json(&parsed.diagnostics, &parsed.sources);
        let _ = render::sarif(&parsed.diagnostics, &parsed.sources);
        #[cfg(feature = "render")]
        {
            let _ = render::full(&parsed.diagnostics, &parsed.sources, render::Style::plain());
        }
        for diagnostic in &parsed.diagnostics {
            prop_assert!(diagnostic.span().is_some_and(|s| parsed.sources.locate(s).is_some()));
        }
        prop_assert_eq!(Tree::parse(&text).print(), text.clone());
        let _ = keepalived_conf::format(&text);
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut loader = InMemory::new().with("f", bytes);
        let parsed = load(Path::new("f"), &mut loader, &Options::default());
        let _ = render::concise(&parsed.diagnostics, &parsed.sources);
    }
}

#[test]
fn text_that_pages_cannot_show() {
    assert!(codes_of("global_defs {\r\n}\r\n").contains(&codes::CARRIAGE_RETURN));
    assert!(codes_of("global_defs {\n\0\n}\n").contains(&codes::NUL_BYTE));
    let long = format!("global_defs {{\nrouter_id {}\n}}\n", "x".repeat(2000));
    assert!(codes_of(&long).contains(&codes::LONG_LINE));
    let mut loader = InMemory::new().with("f", b"global_defs {\nrouter_id \xff\n}\n".to_vec());
    let parsed = load(Path::new("f"), &mut loader, &Options::default());
    assert!(parsed.diagnostics.iter().any(|d| d.code == codes::NOT_UTF8));
    let parsed = load(
        Path::new("absent"),
        &mut InMemory::new(),
        &Options::default(),
    );
    assert!(
        parsed
            .diagnostics
            .iter()
            .any(|d| d.code == codes::UNREADABLE)
    );
    assert!(parsed.diagnostics.has_errors());
}

#[test]
fn deep_nesting_is_bounded() {
    let text = "vrrp_instance {".repeat(20_000);
    assert!(
        codes_of(&text).contains(&codes::TOO_DEEP) || codes_of(&text).contains(&codes::UNCLOSED)
    );
    let text = format!("a {}{}", "{ b ".repeat(20_000), "}".repeat(20_000));
    assert!(codes_of(&text).contains(&codes::TOO_DEEP));
}

#[test]
fn expansions_are_bounded() {
    // Each definition doubles the one before it.
    let mut text = String::from("$A0=x\n");
    for index in 1..64 {
        text.push_str(&format!(
            "$A{index}=${{A{}}} ${{A{}}}\n",
            index - 1,
            index - 1
        ));
    }
    text.push_str("${A63}\n");
    assert!(codes_of(&text).contains(&codes::EXPANSION_LIMIT));
    let many = "~SEQ(a, 1000000) ~SEQ(b, 1000000) ~SEQ(c, 1000000) zzyzx\n";
    assert!(codes_of(many).contains(&codes::EXPANSION_LIMIT));
    let huge = "~SEQ(a, -9223372036854775807, 9223372036854775807) x\n";
    assert!(codes_of(huge).contains(&codes::BAD_SEQUENCE));
    let mut lines = String::from("$M=\\\n");
    for _ in 0..20_000 {
        lines.push_str("zzyzx \\\n");
    }
    lines.push_str("end\n");
    lines.push_str(&"$M\n".repeat(20_000));
    assert!(codes_of(&lines).contains(&codes::EXPANSION_LIMIT));
}

#[test]
fn many_mistakes_do_not_take_quadratic_time() {
    let mut text = String::from("vrrp_instance A {\n");
    for index in 0..20_000 {
        text.push_str(&format!("  zzyzx{index}q v\u{a0}\n"));
    }
    text.push_str("}\n");
    for index in 0..20_000 {
        text.push_str(&format!(
            "vrrp_sync_group g{index} {{ group {{ m{index} }} }}\n"
        ));
    }
    assert!(load_str(&text).diagnostics.len() >= 10_000);
}

/// A file system on which everything is badly protected.
struct Careless(InMemory);

impl Loader for Careless {
    fn read(&mut self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        self.0.read(path, limit)
    }

    fn matches(&mut self, pattern: &str) -> Vec<PathBuf> {
        self.0.matches(pattern)
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.0.environment(name)
    }

    fn script(&self, path: &Path) -> Option<ScriptFile> {
        let exists = path != Path::new("/absent");
        Some(ScriptFile {
            exists,
            executable: true,
            writable_by_others: true,
        })
    }

    fn mode(&self, _: &Path) -> Option<u32> {
        Some(0o644)
    }
}

#[test]
fn scripts_and_passwords_are_looked_at() {
    let text = "global_defs {\n script_user root\n enable_script_security\n}\n\
                vrrp_instance A {\n interface eth0\n virtual_router_id 1\n\
                authentication {\n auth_type PASS\n auth_pass 1111\n }\n\
                virtual_ipaddress {\n 10.0.0.1\n }\n notify /usr/bin/x\n notify_stop /absent\n}\n";
    let mut loader = Careless(InMemory::new().with("f", text));
    let mut options = Options::default();
    options.check_scripts = true;
    let parsed = load(Path::new("f"), &mut loader, &options);
    let found: Vec<Code> = parsed.diagnostics.iter().map(|d| d.code).collect();
    for code in [
        codes::SCRIPT_SECURITY,
        codes::SCRIPT_PATH,
        codes::PASSWORD_READABLE,
    ] {
        assert!(found.contains(&code), "{code}");
    }
    assert!(!format!("{:?}", parsed.config).contains("1111"));
}

#[test]
fn commands_have_the_statuses_of_their_documentation() {
    let good = "global_defs {\n    router_id a\n}\n";
    let odd = "global_defs {\n  router_id a b\n}\n";
    let bad = "virtual_server x 80 {\n}\n";
    let missing = "global_defs {\n router_id\n}\n";
    let mut loader = InMemory::new()
        .with("good", good)
        .with("odd", odd)
        .with("bad", bad)
        .with("missing", missing)
        .with(
            "nat",
            "virtual_server 10.0.0.1 80 {\n protocol TCP\n nat_mask 1\n}\n",
        );
    let options = Options::default();
    let mut check = |name: &str, deny: bool| {
        cli::check(
            Path::new(name),
            &mut loader,
            &options,
            Format::Concise,
            deny,
        )
        .status
    };
    assert_eq!(
        (check("good", true), check("odd", false), check("odd", true)),
        (0, 0, 1)
    );
    assert_eq!((check("bad", false), check("absent", false)), (1, 2));
    let mut test = |name: &str| cli::keepalived_test(Path::new(name), &mut loader, &options).status;
    assert_eq!(
        (test("good"), test("odd"), test("nat"), test("missing")),
        (0, 0, 5, 2)
    );
    let mut fmt = |name: &str, mode| cli::fmt(Path::new(name), &mut loader, mode);
    assert_eq!(fmt("good", FmtMode::Check).status, 0);
    assert_eq!(fmt("odd", FmtMode::Check).status, 1);
    assert!(
        fmt("odd", FmtMode::Diff)
            .text
            .contains("+    router_id a b\n")
    );
    assert_eq!(fmt("absent", FmtMode::Print).status, 2);
    assert_eq!(cli::explain("KC0102").status, 0);
    assert_eq!(cli::explain("KC9999").status, 1);
    assert_eq!(cli::explain("x").status, 1);
    let json: serde_json::Value = {
        let text = cli::check(Path::new("odd"), &mut loader, &options, Format::Json, false).text;
        serde_json::from_str(&text).unwrap()
    };
    assert_eq!(json[0]["code"], "KC0202");
    assert_eq!(json[0]["labels"][0]["line"], 2);
    let sarif = cli::check(
        Path::new("bad"),
        &mut loader,
        &options,
        Format::Sarif,
        false,
    )
    .text;
    let sarif: serde_json::Value = serde_json::from_str(&sarif).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "KC0206");
}

#[test]
fn executable_files_and_directories_are_refused() {
    let directory = std::env::temp_dir();
    let refused = FileSystem.read(&directory, 10);
    assert!(matches!(refused, Err(ReadError::NotRegular)));
    let own = std::env::current_exe().unwrap();
    assert!(matches!(
        FileSystem.read(&own, u64::MAX),
        Err(ReadError::Executable)
    ));
}

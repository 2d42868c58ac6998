use super::*;
use crate::{InMemory, load};
use std::fmt::Write as _;

fn server(number: usize, weight: usize) -> String {
    format!(
        "virtual_server 10.0.0.{number} 80 {{\n    lb_algo rr\n    lb_kind DR\n    protocol TCP\n    \
         real_server 10.0.1.{number} 80 {{\n        weight {weight}\n        TCP_CHECK {{\n        }}\n    }}\n}}\n"
    )
}

fn loaded(text: &str) -> Parsed {
    let mut loader = InMemory::new().with("a", text);
    load(Path::new("a"), &mut loader, &options())
}

fn options() -> Options {
    Options {
        without_notes: true,
        ..Options::default()
    }
}

fn name(server: &VirtualServer) -> Option<String> {
    Some(server.target.value.to_string())
}

fn again(text: &str, known: &Known<String>) -> Option<(Parsed, Vec<String>)> {
    let mut loader = InMemory::new().with("a", text);
    load_again(Path::new("a"), &mut loader, &options(), known)
}

fn servers(parsed: &Parsed) -> Vec<String> {
    parsed
        .config
        .virtual_server
        .iter()
        .filter_map(name)
        .collect()
}

#[test]
fn only_what_is_new_is_read() {
    let mut text = String::from("global_defs {\n    router_id a\n}\n\n");
    for number in 1..10 {
        let _ = write!(text, "{}\n# a comment\n\n", server(number, 1));
    }
    let parsed = loaded(&text);
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    let known = Known::new(&parsed, name);
    assert_eq!(known.blocks.len(), 9);
    let changed = text.replace(&server(5, 1), &server(5, 7));
    let (parsed, passed) = again(&changed, &known).unwrap();
    // The first one stands for all of them.
    assert_eq!(servers(&parsed), ["10.0.0.1 80", "10.0.0.5 80"]);
    assert_eq!(passed.len(), 7);
    // And once more, with what the second load has learnt: the new one is known, the old one is not.
    let known = known.renewed(&parsed, name);
    assert_eq!(known.blocks.len(), 9);
    let (parsed, passed) = again(&changed, &known).unwrap();
    assert_eq!((servers(&parsed).len(), passed.len()), (1, 8));
    let (parsed, _) = again(&text, &known).unwrap();
    assert_eq!(servers(&parsed), ["10.0.0.1 80", "10.0.0.5 80"]);
}

#[test]
fn what_is_outside_counts() {
    let text = format!(
        "global_defs {{\n router_id a\n}}\n{}{}",
        server(1, 1),
        server(2, 1)
    );
    let known = Known::new(&loaded(&text), name);
    assert!(again(&text.replace("router_id a", "router_id b"), &known).is_none());
    assert!(again(&format!("# director: deny KC0410\n{text}"), &known).is_none());
    assert!(again(&text, &known).is_some());
}

#[test]
fn what_is_reported_is_reported_again() {
    let odd = server(3, 1).replace("weight 1", "weigth 1");
    let refers = server(4, 1).replace("weight 1", "weight $W");
    let text = format!(
        "$W=3\n{}{}{odd}{refers}{}",
        server(1, 1),
        server(2, 1),
        server(5, 1)
    );
    let full = loaded(&text);
    let known = Known::new(&full, name);
    assert_eq!(known.blocks.len(), 3);
    let (parsed, passed) = again(&text, &known).unwrap();
    assert_eq!(passed, ["10.0.0.2 80", "10.0.0.5 80"]);
    let messages = |parsed: &Parsed| -> Vec<String> {
        let each = parsed.diagnostics.iter();
        each.map(|diagnostic| crate::render::concise_line(diagnostic, &parsed.sources))
            .collect()
    };
    assert_eq!(messages(&parsed), messages(&full));
    // A copy of a known one is found out, though neither is read.
    let doubled = format!("{text}{}", server(2, 1));
    let (parsed, _) = again(&doubled, &known).unwrap();
    assert_eq!(messages(&parsed), messages(&loaded(&doubled)));
    // What nobody holds is told of those that are not read too.
    let held = format!(
        "{text}vrrp_instance a {{\n    interface lo\n    virtual_router_id 1\n    priority 1\n    \
         virtual_ipaddress {{\n        10.0.0.1\n    }}\n}}\n"
    );
    let (parsed, passed) = again(&held, &known).unwrap();
    assert_eq!(passed.len(), 2);
    assert_eq!(messages(&parsed), messages(&loaded(&held)));
}

#[test]
fn a_block_inside_another_one_is_not_passed_over() {
    let text = format!("{}{}", server(1, 1), server(2, 1));
    let known = Known::new(&loaded(&text), name);
    let unclosed = format!(
        "{}virtual_server 10.0.0.9 80 {{\n{}",
        server(1, 1),
        server(2, 1)
    );
    let (parsed, _) = again(&unclosed, &known).unwrap();
    assert!(parsed.diagnostics.has_errors());
    assert_eq!(servers(&parsed), servers(&loaded(&unclosed)));
}

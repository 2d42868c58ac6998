#![allow(clippy::unwrap_used)] // a failing test may panic

use super::{Inspection, plan};
use keepalived_conf::Diagnostic;

#[test]
fn looking_through_finds_what_planning_finds() {
    let text = "virtual_server_group G {\n fwmark 3\n 10.0.0.1-10.0.0.3 80\n}
        virtual_server 10.0.0.9 80 {\n protocol TCP\n real_server 10.1.0.1 80 {\n TCP_CHECK {\n }\n }\n}
        virtual_server 10.0.0.8 80 {\n protocol TCP\n real_server 10.1.0.1 80 {\n
          DNS_CHECK {\n name ..\n }\n HTTP_GET {\n url {\n path /\n regex (\n }\n }\n }\n}
        virtual_server 10.0.0.9 80 {\n protocol TCP\n real_server 10.1.0.1 80 {\n TCP_CHECK {\n }\n }\n}
        virtual_server group G {\n protocol TCP\n quorum_up /nowhere/up\n real_server 10.1.0.1 80 {\n
          notify_up /nowhere/here\n BFD_CHECK {\n name x\n }\n MISC_CHECK {\n misc_path /nowhere/check\n }\n }\n}
        virtual_server 10.0.0.2 80 {\n protocol TCP\n real_server 10.1.0.1 80 {\n TCP_CHECK {\n }\n }\n}";
    let parsed = keepalived_conf::load_str(text);
    let (_, planned) = plan(&parsed.config);
    let mut inspection = Inspection::default();
    let mut loader = keepalived_conf::InMemory::new().with("f", text);
    let options = keepalived_conf::Options::default();
    let parsed = keepalived_conf::examine("f".as_ref(), &mut loader, &options, &mut |c, s| {
        inspection.virtual_server(c, s);
    });
    let (_, found) = inspection.finish(&parsed.config);
    let told = |list: &[Diagnostic]| {
        let mut list: Vec<_> = list
            .iter()
            .map(|one| (one.span(), one.message.clone()))
            .collect();
        list.sort();
        list
    };
    assert_eq!(planned.len(), 6, "{:?}", told(&planned));
    assert_eq!(told(&planned), told(&found));
}

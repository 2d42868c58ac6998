//! Instances and a sync group: start, mastership, a failing script, its recovery, the end.

use super::node::{Node, Program, Told, globals, possible};
use std::path::Path;

fn configuration(folder: &Path, program: Program) -> String {
    let globals = globals(folder, program, "vrrp_notify_priority_changes true");
    let folder = folder.display();
    let instance = |name: &str, vrid: u8, tracks: &str| {
        let script = |keyword: &str, word: &str| {
            format!("    {keyword} \"{folder}/told.sh {name} {word}\"\n")
        };
        let scripts: String = [
            ("notify_master", "own-master"),
            ("notify_backup", "own-backup"),
            ("notify_fault", "own-fault"),
            ("notify_stop", "own-stop"),
            ("notify", "any"),
        ]
        .map(|(keyword, word)| script(keyword, word))
        .concat();
        format!(
            "vrrp_instance {name} {{
    interface veth0
    virtual_router_id {vrid}
    priority 100
    advert_int 1
    virtual_ipaddress {{
        10.9.0.{vrid}/24
    }}
    track_script {{
        {tracks}
    }}
{scripts}}}
"
        )
    };
    let script = |name: &str, more: &str| {
        format!(
            "vrrp_script {name} {{
    script \"/usr/bin/test ! -e {folder}/flag\"
    interval 1
    {more}
}}
"
        )
    };
    let group = format!(
        "vrrp_sync_group G {{
    group {{
        V1
        V2
    }}
    notify \"{folder}/told.sh G any\"
    notify_fault \"{folder}/told.sh G own-fault\"
}}
"
    );
    [
        globals,
        script("fault", ""),
        script("weight", "weight -20"),
        group,
        instance("V1", 51, "fault"),
        instance("V2", 52, "fault"),
        instance("V3", 53, "weight"),
    ]
    .concat()
}

fn live(program: Program) -> Told {
    let folder = tempfile::tempdir().unwrap();
    let configuration = configuration(folder.path(), program);
    let (mut node, ()) = Node::start(program, "-P", folder.path(), &configuration, || ());
    let until = |state: &str, third: &str, after: usize| {
        let mut wanted = vec![format!("GROUP \"G\" {state} 0"), third.to_owned()];
        wanted.extend(["V1", "V2"].map(|name| format!("INSTANCE \"{name}\" {state} 100")));
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        node.until(&wanted, after)
    };
    let before = until("MASTER", "INSTANCE \"V3\" MASTER 100", 0);
    std::fs::write(node.folder.join("flag"), "").unwrap();
    let before = until("FAULT", "INSTANCE \"V3\" MASTER_PRIORITY 80", before);
    std::fs::remove_file(node.folder.join("flag")).unwrap();
    until("MASTER", "INSTANCE \"V3\" MASTER_PRIORITY 100", before);
    // Three instances and a group, each told BACKUP, MASTER, and but for V3 FAULT, BACKUP, MASTER.
    node.until_scripts(30);
    let mails = node.mails(17);
    let fifo = node.fifo(|line| line.split('"').nth(1).unwrap());
    node.stop();
    // For each instance its own script and the one for all.
    node.until_scripts(36);
    Told {
        fifo,
        scripts: node.scripts(),
        mails,
    }
}

#[test]
fn instances_and_groups_are_told_as_by_keepalived() {
    if !possible() {
        return;
    }
    let run = |program| std::thread::spawn(move || live(program));
    let (theirs, ours) = (run(Program::Keepalived), run(Program::Director));
    let (theirs, ours) = (theirs.join().unwrap(), ours.join().unwrap());
    assert_eq!(ours.fifo, theirs.fifo);
    assert_eq!(ours.mails, theirs.mails);
    assert_eq!(ours.scripts, theirs.scripts);
}

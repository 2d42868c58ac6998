use super::*;
use crate::fifo::FifoPlan;
use std::io::Read;
use std::sync::Arc;
use vrrp_net::GroupConfig;

/// A notifier with one FIFO, and what comes out of it in the end.
struct Listening {
    notifier: Notifier,
    plan: Plan,
    fifo: std::fs::File,
    _folder: tempfile::TempDir,
}

impl Listening {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        let mut plan = Plan::default();
        plan.notices.fifos.push(FifoPlan {
            keyword: "notify_fifo",
            path: path.clone(),
            vrrp: true,
            lvs: true,
            owner: None,
            mode: 0o600,
            script: None,
        });
        plan.notices.priority_changes.insert("A".to_owned());
        let members = vec!["A".to_owned(), "B".to_owned()];
        plan.vrrp
            .groups
            .push(GroupConfig::new("G".to_owned(), members));
        let notifier = Notifier::start(&plan.notices);
        let fifo = std::fs::File::open(&path).unwrap();
        Self {
            notifier,
            plan,
            fifo,
            _folder: folder,
        }
    }

    fn event(&mut self, event: &Event) {
        self.notifier.vrrp(&self.plan, event);
    }

    fn instance(&mut self, name: &str, from: State, to: State) {
        self.event(&Event::Transition {
            instance: name.into(),
            from,
            to,
            priority: 100,
            reason: vrrp_proto::Reason::Started.into(),
            at: Instant::now(),
        });
    }

    fn group(&mut self, from: State, to: State) {
        self.event(&Event::GroupTransition {
            group: "G".into(),
            from,
            to,
            at: Instant::now(),
        });
    }

    async fn lines(mut self) -> Vec<String> {
        self.notifier.finish(Duration::from_secs(60)).await;
        let mut text = String::new();
        self.fifo.read_to_string(&mut text).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn a_group_is_told_after_its_members_but_first_at_the_start() {
    let mut listening = Listening::start();
    listening.group(State::Initialize, State::Backup);
    listening.instance("A", State::Initialize, State::Backup);
    listening.instance("B", State::Initialize, State::Backup);
    listening.group(State::Backup, State::Master);
    assert!(listening.notifier.groups_due().is_some());
    listening.instance("A", State::Backup, State::Master);
    listening.instance("B", State::Backup, State::Master);
    assert_eq!(listening.notifier.groups_due(), None);
    // One member does not follow: the group is told all the same, a little later.
    listening.group(State::Master, State::Fault);
    listening.instance("A", State::Master, State::Fault);
    let due = listening.notifier.groups_due().unwrap();
    listening.notifier.tell_late_groups(&listening.plan, due);
    assert_eq!(
        listening.lines().await,
        [
            "GROUP \"G\" BACKUP 0",
            "INSTANCE \"A\" BACKUP 100",
            "INSTANCE \"B\" BACKUP 100",
            "INSTANCE \"A\" MASTER 100",
            "INSTANCE \"B\" MASTER 100",
            "GROUP \"G\" MASTER 0",
            "INSTANCE \"A\" FAULT 100",
            "GROUP \"G\" FAULT 0",
        ]
    );
}

#[tokio::test]
async fn priorities_and_other_masters_are_told_of_the_state_they_fall_into() {
    let priority = |name: &str, to: u8| Event::PriorityChanged {
        instance: name.into(),
        from: 100,
        to,
        arithmetic: String::new(),
    };
    let mut listening = Listening::start();
    // Before the first state, and where it is not asked for, nothing is told.
    listening.event(&priority("A", 90));
    listening.instance("A", State::Initialize, State::Backup);
    listening.event(&priority("A", 80));
    listening.event(&priority("B", 80));
    listening.instance("A", State::Backup, State::Master);
    listening.event(&priority("A", 70));
    let (from, to): (Arc<str>, Arc<str>) = ("A".into(), "C".into());
    listening.event(&Event::Renamed { from, to });
    listening.event(&Event::LowerPriority {
        instance: "C".into(),
        source: std::net::Ipv4Addr::LOCALHOST.into(),
        priority: 60,
    });
    assert_eq!(
        listening.lines().await,
        [
            "INSTANCE \"A\" BACKUP 100",
            "INSTANCE \"A\" BACKUP_PRIORITY 80",
            "INSTANCE \"A\" MASTER 100",
            "INSTANCE \"A\" MASTER_PRIORITY 70",
            "INSTANCE \"C\" MASTER_RX_LOWER_PRI 70",
        ]
    );
}

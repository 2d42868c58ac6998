//! The suite on the in-memory kernel, and what only it can be made to do.
#![cfg(feature = "fake")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test"
)]

mod suite;

use std::time::Duration;

use ipvs_netlink::fake::{FakeKernel, FakeTransport};
use ipvs_netlink::table::Outcome;
use ipvs_netlink::transport::Transport;
use ipvs_netlink::{
    Change, Client, Command, ConnectError, Destination, Error, Forwarding, Owned, Reason,
    Scheduler, Service, Table,
};
use suite::{socket, tables, tcp};

#[test]
fn the_suite() {
    let kernel = FakeKernel::new();
    suite::run(&mut Client::with_transport(kernel.transport()).unwrap());
}

fn two_servers() -> Table {
    let servers = [("198.51.100.1:80", 1), ("198.51.100.2:80", 1)];
    [tables::web(
        "192.0.2.1:80",
        Scheduler::WeightedRoundRobin,
        &servers,
    )]
    .into_iter()
    .collect()
}

#[test]
fn both_clients_have_the_same_names() {
    let names = |source: &str| -> Vec<String> {
        let source = source.replace("async fn ", "fn ");
        let methods = source.split("\n    pub fn ").skip(1);
        methods
            .filter_map(|method| method.split(['(', '<']).next().map(str::to_owned))
            .collect()
    };
    let blocking = names(include_str!("../src/client/mod.rs"));
    assert!(blocking.iter().any(|name| name == "reconcile"));
    assert_eq!(blocking, names(include_str!("../src/client/tokio.rs")));
}

#[test]
fn a_missing_module_is_an_error_of_its_own() {
    let kernel = FakeKernel::new();
    kernel.set_available(false);
    let error = Client::with_transport(kernel.transport()).unwrap_err();
    assert!(matches!(error, ConnectError::Unavailable));
    assert!(error.to_string().contains("modprobe ip_vs"), "{error}");

    kernel.set_available(true);
    let mut client = Client::with_transport(kernel.transport()).unwrap();
    kernel.set_available(false);
    assert!(matches!(client.services().unwrap_err(), Error::Unavailable));
}

#[test]
fn a_missing_privilege_is_named() {
    let kernel = FakeKernel::new();
    let mut client = Client::with_transport(kernel.transport()).unwrap();
    kernel.set_privileged(false);
    for error in [
        client.services().unwrap_err(),
        client
            .add_service(Service::new(tcp("192.0.2.1:80"), Scheduler::RoundRobin))
            .unwrap_err(),
    ] {
        assert_eq!(error.refusal().unwrap().reason(), Reason::NotPermitted);
        assert!(error.to_string().contains("CAP_NET_ADMIN"), "{error}");
    }
}

#[test]
fn an_error_names_service_destination_and_remedy() {
    let kernel = FakeKernel::new();
    let mut client = Client::with_transport(kernel.transport()).unwrap();
    let id = tcp("172.16.1.8:80");
    let server = Destination::new(socket("172.16.1.4:80"), Forwarding::DirectRouting);
    assert_eq!(
        client.add_destination(id, server).unwrap_err().to_string(),
        "cannot add destination 172.16.1.4:80 route weight 1 to TCP 172.16.1.8:80: no such \
         service; add the service first"
    );
    kernel.remove_scheduler(&Scheduler::MaglevHashing);
    assert_eq!(
        client
            .add_service(Service::new(id, Scheduler::MaglevHashing))
            .unwrap_err()
            .to_string(),
        "cannot add service TCP 172.16.1.8:80 mh: no such scheduler in the kernel; load it with \
         `modprobe ip_vs_mh`"
    );
}

#[test]
fn an_interrupted_dump_is_read_again() {
    let kernel = FakeKernel::new();
    let mut client = Client::with_transport(kernel.transport()).unwrap();
    client.reconcile(&two_servers(), Owned::Everything).unwrap();
    kernel.interrupt_dumps(5);
    assert_eq!(client.services().unwrap().len(), 1);
    kernel.interrupt_dumps(1000);
    assert!(matches!(
        client.services().unwrap_err(),
        Error::Interrupted { .. }
    ));
    kernel.interrupt_dumps(0);
    assert_eq!(client.services().unwrap().len(), 1);
}

#[test]
fn lost_answers_to_a_dump_are_asked_for_again() {
    let kernel = FakeKernel::new();
    let mut client = Client::with_transport(kernel.transport()).unwrap();
    client.reconcile(&two_servers(), Owned::Everything).unwrap();
    kernel.lose_answers(3);
    assert_eq!(client.services().unwrap().len(), 1);
    kernel.lose_answers(2);
    assert!(client.info().is_ok());
}

#[test]
fn lost_answers_to_commands_are_unknown_and_reconcile_reads_again() {
    let kernel = FakeKernel::new();
    let mut client = Client::with_transport(kernel.transport()).unwrap();
    let service = Service::new(tcp("192.0.2.1:80"), Scheduler::RoundRobin);
    kernel.lose_answers(1);
    let applied = client.apply(&[Command::AddService(service)]).unwrap();
    assert_eq!(applied.outcomes(), [Outcome::Unknown]);
    assert!(applied.has_unknown());

    // The read before it takes six answers away, so the loss hits the commands.
    kernel.lose_answers(0);
    let changes = kernel.table().diff(&two_servers(), Owned::Everything);
    kernel.lose_answers(1);
    assert!(client.apply_changes(&changes).is_err());
    assert_eq!(
        client.reconcile(&two_servers(), Owned::Everything).unwrap(),
        []
    );
    assert_eq!(kernel.table().services, two_servers().services);
}

/// Loses the answers to one datagram, the one after so many others.
struct LosesOne {
    inner: FakeTransport,
    kernel: FakeKernel,
    left: usize,
}

impl Transport for LosesOne {
    fn send(&mut self, datagram: &[u8]) -> std::io::Result<()> {
        self.left = self.left.wrapping_sub(1);
        if self.left == 0 {
            self.kernel.lose_answers(1);
        }
        self.inner.send(datagram)
    }

    fn receive(&mut self, datagram: &mut Vec<u8>, timeout: Duration) -> std::io::Result<()> {
        self.inner.receive(datagram, timeout)
    }
}

#[test]
fn a_change_whose_answer_was_lost_is_told_once() {
    let kernel = FakeKernel::new();
    let transport = LosesOne {
        inner: kernel.transport(),
        kernel: kernel.clone(),
        // The family, four questions for the empty table, then the commands.
        left: 6,
    };
    let mut client = Client::with_transport(transport).unwrap();
    let told = client.reconcile(&two_servers(), Owned::Everything).unwrap();
    assert_eq!(told, Table::new().diff(&two_servers(), Owned::Everything));
    assert_eq!(kernel.table().services, two_servers().services);
    assert!(kernel.datagrams() > 6, "the table was read again");
}

/// A table before, and a wished one whose last service the kernel refuses.
fn refused_after_others(kernel: &FakeKernel) -> (Table, Table) {
    let other = tables::web(
        "192.0.2.9:80",
        Scheduler::RoundRobin,
        &[("198.51.100.9:80", 1)],
    );
    let web = |weight| {
        let servers = [("198.51.100.1:80", 1), ("198.51.100.2:80", weight)];
        tables::web("192.0.2.1:80", Scheduler::WeightedRoundRobin, &servers)
    };
    let new = tables::web(
        "192.0.2.2:80",
        Scheduler::RoundRobin,
        &[("198.51.100.1:80", 1)],
    );
    kernel.remove_scheduler(&Scheduler::MaglevHashing);
    let refused = tables::web("192.0.2.3:80", Scheduler::MaglevHashing, &[]);
    let before: Table = [other, web(1)].into_iter().collect();
    let wished = [web(7), new, refused].into_iter().collect();
    (before, wished)
}

#[test]
fn what_an_attempt_with_lost_answers_has_made_is_taken_back_too() {
    let kernel = FakeKernel::new();
    let (before, wished) = refused_after_others(&kernel);
    let mut client = Client::with_transport(kernel.transport()).unwrap();
    client.reconcile(&before, Owned::Everything).unwrap();
    let before = kernel.table();
    // The family, four questions and two services with their destinations; then the commands.
    let asked = 7;
    for left in asked..asked + 3 {
        let transport = LosesOne {
            inner: kernel.transport(),
            kernel: kernel.clone(),
            left: left + 1,
        };
        let mut client = Client::with_transport(transport).unwrap();
        let error = client.reconcile(&wished, Owned::Everything).unwrap_err();
        let ipvs_netlink::ApplyError::RolledBack(rolled_back) = error else {
            panic!("{error}");
        };
        assert_eq!(rolled_back.left, [], "{left}");
        let subject = rolled_back.change.service();
        assert_eq!(subject, Some(&tcp("192.0.2.3:80")), "{left}");
        assert_eq!(kernel.table(), before, "{left}");
    }
}

#[test]
fn answers_that_are_always_lost_leave_the_table_as_it_was() {
    let kernel = FakeKernel::new();
    let (before, wished) = refused_after_others(&kernel);
    let mut client = Client::with_transport(kernel.transport()).unwrap();
    client.reconcile(&before, Owned::Everything).unwrap();
    let before = kernel.table();
    let transport = LosesRefusals(kernel.transport());
    let mut client = Client::with_transport(transport).unwrap();
    let error = client.reconcile(&wished, Owned::Everything).unwrap_err();
    assert!(matches!(error, ipvs_netlink::ApplyError::AnswersLost));
    assert_eq!(kernel.table(), before);
}

/// Loses every refusal.
struct LosesRefusals(FakeTransport);

impl Transport for LosesRefusals {
    fn send(&mut self, datagram: &[u8]) -> std::io::Result<()> {
        self.0.send(datagram)
    }

    fn receive(&mut self, datagram: &mut Vec<u8>, timeout: Duration) -> std::io::Result<()> {
        const ERROR: u16 = 2;
        const ENOBUFS: i32 = 105;
        self.0.receive(datagram, timeout)?;
        let kind = u16::from_ne_bytes(datagram[4..6].try_into().unwrap());
        if kind == ERROR && datagram[16..20] != [0; 4] {
            return Err(std::io::Error::from_raw_os_error(ENOBUFS));
        }
        Ok(())
    }
}

#[test]
fn a_silent_kernel_is_not_waited_for_for_ever() {
    let kernel = FakeKernel::new();
    let mut client = Client::with_transport(kernel.transport()).unwrap();
    client.set_timeout(Duration::from_millis(10));
    kernel.set_silent(true);
    assert!(matches!(
        client.services().unwrap_err(),
        Error::Timeout { .. }
    ));
    let commands = [Command::Flush];
    assert!(matches!(
        client.apply(&commands).unwrap_err(),
        Error::Timeout { .. }
    ));
    kernel.set_silent(false);
    assert_eq!(client.services().unwrap(), []);
}

#[test]
fn one_change_is_one_command_and_many_are_few_datagrams() {
    let kernel = FakeKernel::new();
    let mut client = Client::with_transport(kernel.transport()).unwrap();
    let id = tcp("192.0.2.1:80");
    let server = |number: u16| {
        let address = std::net::SocketAddr::new([198, 51, 100, 1].into(), number);
        Destination::new(address, Forwarding::Masquerading)
    };
    let mut wished: Table = [ipvs_netlink::VirtualService::with_destinations(
        Service::new(id, Scheduler::RoundRobin),
        (1..=1279).map(server),
    )]
    .into_iter()
    .collect();
    let changes = Table::new().diff(&wished, Owned::Everything);
    assert_eq!(changes.len(), 1280);
    let before = kernel.datagrams();
    client.apply_changes(&changes).unwrap();
    let sent = kernel.datagrams() - before;
    assert!((10..=12).contains(&sent), "{sent} datagrams");

    let _ = kernel.take_log();
    let heavier = server(700).with_weight(9);
    wished
        .services
        .get_mut(&id)
        .unwrap()
        .destinations
        .insert(heavier.id, heavier);
    let changes = client.reconcile(&wished, Owned::Everything).unwrap();
    let edit = Change::EditDestination {
        service: id,
        from: server(700),
        to: heavier,
    };
    assert_eq!(changes, [edit]);
    assert_eq!(kernel.take_log(), [Command::EditDestination(id, heavier)]);
}

#[cfg(feature = "tokio")]
mod tasks {
    use super::*;

    #[tokio::test]
    async fn the_twin_for_tasks_does_the_same() {
        let kernel = FakeKernel::new();
        let transport = kernel.transport();
        let mut client = ipvs_netlink::client::tokio::Client::with_transport(transport)
            .await
            .unwrap();
        let wished = tables::every_kind();
        client.reconcile(&wished, Owned::Everything).await.unwrap();
        assert_eq!(client.table().await.unwrap().services, wished.services);
        assert_eq!(client.snapshot().await.unwrap(), kernel.snapshot());
        let mut random = tables::Random::new(99);
        for _ in 0..20 {
            let wished = random.table();
            client.reconcile(&wished, Owned::Everything).await.unwrap();
            assert_eq!(kernel.table().services, wished.services);
        }
        kernel.interrupt_dumps(3);
        client.services().await.unwrap();
        kernel.set_available(false);
        assert!(matches!(
            client.info().await.unwrap_err(),
            Error::Unavailable
        ));
    }
}

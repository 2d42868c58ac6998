//! What changes at a node without anybody saying so: addresses and links by the kernel's
//! notifications, the IPVS table, which has none, by reading it again and again.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt};
use ipvs_netlink::Client;
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use rtnetlink::{Handle, MulticastGroup};
use tokio::sync::mpsc;

use crate::clock::Moment;
use crate::event::{AddressFact, Event, Happening};
use crate::ipvs::Table;
use crate::scenario::Prefix;

/// How often the IPVS table is read.
const TABLE_INTERVAL: Duration = Duration::from_millis(100);

/// The events of one node.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    pub(crate) node: String,
    pub(crate) events: mpsc::Sender<Event>,
}

impl Reporter {
    /// Sends an event with the present time. Nobody listens any more at the end of a run.
    pub(crate) async fn send(&self, what: Happening) {
        let _ = self
            .events
            .send(Event {
                at: Moment::now(),
                what,
            })
            .await;
    }
}

/// Subscribes, reports what is there, and goes on reporting changes. Returns once subscribed.
pub(crate) async fn addresses(handle: &Handle, reporter: Reporter) -> io::Result<()> {
    let (connection, _, mut messages) = rtnetlink::new_multicast_connection(&[
        MulticastGroup::Link,
        MulticastGroup::Ipv4Ifaddr,
        MulticastGroup::Ipv6Ifaddr,
    ])?;
    tokio::task::spawn_local(connection);
    let mut names: BTreeMap<u32, String> = BTreeMap::new();
    let mut links = handle.link().get().execute();
    while let Ok(Some(link)) = links.try_next().await {
        report_link(&reporter, &mut names, &link).await;
    }
    let mut addresses = handle.address().get().execute();
    while let Ok(Some(address)) = addresses.try_next().await {
        report_address(&reporter, &names, &address, true).await;
    }
    tokio::task::spawn_local(async move {
        while let Some((message, _)) = messages.next().await {
            match message.payload {
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
                    report_link(&reporter, &mut names, &link).await;
                }
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewAddress(address)) => {
                    report_address(&reporter, &names, &address, true).await;
                }
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelAddress(address)) => {
                    report_address(&reporter, &names, &address, false).await;
                }
                _ => {}
            }
        }
    });
    Ok(())
}

async fn report_link(reporter: &Reporter, names: &mut BTreeMap<u32, String>, link: &LinkMessage) {
    let name = link
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name.clone()),
            _ => None,
        });
    let Some(name) = name else { return };
    names.insert(link.header.index, name.clone());
    let up = link.header.flags.contains(LinkFlags::Up);
    reporter
        .send(Happening::Link {
            node: reporter.node.clone(),
            interface: name,
            up,
        })
        .await;
}

async fn report_address(
    reporter: &Reporter,
    names: &BTreeMap<u32, String>,
    message: &AddressMessage,
    present: bool,
) {
    let (mut address, mut local, mut label) = (None, None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Address(found) => address = Some(*found),
            AddressAttribute::Local(found) => local = Some(*found),
            AddressAttribute::Label(found) => label = Some(found.clone()),
            _ => {}
        }
    }
    // On a point-to-point link the address proper is the local one.
    let Some(address): Option<IpAddr> = local.or(address) else {
        return;
    };
    let index = message.header.index;
    let interface = names
        .get(&index)
        .cloned()
        .unwrap_or_else(|| format!("#{index}"));
    let fact = AddressFact {
        label: label.filter(|label| *label != interface),
        prefix: Prefix {
            address,
            length: message.header.prefix_len,
        },
        interface,
    };
    reporter
        .send(Happening::Address {
            node: reporter.node.clone(),
            fact,
            present,
        })
        .await;
}

/// Reads the table of a node; lives in the node's thread.
///
/// `/proc/net/ip_vs` would be cheaper, but with several nodes in one kernel it leaves services out:
/// where a reading has to go on, the kernel counts those of all network namespaces.
#[derive(Debug, Default)]
pub(crate) struct TableReader {
    client: Option<Client>,
}

impl TableReader {
    /// `None` without IPVS, or if it could not be read just now.
    pub(crate) fn read(&mut self) -> Option<Table> {
        let client = match &mut self.client {
            Some(client) => client,
            // To ask for the family would load IPVS where nobody wants it.
            none if has_ipvs() => none.insert(Client::connect().ok()?),
            _ => return None,
        };
        match client.snapshot() {
            Ok(snapshot) => Some(Table::of(&snapshot)),
            Err(_) => {
                self.client = None;
                None
            }
        }
    }
}

fn has_ipvs() -> bool {
    Path::new("/proc/thread-self/net/ip_vs").exists()
}

/// Reports the table whenever somebody has changed it.
pub(crate) async fn table(reporter: Reporter) {
    if !has_ipvs() {
        return;
    }
    let mut reader = TableReader::default();
    let mut last: Option<Table> = None;
    loop {
        let started = Instant::now();
        if let Some(table) = reader.read() {
            let configured = table.without_counts();
            if last.as_ref() != Some(&configured) {
                last = Some(configured);
                reporter
                    .send(Happening::Table {
                        node: reporter.node.clone(),
                        table,
                    })
                    .await;
            }
        }
        // A large table is read less often, or the node would do nothing else.
        let pause = TABLE_INTERVAL.max(started.elapsed().saturating_mul(4));
        tokio::time::sleep(pause).await;
    }
}

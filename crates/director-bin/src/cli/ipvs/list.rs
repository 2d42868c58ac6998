//! `--list`.

use super::{Session, UNREADABLE, unreadable};
use crate::output;
use ipvs_netlink::ipvsadm::{List, Numeric, Resolver, Subject};
use ipvs_netlink::listing::{self, Listing, View};
use ipvs_netlink::{Error, ServiceId, ServiceSnapshot, Snapshot, connections};
use serde::Serialize;

impl Session {
    pub(super) fn list(&mut self, list: &List) -> u8 {
        match list.subject {
            Subject::Table(listing) => self.table(listing, list),
            Subject::Service(id, listing) => self.service(&id, listing, list),
            Subject::Connections { persistent } => match connections::read() {
                Ok(all) => print(list, &all, || {
                    listing::connections_named(&all, persistent, self.names(list))
                }),
                Err(error) => {
                    output::report(&error);
                    UNREADABLE
                }
            },
            Subject::Timeouts => match self.client.timeouts() {
                Ok(timeouts) => print(list, &timeouts, || listing::timeouts(&timeouts)),
                Err(error) => unreadable(&error),
            },
            Subject::Daemons => match self.client.daemons() {
                Ok(daemons) => print(list, &daemons, || listing::daemons(&daemons)),
                Err(error) => unreadable(&error),
            },
            _ => UNREADABLE,
        }
    }

    fn table(&mut self, listing: Listing, list: &List) -> u8 {
        let snapshot = if listing.view == View::Table && !list.json {
            self.brief_snapshot()
        } else {
            self.client.snapshot()
        };
        match snapshot {
            Ok(snapshot) => print(list, &snapshot, || {
                listing.table_named(&snapshot, self.names(list))
            }),
            Err(error) => unreadable(&error),
        }
    }

    /// What the default view shows. The kernel is asked for the destinations of all services at
    /// once, in its procfs, and not for each service by itself, which takes most of the time of a
    /// snapshot. Where both do not agree, because the table changes, the snapshot is taken.
    fn brief_snapshot(&mut self) -> Result<Snapshot, Error> {
        let info = self.client.info()?;
        let entries = self.client.services()?;
        let text = std::fs::read_to_string("/proc/thread-self/net/ip_vs").unwrap_or_default();
        match listing::with_destinations(entries, &text) {
            Some(services) => Ok(Snapshot {
                info,
                services,
                ..Snapshot::default()
            }),
            None => self.client.snapshot(),
        }
    }

    fn service(&mut self, id: &ServiceId, listing: Listing, list: &List) -> u8 {
        let entry = match self.client.service(id) {
            Ok(Some(entry)) => entry,
            Ok(None) => {
                output::print_error(format_args!("director: error: no such service: {id}\n"));
                return UNREADABLE;
            }
            Err(error) => return unreadable(&error),
        };
        match self.client.destinations(id) {
            Ok(destinations) => {
                let service = ServiceSnapshot {
                    entry,
                    destinations,
                };
                print(list, &service, || {
                    listing.service_named(&service, self.names(list))
                })
            }
            Err(error) => unreadable(&error),
        }
    }

    fn names(&self, list: &List) -> &dyn Resolver {
        if list.numeric { &Numeric } else { &self.names }
    }
}

fn print(list: &List, value: &impl Serialize, text: impl FnOnce() -> String) -> u8 {
    if !list.json {
        output::print(text());
        return 0;
    }
    match serde_json::to_string_pretty(value) {
        Ok(json) => {
            output::print_line(json);
            0
        }
        Err(error) => {
            output::report(&error);
            UNREADABLE
        }
    }
}

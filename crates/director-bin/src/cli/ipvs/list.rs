//! `--list`.

use super::{Session, UNREADABLE, unreadable};
use crate::output;
use ipvs_netlink::ipvsadm::{List, Numeric, Resolver, Subject};
use ipvs_netlink::listing::{self, Listing, View};
use ipvs_netlink::{Error, ServiceId, ServiceSnapshot, connections};
use serde::Serialize;
use std::io::{self, IsTerminal, Read, Write};

/// Bytes of a table that are printed together.
const PIECE: usize = 32 << 10;

/// A list as text, or the status of the failure, which has been reported.
type Listed = Result<String, u8>;

impl Session {
    pub(super) fn list(&mut self, list: &List) -> u8 {
        let Some(pause) = list.watch else {
            return match self.listed(list) {
                Ok(text) => {
                    output::print(text);
                    0
                }
                Err(status) => status,
            };
        };
        // A table that others change all the time may fail to be read once.
        let mut failures = 0_u8;
        loop {
            match self.listed(list) {
                Ok(text) => {
                    failures = 0;
                    // The reader has gone away: enough was seen.
                    if show(&text, list).is_err() {
                        return 0;
                    }
                }
                Err(status) if failures > 2 => return status,
                Err(_) => failures = failures.saturating_add(1),
            }
            std::thread::sleep(pause);
        }
    }

    fn listed(&mut self, list: &List) -> Listed {
        match list.subject {
            Subject::Table(listing) => self.table(listing, list),
            Subject::Service(id, listing) => self.service(&id, listing, list),
            Subject::Connections { persistent } => match connections::read() {
                Ok(all) => text(list, &all, || {
                    listing::connections_named(&all, persistent, self.names(list))
                }),
                Err(error) => {
                    output::report(&error);
                    Err(UNREADABLE)
                }
            },
            Subject::Timeouts => match self.client.timeouts() {
                Ok(timeouts) => text(list, &timeouts, || listing::timeouts(&timeouts)),
                Err(error) => Err(unreadable(&error)),
            },
            Subject::Daemons => match self.client.daemons() {
                Ok(daemons) => text(list, &daemons, || listing::daemons(&daemons)),
                Err(error) => Err(unreadable(&error)),
            },
            _ => Err(UNREADABLE),
        }
    }

    /// As JSON it is one document, so all of it is read first.
    fn table(&mut self, listing: Listing, list: &List) -> Listed {
        if list.json {
            return match self.client.snapshot() {
                Ok(snapshot) => text(list, &snapshot, String::new),
                Err(error) => Err(unreadable(&error)),
            };
        }
        // Once, it is printed piece by piece; again and again, it is put in place as a whole.
        let at_once = list.watch.is_some();
        self.rows(listing, list, at_once)
            .map_err(|error| unreadable(&error))
    }

    /// Reads and formats one service after the other, so that a large table needs little memory.
    ///
    /// What the default view shows of destinations is in the kernel's procfs for all services at once, which takes a
    /// fraction of the time of asking for each service's by itself. Where both do not agree, because the table changes, the
    /// services are asked for.
    fn rows(&mut self, listing: Listing, list: &List, at_once: bool) -> Result<String, Error> {
        let info = self.client.info()?;
        let services = self.client.services()?;
        let brief = match listing.view {
            View::Table => procfs(services.len()).unwrap_or_default(),
            _ => String::new(),
        };
        let brief = match listing.view {
            View::Table => listing::Destinations::of(&services, &brief),
            _ => None,
        };
        let mut out = listing.beginning(&info);
        for position in listing.order(&services) {
            let Some(entry) = services.get(position) else {
                continue;
            };
            let known = brief.as_ref().and_then(|brief| brief.service(position));
            let destinations = match known {
                Some(destinations) => destinations,
                None => self.client.destinations(&entry.service.id)?,
            };
            listing.append(&mut out, entry, &destinations, self.names(list));
            if !at_once && out.len() >= PIECE {
                output::print(&out);
                out.clear();
            }
        }
        Ok(out)
    }

    fn service(&mut self, id: &ServiceId, listing: Listing, list: &List) -> Listed {
        let entry = match self.client.service(id) {
            Ok(Some(entry)) => entry,
            Ok(None) => {
                output::print_error(format_args!("director: error: no such service: {id}\n"));
                return Err(UNREADABLE);
            }
            Err(error) => return Err(unreadable(&error)),
        };
        match self.client.destinations(id) {
            Ok(destinations) => {
                let service = ServiceSnapshot {
                    entry,
                    destinations,
                };
                text(list, &service, || {
                    listing.service_named(&service, self.names(list))
                })
            }
            Err(error) => Err(unreadable(&error)),
        }
    }

    fn names(&self, list: &List) -> &dyn Resolver {
        if list.numeric { &Numeric } else { &self.names }
    }
}

/// The kernel's table as text, with room for what so many services usually take.
fn procfs(services: usize) -> io::Result<String> {
    let mut text = String::with_capacity(services.saturating_mul(1024).saturating_add(4096));
    std::fs::File::open("/proc/thread-self/net/ip_vs")?.read_to_string(&mut text)?;
    Ok(text)
}

/// Puts a list in place of the one before it on a terminal, and after it elsewhere.
fn show(text: &str, list: &List) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if !out.is_terminal() {
        let gap = if list.json { "" } else { "\n" };
        write!(out, "{text}{gap}")?;
        return out.flush();
    }
    // To the corner; each line's rest and what is below is wiped, not the whole screen, which would flicker.
    write!(out, "\x1b[H")?;
    for line in text.lines() {
        write!(out, "{line}\x1b[K\r\n")?;
    }
    write!(out, "\x1b[J")?;
    out.flush()
}

fn text(list: &List, value: &impl Serialize, text: impl FnOnce() -> String) -> Listed {
    let json = match (list.json, list.watch) {
        (false, _) => return Ok(text()),
        (true, None) => serde_json::to_string_pretty(value),
        // One line each time, for programs that read line by line.
        (true, Some(_)) => serde_json::to_string(value),
    };
    match json {
        Ok(mut json) => {
            json.push('\n');
            Ok(json)
        }
        Err(error) => {
            output::report(&error);
            Err(UNREADABLE)
        }
    }
}

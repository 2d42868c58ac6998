//! `director plan`: the difference between a file and the kernel.

use super::default_state_dir;
use crate::config::{Against, Before, Plan, load_after};
use crate::exit::Exit;
use crate::kernel::{AtStake, IpvsTable, Marks, TableError};
use crate::lvs::{Fate, Model, taken_out};
use crate::output;
use crate::state::OwnedServices;
use ipvs_netlink::Change;
use keepalived_conf::{FileSystem, render};
use serde::Serialize;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use vrrp_net::{Belongings, Route, Rule, VirtualAddress};

#[derive(Debug, clap::Args)]
pub(super) struct PlanArguments {
    /// The configuration file
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "/etc/keepalived/keepalived.conf"
    )]
    config: PathBuf,
    /// The state directory of the director that runs or ran here
    #[arg(long, value_name = "DIR", default_value_os_t = default_state_dir())]
    state_dir: PathBuf,
    /// Write the difference as JSON
    #[arg(long)]
    json: bool,
}

/// What would change.
#[derive(Debug, Serialize)]
struct Difference {
    /// Changes of the IPVS table, in the order in which they would be made.
    ipvs: Vec<Change>,
    /// Connections of the servers that would go.
    at_stake: Vec<AtStake>,
    /// The addresses of the file, and whether this machine has them now.
    addresses: Vec<Address>,
    /// Routes and rules of the file.
    routing: Vec<Routing>,
    /// Addresses, routes and rules that a director has put there and that are not in the file; they would go.
    gone: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Address {
    /// Whose it is while that is master; none for one that is always there.
    instance: Option<String>,
    address: IpAddr,
    prefix_length: u8,
    interface: String,
    present: bool,
}

/// A route or rule.
#[derive(Debug, Serialize)]
struct Routing {
    /// Whose it is while that is master; none for one that is always there.
    instance: Option<String>,
    /// As the file says it.
    entry: String,
    /// Whether it is there now; none if that cannot be told, because it carries a mark of its own.
    present: Option<bool>,
}

impl Difference {
    /// Whether a start would change something at once. What belongs to an instance waits until that is master.
    fn is_empty(&self) -> bool {
        let missing = |address: &Address| address.instance.is_none() && !address.present;
        let lacking = |one: &Routing| one.instance.is_none() && one.present == Some(false);
        self.ipvs.is_empty()
            && self.gone.is_empty()
            && !self.addresses.iter().any(missing)
            && !self.routing.iter().any(lacking)
    }
}

/// Exit: success if the kernel is as the file wants it, other if changes are pending.
pub(super) fn run(arguments: &PlanArguments) -> Exit {
    let marks = Marks::recorded_in(&arguments.state_dir);
    let before = Before {
        marks: marks.as_ref(),
        ..Before::default()
    };
    let loaded = load_after(
        &arguments.config,
        Against::ThisMachine,
        &mut FileSystem,
        |_| {},
        before,
    );
    if let Some(problem) = loaded.unreadable() {
        // There is no text to show an excerpt of.
        output::print_error(format_args!(
            "director: error: {problem}; name another file with --config\n"
        ));
        return Exit::Failure;
    }
    if loaded.diagnostics.has_errors() {
        output::print_error(render::full(
            &loaded.diagnostics,
            &loaded.sources,
            output::style(&std::io::stderr()),
        ));
        return Exit::Failure;
    }
    let difference = match difference(&loaded.plan, arguments) {
        Ok(difference) => difference,
        Err(problem) => {
            output::print_error(format_args!("director: error: {problem}\n"));
            return Exit::Failure;
        }
    };
    if arguments.json {
        match serde_json::to_string_pretty(&difference) {
            Ok(text) => output::print_line(text),
            Err(error) => {
                output::report(&error);
                return Exit::Failure;
            }
        }
    } else {
        show(&difference);
    }
    if difference.is_empty() {
        Exit::Success
    } else {
        Exit::Other
    }
}

fn show(difference: &Difference) {
    for change in &difference.ipvs {
        output::print_line(change);
    }
    for stake in &difference.at_stake {
        let AtStake {
            service,
            server,
            active,
            inactive,
        } = stake;
        output::print_line(format_args!(
            "at stake: {active} active and {inactive} inactive connections of {service} to {server}"
        ));
    }
    for address in &difference.addresses {
        let Address {
            instance,
            address,
            prefix_length,
            interface,
            present,
        } = address;
        let now = if *present { "here now" } else { "not here now" };
        let (owner, when) = holder(instance.as_deref());
        output::print_line(format_args!(
            "{owner}: {address}/{prefix_length} on {interface} {when}, {now}"
        ));
    }
    for Routing {
        instance,
        entry,
        present,
    } in &difference.routing
    {
        let (owner, when) = holder(instance.as_deref());
        let now = match present {
            Some(true) => ", here now",
            Some(false) => ", not here now",
            None => "",
        };
        output::print_line(format_args!("{owner}: {entry} {when}{now}"));
    }
    for gone in &difference.gone {
        output::print_line(format_args!("not in the file, goes: {gone}"));
    }
    if difference.ipvs.is_empty() {
        output::print_line("the IPVS table is as the file wants it");
    }
}

fn holder(instance: Option<&str>) -> (&str, &'static str) {
    instance.map_or(("static", "always"), |name| (name, "while master"))
}

fn difference(plan: &Plan, arguments: &PlanArguments) -> Result<Difference, String> {
    let belongings = Belongings::read(&plan.vrrp_settings)
        .map_err(|error| format!("addresses and routes cannot be read: {error}"))?;
    let addresses = addresses(plan)?;
    let mut difference = Difference {
        ipvs: Vec::new(),
        at_stake: Vec::new(),
        gone: gone(plan, &addresses, &belongings),
        addresses,
        routing: routing(plan, &belongings),
    };
    let record = OwnedServices::of(&arguments.state_dir);
    if !plan.virtual_servers.is_empty() || plan.sync.is_some() || !record.read().is_empty() {
        (difference.ipvs, difference.at_stake) =
            ipvs(plan, record).map_err(|error| output::chain(&error))?;
    }
    Ok(difference)
}

/// As a start would see it: servers that the running director has taken out stay out.
fn ipvs(plan: &Plan, record: OwnedServices) -> Result<(Vec<Change>, Vec<AtStake>), TableError> {
    let mut table = IpvsTable::connect(record)?;
    let out = taken_out(&plan.virtual_servers, &table.inherited()?);
    let mut model = Model::default();
    model.replace(&plan.virtual_servers, |id| {
        if out.contains(id) {
            Fate::TakenOut
        } else {
            Fate::New
        }
    });
    let changes = table.difference(&plan.wished(&model), plan.flush_at_start)?;
    let at_stake = table.at_stake(&changes)?;
    Ok((changes, at_stake))
}

/// Routes and rules in the order in which they would be added.
fn routing(plan: &Plan, now: &Belongings) -> Vec<Routing> {
    let route = |instance: Option<&str>, route: &Route| Routing {
        instance: instance.map(str::to_owned),
        entry: route.to_string(),
        present: now.has_route(route),
    };
    let rule = |instance: Option<&str>, rule: &Rule| Routing {
        instance: instance.map(str::to_owned),
        entry: rule.to_string(),
        present: now.has_rule(rule),
    };
    let mut all = Vec::new();
    all.extend(plan.vrrp.static_routes.iter().map(|one| route(None, one)));
    all.extend(plan.vrrp.static_rules.iter().map(|one| rule(None, one)));
    for instance in &plan.vrrp.instances {
        let name = Some(&*instance.name);
        all.extend(instance.routes.iter().map(|one| route(name, one)));
        all.extend(instance.rules.iter().map(|one| rule(name, one)));
    }
    all
}

/// What a director has put there, and the file does not ask for.
fn gone(plan: &Plan, addresses: &[Address], now: &Belongings) -> Vec<String> {
    let wanted = |interface: &str, address: IpAddr| {
        let mut wanted = addresses.iter();
        wanted.any(|one| one.address == address && one.interface == interface)
    };
    let marked = now.addresses().iter();
    let mut gone: Vec<String> = marked
        .filter(|(interface, address, _)| !wanted(interface, *address))
        .map(|(interface, address, length)| format!("{address}/{length} on {interface}"))
        .collect();
    let vrrp = &plan.vrrp;
    let routes = vrrp.instances.iter().flat_map(|one| &one.routes);
    let rules = vrrp.instances.iter().flat_map(|one| &one.rules);
    gone.extend(now.others(
        routes.chain(&vrrp.static_routes),
        rules.chain(&vrrp.static_rules),
    ));
    gone
}

fn addresses(plan: &Plan) -> Result<Vec<Address>, String> {
    let present = present()?;
    let address = |instance: Option<&str>, default: &str, address: &VirtualAddress| {
        let interface = address.device.clone().unwrap_or_else(|| default.to_owned());
        Address {
            instance: instance.map(str::to_owned),
            address: address.address,
            prefix_length: address.prefix_length,
            present: present.contains(&(interface.clone(), address.address)),
            interface,
        }
    };
    let mut addresses = Vec::new();
    addresses.extend(
        plan.vrrp
            .static_addresses
            .iter()
            .map(|one| address(None, "", one)),
    );
    for instance in &plan.vrrp.instances {
        let name = Some(&*instance.name);
        let all = instance.all_addresses();
        addresses.extend(all.map(|one| address(name, &instance.interface, one)));
    }
    Ok(addresses)
}

/// Interface and address of everything this machine has. A label counts as its interface.
fn present() -> Result<BTreeSet<(String, IpAddr)>, String> {
    let all = nix::ifaddrs::getifaddrs()
        .map_err(|error| format!("the addresses cannot be read: {error}"))?;
    let each = all.filter_map(|entry| {
        let address = entry.address?;
        let ip = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        let ip = ip.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))?;
        let interface = entry
            .interface_name
            .split(':')
            .next()
            .unwrap_or_default()
            .to_owned();
        Some((interface, ip))
    });
    Ok(each.collect())
}

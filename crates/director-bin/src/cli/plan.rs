//! `director plan`: the difference between a file and the kernel.

use super::default_state_dir;
use crate::config::{Against, Plan, load};
use crate::exit::Exit;
use crate::kernel::{IpvsTable, TableError};
use crate::lvs::{Fate, Model, taken_out};
use crate::output;
use crate::state::OwnedServices;
use ipvs_netlink::Change;
use keepalived_conf::render;
use serde::Serialize;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

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
    /// The virtual addresses of the file, and whether this machine has them now.
    addresses: Vec<Address>,
}

#[derive(Debug, Serialize)]
struct Address {
    instance: String,
    address: IpAddr,
    prefix_length: u8,
    interface: String,
    present: bool,
}

/// Exit: success if the kernel's table is as the file wants it, other if changes are pending.
pub(super) fn run(arguments: &PlanArguments) -> Exit {
    let loaded = load(&arguments.config, Against::ThisMachine);
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
    if difference.ipvs.is_empty() {
        Exit::Success
    } else {
        Exit::Other
    }
}

fn show(difference: &Difference) {
    for change in &difference.ipvs {
        output::print_line(change);
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
        output::print_line(format_args!(
            "{instance}: {address}/{prefix_length} on {interface} while master, {now}"
        ));
    }
    if difference.ipvs.is_empty() {
        output::print_line("the IPVS table is as the file wants it");
    }
}

fn difference(plan: &Plan, arguments: &PlanArguments) -> Result<Difference, String> {
    let addresses = addresses(plan)?;
    let record = OwnedServices::of(&arguments.state_dir);
    if plan.virtual_servers.is_empty() && record.read().is_empty() {
        return Ok(Difference {
            ipvs: Vec::new(),
            addresses,
        });
    }
    let ipvs = ipvs(plan, record).map_err(|error| output::chain(&error))?;
    Ok(Difference { ipvs, addresses })
}

/// As a start would see it: servers that the running director has taken out stay out.
fn ipvs(plan: &Plan, record: OwnedServices) -> Result<Vec<Change>, TableError> {
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
    table.difference(&plan.wished(&model), plan.flush_at_start)
}

fn addresses(plan: &Plan) -> Result<Vec<Address>, String> {
    let present = present()?;
    let mut addresses = Vec::new();
    for instance in &plan.vrrp.instances {
        for address in instance.all_addresses() {
            let interface = address
                .device
                .clone()
                .unwrap_or_else(|| instance.interface.clone());
            addresses.push(Address {
                instance: instance.name.clone(),
                address: address.address,
                prefix_length: address.prefix_length,
                present: present.contains(&(interface.clone(), address.address)),
                interface,
            });
        }
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

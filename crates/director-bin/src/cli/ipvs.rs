//! `director ipvs`: the kernel's table.

use crate::exit::Exit;
use crate::output;
use ipvs_netlink::{Client, listing};

#[derive(Debug, clap::Args)]
pub(super) struct IpvsArguments {
    #[command(subcommand)]
    command: IpvsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum IpvsCommand {
    /// List all services and their servers as `ipvsadm -Ln` does
    List {
        /// With all settings and counters, as JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(arguments: &IpvsArguments) -> Exit {
    let IpvsCommand::List { json } = arguments.command;
    let snapshot = match Client::connect() {
        Ok(mut client) => client.snapshot(),
        Err(error) => {
            output::report(&error);
            return Exit::Failure;
        }
    };
    match snapshot {
        Ok(snapshot) if json => match serde_json::to_string_pretty(&snapshot) {
            Ok(text) => output::print_line(text),
            Err(error) => {
                output::report(&error);
                return Exit::Failure;
            }
        },
        Ok(snapshot) => output::print(listing::table(&snapshot)),
        Err(error) => {
            output::report(&error);
            return Exit::Failure;
        }
    }
    Exit::Success
}

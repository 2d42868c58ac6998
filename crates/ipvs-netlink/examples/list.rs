//! Lists the kernel's table as `ipvsadm -Ln` does.
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use ipvs_netlink::{Client, listing};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let snapshot = Client::connect()?.snapshot()?;
    print!("{}", listing::table(&snapshot));
    Ok(())
}

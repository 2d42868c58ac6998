//! Holds one virtual address: run it on two machines of one network, and one of them has the address.
//!
//! ```text
//! vip eth0 51 100 172.16.1.8/24 [PASSWORD]
//! ```
//!
//! Needs root (CAP_NET_ADMIN and CAP_NET_RAW). Ends on SIGINT or SIGTERM: resigns, then takes the address off.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

use std::error::Error;
use std::net::IpAddr;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use vrrp_net::vrrp_proto::auth::{Authentication, Password};
use vrrp_net::vrrp_proto::{Config, Family, Priority, Vrid};
use vrrp_net::{Configuration, Engine, InstanceConfig, Settings, VirtualAddress};

const USAGE: &str = "usage: vip INTERFACE VRID PRIORITY ADDRESS[/LENGTH] [PASSWORD]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match hold(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vip: {error}");
            ExitCode::FAILURE
        }
    }
}

fn hold(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let instance = instance(arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut interrupted = signal(SignalKind::interrupt())?;
        let mut terminated = signal(SignalKind::terminate())?;
        let configuration = Configuration {
            instances: vec![instance.into()],
            ..Configuration::default()
        };
        let (engine, mut events) = Engine::start(Settings::default(), configuration)?;
        loop {
            tokio::select! {
                Some(event) = events.recv() => println!("{event}"),
                _ = interrupted.recv() => break,
                _ = terminated.recv() => break,
                else => break,
            }
        }
        engine.shutdown().await;
        while let Some(event) = events.try_recv() {
            println!("{event}");
        }
        Ok(())
    })
}

fn instance(arguments: &[String]) -> Result<InstanceConfig, Box<dyn Error>> {
    let [interface, vrid, priority, address, password @ ..] = arguments else {
        return Err(USAGE.into());
    };
    let (address, length) = match address.split_once('/') {
        Some((address, length)) => (address, Some(length.parse()?)),
        None => (address.as_str(), None),
    };
    let address: IpAddr = address.parse()?;
    let vrid = vrid
        .parse()
        .ok()
        .and_then(Vrid::new)
        .ok_or("VRID must be 1 to 255")?;

    let mut router = Config::new(vrid, Family::of(address));
    router.priority = Priority::new(priority.parse()?);
    if let [password] = password {
        router.authentication = Authentication::Password(Password::new(password.as_bytes()));
    }
    let mut virtual_address = VirtualAddress::new(address);
    if let Some(length) = length {
        virtual_address = virtual_address.with_prefix_length(length);
    }
    let mut instance = InstanceConfig::new("vip", interface.as_str(), router);
    instance.addresses.push(virtual_address);
    Ok(instance)
}

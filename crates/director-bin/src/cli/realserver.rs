//! `director realserver`: the real server's side of direct routing and tunnelling.

use crate::doctor::{Depth, Method, Wishes, gather, judge};
use crate::exit::Exit;
use crate::output;
use clap::{Subcommand, ValueEnum};
use nix::ifaddrs::getifaddrs;
use std::net::IpAddr;
use std::process::{Command, Stdio};

#[derive(Debug, clap::Args)]
pub(super) struct RealServerArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Take packets to the virtual addresses, and keep quiet about them
    Up(Which),
    /// Take them no longer
    Down(Which),
    /// Say whether this machine is set up for them
    Status(Which),
}

#[derive(Debug, clap::Args)]
struct Which {
    /// A virtual address; may be given several times
    #[arg(long, value_name = "ADDRESS", required = true)]
    vip: Vec<IpAddr>,
    /// How the director forwards packets (lb_kind)
    #[arg(long, value_enum, default_value_t)]
    method: Forwarding,
}

/// `lb_kind` as the real server sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Forwarding {
    /// Direct routing: the addresses go on lo
    #[default]
    Dr,
    /// Tunnel: the addresses go on tunl0
    Tun,
}

impl From<Forwarding> for Method {
    fn from(forwarding: Forwarding) -> Self {
        match forwarding {
            Forwarding::Dr => Self::Dr,
            Forwarding::Tun => Self::Tun,
        }
    }
}

impl Forwarding {
    const fn device(self) -> &'static str {
        match self {
            Self::Dr => "lo",
            Self::Tun => "tunl0",
        }
    }

    /// Settings that go with it. Those of `all` hold for interfaces that come later, too.
    const fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Dr => &[
                ("net.ipv4.conf.all.arp_ignore", "1"),
                ("net.ipv4.conf.all.arp_announce", "2"),
            ],
            Self::Tun => &[
                ("net.ipv4.conf.all.arp_ignore", "1"),
                ("net.ipv4.conf.all.arp_announce", "2"),
                ("net.ipv4.conf.all.rp_filter", "0"),
                ("net.ipv4.conf.tunl0.rp_filter", "0"),
            ],
        }
    }
}

/// Exit: success if it is as asked, failure if not.
pub(super) fn run(arguments: &RealServerArguments) -> Exit {
    let result = match &arguments.action {
        Action::Up(which) => up(which),
        Action::Down(which) => down(which),
        Action::Status(which) => return status(which),
    };
    match result {
        Ok(()) => Exit::Success,
        Err(problem) => {
            output::print_error(format_args!("director: error: {problem}\n"));
            Exit::Failure
        }
    }
}

impl Which {
    /// Settings that go with the addresses: all of them are IPv4's, and nobody asks for an IPv6 address by ARP.
    fn settings(&self) -> &'static [(&'static str, &'static str)] {
        if self.vip.iter().any(IpAddr::is_ipv4) {
            self.method.settings()
        } else {
            &[]
        }
    }
}

fn up(which: &Which) -> Result<(), String> {
    let device = which.method.device();
    if which.method == Forwarding::Tun {
        // Where it is built in, or a container has it from outside, there is nothing to load.
        let _ = Command::new("modprobe")
            .arg("ipip")
            .stderr(Stdio::null())
            .status();
        ip(&["link", "set", device, "up"])?;
    }
    // Quiet first: otherwise others learn the address as soon as it is there.
    for (name, value) in which.settings() {
        set(name, value)?;
    }
    for address in &which.vip {
        ip(&["address", "replace", &with_prefix(*address), "dev", device])?;
        let quiet = if address.is_ipv4() {
            ", and ARP keeps quiet about it"
        } else {
            ""
        };
        output::print_line(format_args!("{address} is on {device}{quiet}"));
    }
    output::print(persistent(which));
    Ok(())
}

fn down(which: &Which) -> Result<(), String> {
    let device = which.method.device();
    for address in &which.vip {
        if !is_on(*address, device)? {
            output::print_line(format_args!("{address} is not on {device}"));
            continue;
        }
        ip(&["address", "del", &with_prefix(*address), "dev", device])?;
        output::print_line(format_args!("{address} is off {device}"));
    }
    if !which.settings().is_empty() {
        output::print_line(
            "the settings of ARP stay as they are: other virtual addresses may need them",
        );
    }
    Ok(())
}

fn status(which: &Which) -> Exit {
    let wishes = Wishes::of_real_server(which.vip.clone(), which.method.into());
    let report = judge(&wishes, &gather(&wishes, Depth::Passive));
    for finding in &report.findings {
        output::print_line(format_args!("{}", finding.problem));
        for line in &finding.evidence {
            output::print_line(format_args!("    seen: {line}"));
        }
        for line in &finding.remedy {
            output::print_line(format_args!("    cure: {line}"));
        }
    }
    if report.findings.is_empty() {
        let list: Vec<String> = which.vip.iter().map(ToString::to_string).collect();
        output::print_line(format_args!(
            "this machine takes packets to {}, and keeps quiet about it",
            list.join(", ")
        ));
        Exit::Success
    } else {
        Exit::Failure
    }
}

/// What an administrator writes where so that it is so after the next boot.
fn persistent(which: &Which) -> String {
    let mut text = String::from("\nSo that it stays over a reboot:\n");
    if !which.settings().is_empty() {
        text.push_str("\n# /etc/sysctl.d/90-director-realserver.conf\n");
    }
    for (name, value) in which.settings() {
        text.push_str(&format!("{name} = {value}\n"));
    }
    if which.method == Forwarding::Tun {
        text.push_str("\n# /etc/modules-load.d/director-realserver.conf\nipip\n");
    }
    text.push_str("\n# /etc/systemd/system/director-realserver.service; then: systemctl enable director-realserver\n");
    let method = if which.method == Forwarding::Tun {
        " --method tun"
    } else {
        ""
    };
    let vips: String = which
        .vip
        .iter()
        .map(|address| format!(" --vip {address}"))
        .collect();
    text.push_str(&format!(
        "[Unit]\nAfter=network.target\n\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
         ExecStart=/usr/sbin/director realserver up{vips}{method}\nExecStop=/usr/sbin/director realserver down{vips}{method}\n\n\
         [Install]\nWantedBy=multi-user.target\n"
    ));
    text
}

/// Is the address on the device, under any label?
fn is_on(address: IpAddr, device: &str) -> Result<bool, String> {
    let mut all = getifaddrs()
        .map_err(|error| format!("the addresses of this machine cannot be read: {error}"))?;
    Ok(all.any(|interface| {
        let name = interface.interface_name.split(':').next();
        let held = interface.address.and_then(|held| {
            let v4 = held.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
            v4.or_else(|| held.as_sockaddr_in6().map(|v6| v6.ip().into()))
        });
        name == Some(device) && held == Some(address)
    }))
}

fn with_prefix(address: IpAddr) -> String {
    let length = if address.is_ipv6() { 128 } else { 32 };
    format!("{address}/{length}")
}

fn set(name: &str, value: &str) -> Result<(), String> {
    let path = format!("/proc/sys/{}", name.replace('.', "/"));
    std::fs::write(&path, value)
        .map_err(|error| format!("{name} cannot be set to {value}: {error}; run as root"))
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let command = format!("ip {}", arguments.join(" "));
    let output = Command::new("ip")
        .args(arguments)
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .output()
        .map_err(|error| format!("`{command}` cannot be run: {error}; install iproute2"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "`{command}` failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn which(vip: &[&str]) -> Which {
        Which {
            vip: vip.iter().map(|vip| vip.parse().unwrap()).collect(),
            method: Forwarding::Dr,
        }
    }

    #[test]
    fn ipv6_needs_no_settings_of_arp() {
        let text = persistent(&which(&["2001:db8::1"]));
        assert!(
            !text.contains("arp") && !text.contains("sysctl.d"),
            "{text}"
        );
        assert!(text.contains("up --vip 2001:db8::1\n"), "{text}");
        let text = persistent(&which(&["2001:db8::1", "192.0.2.1"]));
        assert!(
            text.contains("conf\nnet.ipv4.conf.all.arp_ignore = 1\n"),
            "{text}"
        );
    }

    #[test]
    fn what_is_not_there_need_not_go() {
        assert_eq!(is_on("192.0.2.77".parse().unwrap(), "lo"), Ok(false));
        assert_eq!(is_on("127.0.0.1".parse().unwrap(), "tunl0"), Ok(false));
        down(&which(&["192.0.2.77", "2001:db8::77"])).unwrap();
    }
}

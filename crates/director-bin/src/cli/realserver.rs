//! `director realserver`: the real server's side of direct routing and tunnelling.

use crate::doctor::{Depth, Method, Wishes, gather, judge};
use crate::exit::Exit;
use crate::output;
use clap::{Subcommand, ValueEnum};
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
    for (name, value) in which.method.settings() {
        set(name, value)?;
    }
    for address in &which.vip {
        ip(&["address", "replace", &with_prefix(*address), "dev", device])?;
        output::print_line(format_args!(
            "{address} is on {device}, and ARP keeps quiet about it"
        ));
    }
    output::print(persistent(which));
    Ok(())
}

fn down(which: &Which) -> Result<(), String> {
    let device = which.method.device();
    for address in &which.vip {
        ip(&["address", "del", &with_prefix(*address), "dev", device])?;
        output::print_line(format_args!("{address} is off {device}"));
    }
    output::print_line(
        "the settings of ARP stay as they are: other virtual addresses may need them",
    );
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
    let mut text = String::from(
        "\nSo that it stays over a reboot:\n\n# /etc/sysctl.d/90-director-realserver.conf\n",
    );
    for (name, value) in which.method.settings() {
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

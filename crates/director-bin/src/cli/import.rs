//! `director import`: the file of another director as a `keepalived.conf`, with a report of what is not as it was.

use super::ipvs::names::SystemNames;
use crate::exit::Exit;
use crate::output;
use clap::ValueEnum;
use ipvs_netlink::Protocol;
use lvs_import::{Imported, Node, Options, Severity, Source, detect, import};
use std::fmt::Write as _;
use std::io::Read as _;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct ImportArguments {
    /// What `ipvsadm -S` printed, an ldirectord.cf, or Piranha's lvs.cf; `-` for standard input
    file: PathBuf,
    /// What the file is, if it is not recognised
    #[arg(long, value_enum)]
    from: Option<From>,
    /// Interface of the virtual addresses; with it a vrrp_instance is written where the file knows none
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
    /// virtual_router_id of the vrrp_instance
    #[arg(long, value_name = "N", default_value_t = 51, value_parser = clap::value_parser!(u8).range(1..))]
    virtual_router_id: u8,
    /// Which of the two nodes the result is for
    #[arg(long, value_enum, default_value_t)]
    node: For,
    /// Write no TCP_CHECK for the servers of an ipvsadm table
    #[arg(long)]
    no_checks: bool,
    /// Use only keywords that keepalived knows, too
    #[arg(long)]
    for_keepalived: bool,
    /// Where the configuration goes; default standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print configuration and report as one JSON object
    #[arg(long, conflicts_with = "output")]
    json: bool,
    /// Exit status 1 if anything is lost or not understood
    #[arg(long)]
    deny_losses: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    /// Output of `ipvsadm -S` or `ipvsadm-save`
    Ipvsadm,
    /// ldirectord.cf
    Ldirectord,
    /// lvs.cf
    Piranha,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum For {
    /// Priority 150
    #[default]
    Primary,
    /// Priority 100
    Backup,
}

/// Exit: success if a configuration was written, failure with denied losses or a file of no known kind, other if the
/// file cannot be read or the result cannot be written.
pub(super) fn run(arguments: &ImportArguments) -> Exit {
    let text = match read(&arguments.file) {
        Ok(text) => text,
        Err(error) => {
            fail(format_args!(
                "cannot read {}: {error}",
                arguments.file.display()
            ));
            return Exit::Other;
        }
    };
    let source = match arguments.from {
        Some(From::Ipvsadm) => Source::Ipvsadm,
        Some(From::Ldirectord) => Source::Ldirectord,
        Some(From::Piranha) => Source::Piranha,
        None => match detect(&text) {
            Some(source) => source,
            None => {
                fail(format_args!(
                    "{} is neither output of ipvsadm -S nor an ldirectord.cf nor an lvs.cf; say which with --from",
                    arguments.file.display()
                ));
                return Exit::Failure;
            }
        },
    };
    let mut options = Options::default();
    options.only_keepalived = arguments.for_keepalived;
    options.interface.clone_from(&arguments.interface);
    options.virtual_router_id = arguments.virtual_router_id;
    options.node = match arguments.node {
        For::Primary => Node::Primary,
        For::Backup => Node::Backup,
    };
    options.add_checks = !arguments.no_checks;
    options.file_name = Some(arguments.file.display().to_string());
    let imported = import(source, &text, &options, &SystemNames::default());
    if !deliver(arguments, &imported) {
        return Exit::Other;
    }
    let lost = imported
        .findings
        .iter()
        .any(|finding| finding.severity >= Severity::Lost);
    if arguments.deny_losses && lost {
        Exit::Failure
    } else {
        Exit::Success
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    // A byte more than is taken, so that the report tells of it.
    let most = (lvs_import::MAX_TEXT as u64).saturating_add(1);
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(path)?
            .take(most)
            .read_to_end(&mut bytes)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The configuration where it belongs, the report on standard error.
fn deliver(arguments: &ImportArguments, imported: &Imported) -> bool {
    if arguments.json {
        match serde_json::to_string_pretty(imported) {
            Ok(text) => output::print_line(text),
            Err(error) => {
                output::report(&error);
                return false;
            }
        }
        return true;
    }
    match &arguments.output {
        None => output::print(&imported.configuration),
        Some(path) => {
            if let Err(error) = std::fs::write(path, &imported.configuration) {
                fail(format_args!("cannot write {}: {error}", path.display()));
                return false;
            }
        }
    }
    output::print_error(report(&arguments.file, imported));
    true
}

/// The losses first.
fn report(path: &Path, imported: &Imported) -> String {
    let mut out = format!(
        "{} ({}): {}, {}\n",
        path.display(),
        imported.source,
        output::count(imported.virtual_servers, "virtual server"),
        output::count(imported.real_servers, "real server"),
    );
    let sections = [
        (
            Severity::Mistake,
            "not understood, or refused by the original program",
        ),
        (Severity::Lost, "cannot be carried over"),
        (Severity::Changed, "carried over in another form"),
        (
            Severity::Assumed,
            "chosen, because the file does not say it",
        ),
        (Severity::Note, "worth knowing"),
    ];
    for (severity, title) in sections {
        let of: Vec<_> = imported
            .findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .collect();
        if of.is_empty() {
            continue;
        }
        // Writing to a string does not fail.
        let _ = writeln!(out, "{title}:");
        for finding in of {
            let line = finding
                .line
                .map_or(String::new(), |line| format!("line {line}: "));
            let _ = writeln!(out, "  {line}{}: {}", finding.subject, finding.message);
        }
    }
    out
}

fn fail(problem: std::fmt::Arguments<'_>) {
    output::print_error(format_args!("director: error: {problem}\n"));
}

impl lvs_import::Names for SystemNames {
    fn host(&self, name: &str, v6: bool) -> Option<IpAddr> {
        let mut addresses = (name, 0).to_socket_addrs().ok()?;
        addresses
            .find(|address| address.is_ipv6() == v6)
            .map(|address| address.ip())
    }

    fn port(&self, service: &str, protocol: &str) -> Option<u16> {
        let protocol = if protocol == "udp" {
            Protocol::Udp
        } else {
            Protocol::Tcp
        };
        ipvs_netlink::ipvsadm::Resolver::port(self, service, protocol)
    }
}

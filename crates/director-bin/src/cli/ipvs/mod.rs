//! `director ipvs`: everything that ipvsadm does, with its options and exit statuses; also under
//! the name `ipvsadm`.

mod list;
pub(super) mod names;
mod restore;

use crate::output;
use ipvs_netlink::ipvsadm::{Invocation, Resolver, parse, save};
use ipvs_netlink::{Client, Command, Error};
use names::SystemNames;
use std::ffi::OsString;
use std::io::Read;
use std::process::ExitCode;

/// Status when the kernel refuses.
const REFUSED: u8 = 255;

/// Status when the kernel has no IPVS, or the command line or a text to restore is wrong.
const UNUSABLE: u8 = 2;

/// Status when something cannot be read.
const UNREADABLE: u8 = 1;

const HELP: &str = include_str!("help.txt");

#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(super) struct IpvsArguments {
    /// A command line of ipvsadm, or `list`, `save` or `restore`; `--help` shows all options
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "OPTION"
    )]
    words: Vec<OsString>,
}

pub(super) fn run(arguments: &IpvsArguments) -> ExitCode {
    run_words(&arguments.words)
}

/// What stands behind `director ipvs`.
pub(super) fn run_words(words: &[OsString]) -> ExitCode {
    let long: &[&str] = match words.first().and_then(|word| word.to_str()) {
        Some("list") => &["--list", "--numeric"],
        Some("save") => &["--save", "--numeric"],
        Some("restore") => &["--restore"],
        _ => return ipvsadm(words),
    };
    let rest = words.iter().skip(1).cloned();
    let words: Vec<OsString> = long.iter().map(OsString::from).chain(rest).collect();
    ipvsadm(&words)
}

/// A command line of ipvsadm without the program's name.
pub(super) fn ipvsadm(words: &[OsString]) -> ExitCode {
    let words: Vec<String> = words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let names = SystemNames::default();
    let invocation = match parse(&words, &names) {
        Ok(invocation) => invocation,
        Err(error) => {
            output::report(&error);
            return error.status().into();
        }
    };
    if let Some(text) = text_of(&invocation) {
        output::print(text);
        return ExitCode::SUCCESS;
    }
    match Client::connect() {
        Ok(client) => Session { client, names }.perform(invocation).into(),
        Err(error) => {
            output::report(&error);
            UNUSABLE.into()
        }
    }
}

/// What needs no kernel.
fn text_of(invocation: &Invocation) -> Option<String> {
    match invocation {
        Invocation::Help => Some(format!("{}{HELP}", version())),
        Invocation::Version => Some(version()),
        _ => None,
    }
}

/// Scripts look for the version of ipvsadm whose command line this is.
fn version() -> String {
    concat!("ipvsadm v1.31 (director ", env!("CARGO_PKG_VERSION"), ")\n").to_owned()
}

/// A connection to the kernel and one to the system's names.
struct Session {
    client: Client,
    names: SystemNames,
}

impl Session {
    fn perform(&mut self, invocation: Invocation) -> u8 {
        match invocation {
            Invocation::Change(command) => self.change(&command),
            Invocation::List(list) => self.list(&list),
            Invocation::Save(options) => match self.client.snapshot() {
                Ok(snapshot) => {
                    output::print(save(&snapshot, options, &self.names as &dyn Resolver));
                    0
                }
                Err(error) => unreadable(&error),
            },
            Invocation::Restore { by_difference } => {
                let mut text = String::new();
                if let Err(error) = std::io::stdin().lock().read_to_string(&mut text) {
                    output::print_error(format_args!(
                        "director: error: cannot read standard input: {error}\n"
                    ));
                    return UNREADABLE;
                }
                if by_difference {
                    self.restore_by_difference(&text)
                } else {
                    self.restore(&text)
                }
            }
            other => {
                output::print(text_of(&other).unwrap_or_default());
                0
            }
        }
    }

    fn change(&mut self, command: &Command) -> u8 {
        let applied = self.client.apply(std::slice::from_ref(command));
        match applied.map(ipvs_netlink::table::Applied::into_result) {
            Ok(Ok(())) => 0,
            Ok(Err(refusal)) => {
                output::report(&refusal);
                REFUSED
            }
            Err(error) => {
                output::report(&error);
                REFUSED
            }
        }
    }
}

fn unreadable(error: &Error) -> u8 {
    output::report(error);
    UNREADABLE
}

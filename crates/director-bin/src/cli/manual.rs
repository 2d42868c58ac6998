//! `director completions` and `director man`, from the same definitions as the command line itself.

use super::Arguments;
use crate::exit::Exit;
use crate::output;
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, clap::Args)]
pub(super) struct ManArguments {
    /// The folder for the pages, which must exist
    directory: PathBuf,
}

/// The script that a shell reads.
pub(super) fn completions(arguments: &CompletionsArguments) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut Arguments::command(),
        "director",
        &mut text,
    );
    output::print(String::from_utf8_lossy(&text));
    Exit::Success
}

/// One page for the program and one for each command, those of commands included, in section 8.
pub(super) fn man(arguments: &ManArguments) -> Exit {
    match write_pages(&arguments.directory) {
        Ok(()) => Exit::Success,
        Err(error) => {
            let directory = arguments.directory.display();
            output::print_error(format_args!(
                "director: error: the manual pages cannot be written to {directory}: {error}\n"
            ));
            Exit::Failure
        }
    }
}

fn write_pages(directory: &Path) -> io::Result<()> {
    let mut command = without_help(Arguments::command());
    command.build();
    pages(directory, "director", "director", &command)
}

/// Without the command `help`, which some commands with commands below them have: it needs no page.
fn without_help(command: clap::Command) -> clap::Command {
    command
        .disable_help_subcommand(true)
        .mut_subcommands(without_help)
}

/// The page of a command, which is called `name` as a page and typed as `typed`, and those of the commands below it.
fn pages(directory: &Path, name: &str, typed: &str, command: &clap::Command) -> io::Result<()> {
    // clap wants names for good; there are a few dozen.
    let leaked: &'static str = name.to_owned().leak();
    page(
        directory,
        name,
        command.clone().name(leaked).bin_name(typed),
    )?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let word = sub.get_name();
        pages(
            directory,
            &format!("{name}-{word}"),
            &format!("{typed} {word}"),
            sub,
        )?;
    }
    Ok(())
}

fn page(directory: &Path, name: &str, command: clap::Command) -> io::Result<()> {
    let man = Man::new(command)
        .section("8")
        .manual("director")
        .source(concat!("director ", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    man.render(&mut text)?;
    std::fs::write(directory.join(format!("{name}.8")), text)
}

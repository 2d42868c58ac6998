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

/// One page for the program and one for each command, in section 8.
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
    let mut command = Arguments::command();
    command.build();
    page(directory, "director", command.clone())?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let name = format!("director-{}", sub.get_name());
        // clap wants names for good; there are a few dozen.
        let leaked: &'static str = name.clone().leak();
        page(
            directory,
            &name,
            sub.clone()
                .name(leaked)
                .bin_name(name.replacen('-', " ", 1)),
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

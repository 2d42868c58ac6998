//! `director-lab`: the laboratory as a program of its own.

use std::process::ExitCode;

use clap::Parser;
use director_lab::{Program, cli};

/// Play a scenario with directors, real servers and clients in network namespaces of this machine.
#[derive(Debug, Parser)]
#[command(name = "director-lab", version)]
struct Arguments {
    #[command(flatten)]
    lab: cli::Args,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let executable = std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
    cli::run(
        arguments.lab,
        &Program::new(executable, Vec::<String>::new()),
    )
}

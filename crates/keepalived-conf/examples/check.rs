//! Checks configuration files: `cargo run -p keepalived-conf --example check -- FILE...`
#![allow(clippy::print_stdout)]

use std::path::Path;
use std::process::ExitCode;

use keepalived_conf::{FileSystem, Options, load, render};

fn main() -> ExitCode {
    let mut failed = false;
    for path in std::env::args_os().skip(1) {
        let parsed = load(Path::new(&path), &mut FileSystem, &Options::default());
        print!("{}", render::concise(&parsed.diagnostics, &parsed.sources));
        failed |= parsed.diagnostics.has_errors();
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

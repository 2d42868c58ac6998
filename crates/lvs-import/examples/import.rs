//! `cargo run -p lvs-import --example import -- FILE`: the configuration on standard output, the report on standard error.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program"
)]

use lvs_import::{NoNames, Options, detect, import};

fn main() -> std::process::ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: import FILE");
        return 2.into();
    };
    let text = match std::fs::read(&path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => {
            eprintln!("cannot read {}: {error}", path.display());
            return 2.into();
        }
    };
    let Some(source) = detect(&text) else {
        eprintln!("neither ipvsadm -S, ldirectord.cf nor lvs.cf");
        return 1.into();
    };
    let imported = import(source, &text, &Options::default(), &NoNames);
    print!("{}", imported.configuration);
    for finding in &imported.findings {
        eprintln!("{finding}");
    }
    0.into()
}

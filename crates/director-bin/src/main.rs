//! The load-balancing director for Linux: VRRP, IPVS and health checks from one `keepalived.conf`.
//!
//! The command line is in [`cli`], the daemon in [`daemon`]; everything that decides without touching the system is in
//! [`config`] (from the configuration model to what the engines take) and [`lvs`] (from verdicts to the wished table).

mod bfd;
mod cli;
mod config;
mod control;
mod daemon;
mod doctor;
mod exit;
mod fifo;
mod guardian;
mod kernel;
mod legacy;
mod log;
mod lvs;
mod mail;
mod metrics;
mod output;
mod process;
mod queue;
mod recovery;
mod script;
mod state;
mod top;
mod track;

/// The version that the program calls itself; builds that are to be told apart by tests differ.
const VERSION: &str = if cfg!(feature = "later-handover") {
    concat!(env!("CARGO_PKG_VERSION"), "+later")
} else {
    env!("CARGO_PKG_VERSION")
};

fn main() -> std::process::ExitCode {
    cli::run(std::env::args_os())
}

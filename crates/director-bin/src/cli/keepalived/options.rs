//! keepalived's options.

use crate::log::Facility;
use clap::{ArgAction, Parser};
use std::path::PathBuf;

const OTHER_WAY: &str =
    "director keeps the table and the addresses by comparing, so there is nothing to choose";
const ONE_PROCESS: &str = "director is one process";
const NO_SNMP: &str = "director has no SNMP agent; see its metrics";

#[derive(Debug, Parser)]
#[command(
    name = "keepalived",
    about = "director in the place of keepalived",
    disable_version_flag = true,
    args_override_self = true
)]
pub(super) struct Given {
    /// Use the specified configuration file
    #[arg(
        short = 'f',
        long,
        value_name = "FILE",
        default_value = "/etc/keepalived/keepalived.conf"
    )]
    pub(super) use_file: PathBuf,
    /// Only run the VRRP instances
    #[arg(short = 'P', long)]
    pub(super) vrrp: bool,
    /// Only run the virtual servers and their checks
    #[arg(short = 'C', long)]
    pub(super) check: bool,
    /// No meaning: director is one process
    #[arg(short = 'B', long = "no_bfd")]
    no_bfd: bool,
    /// No meaning: director is one process
    #[arg(long)]
    all: bool,
    /// Log to standard error
    #[arg(short = 'l', long)]
    pub(super) log_console: bool,
    /// Detailed log; twice for more
    #[arg(short = 'D', long, action = ArgAction::Count)]
    pub(super) log_detail: u8,
    /// Syslog facility: 0 to 7, local0 to local7, user or daemon
    #[arg(short = 'S', long, value_name = "FACILITY")]
    pub(super) log_facility: Option<Facility>,
    /// Also log to this file
    #[arg(short = 'g', long, value_name = "FILE", num_args = 0..=1)]
    pub(super) log_file: Option<Option<PathBuf>>,
    /// No meaning: every line is written at once
    #[arg(long)]
    flush_log_file: bool,
    /// Do not log via syslog
    #[arg(short = 'G', long)]
    pub(super) no_syslog: bool,
    /// Mode bits that new files never get, in octal
    #[arg(short = 'u', long, value_name = "MASK", value_parser = mask)]
    pub(super) umask: Option<u32>,
    /// No meaning: addresses are always released at a stop
    #[arg(short = 'X', long)]
    release_vips: bool,
    /// Not possible: addresses are released at a stop
    #[arg(short = 'V', long)]
    dont_release_vrrp: bool,
    /// Leave the IPVS services in the kernel at the stop
    #[arg(short = 'I', long)]
    pub(super) dont_release_ipvs: bool,
    /// No meaning: director is one process
    #[arg(short = 'R', long)]
    dont_respawn: bool,
    /// Stay in the foreground
    #[arg(short = 'n', long)]
    pub(super) dont_fork: bool,
    /// Log state and services once everything runs
    #[arg(short = 'd', long)]
    pub(super) dump_conf: bool,
    /// Pid file; default /run/keepalived.pid
    #[arg(short = 'p', long, value_name = "FILE")]
    pub(super) pid: Option<PathBuf>,
    /// A further pid file, with the same number
    #[arg(short = 'r', long = "vrrp_pid", value_name = "FILE")]
    pub(super) vrrp_pid: Option<PathBuf>,
    /// A further pid file, with the same number
    #[arg(short = 'c', long = "checkers_pid", value_name = "FILE")]
    pub(super) checkers_pid: Option<PathBuf>,
    /// A further pid file, with the same number
    #[arg(short = 'b', long = "bfd_pid", value_name = "FILE")]
    pub(super) bfd_pid: Option<PathBuf>,
    /// No meaning: changes of our own addresses are always logged
    #[arg(short = 'a', long)]
    address_monitoring: bool,
    /// Not served: no SNMP agent
    #[arg(short = 'x', long)]
    snmp: bool,
    /// Not served: no SNMP agent
    #[arg(short = 'A', long, value_name = "ADDRESS")]
    snmp_agent_socket: Option<String>,
    /// Run in this network namespace
    #[arg(short = 's', long, value_name = "NAME")]
    pub(super) namespace: Option<String>,
    /// Let a crash leave a core file
    #[arg(short = 'm', long)]
    pub(super) core_dump: bool,
    /// As -m; the pattern itself is the system's and stays
    #[arg(short = 'M', long, value_name = "PATTERN", num_args = 0..=1, require_equals = true)]
    pub(super) core_dump_pattern: Option<Option<String>>,
    /// Refuse to start if an included file is missing or unreadable
    #[arg(short = 'e', long)]
    pub(super) all_config: bool,
    /// Lines that begin with @ID count for this configuration id
    #[arg(short = 'i', long, value_name = "ID")]
    pub(super) config_id: Option<String>,
    /// Go on when SIGINT comes
    #[arg(long)]
    pub(super) ignore_sigint: bool,
    /// Print the number of the signal for STOP, RELOAD, DATA, STATS, STATS_CLEAR or JSON
    #[arg(long, value_name = "PURPOSE")]
    pub(super) signum: Option<String>,
    /// Test the configuration; the report goes to the file if one is given
    #[arg(short = 't', long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub(super) config_test: Option<Option<PathBuf>>,
    /// No meaning: for developers of keepalived
    #[arg(long, value_name = "PART", num_args = 0..=1, require_equals = true)]
    perf: Option<Option<String>>,
    /// No meaning: for developers of keepalived
    #[arg(long, value_name = "LETTERS", num_args = 0..=1, require_equals = true)]
    debug: Option<Option<String>>,
    /// No meaning: for developers of keepalived
    #[arg(long)]
    no_mem_check: bool,
    /// No meaning: for developers of keepalived
    #[arg(short = 'L', long)]
    mem_check_log: bool,
    /// No meaning: for developers of keepalived
    #[arg(short = 'O', long)]
    openssl_mem_check: bool,
    /// Print the version
    #[arg(short = 'v', long)]
    pub(super) version: bool,
    /// Words that are no options; keepalived ignores them
    #[arg(hide = true)]
    pub(super) words: Vec<String>,
}

fn mask(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let wrong = || format!("`{text}` is no file mode mask, such as 022");
    u32::from_str_radix(digits, 8)
        .ok()
        .filter(|mask| *mask <= 0o777)
        .ok_or_else(wrong)
}

impl Given {
    /// Options that were given and do nothing here, with the reason.
    pub(super) fn without_meaning(&self) -> Vec<(&'static str, &'static str)> {
        let developers = "it is for developers of keepalived";
        let all = [
            (self.no_bfd, "--no_bfd", ONE_PROCESS),
            (self.all, "--all", ONE_PROCESS),
            (self.dont_respawn, "--dont-respawn", ONE_PROCESS),
            (
                self.flush_log_file,
                "--flush-log-file",
                "every line is written at once",
            ),
            (self.release_vips, "--release-vips", OTHER_WAY),
            (
                self.dont_release_vrrp,
                "--dont-release-vrrp",
                "addresses are released at a stop; what a crash left is taken off at the next start",
            ),
            (
                self.address_monitoring,
                "--address-monitoring",
                "what happens to the virtual addresses is always logged; `ip monitor address` shows all others",
            ),
            (self.snmp, "--snmp", NO_SNMP),
            (
                self.snmp_agent_socket.is_some(),
                "--snmp-agent-socket",
                NO_SNMP,
            ),
            (
                self.core_dump_pattern.as_ref().is_some_and(Option::is_some),
                "--core-dump-pattern",
                "kernel.core_pattern is the whole system's; set it with sysctl",
            ),
            (self.perf.is_some(), "--perf", developers),
            (
                self.debug.is_some(),
                "--debug",
                "use --log-detail twice, or director's --log-level",
            ),
            (self.no_mem_check, "--no-mem-check", developers),
            (self.mem_check_log, "--mem-check-log", developers),
            (self.openssl_mem_check, "--openssl-mem-check", developers),
        ];
        let given = all.into_iter().filter(|(given, ..)| *given);
        given.map(|(_, option, reason)| (option, reason)).collect()
    }
}

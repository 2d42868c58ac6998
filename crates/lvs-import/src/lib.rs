//! Translates `ipvsadm -S` output, `ldirectord.cf` and Piranha's `lvs.cf` to `keepalived.conf`.
//!
//! [`import`] takes the text of a file and gives an [`Imported`]: the configuration, and a
//! [`Finding`] for everything that changes its meaning, had to be guessed, or cannot be carried
//! over. [`detect`] tells what kind of file a text is.
//!
//! It reads no file, resolves no name by itself ([`Names`] does) and checks nothing on the system.
//!
//! ```
//! use lvs_import::{NoNames, Options, detect, import};
//!
//! let text = "checkinterval=2\nvirtual=192.0.2.10:80\n\treal=192.0.2.21:80 gate\n\tchecktype=connect\n";
//! let source = detect(text).unwrap();
//! let imported = import(source, text, &Options::default(), &NoNames);
//! assert!(imported.configuration.contains("TCP_CHECK"));
//! ```
//!
//! # Panics
//!
//! No function panics on any input.

#![forbid(unsafe_code)]

mod block;
mod ipvsadm;
mod ldirectord;
mod names;
mod parts;
mod piranha;
mod report;
mod vrrp;

pub use names::{Names, NoNames};
pub use report::{Finding, Severity};

use report::Report;

/// Longest text that is read, in bytes; what is beyond it is left out and reported.
pub const MAX_TEXT: usize = 4 << 20;

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Source {
    /// What `ipvsadm -S` or `ipvsadm-save` prints.
    Ipvsadm,
    /// ldirectord's configuration.
    Ldirectord,
    /// Piranha's `lvs.cf`.
    Piranha,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ipvsadm => "ipvsadm -S",
            Self::Ldirectord => "ldirectord.cf",
            Self::Piranha => "lvs.cf",
        })
    }
}

/// Which of the two nodes the configuration is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Node {
    /// The one that has the addresses first (priority 150).
    #[default]
    Primary,
    /// The other one (priority 100).
    Backup,
}

/// What the files do not say.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Interface of the virtual addresses, where the file names none. With it, a `vrrp_instance` is
    /// written for files of ipvsadm and ldirectord too.
    pub interface: Option<String>,
    /// `virtual_router_id` (1 to 255) of the instance; default 51.
    pub virtual_router_id: u8,
    /// Which node the result is for.
    pub node: Node,
    /// Write a `TCP_CHECK` for TCP servers of an `ipvsadm` dump, which knows no checks; default true.
    pub add_checks: bool,
    /// Use only keywords that keepalived knows, too, and report what they cannot say; default false.
    pub only_keepalived: bool,
    /// What the file is called in the heading of the result.
    pub file_name: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            interface: None,
            virtual_router_id: 51,
            node: Node::default(),
            add_checks: true,
            only_keepalived: false,
            file_name: None,
        }
    }
}

/// The result of [`import`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Imported {
    /// What the text was taken for.
    pub source: Source,
    /// A `keepalived.conf`.
    pub configuration: String,
    /// What is not as it was, in the order of the lines; findings about the whole file come first.
    pub findings: Vec<Finding>,
    /// Virtual servers written, those commented out not counted.
    pub virtual_servers: usize,
    /// Real servers written, those commented out not counted.
    pub real_servers: usize,
}

/// Translates `text`. What cannot be understood is in the findings; there is always a configuration.
#[must_use]
pub fn import(source: Source, text: &str, options: &Options, names: &dyn Names) -> Imported {
    let mut report = Report::default();
    let mut end = text.len();
    if end > MAX_TEXT {
        end = (0..=MAX_TEXT)
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0);
        let message = format!("the file is longer than {MAX_TEXT} bytes, the rest is left out");
        report.add(None, Severity::Lost, "file", message);
    }
    let text = text.get(..end).unwrap_or_default();
    let result = match source {
        Source::Ipvsadm => ipvsadm::import(text, options, names, &mut report),
        Source::Ldirectord => ldirectord::import(text, options, names, &mut report),
        Source::Piranha => piranha::import(text, options, names, &mut report),
    };
    let findings = report.finish();
    Imported {
        source,
        configuration: result.write(source, options, &findings),
        virtual_servers: result.virtual_servers(),
        real_servers: result.real_servers(),
        findings,
    }
}

/// What the text looks like: its first telling line decides.
#[must_use]
pub fn detect(text: &str) -> Option<Source> {
    let mut lines = text
        .split(['\n', '\r'])
        .map(|line| (line.trim(), line.starts_with([' ', '\t'])))
        .filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    lines.find_map(|(line, _)| {
        let mut words = line.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        let second = words.next();
        if first == "ipvsadm" || is_option(first, second) {
            return Some(Source::Ipvsadm);
        }
        // Piranha puts blanks around the sign and opens blocks with a brace; ldirectord's keys are its own.
        if matches!(first, "virtual" | "failover") && line.ends_with('{') {
            return Some(Source::Piranha);
        }
        let (key, _) = line.split_once('=')?;
        let key = key.trim().to_ascii_lowercase();
        if ldirectord::is_key(&key) {
            Some(Source::Ldirectord)
        } else if piranha::is_key(&key) {
            Some(Source::Piranha)
        } else {
            None
        }
    })
}

fn is_option(first: &str, second: Option<&str>) -> bool {
    let command = matches!(
        first,
        "-A" | "-a"
            | "-E"
            | "-e"
            | "--add-service"
            | "--add-server"
            | "--set"
            | "--start-daemon"
            | "-C"
            | "--clear"
    );
    command && (second.is_none_or(|word| word.starts_with('-')) || first.starts_with("--s"))
}

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

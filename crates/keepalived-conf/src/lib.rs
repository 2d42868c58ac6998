//! The keepalived.conf language: lossless parser, keyword schema, typed model and diagnostics.
//!
//! [`load`] reads a configuration with everything it includes and gives a [`Parsed`]: the typed
//! [`Config`], all [`Diagnostics`], and the [`SourceMap`] that tells where each value and each
//! finding stands. Nothing stops the reading; whether the result may be acted on is what
//! [`Diagnostics::has_errors`] says.
//!
//! What it is not: a daemon, a client of the kernel, or a copy of keepalived's accidents. Where
//! keepalived does something surprising, the diagnostic says so in a note.
//!
//! ```
//! use keepalived_conf::{InMemory, Options, load};
//!
//! let mut loader = InMemory::new()
//!     .with("keepalived.conf", "include services/*.conf\n")
//!     .with("services/web.conf", "virtual_server 10.0.0.1 80 {\n  lb_algo rr\n  lb_kind DR\n  \
//!            protocol TCP\n  real_server 10.0.0.2 80 {\n    weigth 2\n  }\n}\n");
//! let parsed = load("keepalived.conf".as_ref(), &mut loader, &Options::default());
//! assert_eq!(parsed.config.virtual_server.len(), 1);
//! let finding = parsed.diagnostics.iter().find(|d| d.code.to_string() == "KC0102").unwrap();
//! let place = parsed.sources.locate(finding.span().unwrap()).unwrap();
//! assert_eq!((place.path.to_str(), place.line), (Some("services/web.conf"), 6));
//! assert_eq!(finding.help.as_ref().unwrap().message, "did you mean `weight`?");
//! ```
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | the values of a configuration | [`model`] |
//! | what a keyword takes and what is done with it | [`keyword`], [`reference`](mod@reference) |
//! | what a finding means | [`codes`], [`explain`] |
//! | reports | [`render`] |
//! | commands with text and exit status | [`cli`] |
//! | two nodes' files | [`compare`](mod@compare) |
//! | layout | [`fn@format`], [`tree`] |
//!
//! # Panics
//!
//! No function panics on any input. Passwords appear in no `Debug` output, report or
//! serialisation.

#![forbid(unsafe_code)]

mod check;
pub mod cli;
pub mod codes;
pub mod compare;
pub mod diagnostic;
mod diff;
mod expand;
pub mod explain;
mod format;
pub mod keyword;
mod known;
mod levels;
pub mod loader;
mod lower;
mod meaning;
pub mod model;
pub mod reference;
pub mod render;
mod shorten;
pub mod source;
mod suggest;
mod syntax;
pub mod tree;

use std::path::Path;

pub use diagnostic::{Code, Diagnostic, Diagnostics, Help, Label, Severity};
pub use format::{FormatError, format, format_file};
pub use known::{Known, load_again};
pub use levels::{Level, Levels, ParseLevelError};
pub use loader::{FileSystem, InMemory, Loader};
pub use model::Config;
pub use source::{FileId, Location, SourceMap, Span};

/// How to load.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// What `@ID` lines are compared with (`-i`); keepalived takes the host name up to the first
    /// dot. `None` matches no `@ID`.
    pub config_id: Option<String>,
    /// Checks of every `include` (`-e` switches all on).
    pub include_checks: model::IncludeChecks,
    /// Severities chosen per code; comments in the file go before them.
    pub levels: Levels,
    /// Seed of `${_RANDOM}`: the same seed gives the same numbers.
    pub random_seed: u64,
    /// Ask the loader about the scripts named in the file.
    pub check_scripts: bool,
    /// Leave out notes, which a program that runs the file has no use for and of which there may be one
    /// for every real server. Where a comment in the file sets a severity, nothing is left out.
    pub without_notes: bool,
}

/// What a load made of the text.
#[derive(Debug)]
#[non_exhaustive]
pub struct Parsed {
    /// The typed configuration: everything that could be understood.
    pub config: Config,
    /// Everything found, in the order of the text.
    pub diagnostics: Diagnostics,
    /// The text, to interpret spans.
    pub sources: SourceMap,
    levels: levels::InForce,
    /// Where the virtual servers that were read stand, line by line.
    extents: Vec<Span>,
    /// Those that were not read because their text is known.
    passed_over: Vec<known::PassedOver>,
}

impl Parsed {
    /// Adds findings that the caller made in this configuration. The levels of the load, those in
    /// comments of the files among them, apply to them too, and the order of the text is kept.
    pub fn report(&mut self, findings: impl IntoIterator<Item = Diagnostic>) {
        let list = &mut self.diagnostics.list;
        let before = list.len();
        let sources = &self.sources;
        list.extend(
            findings
                .into_iter()
                .filter_map(|finding| self.levels.apply(finding, sources)),
        );
        if list.len() == before {
            return;
        }
        list.sort_by_key(|d| {
            let place = d.span().map(|span| sources.in_file(span).start());
            (place.unwrap_or(u32::MAX), d.code)
        });
        list.dedup();
    }
}

/// Reads and understands a configuration; never fails early, always returns what it could make
/// of it. A file that cannot be read is a diagnostic too.
#[must_use]
pub fn load(path: &Path, loader: &mut dyn Loader, options: &Options) -> Parsed {
    lower::load(path, loader, options, SourceMap::default())
}

/// Finds what [`load`] finds, in little memory: virtual servers are shown to `visit` one by one and
/// most of them are dropped then, so the returned [`Config`] does not have all of them.
///
/// `visit` sees every virtual server once, with its effective values, and what was read of the
/// configuration so far; values that come from `global_defs` are final only for servers that run
/// scripts or refer to other blocks.
#[must_use]
pub fn examine(
    path: &Path,
    loader: &mut dyn Loader,
    options: &Options,
    visit: &mut dyn FnMut(&Config, &model::VirtualServer),
) -> Parsed {
    let knowledge = lower::Knowledge::Visitor(visit);
    lower::read(path, loader, options, SourceMap::default(), knowledge)
}

/// Loads text from memory, without any file.
#[must_use]
pub fn load_str(text: &str) -> Parsed {
    let mut loader = InMemory::new().with("keepalived.conf", text);
    load(
        Path::new("keepalived.conf"),
        &mut loader,
        &Options::default(),
    )
}

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

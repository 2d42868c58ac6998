//! The keepalived.conf language: lossless parser, keyword schema, typed model and diagnostics.

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
mod levels;
pub mod loader;
mod lower;
pub mod model;
pub mod reference;
pub mod render;
pub mod source;
mod suggest;
mod syntax;
pub mod tree;

use std::path::Path;

pub use diagnostic::{Code, Diagnostic, Diagnostics, Help, Label, Severity};
pub use format::{FormatError, format};
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
}

/// Reads and understands a configuration; never fails early, always returns what it could make
/// of it. A file that cannot be read is a diagnostic too.
#[must_use]
pub fn load(path: &Path, loader: &mut dyn Loader, options: &Options) -> Parsed {
    lower::load(path, loader, options, SourceMap::default())
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

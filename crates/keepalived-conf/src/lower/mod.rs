//! From statements to the typed model, driven by the keyword table.

mod address;
mod call;
pub(crate) mod check_parts;
mod common_parts;
mod echo;
mod entries;
mod finish;
mod finish_checks;
mod finish_lvs;
mod finish_vrrp;
pub(crate) mod global_parts;
pub(crate) mod instance_parts;
pub(crate) mod lvs_parts;
mod passing;
mod placeholder;
pub(crate) mod root_parts;
mod route;
mod rule;
mod script;
mod slot;
mod unknown;
mod value;

use passing::Passing;

pub(crate) use address::address_entry;
pub(crate) use call::Call;
pub(crate) use route::route_entry;
pub(crate) use rule::rule_entry;
pub(crate) use script::{Quoting, tokenise};

use std::collections::HashMap;
use std::path::Path;

use crate::expand::Reader;
use crate::levels::InForce;
use crate::loader::Loader;
use crate::model::{Config, VirtualServer};
use crate::source::SourceMap;
use crate::{Diagnostics, Options, Parsed, Span, check, keyword};

/// Sees a virtual server with its effective values.
pub(crate) type Visit<'v> = dyn FnMut(&Config, &VirtualServer) + 'v;

/// Loads a configuration. The sources of this load are added to `sources`.
pub(crate) fn load(
    path: &Path,
    loader: &mut dyn Loader,
    options: &Options,
    sources: SourceMap,
) -> Parsed {
    read(path, loader, options, sources, None)
}

/// Loads a configuration. With a visitor virtual servers are shown to it and dropped, all but a few.
pub(crate) fn read(
    path: &Path,
    loader: &mut dyn Loader,
    options: &Options,
    sources: SourceMap,
    mut visit: Option<&mut Visit<'_>>,
) -> Parsed {
    let mut lowering = Lowering {
        reader: Reader::new(loader, options, sources),
        ranges: Vec::new(),
        headers: Vec::new(),
        defined: HashMap::new(),
    };
    let mut config = Config::default();
    let mut passing = Passing::default();
    lowering.reader.start(path);
    while lowering.reader.next_block() {
        lowering.top_level(&mut config);
        lowering.reader.tape.clear();
        if let Some(visit) = visit.as_deref_mut() {
            passing.pass(&mut config, &mut lowering.reader, visit);
        }
    }
    finish::finish(&mut config, &mut lowering.reader);
    let passed = std::mem::take(&mut passing.passed);
    check::check(&mut config, passed, &mut lowering.reader, options);
    if let Some(visit) = visit {
        for server in &config.virtual_server {
            visit(&config, server);
        }
    }
    let headers = std::mem::take(&mut lowering.headers);
    let Reader {
        sources,
        mut diagnostics,
        comment_levels,
        ..
    } = lowering.reader;
    echo::remove(&mut diagnostics, &config, &headers, &sources);
    let levels = InForce {
        chosen: options.levels.clone(),
        comments: comment_levels
            .into_iter()
            .map(|l| ((l.line, l.code), l.level))
            .collect(),
    };
    let mut parsed = Parsed {
        config,
        diagnostics: Diagnostics::default(),
        sources,
        levels,
    };
    parsed.report(diagnostics);
    parsed
}

/// State of one load.
pub(crate) struct Lowering<'l> {
    pub(crate) reader: Reader<'l>,
    /// Keywords seen in the blocks being read: row number and place.
    ranges: Vec<(u16, Span)>,
    /// Top-level statements.
    headers: Vec<Span>,
    /// Names of top-level blocks by keyword.
    defined: HashMap<(&'static str, String), Span>,
}

impl Lowering<'_> {
    /// Lowers the statement on the tape.
    fn top_level(&mut self, config: &mut Config) {
        // The seen keywords of the root level are not kept: blocks repeat there.
        self.ranges.clear();
        let mut index = 0;
        while index < self.reader.tape.len() {
            self.headers
                .extend(self.reader.tape.get(index).map(|header| header.span));
            call::statement(self, &keyword::root::ROOT, config, index, None, 0);
            index = self.reader.tape.after(index).max(index + 1);
        }
    }
}

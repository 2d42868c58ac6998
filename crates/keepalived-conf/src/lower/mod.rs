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
pub(crate) use passing::stands_alone;

pub(crate) use address::address_entry;
pub(crate) use call::Call;
pub(crate) use route::route_entry;
pub(crate) use rule::rule_entry;
pub(crate) use script::{Quoting, tokenise};

use std::collections::HashMap;
use std::path::Path;

use crate::expand::{Passer, Reader};
use crate::known::Blocks;
use crate::levels::InForce;
use crate::loader::Loader;
use crate::model::{Config, VirtualServer};
use crate::source::SourceMap;
use crate::{Diagnostics, Options, Parsed, Span, check, keyword};

/// Sees a virtual server with its effective values.
pub(crate) type Visit<'v> = dyn FnMut(&Config, &VirtualServer) + 'v;

/// What a load need not understand, or not keep.
pub(crate) enum Knowledge<'k, 'v> {
    /// All is read and kept.
    Nothing,
    /// Virtual servers are shown and dropped, all but a few.
    Visitor(&'k mut Visit<'v>),
    /// Virtual servers whose text is known are passed over, all but the first that could be.
    Blocks(&'k Blocks),
}

/// Loads a configuration. The sources of this load are added to `sources`.
pub(crate) fn load(
    path: &Path,
    loader: &mut dyn Loader,
    options: &Options,
    sources: SourceMap,
) -> Parsed {
    read(path, loader, options, sources, Knowledge::Nothing)
}

/// Loads a configuration as far as it is not known.
pub(crate) fn read(
    path: &Path,
    loader: &mut dyn Loader,
    options: &Options,
    sources: SourceMap,
    knowledge: Knowledge<'_, '_>,
) -> Parsed {
    let (mut visit, blocks) = match knowledge {
        Knowledge::Nothing => (None, None),
        Knowledge::Visitor(visit) => (Some(visit), None),
        Knowledge::Blocks(blocks) => (None, Some(blocks)),
    };
    let mut lowering = Lowering {
        reader: Reader::new(loader, options, sources),
        ranges: Vec::new(),
        headers: Vec::new(),
        defined: HashMap::new(),
    };
    let mut config = Config::default();
    let mut passing = Passing::default();
    let mut extents = Vec::new();
    lowering.reader.start(path);
    while lowering.reader.next_block() {
        if visit.is_none() {
            extents.extend(lowering.reader.virtual_server_extent());
        }
        lowering.top_level(&mut config);
        lowering.reader.tape.clear();
        if let Some(blocks) = blocks
            && lowering.reader.known.is_none()
            && config.virtual_server.last().is_some_and(stands_alone)
        {
            // That one stands for those that are passed over where the configuration is judged as a whole.
            lowering.reader.known = Some(Passer::new(blocks));
        }
        if let Some(visit) = visit.as_deref_mut() {
            passing.pass(&mut config, &mut lowering.reader, visit);
        }
    }
    finish::finish(&mut config, &mut lowering.reader);
    let mut passed = std::mem::take(&mut passing.passed);
    let passed_over = lowering.reader.known.take().map(|known| known.passed);
    let passed_over = passed_over.unwrap_or_default();
    if let Some(blocks) = blocks {
        let each = passed_over.iter();
        passed.extend(each.filter_map(|(index, span)| blocks.target(*index, span.start())));
    }
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
        extents,
        passed_over,
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

//! From statements to the typed model, driven by the keyword table.

mod address;
mod call;
pub(crate) mod check_parts;
mod common_parts;
mod entries;
mod finish;
mod finish_lvs;
mod finish_vrrp;
pub(crate) mod global_parts;
pub(crate) mod instance_parts;
pub(crate) mod lvs_parts;
pub(crate) mod root_parts;
mod route;
mod rule;
mod script;
mod slot;
mod unknown;
mod value;

pub(crate) use address::address_entry;
pub(crate) use call::Call;
pub(crate) use route::route_entry;
pub(crate) use rule::rule_entry;
pub(crate) use script::{Quoting, tokenise};

use std::path::Path;

use crate::expand::Reader;
use crate::loader::Loader;
use crate::model::Config;
use crate::source::SourceMap;
use crate::{Options, Parsed, check, keyword, levels};

/// Loads a configuration. The sources of this load are added to `sources`.
pub(crate) fn load(
    path: &Path,
    loader: &mut dyn Loader,
    options: &Options,
    sources: SourceMap,
) -> Parsed {
    let mut lowering = Lowering {
        reader: Reader::new(loader, options, sources),
        ranges: Vec::new(),
    };
    let mut config = Config::default();
    lowering.reader.start(path);
    while lowering.reader.next_block() {
        lowering.top_level(&mut config);
        lowering.reader.tape.clear();
    }
    finish::finish(&mut config, &mut lowering.reader);
    check::check(&mut config, &mut lowering.reader, options);
    let Reader {
        sources,
        diagnostics,
        comment_levels,
        ..
    } = lowering.reader;
    let mut list = Vec::with_capacity(diagnostics.len());
    for mut diagnostic in diagnostics {
        let line = diagnostic.span().map(|span| sources.line_of(span));
        let comment = comment_levels
            .iter()
            .rev()
            .find(|l| l.code == diagnostic.code && Some(l.line) == line)
            .map(|l| l.level);
        let level = comment.or_else(|| options.levels.of(diagnostic.code));
        if let Some(severity) = levels::apply(diagnostic.code, diagnostic.severity, level) {
            diagnostic.severity = severity;
            list.push(diagnostic);
        }
    }
    list.sort_by_key(|d| {
        (
            d.span()
                .map_or(u32::MAX, |span| sources.in_file(span).start()),
            d.code,
        )
    });
    list.dedup();
    Parsed {
        config,
        diagnostics: crate::Diagnostics { list },
        sources,
    }
}

/// State of one load.
pub(crate) struct Lowering<'l> {
    pub(crate) reader: Reader<'l>,
    /// Keywords seen in the blocks being read: row number and place.
    ranges: Vec<(u16, crate::Span)>,
}

impl Lowering<'_> {
    /// Lowers the statement on the tape.
    fn top_level(&mut self, config: &mut Config) {
        // The seen keywords of the root level are not kept: blocks repeat there.
        self.ranges.clear();
        let mut index = 0;
        while index < self.reader.tape.len() {
            call::statement(self, &keyword::root::ROOT, config, index, 0);
            index = self.reader.tape.after(index).max(index + 1);
        }
    }
}

//! Remarks that only repeat in other words what an error says already.

use std::collections::{BTreeMap, BTreeSet};

use crate::codes;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::model::Config;
use crate::source::{SourceMap, Span};

/// Errors by which something that stands in the file is missing in the model.
const LOSES: &[Code] = &[
    codes::UNEXPECTED_OPEN,
    codes::EXTRA_CLOSE,
    codes::MISSING_OPEN,
    codes::UNCLOSED,
    codes::PLACEHOLDER,
    codes::MISSPELT_KEYWORD,
    codes::GLUED_KEYWORD,
    codes::MISPLACED_KEYWORD,
    codes::UNKNOWN_BLOCK,
    codes::FOREIGN_KEYWORD,
    codes::UNEXPECTED_BLOCK,
    codes::MISSING_ARGUMENT,
    codes::EXTRA_ARGUMENT,
    codes::BAD_ADDRESS,
    codes::BAD_PREFIX,
    codes::BAD_OPTION,
    codes::UNDEFINED,
    codes::UNRESOLVED,
];

/// Removes them. `headers` are the beginnings of the top-level blocks.
pub(super) fn remove(
    found: &mut Vec<Diagnostic>,
    config: &Config,
    headers: &[Span],
    sources: &SourceMap,
) {
    let place = |span: Span| sources.in_file(span).start();
    let losses: Vec<&Diagnostic> = found
        .iter()
        .filter(|d| d.severity == Severity::Error && LOSES.contains(&d.code))
        .collect();
    if losses.is_empty() {
        return;
    }
    let mut starts: Vec<u32> = headers.iter().map(|span| place(*span)).collect();
    starts.sort_unstable();
    let block_of = |span: Option<Span>| {
        span.map_or(0, |span| {
            let at = place(span);
            starts.partition_point(|start| *start <= at)
        })
    };
    let broken: BTreeSet<usize> = losses.iter().map(|d| block_of(d.span())).collect();
    let structure = losses.iter().any(|d| d.code <= codes::UNCLOSED);
    let name_lost = structure
        || losses.iter().any(|d| {
            [
                codes::UNRESOLVED,
                codes::MISSPELT_KEYWORD,
                codes::UNKNOWN_BLOCK,
                codes::MISSING_ARGUMENT,
                codes::MISPLACED_KEYWORD,
            ]
            .contains(&d.code)
        });
    let instance_broken = structure
        || config
            .vrrp_instance
            .iter()
            .any(|instance| broken.contains(&block_of(Some(instance.span.0))));
    let mut empty: BTreeMap<usize, String> = BTreeMap::new();
    found.retain(|d| match d.code {
        codes::NO_ADDRESS | codes::NO_REAL_SERVER => {
            let block = block_of(d.span());
            let repeats = broken.contains(&block);
            if repeats {
                empty.insert(block, format!("so {}", d.message));
            }
            !repeats
        }
        codes::ADDRESS_NOT_HELD => !instance_broken,
        codes::UNUSED => !name_lost,
        _ => true,
    });
    // What was left out is said where it comes from.
    let errors = found
        .iter_mut()
        .filter(|d| d.severity == Severity::Error && LOSES.contains(&d.code));
    for error in errors {
        if let Some(consequence) = empty.remove(&block_of(error.span())) {
            error.notes.push(consequence);
        }
    }
}

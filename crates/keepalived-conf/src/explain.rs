//! The page of each diagnostic code.

use crate::diagnostic::Code;

/// All pages, as Markdown: one section `## KCnnnn: title` per code.
pub const PAGES: &str = include_str!("pages.md");

/// The page of a code, as Markdown; `None` if there is no such code.
///
/// ```
/// let code = "KC0102".parse()?;
/// assert!(keepalived_conf::explain::explain(code).is_some());
/// # Ok::<(), keepalived_conf::diagnostic::ParseCodeError>(())
/// ```
#[must_use]
pub fn explain(code: Code) -> Option<&'static str> {
    let heading = format!("## {code}:");
    let start = PAGES.find(&heading)?;
    let rest = PAGES.get(start..)?;
    let end = rest.get(3..)?.find("\n## ").map_or(rest.len(), |at| at + 4);
    rest.get(..end)
}

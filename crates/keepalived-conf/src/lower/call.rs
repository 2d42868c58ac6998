//! One keyword with its arguments.

use super::Lowering;
use super::slot::Slot;
use super::value::Value;
use crate::codes;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::keyword::table::Spelling;
use crate::keyword::{Arguments, Keyword, Repeat, Scope, Status, Table};
use crate::model::{Setting, Spanned};
use crate::source::Span;
use crate::syntax::statement::Word;

/// What a row's function works with: the keyword, its words, its block.
pub(crate) struct Call<'c, 'l> {
    pub(crate) low: &'c mut Lowering<'l>,
    pub(crate) keyword: &'static Keyword,
    /// Statement on the tape.
    pub(crate) index: usize,
    /// The keyword as written.
    pub(crate) name: Span,
    /// Words of the statement that were understood, the keyword included.
    pub(crate) used: usize,
}

/// Handles one statement of a block with keywords. `block` is the block's statement, `seen` is where the block's keywords begin in
/// [`Lowering::ranges`].
pub(super) fn statement<T>(
    low: &mut Lowering<'_>,
    table: &'static Table<T>,
    target: &mut T,
    index: usize,
    block: Option<usize>,
    seen: usize,
) {
    let Some(statement) = low.reader.tape.get(index).copied() else {
        return;
    };
    let words = low.reader.tape.words(&statement);
    // A brace without keyword was reported when it was read.
    let Some(&first) = words.first() else { return };
    let count = words.len();
    let name = low.reader.sources.text(first.span);
    let Some(found) = table.find(name) else {
        low.unknown(table.scope, &table.keywords(), index, block);
        return;
    };
    let (number, row) = (found.number, found.row);
    let keyword = &row.keyword;
    if let Spelling::Old(old) = found.spelling {
        low.old_spelling(keyword, old.known, first.span);
    }
    if keyword.repeat != Repeat::Adds
        && keyword.arguments.block().is_none()
        && table.scope != Scope::Root
    {
        let before = low
            .ranges
            .get(seen..)
            .unwrap_or_default()
            .iter()
            .find(|(n, _)| *n == number);
        if let Some(&(_, before)) = before {
            low.written_twice(keyword, before, statement.span);
            if keyword.repeat == Repeat::First {
                return;
            }
        } else {
            low.ranges.push((number, statement.span));
        }
    }
    match found.status {
        Status::Done => {}
        Status::NotBuilt => low.not_built(keyword, first.span),
        Status::NoEffect(reason) => low.no_effect(keyword, reason, first.span),
        Status::Refused(reason) => low.refused(keyword, reason, first.span),
    }
    let known = low.reader.diagnostics.len();
    let mut call = Call {
        low,
        keyword,
        index,
        name: first.span,
        used: 1,
    };
    (row.set)(target, &mut call);
    let used = call.used;
    if keyword.arguments.block().is_some() {
        return;
    }
    // Words after one that was not understood follow from that.
    let reports = low.reader.diagnostics.get(known..).unwrap_or_default();
    let failed = reports.iter().any(|d| d.severity == Severity::Error);
    if used < count && !failed {
        let words = low.reader.tape.words(&statement);
        let next = words.get(used).filter(|word| !word.quoted);
        let begins_another =
            next.is_some_and(|word| table.find(low.reader.sources.text(word.span)).is_some());
        if begins_another {
            low.two_statements(keyword, index, used);
            return;
        }
        low.extra_words(keyword, index, used);
    }
    if statement.open.is_some() {
        low.unexpected_block(keyword, &statement);
    }
}

impl Call<'_, '_> {
    /// Word `index` of the statement; 0 is the keyword.
    pub(crate) fn word(&self, index: usize) -> Option<Word> {
        let statement = self.low.reader.tape.get(self.index)?;
        self.low.reader.tape.words(statement).get(index).copied()
    }

    /// The next word that is not understood yet.
    pub(crate) fn next(&mut self) -> Option<Word> {
        let word = self.word(self.used)?;
        self.used += 1;
        Some(word)
    }

    /// The next word without taking it.
    pub(crate) fn peek(&self) -> Option<&str> {
        self.word(self.used)
            .map(|word| self.low.reader.sources.text(word.span))
    }

    pub(crate) fn text(&self, span: Span) -> &str {
        self.low.reader.sources.text(span)
    }

    /// The next word as owned text with its place.
    pub(crate) fn next_text(&mut self) -> Option<Spanned<String>> {
        let word = self.next()?;
        Some(Spanned::new(self.text(word.span).to_owned(), word.span))
    }

    /// The whole statement without its block.
    pub(crate) fn span(&self) -> Span {
        self.low
            .reader
            .tape
            .get(self.index)
            .map_or(self.name, |s| s.span)
    }

    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        self.low.reader.report(diagnostic);
    }

    pub(crate) fn error(&mut self, code: Code, message: impl Into<String>, span: Span) {
        self.report(Diagnostic::new(code, Severity::Error, message, span));
    }

    pub(crate) fn warning(&mut self, code: Code, message: impl Into<String>, span: Span) {
        self.report(Diagnostic::new(code, Severity::Warning, message, span));
    }

    /// Reads the value by the keyword's grammar and stores it.
    pub(crate) fn put(&mut self, slot: &mut impl Slot) {
        match self.value() {
            Some((value, span)) => slot.put(value, span),
            None => slot.spoil(self.name),
        }
    }

    /// Sets a flag to a value of its own.
    pub(crate) fn set<V>(&mut self, slot: &mut Setting<V>, value: V) {
        slot.set(value, self.name);
    }

    /// Reads one of the keyword's words and stores what it stands for.
    pub(crate) fn choose<V: Copy>(&mut self, slot: &mut Setting<V>, values: &[V]) {
        match self.value() {
            Some((Value::Choice(index), span)) => {
                if let Some(value) = values.get(index) {
                    slot.set(*value, span);
                }
            }
            _ => slot.spoil(self.name),
        }
    }

    /// The name after a block keyword (`vrrp_instance NAME {`).
    pub(crate) fn block_name(&mut self) -> Option<Spanned<String>> {
        match self.next_text() {
            Some(name) => {
                self.surplus_header();
                Some(name)
            }
            None => {
                let header = match self.keyword.arguments {
                    Arguments::Block { header, .. } | Arguments::NamedEntries { header, .. } => {
                        header
                    }
                    _ => "NAME",
                };
                let keyword = self.keyword.name;
                let name = self.name;
                let diagnostic = Diagnostic::new(
                    codes::MISSING_ARGUMENT,
                    Severity::Error,
                    format!("`{keyword}` needs a name"),
                    name,
                )
                .note("keepalived ends at once with status 2")
                .fix("add one", name.after(), format!(" {header}"));
                self.report(diagnostic);
                None
            }
        }
    }

    /// Reports words after the header of a block.
    pub(crate) fn surplus_header(&mut self) {
        let Some(word) = self.word(self.used) else {
            return;
        };
        let keyword = self.keyword.name;
        let text = self.text(word.span).to_owned();
        self.warning(
            codes::EXTRA_ARGUMENT,
            format!("`{keyword}` does not take `{text}`; it is ignored"),
            word.span,
        );
    }

    /// Lowers the statements of this keyword's block.
    pub(crate) fn block<T>(&mut self, table: &'static Table<T>, target: &mut T) {
        let seen = self.low.ranges.len();
        let mut children = self.low.reader.tape.first_child(self.index);
        while let Some(child) = children {
            statement(self.low, table, target, child, Some(self.index), seen);
            children = self.low.reader.tape.next_sibling(self.index, child);
        }
        self.low.ranges.truncate(seen);
    }

    /// Visits the entries of this keyword's block; a nested block inside is reported.
    pub(crate) fn entries(&mut self, mut visit: impl FnMut(&mut Call<'_, '_>)) {
        let mut children = self.low.reader.tape.first_child(self.index);
        while let Some(child) = children {
            children = self.low.reader.tape.next_sibling(self.index, child);
            let Some(statement) = self.low.reader.tape.get(child).copied() else {
                continue;
            };
            let Some(&first) = self.low.reader.tape.words(&statement).first() else {
                continue;
            };
            if let Some(open) = statement.open {
                let keyword = self.keyword.name;
                self.error(
                    codes::UNEXPECTED_BLOCK,
                    format!("entries of `{keyword}` have no blocks"),
                    open,
                );
            }
            let mut entry = Call {
                low: self.low,
                keyword: self.keyword,
                index: child,
                name: first.span,
                used: 0,
            };
            visit(&mut entry);
        }
    }
}

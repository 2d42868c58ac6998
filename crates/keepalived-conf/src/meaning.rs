//! Whether two texts of a file say the same, whoever reads them.
//!
//! Compared are the model, and the statements that it is made from: so words count too that the
//! model does not hold, such as unknown keywords, the statements of a file that is only a part of
//! another one, and the files that are asked for. The text is read once for every configuration id
//! that it names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::expand::Reader;
use crate::loader::{Loader, ReadError, ScriptFile};
use crate::source::SourceMap;
use crate::{Diagnostic, Options, Parsed, Severity, codes, lower};

/// Most configuration ids that are tried.
const MAX_IDS: usize = 16;

/// A file whose text is at hand, among others that the loader knows.
pub(crate) struct Place<'p> {
    pub(crate) path: &'p Path,
    pub(crate) loader: &'p mut dyn Loader,
}

/// One statement, after definitions, conditions and sequences.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    /// Words with whether they are quoted.
    words: Vec<(String, bool)>,
    opens: bool,
    closed: bool,
    /// Statements up to the end of its block.
    length: usize,
}

impl Place<'_> {
    /// Loads the text as if it stood in the file.
    pub(crate) fn load(&mut self, text: &str, id: Option<&str>) -> Parsed {
        let path = self.path;
        let mut loader = self.with(text);
        lower::load(path, &mut loader, &options(id), SourceMap::default())
    }

    fn with<'t>(&'t mut self, text: &'t str) -> WithText<'t> {
        WithText {
            path: self.path,
            text,
            inner: self.loader,
            asked: Vec::new(),
        }
    }

    /// True if both texts say the same, for every configuration id that they name.
    pub(crate) fn same(&mut self, before: &str, after: &str) -> bool {
        let ids = ids_of(before);
        if ids != ids_of(after) {
            return false;
        }
        let ids: Vec<Option<&str>> = std::iter::once(None)
            .chain(ids.iter().map(|id| Some(id.as_str())))
            .collect();
        ids.into_iter().all(|id| {
            let (old, new) = (self.load(before, id), self.load(after, id));
            // A text that is broken for one id only stays so.
            broken(&old).is_none() == broken(&new).is_none()
                && old.config == new.config
                && self.statements(before, id) == self.statements(after, id)
        })
    }

    /// All statements, and the files asked for.
    fn statements(&mut self, text: &str, id: Option<&str>) -> (Vec<Said>, Vec<String>) {
        let options = options(id);
        let path = self.path;
        let mut loader = self.with(text);
        let mut reader = Reader::new(&mut loader, &options, SourceMap::default());
        reader.start(path);
        let mut all = Vec::new();
        while reader.next_block() {
            for index in 0..reader.tape.len() {
                let Some(statement) = reader.tape.get(index) else {
                    break;
                };
                let words = reader.tape.words(statement);
                all.push(Said {
                    words: words
                        .iter()
                        .map(|word| (reader.sources.text(word.span).to_owned(), word.quoted))
                        .collect(),
                    opens: statement.open.is_some(),
                    closed: statement.close.is_some(),
                    length: reader.tape.after(index) - index,
                });
            }
            reader.tape.clear();
        }
        drop(reader);
        (all, loader.asked)
    }
}

fn options(id: Option<&str>) -> Options {
    Options {
        config_id: id.map(str::to_owned),
        ..Options::default()
    }
}

/// The first problem with braces or quotes.
pub(crate) fn broken(parsed: &Parsed) -> Option<&Diagnostic> {
    parsed.diagnostics.iter().find(|d| {
        let structure = d.code <= codes::OPEN_QUOTE
            || [codes::NUL_BYTE, codes::TOO_DEEP, codes::EXPANSION_LIMIT].contains(&d.code);
        structure && d.severity == Severity::Error
    })
}

/// Words that follow an `@` or `@^`.
fn ids_of(text: &str) -> BTreeSet<String> {
    text.split('@')
        .skip(1)
        .map(|rest| {
            let rest = rest.strip_prefix('^').unwrap_or(rest);
            let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | '@'));
            rest.get(..end.unwrap_or(rest.len()))
                .unwrap_or("")
                .to_owned()
        })
        .filter(|id| !id.is_empty() && id.len() < 256)
        .take(MAX_IDS)
        .collect()
}

/// The loader, with another text in one file.
struct WithText<'t> {
    path: &'t Path,
    text: &'t str,
    inner: &'t mut dyn Loader,
    asked: Vec<String>,
}

impl Loader for WithText<'_> {
    fn read(&mut self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        if path == self.path {
            return Ok(self.text.as_bytes().to_vec());
        }
        self.asked.push(path.display().to_string());
        self.inner.read(path, limit)
    }

    fn matches(&mut self, pattern: &str) -> Vec<PathBuf> {
        self.asked.push(pattern.to_owned());
        self.inner.matches(pattern)
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.inner.environment(name)
    }

    fn script(&self, path: &Path) -> Option<ScriptFile> {
        self.inner.script(path)
    }

    fn mode(&self, path: &Path) -> Option<u32> {
        self.inner.mode(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InMemory;

    #[test]
    fn every_word_counts() {
        let mut place = Place {
            path: Path::new("f"),
            loader: &mut InMemory::new(),
        };
        assert!(place.same("zzyzx a  b {\n}\n", "zzyzx a b {\n}\n"));
        for (before, after) in [
            ("zzyzx a b\n", "zzyzx a c\n"),
            ("zzyzx \"a\" b\n", "zzyzx a b\n"),
            ("zzyzx { a }\n", "zzyzx { a\n b }\n"),
            ("include a/*.conf\n", "include b/*.conf\n"),
            ("@main zzyzx a\n", "@main zzyzx b\n"),
            ("@main zzyzx a\n", "@other zzyzx a\n"),
            ("~SEQ(i, 3) zzyzx $i\n", "~SEQ(i, 4) zzyzx $i\n"),
        ] {
            assert!(!place.same(before, after), "{before}");
        }
    }
}

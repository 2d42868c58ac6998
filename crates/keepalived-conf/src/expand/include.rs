//! `include` and its variants.

use std::path::{Path, PathBuf};

use super::{Frame, Reader};
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::loader::ReadError;
use crate::model::IncludeChecks;
use crate::source::Span;

/// Deepest nesting of included files.
const MAX_INCLUDE_DEPTH: usize = 32;
/// Files read in one load at most.
const MAX_FILES: usize = 10_000;
/// Alternatives that the braces of one pattern make at most.
const MAX_ALTERNATIVES: usize = 1024;
/// Greatest file.
const MAX_FILE: u64 = 512 << 20;

pub(super) fn is_include(word: &str) -> bool {
    matches!(
        word,
        "include" | "includer" | "includem" | "includew" | "includeb" | "includea"
    )
}

fn checks_of(keyword: &str, base: IncludeChecks) -> IncludeChecks {
    let letter = keyword.as_bytes().get(7).copied();
    let all = letter == Some(b'a');
    IncludeChecks {
        read: base.read || letter.is_some(),
        matched: base.matched || all || matches!(letter, Some(b'm' | b'w')),
        wildcard: base.wildcard || all || letter == Some(b'w'),
        brace: base.brace || all || letter == Some(b'b'),
    }
}

/// Expands `{a,b}` as csh does. `None` when there are too many alternatives.
pub(crate) fn alternatives(pattern: &str) -> Option<Vec<String>> {
    let mut done = Vec::new();
    let mut work = vec![pattern.to_owned()];
    while let Some(text) = work.pop() {
        if work.len() + done.len() > MAX_ALTERNATIVES {
            return None;
        }
        let Some((before, choices, after)) = first_brace(&text) else {
            done.push(text);
            continue;
        };
        for choice in choices.iter().rev() {
            work.push(format!("{before}{choice}{after}"));
        }
    }
    Some(done)
}

fn first_brace(text: &str) -> Option<(String, Vec<String>, String)> {
    let open = text.find('{')?;
    let mut depth = 0_u32;
    let mut choices = vec![String::new()];
    for (index, character) in text.get(open..)?.char_indices() {
        match character {
            '{' => {
                depth += 1;
                if depth == 1 {
                    continue;
                }
            }
            '}' => {
                depth -= 1;
                if depth == 0 {
                    let before = text.get(..open)?.to_owned();
                    let after = text.get(open + index + 1..)?.to_owned();
                    return Some((before, choices, after));
                }
            }
            ',' if depth == 1 => {
                choices.push(String::new());
                continue;
            }
            _ => {}
        }
        choices.last_mut()?.push(character);
    }
    None
}

fn has_wildcard(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

impl Reader<'_> {
    /// Reads the main file or the files that match the main pattern.
    pub(crate) fn start(&mut self, path: &Path) {
        match read_file(self, path) {
            Ok(()) => {}
            Err(error) => {
                let text = String::new();
                let id = self.sources.add_file(path, text);
                let base = id.map_or(0, |id| self.sources.base_of(id));
                let message = format!("cannot read `{}`: {error}", path.display());
                let diagnostic = Diagnostic::new(
                    codes::UNREADABLE,
                    Severity::Error,
                    message,
                    Span::new(base, base),
                );
                self.report(diagnostic);
            }
        }
    }

    /// Directory of the file being read.
    pub(super) fn directory(&self) -> PathBuf {
        self.frames
            .iter()
            .rev()
            .find_map(|frame| match frame {
                Frame::File { path, .. } => Some(path),
                _ => None,
            })
            .and_then(|path| path.parent())
            .map(Path::to_path_buf)
            .unwrap_or_default()
    }

    pub(super) fn include(&mut self, keyword: Span, pattern: Span) {
        let checks = checks_of(self.sources.text(keyword), self.include_checks);
        let text = self.sources.text(pattern);
        let leading = text.len() - text.trim_start().len();
        let trimmed = text.trim();
        let place = Span::new(
            pattern.start() + leading as u32,
            pattern.start() + (leading + trimmed.len()) as u32,
        );
        let pattern = trimmed.to_owned();
        if pattern.is_empty() {
            let diagnostic = self
                .error(
                    codes::MISSING_ARGUMENT,
                    "`include` needs a file name or a pattern",
                    keyword,
                )
                .help("write `include /etc/keepalived/conf.d/*.conf`");
            self.report(diagnostic);
            return;
        }
        let depth = self
            .frames
            .iter()
            .filter(|f| matches!(f, Frame::File { .. }))
            .count();
        if depth >= MAX_INCLUDE_DEPTH {
            let message =
                format!("files include each other deeper than {MAX_INCLUDE_DEPTH} levels");
            let diagnostic = self.error(codes::INCLUDE_DEPTH, message, place);
            self.report(diagnostic);
            return;
        }
        let Some(choices) = alternatives(&pattern) else {
            let message = format!("the braces make more than {MAX_ALTERNATIVES} alternatives");
            let diagnostic = self.error(codes::INCLUDE_DEPTH, message, place);
            self.report(diagnostic);
            return;
        };
        let directory = self.directory();
        let mut paths = Vec::new();
        let mut any = false;
        for choice in &choices {
            let full = directory.join(choice);
            if has_wildcard(choice) {
                let found = self.loader.matches(&full.to_string_lossy());
                if found.is_empty() && (checks.wildcard || checks.brace && choices.len() > 1) {
                    self.nothing_matches(choice, place, true);
                    any = true;
                }
                any |= !found.is_empty();
                paths.extend(found.into_iter().map(|path| (path, true)));
            } else {
                any = true;
                paths.push((full, false));
            }
        }
        if !any {
            self.nothing_matches(&pattern, place, checks.wildcard);
        }
        // The last frame is read first.
        let mark = self.frames.len();
        for (path, globbed) in paths {
            self.include_one(&path, globbed, checks, place);
        }
        if let Some(new) = self.frames.get_mut(mark..) {
            new.reverse();
        }
    }

    fn include_one(&mut self, path: &Path, globbed: bool, checks: IncludeChecks, place: Span) {
        let open = self.frames.iter().any(|frame| match frame {
            Frame::File { path: open, at, .. } => open == path && *at > 0,
            _ => false,
        });
        if open {
            let message = format!("`{}` includes itself", path.display());
            let diagnostic = self.error(codes::INCLUDE_CYCLE, message, place);
            self.report(diagnostic);
            return;
        }
        let Err(error) = read_file(self, path) else {
            return;
        };
        // A directory or an executable file among the matches of a pattern is passed over.
        let skipped = globbed && matches!(error, ReadError::NotRegular | ReadError::Executable);
        if skipped && !checks.read {
            return;
        }
        let missing = matches!(error, ReadError::NotFound);
        let strict = if missing {
            checks.matched || checks.brace
        } else {
            checks.read
        };
        let severity = if strict {
            Severity::Error
        } else {
            Severity::Warning
        };
        let note = if strict {
            "keepalived refuses the configuration"
        } else {
            "keepalived goes on without the file; `includea` makes this an error"
        };
        let diagnostic = Diagnostic::new(
            codes::INCLUDE_FAILED,
            severity,
            format!("cannot include `{}`: {error}", path.display()),
            place,
        )
        .note(note);
        self.report(diagnostic);
    }

    fn nothing_matches(&mut self, pattern: &str, place: Span, strict: bool) {
        let severity = if strict {
            Severity::Error
        } else {
            Severity::Note
        };
        let diagnostic = Diagnostic::new(
            codes::INCLUDE_FAILED,
            severity,
            format!("no file matches `{pattern}`"),
            place,
        );
        self.report(diagnostic);
    }
}

/// Notes, once per file, that lines end in CR LF.
pub(super) fn carriage_return(diagnostics: &mut Vec<Diagnostic>, line: Span) {
    let diagnostic = Diagnostic::new(
        codes::CARRIAGE_RETURN,
        Severity::Note,
        "lines end in CR LF; the CR is taken as white space",
        Span::new(line.end() - 1, line.end()),
    );
    diagnostics.push(diagnostic);
}

/// Reads a file and makes it the innermost frame.
pub(crate) fn read_file(reader: &mut Reader<'_>, path: &Path) -> Result<(), ReadError> {
    if reader.files_read >= MAX_FILES {
        return Err(ReadError::TooLarge { limit: MAX_FILE });
    }
    let bytes = reader.loader.read(path, MAX_FILE)?;
    reader.files_read += 1;
    let (text, invalid) = match String::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            (
                String::from_utf8_lossy(error.as_bytes()).into_owned(),
                Some(at),
            )
        }
    };
    let Some(id) = reader.sources.add_file(path, text) else {
        return Err(ReadError::TooLarge {
            limit: crate::source::MAX_TOTAL as u64,
        });
    };
    let base = reader.sources.base_of(id);
    if let Some(at) = invalid {
        let at = base + at as u32;
        let diagnostic = Diagnostic::new(
            codes::NOT_UTF8,
            Severity::Note,
            "the file is not UTF-8 from here on; each bad byte is read as U+FFFD",
            Span::new(at, at),
        );
        reader.report(diagnostic);
    }
    let outer_checks = reader.include_checks;
    reader.frames.push(Frame::File {
        id,
        at: 0,
        path: path.to_path_buf(),
        returns_seen: false,
        outer_checks,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_expand_in_order() {
        assert_eq!(
            alternatives("a{b,c{d,e}}f").unwrap(),
            ["abf", "acdf", "acef"]
        );
        assert_eq!(alternatives("plain").unwrap(), ["plain"]);
        assert_eq!(alternatives("un{closed").unwrap(), ["un{closed"]);
        let many = "{a,b}".repeat(20);
        assert!(alternatives(&many).is_none());
    }
}

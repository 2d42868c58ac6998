//! Words the table does not know, and other remarks about keywords.

use super::Lowering;
use crate::codes;
use crate::diagnostic::{Diagnostic, Severity};
use crate::keyword::foreign::{self, Kind};
use crate::keyword::{self, Arguments, Keyword, Scope};
use crate::source::Span;
use crate::suggest;
use crate::syntax::statement::Statement;

/// Blocks whose loss changes what the daemon does.
const MATTERS: &[&str] = &[
    "vrrp_instance",
    "vrrp_script",
    "vrrp_sync_group",
    "virtual_server",
    "real_server",
    "virtual_server_group",
    "virtual_ipaddress",
    "virtual_ipaddress_excluded",
    "authentication",
    "auth_hmac",
    "track_script",
    "track_interface",
    "track_file",
    "track_process",
    "track_bfd",
    "unicast_peer",
    "group",
    "TCP_CHECK",
    "HTTP_GET",
    "SSL_GET",
    "MISC_CHECK",
    "SMTP_CHECK",
    "DNS_CHECK",
    "UDP_CHECK",
    "PING_CHECK",
    "TALK_CHECK",
    "AGENT_CHECK",
    "FILE_CHECK",
    "BFD_CHECK",
    "url",
    "virtual_routes",
    "virtual_rules",
    "bfd_instance",
    "vrrp_track_process",
];

const SKIPPED: &str = "keepalived reports it, then reads the lines inside as part of the enclosing block, which the \
     closing brace ends; here the whole block is skipped";

impl Lowering<'_> {
    fn text_of(&self, span: Span) -> String {
        self.reader.sources.text(span).to_owned()
    }

    /// Reports a statement whose keyword the block does not know.
    pub(super) fn unknown(
        &mut self,
        scope: Scope,
        known: &[&'static Keyword],
        index: usize,
        block: Option<usize>,
    ) {
        // Suggestions cost time; nothing more would be kept.
        if self.reader.is_full() {
            return;
        }
        let Some(statement) = self.reader.tape.get(index).copied() else {
            return;
        };
        let Some(first) = self.reader.tape.words(&statement).first().copied() else {
            return;
        };
        let word = self.text_of(first.span);
        let names = || {
            known
                .iter()
                .flat_map(|k| std::iter::once(k.name).chain(k.aliases.iter().copied()))
        };
        let is_block = statement.open.is_some();
        if matches!(word.as_str(), "<<<<<<<" | "=======" | ">>>>>>>") {
            let message = format!("`{word}` is left from a merge conflict");
            let diagnostic =
                Diagnostic::new(codes::UNKNOWN_KEYWORD, Severity::Error, message, first.span)
                    .note("keepalived ignores the line and reads both sides of the conflict")
                    .help("keep one side, and remove the three marker lines");
            self.reader.report(diagnostic);
            return;
        }
        if let Some(found) = foreign::find(scope, &word) {
            self.foreign(found, first.span, is_block);
            return;
        }
        if super::placeholder::is_placeholder(&word) {
            let message = format!("`{word}` looks like a placeholder that was never filled in");
            self.reader.report(Diagnostic::new(
                codes::PLACEHOLDER,
                Severity::Error,
                message,
                first.span,
            ));
            return;
        }
        if let Some((name, value)) = word.split_once('=')
            && names().any(|n| n == name)
        {
            let diagnostic = Diagnostic::new(
                codes::EQUALS_SIGN,
                Severity::Error,
                format!("`{name}` takes its value after a blank, without `=`"),
                first.span,
            )
            .note("keepalived does not know the word and ignores the line")
            .fix(
                format!("write `{name} {value}`"),
                first.span,
                format!("{name} {value}"),
            );
            self.reader.report(diagnostic);
            return;
        }
        if let Some((name, value)) = suggest::glued(&word, names()) {
            let diagnostic = Diagnostic::new(
                codes::GLUED_KEYWORD,
                Severity::Error,
                format!("unknown keyword `{word}` in {}", block_name(scope)),
                first.span,
            )
            .note("keepalived does not know the word and ignores the line")
            .fix(
                format!("did you mean `{name} {value}`?"),
                first.span,
                format!("{name} {value}"),
            );
            self.reader.report(diagnostic);
            return;
        }
        if let Some(near) = suggest::nearest(&word, names()) {
            self.misspelt(scope, &word, near, first.span, &statement);
            return;
        }
        if let Some(home) = elsewhere(scope, &word) {
            let severity = if is_block {
                Severity::Error
            } else {
                Severity::Warning
            };
            let mut diagnostic = Diagnostic::new(
                codes::MISPLACED_KEYWORD,
                severity,
                format!("`{word}` is not a keyword of {}", block_name(scope)),
                first.span,
            );
            diagnostic = self.in_block(diagnostic, block);
            diagnostic = if scope == Scope::TcpCheck && word == "nb_get_retry" {
                diagnostic
                    .note("the number of retries asked for is not in force")
                    .fix("use `retry`", first.span, "retry")
            } else {
                diagnostic
                    .note("keepalived does not know it here and ignores the line")
                    .help(format!("it belongs to {}", block_name(home)))
            };
            self.reader.report(diagnostic);
            return;
        }
        if word == "}" || word == "{" {
            return;
        }
        let (code, what) = if is_block {
            (codes::UNKNOWN_BLOCK, "unknown block")
        } else {
            (codes::UNKNOWN_KEYWORD, "unknown keyword")
        };
        let mut diagnostic = Diagnostic::new(
            code,
            Severity::Warning,
            format!("{what} `{word}` in {}", block_name(scope)),
            first.span,
        )
        .note(if is_block {
            SKIPPED
        } else {
            "it is ignored, as by keepalived"
        });
        if word.starts_with("//") {
            diagnostic = diagnostic.help("comments begin with `#` or `!`");
        }
        let diagnostic = self.in_block(diagnostic, block);
        self.reader.report(diagnostic);
    }

    fn in_block(&self, diagnostic: Diagnostic, block: Option<usize>) -> Diagnostic {
        match block.and_then(|block| self.reader.tape.get(block)) {
            Some(parent) => diagnostic.label(parent.span, "in this block"),
            None => diagnostic,
        }
    }

    fn misspelt(
        &mut self,
        scope: Scope,
        word: &str,
        near: &'static str,
        span: Span,
        statement: &Statement,
    ) {
        let is_block = statement.open.is_some();
        let severity = if is_block && MATTERS.contains(&near) {
            Severity::Error
        } else {
            Severity::Warning
        };
        let what = if is_block { "block" } else { "keyword" };
        let diagnostic = Diagnostic::new(
            codes::MISSPELT_KEYWORD,
            severity,
            format!("unknown {what} `{word}` in {}", block_name(scope)),
            span,
        )
        .note(if is_block {
            SKIPPED
        } else {
            "keepalived does not know it and ignores the line; so does director"
        })
        .fix(format!("did you mean `{near}`?"), span, near);
        self.reader.report(diagnostic);
    }

    fn foreign(&mut self, found: &foreign::Foreign, span: Span, is_block: bool) {
        let name = found.name;
        let (code, message) = match found.kind {
            Kind::Obsolete => (codes::OBSOLETE, format!("`{name}` has no effect")),
            Kind::Other => (
                codes::FOREIGN_KEYWORD,
                format!("`{name}` is {}; it has no effect", found.meaning),
            ),
            Kind::ManPage(real) => (codes::OLD_SPELLING, format!("`{name}` is called `{real}`")),
        };
        let mut diagnostic = Diagnostic::new(code, Severity::Warning, message, span);
        diagnostic = match found.kind {
            Kind::Obsolete => diagnostic.note(found.meaning).help("remove the line"),
            Kind::Other => diagnostic.note(if is_block {
                SKIPPED
            } else {
                "keepalived does not know it and ignores the line"
            }),
            Kind::ManPage(real) => diagnostic
                .note("the man page has this name, the program never knew it")
                .fix(format!("write `{real}`"), span, real),
        };
        self.reader.report(diagnostic);
    }

    pub(super) fn old_spelling(&mut self, keyword: &Keyword, known: bool, span: Span) {
        let text = self.text_of(span);
        let name = keyword.name;
        // Files in the field are full of spellings that work; they must not drown what does not.
        let (severity, note) = if known {
            (
                Severity::Note,
                "keepalived accepts it and calls it deprecated",
            )
        } else {
            (
                Severity::Warning,
                "keepalived does not know this spelling and ignores the line",
            )
        };
        let diagnostic = Diagnostic::new(
            codes::OLD_SPELLING,
            severity,
            format!("`{text}` is an old spelling of `{name}`"),
            span,
        )
        .note(note)
        .fix(format!("write `{name}`"), span, name);
        self.reader.report(diagnostic);
    }

    pub(super) fn written_twice(&mut self, keyword: &Keyword, before: Span, span: Span) {
        let name = keyword.name;
        let counts = match keyword.repeat {
            keyword::Repeat::First => "first",
            _ => "last",
        };
        let diagnostic = Diagnostic::new(
            codes::DUPLICATE_KEYWORD,
            Severity::Warning,
            format!("`{name}` stands twice in this block; the {counts} one counts"),
            span,
        )
        .label(before, "first here");
        self.reader.report(diagnostic);
    }

    pub(super) fn not_built(&mut self, keyword: &Keyword, span: Span) {
        let diagnostic = Diagnostic::new(
            codes::NOT_BUILT,
            Severity::Warning,
            format!("director does not act on `{}` yet", keyword.name),
            span,
        )
        .note("the value is read and checked");
        self.reader.report(diagnostic);
    }

    pub(super) fn no_effect(&mut self, keyword: &Keyword, reason: &str, span: Span) {
        let diagnostic = Diagnostic::new(
            codes::NO_EFFECT,
            Severity::Note,
            format!("`{}` has no effect because {reason}", keyword.name),
            span,
        );
        self.reader.report(diagnostic);
    }

    pub(super) fn refused(&mut self, keyword: &Keyword, reason: &str, span: Span) {
        let diagnostic = Diagnostic::new(
            codes::REFUSED,
            Severity::Error,
            format!("`{}` is refused: {reason}", keyword.name),
            span,
        );
        self.reader.report(diagnostic);
    }

    pub(super) fn unexpected_block(&mut self, keyword: &Keyword, statement: &Statement) {
        let Some(open) = statement.open else { return };
        let diagnostic = Diagnostic::new(
            codes::UNEXPECTED_BLOCK,
            Severity::Error,
            format!("`{}` takes no block", keyword.name),
            open,
        )
        .label(statement.span, "this keyword")
        .note("keepalived ignores the `{`; its `}` then closes the enclosing block")
        .note("here the block is skipped");
        self.reader.report(diagnostic);
    }

    /// The next keyword stands on the same line.
    pub(super) fn two_statements(&mut self, keyword: &Keyword, index: usize, used: usize) {
        let Some(statement) = self.reader.tape.get(index).copied() else {
            return;
        };
        let words = self.reader.tape.words(&statement);
        let (Some(first), Some(last)) = (words.get(used).copied(), words.last().copied()) else {
            return;
        };
        let text = self.text_of(first.span);
        let name = keyword.name;
        let diagnostic = Diagnostic::new(
            codes::EXTRA_ARGUMENT,
            Severity::Error,
            format!("`{text}` stands on the line of `{name}` and is lost"),
            first.span.to(last.span),
        )
        .note("keepalived reads one keyword on a line and ignores the rest without a word")
        .fix(
            format!("begin a new line with `{text}`"),
            Span::new(first.span.start(), first.span.start()),
            "\n    ",
        );
        self.reader.report(diagnostic);
    }

    /// Words after the last argument.
    pub(super) fn extra_words(&mut self, keyword: &Keyword, index: usize, used: usize) {
        let Some(statement) = self.reader.tape.get(index).copied() else {
            return;
        };
        let words = self.reader.tape.words(&statement);
        let (Some(first), Some(last)) = (words.get(used).copied(), words.last().copied()) else {
            return;
        };
        let span = first.span.to(last.span);
        let text = self.text_of(span);
        let name = keyword.name;
        let diagnostic = if text.starts_with("//") {
            Diagnostic::new(
                codes::SLASH_COMMENT,
                Severity::Note,
                "`//` begins no comment; keepalived happens to ignore the words",
                span,
            )
            .help("comments begin with `#` or `!`")
        } else if matches!(keyword.arguments, Arguments::Flag) {
            let off = matches!(
                text.to_ascii_lowercase().as_str(),
                "false" | "off" | "no" | "0"
            );
            let message = if off {
                format!("`{name}` takes no value: `{name} {text}` switches it on")
            } else {
                format!("`{name}` takes no value; `{text}` is ignored")
            };
            let severity = if off {
                Severity::Warning
            } else {
                Severity::Note
            };
            let diagnostic = Diagnostic::new(codes::FLAG_ARGUMENT, severity, message, span)
                .note("keepalived ignores whatever follows");
            if off {
                diagnostic.help("remove the line to leave it off")
            } else {
                diagnostic
            }
        } else {
            Diagnostic::new(
                codes::EXTRA_ARGUMENT,
                Severity::Warning,
                format!("`{name}` does not take `{text}`; it is ignored"),
                span,
            )
            .note("keepalived ignores it without a word")
        };
        self.reader.report(diagnostic);
    }
}

/// `block `vrrp_instance``, or `the top level`.
fn block_name(scope: Scope) -> String {
    match scope {
        Scope::Root => String::from("the top level"),
        other => format!("block `{}`", other.name()),
    }
}

/// Another block that knows the keyword.
fn elsewhere(scope: Scope, word: &str) -> Option<Scope> {
    Scope::ALL
        .iter()
        .copied()
        .find(|s| *s != scope && keyword::find(*s, word).is_some())
}

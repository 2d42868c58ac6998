//! The keyword reference as a Markdown page, generated from the table.

use std::fmt::Write as _;

use crate::keyword::{self, Repeat, Scope};

/// The whole page.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from(
        "# Configuration keywords\n\n\
         This page is generated from the keyword table of `keepalived-conf` (`director \
         config-reference` prints it). Blocks are listed with the keywords that may stand in \
         them. *Since* is the oldest of keepalived 2.2.7, 2.4.3 and 2.4.3+ (its development \
         branch after that release) that knows the keyword.\n\n\
         ## The language\n\n\
         - One keyword with its arguments per line; `{` and `}` may stand anywhere.\n\
         - `#` and `!` begin a comment anywhere outside double quotes; `\\#` and `\\!` do not.\n\
         - `\"...\"` makes one word. In script keywords `'...'` does too.\n\
         - `include PATTERN` reads other files, with `*`, `?`, `[...]` and `{a,b}`. `includer`, \
         `includem`, `includew`, `includeb` and `includea` make failures errors.\n\
         - `$NAME=VALUE` defines, `$NAME` and `${NAME}` use. Predefined: `${_PWD}`, \
         `${_INSTANCE}`, `${_ENV NAME}`, `${_RANDOM [MIN [MAX]]}`, `${_HASH}`, `${_BANG}`.\n\
         - `@ID text` is read only if ID is the configuration id, `@^ID text` only if it is not.\n\
         - `~SEQ(VAR, START, STEP, STOP) text` and `~LST(VAR, A, B) text` repeat a line.\n\
         - Times are decimal seconds. Booleans are on, off, true, false, yes, no.\n",
    );
    for scope in Scope::ALL {
        block(&mut out, *scope);
    }
    out
}

fn block(out: &mut String, scope: Scope) {
    let title = match scope {
        Scope::Root => String::from("Top level"),
        Scope::SslUrl => String::from("`url` in `SSL_GET`"),
        Scope::Url => String::from("`url` in `HTTP_GET`"),
        other => format!("`{}`", other.name()),
    };
    let _ = write!(
        out,
        "\n## {title}\n\n| keyword | arguments | default | since | director | meaning |\n\
         |---|---|---|---|---|---|\n"
    );
    for keyword in keyword::keywords(scope) {
        let mut name = format!("`{}`", keyword.name);
        for alias in keyword.aliases {
            let _ = write!(name, ", `{alias}`");
        }
        let arguments = keyword.arguments.to_string();
        let arguments = if arguments.is_empty() {
            arguments
        } else {
            format!("`{}`", cell(&arguments))
        };
        let mut summary = cell(keyword.summary);
        match keyword.repeat {
            Repeat::Last => {}
            Repeat::First => summary.push_str(" The first one counts."),
            Repeat::Adds if keyword.arguments.block().is_none() => {
                summary.push_str(" Several add up.");
            }
            Repeat::Adds => {}
        }
        let old: Vec<String> = keyword
            .old
            .iter()
            .map(|o| format!("`{}`", o.name))
            .collect();
        if !old.is_empty() {
            let _ = write!(summary, " Old spelling: {}.", old.join(", "));
        }
        let _ = writeln!(
            out,
            "| {name} | {arguments} | {} | {} | {} | {summary} |",
            cell(keyword.default),
            keyword.since,
            cell(&keyword.status(scope).to_string())
        );
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

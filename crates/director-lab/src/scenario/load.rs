//! Reading `scenario.toml`, and saying where it is wrong.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{Scenario, check, format};

/// One thing that is wrong with a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}",
            self.file.display(),
            self.line,
            self.column,
            self.message
        )
    }
}

/// Why a scenario could not be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file could not be read.
    #[error("cannot read {file}", file = .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The scenario is not valid; everything that is wrong with it.
    #[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Problem>),
}

/// Scenarios are written by hand; anything longer is a mistake.
const LONGEST_FILE: u64 = 1 << 20;

pub(super) fn load(directory: &Path) -> Result<Scenario, LoadError> {
    let file = directory.join("scenario.toml");
    let read = |source| LoadError::Read {
        file: file.clone(),
        source,
    };
    let length = std::fs::metadata(&file).map_err(read)?.len();
    if length > LONGEST_FILE {
        return Err(read(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "more than 1 MiB",
        )));
    }
    let text = std::fs::read_to_string(&file).map_err(read)?;
    let absolute = std::fs::canonicalize(directory).map_err(read)?;
    understand(&file, &absolute, &text).map_err(LoadError::Invalid)
}

pub(super) fn understand(
    file: &Path,
    directory: &Path,
    text: &str,
) -> Result<Scenario, Vec<Problem>> {
    let problem = |span: Range<usize>, message: String| {
        let (line, column) = position(text, span.start);
        Problem {
            file: file.to_owned(),
            line,
            column,
            message,
        }
    };
    let raw: format::File = toml::from_str(text).map_err(|error| {
        vec![problem(
            error.span().unwrap_or(0..0),
            error.message().replace('\n', "; "),
        )]
    })?;
    check::check(raw, directory).map_err(|found| {
        found
            .into_iter()
            .map(|(span, message)| problem(span, message))
            .collect()
    })
}

/// Line and column, both from 1, of a byte offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
networks = ["lan"]
[node.a]
role = "director"
interfaces.eth0 = { network = "lan", addresses = ["10.0.0.1/24"] }
process.job = { kind = "command", command = ["true"] }
[node.b]
interfaces.eth0 = { network = "lan", addresses = ["10.0.0.2/24"] }
[[step]]
title = "it runs"
do = [{ start = "a/job" }]
expect = [{ exited = { process = "a/job", status = 0 }, within = "3s" }]
"#;

    fn problems(text: &str) -> Vec<String> {
        match understand(Path::new("scenario.toml"), Path::new("/nowhere"), text) {
            Ok(_) => Vec::new(),
            Err(found) => found.iter().map(Problem::to_string).collect(),
        }
    }

    #[test]
    fn a_good_one_is_understood() {
        assert_eq!(problems(GOOD), Vec::<String>::new());
    }

    #[test]
    fn unknown_keys_name_what_is_allowed() {
        let found = problems(&GOOD.replace("role =", "rolle ="));
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("scenario.toml:4:1: unknown field `rolle`"),
            "{found:?}"
        );
        assert!(found[0].contains("`role`"), "{found:?}");
        let found = problems(&GOOD.replace("\"director\"", "\"directer\""));
        assert!(found[0].contains("scenario.toml:4:8") && found[0].contains("`director`"));
        let found = problems(&GOOD.replace("{ start", "{ strat"));
        assert!(found[0].contains("`start`"), "{found:?}");
    }

    #[test]
    fn every_wrong_reference_is_told_at_once() {
        let text = GOOD
            .replace("start = \"a/job\"", "start = \"c/job\"")
            .replace("process = \"a/job\"", "process = \"a/jab\"")
            .replace(
                "{ network = \"lan\", addresses = [\"10.0.0.2/24\"] }",
                "{ network = \"wan\" }",
            );
        let found = problems(&text);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("`wan`") && found[0].contains("lan"));
        assert!(found[1].contains("`c`") && found[1].contains("a, b"));
        assert!(found[2].contains("`jab`") && found[2].contains("job"));
    }

    #[test]
    fn an_expectation_is_one_thing() {
        let found = problems(&GOOD.replace("within = \"3s\"", "running = \"a/job\""));
        assert!(found[0].contains("one of"), "{found:?}");
        let found = problems(&GOOD.replace("exited = { process = \"a/job\", status = 0 }, ", ""));
        assert!(found[0].contains("one of"), "{found:?}");
        let found = problems(&GOOD.replace("within =", "on = \"a\", within ="));
        assert!(found[0].contains("`on`"), "{found:?}");
    }

    #[test]
    fn traffic_needs_a_client() {
        let found = problems(&GOOD.replace(
            "exited = { process = \"a/job\", status = 0 }",
            "no_failures = { requests = 3 }",
        ));
        assert!(found[0].contains("client"), "{found:?}");
    }

    #[test]
    fn broken_toml_has_a_position() {
        let found = problems("networks = [\"lan\"\n[node]\n");
        assert!(found[0].starts_with("scenario.toml:"), "{found:?}");
    }
}

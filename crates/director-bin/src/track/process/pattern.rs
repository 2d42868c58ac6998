//! Which processes count.

use std::fmt;

/// Octets of a name that the kernel keeps.
const NAME_LENGTH: usize = 15;

/// Which processes count. No zombie does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// The program, and those of its parameters that matter.
    words: Vec<String>,
    parameters: Parameters,
}

/// What is compared of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parameters {
    /// Its name only, as far as the kernel keeps it.
    Name,
    /// Its program as it was called, whatever the parameters (`full_command`).
    Any,
    /// Exactly these parameters.
    Exact,
    /// These parameters first (`param_match partial`).
    Leading,
    /// The same, of the last one perhaps only the beginning (`param_match initial`).
    Beginning,
}

impl Pattern {
    /// `words` begins with the program.
    pub(crate) fn new(words: Vec<String>, parameters: Parameters) -> Self {
        Self { words, parameters }
    }

    #[cfg(test)]
    pub(super) fn named(name: &str) -> Self {
        Self::new(vec![name.to_owned()], Parameters::Name)
    }

    /// The parameters that matter.
    pub(crate) fn wanted(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }

    /// What is compared.
    pub(crate) const fn parameters(&self) -> Parameters {
        self.parameters
    }

    /// Whether the command line is needed to tell.
    pub(super) fn needs_command_line(&self) -> bool {
        self.parameters != Parameters::Name
    }

    /// Whether a process with this name and command line counts.
    pub(super) fn matches(&self, name: &[u8], command_line: &[&[u8]]) -> bool {
        let Some((program, wanted)) = self.words.split_first() else {
            return false;
        };
        if self.parameters == Parameters::Name {
            let own = program.rsplit('/').next().unwrap_or(program).as_bytes();
            let own = own.get(..NAME_LENGTH).unwrap_or(own);
            return own == name;
        }
        let Some((called, given)) = command_line.split_first() else {
            return false;
        };
        if program.as_bytes() != *called {
            return false;
        }
        let equal = |(wanted, given): (&String, &&[u8])| wanted.as_bytes() == *given;
        match self.parameters {
            Parameters::Name | Parameters::Any => true,
            Parameters::Exact => wanted.len() == given.len() && wanted.iter().zip(given).all(equal),
            Parameters::Leading => {
                wanted.len() <= given.len() && wanted.iter().zip(given).all(equal)
            }
            Parameters::Beginning => {
                let Some((last, leading)) = wanted.split_last() else {
                    return true;
                };
                leading.iter().zip(given).all(equal)
                    && given
                        .get(leading.len())
                        .is_some_and(|given| given.starts_with(last.as_bytes()))
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(words: &str, parameters: Parameters, name: &str, line: &str) -> bool {
        let words = words.split(' ').map(str::to_owned).collect();
        let line: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        Pattern::new(words, parameters).matches(name.as_bytes(), &line)
    }

    #[test]
    fn names_are_compared_as_far_as_the_kernel_keeps_them() {
        for (words, name, expected) in [
            ("nginx", "nginx", true),
            ("/usr/sbin/nginx", "nginx", true),
            ("nginx", "nginx2", false),
            ("a-very-long-daemon-name", "a-very-long-dae", true),
        ] {
            assert_eq!(
                matches(words, Parameters::Name, name, "whatever"),
                expected,
                "{words}"
            );
        }
    }

    #[test]
    fn parameters_are_compared_as_asked() {
        use Parameters::{Any, Beginning, Exact, Leading};
        for (words, how, line, expected) in [
            ("/bin/x", Any, "/bin/x -a b", true),
            ("x", Any, "/bin/x -a b", false),
            ("/bin/x -a b", Exact, "/bin/x -a b", true),
            ("/bin/x -a", Exact, "/bin/x -a b", false),
            ("/bin/x", Exact, "/bin/x", true),
            ("/bin/x -a", Leading, "/bin/x -a b", true),
            ("/bin/x b", Leading, "/bin/x -a b", false),
            ("/bin/x -a bcd", Beginning, "/bin/x -a bcdef g", true),
            ("/bin/x -a bcd", Beginning, "/bin/x -a bc", false),
            ("/bin/x -a", Beginning, "/bin/x", false),
            ("/bin/x", Beginning, "/bin/x y", true),
        ] {
            assert_eq!(
                matches(words, how, "x", line),
                expected,
                "{words} {how:?} {line}"
            );
        }
    }
}

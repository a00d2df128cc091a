//! One mistake in the configuration, and the list of all of them.
//!
//! Says where it is, what was found and what is expected. Never holds a secret: values of secret keys are not quoted.

use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The file as a whole.
    File(Arc<PathBuf>),
    /// A line of the file, from 1.
    Line(Arc<PathBuf>, usize),
    /// An environment variable.
    Variable(Arc<str>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Line(file, line) => write!(f, "{}:{line}", file.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// One error or warning about a configuration: where, at which key, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, environment variable or argument that the value comes from.
    pub origin: Origin,
    /// Dotted path of the key; empty if no key is meant.
    pub path: String,
    /// What was found and what is expected.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, path, text } = self;
        let line = if path.is_empty() {
            format!("{origin}: {text}")
        } else {
            format!("{origin}: {path}: {text}")
        };
        f.write_str(&one_line(&line))
    }
}

/// Every mistake of one configuration, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// A list of one.
    #[must_use]
    pub fn one(origin: Origin, text: impl Into<String>) -> Self {
        Self(vec![Problem {
            origin,
            path: String::new(),
            text: text.into(),
        }])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Collects mistakes while a configuration is read; shared by all sections.
#[derive(Debug, Default)]
pub struct Collector(RefCell<Vec<Problem>>);

impl Collector {
    /// Adds a problem at this key; all are shown together.
    pub fn add(&self, origin: &Origin, path: impl Into<String>, text: impl Into<String>) {
        self.0.borrow_mut().push(Problem {
            origin: origin.clone(),
            path: path.into(),
            text: text.into(),
        });
    }

    /// All that was collected, by place.
    pub fn into_problems(self) -> Problems {
        let mut problems = self.0.into_inner();
        problems.sort_by(|a, b| a.origin.cmp(&b.origin));
        Problems(problems)
    }

    /// True if nothing was collected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }
}

/// A line for people: names of files, keys and parameters may hold anything, and none of it breaks the line or moves a
/// terminal.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for sign in text.chars() {
        if sign.is_control() {
            line.extend(sign.escape_default());
        } else {
            line.push(sign);
        }
    }
    line
}

/// ` (did you mean "…"?)` if one of `known` is near, otherwise nothing.
pub fn did_you_mean<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(found, word), word))
        .filter(|(distance, word)| *distance <= 1 + word.chars().count() / 4)
        .min()
        .map(|(_, word)| format!(" (did you mean \"{word}\"?)"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Origin, Problem, did_you_mean};

    #[test]
    fn a_problem_is_one_line_whatever_names_hold() {
        for (name, path, text, expected) in [
            (
                "DITTO__A",
                "a.b",
                "unknown key",
                "environment variable DITTO__A: a.b: unknown key",
            ),
            (
                "DITTO__A\nB",
                "",
                "x",
                "environment variable DITTO__A\\nB: x",
            ),
            (
                "V",
                "\u{1b}[2Ja\r\nb",
                "größe\u{9b}",
                "environment variable V: \\u{1b}[2Ja\\r\\nb: größe\\u{9b}",
            ),
        ] {
            let problem = Problem {
                origin: Origin::Variable(name.into()),
                path: path.to_owned(),
                text: text.to_owned(),
            };
            assert_eq!(problem.to_string(), expected);
        }
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        let known = ["park", "skip", "stop"];
        for (found, expected) in [
            ("pork", " (did you mean \"park\"?)"),
            ("sikp", " (did you mean \"skip\"?)"),
            ("explode", ""),
            ("", ""),
        ] {
            assert_eq!(did_you_mean(found, known), expected, "{found}");
        }
    }
}

//! Reads the keys of one table: each with its type, range and words, every mistake collected.
//!
//! Never stops at a mistake: a bad value counts as absent, and the whole configuration as bad.

mod lists;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::raw::{Node, Table, Value};
use ditto_values::problem::{Collector, Origin, did_you_mean};
use ditto_values::units::{
    DURATION_FORM, SIZE_FORM, parse_duration, parse_size, show_duration, show_size,
};

/// One table being read.
#[derive(Debug)]
pub(crate) struct Section<'p> {
    problems: &'p Collector,
    path: String,
    origin: Origin,
    table: Table,
    known: BTreeSet<&'static str>,
    /// Something else stood in its place, which was reported: what it lacks is not worth a word.
    is_broken: bool,
}

/// A value with its place.
#[derive(Debug, Clone)]
pub(crate) struct Found<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

impl<'p> Section<'p> {
    pub(crate) fn new(problems: &'p Collector, path: &str, origin: Origin, table: Table) -> Self {
        Self {
            problems,
            path: path.to_owned(),
            origin,
            table,
            known: BTreeSet::new(),
            is_broken: false,
        }
    }

    /// Where the section begins.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether a key is there, whatever its value.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Reports a mistake at a key (or at the section, with an empty key).
    pub(crate) fn problem(&self, origin: &Origin, key: &str, text: impl Into<String>) {
        self.problems.add(origin, self.path_of(key), text);
    }

    /// A text that must not be empty.
    pub(crate) fn name(&mut self, key: &'static str) -> Option<Found<String>> {
        let is_given = |text: &str| !text.trim().is_empty();
        self.text(key, "a string that is not empty", is_given)
    }

    /// A text that is as expected.
    pub(crate) fn text(
        &mut self,
        key: &'static str,
        expected: &str,
        is_good: impl Fn(&str) -> bool,
    ) -> Option<Found<String>> {
        self.value(key, expected, false, |value| {
            as_text(value).filter(|text| is_good(text))
        })
    }

    /// A text that is never quoted in a message.
    pub(crate) fn secret(&mut self, key: &'static str) -> Option<Found<String>> {
        self.value(key, "a string that is not empty", true, |value| {
            as_text(value).filter(|text| !text.is_empty())
        })
    }

    pub(crate) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let read = |value: &Value| match value {
            Value::Boolean(value) => Some(*value),
            Value::Variable(text) => text.parse().ok(),
            _ => None,
        };
        self.value(key, "true or false", false, read)
            .map(|found| found.value)
    }

    pub(crate) fn integer(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let expected = format!("an integer from {} to {}", range.start(), range.end());
        self.value(key, &expected, false, |value| {
            as_integer(value).filter(|number| range.contains(number))
        })
        .map(|found| found.value)
    }

    pub(crate) fn duration(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Option<Found<Duration>> {
        let expected = format!(
            "{DURATION_FORM} from {} to {}",
            show_duration(*range.start()),
            show_duration(*range.end())
        );
        self.value(key, &expected, false, |value| {
            as_text(value)
                .and_then(|text| parse_duration(&text))
                .filter(|duration| range.contains(duration))
        })
    }

    pub(crate) fn size(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let expected = format!(
            "{SIZE_FORM} from {} to {}",
            show_size(*range.start()),
            show_size(*range.end())
        );
        self.value(key, &expected, false, |value| {
            as_text(value)
                .and_then(|text| parse_size(&text))
                .filter(|bytes| range.contains(bytes))
        })
        .map(|found| found.value)
    }

    /// One of several words.
    pub(crate) fn word<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
    ) -> Option<Found<T>> {
        let node = self.take(key)?;
        let names = words.iter().map(|(name, _)| *name);
        if let Some(text) = as_text(&node.value) {
            if let Some((_, value)) = words.iter().find(|(name, _)| *name == text) {
                return Some(Found {
                    value: *value,
                    origin: node.origin,
                });
            }
            let text = format!(
                "found {}, expected {}{}",
                node.value.describe(false),
                one_of(names.clone()),
                did_you_mean(&text, names)
            );
            self.problem(&node.origin, key, text);
        } else {
            self.mismatch(&node, key, &one_of(names), false);
        }
        None
    }

    /// A number, or one of several words.
    pub(crate) fn number_or_word<T: Copy>(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        words: &[(&'static str, T)],
        number: impl Fn(u64) -> T,
    ) -> Option<T> {
        let expected = format!(
            "{} or an integer from {} to {}",
            quoted(words.iter().map(|(name, _)| *name)),
            range.start(),
            range.end()
        );
        self.value(key, &expected, false, |value| {
            let by_name = |text: String| {
                let word = words.iter().find(|(name, _)| *name == text);
                word.map(|(_, value)| *value)
            };
            let by_number = || {
                as_integer(value)
                    .filter(|found| range.contains(found))
                    .map(&number)
            };
            as_text(value).and_then(by_name).or_else(by_number)
        })
        .map(|found| found.value)
    }

    pub(crate) fn socket_address(&mut self, key: &'static str) -> Option<SocketAddr> {
        let expected = "an address and port such as \"127.0.0.1:5000\" or \"[::1]:5000\"";
        let read = |value: &Value| as_text(value).and_then(|text| text.parse().ok());
        self.value(key, expected, false, read)
            .map(|found| found.value)
    }

    /// A sub-table; an empty one if it is absent.
    pub(crate) fn section(&mut self, key: &'static str) -> Section<'p> {
        let path = self.path_of(key);
        let mut is_broken = false;
        let (origin, table) = match self.take(key) {
            None => (self.origin.clone(), Table::new()),
            Some(Node {
                origin,
                value: Value::Table(table),
            }) => (origin, table),
            Some(node) => {
                is_broken = true;
                self.mismatch(&node, key, &format!("a section [{path}]"), true);
                (node.origin, Table::new())
            }
        };
        Section {
            is_broken,
            ..Section::new(self.problems, &path, origin, table)
        }
    }

    /// Texts under names that the operator chooses, in a sub-table; none if it is absent. Secret ones are never quoted.
    pub(crate) fn texts(
        &mut self,
        key: &'static str,
        secret: bool,
    ) -> Vec<(String, Found<String>)> {
        let section = self.section(key);
        let mut texts = Vec::new();
        for (name, node) in &section.table {
            match as_text(&node.value).filter(|text| !text.trim().is_empty()) {
                Some(value) => texts.push((
                    name.clone(),
                    Found {
                        value,
                        origin: node.origin.clone(),
                    },
                )),
                None => section.mismatch(node, name, "a string that is not empty", secret),
            }
        }
        texts
    }

    /// A list of tables; none if it is absent.
    pub(crate) fn sections(&mut self, key: &'static str) -> Vec<Section<'p>> {
        let path = self.path_of(key);
        let expected = format!("sections [[{path}]]");
        let items = match self.take(key) {
            None => return Vec::new(),
            Some(Node {
                value: Value::List(items),
                ..
            }) => items,
            Some(node) => {
                self.mismatch(&node, key, &expected, true);
                return Vec::new();
            }
        };
        let mut sections = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let path = format!("{path}[{index}]");
            match item.value {
                Value::Table(table) => {
                    sections.push(Section::new(self.problems, &path, item.origin, table));
                }
                other => {
                    let text = format!("found {}, expected a section", other.describe(true));
                    self.problems.add(&item.origin, path, text);
                }
            }
        }
        sections
    }

    /// Keys that would be right elsewhere: reported with `text` instead of as unknown.
    pub(crate) fn misplaced(&mut self, keys: &[&'static str], text: &str) {
        for key in keys {
            if let Some(node) = self.table.remove(*key) {
                self.problem(&node.origin, key, text);
            }
        }
    }

    /// Reports every key that nobody asked for.
    pub(crate) fn finish(self) {
        for (key, node) in &self.table {
            let hint = did_you_mean(key, self.known.iter().copied());
            let hint = if hint.is_empty() && !self.known.is_empty() && self.known.len() <= 6 {
                format!(", expected {}", one_of(self.known.iter().copied()))
            } else {
                hint
            };
            self.problem(&node.origin, key, format!("unknown key{hint}"));
        }
    }

    /// Reports that a needed key is absent.
    pub(crate) fn missing(&self, key: &str, expected: &str) {
        if !self.is_broken {
            let text = format!("missing, expected {expected}");
            self.problem(&self.origin, key, text);
        }
    }

    fn value<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        secret: bool,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<Found<T>> {
        let node = self.take(key)?;
        let value = read(&node.value);
        if value.is_none() {
            self.mismatch(&node, key, expected, secret);
        }
        value.map(|value| Found {
            value,
            origin: node.origin,
        })
    }

    fn take(&mut self, key: &'static str) -> Option<Node> {
        self.known.insert(key);
        self.table.remove(key)
    }

    fn mismatch(&self, node: &Node, key: &str, expected: &str, secret: bool) {
        let found = node.value.describe(secret);
        self.problem(
            &node.origin,
            key,
            format!("found {found}, expected {expected}"),
        );
    }

    /// Dotted path of one of the section's keys.
    pub(crate) fn path_of(&self, key: &str) -> String {
        match (self.path.is_empty(), key.is_empty()) {
            (true, _) => key.to_owned(),
            (false, true) => self.path.clone(),
            (false, false) => format!("{}.{key}", self.path),
        }
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) | Value::Variable(text) => Some(text.clone()),
        _ => None,
    }
}

fn as_integer(value: &Value) -> Option<u64> {
    match value {
        Value::Integer(number, _) => number.and_then(|number| number.try_into().ok()),
        Value::Variable(text) => text.parse().ok(),
        _ => None,
    }
}

fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    format!("one of {}", quoted(words))
}

fn quoted<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words
        .into_iter()
        .map(|word| format!("\"{word}\""))
        .collect();
    words.join(", ")
}

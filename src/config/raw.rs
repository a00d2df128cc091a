//! The configuration as it was written: a tree of values, each with the line or the variable that it came from.
//!
//! Built from the file, with `DITTO__…` variables laid over it. Not serde structs: those stop at the first mistake, and
//! an operator wants all of them. Never judges a value.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use ditto_values::problem::{Collector, Origin};

/// Every override begins with this.
const VARIABLE_PREFIX: &str = "DITTO__";
/// More than this many subscriptions cannot be meant by a variable's index.
const MAX_INDEX: usize = 9_999;

/// Sections and indexes in front of a key, the key included, are fewer than this.
const DEEPEST: usize = 16;

/// A table's entries by key.
pub(crate) type Table = BTreeMap<String, Node>;

/// A value and its origin.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) origin: Origin,
    pub(crate) value: Value,
}

/// What stands there.
#[derive(Debug)]
pub(crate) enum Value {
    Text(String),
    /// Kept as text too: it may be larger than any type.
    Integer(Option<i64>, String),
    Boolean(bool),
    /// Floats and dates: no key takes them.
    Other(&'static str, String),
    List(Vec<Node>),
    Table(Table),
    /// The text of a variable, to be read as whatever type the key has.
    Variable(String),
}

impl Value {
    /// How a message calls it; `secret` values are not quoted.
    pub(crate) fn describe(&self, secret: bool) -> String {
        match self {
            _ if secret => match self {
                Self::Text(text) | Self::Variable(text) if text.is_empty() => {
                    "an empty string".to_owned()
                }
                Self::Text(_) | Self::Variable(_) => "a string".to_owned(),
                Self::List(_) => "an array".to_owned(),
                Self::Table(_) => "a table".to_owned(),
                _ => "another type".to_owned(),
            },
            // A password may stand in an address, wherever somebody put the address.
            Self::Text(text) | Self::Variable(text)
                if text.contains("://") || text.contains('@') =>
            {
                "a string".to_owned()
            }
            Self::Text(text) | Self::Variable(text) => shorten(text),
            Self::Integer(_, digits) => format!("the integer {digits}"),
            Self::Boolean(value) => value.to_string(),
            Self::Other(kind, text) => format!("the {kind} {text}"),
            Self::List(_) => "an array".to_owned(),
            Self::Table(_) => "a table".to_owned(),
        }
    }
}

/// Reads the text of a file. Syntax errors go to `problems`; what could be read is returned all the same, for reports
/// about the rest.
pub(crate) fn parse(file: &Arc<PathBuf>, text: &str, problems: &Collector) -> Table {
    let lines = Lines::new(file, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let origin = error.span().map_or_else(
            || Origin::File(file.clone()),
            |span| lines.origin(span.start),
        );
        problems.add(
            &origin,
            "",
            format!("not TOML: {}", error.message().replace('\n', ", ")),
        );
    }
    convert_table(table.into_inner(), &lines)
}

/// Whether a variable of this name is meant for ditto, misspelt or not.
pub(crate) fn is_variable(name: &str) -> bool {
    name.get(..VARIABLE_PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(VARIABLE_PREFIX))
}

/// Lays variables over the tree, whatever their order: `DITTO__SUBSCRIPTION__0__STREAM` is `subscription[0].stream`.
pub(crate) fn overlay(
    table: &mut Table,
    variables: impl IntoIterator<Item = (String, Option<String>)>,
    problems: &Collector,
) {
    // By key, so that list items come by their numbers.
    let mut all: BTreeMap<Vec<Segment>, (Origin, String)> = BTreeMap::new();
    for (name, value) in variables.into_iter().filter(|(name, _)| is_variable(name)) {
        let origin = Origin::Variable(name.as_str().into());
        let Some(path) = name.strip_prefix(VARIABLE_PREFIX) else {
            let text = "has no effect: variables of ditto begin with DITTO__, in capitals";
            problems.add(&origin, "", text);
            continue;
        };
        let Some(value) = value else {
            problems.add(&origin, "", "is not UTF-8");
            continue;
        };
        let segments: Vec<Segment> = path.split("__").map(Segment::of).collect();
        if segments.len() > DEEPEST {
            problems.add(&origin, "", "names no key: none lies that deep");
            continue;
        }
        match all.entry(segments) {
            Entry::Vacant(place) => drop(place.insert((origin, value))),
            Entry::Occupied(first) => {
                let text = format!("is the same key as {}: remove one of them", first.get().0);
                problems.add(&origin, "", text);
            }
        }
    }
    for (path, (origin, value)) in all {
        if let Err(text) = set(table, &path, &origin, value) {
            problems.add(&origin, "", text);
        }
    }
}

/// A part of a variable's name between two underscores: one that is spelt otherwise and means the same is equal.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Index(usize),
    Key(String),
}

impl Segment {
    fn of(text: &str) -> Self {
        text.parse()
            .map_or_else(|_| Self::Key(text.to_lowercase()), Self::Index)
    }

    fn key(&self) -> String {
        match self {
            Self::Index(number) => number.to_string(),
            Self::Key(key) => key.clone(),
        }
    }
}

fn set(table: &mut Table, path: &[Segment], origin: &Origin, text: String) -> Result<(), String> {
    let Some((key, rest)) = path.split_first() else {
        return Err("names no key".to_owned());
    };
    let key = key.key();
    if key.is_empty() {
        return Err("names no key: sections and keys are separated by two underscores".to_owned());
    }
    let leaf = || Node {
        origin: origin.clone(),
        value: Value::Variable(text.clone()),
    };
    let [index_or_key, below @ ..] = rest else {
        table.insert(key, leaf());
        return Ok(());
    };
    let index = match index_or_key {
        Segment::Index(index) => Some(*index),
        Segment::Key(_) => None,
    };
    let node = table.entry(key.clone()).or_insert_with(|| Node {
        origin: origin.clone(),
        value: if index.is_some() {
            Value::List(Vec::new())
        } else {
            Value::Table(Table::new())
        },
    });
    match (&mut node.value, index) {
        (Value::Table(inner), _) => set(inner, rest, origin, text),
        (Value::List(items), Some(index)) if index <= items.len().min(MAX_INDEX) => {
            if index == items.len() {
                items.push(Node {
                    origin: origin.clone(),
                    value: Value::Table(Table::new()),
                });
            }
            match &mut items[index].value {
                Value::Table(inner) => set(inner, below, origin, text),
                _ => Err(format!("{key}[{index}] is not a table")),
            }
        }
        (Value::List(items), Some(index)) => Err(format!(
            "there is no {key}[{index}]: the next index is {}",
            items.len()
        )),
        (Value::List(_), None) => Err(format!("{key} is an array: an index must follow, from 0")),
        _ => Err(format!("{key} is not a table")),
    }
}

fn convert_table(table: DeTable<'_>, lines: &Lines<'_>) -> Table {
    table
        .into_iter()
        .map(|(key, value)| {
            let origin = lines.origin(key.span().start);
            (key.into_inner().into_owned(), convert(value, origin, lines))
        })
        .collect()
}

fn convert(value: Spanned<DeValue<'_>>, origin: Origin, lines: &Lines<'_>) -> Node {
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(integer) => {
            let parsed = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
            let prefix = match integer.radix() {
                2 => "0b",
                8 => "0o",
                16 => "0x",
                _ => "",
            };
            Value::Integer(parsed, format!("{prefix}{}", integer.as_str()))
        }
        DeValue::Boolean(value) => Value::Boolean(value),
        DeValue::Float(float) => Value::Other("number", float.as_str().to_owned()),
        DeValue::Datetime(date) => Value::Other("date", date.to_string()),
        DeValue::Array(items) => Value::List(
            items
                .into_iter()
                .map(|item| {
                    let origin = lines.origin(item.span().start);
                    convert(item, origin, lines)
                })
                .collect(),
        ),
        DeValue::Table(table) => Value::Table(convert_table(table, lines)),
    };
    Node { origin, value }
}

fn shorten(text: &str) -> String {
    const SHOWN: usize = 60;
    if text.chars().count() > SHOWN {
        let start: String = text.chars().take(SHOWN).collect();
        format!("{start:?}…")
    } else {
        format!("{text:?}")
    }
}

/// Line numbers of byte offsets.
struct Lines<'a> {
    file: &'a Arc<PathBuf>,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(file: &'a Arc<PathBuf>, text: &str) -> Self {
        let mut starts = vec![0];
        starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
        Self { file, starts }
    }

    fn origin(&self, offset: usize) -> Origin {
        let line = self.starts.partition_point(|start| *start <= offset);
        Origin::Line(self.file.clone(), line.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::{Collector, Table, overlay};

    #[test]
    fn a_variable_that_leads_too_deep_is_refused() {
        for (depth, is_taken) in [
            (1, true),
            (15, true),
            (16, true),
            (17, false),
            (100_000, false),
        ] {
            let name = format!("DITTO__{}", vec!["A"; depth].join("__"));
            let (mut table, problems) = (Table::new(), Collector::default());
            overlay(&mut table, [(name, Some(String::new()))], &problems);
            assert_eq!(
                (problems.is_empty(), table.is_empty()),
                (is_taken, !is_taken),
                "{depth}"
            );
        }
    }
}

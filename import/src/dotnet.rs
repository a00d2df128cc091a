//! A configuration as .NET reads it: keys like `Settings:Subscriptions:0:StreamName`, in any case, and texts as values;
//! JSON with comments and trailing commas; variables with `__` for `:`.
//!
//! Remembers which keys somebody asked for, so that the others can be named. Never judges a value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::{Document, Variable};
use ditto_values::problem::{Collector, Origin};

/// Every variable of the original begins with this, in any case.
const PREFIX: &str = "ditto_";
/// Those are ditto's own.
const OWN_PREFIX: &str = "DITTO__";
/// Variables without the prefix that the original's AWS library read.
const AWS_REGION: [&str; 2] = ["AWS_DEFAULT_REGION", "AWS_REGION"];

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The key as it was written.
    pub(super) key: String,
    pub(super) value: String,
    pub(super) origin: Origin,
}

impl Entry {
    /// A problem with it: the place, then the key unless the place is a variable, which names it.
    pub(super) fn problem(&self, problems: &Collector, text: impl Into<String>) {
        let path = match self.origin {
            Origin::Variable(_) => "",
            _ => &self.key,
        };
        problems.add(&self.origin, path, text);
    }
}

/// All values by key in lower case.
#[derive(Debug, Default)]
pub(super) struct Tree {
    entries: BTreeMap<String, Entry>,
    asked: BTreeSet<String>,
    /// The document read last.
    last: Option<Arc<PathBuf>>,
}

impl Tree {
    /// Lays a document over what is there.
    pub(super) fn read_document(&mut self, document: &Document, problems: &Collector) {
        let origin = Arc::new(document.file.clone());
        self.last = Some(origin.clone());
        let text = plain_json(document.text.trim_start_matches('\u{feff}'));
        let mut values = BTreeMap::new();
        let root = Flatten {
            path: String::new(),
            values: &mut values,
        };
        let mut deserializer = serde_json::Deserializer::from_str(&text);
        let read = root
            .deserialize(&mut deserializer)
            .and_then(|()| deserializer.end());
        if let Err(error) = read {
            let line = Origin::Line(origin, error.line().max(1));
            let text = error.to_string();
            // The place says the line, too.
            let text = text.split(" at line ").next().unwrap_or_default();
            problems.add(
                &line,
                "",
                format!("not the JSON of an appsettings.json: {text}"),
            );
            return;
        }
        for (lower, (key, value)) in values {
            let origin = Origin::File(origin.clone());
            self.entries.insert(lower, Entry { key, value, origin });
        }
    }

    /// Lays a variable over what is there, if it is one that the original read.
    pub(super) fn read_variable(&mut self, variable: &Variable) {
        let Some(key) = key_of(&variable.name) else {
            return;
        };
        let lower = key.to_lowercase();
        // What a section of the configuration says counts more than a variable of the machine.
        if AWS_REGION.contains(&variable.name.as_str()) && self.entries.contains_key(&lower) {
            return;
        }
        let entry = Entry {
            value: variable.value.reveal().to_owned(),
            origin: variable.origin.clone(),
            key,
        };
        self.entries.insert(lower, entry);
    }

    /// The value of a key; an empty one is none.
    pub(super) fn get(&mut self, key: &str) -> Option<Entry> {
        let lower = key.to_lowercase();
        let entry = self.entries.get(&lower)?.clone();
        self.asked.insert(lower);
        (!entry.value.trim().is_empty()).then_some(entry)
    }

    /// Reports that a key is nowhere.
    pub(super) fn missing(&self, key: &str, expected: &str, problems: &Collector) {
        let variable = format!("Ditto_{}", key.replace(':', "__"));
        match &self.last {
            Some(file) => {
                let text = format!("missing (and there is no {variable}), expected {expected}");
                problems.add(&Origin::File(file.clone()), key, text);
            }
            None => {
                let text = format!("missing, expected {expected}");
                problems.add(&Origin::Variable(variable.into()), "", text);
            }
        }
    }

    /// What stands directly under a key: numbers in their order, then names.
    pub(super) fn children(&self, key: &str) -> Vec<String> {
        let prefix = format!("{}:", key.to_lowercase());
        let names: BTreeMap<_, _> = self
            .entries
            .iter()
            .filter_map(|(lower, entry)| {
                let rest = lower.strip_prefix(&prefix)?;
                let name = rest.split(':').next()?;
                let written = entry.key.get(prefix.len()..prefix.len() + name.len())?;
                let order = (name.parse::<u64>().unwrap_or(u64::MAX), name.to_owned());
                Some((order, written.to_owned()))
            })
            .collect();
        names.into_values().collect()
    }

    /// Takes everything under a key as read.
    pub(super) fn ignore(&mut self, key: &str) {
        let lower = key.to_lowercase();
        let prefix = format!("{lower}:");
        let under = |key: &&String| **key == lower || key.starts_with(&prefix);
        let keys: Vec<_> = self.entries.keys().filter(under).cloned().collect();
        self.asked.extend(keys);
    }

    /// Keys with a value that nobody asked for, as they were written.
    pub(super) fn unread(&self) -> Vec<String> {
        self.entries
            .iter()
            .filter(|(lower, entry)| !self.asked.contains(*lower) && !entry.value.is_empty())
            .map(|(_, entry)| entry.key.clone())
            .collect()
    }
}

/// The key that a variable stands for; `None` if it was nothing to the original.
pub(super) fn key_of(name: &str) -> Option<String> {
    if AWS_REGION.contains(&name) {
        return Some("AWS:Region".to_owned());
    }
    let is_ours = name.starts_with(OWN_PREFIX) || !has_prefix(name);
    (!is_ours).then(|| name[PREFIX.len()..].replace("__", ":"))
}

pub(super) fn has_prefix(name: &str) -> bool {
    name.get(..PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// Comments and trailing commas become spaces, so that lines stay where they are.
fn plain_json(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    // Where a comma stands in `plain` that followed a value, and nothing has followed yet.
    let mut comma = None;
    let mut last = '{';
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string_length(rest),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            _ => first.len_utf8(),
        };
        let (piece, behind) = rest.split_at(length);
        rest = behind;
        if piece.len() > 1 && first == '/' {
            plain.extend(piece.chars().map(|c| if c == '\n' { c } else { ' ' }));
            continue;
        }
        match first {
            '}' | ']' => {
                if let Some(at) = comma.take() {
                    plain.replace_range(at..=at, " ");
                }
            }
            ',' => comma = (!matches!(last, '{' | '[' | ',')).then_some(plain.len()),
            c if c.is_whitespace() => {}
            _ => comma = None,
        }
        if !first.is_whitespace() {
            last = first;
        }
        plain.push_str(piece);
    }
    plain
}

/// Length of the text in quotes that `text` begins with, its quotes included.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Values by key in lower case, with the key as written.
type Values = BTreeMap<String, (String, String)>;

/// Reads one JSON value into `values`, under `path`.
struct Flatten<'a> {
    path: String,
    values: &'a mut Values,
}

impl Flatten<'_> {
    fn put<E: serde::de::Error>(self, value: String) -> Result<(), E> {
        if self.path.is_empty() {
            return Err(E::custom("expected { … }"));
        }
        let key = self.path.clone();
        match self.values.insert(self.path.to_lowercase(), (key, value)) {
            None => Ok(()),
            Some((first, _)) => Err(E::custom(format!(
                "{first} is set twice (upper and lower case are the same): remove one"
            ))),
        }
    }

    fn below(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}:{key}", self.path)
        }
    }
}

impl<'de> DeserializeSeed<'de> for Flatten<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Flatten<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("settings")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.put(value.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.put(value.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.put(value.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.put(value.to_string())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.put(value.to_owned())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.put(String::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if self.path.is_empty() {
            return Err(A::Error::custom("expected { … }"));
        }
        for index in 0.. {
            let item = Flatten {
                path: self.below(&index.to_string()),
                values: &mut *self.values,
            };
            if items.next_element_seed(item)?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(key) = entries.next_key::<String>()? {
            let path = self.below(&key);
            entries.next_value_seed(Flatten {
                path,
                values: &mut *self.values,
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_trailing_commas_go_and_lines_stay() {
        for (text, expected) in [
            ("{\"a\": 1, // x\n}", "{\"a\": 1      \n}"),
            ("/* a\n b */{}", "    \n     {}"),
            ("[1, 2 , ]", "[1, 2   ]"),
            (
                "{\"a\": \"http://x, // y\",\n}",
                "{\"a\": \"http://x, // y\" \n}",
            ),
            ("{\"a\\\"//\": 1}", "{\"a\\\"//\": 1}"),
            ("{,}", "{,}"),
            ("[1,,]", "[1,,]"),
            ("{\"a\": 1, \"b\": [2]}", "{\"a\": 1, \"b\": [2]}"),
        ] {
            assert_eq!(plain_json(text), expected);
        }
    }

    #[test]
    fn children_come_in_the_order_of_their_numbers() {
        let mut tree = Tree::default();
        let text = r#"{"S": {"10": "c", "9": "b", "x": "d", "1": {"y": "a"}}}"#.to_owned();
        let document = Document {
            file: "a.json".into(),
            text,
        };
        let problems = Collector::default();
        tree.read_document(&document, &problems);
        assert!(problems.is_empty());
        assert_eq!(tree.children("s"), ["1", "9", "10", "x"]);
    }
}

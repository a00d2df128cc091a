//! A stream's metadata, as far as the server acts on it (protocol §5.2).
//!
//! One wrong type anywhere and the whole of it counts as empty. Never keeps what users put in beside it.

use std::time::Duration;

use serde_json::{Map, Value};

use super::MAX_REVISION;

/// What the latest metadata event says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamMetadata {
    /// Events older than this cannot be read.
    pub max_age: Option<Duration>,
    /// Only this many of the newest events can be read.
    pub max_count: Option<u64>,
    /// Events before this number cannot be read.
    pub truncate_before: Option<u64>,
    /// Who may do what.
    pub acl: Option<Acl>,
}

/// Lists of users and groups, per action; `None` where the stream says nothing of its own (protocol §5.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl {
    /// Who may read.
    pub read: Option<Vec<String>>,
    /// Who may write.
    pub write: Option<Vec<String>>,
    /// Who may delete.
    pub delete: Option<Vec<String>>,
    /// Who may read the metadata.
    pub read_metadata: Option<Vec<String>>,
    /// Who may write the metadata.
    pub write_metadata: Option<Vec<String>>,
}

impl StreamMetadata {
    /// Reads the data of a metadata event that is flagged JSON.
    pub(super) fn parse(data: &[u8]) -> Self {
        serde_json::from_slice(data)
            .ok()
            .and_then(|object: Map<String, Value>| Self::from_object(&object))
            .unwrap_or_default()
    }

    /// Deleted softly: nothing of the stream shows.
    #[must_use]
    pub fn is_soft_deleted(&self) -> bool {
        self.truncate_before == Some(MAX_REVISION)
    }

    fn from_object(object: &Map<String, Value>) -> Option<Self> {
        let mut found = Self::default();
        for (key, value) in object {
            match key.as_str() {
                "$maxAge" => {
                    found.max_age = u64::try_from(value.as_i64()?)
                        .ok()
                        .filter(|&n| n > 0)
                        .map(Duration::from_secs)
                }
                "$maxCount" => {
                    found.max_count = u64::try_from(value.as_i64()?).ok().filter(|&n| n > 0)
                }
                "$tb" => found.truncate_before = u64::try_from(value.as_i64()?).ok(),
                "$tmp" => {
                    value.as_bool()?;
                }
                "$cacheControl" => {
                    value.as_i64()?;
                }
                "$acl" => found.acl = Some(Acl::from_value(value)?),
                _ => {}
            }
        }
        Some(found)
    }
}

impl Acl {
    fn from_value(value: &Value) -> Option<Self> {
        let mut acl = Self::default();
        for (key, roles) in value.as_object()? {
            let list = match key.as_str() {
                "$r" => &mut acl.read,
                "$w" => &mut acl.write,
                "$d" => &mut acl.delete,
                "$mr" => &mut acl.read_metadata,
                "$mw" => &mut acl.write_metadata,
                _ => return None,
            };
            *list = Some(names(roles)?);
        }
        Some(acl)
    }
}

/// A name, or a list of names.
fn names(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(name) => Some(vec![name.clone()]),
        Value::Array(all) => all
            .iter()
            .map(|name| name.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    }
}

/// The metadata `data` with `$tb` put in its place, other keys kept in order; only `$tb` if there was no object.
pub(super) fn with_truncate_before(data: &[u8], revision: u64) -> String {
    let mut object: Map<String, Value> = serde_json::from_slice(data).unwrap_or_default();
    object.insert("$tb".to_owned(), Value::from(revision));
    Value::Object(object).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_type_empties_all_of_it() {
        let whole = StreamMetadata {
            max_age: Some(Duration::from_secs(7)),
            max_count: Some(2),
            truncate_before: Some(0),
            acl: Some(Acl {
                read: Some(vec!["$all".into()]),
                write: Some(vec!["a".into(), "b".into()]),
                ..Acl::default()
            }),
        };
        let count = |n| StreamMetadata {
            max_count: n,
            ..StreamMetadata::default()
        };
        for (text, expected) in [
            (
                r#"{"$maxAge":7,"$maxCount":2,"$tb":0,"$acl":{"$r":"$all","$w":["a","b"]},"mine":[1]}"#,
                whole,
            ),
            (r#"{"$maxCount":1,"$what":1}"#, count(Some(1))),
            (r#"{"$maxCount":0}"#, count(None)),
            (r#"{"$maxCount":-1}"#, count(None)),
            (r#"{"$maxCount":"1"}"#, count(None)),
            (r#"{"$maxCount":1.0}"#, count(None)),
            (r#"{"$maxCount":1,"$tb":null}"#, count(None)),
            (r#"{"$maxCount":1,"$acl":{"$x":"a"}}"#, count(None)),
            (r#"{"$maxCount":1"#, count(None)),
            ("[1]", count(None)),
            ("", count(None)),
        ] {
            assert_eq!(StreamMetadata::parse(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_new_truncation_point_keeps_the_other_keys_in_order() {
        for (before, after) in [
            (r#"{"mine":1}"#, r#"{"mine":1,"$tb":2}"#),
            (r#"{"$tb":9223372036854775807}"#, r#"{"$tb":2}"#),
            (r#"{"$tb":5,"b":1,"a":2}"#, r#"{"$tb":2,"b":1,"a":2}"#),
            ("no json", r#"{"$tb":2}"#),
        ] {
            assert_eq!(with_truncate_before(before.as_bytes(), 2), after);
        }
    }
}

//! Metadata as JSON: which of it counts, in one form for all ways to write it, and with another `$tb`.
//!
//! Values are kept as they stand there: read as numbers, large ones would change.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

const TRUNCATE_BEFORE: &str = "$tb";

/// What an access control list can allow; another key breaks the metadata.
const ACTIONS: [&str; 5] = ["$r", "$w", "$d", "$mr", "$mw"];

/// Values inside of more values than this are taken as they are written: no metadata that means anything is so deep.
const DEEPEST: usize = 32;

/// What metadata says.
pub(super) struct Read {
    pub(super) truncate_before: Option<u64>,
    /// Everything else in one form.
    pub(super) rest: String,
}

/// Reads metadata; `None`: it counts as empty, for it is no JSON object, or one of the server's own keys has a value of
/// another type (protocol §5.2).
pub(super) fn read(data: &[u8]) -> Option<Read> {
    let Members(members) = serde_json::from_slice(data).ok()?;
    // Of a key that comes twice the last value counts.
    let mut members: BTreeMap<String, &RawValue> = members.into_iter().collect();
    members
        .iter()
        .all(|(key, value)| counts(key, value.get()))
        .then_some(())?;
    let truncate_before = members.remove(TRUNCATE_BEFORE);
    Some(Read {
        truncate_before: truncate_before
            .and_then(|value| value.get().parse::<i64>().ok())
            .and_then(|before| u64::try_from(before).ok()),
        rest: object(&members, DEEPEST),
    })
}

/// The same metadata with another `$tb`, or without one; everything else stays as it is and where it is. Of what counts as
/// empty nothing stays: with it the `$tb` would count as nothing, too.
#[must_use]
pub fn with_truncate_before(data: &[u8], before: Option<u64>) -> Bytes {
    let counts = read(data).is_some();
    let Members(members) = match serde_json::from_slice(data) {
        Ok(members) if counts => members,
        _ => Members(Vec::new()),
    };
    let mut before = before.map(|before| before.to_string());
    let mut written = Vec::with_capacity(members.len() + 1);
    for (key, value) in members {
        if key != TRUNCATE_BEFORE {
            written.push(format!("{}:{}", string(&key), value.get()));
        } else if let Some(before) = before.take() {
            written.push(format!("{}:{before}", string(TRUNCATE_BEFORE)));
        }
    }
    written.extend(before.map(|before| format!("{}:{before}", string(TRUNCATE_BEFORE))));
    format!("{{{}}}", written.join(",")).into()
}

/// Whether a server takes this value for this key; of keys that are none of its own it takes any.
fn counts(key: &str, value: &str) -> bool {
    match key {
        "$maxAge" | "$maxCount" | TRUNCATE_BEFORE | "$cacheControl" => value.parse::<i64>().is_ok(),
        "$tmp" => matches!(value, "true" | "false"),
        "$acl" => {
            let acl = serde_json::from_str::<BTreeMap<String, Roles>>(value);
            acl.is_ok_and(|acl| acl.keys().all(|action| ACTIONS.contains(&action.as_str())))
        }
        _ => true,
    }
}

/// Who may do one thing.
#[derive(Deserialize)]
#[serde(untagged)]
#[allow(dead_code, reason = "only whether it can be read is asked")]
enum Roles {
    One(String),
    Several(Vec<String>),
}

/// The members of an object, in their order.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Each).map(Members)
    }
}

/// A value without blanks, keys sorted, escapes as letters, numbers as the server writes them again.
fn value(raw: &str, deeper: usize) -> String {
    let Some(deeper) = deeper.checked_sub(1) else {
        return raw.to_owned();
    };
    let read = match raw.as_bytes().first() {
        Some(b'{') => serde_json::from_str::<BTreeMap<String, &RawValue>>(raw)
            .map(|members| object(&members, deeper)),
        Some(b'[') => serde_json::from_str::<Vec<&RawValue>>(raw).map(|values| {
            let values = values.iter().map(|each| value(each.get(), deeper));
            format!("[{}]", values.collect::<Vec<_>>().join(","))
        }),
        Some(b'"') => serde_json::from_str::<String>(raw).map(|text| string(&text)),
        Some(b'-' | b'0'..=b'9') => Ok(number(raw)),
        _ => Ok(raw.to_owned()),
    };
    // Text that is no Unicode, such as half of a surrogate pair.
    read.unwrap_or_else(|_| raw.to_owned())
}

fn object(members: &BTreeMap<String, &RawValue>, deeper: usize) -> String {
    let members = members
        .iter()
        .map(|(key, each)| format!("{}:{}", string(key), value(each.get(), deeper)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// Integers of any size stay; what has a point or an exponent is a double to the server.
fn number(raw: &str) -> String {
    if raw == "-0" {
        return "0".to_owned();
    }
    if !raw.contains(['.', 'e', 'E']) {
        return raw.to_owned();
    }
    match raw.parse::<f64>() {
        Ok(number) if number.is_finite() => format!("{number:?}"),
        Ok(number) if number > 0.0 => string("Infinity"),
        Ok(_) => string("-Infinity"),
        Err(_) => raw.to_owned(),
    }
}

fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

//! The recordings of two real servers, taken apart: objects of them by what they are.
//!
//! Reads `tests/conformance`. Never makes up an answer.

use std::collections::BTreeSet;

use serde_json::Value;

const RECORDINGS: [&str; 2] = [
    include_str!("../../conformance/golden-23.10.4.json"),
    include_str!("../../conformance/golden-26.1.0.json"),
];

/// Of each kind this many at most: the first of each form.
const MOST: usize = 16;

/// All objects that `pick` takes, one of each form: digits make no difference.
pub(crate) fn objects(pick: fn(&Value) -> bool) -> Vec<Value> {
    let mut found = Vec::new();
    let mut forms = BTreeSet::new();
    for recording in RECORDINGS {
        let recording: Value = serde_json::from_str(recording).expect("JSON");
        walk(&recording, &mut |value| {
            let form: String = value.to_string();
            let form = form.replace(|c: char| c.is_ascii_digit(), "");
            if pick(value) && found.len() < MOST && forms.insert(form) {
                found.push(value.clone());
            }
        });
    }
    found
}

fn walk(value: &Value, visit: &mut impl FnMut(&Value)) {
    visit(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        Value::Object(members) => members.values().for_each(|member| walk(member, visit)),
        _ => {}
    }
}

/// A text of an object; empty if there is none.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// A number of an object, which may stand there as a text.
pub(crate) fn number<T: TryFrom<i64> + Default>(value: &Value, name: &str) -> T {
    let number = value[name]
        .as_i64()
        .or_else(|| text(value, name).parse().ok());
    number
        .and_then(|number| T::try_from(number).ok())
        .unwrap_or_default()
}

/// What the recordings call by a word, because it differs each time, as a number.
pub(crate) fn with_numbers(text: &str) -> String {
    text.replace(":pos", ":7001")
        .replace("projection:epoch:version:4", "3:-1:1:4")
}

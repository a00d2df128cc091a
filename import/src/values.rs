//! Texts of the original's configuration as the types that it bound them to.
//!
//! A text that .NET would have refused is a problem, never a default.

use super::dotnet::{Entry, Tree};
use ditto_values::problem::Collector;

pub(super) fn integer(tree: &mut Tree, name: &str, problems: &Collector) -> Option<(Entry, i64)> {
    let entry = tree.get(&format!("Settings:{name}"))?;
    match entry.value.trim().parse::<i32>() {
        Ok(number) => Some((entry, number.into())),
        Err(_) => {
            let text = format!("found {:?}, expected a whole number", entry.value);
            entry.problem(problems, text);
            None
        }
    }
}

/// The entry if it is true.
pub(super) fn boolean(tree: &mut Tree, key: &str, problems: &Collector) -> Option<Entry> {
    let entry = tree.get(key)?;
    match entry.value.trim().to_ascii_lowercase().as_str() {
        "true" => Some(entry),
        "false" => None,
        _ => {
            let text = format!("found {:?}, expected true or false", entry.value);
            entry.problem(problems, text);
            None
        }
    }
}

//! Keys that take several texts: an array, or in a variable one string with commas.
//!
//! Never stops at the first that is wrong.

use super::super::raw::{Node, Value};
use super::{Found, Section, as_text};

impl Section<'_> {
    /// Names of hosts, without scheme and port. None if it is absent.
    pub(crate) fn host_names(&mut self, key: &'static str) -> Vec<String> {
        const EXPECTED: &str = "a host name such as \"ditto.example.net\", without scheme and port";
        const ARRAY: &str = "an array of host names such as [\"ditto.example.net\"]";
        let host = |text: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            let is_host = !text.is_empty() && text.chars().all(plain);
            is_host
                .then(|| text.to_owned())
                .ok_or_else(|| EXPECTED.to_owned())
        };
        self.list(key, ARRAY, host)
            .map_or_else(Vec::new, |found| found.value)
    }

    /// What `item` makes of each text; its error is what was expected, as `array` is of the whole. What is no text is an
    /// empty one to it. `None` if the key is absent or has a mistake.
    pub(crate) fn list<T>(
        &mut self,
        key: &'static str,
        array: &str,
        item: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Found<Vec<T>>> {
        let node = self.take(key)?;
        let texts: Vec<(String, &Node)> = match &node.value {
            Value::List(items) => items
                .iter()
                .map(|from| (as_text(&from.value).unwrap_or_default(), from))
                .collect(),
            Value::Variable(text) => text
                .split(',')
                .map(|text| (text.trim().to_owned(), &node))
                .collect(),
            _ => {
                self.mismatch(&node, key, array, false);
                return None;
            }
        };
        let mut value = Vec::new();
        for (text, from) in &texts {
            match item(text) {
                Ok(one) => value.push(one),
                Err(expected) => self.mismatch(from, key, &expected, false),
            }
        }
        (value.len() == texts.len()).then(|| Found {
            value,
            origin: node.origin.clone(),
        })
    }
}

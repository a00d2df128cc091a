//! A file of variables: lines `NAME=VALUE` as Docker's `--env-file` and a unit's `EnvironmentFile=` have them, or the items
//! of a compose file's list (`- NAME=VALUE`, `- "NAME=VALUE"`).
//!
//! Never drops a line that it does not understand, and never quotes one.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Document, Variable};
use ditto_values::problem::{Origin, Problem};
use ditto_values::secret::Secret;

/// Reads the whole file.
///
/// # Errors
/// The first line that is no variable.
pub fn read_variables(document: &Document) -> Result<Vec<Variable>, Problem> {
    let file = Arc::new(document.file.clone());
    let text = document.text.trim_start_matches('\u{feff}');
    let mut variables = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let origin = Origin::Line(file.clone(), index + 1);
        match variable(line) {
            Ok((name, value)) => variables.push(Variable {
                origin,
                name,
                value: Secret::new(value),
            }),
            Err(text) => {
                return Err(Problem {
                    origin,
                    path: String::new(),
                    text: text.to_owned(),
                });
            }
        }
    }
    Ok(variables)
}

fn variable(line: &str) -> Result<(String, String), &'static str> {
    const NO_PAIR: &str =
        "found a line without '=', expected NAME=VALUE as in `docker run --env-file`";
    let Some(item) = line.strip_prefix("- ") else {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or(NO_PAIR)?;
        return Ok((name.trim().to_owned(), unquoted(value.trim()).to_owned()));
    };
    let scalar = scalar(item.trim())?;
    let (name, value) = scalar.split_once('=').ok_or(NO_PAIR)?;
    Ok((
        name.trim().to_owned(),
        interpolated(unquoted(value.trim()))?,
    ))
}

/// An item of a YAML list: plain, or in quotes of either kind.
fn scalar(item: &str) -> Result<Cow<'_, str>, &'static str> {
    const BAD_QUOTES: &str = "found quotes that do not end, or with escapes that JSON does not have: write the item without them";
    let (text, behind) = match item.chars().next() {
        Some('"') => {
            let mut values = serde_json::Deserializer::from_str(item).into_iter::<String>();
            let text = values.next().and_then(Result::ok).ok_or(BAD_QUOTES)?;
            (Cow::Owned(text), &item[values.byte_offset()..])
        }
        Some('\'') => {
            let end = closing_quote(item).ok_or(BAD_QUOTES)?;
            let text = item[1..end].replace("''", "'");
            (Cow::Owned(text), &item[end + 1..])
        }
        _ => {
            let end = item.find(" #").unwrap_or(item.len());
            (Cow::Borrowed(item[..end].trim_end()), "")
        }
    };
    let behind = behind.trim_start();
    if behind.is_empty() || behind.starts_with('#') {
        Ok(text)
    } else {
        Err("found more after the closing quote, expected one NAME=VALUE in quotes")
    }
}

/// Where the single quotes end that `item` begins with; two of them stand for one.
fn closing_quote(item: &str) -> Option<usize> {
    let mut from = 1;
    loop {
        let at = from + item[from..].find('\'')?;
        if !item[at + 1..].starts_with('\'') {
            return Some(at);
        }
        from = at + 2;
    }
}

/// In a compose file `$$` stands for `$`, and one `$` begins the name of a variable whose value is elsewhere.
fn interpolated(value: &str) -> Result<String, &'static str> {
    let mut parts = value.split("$$");
    if parts.any(|part| part.contains('$')) {
        return Err(
            "found a single '$', which in a compose file begins a variable's name: write its value here, and '$$' for '$'",
        );
    }
    Ok(value.replace("$$", "$"))
}

fn unquoted(text: &str) -> &str {
    ['"', '\'']
        .iter()
        .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, Problem> {
        let document = Document {
            file: "variables".into(),
            text: text.to_owned(),
        };
        let variables = read_variables(&document)?;
        let pair = |one: Variable| (one.name, one.value.reveal().to_owned());
        Ok(variables.into_iter().map(pair).collect())
    }

    #[test]
    fn each_way_of_writing_a_variable_gives_its_value() {
        for (line, name, value) in [
            ("A=b", "A", "b"),
            ("\u{feff}A=b", "A", "b"),
            ("export A=\"b c\"", "A", "b c"),
            ("A=b$$c$d # e", "A", "b$$c$d # e"),
            ("  - A=b", "A", "b"),
            ("- \"A=b\"", "A", "b"),
            ("-   \"A=b\\\"c\"   # d", "A", "b\"c"),
            ("- 'A=it''s' # d", "A", "it's"),
            ("- A=$$ce-customer", "A", "$ce-customer"),
            ("- \"A=a$$$$b\"", "A", "a$$b"),
            ("- A=b # c", "A", "b"),
            ("- A=b#c", "A", "b#c"),
            ("- A=\"b\"", "A", "b"),
            ("A=", "A", ""),
        ] {
            let expected = vec![(name.to_owned(), value.to_owned())];
            assert_eq!(read(line).expect(line), expected, "{line}");
        }
    }

    #[test]
    fn a_line_that_is_no_variable_is_named_and_not_quoted() {
        for (line, expected) in [
            ("marker", "without '='"),
            ("- marker", "without '='"),
            ("environment:", "without '='"),
            ("A: marker", "without '='"),
            ("- \"A=marker", "quotes that do not end"),
            ("- 'A=marker", "quotes that do not end"),
            ("- \"A=marker\" b", "more after the closing quote"),
            ("- A=${marker}", "a single '$'"),
            ("- A=mar$$$ker", "a single '$'"),
        ] {
            let problem = read(&format!("B=1\n{line}")).expect_err(line).to_string();
            assert!(
                problem.starts_with("variables:2: ") && problem.contains(expected),
                "{line}: {problem}"
            );
            assert!(!problem.contains("marker"), "{line}: {problem}");
        }
    }
}

//! Text from elsewhere (names of streams, reasons, words of servers) as a terminal or a log may have it.
//!
//! Never drops a character: each one that a terminal would act on becomes its escape.

use std::borrow::Cow;

/// One line: control characters, line ends included, and those that change the direction of text become `\n`,
/// `\u{1b}` and the like.
#[must_use]
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escape(text, acts, |c| c.escape_default().collect())
}

/// The same for a text of several lines, whose line ends stay.
#[must_use]
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    let is_escaped = |c| acts(c) && c != '\n';
    escape(text, is_escaped, |c| c.escape_default().collect())
}

/// JSON with the escapes of JSON for what its writer lets pass, such as U+009B.
#[must_use]
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    // Line ends in strings are escaped already; others are between values.
    let is_escaped = |c| acts(c) && c != '\n';
    escape(text, is_escaped, |c| format!("\\u{:04x}", u32::from(c)))
}

/// Whether a terminal would act on it: controls (C0, DEL, C1), line and paragraph separators, marks, embeddings,
/// overrides and isolates of direction.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escape(text: &str, is_escaped: fn(char) -> bool, escaped: fn(char) -> String) -> Cow<'_, str> {
    if !text.chars().any(is_escaped) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| {
        if is_escaped(c) {
            escaped(c)
        } else {
            c.to_string()
        }
    };
    Cow::Owned(text.chars().map(escape).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_escaped_and_nothing_else() {
        for (text, expected) in [
            ("customer-1", "customer-1"),
            ("müller \\ \"€\" 🦀", "müller \\ \"€\" 🦀"),
            ("a\tb\r\nc", "a\\tb\\r\\nc"),
            ("\u{1b}[2J\u{7}", "\\u{1b}[2J\\u{7}"),
            ("\u{7f}\u{9b}31m", "\\u{7f}\\u{9b}31m"),
            (
                "a\u{202e}b\u{2066}c\u{2069}",
                "a\\u{202e}b\\u{2066}c\\u{2069}",
            ),
            ("\u{200e}\u{61c}\u{2028}", "\\u{200e}\\u{61c}\\u{2028}"),
        ] {
            assert_eq!(line(text), expected);
            assert_eq!(lines(text), expected.replace("\\n", "\n"));
        }
    }

    #[test]
    fn json_means_the_same_afterwards() {
        let value = serde_json::json!({"a\u{9b}": "\u{1b}\u{7f}\n\u{202e}é"});
        for text in [value.to_string(), format!("{value:#}")] {
            let escaped = json(&text);
            assert!(!escaped.chars().any(|c| acts(c) && c != '\n'), "{escaped}");
            let read: serde_json::Value = serde_json::from_str(&escaped).expect("JSON");
            assert_eq!(read, value);
        }
    }
}

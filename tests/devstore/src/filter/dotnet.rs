//! .NET's regular expressions in the syntax of the engine used here, where the two differ: `$` and `\Z` match before a
//! final newline, too (protocol §15.6).
//!
//! Never touches an expression that switches to several lines: there `$` means the same in both.

use std::borrow::Cow;

/// The end of the text, or before the newline at its end.
const END: &str = r"(?=\n?\z)";

/// The same expression for the engine used here.
pub(super) fn translated(regex: &str) -> Cow<'_, str> {
    if !regex.contains(['$', 'Z']) || is_multiline(regex) {
        return Cow::Borrowed(regex);
    }
    let mut out = String::with_capacity(regex.len() + END.len());
    let mut class = Class::Outside;
    let mut rest = regex.chars();
    while let Some(c) = rest.next() {
        let outside = class == Class::Outside;
        match c {
            '\\' => match rest.next() {
                Some('Z') if outside => out.push_str(END),
                Some(escaped) => out.extend(['\\', escaped]),
                None => out.push('\\'),
            },
            '$' if outside => out.push_str(END),
            c => out.push(c),
        }
        class = class.after(c);
    }
    Cow::Owned(out)
}

/// Where in a set of characters an expression is; in the first place of one, `]` is a character like any other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Outside,
    Opened,
    Inside,
}

impl Class {
    fn after(self, c: char) -> Self {
        match (self, c) {
            (Self::Outside, '[') => Self::Opened,
            (Self::Outside, _) | (Self::Inside, ']') => Self::Outside,
            (Self::Opened, '^') => Self::Opened,
            (Self::Opened | Self::Inside, _) => Self::Inside,
        }
    }
}

/// Whether options inside the expression, such as `(?m)` or `(?im:…)`, switch to several lines.
fn is_multiline(regex: &str) -> bool {
    regex.split("(?").skip(1).any(|rest| {
        let options = rest.trim_start_matches(|c: char| c.is_ascii_lowercase() && c != 'm');
        options.starts_with('m')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_texts_are_translated() {
        for (regex, expected) in [
            ("^a", "^a"),
            ("^a$", r"^a(?=\n?\z)"),
            (r"a\Z|b$", r"a(?=\n?\z)|b(?=\n?\z)"),
            (r"^\$a\\$", r"^\$a\\(?=\n?\z)"),
            (r"^[^$][$]", r"^[^$][$]"),
            (r"[]$][^]$][\]$]$", r"[]$][^]$][\]$](?=\n?\z)"),
            (r"^(?!(\$x|a$))", r"^(?!(\$x|a(?=\n?\z)))"),
            ("(?m)a$", "(?m)a$"),
            ("(?im:a$)", "(?im:a$)"),
            ("(?i)a$", r"(?i)a(?=\n?\z)"),
        ] {
            assert_eq!(translated(regex), expected, "{regex}");
        }
    }

    #[test]
    fn an_end_matches_before_a_final_newline() {
        for (regex, text, expected) in [
            ("^x$", "x", true),
            ("^x$", "x\n", true),
            ("^x$", "x\n\n", false),
            (r"^x\Z", "x\n", true),
            (r"^x\z", "x\n", false),
        ] {
            let regex = fancy_regex::Regex::new(&translated(regex)).unwrap();
            assert_eq!(regex.is_match(text).unwrap(), expected, "{regex} {text:?}");
        }
    }
}

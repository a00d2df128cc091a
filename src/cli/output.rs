//! What a command prints: its results on stdout, what went wrong on stderr.
//!
//! Never prints what a terminal would act on.

use std::io::{self, Write as _};

use crate::escape;

/// Prints one line of a result.
pub(super) fn say(line: &str) {
    print(&escape::line(line));
}

/// Prints several lines of a result. Names in them must be escaped, or they could add lines.
pub(super) fn say_lines(text: &str) {
    print(&escape::lines(text));
}

/// Prints JSON.
pub(super) fn say_json(json: &str) {
    print(&escape::json(json));
}

/// Prints a text of ditto's own as it is; a closed pipe is its reader's to know.
pub(super) fn print(text: &str) {
    writeln!(io::stdout().lock(), "{text}").unwrap_or_default();
}

/// Prints one line about a failure.
pub(super) fn complain(line: &str) {
    warn(&escape::line(line));
}

/// Prints several lines about a failure. Names in them must be escaped, or they could add lines.
pub(super) fn complain_lines(text: &str) {
    warn(&escape::lines(text));
}

/// There is no place left to say that stderr cannot be written.
fn warn(text: &str) {
    writeln!(io::stderr().lock(), "ditto: {text}").unwrap_or_default();
}

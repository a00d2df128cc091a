//! What a command prints: its results on stdout, what went wrong on stderr.
//!
//! Never prints what a terminal would act on, and never lets an output that was lost pass for one that was written.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::escape;

/// Whether a part of the output could not be written. One for the process, as stdout is.
static LOST: AtomicBool = AtomicBool::new(false);

/// Prints one line of a result.
pub(super) fn say(line: &str) {
    print(&escape::line(line));
}

/// Prints several lines of a result. Names in them must be escaped, or they could add lines.
pub(super) fn say_lines(text: &str) {
    print(&escape::lines(text));
}

/// Prints a line of JSON, with control characters escaped.
pub(super) fn say_json(json: &str) {
    print(&escape::json(json));
}

/// Prints a text of ditto's own as it is.
pub(super) fn print(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush()) {
        note_lost(&error);
    }
}

/// Notes that output could not be written, and says so once. A closed pipe is no failure: its reader has had enough.
pub(super) fn note_lost(error: &io::Error) {
    if error.kind() != io::ErrorKind::BrokenPipe && !LOST.swap(true, Ordering::Relaxed) {
        complain(&format!("failed to write the output: {error}"));
    }
}

/// Whether output was lost, for the exit code.
pub(super) fn is_lost() -> bool {
    LOST.load(Ordering::Relaxed)
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

//! Asking before something is written.
//!
//! Never takes silence for a yes: without a terminal only `--yes` is one.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use crate::escape;

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    /// Nobody is there to ask.
    Nobody,
}

/// Asks on the terminal, unless it was answered beforehand.
pub(super) fn confirm(question: &str, yes: bool) -> Answer {
    if yes {
        return Answer::Yes;
    }
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Answer::Nobody;
    }
    let mut out = std::io::stderr().lock();
    let asked = write!(out, "{} [y/N] ", escape::line(question)).and_then(|()| out.flush());
    let mut line = String::new();
    let answered = asked.and_then(|()| input.lock().read_line(&mut line));
    match (answered, line.trim().to_ascii_lowercase().as_str()) {
        (Ok(_), "y" | "yes") => Answer::Yes,
        _ => Answer::No,
    }
}

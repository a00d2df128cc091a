//! A line for the journal from a command: what an operator decided, kept where the daemon's own lines are.
//!
//! Goes to the journal although the command's own stderr does not. Never waits for a journal.

use std::time::SystemTime;

use tracing::Level;

use super::journal::Journal;
use super::record::{Place, Record};

/// Writes the line. False if there is no journal, or it did not take it.
#[must_use]
#[track_caller]
pub fn audit(message_id: &str, message: &str, fields: &[(&'static str, String)]) -> bool {
    let record = Record {
        time: SystemTime::now(),
        place: Place::here(Level::WARN, "ditto::cli"),
        message: message.to_owned(),
        message_id: Some(message_id.to_owned()),
        fields: fields.to_vec(),
    };
    Journal::open().is_ok_and(|mut journal| journal.write(&record))
}

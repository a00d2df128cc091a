//! Epochs: a record, and behind it an event that tells of it, for each time a leader begins (protocol §15.1).
//!
//! Never shows in `$all`; the stream `$epoch-information` can be read like any other.

use uuid::Uuid;

use super::Store;
use super::log::Log;
use crate::clock;

const STREAM: &str = "$epoch-information";
/// What the record itself takes in the log.
const RECORD_SIZE: u64 = 137;

/// The record of an epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epoch {
    pub(super) position: u64,
    pub(super) number: u64,
}

impl Epoch {
    /// Whether a log that ends there holds the record and the event that tells of it.
    pub(super) fn is_before(self, end: u64) -> bool {
        self.position + RECORD_SIZE < end
    }
}

impl Log {
    /// Writes the epoch of a leader that begins.
    pub(super) fn begin_epoch(&mut self, leader: Uuid) {
        let (number, position) = (self.next_epoch, self.end());
        let previous = self
            .epochs
            .last()
            .map_or_else(|| "-1".to_owned(), |previous| previous.position.to_string());
        self.leave_out(RECORD_SIZE);
        self.epochs.push(Epoch { position, number });
        self.next_epoch += 1;
        let mut fields = vec![format!(r#""epochId":"{}""#, Uuid::new_v4())];
        for (key, value) in [
            ("epochPosition", position.to_string()),
            ("epochNumber", number.to_string()),
            ("prevEpochPosition", previous),
        ] {
            // A key whose value is 0 is left out.
            if value != "0" {
                fields.push(format!(r#""{key}":{value}"#));
            }
        }
        let time = prost_types::Timestamp::from(clock::now());
        fields.push(format!(r#""timeStamp":"{time}""#));
        fields.push(format!(r#""leaderInstanceId":"{leader}""#));
        let data = format!("{{{}}}", fields.join(","));
        let stream = self.intern(STREAM);
        self.push_event(stream, Store::json_event(STREAM, data));
    }

    /// Whether the record of an epoch begins there: a place to read from.
    pub(super) fn is_epoch(&self, position: u64) -> bool {
        self.epochs.iter().any(|epoch| epoch.position == position)
    }
}

//! What an event of `$$S` says of S, and what ditto notes beside it when it copies one (protocol §5.2, §15.3).
//!
//! The one place that reads and writes both. Judges as a server does: what no server takes for metadata says nothing. Never
//! loses a digit of a number that it does not need.

mod json;
mod note;

use std::sync::Arc;

use ditto_core::event::{Event, StreamName};
use ditto_core::port::state::{Change, Metadata};
use uuid::Uuid;

pub use self::json::with_truncate_before;
pub use self::note::{note, noted};

/// Longer texts are told apart by their digest: several of a stream are kept.
const LONGEST_REST: usize = 4096;

/// What metadata says that no server takes for metadata.
const NOTHING: &str = "{}";

/// Reads an event of `$$S`.
#[must_use]
pub fn metadata(event: Event) -> Metadata {
    let read = event.is_json.then(|| json::read(&event.data)).flatten();
    let (truncate_before, rest) = match read {
        Some(read) => (read.truncate_before, shortened(read.rest)),
        None => (None, NOTHING.into()),
    };
    Metadata {
        truncate_before,
        rest,
        note: note(&event.metadata),
        event,
    }
}

/// The `$tb` that an event of `$$S` sets; `None`: none, or no valid metadata.
#[must_use]
pub fn truncated_before(event: &Event) -> Option<u64> {
    let read = event.is_json.then(|| json::read(&event.data)).flatten();
    read?.truncate_before
}

/// The event that copies a change to `$$S`.
#[must_use]
pub fn changed(stream: &StreamName, change: Change) -> Event {
    let Change {
        event,
        truncate_before,
        note,
    } = change;
    let (is_json, data) = match truncate_before {
        None => (event.is_json, event.data),
        Some(before) => {
            let counts = if event.is_json { &event.data[..] } else { b"" };
            (true, with_truncate_before(counts, before))
        }
    };
    Event {
        stream: stream.metadata_stream(),
        is_json,
        data,
        metadata: noted(&note),
        ..event
    }
}

fn shortened(rest: String) -> Arc<str> {
    if rest.len() <= LONGEST_REST {
        return rest.into();
    }
    let digest = Uuid::new_v5(&Uuid::NAMESPACE_OID, rest.as_bytes());
    format!("{} bytes, {digest}", rest.len()).into()
}

#[cfg(test)]
mod tests;

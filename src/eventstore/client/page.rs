//! What a read says of a stream: every answer and every failure, told apart here and nowhere else.
//!
//! Never reads, and never decides what follows from it.

use super::super::error::{Class, Error};
use super::super::stream_state::truncated_before;
use ditto_core::event::Event;
use ditto_core::port::state::SOFT_DELETED;

/// What a page holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamPage {
    /// The stream exists, though perhaps no event of the range is readable.
    Found {
        /// In reading order.
        records: Vec<ResolvedRecord>,
        /// The next readable revision (or the one behind the end) when the range asked for begins with none
        /// (protocol §3.2); only forwards.
        first: Option<u64>,
        /// Number of the stream's last event, readable or not. `None` if the page ended early, by `max_bytes`.
        last: Option<u64>,
    },
    /// There is no such stream, or it is soft-deleted.
    NotFound,
    /// It is tombstoned.
    Tombstoned,
}

impl StreamPage {
    /// Number of the stream's last event; `None` if the page does not tell, or there is no such stream.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        match self {
            Self::Found { last, .. } => *last,
            Self::NotFound | Self::Tombstoned => None,
        }
    }

    /// Its events in reading order; none of a stream that is not there.
    #[must_use]
    pub fn into_events(self) -> Vec<Event> {
        match self {
            Self::Found { records, .. } => events(records),
            Self::NotFound | Self::Tombstoned => Vec::new(),
        }
    }

    /// Its first event in reading order.
    #[must_use]
    pub fn into_first_event(self) -> Option<Event> {
        self.into_events().into_iter().next()
    }

    /// What it says of the deletion of `S`, if it is a read of the newest event of `$$S`.
    #[must_use]
    pub fn into_deletion(self) -> Deletion {
        match self {
            Self::Tombstoned => Deletion::Tombstone,
            found @ Self::Found { .. } => found
                .into_first_event()
                .filter(says_deleted)
                .map_or(Deletion::None, |newest| Deletion::Soft(Box::new(newest))),
            Self::NotFound => Deletion::None,
        }
    }
}

/// One event of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedRecord {
    /// The event; of a link that is followed, its target, if that can be read.
    pub event: Option<Event>,
    /// The link, if there is one that was followed.
    pub link: Option<Event>,
}

impl ResolvedRecord {
    /// What stands in the stream that was read: the link, if there is one.
    #[must_use]
    pub fn original(&self) -> Option<&Event> {
        self.link.as_ref().or(self.event.as_ref())
    }

    /// Bytes of what it holds.
    pub(super) fn size(&self) -> usize {
        self.event.as_ref().map_or(0, Event::size) + self.link.as_ref().map_or(0, Event::size)
    }
}

/// What one node shows of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProvenPage {
    /// The stream exists, though perhaps no event of the range is readable.
    Found {
        /// In reading order.
        records: Vec<ResolvedRecord>,
        /// Number of the stream's last event, readable or not.
        last: u64,
    },
    /// The node knows neither the stream nor a deletion of it: there is none, or the node is behind.
    NotFound,
    /// The newest metadata on the same node, this event, says that the stream was soft-deleted.
    SoftDeleted(Box<Event>),
    /// It is tombstoned.
    Tombstoned,
}

/// What the newest metadata of a stream says of its deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// Nothing: the stream was not deleted, or written again since.
    None,
    /// It was soft-deleted, by this event.
    Soft(Box<Event>),
    /// It is tombstoned.
    Tombstone,
}

/// Why a read brought no page, by what that means for the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// No right to read it.
    Denied,
    /// No right to read its metadata, which tells whether it was deleted.
    MetadataDenied,
    /// It cannot be read, for a lasting reason, while the same node answers reads of others.
    ThisStream,
    /// The server refuses this read, and reads of other streams, too.
    AnyStream,
    /// No answer, or none that says anything about the stream.
    Failed,
}

impl Unread {
    /// What this error of a read means.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        match error.class() {
            Class::Denied => Self::Denied,
            Class::MetadataDenied => Self::MetadataDenied,
            Class::Unreadable => Self::ThisStream,
            Class::Refused => Self::AnyStream,
            _ => Self::Failed,
        }
    }
}

/// The events of a page.
pub fn events(records: Vec<ResolvedRecord>) -> Vec<Event> {
    let events = records.into_iter().filter_map(|record| record.event);
    events.collect()
}

/// An error of reading a stream's metadata: a denial is not one of the stream itself.
pub(crate) fn of_metadata(error: Error) -> Error {
    match error.class() {
        Class::Denied => {
            let text = format!("its metadata: {}", error.detail());
            error.becomes(Class::MetadataDenied, text)
        }
        _ => error,
    }
}

/// Whether this event of `$$S` says that `S` was soft-deleted. Only a JSON object of the right types counts as metadata
/// at all (protocol §5.2).
#[must_use]
pub fn says_deleted(event: &Event) -> bool {
    truncated_before(event) == Some(SOFT_DELETED)
}

#[cfg(test)]
mod tests {
    use super::says_deleted;
    use bytes::Bytes;
    use ditto_core::event::Event;
    use uuid::Uuid;

    #[test]
    fn a_soft_delete_is_told_from_a_truncation() {
        let rows = [
            (r#"{"$tb":9223372036854775807}"#, true, true),
            (
                r#"{"$maxAge":5,"$tb":9223372036854775807,"mine":[1]}"#,
                true,
                true,
            ),
            (
                r#"{"a":1e999,"$tb":9223372036854775807,"b":"\u0024"}"#,
                true,
                true,
            ),
            (r#"{"$tb":9223372036854775807.0}"#, true, false),
            (r#"{"$tb":9223372036854775807}"#, false, false),
            (r#"{"$tb":12}"#, true, false),
            (r#"{"$tb":"9223372036854775807"}"#, true, false),
            (r#"{"$tb":-1}"#, true, false),
            (r#"[9223372036854775807]"#, true, false),
            ("", true, false),
        ];
        for (data, is_json, expected) in rows {
            let stored = Event {
                id: Uuid::nil(),
                stream: "$$customer-1".into(),
                revision: 0,
                event_type: "$metadata".into(),
                is_json,
                data: Bytes::from(data),
                metadata: Bytes::new(),
                created: 0,
            };
            assert_eq!(says_deleted(&stored), expected, "{data} {is_json}");
        }
    }
}

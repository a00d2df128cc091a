//! What a page proves about a stream: that it is not found counts for a deletion only if the same node shows one.
//!
//! A node that is behind the others knows neither the stream nor its last event (protocol §3.2). Never takes two
//! nodes' answers for one.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::super::error::{Class, Error};
use super::{Client, ReadStream, ResolvedRecord, StreamPage, notes};
use ditto_core::event::Event;

/// `$tb` of a stream that was soft-deleted (protocol §5.2).
const DELETED_BEFORE: u64 = i64::MAX as u64;

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
    /// The newest metadata on the same node says that the stream was soft-deleted.
    SoftDeleted,
    /// It is tombstoned.
    Tombstoned,
}

impl Client {
    /// Reads one page, and what is needed to tell a deletion from a node that is behind, all from one node.
    ///
    /// # Errors
    /// As [`Client::read_stream`]; also if the stream's last event number cannot be had.
    pub async fn read_proven(&self, read: ReadStream) -> Result<ProvenPage, Error> {
        let (page, node) = self.read_to_last(&read).await?;
        match (page, node) {
            (
                StreamPage::Found {
                    records,
                    last: Some(last),
                    ..
                },
                _,
            ) => Ok(ProvenPage::Found { records, last }),
            (StreamPage::Found { last: None, .. }, _) | (StreamPage::NotFound, None) => {
                let text = format!("stream \"{}\" changed between two reads", read.stream);
                Err(Error::new(
                    self.side(),
                    Class::Transient,
                    "read a stream",
                    text,
                ))
            }
            (StreamPage::NotFound, Some(node)) => {
                let newest = ReadStream::newest(read.stream.metadata_stream());
                Ok(
                    match self.read_at(&node, &newest).await.map_err(of_metadata)? {
                        StreamPage::Found { records, .. } if newest_says_deleted(&records) => {
                            ProvenPage::SoftDeleted
                        }
                        StreamPage::Found { .. } | StreamPage::NotFound => ProvenPage::NotFound,
                        StreamPage::Tombstoned => ProvenPage::Tombstoned,
                    },
                )
            }
            (StreamPage::Tombstoned, _) => Ok(ProvenPage::Tombstoned),
        }
    }
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

fn newest_says_deleted(records: &[ResolvedRecord]) -> bool {
    let newest = records.iter().find_map(|record| record.event.as_ref());
    newest.is_some_and(says_deleted)
}

/// Whether this event of `$$S` says that `S` was soft-deleted. Only a JSON object of the right types counts as metadata
/// at all (protocol §5.2).
#[must_use]
pub fn says_deleted(event: &Event) -> bool {
    truncated_before(event) == Some(DELETED_BEFORE)
}

/// The `$tb` that this event of `$$S` sets; `None`: none, or no valid metadata (protocol §5.2).
#[must_use]
pub fn truncated_before(event: &Event) -> Option<u64> {
    // What stands beside it may be a number that no type holds.
    let metadata: BTreeMap<String, Box<RawValue>> = event.is_json.then(|| notes(&event.data))?;
    metadata.get("$tb")?.get().parse().ok()
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

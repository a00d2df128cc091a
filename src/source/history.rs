//! Plain reads of streams at the source, for repairs.
//!
//! Never follows a link, and never writes.

use crate::eventstore::client::{
    Client, Direction, ProvenPage, ReadStream, StartAt, Unread, events,
};
use ditto_core::event::StreamName;
use ditto_core::port::{ReadFrom, SourcePage};

/// Reads a stream, links not resolved.
pub async fn stream(
    client: &Client,
    stream: StreamName,
    from: ReadFrom,
    count: u32,
    max_bytes: usize,
) -> SourcePage {
    let (start, direction) = match from {
        ReadFrom::Revision(revision) => (StartAt::Revision(revision), Direction::Forwards),
        ReadFrom::Tail => (StartAt::End, Direction::Backwards),
    };
    let read = ReadStream {
        stream: stream.clone(),
        start,
        direction,
        count: count.into(),
        resolve_links: false,
        max_bytes,
    };
    match client.read_proven(read).await {
        Ok(ProvenPage::Found { records, last }) => SourcePage::Events {
            events: events(records),
            last,
        },
        Ok(ProvenPage::NotFound) => SourcePage::NotFound,
        Ok(ProvenPage::SoftDeleted(_)) => SourcePage::SoftDeleted,
        Ok(ProvenPage::Tombstoned) => SourcePage::Tombstoned,
        Err(error) => match Unread::of(&error) {
            Unread::Denied => SourcePage::Denied,
            Unread::ThisStream | Unread::MetadataDenied => SourcePage::Refused(error.with_hint()),
            Unread::AnyStream | Unread::Failed => SourcePage::Failed,
        },
    }
}

#[cfg(test)]
mod tests;

//! Plain reads at the source: streams for repairs, links for holes, the name of the parked stream.
//!
//! Never follows a link where a stream itself is asked for, and never writes.

use crate::config::settings::SubscriptionKey;
use crate::eventstore::client::{
    Client, Direction, ProvenPage, ReadStream, ResolvedRecord, StartAt, Unread, events,
};
use crate::source::decode::decode;
use ditto_core::event::{Item, SkipReason, StreamName};
use ditto_core::port::{LinkPage, ReadFrom, SourcePage};

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
        Ok(ProvenPage::SoftDeleted) => SourcePage::SoftDeleted,
        Ok(ProvenPage::Tombstoned) => SourcePage::Tombstoned,
        Err(error) => match Unread::of(&error) {
            Unread::Denied => SourcePage::Denied,
            Unread::ThisStream | Unread::MetadataDenied => SourcePage::Refused(error.with_hint()),
            Unread::AnyStream | Unread::Failed => SourcePage::Failed,
        },
    }
}

/// Reads a stream of links, each with what it points to.
pub async fn links(
    client: &Client,
    stream: &StreamName,
    from: u64,
    count: u32,
    max_bytes: usize,
) -> LinkPage {
    let read = ReadStream {
        resolve_links: true,
        ..ReadStream::forwards(stream.clone(), from, count.into(), max_bytes)
    };
    link_page(client, read, numbered).await
}

/// The first link of a stream from a number on, not followed: its event may be large, and nobody wants it.
pub async fn first_link(client: &Client, stream: &StreamName, from: u64) -> LinkPage {
    let read = ReadStream::forwards(stream.clone(), from, 1, usize::MAX);
    let number = |record: ResolvedRecord| {
        let number = record.original()?.revision;
        Some((number, Item::Never(SkipReason::Unresolved)))
    };
    link_page(client, read, number).await
}

async fn link_page(
    client: &Client,
    read: ReadStream,
    take: impl Fn(ResolvedRecord) -> Option<(u64, Item)>,
) -> LinkPage {
    match client.read_proven(read).await {
        Ok(ProvenPage::Found { records, last }) => LinkPage::Items {
            items: records.into_iter().filter_map(take).collect(),
            last,
        },
        Ok(ProvenPage::NotFound) => LinkPage::NotFound,
        Ok(ProvenPage::SoftDeleted | ProvenPage::Tombstoned) => LinkPage::Deleted,
        Err(error) => match Unread::of(&error) {
            Unread::Denied | Unread::MetadataDenied => LinkPage::Denied,
            Unread::ThisStream | Unread::AnyStream | Unread::Failed => LinkPage::Failed,
        },
    }
}

/// The stream that a group's parked entries are in (protocol §8.8).
#[must_use]
pub fn parked_stream(group: &SubscriptionKey) -> StreamName {
    StreamName::new(format!("$persistentsubscription-{group}-parked"))
}

fn numbered(record: ResolvedRecord) -> Option<(u64, ditto_core::event::Item)> {
    let number = record.original()?.revision;
    Some((number, decode(record)))
}

#[cfg(test)]
mod tests;

//! Plain reads of a subscription's own stream, for holes, and the name of the stream of what was parked.
//!
//! Never writes.

use crate::config::settings::SubscriptionKey;
use crate::eventstore::client::{Client, ProvenPage, ReadStream, ResolvedRecord, Unread};
use crate::source::resolve::resolve;
use ditto_core::event::{Item, SkipReason, StreamName};
use ditto_core::port::LinkPage;

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
        Ok(ProvenPage::SoftDeleted(_) | ProvenPage::Tombstoned) => LinkPage::Deleted,
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

fn numbered(record: ResolvedRecord) -> Option<(u64, Item)> {
    let number = record.original()?.revision;
    Some((number, resolve(record)))
}

//! Plain reads at the source: streams for repairs, links for holes, the parked stream, last numbers.
//!
//! Never follows a link where a stream itself is asked for, and never writes.

use serde::Deserialize;

use crate::cluster::client::{Client, Direction, ReadStream, ResolvedRecord, StartAt, StreamPage};
use crate::cluster::{Class, Error};
use crate::config::settings::SubscriptionKey;
use crate::source::decode::decode;
use ditto_core::event::{Item, SkipReason, StreamName};
use ditto_core::port::{LinkPage, ParkedEntry, ParkedPage, ReadFrom, SourcePage};

/// Bytes of one page of the parked stream; it only stops there.
const PARKED_PAGE_BYTES: usize = 1024 * 1024;

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
    match page(client, read).await {
        Ok(Page::Found { records, last }) => SourcePage::Events {
            events: records
                .into_iter()
                .filter_map(|record| record.event)
                .collect(),
            last,
        },
        Ok(Page::NotFound) => SourcePage::NotFound,
        Ok(Page::Tombstoned) => SourcePage::Tombstoned,
        Err(error) if *error.class() == Class::Denied => SourcePage::Denied,
        Err(_) => SourcePage::Failed,
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
    let read = resolving(stream, from, count, max_bytes);
    match page(client, read).await {
        Ok(Page::Found { records, last }) => LinkPage::Items {
            items: records.into_iter().filter_map(numbered).collect(),
            last,
        },
        Ok(Page::NotFound) => LinkPage::NotFound,
        Ok(Page::Tombstoned) => LinkPage::Deleted,
        Err(error) if *error.class() == Class::Denied => LinkPage::Denied,
        Err(_) => LinkPage::Failed,
    }
}

/// The first link of a stream from a number on, not followed: its event may be large, and nobody wants it.
pub async fn first_link(client: &Client, stream: &StreamName, from: u64) -> LinkPage {
    let read = ReadStream {
        resolve_links: false,
        ..resolving(stream, from, 1, usize::MAX)
    };
    let number = |record: ResolvedRecord| {
        let number = record.original()?.revision;
        Some((number, Item::Never(SkipReason::Unresolved)))
    };
    match page(client, read).await {
        Ok(Page::Found { records, last }) => LinkPage::Items {
            items: records.into_iter().filter_map(number).collect(),
            last,
        },
        Ok(Page::NotFound) => LinkPage::NotFound,
        Ok(Page::Tombstoned) => LinkPage::Deleted,
        Err(error) if *error.class() == Class::Denied => LinkPage::Denied,
        Err(_) => LinkPage::Failed,
    }
}

/// The stream that a group's parked entries are in (`protocol.md` §8.8).
#[must_use]
pub fn parked_stream(group: &SubscriptionKey) -> StreamName {
    StreamName::new(format!("$persistentsubscription-{group}-parked"))
}

/// Reads what a group has parked.
pub async fn parked(
    client: &Client,
    subscription: &StreamName,
    group: &str,
    from: u64,
    count: u32,
) -> ParkedPage {
    let stream = parked_stream(&SubscriptionKey {
        stream: subscription.clone(),
        group: group.into(),
    });
    let read = resolving(&stream, from, count, PARKED_PAGE_BYTES);
    match page(client, read).await {
        Ok(Page::Found { records, .. }) => {
            ParkedPage::Entries(records.into_iter().filter_map(parked_entry).collect())
        }
        Ok(Page::NotFound) => ParkedPage::Entries(Vec::new()),
        Ok(Page::Tombstoned) => ParkedPage::Tombstoned,
        Err(error) if *error.class() == Class::Denied => ParkedPage::Denied,
        Err(_) => ParkedPage::Failed,
    }
}

fn resolving(stream: &StreamName, from: u64, count: u32, max_bytes: usize) -> ReadStream {
    ReadStream {
        stream: stream.clone(),
        start: StartAt::Revision(from),
        direction: Direction::Forwards,
        count: count.into(),
        resolve_links: true,
        max_bytes,
    }
}

/// A page whose last number is known.
enum Page {
    Found {
        records: Vec<ResolvedRecord>,
        last: u64,
    },
    NotFound,
    Tombstoned,
}

async fn page(client: &Client, read: ReadStream) -> Result<Page, Error> {
    Ok(match client.read_page(read).await? {
        StreamPage::Found {
            records,
            last: Some(last),
            ..
        } => Page::Found { records, last },
        StreamPage::Found { last: None, .. } | StreamPage::NotFound => Page::NotFound,
        StreamPage::Tombstoned => Page::Tombstoned,
    })
}

fn numbered(record: ResolvedRecord) -> Option<(u64, ditto_core::event::Item)> {
    let number = record.original()?.revision;
    Some((number, decode(record)))
}

fn parked_entry(record: ResolvedRecord) -> Option<ParkedEntry> {
    let original = record.original()?;
    let notes: ParkedNotes = serde_json::from_slice(&original.metadata).unwrap_or_default();
    Some(ParkedEntry {
        entry: original.revision,
        reason: notes.reason,
        item: decode(record),
    })
}

/// What the server writes beside a parked entry (`protocol.md` §8.8).
#[derive(Default, Deserialize)]
#[serde(default)]
struct ParkedNotes {
    reason: String,
}

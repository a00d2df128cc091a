//! What the decision about a stream needs: its tail, its events, and whether it was deleted.
//!
//! Never decides anything by what it reads.

use futures_util::future::join;

use crate::eventstore::Error;
use crate::eventstore::client::NEVER_REACHED;
use crate::eventstore::client::{
    self, Client, Deletion, Direction, ProvenPage, ReadStream, StartAt, StreamEnd, Unread,
    of_metadata, says_deleted,
};
use crate::eventstore::stream_state::{note, truncated_before};
use ditto_core::event::{Event, StreamName};
use ditto_core::port::{AppendOutcome, Copied, Expected, LookupRange, LookupResult};

/// Reads what is asked for.
pub(super) async fn lookup(
    client: &Client,
    stream: StreamName,
    range: LookupRange,
    max_bytes: usize,
) -> LookupResult {
    let looked_up = match range {
        LookupRange::Metadata => deletion(client, &stream).await,
        LookupRange::Forwards { from, count } => {
            let start = StartAt::Revision(from);
            let direction = Direction::Forwards;
            // Both at once: what the metadata says is worth no round trip of its own.
            let (found, truncated) = join(
                events(client, &stream, start, direction, count, max_bytes),
                newest_metadata(client, &stream),
            )
            .await;
            found.map(|found| with_metadata(found, truncated))
        }
        LookupRange::Backwards { from, count } => {
            let start = from.map_or(StartAt::End, StartAt::Revision);
            events(
                client,
                &stream,
                start,
                Direction::Backwards,
                count,
                max_bytes,
            )
            .await
        }
    };
    match looked_up {
        Ok(result) => result,
        Err(error) => match Unread::of(&error) {
            Unread::Denied => LookupResult::Denied,
            Unread::MetadataDenied => LookupResult::MetadataDenied,
            Unread::ThisStream => unreadable(client, &stream, &error).await,
            Unread::AnyStream | Unread::Failed => LookupResult::Failed,
        },
    }
}

/// What an append that cannot succeed tells of a stream that cannot be read: a tombstone, whose error a read cannot show
/// if the name is not ASCII (protocol §9, §15.2).
async fn unreadable(client: &Client, stream: &StreamName, error: &Error) -> LookupResult {
    let expected = Expected::Exact(NEVER_REACHED);
    match client.append_outcome(stream, expected, &[]).await {
        AppendOutcome::Deleted => LookupResult::Tombstoned,
        _ => LookupResult::Refused(error.with_hint()),
    }
}

async fn events(
    client: &Client,
    stream: &StreamName,
    start: StartAt,
    direction: Direction,
    count: u32,
    max_bytes: usize,
) -> Result<LookupResult, Error> {
    let read = ReadStream {
        stream: stream.clone(),
        start,
        direction,
        count: count.into(),
        resolve_links: false,
        max_bytes,
    };
    let (records, last) = match client.read_proven(read).await? {
        ProvenPage::Found { records, last } => (records, last),
        ProvenPage::NotFound => return Ok(LookupResult::NotFound),
        ProvenPage::SoftDeleted(by) => return deleted(client, stream, &by).await,
        ProvenPage::Tombstoned => return Ok(LookupResult::Tombstoned),
    };
    let mut events = client::events(records);
    if direction == Direction::Backwards {
        events.reverse();
    }
    Ok(LookupResult::Tail {
        last,
        events,
        truncate_before: None,
        copied: None,
    })
}

/// A tail with what the stream's newest metadata says.
fn with_metadata(found: LookupResult, newest: Option<Event>) -> LookupResult {
    match found {
        LookupResult::Tail { last, events, .. } => LookupResult::Tail {
            last,
            events,
            truncate_before: newest
                .as_ref()
                .filter(|newest| !says_deleted(newest))
                .and_then(truncated_before),
            copied: newest.as_ref().and_then(copied),
        },
        other => other,
    }
}

/// The newest event of a stream's metadata. Nothing is decided by it but what to tell and what to doubt, so what cannot be read
/// counts as none.
async fn newest_metadata(client: &Client, stream: &StreamName) -> Option<Event> {
    let read = ReadStream::newest(stream.metadata_stream());
    client.read_stream(read).await.ok()?.into_first_event()
}

/// Who deleted the stream, as its newest metadata says. What a mirror found to be empty and holds events now was deleted by
/// somebody else, or written by.
async fn deleted(
    client: &Client,
    stream: &StreamName,
    newest: &Event,
) -> Result<LookupResult, Error> {
    let mut by = copied(newest).filter(|copied| copied.of.is_some());
    if by.as_ref().is_some_and(|by| by.to.is_none()) {
        by = match client.stream_end(stream).await? {
            StreamEnd::NoEvent => by,
            StreamEnd::At(_) => None,
            StreamEnd::Tombstoned => return Ok(LookupResult::Tombstoned),
        };
    }
    Ok(LookupResult::SoftDeleted(by))
}

/// What a mirror noted in a stream's metadata when it copied it.
fn copied(newest: &Event) -> Option<Copied> {
    let note = note(&newest.metadata)?;
    let first = truncated_before(newest).filter(|_| !says_deleted(newest));
    let hidden = first.and_then(|first| first.checked_sub(1));
    Some(Copied {
        of: note.of,
        to: note.last.max(hidden),
    })
}

/// Whether the metadata of a stream says that it was soft-deleted.
async fn deletion(client: &Client, stream: &StreamName) -> Result<LookupResult, Error> {
    let read = ReadStream::newest(stream.metadata_stream());
    let metadata = client.read_stream(read).await.map_err(of_metadata)?;
    Ok(match metadata.into_deletion() {
        Deletion::Soft(by) => deleted(client, stream, &by).await?,
        Deletion::Tombstone => LookupResult::Tombstoned,
        Deletion::None => LookupResult::NotDeleted,
    })
}

#[cfg(test)]
mod tests;

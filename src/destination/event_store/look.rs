//! What the decision about a stream needs: its tail, its events, and whether it was deleted.
//!
//! Never decides anything by what it reads.

use crate::cluster::client::{Client, Direction, ReadStream, StartAt, StreamPage};
use crate::cluster::{Class, Error};
use crate::destination::event_store::metadata;
use ditto_core::event::{Event, StreamName};
use ditto_core::port::{LookRange, LookResult};

/// Reads what is asked for.
pub(super) async fn look(
    client: &Client,
    stream: StreamName,
    range: LookRange,
    max_bytes: usize,
) -> LookResult {
    let looked = match range {
        LookRange::Metadata => deletion(client, &stream, LookResult::NotDeleted).await,
        LookRange::Forwards { from, count } => {
            let start = StartAt::Revision(from);
            events(
                client,
                &stream,
                start,
                Direction::Forwards,
                count,
                max_bytes,
            )
            .await
        }
        LookRange::Backwards { from, count } => {
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
    looked.unwrap_or_else(|error| match error.class() {
        Class::Denied => LookResult::Denied,
        _ => LookResult::Failed,
    })
}

async fn events(
    client: &Client,
    stream: &StreamName,
    start: StartAt,
    direction: Direction,
    count: u32,
    max_bytes: usize,
) -> Result<LookResult, Error> {
    let read = ReadStream {
        stream: stream.clone(),
        start,
        direction,
        count: count.into(),
        resolve_links: false,
        max_bytes,
    };
    let (records, last) = match client.read_page(read).await? {
        StreamPage::Found { records, last, .. } => (records, last),
        StreamPage::NotFound => return deletion(client, stream, LookResult::NotFound).await,
        StreamPage::Tombstoned => return Ok(LookResult::Tombstoned),
    };
    // Gone between the two reads: whatever it is now, this look does not know it.
    let Some(last) = last else {
        return Ok(LookResult::Failed);
    };
    let mut events: Vec<Event> = records
        .into_iter()
        .filter_map(|record| record.event)
        .collect();
    if direction == Direction::Backwards {
        events.reverse();
    }
    Ok(LookResult::Tail {
        last,
        events,
        truncate_before: None,
    })
}

/// Whether the metadata of a stream says that it was soft-deleted; `otherwise` if not.
async fn deletion(
    client: &Client,
    stream: &StreamName,
    otherwise: LookResult,
) -> Result<LookResult, Error> {
    let read = ReadStream::newest(stream.metadata_stream());
    Ok(match client.read_stream(read).await? {
        StreamPage::Found { records, .. } => {
            let newest = records.into_iter().find_map(|record| record.event);
            if newest.is_some_and(|event| metadata::says_deleted(&event)) {
                LookResult::SoftDeleted
            } else {
                otherwise
            }
        }
        StreamPage::NotFound => otherwise,
        StreamPage::Tombstoned => LookResult::Tombstoned,
    })
}

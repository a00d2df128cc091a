//! What a stream of the destination is beside its events, and the destination's own epochs.
//!
//! Never decides whose metadata is whose.

use ditto_core::event::StreamName;
use ditto_core::port::log::EpochsPage;
use ditto_core::port::state::{End, Metadata, StateFound, There};
use ditto_core::port::{AppendOutcome, Expected};

use super::own::is_denied;
use crate::eventstore::Error;
use crate::eventstore::client::{Client, StreamState, outcome_of};
use crate::eventstore::stream_state::metadata;
use ditto_core::event::TOMBSTONE_REVISION;

/// Reads how a stream ends, and its metadata.
pub(super) async fn look_up(client: &Client, stream: &StreamName) -> StateFound {
    match there(client, stream).await {
        Ok(there) => StateFound::There(Box::new(there)),
        Err(error) if is_denied(&error) => StateFound::Denied,
        Err(_) => StateFound::Failed,
    }
}

async fn there(client: &Client, stream: &StreamName) -> Result<There, Error> {
    let state = client.stream_state(stream).await?;
    let (end, last_id, newest) = match state {
        StreamState::Tombstoned => (End::Tombstoned, None, None),
        StreamState::SoftDeleted { last, metadata } => (End::SoftDeleted(last), None, metadata),
        StreamState::Shown {
            last,
            last_id,
            metadata,
        } => (last.map_or(End::Empty, End::At), last_id, metadata),
    };
    let metadata = newest.map(metadata);
    let is_revived = match (end, &metadata) {
        (End::At(last), Some(metadata)) if may_be_the_servers(metadata, last) => {
            is_behind_events(client, stream, metadata).await?
        }
        _ => false,
    };
    Ok(There {
        end,
        last_id,
        metadata,
        is_revived,
    })
}

/// Nobody noted anything in it, and it shows some of the stream's events.
fn may_be_the_servers(metadata: &Metadata, last: u64) -> bool {
    let shows = metadata.truncate_before.is_some_and(|first| first <= last);
    shows && metadata.event.metadata.is_empty()
}

/// Whether the log holds it directly behind the stream's events that it shows: where a server writes its own when an append
/// revives a stream (protocol §15.4).
async fn is_behind_events(
    client: &Client,
    stream: &StreamName,
    metadata: &Metadata,
) -> Result<bool, Error> {
    let newest = client.newest_record(&metadata.event.stream).await?;
    let Some(newest) = newest.filter(|newest| newest.event.id == metadata.event.id) else {
        // Another came meanwhile, and a write that expects this one is refused.
        return Ok(false);
    };
    let before = match client.record_before(newest.position).await {
        // Without the right to read the log nothing shows that it is the server's.
        Err(error) if is_denied(&error) => return Ok(false),
        before => before?,
    };
    Ok(before.is_some_and(|before| {
        before.event.stream == *stream && Some(before.event.revision) >= metadata.truncate_before
    }))
}

/// Reads the epochs.
pub(super) async fn epochs(client: &Client) -> EpochsPage {
    match all_epochs(client).await {
        Ok(page) => page,
        Err(error) if is_denied(&error) => EpochsPage::Denied,
        Err(_) => EpochsPage::Failed,
    }
}

async fn all_epochs(client: &Client) -> Result<EpochsPage, Error> {
    let epochs = client.epochs().await?;
    // A log has at least the server's own first records.
    Ok(match client.log_end().await? {
        Some(end) => EpochsPage::Epochs { epochs, end },
        None => EpochsPage::Failed,
    })
}

/// Deletes a stream for good.
pub(super) async fn tombstone(
    client: &Client,
    stream: &StreamName,
    expected: Expected,
) -> AppendOutcome {
    match client.tombstone(stream, expected).await {
        Ok(()) => AppendOutcome::Written(TOMBSTONE_REVISION),
        Err(error) => outcome_of(&error),
    }
}

//! What a stream of the destination is beside its events, and the destination's own epochs.
//!
//! Never decides whose metadata is whose.

use ditto_core::event::StreamName;
use ditto_core::port::log::EpochsPage;
use ditto_core::port::state::{End, StateFound, There};
use ditto_core::port::{AppendOutcome, Expected};

use super::own::is_denied;
use crate::eventstore::Error;
use crate::eventstore::client::{Client, StreamState, outcome_of};
use crate::eventstore::stream_state::metadata;
use ditto_core::event::TOMBSTONE_REVISION;

/// Reads how a stream ends, and its metadata.
pub(super) async fn look_up(client: &Client, stream: &StreamName) -> StateFound {
    match client.stream_state(stream).await {
        Ok(state) => StateFound::There(Box::new(there(state))),
        Err(error) if is_denied(&error) => StateFound::Denied,
        Err(_) => StateFound::Failed,
    }
}

fn there(state: StreamState) -> There {
    let (end, newest) = match state {
        StreamState::Tombstoned => (End::Tombstoned, None),
        StreamState::SoftDeleted { last, metadata } => (End::SoftDeleted(last), metadata),
        StreamState::Shown { last, metadata } => (last.map_or(End::Empty, End::At), metadata),
    };
    There {
        end,
        metadata: newest.map(metadata),
    }
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

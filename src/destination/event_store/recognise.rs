//! Questions that only an append can ask: whose a stream is whose events cannot be read, and whether it may be written.
//!
//! Every append here is one that the server recognises or refuses; none is ever written.

use crate::eventstore::client::{Client, NEVER_REACHED};
use ditto_core::event::{Event, StreamName};
use ditto_core::port::{AppendOutcome, Expected, LookupResult, Rights};

/// Whether the stream holds this event at its revision (protocol §5.1.12).
pub(super) async fn recognise(client: &Client, stream: &StreamName, event: Event) -> LookupResult {
    let Some(before) = event.revision.checked_sub(1) else {
        return LookupResult::Unproven("an append to an empty stream would be written".to_owned());
    };
    let revision = event.revision;
    let outcome = client
        .append_outcome(
            stream,
            Expected::Exact(before),
            std::slice::from_ref(&event),
        )
        .await;
    match outcome {
        AppendOutcome::Written(last) | AppendOutcome::Present(last) if last == revision => {
            LookupResult::Recognised
        }
        AppendOutcome::WrongRevision => LookupResult::Foreign,
        AppendOutcome::Deleted => LookupResult::Tombstoned,
        AppendOutcome::Denied => LookupResult::Denied,
        AppendOutcome::TooLarge { .. } => {
            LookupResult::Unproven("the event is larger than the destination accepts".to_owned())
        }
        AppendOutcome::Refused(text) => LookupResult::Unproven(text),
        AppendOutcome::Written(_)
        | AppendOutcome::Present(_)
        | AppendOutcome::NotReady
        | AppendOutcome::NoAnswer => LookupResult::Failed,
    }
}

/// Whether the stream may be written.
pub(super) async fn rights(client: &Client, stream: &StreamName) -> Rights {
    let outcome = client
        .append_outcome(stream, Expected::Exact(NEVER_REACHED), &[])
        .await;
    match outcome {
        AppendOutcome::WrongRevision | AppendOutcome::Deleted => Rights::Allowed,
        AppendOutcome::Denied => Rights::Denied,
        _ => Rights::Unknown,
    }
}

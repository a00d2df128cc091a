//! What ditto notes in the custom metadata of a state that it copies: `{"$ditto":{…}}`.
//!
//! Keys that it does not know are passed over; a note that it cannot read is none.

use bytes::Bytes;
use ditto_core::port::LogPosition;
use ditto_core::port::state::{ChangeId, Note};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::eventstore::client::notes;

/// Custom metadata, as far as it is ditto's.
#[derive(Default, Serialize, Deserialize)]
struct Noted {
    #[serde(rename = "$ditto", default, skip_serializing_if = "Option::is_none")]
    ditto: Option<Written>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epoch: Option<Uuid>,
    /// The first epoch of the source's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log: Option<Uuid>,
    /// Commit and prepare position of the source's change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    position: Option<(u64, u64)>,
    /// Its revision in `$$S`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fill: Option<u64>,
}

/// The note in an event's custom metadata; `None`: there is none.
#[must_use]
pub fn note(custom_metadata: &[u8]) -> Option<Note> {
    let written = notes::<Noted>(custom_metadata).ditto?;
    let of = written
        .position
        .zip(written.revision)
        .map(|((commit, prepare), revision)| ChangeId {
            epoch: written.epoch,
            log: written.log,
            position: LogPosition { commit, prepare },
            revision,
        });
    // What is left of one that is neither says nothing of its own.
    (of.is_some() || written.fill.is_some()).then_some(Note {
        last: of.as_ref().and(written.last),
        of,
        filled_below: written.fill,
    })
}

/// The note as custom metadata.
#[must_use]
pub fn noted(note: &Note) -> Bytes {
    let of = note.of.as_ref();
    let written = Written {
        epoch: of.and_then(|of| of.epoch),
        log: of.and_then(|of| of.log),
        position: of.map(|of| (of.position.commit, of.position.prepare)),
        revision: of.map(|of| of.revision),
        last: note.last,
        fill: note.filled_below,
    };
    let noted = Noted {
        ditto: Some(written),
    };
    // Nothing in it can fail: numbers, an id, and no maps with other keys.
    serde_json::to_vec(&noted).unwrap_or_default().into()
}

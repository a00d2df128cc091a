//! A mirror's checkpoint: an event of the stream `$ditto-mirror-NAME`, the newest of which alone counts.
//!
//! Never decides whose mirror it is, and never takes over what it does not understand.

use bytes::Bytes;
use ditto_core::event::{Event, StreamName};
use ditto_core::port::log::{Checkpoint, CheckpointPage, Holder, Mark, Proof, Record};
use ditto_core::port::{AppendOutcome, Expected, LogPosition};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::own;
use crate::eventstore::client::{Client, ReadStream, StreamPage};
use crate::host::Process;

const TYPE: &str = "ditto-checkpoint";
/// What this ditto writes, and all that it reads.
const VERSION: u32 = 1;
/// Older checkpoints are for `position` only.
const KEPT: u32 = 10_000;

/// The stream of a mirror's checkpoints. A system name: the admins' own, in no category, and never mirrored.
pub(crate) fn stream(mirror: &str) -> StreamName {
    StreamName::new(format!("$ditto-mirror-{mirror}"))
}

/// Reads the newest one.
pub(super) async fn newest(client: &Client, mirror: &str) -> CheckpointPage {
    let stream = stream(mirror);
    let page = match client.read_stream(ReadStream::newest(stream.clone())).await {
        Ok(page) => page,
        Err(error) if own::is_denied(&error) => return CheckpointPage::Denied,
        Err(_) => return CheckpointPage::Failed,
    };
    match page {
        StreamPage::Tombstoned => CheckpointPage::Unreadable(own::deleted(&stream)),
        StreamPage::NotFound => none(client, &stream).await,
        found @ StreamPage::Found { .. } => match found.into_first_event() {
            Some(event) => read(&event),
            None => none(client, &stream).await,
        },
    }
}

/// There is none to be read: where the stream ends all the same, if it was deleted or truncated.
async fn none(client: &Client, stream: &StreamName) -> CheckpointPage {
    match own::end(client, stream).await {
        Ok(expected) => CheckpointPage::None { expected },
        Err(own::NoEnd::Deleted(text)) => CheckpointPage::Unreadable(text),
        Err(own::NoEnd::Denied) => CheckpointPage::Denied,
        Err(own::NoEnd::Failed) => CheckpointPage::Failed,
    }
}

fn read(event: &Event) -> CheckpointPage {
    match Written::parse(event) {
        Ok(written) => CheckpointPage::Newest {
            revision: event.revision,
            // An earlier run of this process has ended, or this one would not have begun.
            is_gone: written
                .process
                .as_ref()
                .is_some_and(|process| process.is_gone() || process.is_current()),
            checkpoint: Box::new(written.into()),
        },
        Err(text) => CheckpointPage::Unreadable(text),
    }
}

/// Writes the checkpoint of a mirror, if the newest one is still the expected one; the answer has a time limit.
pub(super) async fn write(
    client: &Client,
    mirror: &str,
    id: Uuid,
    expected: Expected,
    checkpoint: &Checkpoint,
) -> AppendOutcome {
    let stream = stream(mirror);
    let written = Written::of(checkpoint, Process::current());
    let event = Event {
        id,
        stream: stream.clone(),
        revision: 0,
        event_type: TYPE.into(),
        is_json: true,
        data: Bytes::from(written.to_json()),
        metadata: Bytes::new(),
        created: 0,
    };
    let outcome = client
        .append_outcome(&stream, expected, std::slice::from_ref(&event))
        .await;
    if expected == Expected::NoStream && matches!(outcome, AppendOutcome::Written(_)) {
        own::keep_newest(client, &stream, KEPT).await;
    }
    outcome
}

/// The event's data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    version: u32,
    mark: Option<WrittenMark>,
    highest: Option<WrittenProof>,
    origin: Option<Uuid>,
    taken_over: bool,
    #[serde(default)]
    released: bool,
    rules: String,
    holder: String,
    instance: Uuid,
    process: Option<Process>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct WrittenMark {
    commit: u64,
    prepare: u64,
    epoch: Option<Uuid>,
    record: Option<WrittenRecord>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct WrittenRecord {
    commit: u64,
    prepare: u64,
    stream: String,
    revision: u64,
    id: Uuid,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct WrittenProof {
    commit: u64,
    prepare: u64,
    epoch: Uuid,
}

/// The one key that tells whether the others are understood.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Written {
    fn of(checkpoint: &Checkpoint, process: Option<Process>) -> Self {
        let record = |record: &Record| WrittenRecord {
            commit: record.position.commit,
            prepare: record.position.prepare,
            stream: record.stream.to_string(),
            revision: record.revision,
            id: record.id,
        };
        Self {
            version: VERSION,
            mark: checkpoint.mark.as_ref().map(|mark| WrittenMark {
                commit: mark.position.commit,
                prepare: mark.position.prepare,
                epoch: checkpoint.mark_epoch,
                record: mark.record.as_ref().map(record),
            }),
            highest: checkpoint.highest.map(|proof| WrittenProof {
                commit: proof.position.commit,
                prepare: proof.position.prepare,
                epoch: proof.epoch,
            }),
            origin: checkpoint.origin,
            taken_over: checkpoint.taken_over,
            released: checkpoint.released,
            rules: checkpoint.rules.clone(),
            holder: checkpoint.holder.name.clone(),
            instance: checkpoint.holder.instance,
            process,
        }
    }

    /// # Errors
    /// The event is no checkpoint that this ditto understands: text for the operator.
    fn parse(event: &Event) -> Result<Self, String> {
        let Event {
            stream, revision, ..
        } = event;
        if &*event.event_type != TYPE {
            return Err(format!(
                "event {revision} of stream {stream} has the type {:?}, expected {TYPE:?}: somebody else writes there",
                event.event_type
            ));
        }
        let bad = |error| format!("event {revision} of stream {stream} is no checkpoint: {error}");
        let Versioned { version } = serde_json::from_slice(&event.data).map_err(bad)?;
        if version != VERSION {
            return Err(format!(
                "event {revision} of stream {stream} has version {version}, expected {VERSION}: another ditto wrote it"
            ));
        }
        serde_json::from_slice(&event.data).map_err(bad)
    }

    fn to_json(&self) -> String {
        // Nothing in it can fail: numbers, texts and no maps with other keys.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl From<Written> for Checkpoint {
    fn from(written: Written) -> Self {
        let position = |commit, prepare| LogPosition { commit, prepare };
        let record = |record: WrittenRecord| Record {
            position: position(record.commit, record.prepare),
            stream: StreamName::new(record.stream),
            revision: record.revision,
            id: record.id,
        };
        let mark_epoch = written.mark.as_ref().and_then(|mark| mark.epoch);
        Self {
            mark: written.mark.map(|mark| Mark {
                position: position(mark.commit, mark.prepare),
                record: mark.record.map(record),
            }),
            mark_epoch,
            highest: written.highest.map(|proof| Proof {
                position: position(proof.commit, proof.prepare),
                epoch: proof.epoch,
            }),
            origin: written.origin,
            taken_over: written.taken_over,
            released: written.released,
            rules: written.rules,
            holder: Holder {
                name: written.holder,
                instance: written.instance,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(event_type: &str, data: &str) -> Event {
        Event {
            id: Uuid::nil(),
            stream: stream("all"),
            revision: 7,
            event_type: event_type.into(),
            is_json: true,
            data: Bytes::from(data.to_owned()),
            metadata: Bytes::new(),
            created: 0,
        }
    }

    fn checkpoints() -> [Checkpoint; 2] {
        let at = |commit| LogPosition {
            commit,
            prepare: commit - 1,
        };
        let nothing = Checkpoint {
            mark: None,
            mark_epoch: None,
            highest: None,
            origin: None,
            taken_over: true,
            released: false,
            rules: "*".to_owned(),
            holder: Holder {
                name: "ditto/host/1".to_owned(),
                instance: Uuid::from_u128(1),
            },
        };
        let whole = Checkpoint {
            mark: Some(Mark {
                position: at(i64::MAX as u64),
                record: Some(Record {
                    position: at(300),
                    stream: "a-\u{f6}\"1".into(),
                    revision: 5,
                    id: Uuid::from_u128(2),
                }),
            }),
            mark_epoch: Some(Uuid::from_u128(3)),
            highest: Some(Proof {
                position: at(900),
                epoch: Uuid::from_u128(3),
            }),
            origin: Some(Uuid::from_u128(4)),
            taken_over: false,
            released: true,
            ..nothing.clone()
        };
        [nothing, whole]
    }

    #[test]
    fn what_is_written_is_read_again() {
        for checkpoint in checkpoints() {
            let json = Written::of(&checkpoint, Process::current()).to_json();
            let read = Written::parse(&event(TYPE, &json)).map(Checkpoint::from);
            assert_eq!(read.as_ref(), Ok(&checkpoint), "{json}");
        }
    }

    #[test]
    fn what_is_not_understood_is_told_with_its_place() {
        let [whole, _] = checkpoints();
        let json = Written::of(&whole, None).to_json();
        let newer = json.replace("\"version\":1", "\"version\":2");
        for (event_type, data, expected) in [
            ("other", json.as_str(), "has the type \"other\""),
            (TYPE, newer.as_str(), "has version 2, expected 1"),
            (TYPE, "{", "is no checkpoint"),
            (TYPE, "{\"version\":1}", "is no checkpoint: missing field"),
        ] {
            let text = Written::parse(&event(event_type, data)).expect_err(expected);
            assert!(
                text.contains("event 7 of stream $ditto-mirror-all"),
                "{text}"
            );
            assert!(text.contains(expected), "{text}");
        }
    }
}

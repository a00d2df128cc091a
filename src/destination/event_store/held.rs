//! The record of a mirror's held streams: events of the stream `$ditto-held-NAME`, all taken together.
//!
//! Never decides what is held.

use std::collections::BTreeMap;

use bytes::Bytes;
use ditto_core::event::{Event, StreamName};
use ditto_core::port::log::{
    HELD_BYTES, HELD_CHANGES, HELD_STREAMS, HeldChange, HeldPage, HeldStream,
};
use ditto_core::port::{AppendOutcome, Expected, HeldReason, LogPosition};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::own;
use crate::eventstore::client::{Client, ReadStream, StreamPage};

const HELD: &str = "ditto-held";
const RELEASED: &str = "ditto-released";
const PAGE: u64 = 500;
const PAGE_BYTES: usize = 1 << 20;
/// So many events that say nothing any more may stand in the stream beside each that does.
const STALE: u64 = 1_000;

/// The stream of a mirror's record. A system name, as that of its checkpoints.
pub(crate) fn stream(mirror: &str) -> StreamName {
    StreamName::new(format!("$ditto-held-{mirror}"))
}

/// Reads the record.
pub(super) async fn read(client: &Client, mirror: &str) -> HeldPage {
    let stream = stream(mirror);
    match fold(client, &stream).await {
        Ok(record) => record.page(client, &stream).await,
        Err(page) => page,
    }
}

/// Reads the record. One that holds little but what was released is written anew first.
pub(super) async fn take_up(client: &Client, mirror: &str) -> HeldPage {
    let stream = stream(mirror);
    let record = match fold(client, &stream).await {
        Ok(record) => record,
        Err(page) => return page,
    };
    let stands = u64::try_from(record.streams.len()).unwrap_or(u64::MAX);
    match record.last {
        Some(last) if record.events > stands.saturating_mul(2).saturating_add(STALE) => {
            rewrite(client, &stream, last, record.streams).await
        }
        _ => record.page(client, &stream).await,
    }
}

/// Writes changes, in one append.
pub(super) async fn write(
    client: &Client,
    mirror: &str,
    id: Uuid,
    expected: Expected,
    changes: &[HeldChange],
) -> AppendOutcome {
    let stream = stream(mirror);
    let events = events(&stream, id, changes);
    client.append_outcome(&stream, expected, &events).await
}

/// What the events of the stream say, taken together.
struct Folded {
    streams: BTreeMap<StreamName, HeldStream>,
    events: u64,
    last: Option<u64>,
}

impl Folded {
    async fn page(self, client: &Client, stream: &StreamName) -> HeldPage {
        let end = match self.last {
            Some(last) => Ok(Expected::Exact(last)),
            None => own::end(client, stream).await,
        };
        match end {
            Ok(expected) => HeldPage::Held {
                streams: self.streams.into_values().collect(),
                expected,
            },
            Err(own::NoEnd::Deleted(text)) => HeldPage::Unreadable(text),
            Err(own::NoEnd::Denied) => HeldPage::Denied,
            Err(own::NoEnd::Failed) => HeldPage::Failed,
        }
    }
}

async fn fold(client: &Client, stream: &StreamName) -> Result<Folded, HeldPage> {
    let mut record = Folded {
        streams: BTreeMap::new(),
        events: 0,
        last: None,
    };
    let (mut bytes, mut from) = (0, 0);
    loop {
        let read = ReadStream::forwards(stream.clone(), from, PAGE, PAGE_BYTES);
        let (records, last) = match client.read_page(read).await {
            Ok(StreamPage::Found { records, last, .. }) => (records, last),
            Ok(StreamPage::NotFound) => return Ok(record),
            Ok(StreamPage::Tombstoned) => return Err(HeldPage::Unreadable(own::deleted(stream))),
            Err(error) if own::is_denied(&error) => return Err(HeldPage::Denied),
            Err(_) => return Err(HeldPage::Failed),
        };
        record.last = last;
        let before = from;
        for event in records.into_iter().filter_map(|record| record.event) {
            from = event.revision + 1;
            record.events += 1;
            match parse(&event).map_err(HeldPage::Unreadable)? {
                HeldChange::Held(held) => {
                    bytes += size(&held);
                    let before = record.streams.insert(held.stream.clone(), held);
                    bytes -= before.as_ref().map_or(0, size);
                }
                HeldChange::Released(name) => {
                    let before = record.streams.remove(&name);
                    bytes -= before.as_ref().map_or(0, size);
                }
            }
            if record.streams.len() > HELD_STREAMS || bytes > HELD_BYTES {
                return Err(HeldPage::Unreadable(format!(
                    "stream {stream} says that more than {HELD_STREAMS} streams are held: that many cannot be kept in mind"
                )));
            }
        }
        // A page without an event: what follows was truncated, up to the end.
        if from == before || last.is_none_or(|last| from > last) {
            return Ok(record);
        }
    }
}

/// Writes what still holds behind everything else, and lets the server forget the rest.
async fn rewrite(
    client: &Client,
    stream: &StreamName,
    last: u64,
    streams: BTreeMap<StreamName, HeldStream>,
) -> HeldPage {
    let changes: Vec<HeldChange> = streams.values().cloned().map(HeldChange::Held).collect();
    let mut end = last;
    for part in changes.chunks(HELD_CHANGES) {
        // The same at the same place if it is done again.
        let id = Uuid::new_v5(
            &Uuid::NAMESPACE_URL,
            format!("ditto:{stream}:{end}").as_bytes(),
        );
        let events = events(stream, id, part);
        match client
            .append_outcome(stream, Expected::Exact(end), &events)
            .await
        {
            AppendOutcome::Written(revision) => end = revision,
            AppendOutcome::Denied => return HeldPage::Denied,
            _ => return HeldPage::Failed,
        }
    }
    // Where it fails the next start does it again.
    own::truncate(client, stream, last + 1).await;
    HeldPage::Held {
        streams: streams.into_values().collect(),
        expected: Expected::Exact(end),
    }
}

fn size(held: &HeldStream) -> usize {
    held.stream.as_str().len() + held.reason.len()
}

fn events(stream: &StreamName, id: Uuid, changes: &[HeldChange]) -> Vec<Event> {
    (0_u64..)
        .zip(changes)
        .map(|(number, change)| {
            let (event_type, written) = Written::of(change);
            Event {
                id: Uuid::new_v5(&id, &number.to_be_bytes()),
                stream: stream.clone(),
                revision: 0,
                event_type: event_type.into(),
                is_json: true,
                // Nothing in it can fail: numbers and texts.
                data: Bytes::from(serde_json::to_vec(&written).unwrap_or_default()),
                metadata: Bytes::new(),
                created: 0,
            }
        })
        .collect()
}

/// The data of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Written {
    stream: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<WrittenReason>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct WrittenReason {
    revision: u64,
    kind: String,
    reason: String,
    /// Where the first record of it was passed; a record without it was written by an older ditto.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<WrittenPosition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct WrittenPosition {
    commit: u64,
    prepare: u64,
}

impl Written {
    fn of(change: &HeldChange) -> (&'static str, Self) {
        match change {
            HeldChange::Held(held) => (
                HELD,
                Self {
                    stream: held.stream.to_string(),
                    held: Some(WrittenReason {
                        revision: held.revision,
                        kind: held.kind.as_str().to_owned(),
                        reason: held.reason.clone(),
                        first: held.first.map(|first| WrittenPosition {
                            commit: first.commit,
                            prepare: first.prepare,
                        }),
                    }),
                },
            ),
            HeldChange::Released(stream) => (
                RELEASED,
                Self {
                    stream: stream.to_string(),
                    held: None,
                },
            ),
        }
    }
}

/// # Errors
/// The event is none that this ditto understands: text for the operator.
fn parse(event: &Event) -> Result<HeldChange, String> {
    let Event {
        stream, revision, ..
    } = event;
    let bad = |what: String| format!("event {revision} of stream {stream} {what}");
    let written: Written = serde_json::from_slice(&event.data)
        .map_err(|error| bad(format!("tells of no held stream: {error}")))?;
    let name = StreamName::new(written.stream);
    match (&*event.event_type, written.held) {
        (HELD, Some(held)) => {
            let kind = HeldReason::ALL
                .into_iter()
                .find(|kind| kind.as_str() == held.kind)
                .ok_or_else(|| {
                    bad(format!(
                        "has the reason {:?}: another ditto wrote it",
                        held.kind
                    ))
                })?;
            Ok(HeldChange::Held(HeldStream {
                stream: name,
                revision: held.revision,
                kind,
                reason: held.reason,
                first: held.first.map(|first| LogPosition {
                    commit: first.commit,
                    prepare: first.prepare,
                }),
            }))
        }
        (RELEASED, None) => Ok(HeldChange::Released(name)),
        (other, _) => Err(bad(format!(
            "has the type {other:?}, expected {HELD:?} or {RELEASED:?} and what belongs to it"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes() -> Vec<HeldChange> {
        let held = |kind| {
            HeldChange::Held(HeldStream {
                stream: "a-\u{f6}".into(),
                revision: 5,
                kind,
                reason: "it has \"another\" event".to_owned(),
                first: Some(LogPosition {
                    commit: 77,
                    prepare: 76,
                }),
            })
        };
        let mut all: Vec<HeldChange> = HeldReason::ALL.into_iter().map(held).collect();
        all.push(HeldChange::Released("b-1".into()));
        all
    }

    #[test]
    fn what_is_written_is_read_again() {
        let written = events(&stream("all"), Uuid::nil(), &changes());
        let read: Result<Vec<HeldChange>, String> = written.iter().map(parse).collect();
        assert_eq!(read, Ok(changes()));
    }

    #[test]
    fn where_an_older_ditto_first_passed_a_stream_is_not_known() {
        let [held, ..] = &events(&stream("all"), Uuid::nil(), &changes())[..] else {
            panic!("none");
        };
        let text = String::from_utf8_lossy(&held.data);
        let older = text.replace(r#","first":{"commit":77,"prepare":76}"#, "");
        assert_ne!(text, older);
        let event = Event {
            data: Bytes::from(older),
            ..held.clone()
        };
        let Ok(HeldChange::Held(read)) = parse(&event) else {
            panic!("not understood");
        };
        assert_eq!(read.first, None);
    }

    #[test]
    fn what_is_not_understood_is_told_with_its_place() {
        let [held, .., released] = &events(&stream("all"), Uuid::nil(), &changes())[..] else {
            panic!("too few");
        };
        let data = |event: &Event, data: &str| Event {
            data: Bytes::from(data.to_owned()),
            ..event.clone()
        };
        let typed = |event: &Event, event_type: &str| Event {
            event_type: event_type.into(),
            ..event.clone()
        };
        let other_reason = String::from_utf8_lossy(&held.data).replace("conflict", "weather");
        for (event, expected) in [
            (data(held, "{"), "tells of no held stream"),
            (data(held, &other_reason), "has the reason \"weather\""),
            (typed(held, RELEASED), "has the type \"ditto-released\""),
            (typed(released, HELD), "has the type \"ditto-held\""),
            (typed(released, "other"), "has the type \"other\""),
        ] {
            let text = parse(&event).expect_err(expected);
            assert!(text.contains("of stream $ditto-held-all"), "{text}");
            assert!(text.contains(expected), "{text}");
        }
    }
}

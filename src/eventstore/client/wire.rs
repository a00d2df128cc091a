//! Events between ditto's form and the wire's, and reads of the whole log. Payloads are shared, not copied.
//!
//! Never guesses: a record that lacks what exactness needs is an error.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use ditto_protocol::ids::{IdForm, from_wire, to_wire};
use ditto_protocol::shared::{Empty, StreamIdentifier, Uuid as WireUuid};
use ditto_protocol::streams::ReadReq;
use ditto_protocol::streams::read_req::Options;
use ditto_protocol::streams::read_req::options::all_options::AllOption;
use ditto_protocol::streams::read_req::options::{
    AllOptions, CountOption, FilterOption, Position, ReadDirection, StreamOption, UuidOption,
    uuid_option,
};
use ditto_protocol::streams::read_resp::read_event::RecordedEvent;

use ditto_core::event::{Event, StreamName, TOMBSTONE_REVISION};
use ditto_core::port::LogPosition;

/// The id of an event as it is sent: the structured form is the cheaper one.
pub(super) fn id(event: &Event) -> WireUuid {
    to_wire(event.id, IdForm::Structured)
}

/// The two keys that a server keeps (protocol §3.5).
pub(super) fn metadata(event: &Event) -> HashMap<String, String> {
    let content_type = if event.is_json {
        "application/json"
    } else {
        "application/octet-stream"
    };
    HashMap::from([
        ("type".to_owned(), event.event_type.as_ref().to_owned()),
        ("content-type".to_owned(), content_type.to_owned()),
    ])
}

/// Names a stream.
pub(super) fn identifier(stream: &StreamName) -> StreamIdentifier {
    StreamIdentifier {
        stream_name: Bytes::copy_from_slice(stream.as_str().as_bytes()),
    }
}

/// A read of the whole log, `$all`. Links are not followed: a link is matched as what it is.
pub(super) fn read_all(
    start: AllOption,
    direction: ReadDirection,
    count: CountOption,
    filter: FilterOption,
) -> ReadReq {
    ReadReq {
        options: Some(Options {
            stream_option: Some(StreamOption::All(AllOptions {
                all_option: Some(start),
            })),
            read_direction: direction.into(),
            resolve_links: false,
            count_option: Some(count),
            filter_option: Some(filter),
            uuid_option: Some(UuidOption {
                content: Some(uuid_option::Content::Structured(Empty {})),
            }),
            control_option: None,
        }),
    }
}

/// A position as it is sent: the pair that the server gave.
pub(super) fn at(position: LogPosition) -> AllOption {
    AllOption::Position(Position {
        commit_position: position.commit,
        prepare_position: position.prepare,
    })
}

/// A number that a server can have: its own are signed.
pub(super) fn number(number: u64) -> Option<u64> {
    (number <= TOMBSTONE_REVISION).then_some(number)
}

/// An event as a server stored it. The error says what is missing.
pub(super) fn event(record: RecordedEvent) -> Result<Event, &'static str> {
    let id = from_wire(record.id.as_ref()).map_err(|_| "an event without an id")?;
    let name = record
        .stream_identifier
        .as_ref()
        .ok_or("an event without a stream")?;
    let name =
        std::str::from_utf8(&name.stream_name).map_err(|_| "a stream name that is not UTF-8")?;
    if name.is_empty() {
        return Err("an event without a stream");
    }
    let event_type: Arc<str> = record
        .metadata
        .get("type")
        .ok_or("an event without a type")?
        .as_str()
        .into();
    Ok(Event {
        id,
        stream: StreamName::new(name),
        revision: number(record.stream_revision).ok_or("a revision that no event has")?,
        event_type,
        is_json: record
            .metadata
            .get("content-type")
            .is_some_and(|text| text == "application/json"),
        data: record.data,
        metadata: record.custom_metadata,
        created: record
            .metadata
            .get("created")
            .and_then(|ticks| ticks.parse().ok())
            .unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use ditto_protocol::ids::{IdForm, to_wire};
    use ditto_protocol::streams::read_resp::read_event::RecordedEvent;
    use uuid::Uuid;

    use super::{event, identifier, number};

    fn record(stream: &str, revision: u64) -> RecordedEvent {
        RecordedEvent {
            id: Some(to_wire(Uuid::nil(), IdForm::Structured)),
            stream_identifier: Some(identifier(&stream.into())),
            stream_revision: revision,
            metadata: HashMap::from([("type".to_owned(), String::new())]),
            ..RecordedEvent::default()
        }
    }

    #[test]
    fn an_event_that_no_server_can_have_is_refused() {
        let tombstone = i64::MAX as u64;
        for (record, expected) in [
            (record("s", 0), Ok(0)),
            (record("s", tombstone), Ok(tombstone)),
            (
                record("s", tombstone + 1),
                Err("a revision that no event has"),
            ),
            (record("s", u64::MAX), Err("a revision that no event has")),
            (record("", 0), Err("an event without a stream")),
        ] {
            assert_eq!(event(record).map(|event| event.revision), expected);
        }
    }

    #[test]
    fn a_number_beyond_all_revisions_is_none() {
        for (found, expected) in [
            (0, Some(0)),
            (1 << 62, Some(1 << 62)),
            (1 << 63, None),
            (u64::MAX, None),
        ] {
            assert_eq!(number(found), expected);
        }
    }
}

//! Events between ditto's form and the wire's. Payloads are shared, not copied.
//!
//! Never guesses: a record that lacks what exactness needs is an error.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use ditto_protocol::ids::{IdForm, from_wire, to_wire};
use ditto_protocol::shared::{StreamIdentifier, Uuid as WireUuid};
use ditto_protocol::streams::read_resp::read_event::RecordedEvent;

use ditto_core::event::{Event, StreamName};

/// The id of an event as it is sent: the structured form is the cheaper one.
pub(super) fn id(event: &Event) -> WireUuid {
    to_wire(event.id, IdForm::Structured)
}

/// The two keys that a server keeps (`protocol.md` §3.5).
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

/// An event as a server stored it. The error says what is missing.
pub(super) fn event(record: RecordedEvent) -> Result<Event, &'static str> {
    let id = from_wire(record.id.as_ref()).map_err(|_| "an event without an id")?;
    let name = record
        .stream_identifier
        .as_ref()
        .ok_or("an event without a stream")?;
    let name =
        std::str::from_utf8(&name.stream_name).map_err(|_| "a stream name that is not UTF-8")?;
    let event_type: Arc<str> = record
        .metadata
        .get("type")
        .ok_or("an event without a type")?
        .as_str()
        .into();
    Ok(Event {
        id,
        stream: StreamName::new(name),
        revision: record.stream_revision,
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

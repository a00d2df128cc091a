//! Records as messages, and what is common to the requests of both services.
//!
//! Never decides what a reader gets to see, only how it looks.

use std::collections::HashMap;

use bytes::Bytes;
use ditto_protocol::ids::{IdForm, stream_identifier, to_wire};
use ditto_protocol::shared::StreamIdentifier;
use ditto_protocol::streams::ReadResp;
use ditto_protocol::streams::read_resp::{Content, ReadEvent, read_event};

use crate::store::{Record, Resolved};

/// The three keys that every event has (protocol §3.5).
pub(crate) fn event_metadata(record: &Record) -> HashMap<String, String> {
    let content_type = if record.is_json {
        "application/json"
    } else {
        "application/octet-stream"
    };
    HashMap::from([
        ("type".to_owned(), record.event_type.to_string()),
        ("created".to_owned(), record.created.to_string()),
        ("content-type".to_owned(), content_type.to_owned()),
    ])
}

/// An event of a stream as the streams service tells it.
pub(crate) fn recorded(record: &Record, form: IdForm) -> read_event::RecordedEvent {
    read_event::RecordedEvent {
        id: Some(to_wire(record.id, form)),
        stream_identifier: Some(stream_identifier(&record.stream)),
        stream_revision: record.revision,
        prepare_position: record.position,
        commit_position: record.position,
        metadata: event_metadata(record),
        custom_metadata: record.metadata(),
        data: record.data(),
    }
}

/// An event, with its target if it is a link that was followed. `bare_links`: how a link whose text cannot be
/// followed looks, as a plain event or as a link without one (protocol §6.1).
pub(crate) fn read_event(
    record: &Record,
    resolved: &Resolved,
    form: IdForm,
    bare_links: BareLinks,
) -> ReadResp {
    let this = || Some(recorded(record, form));
    let (event, link) = match (resolved, bare_links) {
        (Resolved::Plain, _) | (Resolved::Unparsable, BareLinks::Events) => (this(), None),
        (Resolved::Unparsable, BareLinks::Links) => (None, this()),
        (Resolved::Link(target), _) => {
            (target.as_ref().map(|target| recorded(target, form)), this())
        }
    };
    content(Content::Event(ReadEvent {
        event,
        link,
        position: Some(read_event::Position::CommitPosition(record.position)),
    }))
}

/// How a link looks whose text names no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BareLinks {
    /// As an event of the type `$>`: finite reads and history.
    Events,
    /// As a link whose target is absent: live.
    Links,
}

pub(crate) fn content(content: Content) -> ReadResp {
    ReadResp {
        content: Some(content),
    }
}

/// A stream's name out of a request; `None` if it is absent, empty or no text.
pub(crate) fn stream_name(identifier: Option<&StreamIdentifier>) -> Option<String> {
    let name: &Bytes = &identifier?.stream_name;
    String::from_utf8(name.to_vec())
        .ok()
        .filter(|name| !name.is_empty())
}

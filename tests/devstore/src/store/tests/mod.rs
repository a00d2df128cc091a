//! The store's rules as tables; what both sets of tests use. Never waits for anything.

mod cut;
mod projections;
mod streams;
mod stretch;
mod unreadable;

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::{Expected, Proposed, Record, Refused, Store, StreamRead};

fn event(id: u128) -> Proposed {
    typed(id, "happened", "{}", true)
}

fn typed(id: u128, event_type: &str, data: &str, is_json: bool) -> Proposed {
    Proposed {
        id: Uuid::from_u128(id),
        event_type: event_type.into(),
        is_json,
        data: Bytes::copy_from_slice(data.as_bytes()),
        metadata: Bytes::new(),
    }
}

fn events(ids: &[u128]) -> Vec<Proposed> {
    ids.iter().copied().map(event).collect()
}

fn link(id: u128, target: &str) -> Proposed {
    typed(id, "$>", target, false)
}

/// Answer of an append in one line: last revision, or what was wrong.
fn append(store: &Store, stream: &str, expected: Expected, ids: &[u128]) -> String {
    match store.append(stream, expected, events(ids)) {
        Ok(written) => {
            let last = written
                .last_revision
                .map_or("none".to_owned(), |last| last.to_string());
            let position = if written.position.is_some() {
                ""
            } else {
                " unreadable"
            };
            let recognised = if written.recognised { " again" } else { "" };
            format!("{last}{recognised}{position}")
        }
        Err(Refused::StreamDeleted) => "deleted".to_owned(),
        Err(Refused::WrongExpectedVersion { current }) => {
            format!(
                "wrong {}",
                current.map_or("none".to_owned(), |last| last.to_string())
            )
        }
    }
}

fn metadata(store: &Store, stream: &str, data: &str) {
    let event = Store::json_event("$metadata", data.to_owned());
    store
        .append(&format!("$${stream}"), Expected::Any, vec![event])
        .unwrap();
}

/// What a read shows: revisions, or why none.
fn shown(read: StreamRead) -> String {
    match read {
        StreamRead::NotFound => "not found".to_owned(),
        StreamRead::Deleted => "deleted".to_owned(),
        StreamRead::Page(page) => {
            let revisions: Vec<String> = page
                .events
                .iter()
                .map(|event| event.revision.to_string())
                .collect();
            format!(
                "[{}] next {} last {}",
                revisions.join(" "),
                page.next,
                page.last
            )
        }
    }
}

fn records(store: &Store, stream: &str) -> Vec<Arc<Record>> {
    match store.read_forward(stream, 0, 1000) {
        StreamRead::Page(page) => page.events,
        StreamRead::NotFound | StreamRead::Deleted => Vec::new(),
    }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The links of a projection's output: their texts.
fn links(store: &Store, stream: &str) -> Vec<String> {
    records(store, stream)
        .iter()
        .map(|record| text(&record.data()))
        .collect()
}

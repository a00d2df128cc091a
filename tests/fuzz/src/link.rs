//! Links: their text, and what projections note in their metadata.
//!
//! An input is lines: type, stream, revision, text; whatever follows is the metadata. Pure.

use bytes::Bytes;
use ditto::eventstore::client::ResolvedRecord;
use ditto::source::persistent::fuzzing::{names_nothing, naming, target};
use ditto::source::persistent::parked::Notes;
use ditto::source::resolve::{resolve, stream_of};
use ditto_core::event::{Event, Item, TOMBSTONE_REVISION};
use uuid::Uuid;

use crate::rules::{LARGEST, cut};

/// Judges one input.
pub fn link_text(data: &[u8]) {
    let (event_type, rest) = cut(data, b"\n");
    let (stream, rest) = cut(rest, b"\n");
    let (revision, rest) = cut(rest, b"\n");
    let (text, metadata) = cut(rest, b"\n");
    let revision = std::str::from_utf8(revision).ok();
    let revision = revision.and_then(|revision| revision.parse().ok());
    let stream = String::from_utf8_lossy(stream);
    let link = Event {
        id: Uuid::nil(),
        // Names and revisions are those that the wire lets in.
        stream: if stream.is_empty() { "s" } else { &*stream }.into(),
        revision: revision.unwrap_or(0).min(LARGEST),
        event_type: String::from_utf8_lossy(event_type).into(),
        is_json: false,
        data: Bytes::copy_from_slice(text),
        metadata: Bytes::copy_from_slice(metadata),
        created: 0,
    };
    text_is_read_again(&link);
    decisions_are_possible(&link);
    let notes = Notes::of(&link);
    drop((
        naming(&link),
        notes,
        ditto::source::persistent::parked::text(&link),
    ));
}

fn text_is_read_again(link: &Event) {
    let Some((stream, revision)) = target(link) else {
        return;
    };
    assert!(
        revision <= TOMBSTONE_REVISION && !stream.as_str().is_empty(),
        "{link:?}"
    );
    assert!(!names_nothing(link), "{link:?}");
    let again = Event {
        data: format!("{revision}@{stream}").into(),
        ..link.clone()
    };
    assert_eq!(target(&again), Some((stream, revision)), "{link:?}");
}

fn decisions_are_possible(link: &Event) {
    let pointed_to = Event {
        stream: "customer-1".into(),
        ..link.clone()
    };
    for event in [None, Some(pointed_to.clone()), Some(link.clone())] {
        let has_target = event.is_some();
        let record = ResolvedRecord {
            event,
            link: Some(link.clone()),
        };
        match resolve(record) {
            Item::Event(event) => {
                assert!(has_target, "{link:?}");
                assert!(
                    !event.stream.is_system() && event.revision < TOMBSTONE_REVISION,
                    "{event:?}"
                );
            }
            Item::Forward(stream) => {
                assert!(
                    !stream.is_system() && !stream.as_str().is_empty(),
                    "{link:?}"
                );
            }
            Item::Never(_) => {}
        }
    }
    if let Some((stream, revision)) = stream_of(link) {
        assert!(
            !stream.is_system() && !stream.as_str().is_empty(),
            "{link:?}"
        );
        assert!(
            revision.is_none_or(|revision| revision < TOMBSTONE_REVISION),
            "{link:?}"
        );
    }
}

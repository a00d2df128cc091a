//! Metadata of streams: what is read of it and of ditto's note beside it, and what stays when ditto writes another `$tb`.
//!
//! An input is the JSON. Pure.

use bytes::Bytes;
use ditto::eventstore::client::says_deleted;
use ditto::eventstore::stream_state::{
    metadata, note, noted, truncated_before, with_truncate_before,
};
use ditto::parked::fuzzing::truncation;
use ditto_core::event::Event;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use uuid::Uuid;

/// To be cut off.
const BEFORE: u64 = 1 << 40;

type Members = BTreeMap<String, Box<RawValue>>;

/// Judges one input.
pub fn stream_metadata(data: &[u8]) {
    let newest = Event {
        id: Uuid::nil(),
        stream: "$$$persistentsubscription-s::g-parked".into(),
        revision: 0,
        event_type: "$metadata".into(),
        is_json: true,
        data: Bytes::copy_from_slice(data),
        metadata: Bytes::new(),
        created: 0,
    };
    let present = truncated_before(&newest);
    assert!(!says_deleted(&newest) || present.is_some(), "{newest:?}");
    one_form(&newest);
    if let Some(read) = note(data) {
        assert_eq!(note(&noted(&read)), Some(read), "{newest:?}");
    }
    let Some(written) = truncation(&newest, BEFORE) else {
        assert!(
            present.is_some_and(|present| present >= BEFORE),
            "{newest:?}"
        );
        return;
    };
    let truncated = Event {
        data: written.clone(),
        ..newest
    };
    assert_eq!(truncated_before(&truncated), Some(BEFORE));
    // What the server takes for nothing says nothing, and nothing of it can stay.
    let (true, Ok(mut before), Ok(mut after)) = (
        *metadata(truncated.clone()).rest != *"{}",
        serde_json::from_slice::<Members>(data),
        serde_json::from_slice::<Members>(&written),
    ) else {
        return;
    };
    before.remove("$tb");
    after.remove("$tb");
    let texts = |members: Members| -> Vec<(String, String)> {
        let members = members.into_iter();
        members
            .map(|(name, value)| (name, value.get().to_owned()))
            .collect()
    };
    assert_eq!(texts(before), texts(after));
}

/// Another `$tb` changes nothing else that it says, and what it says is said in one form.
fn one_form(newest: &Event) {
    let read = metadata(newest.clone());
    let rest_of = |data: Bytes| {
        let event = Event {
            data,
            ..newest.clone()
        };
        metadata(event).rest
    };
    for before in [None, Some(BEFORE)] {
        let written = with_truncate_before(&newest.data, before);
        assert_eq!(rest_of(written), read.rest, "{newest:?}");
    }
    if read.rest.starts_with('{') {
        let again = Bytes::copy_from_slice(read.rest.as_bytes());
        assert_eq!(rest_of(again), read.rest, "{newest:?}");
    }
}

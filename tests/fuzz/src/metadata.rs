//! Metadata of streams: what is read of it, and what stays when ditto truncates a parked queue.
//!
//! An input is the JSON. Pure.

use bytes::Bytes;
use ditto::eventstore::client::{says_deleted, truncated_before};
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
    // What is no object says nothing, and nothing of it can stay.
    let (Ok(mut before), Ok(mut after)) = (
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

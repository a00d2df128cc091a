//! Settings, groups and events as tests need them.
//!
//! Never makes an id by chance: it is made of stream and revision.

use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use crate::event::Event;
use crate::port::{
    CoreSettings, Feed, GroupSeen, Mode, OnConflict, OnMissingHistory, OnUnverified,
};

pub(in crate::tests) fn settings() -> CoreSettings {
    CoreSettings {
        mode: Mode::Exact,
        buffer_size: Some(100),
        appends_in_flight: None,
        throttle_interval: Duration::ZERO,
        max_append_events: 500,
        max_append_bytes: 1024 * 1024,
        time_to_live: None,
        on_conflict: OnConflict::Park,
        on_missing_history: OnMissingHistory::Park,
        on_unverified: OnUnverified::Hold,
        known_streams: 1000,
        feed: Feed::Plain,
        accept_unseen_below: 0,
    }
}

pub(in crate::tests) fn group() -> GroupSeen {
    GroupSeen {
        message_timeout: Duration::from_secs(60),
        max_retry_count: 10,
        checkpoint: None,
        start: Some(0),
        parked: 0,
        parked_readable: None,
        last_number: None,
    }
}

/// The source's event: its id is made of stream and revision.
pub(in crate::tests) fn event(stream: &str, revision: u64) -> Event {
    Event {
        id: Uuid::new_v5(&Uuid::nil(), format!("{stream}/{revision}").as_bytes()),
        stream: stream.into(),
        revision,
        event_type: "tested".into(),
        is_json: true,
        data: Bytes::from_static(b"{}"),
        metadata: Bytes::new(),
        created: i64::try_from(revision).unwrap().saturating_mul(10_000_000),
    }
}

pub(in crate::tests) fn events(
    stream: &str,
    revisions: impl IntoIterator<Item = u64>,
) -> Vec<Event> {
    revisions
        .into_iter()
        .map(|revision| event(stream, revision))
        .collect()
}

/// Somebody else's event.
pub(in crate::tests) fn stranger(stream: &str, revision: u64) -> Event {
    Event {
        id: Uuid::from_u128(999),
        ..event(stream, revision)
    }
}

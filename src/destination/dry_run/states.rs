//! The metadata that streams would have, and which would be deleted for good.
//!
//! Keeps what it says, not its bytes. Never writes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use crate::eventstore::stream_state::metadata;
use ditto_core::event::{Event, StreamName};
use ditto_core::port::state::{End, Metadata, StateFound, There};

/// Streams whose virtual state is remembered; a few hundred bytes each, 5 KiB at most.
const KNOWN_STREAMS: usize = 10_000;

/// What would have been written beside a stream's events.
#[derive(Clone, Debug)]
enum State {
    Metadata(Box<Metadata>),
    Tombstone,
}

/// The states that streams would have.
#[derive(Debug)]
pub(super) struct States(Mutex<LruCache<StreamName, State>>);

impl States {
    pub(super) fn new() -> Self {
        Self(Mutex::new(LruCache::unbounded()))
    }

    /// These events would have been written, the last one with this revision.
    pub(super) fn written(&self, stream: &StreamName, events: &[Event], last: u64) {
        let (Some(described), Some(newest)) = (stream.described(), events.last()) else {
            return;
        };
        let read = metadata(newest.clone());
        let event = Event {
            revision: last,
            data: bytes::Bytes::new(),
            metadata: bytes::Bytes::new(),
            ..newest.clone()
        };
        self.put(
            described,
            State::Metadata(Box::new(Metadata { event, ..read })),
        );
    }

    /// The stream would have been deleted for good.
    pub(super) fn tombstoned(&self, stream: StreamName) {
        self.put(stream, State::Tombstone);
    }

    /// What would be seen of a stream that would end with `tail`, if anything would have been written to it.
    pub(super) fn seen(
        &self,
        stream: &StreamName,
        tail: Option<u64>,
        found: StateFound,
    ) -> StateFound {
        let StateFound::There(there) = found else {
            return found;
        };
        if there.end == End::Tombstoned {
            return StateFound::There(there);
        }
        let last = tail.max(there.end.last());
        let living = last.map_or(End::Empty, End::At);
        let mut is_revived = false;
        let (end, metadata) = match self.lock().get(stream).cloned() {
            Some(State::Tombstone) => (End::Tombstoned, None),
            Some(State::Metadata(metadata)) if metadata.is_deletion() => {
                (End::SoftDeleted(last), Some(*metadata))
            }
            Some(State::Metadata(metadata)) => (living, Some(*metadata)),
            None if matches!(there.end, End::SoftDeleted(_)) => {
                (End::SoftDeleted(last), there.metadata)
            }
            None => {
                is_revived = there.is_revived;
                (living, there.metadata)
            }
        };
        StateFound::There(Box::new(There {
            end,
            last_id: there.last_id.filter(|_| there.end == end),
            metadata,
            is_revived,
        }))
    }

    fn put(&self, stream: StreamName, state: State) {
        let mut states = self.lock();
        states.put(stream, state);
        if states.len() > KNOWN_STREAMS {
            states.pop_lru();
        }
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<StreamName, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ditto_core::port::state::SOFT_DELETED;
    use uuid::Uuid;

    fn event(data: &'static str) -> Event {
        Event {
            id: Uuid::nil(),
            stream: "$$s".into(),
            revision: 0,
            event_type: "$metadata".into(),
            is_json: true,
            data: data.into(),
            metadata: bytes::Bytes::new(),
            created: 0,
        }
    }

    fn end(states: &States, tail: Option<u64>, end: End) -> (End, Option<(u64, Option<u64>)>) {
        let there = There {
            end,
            last_id: None,
            metadata: None,
            is_revived: false,
        };
        let found = StateFound::There(Box::new(there));
        match states.seen(&"s".into(), tail, found) {
            StateFound::There(there) => {
                let metadata = there.metadata;
                let told = metadata.map(|its| (its.event.revision, its.truncate_before));
                (there.end, told)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_would_be_written_is_what_is_seen() {
        let states = States::new();
        assert_eq!(end(&states, None, End::Empty), (End::Empty, None));
        assert_eq!(end(&states, Some(3), End::At(1)), (End::At(3), None));
        states.written(&"other".into(), &[event(r#"{"$tb":1}"#)], 0);
        let deleted = End::SoftDeleted(Some(1));
        assert_eq!(end(&states, None, deleted), (deleted, None));
        states.written(&"$$s".into(), &[event(r#"{"$tb":1}"#)], 4);
        assert_eq!(
            end(&states, None, deleted),
            (End::At(1), Some((4, Some(1))))
        );
        let deletion = event(r#"{"$tb":9223372036854775807}"#);
        states.written(&"$$s".into(), &[deletion], 5);
        let told = Some((5, Some(SOFT_DELETED)));
        assert_eq!(
            end(&states, Some(2), End::At(1)),
            (End::SoftDeleted(Some(2)), told)
        );
        states.tombstoned("s".into());
        assert_eq!(end(&states, None, End::At(1)), (End::Tombstoned, None));
    }
}

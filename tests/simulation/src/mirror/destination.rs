//! The destination of mirrors: streams with exact revisions, the checkpoint's stream, and the record of held
//! streams.
//!
//! Never trusts what an append says about itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ditto_core::event::{Event, StreamName};
use ditto_core::port::log::{Checkpoint, CheckpointPage, HeldChange, HeldPage, HeldStream};
use ditto_core::port::{AppendOutcome, Expected, LookupRange, LookupResult, WriteId};
use uuid::Uuid;

use super::state::StoredState;

/// A checkpoint as it was stored: by which daemon, from which start, under which id.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) by: (Uuid, WriteId),
    pub(super) checkpoint: Box<Checkpoint>,
}

/// A change of the record of held streams, as it was stored: by which write of which daemon.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    pub(super) by: (Uuid, WriteId),
    pub(super) change: HeldChange,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Destination {
    pub(super) streams: BTreeMap<StreamName, Vec<Event>>,
    /// Each stream's `$$S`.
    pub(super) states: BTreeMap<StreamName, Vec<StoredState>>,
    pub(super) tombstoned: BTreeSet<StreamName>,
    pub(super) checkpoints: Vec<Stored>,
    pub(super) record: Vec<Recorded>,
    /// Streams that may not be written; true: nor read.
    pub(super) refused: BTreeMap<StreamName, bool>,
    /// Instances whose process has ended on the machine of everybody else.
    pub(super) gone: HashMap<Uuid, bool>,
}

/// Whether the revision before is the expected one.
fn fits(expected: Expected, length: usize) -> bool {
    match expected {
        Expected::NoStream => length == 0,
        Expected::Exact(last) => last.checked_add(1) == u64::try_from(length).ok(),
    }
}

/// The revision after the expected one.
fn next(expected: Expected) -> usize {
    match expected {
        Expected::NoStream => 0,
        Expected::Exact(last) => usize::try_from(last)
            .unwrap_or(usize::MAX)
            .saturating_add(1),
    }
}

impl Destination {
    /// Appends as protocol §5.1 says. The events that were stored now, if any.
    pub(super) fn append(
        &mut self,
        stream: &StreamName,
        expected: Expected,
        events: &[Event],
    ) -> (AppendOutcome, bool) {
        if self.refused.contains_key(stream) {
            return (AppendOutcome::Refused("not now".to_owned()), false);
        }
        if self.tombstoned.contains(stream) {
            return (AppendOutcome::Deleted, false);
        }
        let is_deleted = self.said(stream).is_deletion();
        let at = self.streams.entry(stream.clone()).or_default();
        let from = next(expected);
        let there = at.get(from..from.saturating_add(events.len()));
        let same = there.is_some_and(|there| {
            there
                .iter()
                .zip(events)
                .all(|(there, event)| there.id == event.id)
        });
        let last = (from + events.len()) as u64 - 1;
        if same {
            (AppendOutcome::Written(last), false)
        } else if fits(expected, at.len()) || is_deleted && expected == Expected::NoStream {
            // Over a soft deletion *no stream* writes at the end.
            let first = at.len() as u64;
            let stored = events.iter().zip(first..);
            at.extend(stored.map(|(event, revision)| Event {
                revision,
                ..event.clone()
            }));
            let last = at.len() as u64 - 1;
            self.revive(stream, first);
            (AppendOutcome::Written(last), true)
        } else {
            (AppendOutcome::WrongRevision, false)
        }
    }

    /// What a lookup finds.
    pub(super) fn lookup(&self, stream: &StreamName, range: LookupRange) -> LookupResult {
        if self.refused.get(stream) == Some(&true) {
            return LookupResult::Refused("not now".to_owned());
        }
        if self.tombstoned.contains(stream) {
            return LookupResult::Tombstoned;
        }
        if self.said(stream).is_deletion() {
            return LookupResult::SoftDeleted(self.copied(stream));
        }
        let first = self.shows_from(stream);
        let events = match self.streams.get(stream) {
            _ if range == LookupRange::Metadata => return LookupResult::NotDeleted,
            Some(events) if !events.is_empty() => events,
            _ => return LookupResult::NotFound,
        };
        let found: Vec<Event> = match range {
            LookupRange::Metadata => Vec::new(),
            LookupRange::Forwards { from, count } => events
                .iter()
                .filter(|event| event.revision >= from.max(first))
                .take(count as usize)
                .cloned()
                .collect(),
            LookupRange::Backwards { from, count } => {
                let mut found: Vec<Event> = events
                    .iter()
                    .rev()
                    .filter(|event| event.revision >= first)
                    .filter(|event| from.is_none_or(|from| event.revision <= from))
                    .take(count as usize)
                    .cloned()
                    .collect();
                found.reverse();
                found
            }
        };
        LookupResult::Tail {
            last: events.len() as u64 - 1,
            events: found,
            truncate_before: self.said(stream).truncate_before,
            copied: self.copied(stream),
        }
    }

    /// Whether the stream holds this event at its revision.
    pub(super) fn recognise(&self, stream: &StreamName, event: &Event) -> LookupResult {
        let mut there = self.streams.get(stream).into_iter().flatten();
        let is_there = |there: &Event| there.revision == event.revision && there.id == event.id;
        if there.any(is_there) {
            LookupResult::Recognised
        } else {
            LookupResult::Foreign
        }
    }

    /// The newest checkpoint names a record that the source can be recognised by.
    pub(super) fn has_record(&self) -> bool {
        let mark = self
            .checkpoints
            .last()
            .and_then(|stored| stored.checkpoint.mark.as_ref());
        mark.is_some_and(|mark| mark.record.is_some())
    }

    /// The newest checkpoint.
    pub(super) fn newest(&self) -> CheckpointPage {
        match self.checkpoints.last() {
            None => CheckpointPage::None {
                expected: Expected::NoStream,
            },
            Some(newest) => CheckpointPage::Newest {
                revision: self.checkpoints.len() as u64 - 1,
                checkpoint: newest.checkpoint.clone(),
                is_gone: self.gone.contains_key(&newest.by.0),
            },
        }
    }

    /// Writes a checkpoint: at its exact revision, and once. True if it was stored now.
    pub(super) fn save(&mut self, expected: Expected, stored: Stored) -> (AppendOutcome, bool) {
        let at = next(expected);
        if self
            .checkpoints
            .get(at)
            .is_some_and(|there| there.by == stored.by)
        {
            (AppendOutcome::Written(at as u64), false)
        } else if fits(expected, self.checkpoints.len()) {
            self.checkpoints.push(stored);
            (AppendOutcome::Written(at as u64), true)
        } else {
            (AppendOutcome::WrongRevision, false)
        }
    }

    /// The streams that are on record as held.
    pub(super) fn held(&self) -> BTreeMap<StreamName, HeldStream> {
        let mut held = BTreeMap::new();
        for recorded in &self.record {
            match &recorded.change {
                HeldChange::Held(stream) => held.insert(stream.stream.clone(), stream.clone()),
                HeldChange::Released(stream) => held.remove(stream),
            };
        }
        held
    }

    /// The record of held streams, as a read finds it.
    pub(super) fn held_page(&self) -> HeldPage {
        let last = self.record.len().checked_sub(1);
        HeldPage::Held {
            streams: self.held().into_values().collect(),
            expected: last.map_or(Expected::NoStream, |last| Expected::Exact(last as u64)),
        }
    }

    /// Writes changes of the record: at their exact revisions, and once. True if they were stored now.
    pub(super) fn record(
        &mut self,
        expected: Expected,
        by: (Uuid, WriteId),
        changes: &[HeldChange],
    ) -> (AppendOutcome, bool) {
        let from = next(expected);
        let last = from.saturating_add(changes.len());
        let there = self.record.get(from..last);
        let written = AppendOutcome::Written(last as u64 - 1);
        if there.is_some_and(|there| there.iter().all(|recorded| recorded.by == by)) {
            (written, false)
        } else if fits(expected, self.record.len()) {
            let changes = changes.iter().cloned();
            self.record
                .extend(changes.map(|change| Recorded { by, change }));
            (written, true)
        } else {
            (AppendOutcome::WrongRevision, false)
        }
    }
}

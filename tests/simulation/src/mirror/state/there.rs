//! Metadata and deletions at the destination: what an append to `$$S` does, and what the server writes by itself.
//!
//! Never trusts a note: it keeps what it was given.

use ditto_core::event::{Event, StreamName};
use ditto_core::port::state::{Change, End, Note, SOFT_DELETED, There};
use ditto_core::port::{AppendOutcome, Copied, Expected};
use uuid::Uuid;

use super::super::destination::Destination;
use super::{Said, metadata};

/// A stored event of `$$S` at the destination.
#[derive(Clone, Debug)]
pub(in super::super) struct StoredState {
    pub(in super::super) said: Said,
    id: Uuid,
    pub(in super::super) note: Option<Note>,
    /// The server wrote it when an append revived the stream.
    is_revived: bool,
}

impl Destination {
    fn states(&self, name: &StreamName) -> &[StoredState] {
        self.states.get(name).map_or(&[], |all| &all[..])
    }

    pub(in super::super) fn newest_state(&self, name: &StreamName) -> Option<&StoredState> {
        self.states(name).last()
    }

    pub(in super::super) fn said(&self, name: &StreamName) -> Said {
        self.newest_state(name)
            .map_or_else(Said::default, |state| state.said)
    }

    /// First revision that the stream shows.
    pub(in super::super) fn shows_from(&self, name: &StreamName) -> u64 {
        self.said(name).truncate_before.unwrap_or(0)
    }

    /// What a mirror's note says of the stream.
    pub(in super::super) fn copied(&self, name: &StreamName) -> Option<Copied> {
        let state = self.newest_state(name)?;
        let note = state.note.as_ref()?;
        let is_empty = self.streams.get(name).is_none_or(Vec::is_empty);
        if state.said.is_deletion() && note.last.is_none() && !is_empty {
            return None;
        }
        let first = state
            .said
            .truncate_before
            .filter(|first| *first < SOFT_DELETED);
        let hidden = first.and_then(|first| first.checked_sub(1));
        Some(Copied {
            of: note.of.clone(),
            to: note.last.max(hidden),
        })
    }

    /// Its metadata is none that a mirror wrote.
    pub(in super::super) fn lost_note(&self, name: &StreamName) -> bool {
        self.newest_state(name)
            .is_some_and(|state| state.note.is_none())
    }

    fn last_shown(&self, name: &StreamName) -> Option<Uuid> {
        let last = self.streams.get(name)?.last()?;
        (last.revision >= self.shows_from(name)).then_some(last.id)
    }

    pub(super) fn there(&self, name: &StreamName) -> There {
        let last = self
            .streams
            .get(name)
            .and_then(|events| events.len().checked_sub(1));
        let last = last.map(|last| last as u64);
        let states = self.states(name);
        There {
            end: if self.tombstoned.contains(name) {
                End::Tombstoned
            } else if self.said(name).is_deletion() {
                End::SoftDeleted(last)
            } else {
                last.map_or(End::Empty, End::At)
            },
            last_id: self.last_shown(name),
            metadata: states.last().map(|state| {
                let event = Event {
                    id: state.id,
                    stream: name.metadata_stream(),
                    revision: states.len() as u64 - 1,
                    event_type: "$metadata".into(),
                    is_json: true,
                    data: state.said.data(),
                    metadata: bytes::Bytes::new(),
                    created: 0,
                };
                metadata(&event, state.note.clone())
            }),
            is_revived: states.last().is_some_and(|state| state.is_revived),
        }
    }

    /// The server's own event: the stream lives again from this revision on.
    pub(in super::super) fn revive(&mut self, name: &StreamName, first: u64) {
        let said = self.said(name);
        if said.is_deletion() {
            let said = Said {
                truncate_before: Some(first),
                ..said
            };
            self.push_state(name, said, Uuid::nil(), None);
            let newest = self
                .states
                .get_mut(name)
                .and_then(|states| states.last_mut());
            newest.into_iter().for_each(|state| state.is_revived = true);
        }
    }

    pub(super) fn push_state(
        &mut self,
        name: &StreamName,
        said: Said,
        id: Uuid,
        note: Option<Note>,
    ) {
        let states = self.states.entry(name.clone()).or_default();
        states.push(StoredState {
            said,
            id,
            note,
            is_revived: false,
        });
    }

    /// An append to `$$S`. True if it was stored now.
    pub(super) fn write_state(
        &mut self,
        name: &StreamName,
        expected: Expected,
        change: &Change,
    ) -> (AppendOutcome, bool) {
        let next = match expected {
            Expected::NoStream => 0,
            Expected::Exact(revision) => revision + 1,
        };
        let length = self.states(name).len() as u64;
        let there = usize::try_from(next)
            .ok()
            .and_then(|next| self.states(name).get(next));
        if there.is_some_and(|there| there.id == change.event.id) {
            return (AppendOutcome::Written(next), false);
        }
        if next != length {
            return (AppendOutcome::WrongRevision, false);
        }
        let mut said = Said::of(&change.event);
        if let Some(truncate_before) = change.truncate_before {
            said.truncate_before = truncate_before;
        }
        let was_deleted = self.said(name).is_deletion();
        self.push_state(name, said, change.event.id, Some(change.note.clone()));
        if was_deleted {
            let last = self.streams.get(name).map_or(0, Vec::len) as u64;
            let said = Said {
                truncate_before: Some(last),
                ..said
            };
            self.push_state(name, said, Uuid::nil(), None);
        }
        (AppendOutcome::Written(next), true)
    }

    /// `$tb` before placeholders: only where there is no metadata yet.
    pub(in super::super) fn hide_placeholders(
        &mut self,
        name: &StreamName,
        below: Option<u64>,
    ) -> bool {
        if !self.states(name).is_empty() {
            return false;
        }
        let said = Said {
            truncate_before: below,
            rest: 0,
        };
        let note = Note {
            filled_below: below,
            ..Note::default()
        };
        self.push_state(name, said, Uuid::nil(), Some(note));
        true
    }

    pub(super) fn tombstone(&mut self, name: &StreamName, expected: Expected) -> AppendOutcome {
        let length = self.streams.get(name).map_or(0, Vec::len) as u64;
        let next = match expected {
            Expected::NoStream => 0,
            Expected::Exact(revision) => revision + 1,
        };
        if self.tombstoned.contains(name) {
            AppendOutcome::Deleted
        } else if next == length {
            self.tombstoned.insert(name.clone());
            AppendOutcome::Written(0)
        } else {
            AppendOutcome::WrongRevision
        }
    }
}

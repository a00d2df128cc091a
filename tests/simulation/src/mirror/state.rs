//! Metadata and deletions on both sides, as protocol §5.1, §5.2 and §15.3 to §15.5 describe them: at the source here, at the
//! destination in `there`, and what must hold of them in `world`.
//!
//! A state is a `$tb` and a number for all the rest. Never knows who reads it.

mod there;
mod world;

use ditto_core::event::{Event, StreamName, TOMBSTONE_REVISION};
use ditto_core::port::LogPosition;
use ditto_core::port::log::RecordPage;
use ditto_core::port::state::{
    Deletions, Metadata, Note, OnMetadataConflict, SOFT_DELETED, StatePage, StateRules,
};

use super::source::{Logged, Source};
use crate::dice::Dice;

pub(super) use self::there::StoredState;
pub(super) use self::world::is_for_source;

/// What the newest event of `$$S` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) truncate_before: Option<u64>,
    pub(super) rest: u64,
}

impl Said {
    pub(super) fn is_deletion(self) -> bool {
        self.truncate_before == Some(SOFT_DELETED)
    }

    fn data(self) -> bytes::Bytes {
        let before = self
            .truncate_before
            .map_or_else(String::new, |before| before.to_string());
        format!("{before} {}", self.rest).into()
    }

    fn of(event: &Event) -> Self {
        let text = String::from_utf8_lossy(&event.data);
        let (before, rest) = text.split_once(' ').unwrap_or_default();
        Self {
            truncate_before: before.parse().ok(),
            rest: rest.parse().unwrap_or_default(),
        }
    }
}

/// A record of `$$S` as ditto reads it.
pub(super) fn metadata(event: &Event, note: Option<Note>) -> Metadata {
    let said = Said::of(event);
    Metadata {
        event: event.clone(),
        truncate_before: said.truncate_before,
        rest: said.rest.to_string().into(),
        note,
    }
}

/// What the rules of a schedule are.
pub(super) fn rules(dice: &mut Dice) -> Option<StateRules> {
    dice.permille(500).then(|| StateRules {
        deletions: dice.pick(&[
            Deletions::None,
            Deletions::Soft,
            Deletions::Soft,
            Deletions::All,
        ]),
        on_conflict: dice.pick(&[OnMetadataConflict::Keep, OnMetadataConflict::Overwrite]),
    })
}

impl Source {
    fn state_record(&self, name: &StreamName) -> Option<&Logged> {
        let metadata = name.metadata_stream();
        self.log
            .iter()
            .rfind(|logged| logged.event.stream == metadata)
    }

    /// What `$$S` says now; `None`: there is none.
    pub(super) fn said(&self, name: &StreamName) -> Option<Said> {
        self.state_record(name)
            .map(|logged| Said::of(&logged.event))
    }

    pub(super) fn is_tombstoned(&self, name: &StreamName) -> bool {
        let is_tombstone = |logged: &Logged| {
            logged.event.stream == *name && logged.event.revision == TOMBSTONE_REVISION
        };
        self.log.iter().any(is_tombstone)
    }

    /// `$$S` is written; over a soft deletion the server writes once more.
    pub(super) fn write_state(&mut self, name: &StreamName, said: Said) {
        let before = self.said(name).unwrap_or_default();
        self.append_state(name, said);
        if before.is_deletion() {
            let next = self.last(name).map_or(0, |last| last + 1);
            self.append_state(
                name,
                Said {
                    truncate_before: Some(next),
                    ..said
                },
            );
        }
    }

    /// The stream was written while it was soft-deleted: it lives again from this revision on.
    pub(super) fn revive(&mut self, name: &StreamName, first: u64) {
        let said = self.said(name).unwrap_or_default();
        if said.is_deletion() {
            self.append_state(
                name,
                Said {
                    truncate_before: Some(first),
                    ..said
                },
            );
        }
    }

    fn append_state(&mut self, name: &StreamName, said: Said) {
        let revision = self
            .state_record(name)
            .map_or(0, |logged| logged.event.revision + 1);
        self.append(name.metadata_stream(), revision, said.data());
        let next = self.last(name).map_or(0, |last| last + 1);
        let floor = self.floors.entry(name.clone()).or_default();
        *floor = (*floor).max(said.truncate_before.unwrap_or(0).min(next));
        self.truncated
            .insert(name.clone(), said.truncate_before.unwrap_or(0));
    }

    pub(super) fn tombstone(&mut self, name: &StreamName) {
        self.append(name.clone(), TOMBSTONE_REVISION, bytes::Bytes::new());
        self.truncated.insert(name.clone(), SOFT_DELETED);
    }

    /// What streams show follows from the log that is left.
    pub(super) fn say_again(&mut self) {
        let names: Vec<StreamName> = self.truncated.keys().cloned().collect();
        for name in names {
            let first = if self.is_tombstoned(&name) {
                SOFT_DELETED
            } else {
                self.said(&name)
                    .unwrap_or_default()
                    .truncate_before
                    .unwrap_or(0)
            };
            self.truncated.insert(name, first);
        }
    }

    fn state_page(&self, name: &StreamName) -> StatePage {
        if self.is_tombstoned(name) {
            return StatePage::Tombstoned;
        }
        self.state_record(name).map_or(StatePage::None, |logged| {
            StatePage::Found(Box::new((logged.position, metadata(&logged.event, None))))
        })
    }

    fn last_before(
        &self,
        name: &StreamName,
        before: Option<LogPosition>,
        revision: Option<u64>,
    ) -> RecordPage {
        let found = self.log.iter().rfind(|logged| {
            logged.event.stream == *name
                && logged.event.revision != TOMBSTONE_REVISION
                && before.is_none_or(|before| logged.position < before)
                && revision.is_none_or(|revision| logged.event.revision <= revision)
                && !logged.scavenged
        });
        found.map_or(RecordPage::End, |logged| {
            RecordPage::Found(Box::new((logged.position, logged.event.clone())))
        })
    }
}

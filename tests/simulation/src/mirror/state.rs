//! Metadata and deletions on both sides, as protocol §5.1, §5.2 and §15.3 to §15.5 describe them, and what must hold of them.
//!
//! A state is a `$tb` and a number for all the rest. Never trusts a note: what was stored is compared with the source's log.

use ditto_core::event::{Event, StreamName, TOMBSTONE_REVISION};
use ditto_core::port::log::{EpochsPage, RecordPage};
use ditto_core::port::state::{
    Change, Deletions, End, Metadata, Note, OnMetadataConflict, SOFT_DELETED, StateCommand,
    StateFound, StateInput, StatePage, StateRules, There,
};
use ditto_core::port::{AppendOutcome, Command, Copied, Expected, LogPosition, Moment};
use uuid::Uuid;

use super::daemon::instance_of;
use super::destination::Destination;
use super::others::is_foreign;
use super::source::{Logged, Source};
use super::world::{World, stream};
use crate::dice::Dice;

/// What somebody else writes at the destination.
const FOREIGN_REST: u64 = 99;

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

/// The stream whose metadata this one holds.
pub(super) fn described(name: &StreamName) -> Option<StreamName> {
    name.as_str().strip_prefix("$$").map(StreamName::new)
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

/// A stored event of `$$S` at the destination.
#[derive(Clone, Debug)]
pub(super) struct StoredState {
    pub(super) said: Said,
    id: Uuid,
    pub(super) note: Option<Note>,
    /// The server wrote it when an append revived the stream.
    is_revived: bool,
}

impl Destination {
    fn states(&self, name: &StreamName) -> &[StoredState] {
        self.states.get(name).map_or(&[], |all| &all[..])
    }

    pub(super) fn newest_state(&self, name: &StreamName) -> Option<&StoredState> {
        self.states(name).last()
    }

    pub(super) fn said(&self, name: &StreamName) -> Said {
        self.newest_state(name)
            .map_or_else(Said::default, |state| state.said)
    }

    /// First revision that the stream shows.
    pub(super) fn shows_from(&self, name: &StreamName) -> u64 {
        self.said(name).truncate_before.unwrap_or(0)
    }

    /// What a mirror's note says of the stream.
    pub(super) fn copied(&self, name: &StreamName) -> Option<Copied> {
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
    pub(super) fn lost_note(&self, name: &StreamName) -> bool {
        self.newest_state(name)
            .is_some_and(|state| state.note.is_none())
    }

    fn last_shown(&self, name: &StreamName) -> Option<Uuid> {
        let last = self.streams.get(name)?.last()?;
        (last.revision >= self.shows_from(name)).then_some(last.id)
    }

    fn there(&self, name: &StreamName) -> There {
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
    pub(super) fn revive(&mut self, name: &StreamName, first: u64) {
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

    fn push_state(&mut self, name: &StreamName, said: Said, id: Uuid, note: Option<Note>) {
        let states = self.states.entry(name.clone()).or_default();
        states.push(StoredState {
            said,
            id,
            note,
            is_revived: false,
        });
    }

    /// An append to `$$S`. True if it was stored now.
    fn write_state(
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
    pub(super) fn hide_placeholders(&mut self, name: &StreamName, below: Option<u64>) -> bool {
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

    fn tombstone(&mut self, name: &StreamName, expected: Expected) -> AppendOutcome {
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

impl World {
    /// Somebody changes a stream's state at the source.
    pub(super) fn change(&mut self) {
        let name = stream(self.changes.below(self.options.streams));
        if self.source.is_tombstoned(&name) {
            return;
        }
        let said = self.source.said(&name).unwrap_or_default();
        let last = self.source.last(&name);
        let next = last.map_or(0, |last| last + 1);
        match self.changes.below(20) {
            0..8 => {
                let rest = self.changes.between(1, 4);
                self.source.write_state(&name, Said { rest, ..said });
            }
            8..12 => {
                // What was hidden once stays hidden.
                let floor = self.source.floors.get(&name).copied().unwrap_or(0);
                let truncate_before = Some(self.changes.between(floor, next));
                let said = Said {
                    truncate_before,
                    ..said
                };
                self.source.write_state(&name, said);
            }
            12..19 if said.is_deletion() => {}
            12..19 => {
                let truncate_before = Some(SOFT_DELETED);
                self.source.write_state(
                    &name,
                    Said {
                        truncate_before,
                        ..said
                    },
                );
            }
            _ if self
                .options
                .states
                .is_some_and(|rules| rules.deletions == Deletions::None) => {}
            _ => self.source.tombstone(&name),
        }
        let said = self.source.said(&name);
        self.note(|| format!("{name} is {said:?}"));
    }

    /// Somebody truncates a stream of the source, further than it was.
    pub(super) fn truncate_by_state(&mut self, name: &StreamName, first: u64) {
        let said = self.source.said(name).unwrap_or_default();
        if said.is_deletion() || self.source.is_tombstoned(name) {
            return;
        }
        let truncate_before = said.truncate_before.max(Some(first));
        self.source.write_state(
            name,
            Said {
                truncate_before,
                ..said
            },
        );
        self.note(|| format!("{name} truncated before {truncate_before:?}"));
    }

    /// Somebody else writes metadata at the destination.
    pub(super) fn write_foreign_state(&mut self, name: &StreamName) {
        let said = self.destination.said(name);
        if said.is_deletion() || self.destination.tombstoned.contains(name) {
            return;
        }
        self.note(|| format!("somebody else writes metadata of {name}"));
        let said = Said {
            rest: FOREIGN_REST,
            ..said
        };
        self.destination.push_state(name, said, Uuid::nil(), None);
        self.promises.meddled.insert(name.clone());
    }

    /// What servers do and answer.
    pub(super) fn carry_out_state(
        &mut self,
        (number, generation): (usize, u32),
        command: StateCommand,
        sent: Moment,
    ) -> StateInput {
        let instance = instance_of(number, generation);
        match command {
            StateCommand::ReadSource { read, stream } => StateInput::SourceRead {
                read,
                page: self.source.state_page(&stream),
            },
            StateCommand::ReadLast {
                read,
                stream,
                before,
                revision,
            } => StateInput::LastRead {
                read,
                page: self.source.last_before(&stream, before, revision),
            },
            StateCommand::ReadEpochs { read } => StateInput::EpochsRead {
                read,
                page: EpochsPage::Denied,
            },
            StateCommand::LookUp { lookup, stream } => StateInput::LookedUp {
                lookup,
                found: StateFound::There(Box::new(self.destination.there(&stream))),
            },
            StateCommand::Write {
                write,
                stream,
                expected,
                change,
            } => {
                let (outcome, stored) = self.destination.write_state(&stream, expected, &change);
                if stored {
                    self.has_lease(instance, sent, stream.metadata_stream().as_str());
                    self.state_stored(&stream, &change);
                }
                StateInput::Written { write, outcome }
            }
            StateCommand::Tombstone {
                write,
                stream,
                expected,
            } => {
                let outcome = self.destination.tombstone(&stream, expected);
                if matches!(outcome, AppendOutcome::Written(_)) {
                    self.has_lease(instance, sent, stream.as_str());
                    if !self.source.is_tombstoned(&stream) && !self.is_cut() {
                        self.promises.broke(format!(
                            "{stream} was deleted for good, and lives at the source"
                        ));
                    }
                }
                StateInput::Written { write, outcome }
            }
        }
    }

    /// What the loop says of a command that nobody answers.
    pub(super) fn silence_of_state(command: &StateCommand) -> StateInput {
        match *command {
            StateCommand::ReadSource { read, .. } => StateInput::SourceRead {
                read,
                page: StatePage::Failed,
            },
            StateCommand::ReadLast { read, .. } => StateInput::LastRead {
                read,
                page: RecordPage::Refused(ditto_core::port::log::LogRefusal::Unavailable),
            },
            StateCommand::ReadEpochs { read } => StateInput::EpochsRead {
                read,
                page: EpochsPage::Failed,
            },
            StateCommand::LookUp { lookup, .. } => StateInput::LookedUp {
                lookup,
                found: StateFound::Failed,
            },
            StateCommand::Write { write, .. } | StateCommand::Tombstone { write, .. } => {
                StateInput::Written {
                    write,
                    outcome: AppendOutcome::NoAnswer,
                }
            }
        }
    }

    /// Neither side shows this revision, as its metadata says.
    pub(super) fn is_hidden(&self, name: &StreamName, revision: u64) -> bool {
        let is_shown = self
            .source
            .shown(name)
            .any(|event| event.revision == revision);
        !is_shown && revision < self.destination.shows_from(name)
    }

    /// It was tombstoned on both sides.
    pub(super) fn is_gone_for_good(&self, name: &StreamName) -> bool {
        self.source.is_tombstoned(name) && self.destination.tombstoned.contains(name)
    }

    pub(super) fn is_cut(&self) -> bool {
        self.exchanged || self.promises.has_cut()
    }

    /// A state was stored: it is one that the source had, none older than the one before, and a deletion hides nothing that
    /// the source shows.
    fn state_stored(&mut self, name: &StreamName, change: &Change) {
        let Some(of) = change.note.of.clone() else {
            return self
                .promises
                .broke(format!("{name}: a change without its place"));
        };
        if self.is_cut() {
            return;
        }
        let metadata = name.metadata_stream();
        let record =
            self.source.log.iter().find(|logged| {
                logged.event.stream == metadata && logged.event.revision == of.revision
            });
        if record
            .is_none_or(|logged| logged.position != of.position || logged.event != change.event)
        {
            self.promises
                .broke(format!("{name}: {change:?} is no state of the source"));
        }
        let before = self.promises.states.insert(name.clone(), of.revision);
        if before.is_some_and(|before| before > of.revision) {
            self.promises
                .broke(format!("{name}: state {} after {before:?}", of.revision));
        }
        if self.destination.said(name).is_deletion() {
            self.judge_deletion(name, of.position);
        }
    }

    /// What the destination has of the stream when it is deleted is what the source had written before it was.
    fn judge_deletion(&mut self, name: &StreamName, position: LogPosition) {
        let before = self.source.log.iter().rfind(|logged| {
            logged.event.stream == *name
                && logged.position < position
                && logged.event.revision != TOMBSTONE_REVISION
        });
        let here = before.map(|logged| logged.event.revision);
        // What somebody else writes at that moment is hidden with the rest.
        let there = self.destination.streams.get(name).into_iter().flatten();
        let there = there.filter(|event| !is_foreign(event)).last();
        let there = there.map(|event| event.revision);
        if here != there {
            self.promises.broke(format!(
                "{name} is deleted behind {there:?}, at the source behind {here:?}"
            ));
        }
    }

    /// What is wrong with a stream's state at the end.
    pub(super) fn judge_state_at_end(&self, name: &StreamName) -> Option<String> {
        let rules = self.options.states?;
        if self.promises.meddled.contains(name) || self.is_cut() {
            return None;
        }
        if self.source.is_tombstoned(name) {
            let wanted = rules.deletions == Deletions::All;
            let there = self.destination.tombstoned.contains(name);
            // Where nothing of it is left in the log, nothing shows whose the destination's events are.
            let mut log = self.source.log.iter().filter(|logged| !logged.scavenged);
            let is_event = |logged: &Logged| {
                logged.event.stream == *name && logged.event.revision != TOMBSTONE_REVISION
            };
            if !log.any(is_event) {
                return None;
            }
            return (wanted != there).then(|| format!("tombstoned: {there}"));
        }
        let here = self.source.said(name)?;
        let there = self.destination.said(name);
        if rules.deletions == Deletions::None {
            return (here.rest != there.rest)
                .then(|| format!("is {there:?}, and {here:?} at the source"));
        }
        if here.is_deletion() || there.is_deletion() {
            return (here.is_deletion() != there.is_deletion())
                .then(|| format!("is {there:?}, and {here:?} at the source"));
        }
        let note = self
            .destination
            .newest_state(name)
            .and_then(|state| state.note.as_ref());
        let filled = note.and_then(|note| note.filled_below);
        let wanted = Said {
            truncate_before: here.truncate_before.max(filled),
            ..here
        };
        (there != wanted).then(|| format!("is {there:?}, and {here:?} at the source"))
    }
}

/// Commands of states that go to the source.
pub(super) fn is_for_source(command: &Command) -> bool {
    matches!(
        command,
        Command::State(StateCommand::ReadSource { .. } | StateCommand::ReadLast { .. })
    )
}

//! Who changes states, what servers answer of them, and what must hold of them.
//!
//! Never trusts a note: what was stored is compared with the source's log.

use ditto_core::event::{StreamName, TOMBSTONE_REVISION};
use ditto_core::port::log::{EpochsPage, RecordPage};
use ditto_core::port::state::{
    Change, Deletions, SOFT_DELETED, StateCommand, StateFound, StateInput, StatePage,
};
use ditto_core::port::{AppendOutcome, Command, LogPosition, Moment};
use uuid::Uuid;

use super::super::daemon::instance_of;
use super::super::others::is_foreign;
use super::super::source::Logged;
use super::super::world::{World, stream};
use super::Said;

/// What somebody else writes at the destination.
const FOREIGN_REST: u64 = 99;

impl World {
    /// Somebody changes a stream's state at the source.
    pub(in super::super) fn change(&mut self) {
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
    pub(in super::super) fn truncate_by_state(&mut self, name: &StreamName, first: u64) {
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
    pub(in super::super) fn write_foreign_state(&mut self, name: &StreamName) {
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
    pub(in super::super) fn carry_out_state(
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
    pub(in super::super) fn silence_of_state(command: &StateCommand) -> StateInput {
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
    pub(in super::super) fn is_hidden(&self, name: &StreamName, revision: u64) -> bool {
        let is_shown = self
            .source
            .shown(name)
            .any(|event| event.revision == revision);
        !is_shown && revision < self.destination.shows_from(name)
    }

    /// It was tombstoned on both sides.
    pub(in super::super) fn is_gone_for_good(&self, name: &StreamName) -> bool {
        self.source.is_tombstoned(name) && self.destination.tombstoned.contains(name)
    }

    pub(in super::super) fn is_cut(&self) -> bool {
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
    pub(in super::super) fn judge_state_at_end(&self, name: &StreamName) -> Option<String> {
        let rules = self.options.states?;
        if self.promises.meddled.contains(name) || self.is_cut() {
            return None;
        }
        if self.source.is_tombstoned(name) {
            let wanted = rules.deletions == Deletions::All;
            let mut events = self.destination.streams.get(name).into_iter().flatten();
            if events.any(is_foreign) {
                return None;
            }
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
pub(in super::super) fn is_for_source(command: &Command) -> bool {
    matches!(
        command,
        Command::State(StateCommand::ReadSource { .. } | StateCommand::ReadLast { .. })
    )
}

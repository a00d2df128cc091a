//! What one change comes to: both sides are compared, and what has to be written is, at the exact revision of the lookup.
//!
//! A write that is not answered is sent again as it was. Never calls a change done that the server may have overwritten.

use std::time::Duration;

use super::super::looks::{AGAIN, EVERY};
use super::super::taking::epochs_of;
use super::super::{Log, send};
use super::judge::{Here, Judgement, Whose, judge};
use super::pending::{Item, Sent};
use crate::context::Context;
use crate::event::StreamName;
use crate::port::log::{EpochsPage, HeldStream, LogCommand};
use crate::port::state::{
    Change, ChangeId, Deletions, End, Note, OnMetadataConflict, StateCommand, StateRules, There,
};
use crate::port::{
    AppendOutcome, Command, Expected, HeldReason, LogPosition, ReadId, Report, WriteId,
};
use crate::seam::Refusal;
use crate::streams::Streams;

impl Log {
    pub(super) fn decide_change(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        name: &StreamName,
    ) {
        let Some((pending, rules)) = self.states.streams.get(name).zip(self.states.rules) else {
            return;
        };
        if matches!(pending.items.front(), Some(Item::Tombstone { .. })) {
            return self.send_tombstone(cx, name);
        }
        let (Some(here), Some(there)) = (&pending.here, &pending.there) else {
            return;
        };
        if pending.has_none_here && !self.is_of_cut_off(there) {
            return self.finish_change(cx, streams, name);
        }
        let judgement = judge(
            &Here {
                metadata: &here.1,
                seen: &self.seen_of(name),
                filled_below: self.states.filled.get(name).copied(),
                deletions: rules.deletions,
            },
            there,
            |of| self.whose(of),
        );
        match judgement {
            Judgement::Agrees | Judgement::Newer => self.finish_change(cx, streams, name),
            Judgement::Differs(truncate_before) => self.send_state(cx, name, truncate_before),
            Judgement::Foreign(truncate_before) => {
                self.found_foreign(cx, streams, name, (rules, truncate_before));
            }
        }
    }

    /// ditto copied its metadata from what was cut off since.
    fn whose(&self, of: &ChangeId) -> Whose {
        if self.is_of_log(of) {
            Whose::Ours
        } else if self.is_cut_off(of) {
            Whose::CutOff
        } else {
            Whose::Another
        }
    }

    fn found_foreign(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        name: &StreamName,
        (rules, truncate_before): (StateRules, Option<u64>),
    ) {
        cx.report(Report::MetadataConflict {
            stream: name.clone(),
            policy: rules.on_conflict,
        });
        match rules.on_conflict {
            OnMetadataConflict::Keep => self.finish_change(cx, streams, name),
            OnMetadataConflict::Overwrite => self.send_state(cx, name, truncate_before),
        }
    }

    /// The note names the epoch of the change's place, which only the epochs tell that are read after that place was.
    fn send_state(&mut self, cx: &mut Context, name: &StreamName, truncate_before: Option<u64>) {
        let ready = (name.clone(), truncate_before);
        self.states.awaiting.push(ready);
        if self.states.proving.is_none() {
            self.ask_epochs(cx);
        }
    }

    fn ask_epochs(&mut self, cx: &mut Context) {
        let read = ReadId(cx.next_id());
        let awaiting = std::mem::take(&mut self.states.awaiting);
        self.states.proving = Some((read, awaiting));
        send(cx, LogCommand::ReadEpochs { read });
    }

    /// The epochs were read for changes that wait for them. False if they were read for something else.
    pub(in super::super) fn on_epochs_for_states(
        &mut self,
        cx: &mut Context,
        asked: ReadId,
        page: &EpochsPage,
    ) -> bool {
        let proving = self.states.proving.take_if(|(read, _)| *read == asked);
        let Some((_, ready)) = proving else {
            return false;
        };
        let epochs = epochs_of(page.clone());
        let is_read = *page != EpochsPage::Failed;
        let is_as_it_was = is_read && (epochs.origin().is_none() || epochs == self.epochs);
        for (name, truncate_before) in ready {
            if is_as_it_was {
                self.send_proven(cx, &name, truncate_before);
            } else {
                self.states.wait(cx.now, &name);
            }
        }
        if is_read && !is_as_it_was {
            // A leader began: what was read may have been cut off.
            self.reopen(cx, Duration::ZERO);
        } else if !self.states.awaiting.is_empty() {
            self.ask_epochs(cx);
        }
        true
    }

    fn send_proven(&mut self, cx: &mut Context, name: &StreamName, truncate_before: Option<u64>) {
        let follows = self
            .states
            .rules
            .is_some_and(|rules| rules.deletions != Deletions::None);
        let filled = self.states.filled.get(name).copied();
        let Some(pending) = self.states.streams.get(name) else {
            return;
        };
        let (Some(here), Some(there)) = (&pending.here, &pending.there) else {
            return;
        };
        let (position, metadata) = &**here;
        let says = metadata.truncate_before;
        let change = Change {
            event: metadata.event.clone(),
            truncate_before: (!follows || says != truncate_before).then_some(truncate_before),
            note: self.note(*position, metadata.event.revision, there, filled),
        };
        let before = there
            .metadata
            .as_ref()
            .map(|metadata| metadata.event.revision);
        let sent = Sent::Change {
            expected: before.map_or(Expected::NoStream, Expected::Exact),
            change: Box::new(change),
            over_deletion: matches!(there.end, End::SoftDeleted(_)),
        };
        self.send_first(cx, name, sent);
    }

    fn note(
        &self,
        position: LogPosition,
        revision: u64,
        there: &There,
        filled: Option<u64>,
    ) -> Note {
        Note {
            of: Some(ChangeId {
                epoch: self.epochs.prove(position).map(|proof| proof.epoch),
                log: self.epochs.origin(),
                position,
                revision,
            }),
            last: there.end.last(),
            filled_below: filled.max(there.note().and_then(|note| note.filled_below)),
        }
    }

    fn send_tombstone(&mut self, cx: &mut Context, name: &StreamName) {
        let there = self
            .states
            .streams
            .get(name)
            .and_then(|pending| pending.there.as_ref());
        let last = there.and_then(|there| there.end.last());
        let expected = last.map_or(Expected::NoStream, Expected::Exact);
        self.send_first(cx, name, Sent::Tombstone { expected });
    }

    fn send_first(&mut self, cx: &mut Context, name: &StreamName, sent: Sent) {
        let write = WriteId(cx.next_id());
        if let Some(pending) = self.states.streams.get_mut(name) {
            pending.sent = Some((write, sent));
        }
        self.send_change(cx, name);
    }

    /// Sends it, or sends it again as it was.
    pub(super) fn send_change(&mut self, cx: &mut Context, name: &StreamName) {
        let Some(pending) = self.states.streams.get(name) else {
            return;
        };
        let Some((write, sent)) = pending.sent.clone() else {
            return;
        };
        if !cx.may_write {
            // The lease ended since it was begun.
            return self.states.wait(cx.now, name);
        }
        self.states.asked.insert(write.0, name.clone());
        let stream = name.clone();
        cx.out.push(Command::State(match sent {
            Sent::Change {
                expected, change, ..
            } => StateCommand::Write {
                write,
                stream,
                expected,
                change,
            },
            Sent::Tombstone { expected } => StateCommand::Tombstone {
                write,
                stream,
                expected,
            },
        }));
    }

    pub(super) fn on_state_written(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        name: &StreamName,
        outcome: AppendOutcome,
    ) {
        match outcome {
            AppendOutcome::Written(_) | AppendOutcome::Present(_) => {
                self.change_is_written(cx, streams, name);
            }
            AppendOutcome::NotReady | AppendOutcome::NoAnswer => self.states.wait(cx.now, name),
            // Somebody else wrote, or an earlier holder: what is there now?
            AppendOutcome::WrongRevision | AppendOutcome::Deleted => {
                let Some(pending) = self.states.streams.get_mut(name) else {
                    return;
                };
                pending.sent = None;
                pending.attempts += 1;
                if pending.attempts > 1 {
                    self.states.wait(cx.now, name);
                } else {
                    self.look_there(cx, streams, name);
                }
            }
            AppendOutcome::Denied => {
                let why = "the destination does not let the user write metadata: a mirror that copies it needs $admins";
                self.stop_with(cx, streams, why.to_owned());
            }
            AppendOutcome::TooLarge { .. } => {
                let why = "the destination refuses it: larger than it accepts".to_owned();
                self.refuse_change(cx, streams, name, why);
            }
            AppendOutcome::Refused(words) => {
                let why = format!("the destination refuses it: {words}");
                self.refuse_change(cx, streams, name, why);
            }
        }
    }

    fn change_is_written(&mut self, cx: &mut Context, streams: &mut Streams, name: &StreamName) {
        let Some(pending) = self.states.streams.get_mut(name) else {
            return;
        };
        let deletes = pending.deletes().then(|| pending.kind());
        let sent = pending.sent.take();
        pending.attempts = 0;
        self.states.unsaved.insert(name.clone());
        if self.record.holds(name) {
            // What it was held for may be gone by that.
            self.record.looks.by(name, cx.now + AGAIN);
        }
        cx.progress += 1;
        cx.report(match deletes {
            Some(kind) => Report::Deleted {
                stream: name.clone(),
                kind,
            },
            None => Report::MetadataWritten {
                stream: name.clone(),
            },
        });
        match sent {
            Some((_, Sent::Tombstone { .. })) => self.finish_tombstone(cx, streams, name),
            Some((
                _,
                Sent::Change {
                    over_deletion: true,
                    ..
                },
            )) => self.look_there(cx, streams, name),
            _ => self.finish_change(cx, streams, name),
        }
    }

    /// It cannot be copied, and the mirror goes on without it.
    pub(super) fn refuse_change(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        name: &StreamName,
        why: String,
    ) {
        cx.report(Report::MetadataRefused {
            stream: name.clone(),
            why,
        });
        self.finish_change(cx, streams, name);
    }

    /// The destination's stream is not what the source deleted: it is held.
    pub(super) fn hold_for_change(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        name: &StreamName,
        text: &str,
    ) {
        match streams.refuse(cx, name, text) {
            Refusal::Held | Refusal::NeverHeld => {
                self.put_on_record(cx, name, text);
                self.finish_change(cx, streams, name);
            }
            Refusal::Later => self.states.wait(cx.now, name),
        }
    }

    /// The change is passed once its stream is on record as held: what is looked at then is its state, too.
    fn put_on_record(&mut self, cx: &mut Context, name: &StreamName, text: &str) {
        let Some(pending) = self.states.streams.get_mut(name) else {
            return;
        };
        let revision = pending.proven.unwrap_or_default();
        let Some(Item::Change { position, .. } | Item::Tombstone { position }) =
            pending.items.front_mut()
        else {
            return;
        };
        let Some(position) = position.take() else {
            return;
        };
        let held = HeldStream {
            stream: name.clone(),
            revision,
            kind: HeldReason::Refused,
            reason: text.to_owned(),
            first: Some(position),
        };
        if self.record.pass(held, position, cx.now + EVERY) {
            self.done(cx, position);
        }
    }
}

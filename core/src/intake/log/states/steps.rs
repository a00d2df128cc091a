//! The steps of one change: the source's present metadata, and what the destination has.
//!
//! Never decides by a node that is behind what the log has shown.

use super::super::Log;
use super::super::epochs::{Epochs, Judgement};
use super::pending::Item;
use crate::context::Context;
use crate::event::StreamName;
use crate::port::log::{EpochsPage, Proof};
use crate::port::state::{
    ChangeId, DeletionKind, Deletions, End, Metadata, StateCommand, StateFound, StatePage, There,
};
use crate::port::{Command, LookupId, ReadId, Report};
use crate::streams::{Standing, Streams};

impl Log {
    pub(super) fn start_change(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        name: &StreamName,
    ) {
        let rules = self.states.rules;
        let Some(pending) = self.states.streams.get_mut(name) else {
            return;
        };
        self.states.busy.insert(name.clone());
        if pending.sent.is_some() {
            return self.send_change(cx, name);
        }
        let is_tombstone = matches!(pending.items.front(), Some(Item::Tombstone { .. }));
        if is_tombstone && rules.is_none_or(|rules| rules.deletions != Deletions::All) {
            cx.report(Report::DeletionPassed {
                stream: name.clone(),
                kind: DeletionKind::Tombstone,
            });
            return self.finish_change(cx, streams, name);
        }
        let waits = pending.items.front().is_some_and(Item::is_barrier);
        if waits && !streams.is_quiet(name) {
            self.states.quiet.insert(name.clone());
        } else {
            self.go_on_quietly(cx, streams, name);
        }
    }

    /// Nothing of the stream is under way that came before.
    pub(super) fn go_on_quietly(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        name: &StreamName,
    ) {
        let Some(pending) = self.states.streams.get(name) else {
            return;
        };
        match (pending.items.front(), &pending.here) {
            (Some(Item::Tombstone { .. }), _) | (_, Some(_)) => self.look_there(cx, streams, name),
            _ => {
                let read = ReadId(cx.next_id());
                self.ask(name, read.0);
                let stream = name.clone();
                cx.out
                    .push(Command::State(StateCommand::ReadSource { read, stream }));
            }
        }
    }

    pub(super) fn ask(&mut self, name: &StreamName, id: u64) {
        self.states.asked.insert(id, name.clone());
    }

    pub(super) fn on_state_read(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        name: &StreamName,
        page: StatePage,
    ) {
        let rules = self.states.rules.map(|rules| rules.deletions);
        let Some(pending) = self.states.streams.get_mut(name) else {
            return;
        };
        let Some(Item::Change { revision, .. }) = pending.items.front() else {
            return;
        };
        let asked = *revision;
        match page {
            StatePage::Failed => self.states.wait(cx.now, name),
            StatePage::Tombstoned if asked.is_none() && rules == Some(Deletions::All) => {
                pending.items[0] = Item::Tombstone { position: None };
                self.look_there(cx, streams, name);
            }
            // Its own record comes later, or the log never had it.
            StatePage::Tombstoned => self.finish_change(cx, streams, name),
            StatePage::None => self.found_no_state(cx, streams, name),
            StatePage::Denied => {
                let why = "the source does not let the user read this stream's metadata ($mr)";
                self.refuse_change(cx, streams, name, why.to_owned());
            }
            // A node that is behind what the log has shown.
            StatePage::Found(found) if Some(found.1.event.revision) < asked => {
                self.states.wait(cx.now, name);
            }
            StatePage::Found(found) => {
                pending.note_seen(&found.1.rest);
                let copied = found.1.note.as_ref().and_then(|note| note.of.clone());
                pending.here = Some(found);
                match copied {
                    Some(of) => self.judge_origin(cx, streams, name, &of),
                    None => self.weigh_change(cx, streams, name),
                }
            }
        }
    }

    /// The source has no metadata. The destination may have some of a change that was cut off, which has to go.
    fn found_no_state(&mut self, cx: &mut Context, streams: &mut Streams, name: &StreamName) {
        let newest = self.positions.newest().map(|newest| newest.position);
        match (newest, self.states.streams.get_mut(name)) {
            (Some(newest), Some(pending)) => {
                pending.has_none_here = true;
                pending.here = Some(Box::new((newest, Metadata::none(name))));
                self.look_there(cx, streams, name);
            }
            _ => self.finish_change(cx, streams, name),
        }
    }

    /// ditto copied the source's metadata to it: from the destination?
    fn judge_origin(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        name: &StreamName,
        of: &ChangeId,
    ) {
        match self.is_from_there(of) {
            Some(true) => self.finish_change(cx, streams, name),
            _ => {
                let read = ReadId(cx.next_id());
                self.ask(name, read.0);
                cx.out
                    .push(Command::State(StateCommand::ReadEpochs { read }));
            }
        }
    }

    /// Whether a change was made in the destination's log, as far as its epochs are known.
    fn is_from_there(&self, of: &ChangeId) -> Option<bool> {
        let (epochs, end) = self.states.epochs_there.as_ref()?;
        let Some(epoch) = of.epoch else {
            return Some(false);
        };
        let proof = Proof {
            position: of.position,
            epoch,
        };
        Some(epochs.judge(&proof, *end) == Judgement::Same)
    }

    pub(super) fn on_epochs_there(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        name: &StreamName,
        page: EpochsPage,
    ) {
        match page {
            EpochsPage::Failed => {
                if let Some(pending) = self.states.streams.get_mut(name) {
                    pending.here = None;
                }
                return self.states.wait(cx.now, name);
            }
            EpochsPage::Denied => self.states.epochs_there = None,
            EpochsPage::Epochs { epochs, end } => {
                self.states.epochs_there = Some((Epochs::new(epochs), end));
            }
        }
        let here = self
            .states
            .streams
            .get(name)
            .and_then(|pending| pending.here.as_ref());
        let of = here.and_then(|here| here.1.note.as_ref()?.of.clone());
        if of.is_some_and(|of| self.is_from_there(&of) == Some(true)) {
            self.finish_change(cx, streams, name);
        } else {
            self.weigh_change(cx, streams, name);
        }
    }

    /// The source's present metadata is known: is it this change's turn?
    fn weigh_change(&mut self, cx: &mut Context, streams: &mut Streams, name: &StreamName) {
        let Some((pending, rules)) = self.states.streams.get_mut(name).zip(self.states.rules)
        else {
            return;
        };
        let (Some(Item::Change { revision, .. }), Some(here)) =
            (pending.items.front(), &mut pending.here)
        else {
            return;
        };
        let present = here.1.event.revision;
        let is_its_own = match revision {
            Some(revision) => *revision == present,
            // Its record was passed, and is not among those that wait.
            None => {
                let newest = self.positions.newest().map(|newest| newest.position);
                let mut others = pending.items.iter().skip(1);
                Some(here.0) <= newest && !others.any(|item| item.is_of(present))
            }
        };
        if !here.1.is_deletion() {
            return self.look_there(cx, streams, name);
        }
        if rules.deletions == Deletions::None {
            // All the rest of it is copied.
            here.1.truncate_before = None;
            if is_its_own {
                cx.report(Report::DeletionPassed {
                    stream: name.clone(),
                    kind: DeletionKind::Soft,
                });
            }
            self.look_there(cx, streams, name);
        } else if is_its_own {
            self.look_there(cx, streams, name);
        } else {
            // Its own record comes later, behind the events that were written before it: it is not done by this.
            pending.here = None;
            self.finish_change(cx, streams, name);
        }
    }

    /// Looks what the destination has.
    pub(super) fn look_there(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        name: &StreamName,
    ) {
        if let Some(pending) = self.states.streams.get_mut(name)
            && let Standing::Ours(tail) = streams.standing(name)
        {
            pending.proven = pending.proven.max(tail);
        }
        let lookup = LookupId(cx.next_id());
        self.ask(name, lookup.0);
        let stream = name.clone();
        cx.out
            .push(Command::State(StateCommand::LookUp { lookup, stream }));
    }

    /// ditto soft-deleted it for a change that was cut off: whatever it is held for, it has to be shown again.
    fn is_deleted_in_vain(&self, there: &There) -> bool {
        self.is_of_cut_off(there) && matches!(there.end, End::SoftDeleted(_))
    }

    /// It is not written to, or events of it were passed: its state is looked at once it is complete.
    fn is_held(&self, streams: &Streams, name: &StreamName) -> bool {
        self.record.lacks_events(name) || streams.standing(name) == Standing::Held
    }

    pub(super) fn on_state_found(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        name: &StreamName,
        found: StateFound,
    ) {
        let there = match found {
            StateFound::There(there) => there,
            StateFound::Failed => return self.states.wait(cx.now, name),
            StateFound::Denied => {
                let why = "the destination does not let the user read metadata: a mirror that copies it needs $admins";
                return self.stop_with(cx, streams, why.to_owned());
            }
        };
        let is_open = there.end == End::Tombstoned || self.is_deleted_in_vain(&there);
        if !is_open && self.is_held(streams, name) {
            return self.finish_change(cx, streams, name);
        }
        let (is_noted, is_in_vain) = (self.is_ours(&there), self.is_deleted_in_vain(&there));
        let Some(pending) = self.states.streams.get_mut(name) else {
            return;
        };
        if there.end == End::Tombstoned {
            return self.found_tombstoned(cx, streams, name);
        }
        let last = there.end.last();
        if let Standing::Ours(tail) = streams.standing(name) {
            pending.proven = pending.proven.max(tail);
        }
        let deletes = pending.deletes();
        if deletes
            && pending.kind() == DeletionKind::Soft
            && matches!(there.end, End::SoftDeleted(_))
        {
            return self.finish_change(cx, streams, name);
        }
        let proven = pending.proven;
        pending.is_ours |= is_noted || is_in_vain || proven.is_some();
        let is_ours = pending.is_ours;
        pending.there = Some(there);
        match last {
            None => self.decide_change(cx, streams, name),
            Some(last) if proven == Some(last) => self.decide_change(cx, streams, name),
            // It was written meanwhile.
            Some(last) if deletes && proven > Some(last) => self.states.wait(cx.now, name),
            Some(last) if deletes && proven.is_some() => {
                let text = format!(
                    "the source deleted it behind revision {}, and the destination has events up to {last}",
                    proven.unwrap_or_default()
                );
                self.hold_for_change(cx, streams, name, &text);
            }
            Some(_) if !deletes && is_ours => {
                self.decide_change(cx, streams, name);
            }
            Some(last) => self.prove(cx, name, last),
        }
    }

    fn found_tombstoned(&mut self, cx: &mut Context, streams: &mut Streams, name: &StreamName) {
        let pending = self.states.streams.get(name);
        if pending.is_some_and(|pending| pending.kind() == DeletionKind::Tombstone) {
            return self.finish_tombstone(cx, streams, name);
        }
        let why = "the stream was deleted for good at the destination".to_owned();
        self.refuse_change(cx, streams, name, why);
    }

    /// Both sides' streams are gone for good: nothing of it has to be brought any more.
    pub(super) fn finish_tombstone(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        name: &StreamName,
    ) {
        streams.give_up(cx, name);
        self.record.is_complete(name.clone());
        self.finish_change(cx, streams, name);
    }
}

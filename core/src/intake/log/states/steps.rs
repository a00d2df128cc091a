//! The steps of one change: the source's present metadata, what the destination has, and whose its stream is.
//!
//! Never decides by a node that is behind what the log has shown.

use super::super::Log;
use super::super::epochs::{Epochs, Judgement};
use super::Compared;
use super::pending::Item;
use crate::context::Context;
use crate::event::{Event, StreamName};
use crate::port::log::{EpochsPage, Proof, RecordPage};
use crate::port::state::{
    ChangeId, DeletionKind, Deletions, End, Metadata, Note, StateCommand, StateFound, StatePage,
    There,
};
use crate::port::{Command, LookupId, ReadFrom, ReadId, Report, SourcePage};
use crate::seam::Claim;
use crate::streams::{Standing, Streams};

/// Bytes of a page of one event.
const PAGE_BYTES: usize = 64 * 1024;

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

    fn ask(&mut self, name: &StreamName, id: u64) {
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
        let metadata = there.metadata.as_ref();
        let note = metadata.and_then(|metadata| metadata.note.as_ref());
        let is_cut_off = note
            .and_then(|note| note.of.as_ref())
            .is_some_and(|of| self.is_cut_off(of));
        is_cut_off && matches!(there.end, End::SoftDeleted(_))
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
        let last = match there.end {
            End::Empty | End::SoftDeleted(None) => None,
            End::At(last) | End::SoftDeleted(Some(last)) => Some(last),
            End::Tombstoned => {
                return self.found_tombstoned(cx, streams, name);
            }
        };
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
        let (proven, is_known) = (pending.proven, pending.there.is_some());
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
            // What was to be compared was not there at all.
            Some(_) if is_known && proven.is_some() => self.states.wait(cx.now, name),
            Some(last) => self.prove(cx, name, last),
        }
    }

    /// ditto copied the metadata from this log, so it has found the stream to be the source's.
    fn is_ours(&self, there: &There) -> bool {
        let (End::At(last) | End::SoftDeleted(Some(last))) = there.end else {
            return true;
        };
        let metadata = there.metadata.as_ref();
        let note = metadata.and_then(|metadata| metadata.note.as_ref());
        let is_of_log = |note: &Note| note.of.as_ref().is_some_and(|of| self.is_of_log(of));
        let is_known = |note: &Note| note.last >= Some(last) && is_of_log(note);
        // What ends with a placeholder is ditto's own.
        note.is_some_and(|note| is_known(note) || note.filled_below > Some(last))
    }

    /// Whether a change was made in the source's log.
    pub(super) fn is_of_log(&self, of: &ChangeId) -> bool {
        of.epoch.is_none_or(|epoch| {
            let position = of.position;
            self.epochs.judge(&Proof { position, epoch }, position) == Judgement::Same
        })
    }

    /// Whether it was made in the source's log, and cut off with its leader.
    pub(super) fn is_cut_off(&self, of: &ChangeId) -> bool {
        of.log.is_some() && of.log == self.epochs.origin() && !self.is_of_log(of)
    }

    fn found_tombstoned(&mut self, cx: &mut Context, streams: &mut Streams, name: &StreamName) {
        let pending = self.states.streams.get(name);
        if pending.is_some_and(|pending| pending.kind() == DeletionKind::Tombstone) {
            return self.finish_tombstone(cx, streams, name);
        }
        let why = "the stream was deleted for good at the destination".to_owned();
        self.refuse_change(cx, streams, name, why);
    }

    /// Whose is the destination's stream, which ends with this revision? One event of the source's is compared.
    fn prove(&mut self, cx: &mut Context, name: &StreamName, last: u64) {
        let pending = self.states.streams.get(name);
        if pending.is_some_and(|pending| pending.deletes()) {
            return self.read_last(cx, name);
        }
        let read = ReadId(cx.next_id());
        self.ask(name, read.0);
        if let Some(pending) = self.states.streams.get_mut(name) {
            pending.compared = Some(last);
        }
        cx.out.push(Command::ReadSource {
            read,
            stream: name.clone(),
            from: ReadFrom::Revision(last),
            count: 1,
            max_bytes: PAGE_BYTES,
        });
    }

    /// The stream does not show it, or no longer: the log may. A deletion is behind the last event that stands before it; of
    /// any other change the event of the destination's last revision shows whose the stream is.
    fn read_last(&mut self, cx: &mut Context, name: &StreamName) {
        let Some(pending) = self.states.streams.get(name) else {
            return;
        };
        let newest = || self.positions.newest().map(|newest| newest.position);
        let (before, revision) = match pending.items.front() {
            _ if !pending.deletes() => (None, pending.compared),
            Some(Item::Tombstone { position } | Item::Change { position, .. }) => {
                (position.or_else(newest), None)
            }
            _ => (newest(), None),
        };
        let read = ReadId(cx.next_id());
        self.ask(name, read.0);
        cx.out.push(Command::State(StateCommand::ReadLast {
            read,
            stream: name.clone(),
            before,
            revision,
        }));
    }

    /// The source's event of the destination's last revision was read.
    pub(in super::super) fn on_proof_page(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        asked: ReadId,
        page: SourcePage,
    ) {
        let Some(name) = self.states.asked.remove(&asked.0) else {
            return;
        };
        let wanted = self
            .states
            .streams
            .get(&name)
            .and_then(|pending| pending.compared);
        match page {
            SourcePage::Events { events, .. } => {
                let mut events = events.into_iter();
                match events.find(|event| Some(event.revision) == wanted) {
                    Some(event) => self.compare(cx, streams, &name, event),
                    None => self.read_last(cx, &name),
                }
            }
            SourcePage::SoftDeleted | SourcePage::Tombstoned => self.read_last(cx, &name),
            SourcePage::Denied | SourcePage::Refused(_) => self.read_last(cx, &name),
            SourcePage::NotFound => {
                // The leader's log decides whether it never held an event.
                if let Some(pending) = self.states.streams.get_mut(&name) {
                    pending.was_never_written = true;
                }
                self.read_last(cx, &name);
            }
            SourcePage::Failed => self.states.wait(cx.now, &name),
        }
    }

    pub(super) fn on_last_read(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        name: &StreamName,
        page: RecordPage,
    ) {
        match page {
            RecordPage::Found(found) => self.compare(cx, streams, name, found.1),
            RecordPage::End => self.found_no_event(cx, streams, name),
            RecordPage::Refused(_) => self.states.wait(cx.now, name),
        }
    }

    /// The source shows nothing of what the destination has: taken for the source's where that can be read, as events are.
    /// A deletion is not copied without proof.
    fn found_no_event(&mut self, cx: &mut Context, streams: &mut Streams, name: &StreamName) {
        let Some(pending) = self.states.streams.get_mut(name) else {
            return;
        };
        let is_shown = pending
            .there
            .as_ref()
            .is_some_and(|there| there.last_id.is_some());
        if is_shown && !pending.deletes() && !pending.was_never_written {
            pending.is_ours = true;
            return self.decide_change(cx, streams, name);
        }
        let why = "the destination has events of this stream, and the source's log has none that shows whose they are";
        self.refuse_change(cx, streams, name, why.to_owned());
    }

    /// The source's event is compared with the destination's last one, by the streams where that is another or cannot be read.
    fn compare(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        name: &StreamName,
        event: Event,
    ) {
        let Some(pending) = self.states.streams.get_mut(name) else {
            return;
        };
        let there = pending.there.as_ref();
        let end = there.map(|there| there.end);
        let last_id = there.and_then(|there| there.last_id);
        let is_last = matches!(end, Some(End::At(last) | End::SoftDeleted(Some(last))) if last == event.revision);
        if is_last && last_id.is_some_and(|id| id != event.id) {
            let text = format!(
                "revision {} is another event at the destination",
                event.revision
            );
            return self.hold_for_change(cx, streams, name, &text);
        }
        if is_last && last_id == Some(event.id) {
            pending.is_ours = true;
            pending.proven = Some(event.revision);
            return self.decide_change(cx, streams, name);
        }
        let read = ReadId(cx.next_id());
        pending.compared = Some(event.revision);
        self.ask(name, read.0);
        self.looked = true;
        streams.take(cx, event, Claim::newest(read, cx.now));
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

    /// What became of the event that was compared.
    pub(super) fn on_compared(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        read: ReadId,
        compared: Compared,
    ) {
        let Some(name) = self.states.asked.remove(&read.0) else {
            return;
        };
        match compared {
            Compared::There => {
                if let Some(pending) = self.states.streams.get_mut(&name) {
                    pending.proven = pending.compared.take();
                }
                self.look_there(cx, streams, &name);
            }
            Compared::Held => self.finish_change(cx, streams, &name),
            Compared::Dropped => self.states.wait(cx.now, &name),
        }
    }
}

//! Whose the destination's stream is: one event of the source is compared with it, as the source's stream shows it, or its log.
//!
//! Never takes a stream for the source's without that, nor by the note of a change that is no longer in the log.

use super::super::Log;
use super::super::epochs::Judgement;
use super::Compared;
use super::pending::Item;
use crate::context::Context;
use crate::event::{Event, StreamName};
use crate::port::log::{Proof, RecordPage};
use crate::port::state::{ChangeId, End, Note, StateCommand, There};
use crate::port::{Command, ReadFrom, ReadId, SourcePage};
use crate::seam::Claim;
use crate::streams::Streams;

/// Bytes of a page of one event.
const PAGE_BYTES: usize = 64 * 1024;

impl Log {
    /// ditto copied the metadata from this log, so it has found the stream to be the source's.
    pub(super) fn is_ours(&self, there: &There) -> bool {
        let (End::At(last) | End::SoftDeleted(Some(last))) = there.end else {
            return true;
        };
        let is_of_log = |note: &Note| note.of.as_ref().is_some_and(|of| self.is_of_log(of));
        let is_known = |note: &Note| note.last >= Some(last) && is_of_log(note);
        // What ends with a placeholder is ditto's own.
        there
            .note()
            .is_some_and(|note| is_known(note) || note.filled_below > Some(last))
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

    /// Whether the destination's metadata was copied of such a change.
    pub(super) fn is_of_cut_off(&self, there: &There) -> bool {
        let of = there.note().and_then(|note| note.of.as_ref());
        of.is_some_and(|of| self.is_cut_off(of))
    }

    /// Whose is the destination's stream, which ends with this revision? One event of the source's is compared.
    pub(super) fn prove(&mut self, cx: &mut Context, name: &StreamName, last: u64) {
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
        let is_last = end.and_then(End::last) == Some(event.revision);
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

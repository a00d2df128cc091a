//! Lookups: what the destination holds of an unknown stream, in as few reads as decide it.
//!
//! Carries the findings of `compare` into states. Never guesses: what was not answered is asked again.

use crate::context::Context;
use crate::event::{Event, StreamName};
use crate::port::{Command, DuplicateReason, LookupId, LookupRange, LookupResult, Moment, Report};
use crate::streams::Streams;
use crate::streams::compare::{self, Finding};
use crate::streams::queue::Queue;
use crate::streams::rights::Denied;
use crate::streams::stream::{LookingUp, LookupStep, State, Stream};

/// Events and bytes of a lookup's page.
const PAGE: u64 = 200;
pub(super) const PAGE_BYTES: usize = 64 * 1024;

/// Appends that are refused where a deleted stream goes on, until that is a conflict.
const REFUSED_BEHIND_DELETION: u32 = 2;

/// Lookups under way at once, at most.
const AT_ONCE: usize = 256;

/// How many lookups may be under way, by how large their pages were: a page holds one event at least, however large.
#[derive(Clone, Debug)]
pub(super) struct LookupRoom {
    /// The largest page of late; before the first, that of an event as large as older servers take.
    largest: usize,
}

impl LookupRoom {
    pub(super) fn new() -> Self {
        Self {
            largest: 1024 * 1024,
        }
    }

    /// So many pages fit into these bytes.
    fn at_once(&self, bytes: usize) -> usize {
        (bytes / self.largest.max(1)).clamp(1, AT_ONCE)
    }

    /// A page of this size came. One that is larger counts at once, smaller ones little by little.
    fn brought(&mut self, bytes: usize) {
        self.largest = bytes.max(self.largest - self.largest / 8).max(PAGE_BYTES);
    }
}

impl Streams {
    pub(super) fn pump_lookups(&mut self, cx: &mut Context) {
        if cx.ending {
            return;
        }
        while self.resend.is_open()
            && self.lookups.len() < self.lookup_room.at_once(cx.memory.budget.lookups)
        {
            let Some(name) = self.lookup_line.pop_front() else {
                return;
            };
            self.start_lookup(cx, &name);
        }
    }

    fn start_lookup(&mut self, cx: &mut Context, name: &StreamName) {
        let Some(stream) = self.table.get_mut(name) else {
            return;
        };
        let State::LookingUp(looking_up) = &stream.state else {
            return;
        };
        let LookingUp {
            step: LookupStep::Wanted,
            was_held,
        } = &**looking_up
        else {
            return;
        };
        if stream.queue.is_empty() {
            // What wanted the lookup was dropped meanwhile.
            stream.state = was_held.clone().map_or(State::Unknown, State::Held);
            self.rest(cx, name);
            return;
        }
        self.mode.look_up(self, cx, name);
    }

    /// Its first event waits, and it was neither held nor looked at before: its metadata tells enough.
    pub(super) fn is_at_its_beginning(&self, name: &StreamName) -> bool {
        self.table.get(name).is_some_and(|stream| {
            let was_held = matches!(&stream.state, State::LookingUp(looking_up) if looking_up.was_held.is_some());
            stream.queue.first() == Some(0) && !was_held && stream.failures == 0
        })
    }

    pub(super) fn full_lookup(&mut self, cx: &mut Context, name: &StreamName) {
        let Some(queue) = self.table.get(name).map(|stream| &stream.queue) else {
            return;
        };
        let (first, last) = (
            queue.first().unwrap_or_default(),
            queue.last().unwrap_or_default(),
        );
        self.full_lookup_from(cx, name, first.saturating_sub(1), last);
    }

    fn full_lookup_from(&mut self, cx: &mut Context, name: &StreamName, from: u64, last: u64) {
        let count = (last - from + 1).min(PAGE);
        let range = LookupRange::Forwards {
            from,
            count: u32::try_from(count).unwrap_or(1),
        };
        let lookup = self.lookup(cx, name, range);
        self.set_step(name, LookupStep::Full { lookup, from });
    }

    pub(super) fn lookup(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        range: LookupRange,
    ) -> LookupId {
        let lookup = LookupId(cx.next_id());
        self.lookups.insert(lookup, (name.clone(), cx.now));
        cx.out.push(Command::Lookup {
            lookup,
            stream: name.clone(),
            range,
            max_bytes: PAGE_BYTES,
        });
        lookup
    }

    pub(super) fn set_step(&mut self, name: &StreamName, next: LookupStep) {
        if let Some(State::LookingUp(looking_up)) =
            self.table.get_mut(name).map(|stream| &mut stream.state)
        {
            looking_up.step = next;
        }
    }

    pub(super) fn on_looked_up(
        &mut self,
        cx: &mut Context,
        lookup: LookupId,
        result: LookupResult,
    ) {
        if self.on_reading_asked(cx, lookup, &result) {
            return;
        }
        let Some((name, sent)) = self.lookups.remove(&lookup) else {
            return;
        };
        match result {
            LookupResult::Failed => return self.lookup_failed(cx, &name, sent),
            LookupResult::Refused(text) => return self.lookup_refused(cx, &name, text),
            _ => {}
        }
        if let LookupResult::Tail { events, .. } = &result {
            self.lookup_room
                .brought(events.iter().map(Event::size).sum());
        }
        self.resend.lookup_answered();
        self.verdict(cx);
        cx.progress += 1;
        let Some(stream) = self.table.get_mut(&name) else {
            return;
        };
        let State::LookingUp(looking_up) = &stream.state else {
            return;
        };
        let step = looking_up.step.clone();
        if !step.waits_for(lookup) {
            return;
        }
        if stream.queue.is_empty() {
            // What waited was dropped meanwhile.
            stream.state = looking_up
                .was_held
                .clone()
                .map_or(State::Unknown, State::Held);
            self.rest(cx, &name);
            return;
        }
        match (step, result) {
            (_, LookupResult::SoftDeleted(Some(copied))) => {
                self.deleted_before(cx, &name, copied.to);
            }
            (_, LookupResult::SoftDeleted(None)) => {
                self.conflict(cx, &name, "the stream was deleted at the destination")
            }
            (_, LookupResult::Tombstoned) => {
                self.conflict(cx, &name, "the stream was tombstoned at the destination")
            }
            (LookupStep::Asked { .. }, LookupResult::Denied) => {
                self.lookup_denied(cx, &name, sent, Denied::Write)
            }
            (_, LookupResult::Denied) => self.lookup_denied(cx, &name, sent, Denied::Read),
            (_, LookupResult::MetadataDenied) => {
                self.lookup_denied(cx, &name, sent, Denied::ReadMetadata)
            }
            (LookupStep::Search(search), result) => self.on_search_page(cx, &name, search, result),
            (LookupStep::Tail(tail), result) => self.on_destination_tail(cx, &name, tail, result),
            (LookupStep::Refused { tail, .. }, result) => {
                self.on_refusal_confirmed(cx, &name, &tail, &result)
            }
            (LookupStep::Asked { tail, .. }, result) => self.on_recognised(cx, &name, tail, result),
            (
                LookupStep::Full { from, .. },
                LookupResult::Tail {
                    last,
                    events,
                    truncate_before,
                    copied,
                },
            ) => {
                let is_copied = copied.is_some();
                if let Some(stream) = self.table.get_mut(&name) {
                    stream.known.mirrored_to = copied.and_then(|copied| copied.to);
                }
                if !is_copied {
                    self.note_truncation(cx, &name, truncate_before);
                }
                self.on_full_lookup(cx, &name, from, last, &events);
            }
            _ => self.aligned(cx, &name, None),
        }
    }

    fn on_full_lookup(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        from: u64,
        last: u64,
        events: &[Event],
    ) {
        let Some(queue) = self.table.get(name).map(|stream| &stream.queue) else {
            return;
        };
        let waits_to = queue.last().unwrap_or_default();
        match compare::full_lookup(queue, from, last, events) {
            Finding::There { revisions, differs } => self.there(cx, name, &revisions, differs),
            Finding::Conflict(clash) => self.conflict_at(cx, name, clash.revision, clash.text()),
            Finding::Short { from } => self.full_lookup_from(cx, name, from, waits_to.max(from)),
            Finding::Tail {
                tail,
                event,
                unreadable,
            } => self.compare_tails(cx, name, tail, event, unreadable),
        }
    }

    /// These waiting revisions are at the destination already.
    pub(super) fn there(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        revisions: &[(u64, Option<DuplicateReason>)],
        differs: Vec<u64>,
    ) {
        for revision in differs {
            cx.report(Report::Differs {
                stream: name.clone(),
                revision,
            });
        }
        for (revision, reason) in revisions {
            let entry = self
                .table
                .get_mut(name)
                .and_then(|stream| stream.queue.remove(*revision));
            match (entry, reason) {
                (None, _) => {}
                (Some(entry), Some(reason)) => self.settle_duplicate(cx, name, entry, *reason),
                (Some(entry), None) => self.set_aside_filled(cx, entry),
            }
            if reason.is_none()
                && let Some(stream) = self.table.get_mut(name)
            {
                stream.known.unverified = stream.known.unverified.max(Some(*revision));
            }
        }
        let tail = revisions.last().map(|(revision, _)| *revision);
        if tail.is_some()
            && let Some(stream) = self.table.get_mut(name)
        {
            stream.failures = 0;
        }
        self.aligned(cx, name, tail);
    }

    /// A mirror deleted it there as the source did, behind this revision: what comes up to there is hidden, and what comes
    /// after it revives the stream.
    fn deleted_before(&mut self, cx: &mut Context, name: &StreamName, last: Option<u64>) {
        // An append right behind it was refused, and again: events that are no copies are hidden with it.
        let is_refused = |stream: &Stream| stream.failures >= REFUSED_BEHIND_DELETION;
        if self.table.get(name).is_some_and(is_refused) {
            let text = "the destination has other events behind those that the source deleted";
            return self.conflict(cx, name, text);
        }
        self.release(cx, name);
        if let Some(stream) = self.table.get_mut(name) {
            stream.state = State::aligned(last);
            stream.known.unverified = None;
            stream.failing = None;
            stream.beyond_since = None;
        }
        self.advance(cx, name);
    }

    /// The lookup decided that the stream can be written.
    pub(super) fn aligned(&mut self, cx: &mut Context, name: &StreamName, tail: Option<u64>) {
        self.release(cx, name);
        if let Some(stream) = self.table.get_mut(name) {
            stream.state = State::aligned(tail);
            stream.failing = None;
            stream.beyond_since = None;
            // Only the tail itself was compared; below it there may be placeholders of another process.
            stream.known.unverified = stream
                .known
                .unverified
                .max(tail.and_then(|tail| tail.checked_sub(1)));
        }
        if !self.is_refused(cx, name, tail.map_or(0, |tail| tail + 1)) {
            self.advance(cx, name);
        }
    }

    /// A held stream was looked at and may go on.
    pub(super) fn release(&mut self, cx: &mut Context, name: &StreamName) {
        if self.held.remove(name).is_some() {
            cx.report(Report::Released {
                stream: name.clone(),
            });
        }
    }

    fn lookup_denied(&mut self, cx: &mut Context, name: &StreamName, sent: Moment, what: Denied) {
        let Some(stream) = self.table.get(name) else {
            return;
        };
        let was_held =
            matches!(&stream.state, State::LookingUp(looking_up) if looking_up.was_held.is_some());
        if was_held {
            self.lookup_later(cx, name);
        } else {
            self.denied(cx, name, what, sent);
        }
    }

    pub(super) fn conflict(&mut self, cx: &mut Context, name: &StreamName, text: &str) {
        let first = self.first_waiting(name);
        self.conflict_at(cx, name, first, text.to_owned());
    }

    /// Lowest revision that waits in this stream.
    pub(super) fn first_waiting(&self, name: &StreamName) -> u64 {
        let queue = self.table.get(name).map(|stream| &stream.queue);
        queue.and_then(Queue::first).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{AT_ONCE, LookupRoom};
    use crate::budget::LOOK_BYTES;

    #[test]
    fn lookups_under_way_hold_no_more_than_their_room() {
        let mut room = LookupRoom::new();
        for _ in 0..100 {
            room.brought(300);
        }
        assert_eq!(room.at_once(LOOK_BYTES), AT_ONCE, "small pages");
        for bytes in [1 << 20, 8 << 20, 16 << 20, 64 << 20] {
            room.brought(bytes);
            let most = room.at_once(LOOK_BYTES);
            assert!(most == 1 || most * bytes <= LOOK_BYTES, "{bytes}: {most}");
        }
        room.brought(300);
        assert!(
            room.at_once(LOOK_BYTES) < 4,
            "one small page says nothing of the next"
        );
    }
}

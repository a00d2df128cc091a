//! What a stream does next, given its state and what waits: look, append, repair, or rest.
//!
//! Called after everything that may have changed a stream. Never sends anything itself.

use uuid::Uuid;

use crate::context::Context;
use crate::event::{Event, StreamName};
use crate::port::DuplicateReason;
use crate::streams::Streams;
use crate::streams::queue::{Entry, Origin};
use crate::streams::stream::{LookingUp, LookupStep, State, Stream};

/// Event type of a placeholder for history that the source no longer has.
const PLACEHOLDER_TYPE: &str = "ditto-missing";

/// Namespace of placeholder ids: the same stream and revision give the same id in every process.
const PLACEHOLDER_NAMESPACE: Uuid = Uuid::from_u128(0x6469_7474_6f00_4d69_8373_696e_6721_0001);

impl Streams {
    pub(super) fn advance(&mut self, cx: &mut Context, name: &StreamName) {
        self.step(cx, name);
        self.note_slow(cx, name);
    }

    fn step(&mut self, cx: &mut Context, name: &StreamName) {
        self.mode.prepare(self, cx, name);
        let Some(stream) = self.table.get_mut(name) else {
            return;
        };
        match &stream.state {
            State::LookingUp(_) | State::WritingMetadata(_) => {}
            State::Unknown => match stream.queue.first() {
                None => self.rest(cx, name),
                Some(_) if stream.retry_at.is_some() || stream.flight.is_some() => {}
                Some(_) => {
                    stream.state = State::LookingUp(Box::new(LookingUp {
                        step: LookupStep::Wanted,
                        was_held: None,
                    }));
                    self.lookup_line.push_back(name.clone());
                }
            },
            State::Held(_) => self.advance_held(cx, name),
            State::Aligned(aligned) => {
                let tail = aligned.tail;
                self.advance_aligned(cx, name, tail);
            }
            State::Unversioned(end) => {
                let end = *end;
                self.advance_unversioned(cx, name, end);
            }
        }
    }

    fn advance_aligned(&mut self, cx: &mut Context, name: &StreamName, tail: Option<u64>) {
        while let Some(known) = self.pop_up_to(name, tail) {
            self.settle_duplicate(cx, name, known, DuplicateReason::Known);
        }
        let Some(stream) = self.table.get(name) else {
            return;
        };
        if stream.flight.is_some() {
            self.read_ahead(name);
            return;
        }
        let Some(first) = stream.queue.first() else {
            self.end_repair(cx, name);
            self.rest(cx, name);
            return;
        };
        if stream.retry_at.is_some() {
            return;
        }
        let next = tail.map_or(0, |tail| tail + 1);
        if first < next {
            // Below a tail that was never compared: only a lookup can tell.
            self.forget(cx, name);
            self.advance(cx, name);
        } else if first == next {
            self.line_up(cx, name);
            self.read_ahead(name);
        } else if stream.fill_to().is_some_and(|end| end > next) {
            self.make_placeholders(cx, name, next, first);
        } else {
            self.mend(cx, name, next, first);
        }
    }

    /// Takes the first entry out if the destination is known to have it.
    fn pop_up_to(&mut self, name: &StreamName, tail: Option<u64>) -> Option<Entry> {
        let stream = self.table.get_mut(name)?;
        if stream.knows(stream.queue.first()?, tail) {
            stream.queue.pop_first()
        } else {
            None
        }
    }

    /// The stream may append when its turn comes, which comes the sooner the more waits: up to what an append holds.
    pub(super) fn line_up(&mut self, cx: &Context, name: &StreamName) {
        let most = self.most_merged(cx);
        if let Some(stream) = self.table.get_mut(name) {
            let waiting = stream.queue.len().min(most);
            stream.in_line = Some(self.line.join(name, waiting, stream.in_line));
        }
    }

    /// Puts a stream with nothing to do to rest.
    pub(super) fn rest(&mut self, cx: &mut Context, name: &StreamName) {
        for forgotten in self.table.rest(name, cx.memory.budget.known) {
            self.held.remove(&forgotten);
        }
    }

    /// Placeholders for the next missing revisions: one append's worth at a time, so that they never pile up.
    fn make_placeholders(&mut self, cx: &mut Context, name: &StreamName, next: u64, first: u64) {
        let most = u64::from(cx.settings.max_append_events.max(1));
        let Some(end) = self.table.get(name).and_then(Stream::fill_to) else {
            return;
        };
        for revision in next..end.min(first).min(next + most) {
            let entry = Entry::new(placeholder(name, revision), Origin::Placeholder, None);
            self.count_cost(cx, &entry);
            if let Some(stream) = self.table.get_mut(name) {
                stream.queue.insert(entry);
            }
        }
        self.line_up(cx, name);
    }
}

/// The id of the placeholder for this revision, in every process the same.
#[must_use]
pub fn placeholder_id(stream: &StreamName, revision: u64) -> Uuid {
    Uuid::new_v5(
        &PLACEHOLDER_NAMESPACE,
        format!("{revision}@{stream}").as_bytes(),
    )
}

/// Flagged JSON and empty: projections do not link such events (protocol §6.2).
pub(super) fn placeholder(stream: &StreamName, revision: u64) -> Event {
    Event {
        id: placeholder_id(stream, revision),
        stream: stream.clone(),
        revision,
        event_type: PLACEHOLDER_TYPE.into(),
        is_json: true,
        data: bytes::Bytes::new(),
        metadata: bytes::Bytes::new(),
        created: 0,
    }
}

//! Appends: what is merged, what is sent, and what an answer means.
//!
//! An append once sent is frozen: its events stay in the queue until it is answered, and it is sent again under its id.
//! Never takes anything but "written, up to the last event's revision" for success.

use std::time::Duration;

use super::Core;
use super::port::{
    AppendId, AppendOutcome, Command, CopiedEvent, Expected, HeldReason, MetadataOutcome, Mode,
    Moment, Tell, WriteId,
};
use super::queue::{Entry, Origin};
use super::stream::{Following, State, Stream};
use crate::event::{Event, StreamName};

/// Looks between wrong revisions are quick; a stream that goes on failing is tried less and less often.
const QUICK_FAILURES: u32 = 3;

/// Streams denied before anything was written: that many mean that it is not about streams.
const DENIED_STREAMS: usize = 3;

/// An append from its first sending to its answer.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) stream: StreamName,
    expected: Expected,
    /// Source revisions of its events, ascending.
    revisions: Vec<u64>,
    /// The revision that the destination must answer.
    answers: u64,
    first_sent: Moment,
    last_sent: Moment,
}

impl Core {
    pub(super) fn pump_appends(&mut self) {
        if self.ending.is_some() {
            return;
        }
        while self.trial.is_open()
            && self.flights.len() < self.window.limit() as usize
            && !self.line.is_empty()
        {
            if self.throttled_until().is_some_and(|until| until > self.now) {
                return;
            }
            if let Some(name) = self.line.pop_front() {
                self.send(&name);
            }
        }
    }

    /// When the throttle lets the next event through.
    pub(super) fn throttled_until(&self) -> Option<Moment> {
        let interval = self.settings.throttle_interval;
        self.last_sent
            .filter(|_| !interval.is_zero())
            .map(|sent| sent + interval)
    }

    fn send(&mut self, name: &StreamName) {
        let Some(stream) = self.streams.get_mut(name) else {
            return;
        };
        stream.in_line = false;
        if stream.flight.is_some() || stream.retry_at.is_some() {
            return;
        }
        let (tail, merge_gaps) = match &stream.state {
            State::Aligned { tail } => (*tail, false),
            State::Following(Following {
                tail,
                searched: true,
                ..
            }) => (*tail, true),
            _ => return,
        };
        let start = if merge_gaps {
            stream.queue.first()
        } else {
            Some(tail.map_or(0, |tail| tail + 1))
        };
        let Some(start) = start.filter(|start| stream.queue.first() == Some(*start)) else {
            self.advance(name);
            return;
        };
        if tail.is_none() && !self.is_unnumbered() && self.write_metadata_first(name) {
            return;
        }
        let revisions = self.merge(name, start, merge_gaps);
        let count = revisions.len() as u64;
        let answers = match revisions.last() {
            Some(last) if !merge_gaps => *last,
            _ => tail.map_or(count - 1, |tail| tail + count),
        };
        let append = AppendId(self.next_id());
        let flight = Flight {
            stream: name.clone(),
            expected: tail.map_or(Expected::NoStream, Expected::Exact),
            revisions,
            answers,
            first_sent: self.now,
            last_sent: self.now,
        };
        if let Some(stream) = self.streams.get_mut(name) {
            stream.flight = Some(append);
        }
        self.events_in_flight += flight.revisions.len();
        self.flights.insert(append, flight);
        self.last_sent = Some(self.now);
        self.emit(append);
    }

    /// The longest run from `start` on: consecutive revisions (with `merge_gaps`: ascending), within the limits.
    fn merge(&self, name: &StreamName, start: u64, merge_gaps: bool) -> Vec<u64> {
        let Some(stream) = self.streams.get(name) else {
            return Vec::new();
        };
        let alone = !self.settings.throttle_interval.is_zero()
            || self.is_unnumbered()
            || stream.single_until.is_some_and(|until| start <= until);
        let most = if alone {
            1
        } else {
            self.settings.max_append_events.max(1) as usize
        };
        let (mut revisions, mut bytes) = (Vec::new(), 0);
        for entry in stream.queue.iter() {
            let follows = merge_gaps || entry.revision() == start + revisions.len() as u64;
            bytes += entry.event.size();
            let fits = revisions.is_empty() || bytes <= self.settings.max_append_bytes;
            if !follows || !fits || revisions.len() >= most {
                break;
            }
            revisions.push(entry.revision());
        }
        revisions
    }

    /// Sends a frozen append again.
    pub(super) fn send_again(&mut self, append: AppendId) {
        if let Some(flight) = self.flights.get_mut(&append) {
            flight.last_sent = self.now;
            self.emit(append);
        }
    }

    fn emit(&mut self, append: AppendId) {
        let Some(flight) = self.flights.get(&append) else {
            return;
        };
        let Some(stream) = self.streams.get(&flight.stream) else {
            return;
        };
        let events: Vec<Event> = flight
            .revisions
            .iter()
            .filter_map(|revision| stream.queue.get(*revision).map(|entry| entry.event.clone()))
            .collect();
        self.out.push(Command::Append {
            append,
            stream: flight.stream.clone(),
            expected: flight.expected,
            events,
        });
        self.asked_destination();
    }

    pub(super) fn on_call_ended(&mut self, unanswered: Vec<AppendId>) {
        let known: Vec<AppendId> = unanswered
            .into_iter()
            .filter(|append| self.flights.contains_key(append))
            .collect();
        if !known.is_empty() {
            self.trial.call_ended(self.now, known);
        }
    }

    pub(super) fn on_appended(&mut self, append: AppendId, outcome: AppendOutcome) {
        if !self.flights.contains_key(&append) {
            return;
        }
        match outcome {
            AppendOutcome::NotReady => {
                self.trial.not_ready(self.now, append);
                return;
            }
            AppendOutcome::NoAnswer => {
                self.trial.call_ended(self.now, vec![append]);
                return;
            }
            _ => {}
        }
        let full = self.flights.len() >= self.window.limit() as usize && !self.line.is_empty();
        let Some(flight) = self.flights.remove(&append) else {
            return;
        };
        self.events_in_flight = self.events_in_flight.saturating_sub(flight.revisions.len());
        self.trial.answered(append);
        self.verdict();
        self.window
            .answered(self.now, self.now.saturating_sub(flight.last_sent), full);
        if let Some(stream) = self.streams.get_mut(&flight.stream) {
            stream.flight = None;
        }
        match outcome {
            AppendOutcome::Written(last) if last == flight.answers => self.on_written(&flight),
            AppendOutcome::TooLarge => {
                self.on_refused_append(&flight, "larger than the destination accepts")
            }
            AppendOutcome::Refused(text) => self.on_refused_append(&flight, &text),
            AppendOutcome::Denied => self.on_denied_append(&flight),
            _ => self.look_again(&flight),
        }
    }

    /// The append ended its call by itself, alone, while the server answered reads.
    pub(super) fn on_ends_call_alone(&mut self, append: AppendId) {
        let Some(flight) = self.flights.remove(&append) else {
            return;
        };
        self.events_in_flight = self.events_in_flight.saturating_sub(flight.revisions.len());
        if let Some(stream) = self.streams.get_mut(&flight.stream) {
            stream.flight = None;
        }
        self.on_refused_append(
            &flight,
            "the destination ended the call without an answer, again and again",
        );
    }

    fn on_written(&mut self, flight: &Flight) {
        let name = &flight.stream;
        self.proven = true;
        self.denied.clear();
        let mut copied = Vec::with_capacity(flight.revisions.len());
        let (mut repaired, mut placeholders) = (0, 0);
        for revision in &flight.revisions {
            let Some(entry) = self
                .streams
                .get_mut(name)
                .and_then(|stream| stream.queue.remove(*revision))
            else {
                continue;
            };
            match entry.origin {
                Origin::Placeholder => placeholders += 1,
                Origin::Repaired => repaired += 1,
                Origin::Delivered => self.tell_hole(name, &entry),
            }
            if entry.origin != Origin::Placeholder {
                copied.push(copied_event(&entry));
            }
            self.settle_done(entry);
        }
        self.progress += 1;
        let took = self.now.saturating_sub(flight.first_sent);
        self.tell_written(name, copied, placeholders, took);
        let last = flight.revisions.last().copied().unwrap_or_default();
        if let Some(stream) = self.streams.get_mut(name) {
            stream.wrote(last, flight.answers);
        }
        self.repaired(name, repaired, last);
        self.advance(name);
    }

    fn tell_written(
        &mut self,
        name: &StreamName,
        copied: Vec<CopiedEvent>,
        placeholders: u64,
        took: Duration,
    ) {
        if placeholders > 0 {
            self.tell(Tell::Placeholders {
                stream: name.clone(),
                count: placeholders,
            });
        }
        if !copied.is_empty() {
            self.tell(Tell::Copied {
                stream: name.clone(),
                events: copied,
                took,
            });
        }
    }

    fn tell_hole(&mut self, name: &StreamName, entry: &Entry) {
        if let Some(number) = entry
            .claims()
            .find(|claim| claim.hole)
            .and_then(|claim| claim.number)
        {
            self.tell(Tell::Hole {
                number,
                stream: name.clone(),
                revision: entry.revision(),
            });
        }
    }

    /// Whatever the answer was, it says that the destination is not as it was thought to be.
    fn look_again(&mut self, flight: &Flight) {
        self.end_repair(&flight.stream);
        let Some(stream) = self.streams.get_mut(&flight.stream) else {
            return;
        };
        stream.shared |= matches!(stream.state, State::Following(_));
        stream.forget();
        stream.failures += 1;
        if stream.failures > QUICK_FAILURES {
            self.back_off(&flight.stream);
        } else {
            self.advance(&flight.stream);
        }
    }

    fn on_refused_append(&mut self, flight: &Flight, text: &str) {
        let last = flight.revisions.last().copied().unwrap_or_default();
        if flight.revisions.len() > 1 {
            // One of them is the culprit: one by one.
            if let Some(stream) = self.streams.get_mut(&flight.stream) {
                stream.single_until = Some(last);
            }
            self.look_again(flight);
        } else if self.settings.mode == Mode::Exact {
            self.hold(
                &flight.stream,
                last,
                HeldReason::Refused,
                format!("revision {last} was refused: {text}"),
            );
        } else {
            self.set_aside_refused(&flight.stream, last, text);
        }
    }

    fn on_denied_append(&mut self, flight: &Flight) {
        if self.proven {
            self.on_refused_append(flight, "no right to write this stream at the destination");
            return;
        }
        self.end_repair(&flight.stream);
        if let Some(stream) = self.streams.get_mut(&flight.stream) {
            stream.forget();
        }
        self.deny(
            &flight.stream,
            "no right to write any stream at the destination",
        );
    }

    /// Nothing was ever written: more likely the user may do so nowhere, and then nothing must be parked.
    pub(super) fn deny(&mut self, name: &StreamName, text: &str) {
        let since = *self.denied.entry(name.clone()).or_insert(self.now);
        let long = self.now.saturating_sub(since) >= self.message_timeout() / 4;
        if long || self.denied.len() >= DENIED_STREAMS {
            self.denied.clear();
            self.stop_for_now(text.to_owned());
        } else {
            self.back_off(name);
        }
    }

    /// True if `$$S` has to be written before revision 0, which is now under way.
    fn write_metadata_first(&mut self, name: &StreamName) -> bool {
        let max_age = self.settings.time_to_live;
        let Some(stream) = self.streams.get_mut(name) else {
            return false;
        };
        let truncate_before = stream.fill_to;
        if stream.metadata_done || (max_age.is_none() && truncate_before.is_none()) {
            return false;
        }
        let write = WriteId(self.next_id());
        if let Some(stream) = self.streams.get_mut(name) {
            let before = std::mem::replace(&mut stream.state, State::WritingMetadata);
            self.writes.insert(write, (name.clone(), before));
        }
        self.out.push(Command::WriteMetadata {
            write,
            stream: name.clone(),
            max_age,
            truncate_before,
        });
        self.asked_destination();
        true
    }

    pub(super) fn on_metadata_done(&mut self, write: WriteId, outcome: MetadataOutcome) {
        let Some((name, before)) = self.writes.remove(&write) else {
            return;
        };
        if let Some(stream) = self.streams.get_mut(&name) {
            stream.state = before;
            stream.metadata_done =
                matches!(outcome, MetadataOutcome::Written | MetadataOutcome::Exists);
        }
        if outcome == MetadataOutcome::NoAnswer {
            self.trial.look_failed(self.now);
            self.back_off(&name);
            return;
        }
        self.trial.look_answered();
        self.verdict();
        match outcome {
            MetadataOutcome::Exists => self.tell(Tell::MetadataKept {
                stream: name.clone(),
            }),
            MetadataOutcome::Denied => {
                let first = self
                    .streams
                    .get(&name)
                    .and_then(|stream| stream.queue.first())
                    .unwrap_or_default();
                let text =
                    format!("no right to write its metadata stream $${name} at the destination");
                self.hold(&name, first, HeldReason::Refused, text);
                return;
            }
            MetadataOutcome::Written | MetadataOutcome::NoAnswer => {}
        }
        self.advance(&name);
    }
}

impl Stream {
    /// Nothing is known of the destination's stream any more, except who else writes there.
    pub(super) fn forget(&mut self) {
        self.state = State::Unknown;
    }

    fn wrote(&mut self, last: u64, tail: u64) {
        self.failures = 0;
        self.high = self.high.max(Some(last));
        self.single_until.take_if(|until| *until <= last);
        self.fill_to.take_if(|end| *end <= last + 1);
        self.state = match &self.state {
            State::Following(following) => {
                // What came meanwhile with a lower revision was not looked for.
                let new = self.queue.first() > self.high || self.queue.is_empty();
                State::Following(Following {
                    tail: Some(tail),
                    searched: following.searched && new,
                })
            }
            _ => State::Aligned { tail: Some(tail) },
        };
    }
}

fn copied_event(entry: &Entry) -> CopiedEvent {
    CopiedEvent {
        event_type: entry.event.event_type.clone(),
        revision: entry.revision(),
        number: entry.number(),
        created: entry.event.created,
        repaired: entry.origin == Origin::Repaired,
    }
}

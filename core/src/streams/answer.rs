//! What the answer to an append means.
//!
//! Never takes anything but "written, up to the last event's revision" for success.

use std::time::Duration;

use crate::context::Context;
use crate::event::StreamName;
use crate::port::{AppendId, AppendOutcome, CopiedEvent, DuplicateReason, Report};
use crate::seam::Claim;
use crate::streams::Streams;
use crate::streams::append::Flight;
use crate::streams::queue::{Entry, Origin};
use crate::streams::stream::{State, Stream};
use crate::streams::window::{Answered, LEAST};

/// Looks between wrong revisions are quick; a stream that goes on failing is tried less and less often.
const QUICK_FAILURES: u32 = 3;

impl Streams {
    pub(super) fn on_call_ended(
        &mut self,
        cx: &mut Context,
        lane: u32,
        unanswered: Vec<AppendId>,
        silent: bool,
        said: String,
    ) {
        let known: Vec<AppendId> = unanswered
            .into_iter()
            .filter(|append| self.flights.contains_key(append))
            .collect();
        if let [append] = known[..]
            && self.resend.goes_alone(append)
        {
            self.last_words = said;
        }
        match known.is_empty() {
            true => {}
            false if silent => self.resend.no_answer(cx.now, &known),
            false => self.resend.call_ended(cx.now, lane, known),
        }
    }

    pub(super) fn on_appended(
        &mut self,
        cx: &mut Context,
        append: AppendId,
        outcome: AppendOutcome,
    ) {
        if !self.flights.contains_key(&append) {
            return;
        }
        match outcome {
            AppendOutcome::NotReady => {
                self.resend.not_ready(cx.now, append);
                return;
            }
            AppendOutcome::NoAnswer => {
                self.resend.undecided(cx.now, append);
                return;
            }
            _ => {}
        }
        let beside = self.beside(cx);
        let Some(flight) = self.flights.remove(&append) else {
            return;
        };
        let answered = Answered {
            took: cx.now.saturating_sub(flight.last_sent),
            events: flight.revisions.len(),
            ..beside
        };
        self.window.answered(cx.now, answered);
        self.events_in_flight = self.events_in_flight.saturating_sub(flight.revisions.len());
        self.resend.answered(append);
        self.verdict(cx);
        if let Some(stream) = self.table.get_mut(&flight.stream) {
            stream.flight = None;
        }
        if flight.is_outdated {
            return self.drop_outdated(cx, &flight.stream);
        }
        match outcome {
            AppendOutcome::Written(last) if last == flight.answers => {
                self.on_written(cx, &flight, false);
            }
            AppendOutcome::Present(last) if last == flight.answers => {
                self.on_written(cx, &flight, !flight.sent_again);
            }
            AppendOutcome::TooLarge { limit } => self.on_too_large(cx, &flight, limit),
            AppendOutcome::Refused(text) => self.on_refused_append(cx, &flight, &text),
            AppendOutcome::Denied => self.on_denied_append(cx, &flight),
            _ => self.look_up_again(cx, &flight),
        }
    }

    /// What there is beside an append that is being answered.
    fn beside(&self, cx: &Context) -> Answered {
        let waiting = cx.memory.entries().saturating_sub(self.events_in_flight);
        Answered {
            took: Duration::ZERO,
            events: 0,
            flights: self.flights.len(),
            line: !self.line.is_empty(),
            merges: self.most_merged(cx) > 1,
            behind: waiting * 4 >= self.events_in_flight && self.flights.len() >= LEAST as usize,
        }
    }

    /// The append ended its call by itself, alone, while the server answered reads.
    pub(super) fn on_ends_call_alone(&mut self, cx: &mut Context, append: AppendId) {
        let Some(flight) = self.flights.remove(&append) else {
            return;
        };
        self.events_in_flight = self.events_in_flight.saturating_sub(flight.revisions.len());
        if let Some(stream) = self.table.get_mut(&flight.stream) {
            stream.flight = None;
        }
        // Only now does nothing wait for it any more.
        self.verdict(cx);
        if flight.is_outdated {
            return self.drop_outdated(cx, &flight.stream);
        }
        let said = std::mem::take(&mut self.last_words);
        let text = format!("the destination ended the call each time: {said}");
        self.on_refused_append(cx, &flight, &text);
    }

    /// The destination has it. `present`: another writer stored it, so that ditto copied nothing.
    fn on_written(&mut self, cx: &mut Context, flight: &Flight, present: bool) {
        let name = &flight.stream;
        self.note_written(cx, name, flight.last_sent);
        let mut copied = Vec::with_capacity(flight.revisions.len());
        let (mut repaired, mut placeholders) = (0, 0);
        let mut filled = None;
        for revision in &flight.revisions {
            let Some(entry) = self
                .table
                .get_mut(name)
                .and_then(|stream| stream.queue.remove(*revision))
            else {
                continue;
            };
            if entry.origin == Origin::Placeholder {
                filled = Some(*revision);
            }
            if present {
                self.settle_duplicate(cx, name, entry, DuplicateReason::Found);
                continue;
            }
            match entry.origin {
                Origin::Placeholder => placeholders += 1,
                Origin::Repaired => repaired += 1,
                Origin::Delivered => self.tell_hole(cx, name, &entry),
            }
            if entry.origin != Origin::Placeholder {
                copied.push(copied_event(&entry));
            }
            self.settle_done(cx, entry);
        }
        cx.progress += 1;
        let took = cx.now.saturating_sub(flight.first_sent);
        self.tell_written(cx, name, copied, placeholders, took);
        let last = flight.revisions.last().copied().unwrap_or_default();
        if let Some(stream) = self.table.get_mut(name) {
            self.mode.written(stream, last, flight.answers);
            stream.known.unverified = stream.known.unverified.max(filled);
        }
        self.repaired(cx, name, repaired, last);
        self.advance(cx, name);
    }

    fn tell_written(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        copied: Vec<CopiedEvent>,
        placeholders: u64,
        took: Duration,
    ) {
        if placeholders > 0 {
            cx.report(Report::Placeholders {
                stream: name.clone(),
                count: placeholders,
            });
        }
        if !copied.is_empty() {
            cx.report(Report::Copied {
                stream: name.clone(),
                events: copied,
                took,
            });
        }
    }

    fn tell_hole(&mut self, cx: &mut Context, name: &StreamName, entry: &Entry) {
        if let Some(number) = entry
            .claims()
            .find(|claim| claim.is_hole())
            .and_then(Claim::number)
        {
            cx.report(Report::Hole {
                number,
                stream: name.clone(),
                revision: entry.revision(),
            });
        }
    }

    /// Nothing is known of the destination's stream any more, except who else writes there. Placeholders that wait were
    /// made for what was thought to be missing there: they are no events of the source, and nothing is compared with them.
    pub(super) fn forget(&mut self, cx: &mut Context, name: &StreamName) {
        self.end_repair(cx, name);
        let Some(stream) = self.table.get_mut(name) else {
            return;
        };
        stream.state = State::Unknown;
        let guesses = stream.queue.take_placeholders();
        for guess in &guesses {
            self.forget_cost(cx, guess);
        }
    }

    /// Whatever the answer was, it says that the destination is not as it was thought to be.
    pub(super) fn look_up_again(&mut self, cx: &mut Context, flight: &Flight) {
        let Some(stream) = self.table.get_mut(&flight.stream) else {
            return;
        };
        stream.known.shared |= matches!(stream.state, State::Unversioned(_));
        stream.failures += 1;
        let quick = stream.failures <= QUICK_FAILURES;
        self.forget(cx, &flight.stream);
        if !quick {
            self.back_off(cx, &flight.stream);
        } else {
            self.advance(cx, &flight.stream);
        }
    }
}

impl Stream {
    /// Source revisions up to `last` were written.
    pub(super) fn wrote(&mut self, last: u64) {
        self.failures = 0;
        self.known.high = self.known.high.max(Some(last));
        self.single_until.take_if(|until| *until <= last);
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

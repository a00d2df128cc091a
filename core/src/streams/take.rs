//! What the intake hands over: an event goes into its stream's queue, or is known to be at the destination already.
//!
//! Never decides what a stream does next.

use crate::context::Context;
use crate::event::{Event, StreamName};
use crate::port::{DuplicateReason, HeldReason, Report};
use crate::seam::{Claim, Outcome, Refusal};
use crate::streams::Streams;
use crate::streams::queue::{Entry, Origin};
use crate::streams::stream::{Known, State};

impl Streams {
    /// Takes an event that has to be at the destination before its claim is answered.
    pub(crate) fn take(&mut self, cx: &mut Context, event: Event, claim: Claim) {
        let name = event.stream.clone();
        let revision = event.revision;
        let stream = self.table.wake(&name);
        if let Some(waiting) = stream.queue.get_mut(revision) {
            if waiting.event.id == event.id {
                let older = waiting.join(claim.clone());
                self.note_second_delivery(cx, &name, claim, older);
                return;
            }
            // The source was changed under ditto (a stream deleted and written anew): what is in flight is
            // brought to its answer first, this delivery comes again.
            if stream.flight.is_some() {
                self.told.push(Outcome::Dropped(claim));
                return;
            }
            if let Some(outdated) = stream.queue.remove(revision) {
                self.settle_dropped(cx, outdated);
            }
        }
        if self.settle_known(cx, &name, &event, &claim) {
            return;
        }
        let entry = Entry::new(event, Origin::Delivered, Some(claim));
        self.count_cost(cx, &entry);
        let stream = self.table.wake(&name);
        let surely_new = stream.is_surely_new(&entry.event);
        stream.queue.insert(entry);
        if !surely_new {
            self.mode.note_unsearched(stream);
        }
        self.advance(cx, &name);
    }

    /// The quick way for a revision at or below an aligned stream's tail: no queue, no I/O.
    fn settle_known(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        event: &Event,
        claim: &Claim,
    ) -> bool {
        let stream = self.table.wake(name);
        let tail = self.mode.known_to(stream);
        if !stream.knows(event.revision, tail) {
            return false;
        }
        cx.report(Report::Duplicate {
            stream: name.clone(),
            revision: event.revision,
            reason: DuplicateReason::Known,
        });
        self.told.push(Outcome::Done {
            claim: claim.clone(),
            excused: true,
        });
        self.rest(cx, name);
        true
    }

    /// A delivery came again over the same session, while the first copy waits.
    fn note_second_delivery(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        claim: Claim,
        older: Option<Claim>,
    ) {
        let Some(older) = older.filter(|older| claim.is_of_the_session_of(older)) else {
            return;
        };
        let excused = self.excuses(name, older.at()) || !self.resend.is_open();
        self.note_slow(cx, name);
        self.told.push(Outcome::Again {
            claim,
            older,
            excused,
        });
    }

    /// The event of a stream that ditto has to copy next cannot be had: the stream is held for that.
    pub(crate) fn refuse(&mut self, cx: &mut Context, name: &StreamName, text: &str) -> Refusal {
        if !self.mode.sees_destination() {
            return Refusal::NeverHeld;
        }
        let stream = self.table.wake(name);
        let next = match &stream.state {
            State::Held(_) => None,
            State::Aligned(aligned) if stream.flight.is_none() => {
                Some(aligned.tail.map_or(0, |tail| tail + 1))
            }
            State::Unknown | State::Unversioned(_) if stream.flight.is_none() => {
                Some(stream.queue.first().unwrap_or(0))
            }
            _ => return Refusal::Later,
        };
        if let Some(next) = next {
            self.hold(cx, name, next, HeldReason::Refused, text.to_owned());
        }
        self.rest(cx, name);
        Refusal::Held
    }

    /// The source may be another one by now: all that is known of streams was learnt from the one before, and is forgotten.
    /// What is in flight is brought to its answer, and what waits is dropped.
    pub(crate) fn begin_again(&mut self, cx: &mut Context) -> Vec<Claim> {
        let claims = self.drop_waiting(cx);
        self.table.forget_idle();
        for name in self.table.busy_names() {
            let Some(stream) = self.table.get_mut(&name) else {
                continue;
            };
            stream.known = Known::default();
            match (&mut stream.state, stream.flight) {
                (_, Some(append)) => {
                    let flight = self.flights.get_mut(&append);
                    flight
                        .into_iter()
                        .for_each(|flight| flight.is_outdated = true);
                }
                (State::WritingMetadata(before), None) => **before = State::Unknown,
                (State::Held(held), None) => held.tail = None,
                (state, None) => *state = State::Unknown,
            }
            self.rest(cx, &name);
        }
        claims
    }

    /// What was in flight when the source began again is answered: nothing is known of its stream.
    pub(super) fn drop_outdated(&mut self, cx: &mut Context, name: &StreamName) {
        self.end_repair(cx, name);
        let Some(stream) = self.table.get_mut(name) else {
            return;
        };
        stream.state = State::Unknown;
        let outdated: Vec<_> = stream.queue.drain().collect();
        for entry in outdated {
            self.settle_dropped(cx, entry);
        }
        self.rest(cx, name);
    }

    /// Takes out everything that is not in flight: the source delivers it again, to whoever has it then.
    pub(crate) fn drop_waiting(&mut self, cx: &mut Context) -> Vec<Claim> {
        let mut claims = Vec::new();
        for name in self.table.busy_names() {
            let Some(stream) = self.table.get_mut(&name) else {
                continue;
            };
            if stream.flight.is_some() {
                continue;
            }
            let dropped: Vec<_> = stream.queue.drain().collect();
            for entry in dropped {
                self.forget_cost(cx, &entry);
                claims.extend(entry.into_claims());
            }
            self.end_repair(cx, &name);
            self.rest(cx, &name);
        }
        claims
    }
}

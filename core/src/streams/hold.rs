//! Streams that ditto no longer writes to: why, and what becomes of their deliveries.
//!
//! A held stream never holds up another. Never parks an event of a stream that is not held (but for single events that
//! a destination without revisions refuses).

use std::time::Duration;

use crate::context::Context;
use crate::event::StreamName;
use crate::port::log::HeldStream;
use crate::port::{DuplicateReason, HeldReason, OnConflict, Report};
use crate::seam::{Extent, Outcome};
use crate::streams::Streams;
use crate::streams::queue::Entry;
use crate::streams::stream::{Held, LookingUp, LookupStep, State, Stream};

/// A delivery this long after the last lookup makes ditto look again.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(60);

impl Streams {
    pub(super) fn conflict_at(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        first_bad: u64,
        text: String,
    ) {
        if cx.settings.on_conflict == OnConflict::Stop {
            self.told.push(Outcome::Stop(format!(
                "stream {name}: {text} (on_conflict = \"stop\")"
            )));
            return;
        }
        self.hold(cx, name, first_bad, HeldReason::Conflict, text);
    }

    /// Stops writing to a stream. What waits and what comes is set aside.
    pub(super) fn hold(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        first_bad: u64,
        reason: HeldReason,
        text: String,
    ) {
        self.end_repair(cx, name);
        let now = cx.now;
        let Some(stream) = self.table.get_mut(name) else {
            return;
        };
        let (tail, known) = match &stream.state {
            State::Aligned(aligned) => (aligned.tail, false),
            State::LookingUp(looking_up) => {
                looking_up.was_held.as_ref().map_or((None, false), |held| {
                    (
                        held.tail,
                        held.first_bad == first_bad && held.reason == reason,
                    )
                })
            }
            _ => (None, false),
        };
        let tail = tail.filter(|tail| *tail < first_bad);
        stream.failing = None;
        stream.beyond_since = None;
        stream.single_until = None;
        stream.refused = None;
        stream.state = State::Held(Held {
            first_bad,
            tail,
            reason,
            text: text.clone(),
            looked_up: Some(now),
        });
        self.held
            .insert(name.clone(), (first_bad, reason, text.clone()));
        if !known {
            cx.report(Report::Held {
                stream: name.clone(),
                revision: first_bad,
                reason,
                text,
            });
        }
        self.advance(cx, name);
    }

    /// What waits in a held stream is set aside, or the stream is looked at again.
    pub(super) fn advance_held(&mut self, cx: &mut Context, name: &StreamName) {
        let (now, open) = (cx.now, self.resend.is_open() && !cx.ending);
        let Some(stream) = self.table.get_mut(name) else {
            return;
        };
        let State::Held(held) = &stream.state else {
            return;
        };
        if stream.queue.is_empty() {
            self.rest(cx, name);
            return;
        }
        let held = held.clone();
        let looked_up = held.looked_up;
        if open && looked_up.is_none_or(|at| now.saturating_sub(at) > LOOK_AGAIN_AFTER) {
            stream.state = State::LookingUp(Box::new(LookingUp {
                step: LookupStep::Wanted,
                was_held: Some(held),
            }));
            self.lookup_line.push_back(name.clone());
            return;
        }
        let waiting: Vec<Entry> = stream.queue.drain().collect();
        let unverified = stream.known.unverified;
        for entry in waiting {
            if Stream::is_known(entry.revision(), held.tail, unverified) {
                self.settle_duplicate(cx, name, entry, DuplicateReason::Known);
            } else {
                self.set_aside(cx, entry, (held.reason, &held.text), Extent::Stream);
            }
        }
        self.rest(cx, name);
    }

    /// Tells the intake of an entry that is not written, or that a policy passes it.
    pub(super) fn set_aside(
        &mut self,
        cx: &mut Context,
        entry: Entry,
        (reason, text): (HeldReason, &str),
        extent: Extent,
    ) {
        let revision = entry.revision();
        let stream = entry.event.stream.clone();
        self.forget_cost(cx, &entry);
        if reason == HeldReason::Conflict && cx.settings.on_conflict == OnConflict::Skip {
            cx.report(Report::Passed {
                stream,
                revision,
                reason,
            });
            self.told
                .extend(entry.into_claims().map(|claim| Outcome::Done {
                    claim,
                    excused: true,
                }));
            return;
        }
        for claim in entry.into_claims() {
            let held = HeldStream {
                stream: stream.clone(),
                revision,
                kind: reason,
                reason: text.to_owned(),
                first: None,
            };
            self.told.push(Outcome::Held {
                claim,
                held: Box::new(held),
                extent,
            });
        }
    }

    /// The stream is gone for good on both sides: it is not held any more, whatever it was held for.
    pub(crate) fn give_up(&mut self, cx: &mut Context, name: &StreamName) {
        self.release(cx, name);
        if let Some(State::Held(held)) = self.table.state(name) {
            let tail = held.tail;
            self.table.wake(name).state = State::aligned(tail);
            self.rest(cx, name);
        }
    }

    /// A process before this one held the stream: it is held until it is looked at.
    pub(crate) fn hold_as_before(&mut self, cx: &mut Context, held: &HeldStream) {
        let stream = self.table.wake(&held.stream);
        if matches!(stream.state, State::Unknown) && stream.is_idle() {
            stream.state = State::Held(Held {
                first_bad: held.revision,
                tail: None,
                reason: held.kind,
                text: held.reason.clone(),
                looked_up: None,
            });
            let known = (held.revision, held.kind, held.reason.clone());
            self.held.insert(held.stream.clone(), known);
        }
        self.rest(cx, &held.stream);
    }

    /// A placeholder was written before this event was delivered: the stream goes on, the event is for the operator.
    pub(super) fn set_aside_filled(&mut self, cx: &mut Context, entry: Entry) {
        let revision = entry.revision();
        let text =
            format!("revision {revision} was filled with a placeholder before it was delivered");
        self.set_aside(
            cx,
            entry,
            (HeldReason::MissingHistory, &text),
            Extent::Event,
        );
    }

    /// Where order does not hang on revisions, a refused event is parked and its stream goes on.
    pub(super) fn set_aside_refused(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        revision: u64,
        text: &str,
    ) {
        let Some(stream) = self.table.get_mut(name) else {
            return;
        };
        let entry = stream.queue.remove(revision);
        self.mode.pass(stream, revision);
        stream.single_until.take_if(|until| *until <= revision);
        if let Some(entry) = entry {
            let text = format!("revision {revision} was refused: {text}");
            self.set_aside(cx, entry, (HeldReason::Refused, &text), Extent::Event);
        }
        self.repaired(cx, name, 0, revision);
        self.advance(cx, name);
    }
}

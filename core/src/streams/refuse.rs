//! Appends that the destination refuses: find the culprit, then set it aside.
//!
//! Never takes a denial for a refusal of an event: `rights` does that.

use crate::context::Context;
use crate::event::StreamName;
use crate::port::HeldReason;
use crate::streams::Streams;
use crate::streams::append::Flight;
use crate::streams::rights::Denied;

impl Streams {
    pub(super) fn on_refused_append(&mut self, cx: &mut Context, flight: &Flight, text: &str) {
        let last = flight.revisions.last().copied().unwrap_or_default();
        if flight.revisions.len() > 1 {
            // One of them is the culprit: one by one.
            if let Some(stream) = self.table.get_mut(&flight.stream) {
                stream.single_until = Some(last);
            }
            self.look_up_again(cx, flight);
        } else if self.mode.holds_refused() {
            // It may be there: a server judges what it takes before it looks whether it has it.
            if let Some(stream) = self.table.get_mut(&flight.stream) {
                stream.refused = Some((last, text.to_owned()));
            }
            self.look_up_again(cx, flight);
        } else {
            self.set_aside_refused(cx, &flight.stream, last, text);
        }
    }

    /// The stream was looked at, and its next revision is lacking: is that the refused one? True if it is held for that.
    pub(super) fn is_refused(&mut self, cx: &mut Context, name: &StreamName, next: u64) -> bool {
        let refused = self
            .table
            .get_mut(name)
            .and_then(|stream| stream.refused.take());
        let Some((revision, text)) = refused.filter(|(revision, _)| *revision == next) else {
            return false;
        };
        let text = format!("revision {revision} was refused: {text}");
        self.hold(cx, name, revision, HeldReason::Refused, text);
        true
    }

    pub(super) fn on_denied_append(&mut self, cx: &mut Context, flight: &Flight) {
        let name = &flight.stream;
        let first = flight.revisions.first().copied().unwrap_or_default();
        self.end_repair(cx, name);
        if self.is_about_the_stream(cx, name, Denied::Write, flight.last_sent) {
            let text = Denied::Write.here();
            if self.mode.holds_refused() {
                self.hold(cx, name, first, HeldReason::Refused, text.to_owned());
            } else {
                self.set_aside_refused(cx, name, first, text);
            }
        } else {
            self.forget(cx, name);
            self.back_off(cx, name);
        }
    }
}

//! Appends that the destination refuses: find the culprit, then set it aside.
//!
//! Never takes a denial for a refusal of an event: `rights` does that.

use crate::Core;
use crate::port::{HeldReason, Mode};
use crate::streams::append::Flight;
use crate::streams::rights::Denied;

impl Core {
    pub(crate) fn on_refused_append(&mut self, flight: &Flight, text: &str) {
        let last = flight.revisions.last().copied().unwrap_or_default();
        if flight.revisions.len() > 1 {
            // One of them is the culprit: one by one.
            if let Some(stream) = self.streams.get_mut(&flight.stream) {
                stream.single_until = Some(last);
            }
            self.look_up_again(flight);
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

    pub(crate) fn on_denied_append(&mut self, flight: &Flight) {
        let name = &flight.stream;
        let first = flight.revisions.first().copied().unwrap_or_default();
        self.end_repair(name);
        if self.is_about_the_stream(name, Denied::Write, flight.last_sent) {
            let text = Denied::Write.here();
            if self.settings.mode == Mode::Exact {
                self.hold(name, first, HeldReason::Refused, text.to_owned());
            } else {
                self.set_aside_refused(name, first, text);
            }
        } else {
            self.forget(name);
            self.back_off(name);
        }
    }
}

//! Appends that the destination refuses: find the culprit, then set it aside.
//!
//! Never parks anything while it is more likely that the user may write nowhere.

use super::Core;
use super::append::Flight;
use super::port::{HeldReason, Mode};
use crate::event::StreamName;

/// Streams denied before anything was written: that many mean that it is not about streams.
const DENIED_STREAMS: usize = 3;

impl Core {
    pub(super) fn on_refused_append(&mut self, flight: &Flight, text: &str) {
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

    pub(super) fn on_denied_append(&mut self, flight: &Flight) {
        if self.proven {
            self.on_refused_append(flight, "no right to write this stream at the destination");
            return;
        }
        self.end_repair(&flight.stream);
        self.forget(&flight.stream);
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
}

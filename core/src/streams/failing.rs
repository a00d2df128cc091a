//! Reads about one stream that fail: later again, and after a while the stream is held with the server's words.
//!
//! Never lets one stream that cannot be read stand for a server that does not answer.

use std::time::Duration;

use crate::context::Context;
use crate::event::StreamName;
use crate::port::{HeldReason, Moment};
use crate::streams::Streams;
use crate::streams::stream::{Failing, Held, State};

/// So many failures in a row are not the edges of two outages.
const HELD_AFTER: u32 = 5;

/// A stream whose own reads are refused for this long is held.
pub(super) const REFUSED_FOR: Duration = Duration::from_secs(10);

/// A stream whose own reads are not answered for this long, while others are, is held.
const UNANSWERED_FOR: Duration = Duration::from_secs(30);

impl Streams {
    /// A lookup that was sent at `sent` was not answered. Unless the destination answered others meanwhile, it is away.
    pub(super) fn lookup_failed(&mut self, cx: &mut Context, name: &StreamName, sent: Moment) {
        if self.last_verdict <= sent {
            self.resend.lookup_failed(cx.now);
            if let Some(stream) = self.table.get_mut(name) {
                stream.failing = None;
            }
            return self.lookup_later(cx, name);
        }
        // Nobody waits for the destination: this stream waits for itself. A failure proves nothing of later ones, though.
        self.wait_anew(cx);
        let text = "the destination answers reads of other streams, but not of this one";
        if !self.keeps_failing(cx, name, UNANSWERED_FOR, text) {
            self.lookup_later(cx, name);
        }
    }

    /// The destination says for good that this stream cannot be read.
    pub(super) fn lookup_refused(&mut self, cx: &mut Context, name: &StreamName, text: String) {
        self.resend.lookup_answered();
        self.verdict(cx);
        if !self.keeps_failing(
            cx,
            name,
            REFUSED_FOR,
            &format!("the destination does not let this stream be read: {text}"),
        ) {
            self.lookup_later(cx, name);
        }
    }

    /// The source did not answer, or a node did that is behind.
    pub(super) fn source_read_failed(&mut self, cx: &mut Context, name: &StreamName) {
        cx.source_failing = true;
        self.lookup_later(cx, name);
    }

    /// The source says for good that this stream cannot be read.
    pub(super) fn read_refused(&mut self, cx: &mut Context, name: &StreamName, text: String) {
        if !self.keeps_failing(
            cx,
            name,
            REFUSED_FOR,
            &format!("the source does not let this stream be read: {text}"),
        ) {
            self.lookup_later(cx, name);
        }
    }

    /// Holds the stream if its reads have failed for long; true if it did.
    pub(super) fn keeps_failing(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        patience: Duration,
        text: &str,
    ) -> bool {
        if !self.has_failed_for(cx, name, patience) {
            return false;
        }
        let next = match self.table.get(name) {
            Some(stream) => match &stream.state {
                State::Aligned(aligned) => aligned.tail.map_or(0, |tail| tail + 1),
                _ => stream.queue.first().unwrap_or_default(),
            },
            None => return false,
        };
        self.hold(cx, name, next, HeldReason::Refused, text.to_owned());
        true
    }

    /// Counts one more failure of this stream's own reads; true if they have failed for so long, with nothing in flight.
    pub(super) fn has_failed_for(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        patience: Duration,
    ) -> bool {
        let now = cx.now;
        let Some(stream) = self.table.get_mut(name) else {
            return false;
        };
        let failing = stream.failing.get_or_insert(Failing {
            since: now,
            times: 0,
        });
        failing.times += 1;
        let long = now.saturating_sub(failing.since) >= patience;
        long && failing.times >= HELD_AFTER && stream.flight.is_none()
    }

    /// Nothing was learnt: later again. A held stream stays held until then.
    pub(super) fn lookup_later(&mut self, cx: &mut Context, name: &StreamName) {
        let now = cx.now;
        let Some(stream) = self.table.get_mut(name) else {
            return;
        };
        let State::LookingUp(looking_up) = &stream.state else {
            return;
        };
        match looking_up.was_held.clone() {
            Some(held) => {
                stream.state = State::Held(Held {
                    looked_up: Some(now),
                    ..held
                });
                self.advance(cx, name);
            }
            None => {
                self.forget(cx, name);
                self.back_off(cx, name);
            }
        }
    }
}

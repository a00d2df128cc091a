//! Streams in back-off, by the time at which it ends.
//!
//! Never waits by itself.

use std::time::Duration;

use crate::context::Context;
use crate::event::StreamName;
use crate::pause;
use crate::port::Moment;
use crate::streams::Streams;
use crate::streams::failing::REFUSED_FOR;

impl Streams {
    pub(crate) fn fire_timers(&mut self, cx: &mut Context) {
        while self.timers.first().is_some_and(|(at, _)| *at <= cx.now) {
            let Some((_, name)) = self.timers.pop_first() else {
                return;
            };
            if let Some(stream) = self.table.get_mut(&name) {
                stream.retry_at = None;
                self.advance(cx, &name);
            }
        }
    }

    /// Puts a stream into back-off after a failure that says nothing of its events. One whose own reads are refused, while
    /// others are answered, is held soon: pauses that grew while the server was away must not delay that.
    pub(super) fn back_off(&mut self, cx: &mut Context, name: &StreamName) {
        let now = cx.now;
        let Some(stream) = self.table.get_mut(name) else {
            return;
        };
        stream.failures += 1;
        let longest = match stream.failing {
            Some(_) => REFUSED_FOR / 2,
            None => Duration::MAX,
        };
        let at = now + pause::back_off(stream.failures).min(longest);
        if let Some(before) = stream.retry_at.replace(at) {
            self.timers.remove(&(before, name.clone()));
        }
        self.timers.insert((at, name.clone()));
    }

    /// The earliest time at which anything is due.
    pub(crate) fn due(&self, cx: &Context, patience: Duration) -> Option<Moment> {
        let throttled = if self.line.is_empty() {
            None
        } else {
            self.throttled_until(cx)
        };
        [
            self.timers.first().map(|(at, _)| *at),
            self.resend.retry_at(),
            throttled,
            self.denials.due(patience),
        ]
        .into_iter()
        .flatten()
        .filter(|at| *at > cx.now)
        .min()
    }
}

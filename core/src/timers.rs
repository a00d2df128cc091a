//! When the core has to be woken, and streams in back-off.
//!
//! Never waits: it asks for one time, the earliest at which anything is due.

use std::time::Duration;

use crate::Core;
use crate::event::StreamName;
use crate::port::{Command, Moment};
use crate::streams::failing::REFUSED_FOR;
use crate::streams::resend;

impl Core {
    pub(crate) fn fire_timers(&mut self) {
        while self.timers.first().is_some_and(|(at, _)| *at <= self.now) {
            let Some((_, name)) = self.timers.pop_first() else {
                return;
            };
            if let Some(stream) = self.streams.get_mut(&name) {
                stream.retry_at = None;
                self.advance(&name);
            }
        }
    }

    /// Puts a stream into back-off after a failure that says nothing of its events. One whose own reads are refused, while
    /// others are answered, is held soon: pauses that grew while the server was away must not delay that.
    pub(crate) fn back_off(&mut self, name: &StreamName) {
        let now = self.now;
        let Some(stream) = self.streams.get_mut(name) else {
            return;
        };
        stream.failures += 1;
        let longest = match stream.failing {
            Some(_) => REFUSED_FOR / 2,
            None => Duration::MAX,
        };
        let at = now + resend::back_off(stream.failures).min(longest);
        if let Some(before) = stream.retry_at.replace(at) {
            self.timers.remove(&(before, name.clone()));
        }
        self.timers.insert((at, name.clone()));
    }

    /// The earliest time at which anything is due.
    pub(crate) fn due(&self) -> Option<Moment> {
        let throttled = if self.line.is_empty() {
            None
        } else {
            self.throttled_until()
        };
        [
            self.timers.first().map(|(at, _)| *at),
            self.resend.retry_at(),
            throttled,
            self.session.due(),
            self.denials.due(self.message_timeout() / 4),
            self.holes.retry_at(),
            self.parked.retry_at(),
            self.doubt.retry_at(),
            self.unseen.retry_at(),
            self.ending.as_ref().map(|ending| ending.due(self.now)),
        ]
        .into_iter()
        .flatten()
        .filter(|at| *at > self.now)
        .min()
    }

    /// Asks to be woken when anything is due.
    pub(crate) fn set_wake(&mut self) {
        let due = self.due();
        if due.is_some() && due != self.wake {
            self.out.extend(due.map(|at| Command::WakeAt { at }));
        }
        self.wake = due;
    }
}

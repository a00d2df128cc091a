//! Is the destination there though nothing is written to it? Asked at the start, and after each silence.
//!
//! Never asks while something waits for an answer: that call's own end tells.

use std::time::Duration;

use crate::context::Context;
use crate::streams::Streams;

/// After so long without a word from the destination it is asked.
const ASKS_EVERY: Duration = Duration::from_secs(15);

impl Streams {
    /// A subscription that has nothing to copy must not be called running because it never asked.
    pub(super) fn pump_liveness(&mut self, cx: &mut Context) {
        if cx.ending || self.waits_for_destination(cx) {
            return;
        }
        let is_due = self
            .asked_at
            .is_none_or(|asked| cx.now >= asked.max(self.last_verdict) + ASKS_EVERY);
        if is_due {
            self.asked_at = Some(cx.now);
            self.resend.ask();
        }
    }
}

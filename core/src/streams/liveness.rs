//! Is the destination there though nothing is written to it? Asked at the start, and after each silence.
//!
//! Never asks while something waits for an answer: that call's own end tells.

use std::time::Duration;

use crate::Core;

/// After so long without a word from the destination it is asked.
const ASKS_EVERY: Duration = Duration::from_secs(15);

impl Core {
    /// A subscription that has nothing to copy must not be called running because it never asked.
    pub(crate) fn pump_liveness(&mut self) {
        if self.ending.is_some() || self.waits_for_destination() {
            return;
        }
        let is_due = self
            .asked_at
            .is_none_or(|asked| self.now >= asked.max(self.last_verdict) + ASKS_EVERY);
        if is_due {
            self.asked_at = Some(self.now);
            self.resend.ask();
        }
    }
}

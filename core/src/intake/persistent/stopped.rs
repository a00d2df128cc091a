//! When a pipeline that is stopped with a reason looks at the group again.
//!
//! Never decides why it stops.

use std::time::Duration;

use crate::intake::persistent::session::{Session, Trouble};
use crate::port::Moment;

/// A pipeline that is stopped with a reason looks at the group again after this pause, which doubles each time.
const STOPPED_ASKS_FIRST: Duration = Duration::from_secs(2);

/// The longest of these pauses.
const STOPPED_ASKS: Duration = Duration::from_secs(30);

/// The pause before look number `lookups` (from 0) of a pipeline that is stopped: many a cause is removed within seconds,
/// such as a password that is changed at the server before it is in its file.
pub(super) fn stopped_pause(lookups: u32) -> Duration {
    STOPPED_ASKS_FIRST
        .saturating_mul(1 << lookups.min(4))
        .min(STOPPED_ASKS)
}

impl Session {
    /// Stops with this reason, or goes on being stopped with another, and plans the next lookup at the group.
    pub(super) fn stop(&mut self, trouble: Trouble, now: Moment) {
        if !self.is_stopped() {
            self.asked = 0;
        }
        self.trouble = trouble;
        self.ask_later(now);
    }

    /// Plans the next lookup at the group.
    pub(super) fn ask_later(&mut self, now: Moment) {
        self.ask_at = Some(now + stopped_pause(self.asked));
    }
}

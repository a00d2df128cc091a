//! When a pipeline that is stopped with a reason looks at the group again.
//!
//! Never decides why it stops.

use crate::intake::persistent::session::{Session, Trouble};
use crate::pause::stopped_pause;
use crate::port::Moment;

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

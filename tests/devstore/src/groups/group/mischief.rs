//! What only faults ask of a group. Never happens unless one is switched on.

use super::Group;
use crate::groups::position::Position;
use uuid::Uuid;

impl<E: Clone> Group<E> {
    /// Pushes nothing, or goes on; only a fault asks for that.
    pub(crate) fn withhold(&mut self, now_ms: i64, withheld: bool) {
        self.withheld = withheld;
        self.push(now_ms);
    }

    /// Parks an event that was just pushed as if its retries were used up; only a fault asks for that.
    pub(crate) fn park_by_itself(&mut self, now_ms: i64, id: Uuid) {
        if let Some(held) = self.release(now_ms, id) {
            let reason = self.out_of_retries();
            self.park(held.message, reason);
        }
    }

    /// The checkpoint that was written lies elsewhere than asked for; only a fault has that.
    pub(crate) fn checkpoint_written(&mut self, position: Position) {
        self.progress.jumped(position);
    }
}

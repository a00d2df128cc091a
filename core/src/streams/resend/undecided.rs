//! Appends that the server itself answers with "not known".
//!
//! Never takes the first such answer to an append for silence.

use super::Resend;
use crate::port::{AppendId, Moment};

impl Resend {
    /// The server says that it does not know what became of this append. Once that says nothing of the server: another
    /// writer may just have written its events, and then its next try succeeds at once. One that stays undecided is a
    /// silence: no leader, or no majority.
    pub(in crate::streams) fn undecided(&mut self, now: Moment, append: AppendId) {
        if self.undecided.insert(append) {
            self.not_on_its_way(&[append]);
            self.freeze(&[append]);
        } else {
            self.silences += 1;
            self.no_answer(now, &[append]);
        }
    }
}

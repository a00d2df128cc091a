//! Deliveries that the server took back, or was about to: signs that the buffer size is too large.
//!
//! The server's clock starts when it pushes (protocol §8.6), so a delivery can be late by what it waits for here, and
//! by its way in. Never blames the buffer size for a stream that has a reason of its own, or for a frozen process.

use std::time::Duration;

use crate::context::Context;
use crate::intake::persistent::Persistent;
use crate::port::Report;
use crate::seam::Claim;

/// A connection that is read for so long without a pause has handed over what waited in it.
const DRAINED_AFTER: Duration = Duration::from_secs(1);

impl Persistent {
    /// The group's message timeout; before the group is known, its default.
    pub(super) fn message_timeout(&self) -> Duration {
        self.group
            .as_ref()
            .map_or(Duration::from_secs(60), |group| group.message_timeout)
    }

    /// An answer to the source that comes after its message timeout comes too late: the server has taken the event back.
    pub(super) fn note_age(&mut self, cx: &mut Context, claim: &Claim, excused: bool) {
        let here =
            claim.ack().map(|(session, _)| session) == self.session.id() && claim.ack().is_some();
        if !here || excused {
            return;
        }
        let age = cx.now.saturating_sub(claim.at());
        self.buffer_size.waited(cx.now, age);
        if age > self.message_timeout() {
            self.blame_buffer_size(cx);
        }
    }

    /// A number that is delivered again over the same stay, while the first copy waits, has timed out at the server.
    pub(super) fn note_second_delivery(
        &mut self,
        cx: &mut Context,
        claim: &Claim,
        older: &Claim,
        excused: bool,
    ) {
        let same_session =
            older.ack().map(|(session, _)| session) == claim.ack().map(|(session, _)| session);
        if !same_session || claim.ack().is_none() {
            return;
        }
        self.unacknowledged = self.unacknowledged.saturating_sub(1);
        if let Some(number) = claim.number() {
            cx.report(Report::TimedOut { number });
        }
        if !excused {
            self.blame_buffer_size(cx);
        }
    }

    /// Answered, and soon: if the server pushes it again over this session, it waited too long before it came here.
    pub(super) fn note_answered(&mut self, cx: &mut Context, claim: &Claim) {
        if let Some(number) = claim.number()
            && cx.now.saturating_sub(claim.at()) < self.message_timeout() / 2
        {
            self.answered.insert(number);
        }
    }

    /// A number comes again although it was answered: its first copy was late on its way in.
    pub(super) fn note_answered_before(&mut self, cx: &mut Context, number: u64) {
        if self.answered.has(number) {
            self.answered.remove(number);
            cx.report(Report::TimedOut { number });
            self.blame_buffer_size(cx);
        }
    }

    /// Deliveries time out because too many are asked for, unless the process could not take any.
    fn blame_buffer_size(&mut self, cx: &mut Context) {
        let thawing = cx
            .thawed
            .is_some_and(|at| cx.now.saturating_sub(at) < self.message_timeout());
        self.timed_out |= !thawing;
    }

    /// The budget holds deliveries up, or does not: those that wait in the connection age unseen. True if that lasts so
    /// long, if with short breaks, that the server might take them back.
    pub(super) fn is_narrow(&mut self, cx: &mut Context, paused: bool) -> bool {
        let now = cx.now;
        match (paused, &mut self.narrow) {
            (true, Some((_, last))) => *last = now,
            (true, none) => *none = Some((now, now)),
            // What had to wait has come meanwhile.
            (false, Some((_, last))) if now.saturating_sub(*last) >= DRAINED_AFTER => {
                self.narrow = None;
            }
            (false, _) => {}
        }
        let since = self.narrow.map(|(since, _)| since);
        since.is_some_and(|since| now.saturating_sub(since) >= self.message_timeout() / 4)
    }
}

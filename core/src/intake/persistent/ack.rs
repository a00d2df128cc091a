//! What becomes of an entry's claims: acknowledged, or dropped to be delivered again; parking is in `parks`.
//!
//! The only place that acknowledges. Never does so for an event that is not at the destination, parked or skipped by rule.

use crate::context::Context;
use crate::intake::persistent::Persistent;
use crate::port::Command;
use crate::seam::Claim;

impl Persistent {
    /// Acknowledges a claim (if its session still lasts) and counts its number as done.
    pub(super) fn acknowledge(&mut self, cx: &mut Context, claim: &Claim) {
        if let Some((session, id)) = claim.ack()
            && self.session.id() == Some(session)
        {
            self.unacknowledged = self.unacknowledged.saturating_sub(1);
            self.parked.withdraw(id, claim.number());
            self.acks.push(id);
            if self.answers_wait() {
                self.doubt.keep_back(id, claim.number());
            } else {
                self.note_answered(cx, claim);
            }
        }
        if let Some(number) = claim.number() {
            self.numbers.done(number);
        }
        self.buffer_size.outcome(cx.now);
        cx.progress += 1;
    }

    /// Gives a claim up without an answer to the source: its number counts as never delivered.
    pub(super) fn drop_claim(&mut self, cx: &mut Context, claim: &Claim) {
        if claim
            .ack()
            .is_some_and(|(session, _)| self.session.id() == Some(session))
        {
            self.unacknowledged = self.unacknowledged.saturating_sub(1);
        }
        if let Some(number) = claim.number() {
            let joined = self.session.joined_time(cx.now);
            self.numbers.forget(number, joined);
        }
    }

    /// Sends what was decided, unless that could move the checkpoint past numbers that may be lost.
    pub(super) fn flush_acks(&mut self, cx: &mut Context) {
        if self.answers_wait() {
            return;
        }
        let Some(session) = self.session.id() else {
            return;
        };
        self.doubt.sends_kept_back();
        let ids = std::mem::take(&mut self.acks);
        if !ids.is_empty() {
            cx.out.push(Command::Ack { session, ids });
        }
    }
}

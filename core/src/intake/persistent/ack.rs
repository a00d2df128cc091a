//! What becomes of an entry's claims: acknowledged, or dropped to be delivered again; parking is in `parks`.
//!
//! The only place that acknowledges. Never does so for an event that is not at the destination, parked or skipped by rule.

use crate::Core;
use crate::event::StreamName;
use crate::port::{Command, DuplicateReason, Report};
use crate::streams::queue::{Claim, Entry, Origin};

impl Core {
    /// Acknowledges a claim (if its session still lasts) and counts its number as done.
    pub(crate) fn acknowledge(&mut self, claim: &Claim) {
        if let Some((session, id)) = claim.ack
            && self.session.id() == Some(session)
        {
            self.unacknowledged = self.unacknowledged.saturating_sub(1);
            self.parked.withdraw(id, claim.number);
            self.acks.push(id);
            if self.answers_wait() {
                self.doubt.keep_back(id, claim.number);
            } else {
                self.note_answered(claim);
            }
        }
        if let Some(number) = claim.number {
            self.numbers.done(number);
        }
        self.buffer_size.outcome(self.now);
        self.progress += 1;
    }

    /// Gives a claim up without an answer to the source: its number counts as never delivered.
    pub(crate) fn drop_claim(&mut self, claim: &Claim) {
        if claim
            .ack
            .is_some_and(|(session, _)| self.session.id() == Some(session))
        {
            self.unacknowledged = self.unacknowledged.saturating_sub(1);
        }
        if let Some(number) = claim.number {
            let joined = self.session.joined_time(self.now);
            self.numbers.forget(number, joined);
        }
    }

    /// The entry's event was at the destination before.
    pub(crate) fn settle_duplicate(
        &mut self,
        name: &StreamName,
        entry: Entry,
        reason: DuplicateReason,
    ) {
        let revision = entry.revision();
        if entry.origin == Origin::Delivered {
            self.report(Report::Duplicate {
                stream: name.clone(),
                revision,
                reason,
            });
        }
        self.settle_done(entry);
    }

    /// Acknowledges all claims of an entry that has left its queue.
    pub(crate) fn settle_done(&mut self, entry: Entry) {
        self.forget_cost(&entry);
        let name = entry.event.stream.clone();
        for claim in entry.into_claims() {
            self.note_age(&name, &claim);
            self.acknowledge(&claim);
        }
    }

    /// Drops an entry that has left its queue; its claims are delivered again.
    pub(crate) fn settle_dropped(&mut self, entry: Entry) {
        self.forget_cost(&entry);
        for claim in entry.into_claims() {
            self.drop_claim(&claim);
        }
    }

    pub(crate) fn count_cost(&mut self, entry: &Entry) {
        self.entries += 1;
        self.bytes += entry.cost();
        if entry.is_from_reserve() {
            self.reserve += entry.cost();
        }
    }

    /// Half of the reserve is for repairs alone, so that holes and searches cannot keep them from it. One event always fits.
    pub(crate) fn has_reserve(&self) -> bool {
        self.reserve == 0 || self.reserve < self.budget.reserve / 2
    }

    pub(crate) fn forget_cost(&mut self, entry: &Entry) {
        self.entries = self.entries.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(entry.cost());
        if entry.is_from_reserve() {
            self.reserve = self.reserve.saturating_sub(entry.cost());
        }
    }

    /// Sends what was decided, unless that could move the checkpoint past numbers that may be lost.
    pub(crate) fn flush_acks(&mut self) {
        if self.answers_wait() {
            return;
        }
        let Some(session) = self.session.id() else {
            return;
        };
        self.doubt.sends_kept_back();
        let ids = std::mem::take(&mut self.acks);
        if !ids.is_empty() {
            self.out.push(Command::Ack { session, ids });
        }
    }
}

//! What becomes of an entry's claims: acknowledged, parked, or dropped to be delivered again.
//!
//! The only place that acknowledges. Never does so for an event that is not at the destination, parked or skipped by rule.

use super::Core;
use super::port::{Command, DuplicateReason, Tell};
use super::queue::{Claim, Entry, Origin};
use crate::event::StreamName;

impl Core {
    /// Acknowledges a claim (if its stay still lasts) and counts its number as done.
    pub(super) fn acknowledge(&mut self, claim: &Claim) {
        if let Some((conn, id)) = claim.ack
            && self.member.conn() == Some(conn)
        {
            self.acks.push(id);
            self.unacknowledged = self.unacknowledged.saturating_sub(1);
            self.note_age(claim);
        }
        if let Some(number) = claim.number {
            self.numbers.done(number);
        }
        self.credit.outcome(self.now);
        self.progress += 1;
    }

    /// Parks a claim with its reason. A claim that cannot be parked any more is delivered again, or was none.
    pub(super) fn park(&mut self, claim: &Claim, reason: &str) -> bool {
        let parked = match claim.ack {
            Some((conn, _)) if self.member.conn() == Some(conn) => {
                self.unacknowledged = self.unacknowledged.saturating_sub(1);
                if self.unseen.is_in_doubt() {
                    self.parks.push((claim.clone(), reason.to_owned()));
                    return true;
                }
                self.send_park(claim, reason.to_owned());
                true
            }
            Some(_) => {
                self.drop_claim(claim);
                return false;
            }
            None => false,
        };
        if let Some(number) = claim.number {
            self.numbers.done(number);
        }
        self.credit.outcome(self.now);
        self.progress += 1;
        parked
    }

    /// Gives a claim up without an answer to the source: its number counts as never delivered.
    pub(super) fn drop_claim(&mut self, claim: &Claim) {
        if claim
            .ack
            .is_some_and(|(conn, _)| self.member.conn() == Some(conn))
        {
            self.unacknowledged = self.unacknowledged.saturating_sub(1);
        }
        if let Some(number) = claim.number {
            let joined = self.member.joined_time(self.now);
            self.numbers.forget(number, joined);
        }
    }

    /// The entry's event was at the destination before.
    pub(super) fn settle_duplicate(
        &mut self,
        name: &StreamName,
        entry: Entry,
        reason: DuplicateReason,
    ) {
        let revision = entry.revision();
        if entry.origin == Origin::Delivered {
            self.tell(Tell::Duplicate {
                stream: name.clone(),
                revision,
                reason,
            });
        }
        self.settle_done(entry);
    }

    /// Acknowledges all claims of an entry that has left its queue.
    pub(super) fn settle_done(&mut self, entry: Entry) {
        self.forget_cost(&entry);
        for claim in entry.into_claims() {
            self.acknowledge(&claim);
        }
    }

    /// Drops an entry that has left its queue; its claims are delivered again.
    pub(super) fn settle_dropped(&mut self, entry: Entry) {
        self.forget_cost(&entry);
        for claim in entry.into_claims() {
            self.drop_claim(&claim);
        }
    }

    pub(super) fn count_cost(&mut self, entry: &Entry) {
        self.entries += 1;
        self.bytes += entry.cost();
        if entry.is_from_reserve() {
            self.reserve += entry.cost();
        }
    }

    pub(super) fn forget_cost(&mut self, entry: &Entry) {
        self.entries = self.entries.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(entry.cost());
        if entry.is_from_reserve() {
            self.reserve = self.reserve.saturating_sub(entry.cost());
        }
    }

    /// Sends what was decided, unless that could move the checkpoint past numbers that may be lost.
    pub(super) fn flush_acks(&mut self) {
        if self.unseen.is_in_doubt() {
            return;
        }
        let Some(conn) = self.member.conn() else {
            return;
        };
        let ids = std::mem::take(&mut self.acks);
        for (claim, reason) in std::mem::take(&mut self.parks) {
            self.send_park(&claim, reason);
            if let Some(number) = claim.number {
                self.numbers.done(number);
            }
        }
        if !ids.is_empty() {
            self.out.push(Command::Ack { conn, ids });
        }
    }

    fn send_park(&mut self, claim: &Claim, reason: String) {
        if let Some((conn, id)) = claim.ack {
            let ids = vec![id];
            self.out.push(Command::Park { conn, ids, reason });
        }
    }

    /// The stay is over: what was not sent is delivered again.
    pub(super) fn forget_answers(&mut self) {
        self.acks.clear();
        for (claim, _) in std::mem::take(&mut self.parks) {
            self.drop_claim(&claim);
        }
    }

    /// An answer to the source that comes after its message timeout comes too late: the server has taken the event back.
    fn note_age(&mut self, claim: &Claim) {
        if self.now.saturating_sub(claim.at) > self.message_timeout() {
            self.timed_out = true;
        }
    }
}

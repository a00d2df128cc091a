//! Parking: wishes wait until a read of the parked queue says that it still takes entries, and it is read again after.
//!
//! A server goes on without a word when the queue was tombstoned: what is parked is lost, and counts as done
//! (protocol §8.8). Never parks there, and never acknowledges in its place: the subscription stops.

use std::collections::{HashSet, VecDeque};

use uuid::Uuid;

use super::member::{Phase, Trouble};
use super::port::{Command, Moment, ParkedPage, ReadId, Report};
use super::queue::{Claim, ENTRY_OVERHEAD};
use super::trial::back_off;
use super::{Core, Purpose};

/// Why a subscription that would have to park stops.
const TOMBSTONED: &str = "the group's parked queue was deleted for good, so that what is parked is lost: take a group of another name, or on_conflict = \"skip\"";

/// One delivery to be parked.
#[derive(Clone, Debug)]
struct Wish {
    claim: Claim,
    reason: String,
    /// What is told when it is parked.
    report: Option<Report>,
}

impl Wish {
    /// Bytes that it counts for against the budget; its event is no longer held.
    fn cost(&self) -> usize {
        ENTRY_OVERHEAD + self.reason.len()
    }
}

/// What waits to be parked, and what is known of the queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Parks {
    wishes: VecDeque<Wish>,
    /// Ids and numbers of the wishes: a source may use an id twice. A wish that is not in it any more was answered otherwise.
    ids: HashSet<(Uuid, Option<u64>)>,
    /// A read under way, and how many wishes were there when it began.
    read: Option<(ReadId, usize)>,
    /// Something was parked since the queue was last read.
    parked: bool,
    tombstoned: bool,
    failures: u32,
    retry_at: Option<Moment>,
}

impl Parks {
    /// When it goes on by itself.
    pub(super) fn retry_at(&self) -> Option<Moment> {
        self.retry_at
    }

    /// It was delivered again, and is acknowledged: nothing is to be parked.
    pub(super) fn withdraw(&mut self, id: Uuid, number: Option<u64>) {
        self.ids.remove(&(id, number));
    }

    /// The subscription is stopped because its queue is gone.
    pub(super) fn is_tombstoned(&self) -> bool {
        self.tombstoned
    }
}

impl Core {
    /// Parks a claim with its reason, and tells so then. A claim that cannot be parked any more is delivered again, or was
    /// none.
    pub(super) fn park(&mut self, claim: &Claim, reason: &str, report: Option<Report>) {
        match claim.ack {
            Some((session, id)) if self.member.session() == Some(session) => {
                if !self.parks.ids.insert((id, claim.number)) {
                    // The server took it back meanwhile.
                    self.unacknowledged = self.unacknowledged.saturating_sub(1);
                    return;
                }
                let wish = Wish {
                    claim: claim.clone(),
                    reason: reason.to_owned(),
                    report,
                };
                self.entries += 1;
                self.bytes += wish.cost();
                self.parks.wishes.push_back(wish);
            }
            Some(_) => self.drop_claim(claim),
            None => self.set_aside_number(claim),
        }
    }

    /// It is out of the way: parked, or nobody waits for it.
    fn set_aside_number(&mut self, claim: &Claim) {
        if let Some(number) = claim.number {
            self.numbers.done(number);
        }
        self.buffer_size.outcome(self.now);
        self.progress += 1;
    }

    /// Wishes are kept back while numbers are in doubt: what is parked counts as done, and the checkpoint would pass what
    /// may be lost.
    pub(super) fn pump_parks(&mut self) {
        if self.answers_wait() {
            return;
        }
        if self.sweep.may_not_read_parked() {
            self.park_first(self.parks.wishes.len());
        }
        let wanted = !self.parks.wishes.is_empty() || self.parks.parked;
        if !wanted || self.parks.read.is_some() || self.member.session().is_none() {
            return;
        }
        if self.parks.retry_at.is_none_or(|at| at <= self.now) {
            self.read_queue();
        }
    }

    /// Is the queue there?
    pub(super) fn read_queue(&mut self) {
        let read = ReadId(self.next_id());
        self.parks.retry_at = None;
        self.parks.parked = false;
        self.parks.read = Some((read, self.parks.wishes.len()));
        self.reads.insert(read, Purpose::Queue);
        self.out.push(Command::ReadParked {
            read,
            from: self.sweep.parked_next(),
            count: 1,
        });
    }

    pub(super) fn on_queue_read(&mut self, page: &ParkedPage) {
        let Some((_, wishes)) = self.parks.read.take() else {
            return;
        };
        match page {
            ParkedPage::Entries(_) => {
                self.parks.failures = 0;
                if std::mem::take(&mut self.parks.tombstoned) {
                    self.out.push(Command::AskGroup);
                }
                self.park_first(wishes);
            }
            // Nothing can be known, as with any other program that parks.
            ParkedPage::Denied => {
                self.parks.tombstoned = false;
                self.park_first(wishes);
            }
            ParkedPage::Tombstoned if self.member.is_stopped() => {
                // When to read it again is planned already.
            }
            // Another consumer has the group: it is no matter of this one now.
            ParkedPage::Tombstoned if *self.member.trouble() == Trouble::Standby => {}
            ParkedPage::Tombstoned => {
                self.parks.tombstoned = true;
                self.stop_for_now(TOMBSTONED.to_owned());
                if let Phase::Out { join_at } = &mut self.member.phase {
                    *join_at = None;
                }
            }
            ParkedPage::Failed => {
                self.source_failing = true;
                self.parks.parked = true;
                self.parks.failures += 1;
                self.parks.retry_at = Some(self.now + back_off(self.parks.failures));
            }
        }
    }

    /// Parks what was wished for before the queue was read.
    fn park_first(&mut self, count: usize) {
        if self.answers_wait() {
            return;
        }
        for _ in 0..count {
            let Some(wish) = self.take_wish() else {
                continue;
            };
            match wish.claim.ack {
                Some((session, id)) if self.member.session() == Some(session) => {
                    self.out.push(Command::Park {
                        session,
                        ids: vec![id],
                        reason: wish.reason,
                    });
                    self.unacknowledged = self.unacknowledged.saturating_sub(1);
                    self.note_answered(&wish.claim);
                    self.set_aside_number(&wish.claim);
                    self.parks.parked = !self.sweep.may_not_read_parked();
                    self.out.extend(wish.report.map(Command::Report));
                }
                _ => self.drop_claim(&wish.claim),
            }
        }
    }

    /// The session is over, or about to be: what was not parked is delivered again.
    pub(super) fn drop_wishes(&mut self) {
        for _ in 0..self.parks.wishes.len() {
            if let Some(wish) = self.take_wish() {
                self.drop_claim(&wish.claim);
            }
        }
        if let Some((_, wishes)) = &mut self.parks.read {
            *wishes = 0;
        }
    }

    /// The next wish, unless it was withdrawn.
    fn take_wish(&mut self) -> Option<Wish> {
        let wish = self.parks.wishes.pop_front()?;
        self.entries = self.entries.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(wish.cost());
        let number = wish.claim.number;
        let ack = wish.claim.ack;
        let withdrawn = ack.is_none_or(|(_, id)| !self.parks.ids.remove(&(id, number)));
        if withdrawn {
            self.unacknowledged = self.unacknowledged.saturating_sub(1);
        }
        Some(wish).filter(|_| !withdrawn)
    }
}

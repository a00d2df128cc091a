//! Parking: wishes wait until a read of the parked queue says that it still takes entries, and it is read again after.
//!
//! A server goes on without a word when the queue was tombstoned: what is parked is lost, and counts as done
//! (protocol §8.8). Never parks there, and never acknowledges in its place: the subscription stops.

use std::collections::{HashSet, VecDeque};

use uuid::Uuid;

use crate::intake::persistent::session::{Phase, Trouble};
use crate::port::{Command, Moment, ParkedPage, ReadId, Report};
use crate::streams::queue::{Claim, ENTRY_OVERHEAD};
use crate::streams::resend::back_off;
use crate::{Core, Purpose};

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
pub(crate) struct ParkedQueue {
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

impl ParkedQueue {
    /// When it goes on by itself.
    pub(crate) fn retry_at(&self) -> Option<Moment> {
        self.retry_at
    }

    /// It was delivered again, and is acknowledged: nothing is to be parked.
    pub(crate) fn withdraw(&mut self, id: Uuid, number: Option<u64>) {
        self.ids.remove(&(id, number));
    }

    /// The subscription is stopped because its queue is gone.
    pub(crate) fn is_tombstoned(&self) -> bool {
        self.tombstoned
    }
}

impl Core {
    /// ParkedQueue a claim with its reason, and tells so then. A claim that cannot be parked any more is delivered again, or was
    /// none.
    pub(crate) fn park(&mut self, claim: &Claim, reason: &str, report: Option<Report>) {
        match claim.ack {
            Some((session, id)) if self.session.id() == Some(session) => {
                if !self.parked.ids.insert((id, claim.number)) {
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
                self.parked.wishes.push_back(wish);
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
    pub(crate) fn pump_parks(&mut self) {
        if self.answers_wait() {
            return;
        }
        if self.holes.may_not_read_parked() {
            self.park_first(self.parked.wishes.len());
        }
        let wanted = !self.parked.wishes.is_empty() || self.parked.parked;
        if !wanted || self.parked.read.is_some() || self.session.id().is_none() {
            return;
        }
        if self.parked.retry_at.is_none_or(|at| at <= self.now) {
            self.read_queue();
        }
    }

    /// Is the queue there?
    pub(crate) fn read_queue(&mut self) {
        let read = ReadId(self.next_id());
        self.parked.retry_at = None;
        self.parked.parked = false;
        self.parked.read = Some((read, self.parked.wishes.len()));
        self.reads.insert(read, Purpose::Queue);
        self.out.push(Command::ReadParked {
            read,
            from: self.holes.parked_next(),
            count: 1,
        });
    }

    pub(crate) fn on_queue_read(&mut self, page: &ParkedPage) {
        let Some((_, wishes)) = self.parked.read.take() else {
            return;
        };
        match page {
            ParkedPage::Entries(_) => {
                self.parked.failures = 0;
                if std::mem::take(&mut self.parked.tombstoned) {
                    self.out.push(Command::AskGroup);
                }
                self.park_first(wishes);
            }
            // Nothing can be known, as with any other program that parks.
            ParkedPage::Denied => {
                self.parked.tombstoned = false;
                self.park_first(wishes);
            }
            ParkedPage::Tombstoned if self.session.is_stopped() => {
                // When to read it again is planned already.
            }
            // Another consumer has the group: it is no matter of this one now.
            ParkedPage::Tombstoned if *self.session.trouble() == Trouble::Standby => {}
            ParkedPage::Tombstoned => {
                self.parked.tombstoned = true;
                self.stop_for_now(TOMBSTONED.to_owned());
                if let Phase::Out { join_at } = &mut self.session.phase {
                    *join_at = None;
                }
            }
            ParkedPage::Failed => {
                self.source_failing = true;
                self.parked.parked = true;
                self.parked.failures += 1;
                self.parked.retry_at = Some(self.now + back_off(self.parked.failures));
            }
        }
    }

    /// ParkedQueue what was wished for before the queue was read.
    fn park_first(&mut self, count: usize) {
        if self.answers_wait() {
            return;
        }
        for _ in 0..count {
            let Some(wish) = self.take_wish() else {
                continue;
            };
            match wish.claim.ack {
                Some((session, id)) if self.session.id() == Some(session) => {
                    self.out.push(Command::Park {
                        session,
                        ids: vec![id],
                        reason: wish.reason,
                    });
                    self.unacknowledged = self.unacknowledged.saturating_sub(1);
                    self.note_answered(&wish.claim);
                    self.set_aside_number(&wish.claim);
                    self.parked.parked = !self.holes.may_not_read_parked();
                    self.out.extend(wish.report.map(Command::Report));
                }
                _ => self.drop_claim(&wish.claim),
            }
        }
    }

    /// The session is over, or about to be: what was not parked is delivered again.
    pub(crate) fn drop_wishes(&mut self) {
        for _ in 0..self.parked.wishes.len() {
            if let Some(wish) = self.take_wish() {
                self.drop_claim(&wish.claim);
            }
        }
        if let Some((_, wishes)) = &mut self.parked.read {
            *wishes = 0;
        }
    }

    /// The next wish, unless it was withdrawn.
    fn take_wish(&mut self) -> Option<Wish> {
        let wish = self.parked.wishes.pop_front()?;
        self.entries = self.entries.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(wish.cost());
        let number = wish.claim.number;
        let ack = wish.claim.ack;
        let withdrawn = ack.is_none_or(|(_, id)| !self.parked.ids.remove(&(id, number)));
        if withdrawn {
            self.unacknowledged = self.unacknowledged.saturating_sub(1);
        }
        Some(wish).filter(|_| !withdrawn)
    }
}

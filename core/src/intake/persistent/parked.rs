//! Parking: wishes wait until a read of the parked queue says that it still takes entries, and it is read again after.
//!
//! A server goes on without a word when the queue was tombstoned: what is parked is lost, and counts as done
//! (protocol §8.8). Never parks there, and never acknowledges in its place: the subscription stops.

use std::collections::{HashSet, VecDeque};

use uuid::Uuid;

use crate::context::Context;
use crate::intake::persistent::Persistent;
use crate::intake::persistent::Purpose;
use crate::intake::persistent::session::{Phase, Trouble};
use crate::pause::back_off;
use crate::port::{Command, Moment, ParkedPage, ReadId, Report};
use crate::seam::Claim;
use crate::streams::ENTRY_OVERHEAD;
use crate::streams::Streams;

/// Why a subscription that would have to park stops.
const TOMBSTONED: &str = "the group's parked queue was deleted for good, and parked events are lost (use a group of another name, or set on_conflict = \"skip\")";

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
pub(super) struct ParkedQueue {
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

impl Persistent {
    /// ParkedQueue a claim with its reason, and tells so then. A claim that cannot be parked any more is delivered again, or was
    /// none.
    pub(super) fn park(
        &mut self,
        cx: &mut Context,
        claim: &Claim,
        reason: &str,
        report: Option<Report>,
    ) {
        match claim.ack() {
            Some((session, id)) if self.session.id() == Some(session) => {
                if !self.parked.ids.insert((id, claim.number())) {
                    // The server took it back meanwhile.
                    self.unacknowledged = self.unacknowledged.saturating_sub(1);
                    return;
                }
                let wish = Wish {
                    claim: claim.clone(),
                    reason: reason.to_owned(),
                    report,
                };
                cx.memory.add(wish.cost(), false);
                self.parked.wishes.push_back(wish);
            }
            Some(_) => self.drop_claim(cx, claim),
            None => self.set_aside_number(cx, claim),
        }
    }

    /// It is out of the way: parked, or nobody waits for it.
    fn set_aside_number(&mut self, cx: &mut Context, claim: &Claim) {
        if let Some(number) = claim.number() {
            self.numbers.done(number);
        }
        self.buffer_size.outcome(cx.now);
        cx.progress += 1;
    }

    /// Wishes are kept back while numbers are in doubt: what is parked counts as done, and the checkpoint would pass what
    /// may be lost.
    pub(super) fn pump_parked(&mut self, cx: &mut Context) {
        if self.answers_wait() {
            return;
        }
        if self.holes.may_not_read_parked() {
            self.park_first(cx, self.parked.wishes.len());
        }
        let wanted = !self.parked.wishes.is_empty() || self.parked.parked;
        if !wanted || self.parked.read.is_some() || self.session.id().is_none() {
            return;
        }
        if self.parked.retry_at.is_none_or(|at| at <= cx.now) {
            self.read_queue(cx);
        }
    }

    /// Is the queue there?
    pub(super) fn read_queue(&mut self, cx: &mut Context) {
        let read = ReadId(cx.next_id());
        self.parked.retry_at = None;
        self.parked.parked = false;
        self.parked.read = Some((read, self.parked.wishes.len()));
        self.reads.insert(read, Purpose::Queue);
        cx.out.push(Command::ReadParked {
            read,
            from: self.holes.parked_next(),
            count: 1,
        });
    }

    pub(super) fn on_queue_read(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        page: &ParkedPage,
    ) {
        let Some((_, wishes)) = self.parked.read.take() else {
            return;
        };
        match page {
            ParkedPage::Entries(_) => {
                self.parked.failures = 0;
                if std::mem::take(&mut self.parked.tombstoned) {
                    cx.out.push(Command::AskGroup);
                }
                self.park_first(cx, wishes);
            }
            // Nothing can be known, as with any other program that parks.
            ParkedPage::Denied => {
                self.parked.tombstoned = false;
                self.park_first(cx, wishes);
            }
            ParkedPage::Tombstoned if self.session.is_stopped() => {
                // When to read it again is planned already.
            }
            // Another consumer has the group: it is no matter of this one now.
            ParkedPage::Tombstoned if *self.session.trouble() == Trouble::Standby => {}
            ParkedPage::Tombstoned => {
                self.parked.tombstoned = true;
                self.stop_with(cx, streams, TOMBSTONED.to_owned());
                if let Phase::Out { join_at } = &mut self.session.phase {
                    *join_at = None;
                }
            }
            ParkedPage::Failed => {
                cx.source_failing = true;
                self.parked.parked = true;
                self.parked.failures += 1;
                self.parked.retry_at = Some(cx.now + back_off(self.parked.failures));
            }
        }
    }

    /// ParkedQueue what was wished for before the queue was read.
    fn park_first(&mut self, cx: &mut Context, count: usize) {
        if self.answers_wait() {
            return;
        }
        for _ in 0..count {
            let Some(wish) = self.take_wish(cx) else {
                continue;
            };
            match wish.claim.ack() {
                Some((session, id)) if self.session.id() == Some(session) => {
                    cx.out.push(Command::Park {
                        session,
                        ids: vec![id],
                        reason: wish.reason,
                    });
                    self.unacknowledged = self.unacknowledged.saturating_sub(1);
                    self.note_answered(cx, &wish.claim);
                    self.set_aside_number(cx, &wish.claim);
                    self.parked.parked = !self.holes.may_not_read_parked();
                    cx.out.extend(wish.report.map(Command::Report));
                }
                _ => self.drop_claim(cx, &wish.claim),
            }
        }
    }

    /// The session is over, or about to be: what was not parked is delivered again.
    pub(super) fn drop_wishes(&mut self, cx: &mut Context) {
        for _ in 0..self.parked.wishes.len() {
            if let Some(wish) = self.take_wish(cx) {
                self.drop_claim(cx, &wish.claim);
            }
        }
        if let Some((_, wishes)) = &mut self.parked.read {
            *wishes = 0;
        }
    }

    /// The next wish, unless it was withdrawn.
    fn take_wish(&mut self, cx: &mut Context) -> Option<Wish> {
        let wish = self.parked.wishes.pop_front()?;
        cx.memory.remove(wish.cost(), false);
        let number = wish.claim.number();
        let ack = wish.claim.ack();
        let withdrawn = ack.is_none_or(|(_, id)| !self.parked.ids.remove(&(id, number)));
        if withdrawn {
            self.unacknowledged = self.unacknowledged.saturating_sub(1);
        }
        Some(wish).filter(|_| !withdrawn)
    }
}

//! Is everything below what is delivered copied, or can it still be? Asked at each join and at each delivery that skips
//! numbers; until it is known nothing is acknowledged or parked, so that the group's checkpoint stays below what may be
//! lost, also if ditto is killed.
//!
//! Only asks for the first readable number; what is lost is looked for in `unseen`. Never lets a session last while answers are
//! kept back for long: the server would take back what waits for them.

use std::collections::HashSet;

use uuid::Uuid;

use crate::context::Context;
use crate::intake::persistent::Persistent;
use crate::intake::persistent::Purpose;
use crate::pause::back_off;
use crate::port::{Command, Feed, LeaveReason, LinkPage, Moment, ReadId};

/// What is not known of the numbers below what is delivered.
#[derive(Clone, Debug, Default)]
pub(super) struct Doubt {
    /// The lowest number that may be unreadable, and since when that is not known.
    from: Option<(u64, Moment)>,
    /// The group's checkpoint when the present session began, until it is known whether it can be read.
    checkpoint: Option<u64>,
    first_read: Option<ReadId>,
    /// The first readable number, where the checkpoint lies before it: a group that was loaded there drops it
    /// (protocol §8.2), and any answer to what lies behind it would cover it. And since when that matters.
    dropped: Option<(u64, Moment)>,
    /// Lowest number delivered over the present session.
    lowest: Option<u64>,
    /// What is to be acknowledged when the doubt is over, with its number: a source may use an id twice. The server may
    /// deliver it again meanwhile.
    kept_back: HashSet<(Uuid, Option<u64>)>,
    /// Highest number delivered to this process.
    delivered: Option<u64>,
    delivered_when_asked: Option<u64>,
    failures: u32,
    retry_at: Option<Moment>,
}

impl Doubt {
    /// It is not known what can be read.
    pub(super) fn is_open(&self) -> bool {
        self.from.is_some()
    }

    /// An acknowledgement is kept back.
    pub(super) fn keep_back(&mut self, id: Uuid, number: Option<u64>) {
        self.kept_back.insert((id, number));
    }

    /// The acknowledgement that is kept back is one of this delivery too.
    pub(super) fn is_kept_back(&self, id: Uuid, number: Option<u64>) -> bool {
        self.kept_back.contains(&(id, number))
    }

    /// What was kept back is sent.
    pub(super) fn sends_kept_back(&mut self) {
        if !self.kept_back.is_empty() {
            self.kept_back = HashSet::new();
        }
    }

    pub(super) fn retry_at(&self) -> Option<Moment> {
        self.retry_at
    }

    /// The session is over: what comes next is asked for at the next one.
    pub(super) fn left(&mut self) {
        *self = Self {
            delivered: self.delivered,
            ..Self::default()
        };
    }

    /// The group may drop this number as the first one that it reads.
    pub(super) fn may_be_dropped(&self, number: u64) -> bool {
        self.dropped.is_some_and(|(dropped, _)| dropped == number)
    }

    fn open_from(&mut self, number: u64, now: Moment) {
        let earlier = self.from.filter(|(earlier, _)| *earlier <= number);
        if earlier.is_none() {
            self.from = Some((number, now));
            // An answer that is on its way was asked for before.
            self.first_read = None;
        }
    }
}

impl Persistent {
    /// True if what is lost can be missed here: history of a plain stream is looked after by repairs.
    pub(super) fn minds_lost_numbers(&self, cx: &Context) -> bool {
        cx.settings.feed != Feed::Plain
    }

    /// Nothing may be acknowledged or parked: a number below may be lost, or is not copied yet.
    pub(super) fn answers_wait(&self) -> bool {
        let dropped = |(number, _)| self.numbers.is_pending(number);
        self.doubt.is_open() || self.unseen.is_active() || self.doubt.dropped.is_some_and(dropped)
    }

    /// A session has begun: what comes next may lie behind numbers that were truncated meanwhile, and so may the checkpoint.
    pub(super) fn doubt_at_join(&mut self, cx: &mut Context, checkpoint: Option<u64>) {
        if self.minds_lost_numbers(cx)
            && let Some(number) = self.numbers.first_undelivered()
        {
            let from = checkpoint.map_or(number, |checkpoint| checkpoint.min(number));
            self.doubt.checkpoint = checkpoint;
            self.doubt.open_from(from, cx.now);
        }
    }

    /// A number is delivered: are some before it skipped?
    pub(super) fn doubt_before(&mut self, cx: &mut Context, number: u64) {
        self.doubt.delivered = self.doubt.delivered.max(Some(number));
        self.doubt.lowest = self.doubt.lowest.or(Some(number)).min(Some(number));
        // Who delivers it, or what cannot be read any more, has not been loaded since.
        self.doubt.dropped = self.doubt.dropped.filter(|(dropped, _)| number > *dropped);
        if self.minds_lost_numbers(cx) && self.numbers.is_skip(number) {
            let end = self.numbers.end();
            if self.doubt.may_be_dropped(end) {
                self.doubt.dropped = Some((end, cx.now));
            }
            self.doubt.open_from(end, cx.now);
        }
    }

    pub(super) fn pump_doubt(&mut self, cx: &mut Context) {
        if self.ending.is_some() {
            return;
        }
        if self.doubt.retry_at.is_none_or(|at| at <= cx.now) {
            self.doubt.retry_at = None;
            self.ask_first_link(cx);
        }
        self.leave_in_doubt(cx);
    }

    fn ask_first_link(&mut self, cx: &mut Context) {
        let Some((from, _)) = self.doubt.from else {
            return;
        };
        if self.doubt.first_read.is_some() || self.session.id().is_none() {
            return;
        }
        let read = ReadId(cx.next_id());
        self.doubt.first_read = Some(read);
        self.doubt.delivered_when_asked = self.doubt.delivered;
        self.reads.insert(read, Purpose::First { from });
        cx.out.push(Command::FirstLink { read, from });
    }

    /// What is delivered meanwhile is not acknowledged: the server would take it back, and may park it for that.
    fn leave_in_doubt(&mut self, cx: &mut Context) {
        if !self.answers_wait() || self.session.id().is_none() {
            return;
        }
        let limit = self.message_timeout() / 2;
        let late = |(_, since)| cx.now.saturating_sub(since) >= limit;
        let unanswered = self.doubt.from.is_some_and(late);
        if unanswered || self.doubt.dropped.is_some_and(late) {
            cx.source_failing |= unanswered;
            self.leave(cx, LeaveReason::Waiting);
            self.doubt.left();
        }
    }

    /// The first readable number was read.
    pub(super) fn on_first_link(
        &mut self,
        cx: &mut Context,
        read: ReadId,
        from: u64,
        page: &LinkPage,
    ) {
        if self.doubt.first_read != Some(read) {
            return;
        }
        self.doubt.first_read = None;
        let Some(first) = self.first_of(from, page) else {
            cx.source_failing = true;
            self.doubt.failures += 1;
            self.doubt.retry_at = Some(cx.now + back_off(self.doubt.failures));
            return;
        };
        self.doubt.failures = 0;
        cx.source_failing = false;
        cx.progress += 1;
        self.doubt.from = None;
        let checkpoint = self.doubt.checkpoint.take();
        if first > from {
            let joined = self.session.joined_time(cx.now);
            self.numbers.exists_up_to(first - 1, joined);
            if self.not_seen_between(cx, from, first) {
                return;
            }
        }
        let passed_over = self.doubt.lowest.is_none_or(|lowest| lowest > first);
        if passed_over && checkpoint.is_some_and(|checkpoint| checkpoint < first) {
            self.doubt_first(cx, first, page);
        }
    }

    /// The group may drop this number: it is read at once, beside the deliveries.
    fn doubt_first(&mut self, cx: &mut Context, first: u64, page: &LinkPage) {
        self.doubt.dropped = Some((first, cx.now));
        let exists = matches!(page, LinkPage::Items { last, .. } if *last >= first);
        if exists {
            let joined = self.session.joined_time(cx.now);
            self.numbers.exists_up_to(first, joined);
            self.numbers.hurry(first);
        }
    }

    /// The first number from `from` on that can be read, or could once it is written; `None`: the page does not tell.
    fn first_of(&self, from: u64, page: &LinkPage) -> Option<u64> {
        let group = self.group.as_ref();
        match page {
            LinkPage::Items { items, last } => {
                let checkpoint = group.and_then(|group| group.checkpoint);
                // A node that does not know what had been delivered is behind.
                let is_behind = Some(*last) < checkpoint.max(self.doubt.delivered_when_asked);
                match items.first() {
                    Some((number, _)) => Some((*number).max(from)),
                    None => (!is_behind).then_some((last + 1).max(from)),
                }
            }
            // Nothing there yet: nothing can be lost.
            LinkPage::NotFound if group.is_none_or(|group| group.last_number.is_none()) => {
                Some(from)
            }
            LinkPage::Deleted => {
                let last = group.and_then(|group| group.last_number);
                Some(last.map_or(from, |last| (last + 1).max(from)))
            }
            LinkPage::NotFound | LinkPage::Denied | LinkPage::Failed => None,
        }
    }
}

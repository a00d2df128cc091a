//! What the group did not deliver: holes in its numbers, and events that the server parked by itself.
//!
//! Reads both in small pages, one at a time, beside the deliveries. Never acknowledges: there is nothing to acknowledge.

use std::time::Duration;

use crate::context::Context;
use crate::event::{Item, TOMBSTONE_REVISION};
use crate::intake::persistent::Persistent;
use crate::intake::persistent::Purpose;
use crate::pause::back_off;
use crate::port::{Command, LeaveReason, LinkPage, Moment, ParkedPage, ReadId, Report, own_reason};
use crate::seam::Claim;
use crate::streams::Streams;

const PAGE: u32 = 100;
const PAGE_BYTES: usize = 256 * 1024;

/// A group that delivers nothing for this long after the first join is read up to its stream's last number.
const QUIET_AT_FIRST: Duration = Duration::from_secs(5);

/// One that delivers nothing for this long later, although there is more, is joined again. Long before a pipeline counts
/// as stalled.
const QUIET: Duration = Duration::from_secs(30);

/// What is being read, and up to where.
#[derive(Clone, Debug, Default)]
pub(super) struct Holes {
    links_read: Option<ReadId>,
    parked_read: Option<ReadId>,
    parked_wanted: bool,
    parked_denied: bool,
    /// Next entry of the parked stream to look at.
    parked_next: u64,
    /// Joined time at the first join, and at the last delivery or (re)join.
    first_joined: Option<Duration>,
    last_delivery: Duration,
    /// Joined time when ditto joined again because nothing came.
    joined_again: Option<Duration>,
    failures: u32,
    retry_at: Option<Moment>,
}

impl Holes {
    /// Forgets the numbers' history: another process had the group meanwhile.
    pub(super) fn begin(&mut self) {
        self.first_joined = None;
        self.joined_again = None;
    }

    pub(super) fn joined(&mut self, joined: Duration) {
        if self.first_joined.is_none() {
            self.first_joined = Some(joined);
            self.last_delivery = joined;
        }
        self.want_parked();
    }

    pub(super) fn delivered(&mut self, joined: Duration) {
        self.last_delivery = joined;
        self.joined_again = None;
    }

    pub(super) fn want_parked(&mut self) {
        self.parked_wanted = true;
    }

    /// What was read of the parked stream was dropped: from its beginning again.
    pub(super) fn parked_again(&mut self) {
        self.parked_next = 0;
        self.want_parked();
    }

    /// The first entry that was not looked at.
    pub(super) fn parked_next(&self) -> u64 {
        self.parked_next
    }

    /// What the queue is like cannot be seen.
    pub(super) fn may_not_read_parked(&self) -> bool {
        self.parked_denied
    }

    pub(super) fn retry_at(&self) -> Option<Moment> {
        self.retry_at
    }
}

impl Persistent {
    pub(super) fn pump_holes(&mut self, cx: &mut Context) {
        if self.ending.is_some() || self.session.id().is_none() || !cx.memory.has_reserve() {
            return;
        }
        if self.holes.retry_at.is_some_and(|at| at > cx.now) {
            return;
        }
        self.holes.retry_at = None;
        self.note_quiet(cx);
        self.read_holes(cx);
        self.read_parked(cx);
    }

    /// Numbers that exist although no higher one is delivered: nothing else would ever make them a gap. A session that
    /// brings nothing may be dead without a sign, so ditto joins again first. What that does not bring either is read.
    fn note_quiet(&mut self, cx: &mut Context) {
        let Some((last, left)) = self.quiet_left(cx) else {
            return;
        };
        if !left.is_zero() {
            return;
        }
        let joined = self.session.joined_time(cx.now);
        if self.numbers.is_untouched() || self.holes.joined_again.take().is_some() {
            self.numbers.exists_up_to(last, joined);
            self.holes.last_delivery = joined;
        } else {
            self.holes.joined_again = Some(joined);
            self.leave(cx, LeaveReason::Quiet);
        }
    }

    /// The last number, if there are numbers that no delivery has come up to, and how much longer they may still come.
    fn quiet_left(&self, cx: &Context) -> Option<(u64, Duration)> {
        let first = self.holes.first_joined?;
        let group = self.group.as_ref()?;
        let last = group.last_number.filter(|last| self.numbers.lacks(*last))?;
        let until = if self.numbers.is_untouched() {
            first + QUIET_AT_FIRST
        } else if self.unacknowledged > 0 {
            return None;
        } else if let Some(again) = self.holes.joined_again {
            again + QUIET_AT_FIRST
        } else {
            self.holes.last_delivery + QUIET.min(2 * group.message_timeout)
        };
        let joined = self.session.joined_time(cx.now);
        Some((last, until.saturating_sub(joined)))
    }

    /// When a number that never came will be read instead.
    pub(super) fn next_hole(&self, cx: &Context) -> Option<Moment> {
        let joined = self.session.joined_time(cx.now);
        let gap = self.numbers.due_in(joined, 2 * self.message_timeout());
        let quiet = self.quiet_left(cx).map(|(_, left)| left);
        let left = gap.into_iter().chain(quiet).min()?;
        Some(cx.now + left).filter(|at| *at > cx.now)
    }

    fn read_holes(&mut self, cx: &mut Context) {
        if self.holes.links_read.is_some() {
            return;
        }
        let joined = self.session.joined_time(cx.now);
        let Some((from, to)) = self.numbers.due(joined, 2 * self.message_timeout()) else {
            return;
        };
        let read = ReadId(cx.next_id());
        self.holes.links_read = Some(read);
        self.reads.insert(read, Purpose::Links { from, to });
        let count = u32::try_from(to - from + 1).unwrap_or(PAGE).min(PAGE);
        cx.out.push(Command::ReadLinks {
            read,
            from,
            count,
            max_bytes: PAGE_BYTES,
        });
    }

    pub(super) fn on_links_read(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        read: ReadId,
        page: LinkPage,
    ) {
        let (from, to) = match self.take_read(read) {
            Some(Purpose::Links { from, to }) => (from, to),
            Some(Purpose::First { from }) => return self.on_first_link(cx, read, from, &page),
            Some(Purpose::Dropped) => return self.on_dropped_read(cx, &page),
            _ => return,
        };
        self.holes.links_read = None;
        let (mut items, last) = match page {
            // The numbers asked for exist: a node that does not know of them is behind.
            LinkPage::Items { last, .. } if last < to => return self.holes_failed(cx),
            LinkPage::Items { items, last } => (items, last),
            LinkPage::Deleted => (Vec::new(), to),
            LinkPage::NotFound | LinkPage::Denied | LinkPage::Failed => {
                self.holes_failed(cx);
                return;
            }
        };
        self.holes.failures = 0;
        cx.source_failing = false;
        cx.progress += 1;
        items.retain(|(number, _)| *number < TOMBSTONE_REVISION);
        // A page that is not empty says nothing of what lies behind its last item.
        let covered = items.last().map_or(to, |(number, _)| (*number).min(to));
        let readable = items.first().map_or(covered + 1, |(number, _)| *number);
        if self.not_seen_between(cx, from, readable.min(last.saturating_add(1))) {
            return;
        }
        let gaps: Vec<_> = items
            .into_iter()
            .filter(|(number, _)| (from..=covered).contains(number) && self.numbers.is_gap(*number))
            .collect();
        let handed: Vec<u64> = gaps.iter().map(|(number, _)| *number).collect();
        self.numbers.close(from, covered, &handed);
        for (number, item) in gaps {
            self.accept(cx, streams, item, Claim::hole(number, cx.now));
        }
    }

    fn read_parked(&mut self, cx: &mut Context) {
        if !self.holes.parked_wanted || self.holes.parked_read.is_some() || self.holes.parked_denied
        {
            return;
        }
        let read = ReadId(cx.next_id());
        self.holes.parked_read = Some(read);
        self.holes.parked_wanted = false;
        self.reads.insert(read, Purpose::Parked);
        cx.out.push(Command::ReadParked {
            read,
            from: self.holes.parked_next,
            count: PAGE,
        });
    }

    pub(super) fn on_parked_read(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        read: ReadId,
        page: ParkedPage,
    ) {
        match self.take_read(read) {
            Some(Purpose::Parked) => {}
            Some(Purpose::Queue) => return self.on_queue_read(cx, streams, &page),
            _ => return,
        }
        self.holes.parked_read = None;
        let entries = match page {
            ParkedPage::Entries(entries) => entries,
            ParkedPage::Tombstoned => Vec::new(),
            ParkedPage::Denied => {
                self.holes.parked_denied = true;
                cx.report(Report::ParkedUnreadable);
                return;
            }
            ParkedPage::Failed => {
                self.holes.parked_wanted = true;
                self.holes_failed(cx);
                return;
            }
        };
        self.holes.failures = 0;
        // A page may end early, by bytes: only an empty one is the end.
        self.holes.parked_wanted |= !entries.is_empty();
        for parked in entries {
            self.holes.parked_next = parked.entry + 1;
            if own_reason(&parked.reason).is_some() {
                continue;
            }
            cx.report(Report::ServerParked {
                entry: parked.entry,
                reason: parked.reason,
                never: match parked.item {
                    Item::Never(reason) => Some(reason),
                    Item::Event(_) | Item::Forward(_) => None,
                },
            });
            self.accept(cx, streams, parked.item, Claim::unasked(cx.now));
        }
    }

    fn holes_failed(&mut self, cx: &mut Context) {
        cx.source_failing = true;
        self.holes.failures += 1;
        self.holes.retry_at = Some(cx.now + back_off(self.holes.failures));
    }

    pub(super) fn take_read(&mut self, read: ReadId) -> Option<Purpose> {
        self.reads.remove(&read)
    }
}

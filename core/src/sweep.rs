//! What the group did not deliver: holes in its numbers, and events that the server parked by itself.
//!
//! Reads both in small pages, one at a time, beside the deliveries. Never acknowledges: there is nothing to acknowledge.

use std::time::Duration;

use super::port::{Command, LinkPage, Moment, ParkedPage, ReadId, Tell, own_reason};
use super::queue::Claim;
use super::trial::back_off;
use super::{Core, Purpose, RESERVE_BYTES};

const PAGE: u32 = 100;
const PAGE_BYTES: usize = 256 * 1024;

/// A group that delivers nothing for this long after the first join is read up to its stream's last number.
const QUIET_AT_FIRST: Duration = Duration::from_secs(5);

/// What is being read, and up to where.
#[derive(Clone, Debug, Default)]
pub(super) struct Sweep {
    links_read: Option<ReadId>,
    parked_read: Option<ReadId>,
    parked_wanted: bool,
    parked_denied: bool,
    /// Next entry of the parked stream to look at.
    parked_next: u64,
    /// Joined time at the first join, and at the last delivery or (re)join.
    first_joined: Option<Duration>,
    last_delivery: Duration,
    failures: u32,
    retry_at: Option<Moment>,
}

impl Sweep {
    /// Forgets the numbers' history: another process had the group meanwhile.
    pub(super) fn begin(&mut self) {
        self.first_joined = None;
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
    }

    pub(super) fn want_parked(&mut self) {
        self.parked_wanted = true;
    }

    /// What was read of the parked stream was dropped: from its beginning again.
    pub(super) fn parked_again(&mut self) {
        self.parked_next = 0;
        self.want_parked();
    }

    pub(super) fn retry_at(&self) -> Option<Moment> {
        self.retry_at
    }
}

impl Core {
    pub(super) fn pump_sweep(&mut self) {
        if self.ending.is_some()
            || self.member.conn().is_none()
            || self.reserve >= RESERVE_BYTES / 2
        {
            return;
        }
        if self.sweep.retry_at.is_some_and(|at| at > self.now) {
            return;
        }
        self.sweep.retry_at = None;
        self.note_quiet();
        self.read_holes();
        self.read_parked();
    }

    /// Numbers that exist although no higher one is delivered: nothing else would ever make them a gap.
    fn note_quiet(&mut self) {
        let joined = self.member.joined_time(self.now);
        let (Some(first), Some(group)) = (self.sweep.first_joined, &self.group) else {
            return;
        };
        let Some(last) = group.last_number else {
            return;
        };
        let quiet_at_first =
            self.numbers.is_untouched() && joined.saturating_sub(first) >= QUIET_AT_FIRST;
        let quiet_since = joined.saturating_sub(self.sweep.last_delivery);
        let quiet = quiet_since >= 2 * group.message_timeout && self.unacknowledged == 0;
        if quiet_at_first || quiet {
            self.numbers.exists_up_to(last, joined);
        }
    }

    fn read_holes(&mut self) {
        if self.sweep.links_read.is_some() {
            return;
        }
        let joined = self.member.joined_time(self.now);
        let Some((from, to)) = self.numbers.due(joined, 2 * self.message_timeout()) else {
            return;
        };
        let read = ReadId(self.next_id());
        self.sweep.links_read = Some(read);
        self.reads.insert(read, Purpose::Links { from, to });
        let count = u32::try_from(to - from + 1).unwrap_or(PAGE).min(PAGE);
        self.out.push(Command::ReadLinks {
            read,
            from,
            count,
            max_bytes: PAGE_BYTES,
        });
    }

    pub(super) fn on_links_read(&mut self, read: ReadId, page: LinkPage) {
        let (from, to) = match self.take_read(read) {
            Some(Purpose::Links { from, to }) => (from, to),
            Some(Purpose::First { from }) => return self.on_first_link(read, from, page),
            _ => return,
        };
        self.sweep.links_read = None;
        let (items, last) = match page {
            LinkPage::Items { items, last } => (items, last),
            LinkPage::NotFound | LinkPage::Deleted => (Vec::new(), to),
            LinkPage::Denied | LinkPage::Failed => {
                self.sweep_failed();
                return;
            }
        };
        self.sweep.failures = 0;
        self.source_failing = false;
        self.progress += 1;
        // A page that is not empty says nothing of what lies behind its last item.
        let covered = items.last().map_or(to, |(number, _)| (*number).min(to));
        let readable = items.first().map_or(covered + 1, |(number, _)| *number);
        if self.not_seen_between(from, readable.min(last.saturating_add(1))) {
            return;
        }
        let gaps: Vec<_> = items
            .into_iter()
            .filter(|(number, _)| (from..=covered).contains(number) && self.numbers.is_gap(*number))
            .collect();
        self.numbers.close(from, covered, |number| {
            gaps.iter().any(|(handed, _)| *handed == number)
        });
        for (number, item) in gaps {
            self.accept(
                item,
                Claim {
                    ack: None,
                    number: Some(number),
                    at: self.now,
                    hole: true,
                },
            );
        }
    }

    fn read_parked(&mut self) {
        if !self.sweep.parked_wanted || self.sweep.parked_read.is_some() || self.sweep.parked_denied
        {
            return;
        }
        let read = ReadId(self.next_id());
        self.sweep.parked_read = Some(read);
        self.sweep.parked_wanted = false;
        self.reads.insert(read, Purpose::Parked);
        self.out.push(Command::ReadParked {
            read,
            from: self.sweep.parked_next,
            count: PAGE,
        });
    }

    pub(super) fn on_parked_read(&mut self, read: ReadId, page: ParkedPage) {
        let Some(Purpose::Parked) = self.take_read(read) else {
            return;
        };
        self.sweep.parked_read = None;
        let entries = match page {
            ParkedPage::Entries(entries) => entries,
            ParkedPage::Tombstoned => Vec::new(),
            ParkedPage::Denied => {
                self.sweep.parked_denied = true;
                self.tell(Tell::ParkedUnreadable);
                return;
            }
            ParkedPage::Failed => {
                self.sweep.parked_wanted = true;
                self.sweep_failed();
                return;
            }
        };
        self.sweep.failures = 0;
        // A page may end early, by bytes: only an empty one is the end.
        self.sweep.parked_wanted |= !entries.is_empty();
        for parked in entries {
            self.sweep.parked_next = parked.entry + 1;
            if own_reason(&parked.reason).is_some() {
                continue;
            }
            self.tell(Tell::ServerParked {
                entry: parked.entry,
                reason: parked.reason,
            });
            self.accept(
                parked.item,
                Claim {
                    ack: None,
                    number: None,
                    at: self.now,
                    hole: false,
                },
            );
        }
    }

    fn sweep_failed(&mut self) {
        self.source_failing = true;
        self.sweep.failures += 1;
        self.sweep.retry_at = Some(self.now + back_off(self.sweep.failures));
    }

    pub(super) fn take_read(&mut self, read: ReadId) -> Option<Purpose> {
        self.reads.remove(&read)
    }
}

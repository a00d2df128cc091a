//! Which numbers of the subscription's stream were delivered, which are done, and which the group left out.
//!
//! Pure bookkeeping in ranges, so that a checkpoint that jumped by a million costs one entry. Never asks a server.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::intake::persistent::gaps::{Gap, Gaps};

/// The numbers from the base on.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    /// Everything below was done before this process came; `None` until known.
    base: Option<u64>,
    /// The base is where the stream ended at the first join, for nothing else was known: the group may begin before it.
    assumed: bool,
    /// One more than the highest number known to exist for this process.
    end: u64,
    /// Delivered and not done.
    open: BTreeSet<u64>,
    /// Never delivered.
    gaps: Gaps,
}

impl Numbers {
    /// Begins anew: everything below `base` is done.
    pub(super) fn begin(&mut self, base: u64) {
        *self = Self {
            base: Some(base),
            end: base,
            ..Self::default()
        };
    }

    /// Begins at a number that the group may begin before: its start is "end" (protocol §8.2), wherever that was.
    pub(super) fn assume(&mut self, base: u64) {
        self.begin(base);
        self.assumed = true;
    }

    /// The group's checkpoint went back: what lies between counts as never delivered.
    pub(super) fn lower(&mut self, base: u64, joined: Duration) {
        if let Some(before) = self.base.filter(|before| base < *before) {
            self.insert_gap(base, before, joined);
            self.base = Some(base);
        }
    }

    /// Numbers `start..end` were never delivered.
    fn insert_gap(&mut self, start: u64, end: u64, since: Duration) {
        if start < end {
            let gap = Gap {
                end: end - 1,
                since,
                at_once: false,
            };
            self.gaps.insert(start, gap);
        }
    }

    /// True once a base is known.
    pub(super) fn has_begun(&self) -> bool {
        self.base.is_some()
    }

    /// True if no number from the base on has been seen yet.
    pub(super) fn is_untouched(&self) -> bool {
        self.base.is_none_or(|base| self.end == base)
    }

    /// A number was delivered. `joined` is the time spent joined so far; `at_once`: a gap before it is read at once.
    pub(super) fn delivered(&mut self, number: u64, joined: Duration, at_once: bool) {
        if self.base.is_none() {
            self.begin(number);
        }
        if let Some(base) = self.base.filter(|base| self.assumed && number < *base) {
            self.insert_gap(number + 1, base, joined);
            self.base = Some(number);
            self.open.insert(number);
        } else if number >= self.end {
            self.extend_to(number, joined, at_once);
            self.end = number + 1;
            self.open.insert(number);
        } else if self.take_from_gap(number) {
            self.open.insert(number);
        }
    }

    /// True if numbers up to `last` exist that no delivery has come up to.
    pub(super) fn lacks(&self, last: u64) -> bool {
        self.base.is_some() && last >= self.end
    }

    /// All numbers up to `last` exist; those never delivered become a gap.
    pub(super) fn exists_up_to(&mut self, last: u64, joined: Duration) {
        if self.lacks(last) {
            self.extend_to(last + 1, joined, true);
            self.end = last + 1;
        }
    }

    /// Acknowledged, parked, skipped or closed.
    pub(super) fn done(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// Delivered, but dropped before it was done: it counts as never delivered from now on.
    pub(super) fn forget(&mut self, number: u64, joined: Duration) {
        if self.open.remove(&number) {
            self.gaps.insert(
                number,
                Gap {
                    end: number,
                    since: joined,
                    at_once: false,
                },
            );
        }
    }

    /// The first range that is due: never delivered, and a higher number came `patience` ago (in joined time).
    pub(super) fn due(&self, joined: Duration, patience: Duration) -> Option<(u64, u64)> {
        let (start, gap) = self.gaps.oldest()?;
        let due = gap.at_once || joined.saturating_sub(gap.since) >= patience;
        due.then_some((start, gap.end))
    }

    /// How much more joined time must pass before the next range is due.
    pub(super) fn due_in(&self, joined: Duration, patience: Duration) -> Option<Duration> {
        let (_, gap) = self.gaps.oldest()?;
        Some(if gap.at_once {
            Duration::ZERO
        } else {
            (gap.since + patience).saturating_sub(joined)
        })
    }

    /// Takes the numbers `from..=to` out of the gaps; those that `handed` names are delivered now, the others closed.
    /// What that takes depends on the gaps that are cut and the numbers that are named, never on how wide the range is.
    pub(super) fn close(&mut self, from: u64, to: u64, handed: &[u64]) {
        let named = handed.iter().copied();
        let delivered: Vec<u64> = named
            .filter(|number| (from..=to).contains(number) && self.is_gap(*number))
            .collect();
        self.open.extend(delivered);
        for (start, gap) in self.gaps.touched(from, to) {
            self.cut(start, gap, from, to);
        }
    }

    /// Takes the numbers `from..=to` out of one gap.
    fn cut(&mut self, start: u64, gap: Gap, from: u64, to: u64) {
        self.gaps.remove(start);
        if start < from {
            let end = from - 1;
            self.gaps.insert(start, Gap { end, ..gap });
        }
        if gap.end > to {
            self.gaps.insert(to + 1, gap);
        }
    }

    /// True if the number was never delivered.
    pub(super) fn is_gap(&self, number: u64) -> bool {
        self.gaps.around(number).is_some()
    }

    /// True if the number is known to exist and is not done.
    pub(super) fn is_pending(&self, number: u64) -> bool {
        self.open.contains(&number) || self.is_gap(number)
    }

    /// If the number was never delivered, it is read at once.
    pub(super) fn hurry(&mut self, number: u64) {
        if let Some((start, gap)) = self.gaps.around(number) {
            self.cut(start, gap, number, number);
            let at_once = Gap {
                end: number,
                at_once: true,
                ..gap
            };
            self.gaps.insert(number, at_once);
        }
    }

    /// Lowest number that this process was not handed yet: the first of a gap, or the next one.
    pub(super) fn first_undelivered(&self) -> Option<u64> {
        self.base?;
        Some(self.gaps.first().unwrap_or(self.end))
    }

    /// True if a delivery of this number leaves out numbers before it.
    pub(super) fn is_skip(&self, number: u64) -> bool {
        self.base.is_some() && number > self.end
    }

    /// One more than the highest number known to exist.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// First and last of the numbers `from..limit` that were never delivered.
    pub(super) fn undelivered_within(&self, from: u64, limit: u64) -> Option<(u64, u64)> {
        if from >= limit {
            return None;
        }
        let (_, gap) = self.gaps.before(limit)?;
        let last = gap.end.min(limit - 1);
        let first = if self.is_gap(from) {
            Some(from)
        } else {
            self.gaps.from(from).map(|(start, _)| start)
        };
        first
            .filter(|first| *first <= last)
            .map(|first| (first, last))
    }

    /// Highest number up to which everything is done.
    pub(super) fn done_up_to(&self) -> Option<u64> {
        self.base?;
        let first_gap = self.gaps.first().unwrap_or(self.end);
        let first_open = self.open.first().copied().unwrap_or(self.end);
        first_gap.min(first_open).min(self.end).checked_sub(1)
    }

    fn extend_to(&mut self, number: u64, since: Duration, at_once: bool) {
        if number > self.end {
            self.gaps.insert(
                self.end,
                Gap {
                    end: number - 1,
                    since,
                    at_once,
                },
            );
        }
    }

    fn take_from_gap(&mut self, number: u64) -> bool {
        let Some((start, gap)) = self.gaps.around(number) else {
            return false;
        };
        self.cut(start, gap, number, number);
        true
    }
}

#[cfg(test)]
mod tests;

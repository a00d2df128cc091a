//! Ranges of numbers that were never delivered, found by number and by age.
//!
//! Finding the oldest looks at one range, however many there are: it is asked for at every input. Never keeps an empty range.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A range of numbers that were never delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// Last number of the range.
    pub(super) end: u64,
    /// Joined time when a higher number came.
    pub(super) since: Duration,
    /// Found at the first join: read at once.
    pub(super) at_once: bool,
}

/// What comes first is read first: what is read at once, then the oldest.
type Age = (bool, Duration, u64);

/// Ranges that do not overlap, by first number.
#[derive(Clone, Debug, Default)]
pub(super) struct Gaps {
    by_start: BTreeMap<u64, Gap>,
    by_age: BTreeSet<Age>,
    /// Ranges that were looked at.
    #[cfg(test)]
    pub(super) looked_up_at: std::cell::Cell<u64>,
}

impl Gaps {
    pub(super) fn insert(&mut self, start: u64, gap: Gap) {
        self.remove(start);
        self.by_start.insert(start, gap);
        self.by_age.insert(age(start, &gap));
    }

    pub(super) fn remove(&mut self, start: u64) -> Option<Gap> {
        let gap = self.by_start.remove(&start)?;
        self.by_age.remove(&age(start, &gap));
        Some(gap)
    }

    /// The lowest number of all.
    pub(super) fn first(&self) -> Option<u64> {
        self.by_start.keys().next().copied()
    }

    /// The range to read first.
    pub(super) fn oldest(&self) -> Option<(u64, Gap)> {
        let (_, _, start) = self.by_age.first()?;
        self.look_up(*start, self.by_start.get(start)?)
    }

    /// The range that a number is in.
    pub(super) fn around(&self, number: u64) -> Option<(u64, Gap)> {
        let (start, gap) = self.by_start.range(..=number).next_back()?;
        self.look_up(*start, gap).filter(|_| gap.end >= number)
    }

    /// The first range that begins at this number or later.
    pub(super) fn from(&self, number: u64) -> Option<(u64, Gap)> {
        let (start, gap) = self.by_start.range(number..).next()?;
        self.look_up(*start, gap)
    }

    /// The last range that begins before this number.
    pub(super) fn before(&self, number: u64) -> Option<(u64, Gap)> {
        let (start, gap) = self.by_start.range(..number).next_back()?;
        self.look_up(*start, gap)
    }

    /// All ranges that these numbers touch.
    pub(super) fn touched(&self, from: u64, to: u64) -> Vec<(u64, Gap)> {
        let first = self.around(from).map_or(from, |(start, _)| start);
        let touched = self.by_start.range(first..=to);
        touched
            .filter_map(|(start, gap)| self.look_up(*start, gap))
            .collect()
    }

    #[cfg_attr(not(test), allow(clippy::unused_self))]
    fn look_up(&self, start: u64, gap: &Gap) -> Option<(u64, Gap)> {
        #[cfg(test)]
        self.looked_up_at.set(self.looked_up_at.get() + 1);
        Some((start, *gap))
    }
}

fn age(start: u64, gap: &Gap) -> Age {
    (!gap.at_once, gap.since, start)
}

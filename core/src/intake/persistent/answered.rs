//! Which numbers were answered over the present session, and soon: one that comes again all the same was late on its way.
//!
//! Ranges of numbers, and a bounded number of them. Never tells what is at the destination.

use std::collections::BTreeMap;

/// Ranges to keep; what is answered in order is one.
const MOST: usize = 4_096;

/// Numbers, as ranges: first to last.
#[derive(Clone, Debug, Default)]
pub(super) struct Answered {
    ranges: BTreeMap<u64, u64>,
}

impl Answered {
    /// A new session: what was answered over the last one may not have arrived.
    pub(super) fn clear(&mut self) {
        self.ranges.clear();
    }

    pub(super) fn has(&self, number: u64) -> bool {
        let below = self.ranges.range(..=number).next_back();
        below.is_some_and(|(_, last)| *last >= number)
    }

    /// It has to be answered again.
    pub(super) fn remove(&mut self, number: u64) {
        let below = self.ranges.range(..=number).next_back();
        let Some((first, last)) = below.map(|(first, last)| (*first, *last)) else {
            return;
        };
        if last < number {
            return;
        }
        self.ranges.remove(&first);
        if first < number {
            self.ranges.insert(first, number - 1);
        }
        if number < last {
            self.ranges.insert(number + 1, last);
        }
    }

    pub(super) fn insert(&mut self, number: u64) {
        if self.has(number) {
            return;
        }
        let below = self.ranges.range(..number).next_back();
        let first = match below {
            Some((first, last)) if last + 1 == number => *first,
            _ => number,
        };
        let last = self.ranges.remove(&(number + 1)).unwrap_or(number);
        self.ranges.insert(first, last);
        if self.ranges.len() > MOST {
            self.ranges.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(answered: &Answered) -> Vec<(u64, u64)> {
        let ranges = answered.ranges.iter();
        ranges.map(|(first, last)| (*first, *last)).collect()
    }

    #[test]
    fn ranges_grow_together_and_are_cut() {
        let mut answered = Answered::default();
        for (number, expected) in [
            (5, &[(5, 5)][..]),
            (7, &[(5, 5), (7, 7)]),
            (6, &[(5, 7)]),
            (4, &[(4, 7)]),
            (4, &[(4, 7)]),
            (9, &[(4, 7), (9, 9)]),
        ] {
            answered.insert(number);
            assert_eq!(ranges(&answered), expected, "{number}");
        }
        assert!(answered.has(6) && !answered.has(8) && !answered.has(3));
        for (number, expected) in [
            (6, &[(4, 5), (7, 7), (9, 9)][..]),
            (9, &[(4, 5), (7, 7)]),
            (8, &[(4, 5), (7, 7)]),
        ] {
            answered.remove(number);
            assert_eq!(ranges(&answered), expected, "{number}");
        }
    }

    #[test]
    fn the_lowest_are_forgotten_when_there_are_too_many() {
        let mut answered = Answered::default();
        (0..=MOST as u64).for_each(|number| answered.insert(2 * number));
        assert_eq!(answered.ranges.len(), MOST);
        assert!(!answered.has(0) && answered.has(2));
    }
}

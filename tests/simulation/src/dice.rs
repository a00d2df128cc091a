//! Chance, from a seed and nothing else.
//!
//! An own generator (SplitMix64), so that a seed means the same schedule after any update of dependencies. Never reads
//! a clock or the operating system's randomness.

use std::time::Duration;

/// A stream of random decisions.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The decisions of this seed. `lane` separates streams of decisions that must not disturb each other.
    #[must_use]
    pub fn new(seed: u64, lane: u64) -> Self {
        let mut dice = Self(seed ^ lane.wrapping_mul(0xD134_2543_DE82_EF95));
        dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 if `limit` is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.next() % limit }
    }

    /// An index of something of this length.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True this often in a thousand.
    pub fn permille(&mut self, often: u64) -> bool {
        self.below(1000) < often
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    /// A time from `low` to `high`.
    pub fn time(&mut self, low: Duration, high: Duration) -> Duration {
        let span = high.saturating_sub(low).as_nanos();
        low + Duration::from_nanos(self.below(u64::try_from(span).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_decides_the_same() {
        let mut one = Dice::new(7, 1);
        let mut two = Dice::new(7, 1);
        let mut other = Dice::new(7, 2);
        let first: Vec<u64> = (0..20).map(|_| one.below(1000)).collect();
        assert_eq!(first, (0..20).map(|_| two.below(1000)).collect::<Vec<_>>());
        assert_ne!(
            first,
            (0..20).map(|_| other.below(1000)).collect::<Vec<_>>()
        );
    }

    #[test]
    fn limits_are_kept() {
        let mut dice = Dice::new(1, 0);
        for _ in 0..1000 {
            assert!((3..=5).contains(&dice.between(3, 5)));
            let low = Duration::from_secs(1);
            let high = Duration::from_secs(2);
            assert!((low..=high).contains(&dice.time(low, high)));
        }
        assert_eq!(dice.below(0), 0);
    }
}

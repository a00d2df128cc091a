//! Which streams a comparison has met: a set of fingerprints, so that a stream of any name costs less than 16 bytes.
//!
//! A fingerprint is 96 bits of the SHA-1 of the stream's name. Two streams that share one, of which the second would not
//! be compared, are not to be expected: among a hundred million streams the odds are below one in ten million million.
//! Never keeps a name.

use std::collections::HashSet;

use uuid::Uuid;

use ditto_core::event::StreamName;

/// The newest fingerprints wait in a hash set (up to 30 bytes each) until they are this part of all.
const YOUNG_PART: usize = 16;
/// Below this many nothing is gained by moving them.
const FEWEST_YOUNG: usize = 1_024;

/// What is kept of a stream's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Fingerprint(pub(super) [u8; 12]);

impl Fingerprint {
    /// Of a name, the same in every run.
    pub(crate) fn of(stream: &StreamName) -> Self {
        let hash = Uuid::new_v5(&Uuid::NAMESPACE_URL, stream.as_str().as_bytes());
        let bytes = hash.as_bytes();
        let mut kept = [0; 12];
        // Bytes 6 and 8 hold the version of the hash, not the hash.
        kept[..6].copy_from_slice(&bytes[..6]);
        kept[6..].copy_from_slice(&bytes[10..]);
        Self(kept)
    }

    /// A number that is spread evenly over all streams, another one for each salt.
    pub(super) fn lot(self, salt: u64) -> u32 {
        let salted = Uuid::new_v5(&Uuid::from_u64_pair(salt, 0), &self.0);
        let bytes = salted.as_bytes();
        u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }
}

/// The set: a sorted array of 12 bytes a stream, and a small hash set of the newest.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    old: Vec<Fingerprint>,
    young: HashSet<Fingerprint>,
}

impl Seen {
    /// Takes in a stream. False if it was there.
    pub(super) fn insert(&mut self, fingerprint: Fingerprint) -> bool {
        if self.old.binary_search(&fingerprint).is_ok() || !self.young.insert(fingerprint) {
            return false;
        }
        if self.young.len() > FEWEST_YOUNG.max(self.old.len() / YOUNG_PART) {
            self.settle();
        }
        true
    }

    /// How many streams.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.old.len() + self.young.len()
    }

    /// All fingerprints, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Fingerprint> {
        self.old.iter().chain(&self.young).copied()
    }

    /// Moves the young into the sorted array, in place and from behind, so that no second array is needed.
    fn settle(&mut self) {
        let mut young: Vec<Fingerprint> = self.young.drain().collect();
        young.sort_unstable();
        let mut old = self.old.len();
        self.old.reserve_exact(young.len());
        self.old.extend_from_slice(&young);
        let mut end = self.old.len();
        while let Some(newest) = young.last() {
            end -= 1;
            if old > 0 && self.old[old - 1] > *newest {
                old -= 1;
                self.old[end] = self.old[old];
            } else {
                self.old[end] = *newest;
                young.pop();
            }
        }
        self.young
            .shrink_to(FEWEST_YOUNG.max(self.old.len() / YOUNG_PART));
    }

    /// Bytes that the set holds.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        // A hash set keeps a byte beside each of its places, and an eighth of those empty.
        self.old.capacity() * 12 + self.young.capacity() * 8 / 7 * 13
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(number: u32) -> Fingerprint {
        Fingerprint::of(&StreamName::new(format!("customer-{number}")))
    }

    #[test]
    fn a_stream_is_new_once_however_many_there_are() {
        let mut seen = Seen::default();
        for number in 0..20_000 {
            assert!(seen.insert(fingerprint(number)), "{number}");
            assert!(!seen.insert(fingerprint(number / 2)), "{number}");
        }
        for number in 0..20_000 {
            assert!(!seen.insert(fingerprint(number)), "{number}");
        }
        assert_eq!(seen.len(), 20_000);
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 20_000);
    }

    #[test]
    fn a_stream_costs_less_than_sixteen_bytes() {
        let mut seen = Seen::default();
        for number in 0..200_000 {
            seen.insert(fingerprint(number));
            if number > 50_000 && number % 1_000 == 0 {
                let each = seen.bytes() as f64 / seen.len() as f64;
                assert!(each < 16.0, "{each} bytes each of {number}");
            }
        }
    }

    #[test]
    fn lots_are_spread_evenly_and_differ_by_salt() {
        let below = |salt: u64| {
            (0..10_000)
                .filter(|number| fingerprint(*number).lot(salt) < u32::MAX / 20)
                .collect::<HashSet<_>>()
        };
        let (first, second) = (below(1), below(2));
        for selected in [&first, &second] {
            assert!((350..650).contains(&selected.len()), "{}", selected.len());
        }
        assert_ne!(first, second);
        assert_eq!(first, below(1));
    }
}

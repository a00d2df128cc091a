//! Which consumer owns which bucket under the pinned strategies (protocol §8.4). Never counts a consumer's slots.

use super::consumers::ConsumerId;
use std::collections::BTreeMap;

/// Source streams (or correlation ids) fall into this many buckets.
pub(crate) const BUCKETS: u16 = 1024;

/// The bucket of a source stream or correlation id.
pub(crate) fn bucket(source: &str) -> u16 {
    let hash = source.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let mixed = (hash ^ (hash >> 15)).wrapping_mul(0x2c1b_3c6d);
    u16::try_from((mixed ^ (mixed >> 12)) % u32::from(BUCKETS)).unwrap_or(0)
}

/// Buckets in use, their owners and how many of their events are in flight.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    buckets: BTreeMap<u16, Pin>,
}

#[derive(Debug)]
struct Pin {
    owner: ConsumerId,
    in_flight: usize,
}

impl Pins {
    /// The consumer that owns the bucket.
    pub(crate) fn owner(&self, bucket: u16) -> Option<ConsumerId> {
        self.buckets.get(&bucket).map(|pin| pin.owner)
    }

    /// Gives a bucket without an owner to the consumer with the fewest, the earlier one if several have as few.
    pub(crate) fn assign(&mut self, bucket: u16, consumers: &[ConsumerId]) -> Option<ConsumerId> {
        let owner = *consumers
            .iter()
            .min_by_key(|consumer| self.owned_by(**consumer).count())?;
        self.buckets.insert(
            bucket,
            Pin {
                owner,
                in_flight: 0,
            },
        );
        Some(owner)
    }

    /// A new consumer takes over what the others have beyond their even share, idle buckets first.
    pub(crate) fn joined(&mut self, consumer: ConsumerId, others: &[ConsumerId]) {
        let share = self.buckets.len().div_ceil(others.len() + 1);
        for other in others {
            let mut owned: Vec<(usize, u16)> = self.owned_by(*other).collect();
            owned.sort_unstable();
            let surplus = owned.len().saturating_sub(share);
            for (_, bucket) in owned.into_iter().take(surplus) {
                if let Some(pin) = self.buckets.get_mut(&bucket) {
                    pin.owner = consumer;
                }
            }
        }
    }

    /// The buckets of a consumer that leaves lose their owner.
    pub(crate) fn left(&mut self, consumer: ConsumerId) {
        self.buckets.retain(|_, pin| pin.owner != consumer);
    }

    /// An event of the bucket was pushed to its owner.
    pub(crate) fn sent(&mut self, bucket: u16) {
        if let Some(pin) = self.buckets.get_mut(&bucket) {
            pin.in_flight += 1;
        }
    }

    /// An event of the bucket is no longer in flight at that consumer.
    pub(crate) fn done(&mut self, bucket: u16, consumer: ConsumerId) {
        if let Some(pin) = self
            .buckets
            .get_mut(&bucket)
            .filter(|pin| pin.owner == consumer)
        {
            pin.in_flight = pin.in_flight.saturating_sub(1);
        }
    }

    fn owned_by(&self, consumer: ConsumerId) -> impl Iterator<Item = (usize, u16)> + '_ {
        self.buckets
            .iter()
            .filter(move |(_, pin)| pin.owner == consumer)
            .map(|(bucket, pin)| (pin.in_flight, *bucket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_go_to_the_consumer_with_the_fewest_and_move_to_new_ones() {
        let [a, b] = [ConsumerId(1), ConsumerId(2)];
        let mut pins = Pins::default();
        let owners: Vec<_> = (0..4).map(|bucket| pins.assign(bucket, &[a, b])).collect();
        assert_eq!(owners, [Some(a), Some(b), Some(a), Some(b)]);
        pins.left(b);
        assert_eq!([pins.owner(1), pins.owner(3)], [None, None]);
        pins.assign(1, &[a]);
        pins.assign(3, &[a]);
        pins.sent(0);
        pins.joined(b, &[a]);
        assert_eq!(
            (0..4)
                .filter(|bucket| pins.owner(*bucket) == Some(b))
                .collect::<Vec<_>>(),
            [1, 2]
        );
    }

    #[test]
    fn the_recording_s_source_streams_fall_into_different_buckets() {
        let buckets: std::collections::BTreeSet<u16> = ["gpin-p", "gpin-q", "gpin-r", "gpin-s"]
            .into_iter()
            .map(bucket)
            .collect();
        assert_eq!(buckets.len(), 4);
    }
}

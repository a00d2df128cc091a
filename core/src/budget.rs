//! What one subscription's share of the process's memory is for: events, repairs, lookups, and streams remembered.
//!
//! Divides and counts bytes. Never gives away more than the share.

/// Bytes that repairs, holes and placeholders get at most.
pub const RESERVE_BYTES: usize = 8 * 1024 * 1024;

/// Bytes that the pages of lookups get at most.
pub(crate) const LOOK_BYTES: usize = 16 * 1024 * 1024;

/// Bytes that remembered streams get at most: about 100,000 of them.
const KNOWN_BYTES: usize = 32 * 1024 * 1024;

/// Bytes that a slow stream keeps at most while memory is full.
const SLOW_STREAM_BYTES: usize = 1024 * 1024;

/// The parts of a share. What one part cannot use belongs to the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Bytes of events that were delivered and wait or are in flight.
    pub(crate) events: usize,
    /// Bytes of events that nobody delivered: a part of their own, so that deliveries that wait for a repair cannot keep it
    /// from memory.
    pub(crate) reserve: usize,
    /// Bytes of the pages of lookups under way.
    pub(crate) lookups: usize,
    /// Bytes of the streams that are remembered though they have nothing to do.
    pub(crate) known: usize,
}

/// Bytes of delivered events that a subscription with this share may hold before it takes no more.
#[must_use]
pub fn events_of(share: usize) -> usize {
    Budget::of(share).events
}

impl Budget {
    /// Divides a share.
    pub(crate) fn of(share: usize) -> Self {
        let reserve = (share / 8).min(RESERVE_BYTES);
        let lookups = (share / 4).min(LOOK_BYTES);
        let known = (share / 8).min(KNOWN_BYTES);
        Self {
            events: share - reserve - lookups - known,
            reserve,
            lookups,
            known,
        }
    }

    /// Bytes of events that each of so many slow streams keeps while others have no room.
    pub(crate) fn slow_stream(&self, streams: usize) -> usize {
        SLOW_STREAM_BYTES.min(self.events / 2 / streams.max(1))
    }
}

/// A stream with something to do takes about this much memory beside its events: what is known of it, and its places in tables
/// and queues. With one event each it is more than the events are.
pub(crate) const STREAM_OVERHEAD: usize = 512;

/// What is held in memory, against the share that is allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) budget: Budget,
    /// Streams with something to do.
    pub(crate) streams: usize,
    entries: usize,
    bytes: usize,
    /// Bytes of entries that nobody delivered (repairs, holes, placeholders).
    reserve: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            budget: Budget::of(usize::MAX),
            streams: 0,
            entries: 0,
            bytes: 0,
            reserve: 0,
        }
    }
}

impl Memory {
    pub(crate) fn add(&mut self, bytes: usize, from_reserve: bool) {
        self.entries += 1;
        self.bytes += bytes;
        if from_reserve {
            self.reserve += bytes;
        }
    }

    pub(crate) fn remove(&mut self, bytes: usize, from_reserve: bool) {
        self.entries = self.entries.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        if from_reserve {
            self.reserve = self.reserve.saturating_sub(bytes);
        }
    }

    /// Entries waiting or in flight.
    pub(crate) fn entries(&self) -> usize {
        self.entries
    }

    /// What they cost.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What they cost, and the streams that they are in.
    fn all(&self) -> usize {
        self.bytes + self.streams * STREAM_OVERHEAD
    }

    /// No more is taken.
    pub(crate) fn is_full(&self) -> bool {
        self.entries > 0 && self.all() >= self.budget.events
    }

    /// So much is free again that it is worth to take more. A pipeline with nothing buffered may always take one delivery.
    pub(crate) fn has_room(&self) -> bool {
        self.entries == 0 || self.all() < self.budget.events / 4 * 3
    }

    /// Half of the reserve is for repairs alone, so that holes and searches cannot keep them from it. One event always fits.
    pub(crate) fn has_reserve(&self) -> bool {
        self.reserve == 0 || self.reserve < self.budget.reserve / 2
    }

    /// A page of a repair may be read.
    pub(crate) fn has_repair_reserve(&self) -> bool {
        self.reserve < self.budget.reserve
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;

    #[test]
    fn parts_add_up_to_the_share() {
        const MIB: usize = 1024 * 1024;
        for (share, events) in [
            (0, 0),
            (1, 1),
            (300, 151),
            (MIB, MIB / 2),
            (64 * MIB, 32 * MIB),
            (1024 * MIB, 968 * MIB),
            (usize::MAX, usize::MAX - 56 * MIB),
        ] {
            let parts = Budget::of(share);
            assert_eq!(parts.events, events, "{share}");
            let rest = parts.reserve + parts.lookups + parts.known;
            assert_eq!(share - events, rest, "{share}");
        }
    }
}

//! The consumers of a group: their slots, and who gets the next event (protocol §8.3, §8.4). Never keeps events.

use super::pinned::Pins;
use super::settings::Strategy;
use std::collections::VecDeque;

/// A consumer of a group, unique in the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConsumerId(pub(crate) u64);

/// What is known of one consumer.
#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    /// Who it is.
    pub(crate) id: ConsumerId,
    /// The name its client gave the connection.
    pub(crate) name: String,
    /// How many events it may hold.
    pub(crate) slots: usize,
    /// How many it holds.
    pub(crate) in_flight: usize,
    /// How many were pushed to it, ever.
    pub(crate) total: i64,
    /// How long it held the latest events it was done with, in milliseconds.
    pub(crate) latencies: VecDeque<u64>,
}

impl Consumer {
    /// Latencies kept for the statistics.
    const LATENCIES: usize = 512;

    /// A consumer that holds nothing yet.
    pub(crate) fn new(id: ConsumerId, name: String, slots: usize) -> Consumer {
        Consumer {
            id,
            name,
            slots,
            in_flight: 0,
            total: 0,
            latencies: VecDeque::new(),
        }
    }

    fn has_slot(&self) -> bool {
        self.in_flight < self.slots
    }

    fn note_latency(&mut self, held_ms: u64) {
        if self.latencies.len() == Consumer::LATENCIES {
            self.latencies.pop_front();
        }
        self.latencies.push_back(held_ms);
    }
}

/// Where the next event goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// To this consumer.
    To(ConsumerId),
    /// Its owner is full; events of other owners may pass.
    OwnerFull,
    /// Nobody has a free slot.
    AllFull,
}

/// All consumers of a group in the order in which they joined.
#[derive(Debug)]
pub(crate) struct Consumers {
    strategy: Strategy,
    list: Vec<Consumer>,
    /// The order in which they are asked: a ring of indexes into `list`'s ids.
    turn: VecDeque<ConsumerId>,
    pins: Pins,
}

impl Consumers {
    pub(crate) fn new(strategy: Strategy) -> Consumers {
        Consumers {
            strategy,
            list: Vec::new(),
            turn: VecDeque::new(),
            pins: Pins::default(),
        }
    }

    /// All of them.
    pub(crate) fn list(&self) -> &[Consumer] {
        &self.list
    }

    /// Takes a new one.
    pub(crate) fn join(&mut self, consumer: Consumer) {
        let others: Vec<ConsumerId> = self.list.iter().map(|other| other.id).collect();
        self.pins.joined(consumer.id, &others);
        self.turn.push_back(consumer.id);
        self.list.push(consumer);
    }

    /// Forgets one; false: it is not here.
    pub(crate) fn leave(&mut self, id: ConsumerId) -> bool {
        let before = self.list.len();
        self.list.retain(|consumer| consumer.id != id);
        self.turn.retain(|consumer| *consumer != id);
        self.pins.left(id);
        self.list.len() < before
    }

    /// Who gets the next event of this bucket.
    pub(crate) fn choose(&mut self, bucket: u16) -> Choice {
        match self.strategy {
            Strategy::DispatchToSingle => self.next_in_turn(false),
            Strategy::RoundRobin => self.next_in_turn(true),
            Strategy::Pinned | Strategy::PinnedByCorrelation => self.owner_of(bucket),
        }
    }

    /// An event was pushed; it takes a slot if the group tracks it.
    pub(crate) fn pushed(&mut self, id: ConsumerId, bucket: u16, tracked: bool) {
        let Some(consumer) = self.find(id) else {
            return;
        };
        consumer.total += 1;
        if tracked {
            consumer.in_flight += 1;
            self.pins.sent(bucket);
        }
    }

    /// An event is no longer held by the consumer: its slot is free.
    pub(crate) fn freed(&mut self, id: ConsumerId, bucket: u16, held_ms: u64) {
        let Some(consumer) = self.find(id) else {
            return;
        };
        consumer.in_flight = consumer.in_flight.saturating_sub(1);
        consumer.note_latency(held_ms);
        self.pins.done(bucket, id);
    }

    fn find(&mut self, id: ConsumerId) -> Option<&mut Consumer> {
        self.list.iter_mut().find(|consumer| consumer.id == id)
    }

    fn next_in_turn(&mut self, always_on: bool) -> Choice {
        for _ in 0..self.turn.len() {
            let Some(id) = self.turn.front().copied() else {
                break;
            };
            let free = self.find(id).is_some_and(|consumer| consumer.has_slot());
            if always_on || !free {
                self.turn.rotate_left(1);
            }
            if free {
                return Choice::To(id);
            }
        }
        Choice::AllFull
    }

    fn owner_of(&mut self, bucket: u16) -> Choice {
        if !self.list.iter().any(Consumer::has_slot) {
            return Choice::AllFull;
        }
        let owner = self.pins.owner(bucket).or_else(|| {
            let ids: Vec<ConsumerId> = self.list.iter().map(|consumer| consumer.id).collect();
            self.pins.assign(bucket, &ids)
        });
        match owner.and_then(|id| self.find(id)) {
            Some(consumer) if consumer.has_slot() => Choice::To(consumer.id),
            _ => Choice::OwnerFull,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(strategy: Strategy, buckets: &[u16], expected: &[Choice]) {
        let mut consumers = Consumers::new(strategy);
        for id in [1, 2] {
            consumers.join(Consumer::new(ConsumerId(id), String::new(), 2));
        }
        let chosen: Vec<Choice> = buckets
            .iter()
            .map(|bucket| {
                let choice = consumers.choose(*bucket);
                if let Choice::To(id) = choice {
                    consumers.pushed(id, *bucket, true);
                }
                choice
            })
            .collect();
        assert_eq!(chosen, expected, "{strategy:?}");
    }

    #[test]
    fn each_strategy_spreads_in_its_way() {
        let [a, b] = [Choice::To(ConsumerId(1)), Choice::To(ConsumerId(2))];
        let (owner_full, full) = (Choice::OwnerFull, Choice::AllFull);
        check(Strategy::DispatchToSingle, &[0; 5], &[a, a, b, b, full]);
        check(Strategy::RoundRobin, &[0; 5], &[a, b, a, b, full]);
        check(
            Strategy::Pinned,
            &[7, 7, 7, 8, 7, 8, 8],
            &[a, a, owner_full, b, owner_full, b, full],
        );
    }
}

//! Random lives of a group, each repeatable from its seed: whatever happens, nothing is lost, nobody holds more than its
//! slots, and no checkpoint passes an event that is not done with. Never checks who gets what.

use super::*;
use std::collections::BTreeSet;

/// A small generator, so that a seed means the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What an outside observer knows of a group.
#[derive(Default)]
struct World {
    /// What is at consumers.
    held: BTreeSet<i64>,
    delivered: BTreeSet<i64>,
    done: BTreeSet<i64>,
    consumers: BTreeSet<u64>,
    checkpoint: i64,
    pinned: bool,
}

impl World {
    /// Takes in what came out of the group, and compares with what the group says of itself.
    fn watch(&mut self, bench: &mut Bench, seen: &[String]) {
        for line in seen {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                [number, "to", consumer, ..] => {
                    self.pushed(number.parse().unwrap(), consumer.parse().unwrap())
                }
                ["park", number, ..] => {
                    let number = number.trim_end_matches(':').parse().unwrap();
                    assert!(
                        self.done.insert(number),
                        "{number} parked although it was done with"
                    );
                }
                ["checkpoint", position] => self.checkpointed(position.parse().unwrap()),
                _ => panic!("unexpected: {line}"),
            }
        }
        let info = bench.group.info(0);
        assert!(
            info.consumers
                .iter()
                .all(|consumer| consumer.in_flight <= consumer.slots)
        );
        let in_flight: usize = info
            .consumers
            .iter()
            .map(|consumer| consumer.in_flight)
            .sum();
        self.held = self
            .delivered
            .iter()
            .copied()
            .filter(|number| bench.group.holds(id(*number)))
            .collect();
        assert_eq!(
            (in_flight, info.outstanding),
            (self.held.len(), self.held.len())
        );
    }

    fn pushed(&mut self, number: i64, consumer: u64) {
        assert!(
            !self.done.contains(&number),
            "{number} delivered although it was done with"
        );
        assert!(
            self.consumers.contains(&consumer),
            "{consumer} gets something although it is gone"
        );
        self.delivered.insert(number);
    }

    fn checkpointed(&mut self, position: i64) {
        assert!(position > self.checkpoint);
        self.checkpoint = position;
        // Pinned groups of these servers pass over what waits for a full owner, and lose it at a restart.
        let mut before = 0..=position;
        let complete = before.all(|number| self.done.contains(&number));
        assert!(
            complete || self.pinned,
            "checkpoint {position} passes open events"
        );
    }
}

fn settings_of(random: &mut Random) -> Settings {
    let strategies = [
        Strategy::DispatchToSingle,
        Strategy::RoundRobin,
        Strategy::Pinned,
        Strategy::PinnedByCorrelation,
    ];
    let small = |random: &mut Random, bound| i32::try_from(random.below(bound)).unwrap();
    Settings {
        message_timeout_ms: small(random, 5) * 1_000,
        max_retry_count: small(random, 4),
        checkpoint_after_ms: small(random, 3) * 1_000,
        min_checkpoint_count: small(random, 4),
        max_checkpoint_count: small(random, 20),
        live_buffer_size: small(random, 12),
        read_batch_size: small(random, 8),
        history_buffer_size: 8 + small(random, 20),
        strategy: strategies[usize::try_from(random.below(4)).unwrap()],
        ..settings()
    }
}

fn step(random: &mut Random, bench: &mut Bench, world: &mut World) -> Vec<String> {
    let holder = world
        .held
        .iter()
        .nth(usize::try_from(random.below(4)).unwrap())
        .copied();
    match (random.below(8), holder) {
        (0..=2, Some(number)) => {
            world.done.insert(number);
            bench.ack(&[number])
        }
        (3, Some(number)) => {
            let action = [Nack::Retry, Nack::Park][usize::try_from(random.below(2)).unwrap()];
            bench.nack(number, action)
        }
        (4, _) if world.consumers.len() < 3 => {
            let consumer = 1 + random.below(1_000_000);
            world.consumers.insert(consumer);
            bench.join(consumer, 1 + usize::try_from(random.below(5)).unwrap())
        }
        (5, _) if world.consumers.len() > 1 => {
            let consumer = world.consumers.pop_first().unwrap();
            bench.leave(consumer)
        }
        (6, _) if bench.source.len() < 120 => {
            bench.write(i64::try_from(bench.source.len()).unwrap())
        }
        _ => bench.seconds(1),
    }
}

#[test]
fn nothing_is_lost_whatever_happens() {
    for seed in 0..100 {
        let mut random = Random(seed);
        let settings = settings_of(&mut random);
        let mut world = World {
            checkpoint: -1,
            pinned: matches!(
                settings.strategy,
                Strategy::Pinned | Strategy::PinnedByCorrelation
            ),
            ..World::default()
        };
        let mut bench = Bench::new(settings, i64::try_from(random.below(60)).unwrap());
        let mut seen = bench.run();
        for _ in 0..300 {
            world.watch(&mut bench, &seen);
            seen = step(&mut random, &mut bench, &mut world);
        }
        world.watch(&mut bench, &seen);
        world.consumers.insert(0);
        seen = bench.join(0, 1_000);
        loop {
            world.watch(&mut bench, &seen);
            let Some(&number) = world.held.first() else {
                break;
            };
            world.done.insert(number);
            seen = bench.ack(&[number]);
        }
        let all: BTreeSet<i64> = (0..i64::try_from(bench.source.len()).unwrap()).collect();
        assert_eq!(world.done, all, "seed {seed}: {:?}", bench.group.info(0));
        assert_eq!(world.delivered, all, "seed {seed}");
    }
}

//! The state machine of a group, driven step by step on a source of numbered events. Never touches a store.

mod delivery;
mod progress;
mod random;

use super::*;
use crate::groups::effect::Page;
use crate::groups::settings::Strategy;

/// A group, its source and what came out, as text.
struct Bench {
    group: Group<()>,
    source: Vec<Item<()>>,
    parked: i64,
    now_ms: i64,
}

fn settings() -> Settings {
    Settings {
        resolve_links: false,
        start: Position::Stream(0),
        extra_statistics: false,
        message_timeout_ms: 30_000,
        max_retry_count: 10,
        checkpoint_after_ms: 2_000,
        min_checkpoint_count: 10,
        max_checkpoint_count: 1_000,
        max_subscriber_count: 0,
        live_buffer_size: 500,
        read_batch_size: 20,
        history_buffer_size: 500,
        strategy: Strategy::DispatchToSingle,
    }
}

fn id(number: i64) -> Uuid {
    Uuid::from_u128(u128::try_from(number).unwrap())
}

fn event(revision: i64) -> Item<()> {
    Item {
        id: id(revision),
        position: Some(Position::Stream(revision)),
        bucket: u16::try_from(revision % 4).unwrap(),
        payload: (),
    }
}

impl Bench {
    fn new(settings: Settings, events: i64) -> Bench {
        let mut bench = Bench {
            group: Group::new(settings),
            source: (0..events).map(event).collect(),
            parked: 0,
            now_ms: 0,
        };
        bench.group.loaded(None, None);
        bench
    }

    /// Does what the group wants; what a consumer or the store sees of it, as text.
    fn run(&mut self) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some(effect) = self.group.next_effect() {
            match effect {
                Effect::Push {
                    consumer,
                    item,
                    retry,
                } => {
                    seen.push(format!(
                        "{} to {} retry {retry}",
                        item.id.as_u128(),
                        consumer.0
                    ));
                }
                Effect::Drop(consumer) => seen.push(format!("drop {}", consumer.0)),
                Effect::WriteCheckpoint(position) => seen.push(format!("checkpoint {position}")),
                Effect::Park { item, reason } => {
                    seen.push(format!(
                        "park {}: {}",
                        item.id.as_u128(),
                        reason.replace('\n', " ")
                    ));
                    self.group.parked(self.parked);
                    self.parked += 1;
                }
                Effect::ReadPage {
                    from: Position::Stream(from),
                    count,
                } => self.page(from, count),
                other => seen.push(format!("{other:?}")),
            }
        }
        seen
    }

    fn page(&mut self, from: i64, count: usize) {
        let rest = self
            .source
            .iter()
            .filter(|item| item.position >= Some(Position::Stream(from)));
        let items: Vec<Item<()>> = rest.take(count).cloned().collect();
        let next = items
            .last()
            .and_then(|item| item.position)
            .map_or(from, |last| match last {
                Position::Stream(revision) => revision + 1,
                Position::All { commit, .. } => commit,
            });
        let end = self
            .source
            .last()
            .is_none_or(|last| last.position < Some(Position::Stream(next)));
        self.group.page(
            self.now_ms,
            Page {
                items,
                next: Position::Stream(next),
                end,
                skipped: None,
            },
        );
    }

    fn join(&mut self, consumer: u64, slots: usize) -> Vec<String> {
        self.group.join(
            self.now_ms,
            Consumer::new(ConsumerId(consumer), String::new(), slots),
        );
        self.run()
    }

    fn leave(&mut self, consumer: u64) -> Vec<String> {
        self.group.leave(self.now_ms, ConsumerId(consumer));
        self.run()
    }

    fn ack(&mut self, numbers: &[i64]) -> Vec<String> {
        let ids: Vec<Uuid> = numbers.iter().copied().map(id).collect();
        self.group.ack(self.now_ms, &ids);
        self.run()
    }

    fn nack(&mut self, number: i64, action: Nack) -> Vec<String> {
        self.group
            .nack(self.now_ms, &[id(number)], action, "because");
        self.run()
    }

    fn write(&mut self, revision: i64) -> Vec<String> {
        self.source.push(event(revision));
        self.group.live(self.now_ms, event(revision));
        self.run()
    }

    /// Seconds pass, with a tick in each.
    fn seconds(&mut self, count: i64) -> Vec<String> {
        let mut seen = Vec::new();
        for _ in 0..count {
            self.now_ms += 1_000;
            self.group.tick(self.now_ms);
            seen.extend(self.run());
        }
        seen
    }
}

impl Group<()> {
    /// Whether an event is in flight.
    fn holds(&self, id: Uuid) -> bool {
        self.in_flight.contains(id)
    }
}

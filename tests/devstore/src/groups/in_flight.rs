//! Events that consumers hold: by id, by when their time is up, and by consumer. Never decides what becomes of one.

use super::consumers::ConsumerId;
use super::item::Message;
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// An event at a consumer.
#[derive(Debug)]
pub(crate) struct Held<E> {
    /// The event, with the number of deliveries before this one.
    pub(crate) message: Message<E>,
    /// Who holds it.
    pub(crate) consumer: ConsumerId,
    /// When it was pushed.
    pub(crate) since_ms: i64,
    expires_ms: i64,
}

/// All events in flight of one group.
#[derive(Debug)]
pub(crate) struct InFlight<E> {
    held: HashMap<Uuid, Held<E>>,
    by_expiry: BTreeSet<(i64, Uuid)>,
}

impl<E> InFlight<E> {
    /// Nothing in flight.
    pub(crate) fn new() -> InFlight<E> {
        InFlight {
            held: HashMap::new(),
            by_expiry: BTreeSet::new(),
        }
    }

    /// How many events are tracked.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether an event of this id is tracked.
    pub(crate) fn contains(&self, id: Uuid) -> bool {
        self.held.contains_key(&id)
    }

    /// Tracks an event that was pushed. An id that is tracked already must not come here.
    pub(crate) fn start(
        &mut self,
        message: Message<E>,
        consumer: ConsumerId,
        now_ms: i64,
        timeout_ms: i64,
    ) {
        let (id, expires_ms) = (message.item.id, now_ms.saturating_add(timeout_ms));
        self.by_expiry.insert((expires_ms, id));
        self.held.insert(
            id,
            Held {
                message,
                consumer,
                since_ms: now_ms,
                expires_ms,
            },
        );
    }

    /// Takes an event out.
    pub(crate) fn take(&mut self, id: Uuid) -> Option<Held<E>> {
        let held = self.held.remove(&id)?;
        self.by_expiry.remove(&(held.expires_ms, id));
        Some(held)
    }

    /// Takes out what has been held until now or longer than allowed, longest first.
    pub(crate) fn take_expired(&mut self, now_ms: i64) -> Vec<Held<E>> {
        let late: Vec<Uuid> = self
            .by_expiry
            .iter()
            .take_while(|(at, _)| *at <= now_ms)
            .map(|(_, id)| *id)
            .collect();
        late.into_iter().filter_map(|id| self.take(id)).collect()
    }

    /// Takes out what a consumer holds, in the order of the source.
    pub(crate) fn take_of(&mut self, consumer: ConsumerId) -> Vec<Held<E>> {
        let ids: Vec<Uuid> = self
            .held
            .iter()
            .filter(|(_, held)| held.consumer == consumer)
            .map(|(id, _)| *id)
            .collect();
        let mut taken: Vec<Held<E>> = ids.into_iter().filter_map(|id| self.take(id)).collect();
        taken.sort_by_key(|held| {
            (
                held.message.item.position.is_none(),
                held.message.item.position,
                held.since_ms,
            )
        });
        taken
    }
}

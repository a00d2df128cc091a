//! One event as a group handles it. Never holds more of its content than the payload it hands through.

use super::position::Position;
use uuid::Uuid;

/// An event of the group's source, or an entry of its parked stream that is replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item<E> {
    /// The id to acknowledge: the link's if there is a link.
    pub(crate) id: Uuid,
    /// Its place in the source; none for a replayed parked entry.
    pub(crate) position: Option<Position>,
    /// What pinned strategies go by: a number below [`super::pinned::BUCKETS`].
    pub(crate) bucket: u16,
    /// What is delivered.
    pub(crate) payload: E,
}

/// An item on its way: how often it was delivered before, and its place in the order of first deliveries.
#[derive(Clone, Debug)]
pub(crate) struct Message<E> {
    pub(crate) item: Item<E>,
    pub(crate) retry: i32,
    /// Given at the first delivery; replayed entries have none.
    pub(crate) sequence: Option<i64>,
}

impl<E> Message<E> {
    /// An item nobody has got yet.
    pub(crate) fn new(item: Item<E>) -> Message<E> {
        Message {
            item,
            retry: 0,
            sequence: None,
        }
    }

    /// The same for one more delivery.
    pub(crate) fn again(self) -> Message<E> {
        Message {
            retry: self.retry.saturating_add(1),
            ..self
        }
    }
}

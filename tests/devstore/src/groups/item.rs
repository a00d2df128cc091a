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

/// What comes before an item in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// What was delivered last, for the item goes out in its turn.
    Delivered,
    /// This, for later items went out before it; `None`: nothing.
    Place(Option<Position>),
}

/// An item on its way: how often it was delivered before, and whether it is counted as delivered.
#[derive(Clone, Debug)]
pub(crate) struct Message<E> {
    pub(crate) item: Item<E>,
    pub(crate) retry: i32,
    pub(crate) before: Before,
    /// It counts as progress from its first delivery on; replayed entries never do.
    pub(crate) counted: bool,
}

impl<E> Message<E> {
    /// An item nobody has got yet.
    pub(crate) fn new(item: Item<E>) -> Message<E> {
        Message {
            item,
            retry: 0,
            before: Before::Delivered,
            counted: false,
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

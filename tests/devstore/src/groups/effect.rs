//! What goes into the state machine of a group and what it wants done. Never does any of it.

use super::consumers::ConsumerId;
use super::item::Item;
use super::position::Position;

/// What the machine wants done. Answers come back as calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect<E> {
    /// Deliver an event to a consumer.
    Push {
        consumer: ConsumerId,
        item: Item<E>,
        retry: i32,
    },
    /// End a consumer's call: the group dropped it.
    Drop(ConsumerId),
    /// Read a page of the source; answered by [`super::group::Group::page`] or [`super::group::Group::page_failed`].
    ReadPage { from: Position, count: usize },
    /// Write a checkpoint.
    WriteCheckpoint(Position),
    /// Write an entry to the parked stream; answered by [`super::group::Group::parked`].
    Park { item: Item<E>, reason: String },
    /// Read parked entries from this revision on; answered by [`super::group::Group::parked_page`].
    ReadParked { from: i64, count: usize },
    /// Cut the parked stream off before this revision.
    TruncateParked { before: i64 },
}

/// A page of the source.
#[derive(Debug)]
pub(crate) struct Page<E> {
    /// Its events; on a filtered source only those that match.
    pub(crate) items: Vec<Item<E>>,
    /// Where the next page begins.
    pub(crate) next: Position,
    /// Nothing is behind it.
    pub(crate) end: bool,
    /// On a filtered source: a page without a match, where it began and how many events it examined.
    pub(crate) skipped: Option<(Position, i64)>,
}

/// What a consumer wants done with events it gives back (protocol §8.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nack {
    /// Deliver again; also what an unknown action means.
    Retry,
    /// Put into the parked stream.
    Park,
    /// As an acknowledgement; "stop" is the same on the real server.
    Skip,
}

/// Where the entries of the parked stream begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ParkedRange {
    /// The first revision that is not cut off.
    pub(crate) first: i64,
    /// The last revision.
    pub(crate) last: i64,
}

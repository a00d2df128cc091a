//! The changes of one stream's state that were read and are not done, and what came behind them.
//!
//! Events that the log brings after a deletion wait for it; after any other change they do not. Does no I/O.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::event::Event;
use crate::port::state::{Change, DeletionKind, Metadata, There};
use crate::port::{Expected, LogPosition, WriteId};

/// What the log showed of a stream's earlier metadata, at most.
const MOST_SEEN: usize = 8;

/// One record, in the order of the log.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// `$$S` was written.
    Change {
        /// `None`: the log did not show it, the state is looked at for another reason.
        position: Option<LogPosition>,
        /// Its revision in `$$S`; `None`: whatever is there.
        revision: Option<u64>,
        /// It may be a soft deletion.
        may_delete: bool,
    },
    /// S was deleted for good.
    Tombstone {
        /// `None`: the log did not show it, the stream was found to be deleted.
        position: Option<LogPosition>,
    },
    /// An event behind a deletion.
    Event(LogPosition, Box<Event>),
}

impl Item {
    /// It is the record of this revision of `$$S`.
    pub(super) fn is_of(&self, present: u64) -> bool {
        matches!(self, Self::Change { revision: Some(revision), .. } if *revision == present)
    }

    /// What comes after it waits for it, and it waits for what came before.
    pub(super) fn is_barrier(&self) -> bool {
        match self {
            Self::Change { may_delete, .. } => *may_delete,
            Self::Tombstone { .. } => true,
            Self::Event(..) => false,
        }
    }
}

/// A write as it was sent.
#[derive(Clone, Debug)]
pub(super) enum Sent {
    /// Metadata.
    Change {
        expected: Expected,
        change: Box<Change>,
        /// The stream was soft-deleted when it was looked up: the server may have written behind it.
        over_deletion: bool,
    },
    /// A tombstone.
    Tombstone { expected: Expected },
}

/// The changes of one stream.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) items: VecDeque<Item>,
    pub(super) attempts: u32,
    /// The source's metadata as it was read for the first item, and its place in the log.
    pub(super) here: Option<Box<(LogPosition, Metadata)>>,
    /// The source has no metadata: `here` says nothing.
    pub(super) has_none_here: bool,
    /// The last lookup.
    pub(super) there: Option<Box<There>>,
    /// The destination's stream was found to be the source's, and ends with this revision of it.
    pub(super) proven: Option<u64>,
    /// The destination's stream was found to be the source's.
    pub(super) is_ours: bool,
    /// The source knows no event of the stream.
    pub(super) was_never_written: bool,
    /// The revision of the event that is being compared.
    pub(super) compared: Option<u64>,
    pub(super) sent: Option<(WriteId, Sent)>,
    /// What the log showed of the metadata, but for `$tb`.
    pub(super) seen: VecDeque<Arc<str>>,
}

impl Pending {
    pub(super) fn new() -> Self {
        Self {
            items: VecDeque::new(),
            attempts: 0,
            here: None,
            has_none_here: false,
            there: None,
            proven: None,
            is_ours: false,
            was_never_written: false,
            compared: None,
            sent: None,
            seen: VecDeque::new(),
        }
    }

    /// The log showed this version.
    pub(super) fn note_seen(&mut self, rest: &Arc<str>) {
        if !self.seen.contains(rest) {
            if self.seen.len() == MOST_SEEN {
                self.seen.pop_front();
            }
            self.seen.push_back(rest.clone());
        }
    }

    /// Events of the stream have to wait: for a deletion, or behind others that do.
    pub(super) fn has_barrier(&self) -> bool {
        let keeps = |item: &Item| item.is_barrier() || matches!(item, Item::Event(..));
        self.items.iter().any(keeps)
    }

    /// The first item begins anew.
    pub(super) fn begin(&mut self) {
        self.here = None;
        self.has_none_here = false;
        self.there = None;
        self.proven = None;
        self.is_ours = false;
        self.was_never_written = false;
        self.compared = None;
        self.sent = None;
        self.attempts = 0;
    }

    /// The first item is a deletion, as far as is known.
    pub(super) fn deletes(&self) -> bool {
        let here = self.here.as_ref();
        match self.items.front() {
            Some(Item::Tombstone { .. }) => true,
            _ => here.is_some_and(|here| here.1.is_deletion()),
        }
    }

    /// The kind of deletion that the first item is.
    pub(super) fn kind(&self) -> DeletionKind {
        match self.items.front() {
            Some(Item::Tombstone { .. }) => DeletionKind::Tombstone,
            _ => DeletionKind::Soft,
        }
    }
}

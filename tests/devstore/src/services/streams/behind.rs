//! How a node that is behind the others shows a stream: without its newest events, or not at all.
//!
//! Never changes the stream; other calls, and reads of other streams, see everything.

use crate::faults::{FaultKind, Point};
use crate::node::Node;
use crate::services::admission::place;
use crate::store::{Store, StreamPage, StreamRead};

/// How much of a stream a read shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    All,
    /// The events up to this revision.
    UpTo(u64),
    /// No such stream.
    Nothing,
}

impl Shown {
    /// Lets a fault of stale pages strike this read.
    pub(super) fn of(node: &Node, call: &'static str, stream: &str) -> Self {
        let place = place(node, call, Some(stream));
        match node.cluster.faults.strike(Point::Page, place) {
            Some(FaultKind::StalePages { last: Some(last) }) => Self::UpTo(last),
            Some(FaultKind::StalePages { last: None }) => Self::Nothing,
            _ => Self::All,
        }
    }

    pub(super) fn read_forward(
        self,
        store: &Store,
        name: &str,
        from: u64,
        max: usize,
    ) -> StreamRead {
        match self {
            Self::All => store.read_forward(name, from, max),
            Self::UpTo(last) => shortened(store.read_forward(name, from, max), last, |page| {
                page.at_end |= page.next > last;
                page.next = page.next.min(last.saturating_add(1));
            }),
            Self::Nothing => StreamRead::NotFound,
        }
    }

    pub(super) fn read_backward(
        self,
        store: &Store,
        name: &str,
        from: Option<u64>,
        max: usize,
    ) -> StreamRead {
        match self {
            Self::All => store.read_backward(name, from, max),
            Self::UpTo(last) => {
                let from = from.map_or(last, |from| from.min(last));
                shortened(store.read_backward(name, Some(from), max), last, |_| {})
            }
            Self::Nothing => StreamRead::NotFound,
        }
    }
}

/// A page without the events after `last`; `mend` puts right where it goes on, if there were such events.
fn shortened(read: StreamRead, last: u64, mend: impl FnOnce(&mut StreamPage)) -> StreamRead {
    match read {
        StreamRead::Page(mut page) if page.last > last => {
            page.events.retain(|event| event.revision <= last);
            page.last = last;
            mend(&mut page);
            StreamRead::Page(page)
        }
        read => read,
    }
}

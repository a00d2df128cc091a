//! One write of either kind of append: its size, its turn, what is counted.
//!
//! Never says how it went in a message; that is each kind's own.

use std::time::Duration;

use uuid::Uuid;

use crate::faults::{FaultKind, Point};
use crate::limits::TooLarge;
use crate::node::Node;
use crate::services::admission::place;
use crate::store::{Expected, Proposed, Refused, Written};

/// A write that is complete.
pub(super) struct Write {
    pub(super) stream: String,
    pub(super) expected: Expected,
    pub(super) events: Vec<Proposed>,
}

/// Does a write at its turn.
pub(super) async fn write(
    node: &Node,
    call: &'static str,
    write: Write,
) -> Result<Written, Refused> {
    let turn = node.cluster.pace.book_write(write.events.len());
    let fault = node
        .cluster
        .faults
        .strike(Point::Write, place(node, call, Some(&write.stream)));
    if let Some(FaultKind::SlowAppend { ms }) = fault {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    if let Some(turn) = turn {
        node.cluster.pace.until(turn).await;
    }
    let outcome = store(node, write);
    if let Some(turn) = turn {
        node.cluster.pace.answer(turn).await;
    }
    outcome
}

/// Whether a write of this stream takes any time.
pub(super) fn takes_time(node: &Node, call: &'static str, stream: &str) -> bool {
    let place = place(node, call, Some(stream));
    !node.cluster.pace.is_free() || node.cluster.faults.peek(Point::Write, place).is_some()
}

/// Does a write now.
pub(super) fn store(node: &Node, write: Write) -> Result<Written, Refused> {
    let count = write.events.len() as u64;
    let outcome = node
        .store()
        .append(&write.stream, write.expected, write.events);
    if let Ok(written) = &outcome {
        node.tally.appended(count, written.recognised);
    }
    outcome
}

/// What an append counts for with its newest event.
pub(super) struct Size {
    id: Uuid,
    event: usize,
    append: usize,
}

impl Size {
    pub(super) fn new(newest: &Proposed, event: usize, append: usize) -> Self {
        Self {
            id: newest.id,
            event,
            append,
        }
    }
}

/// Whether one append to this stream may hold that much.
pub(super) fn size_limit(
    node: &Node,
    call: &'static str,
    stream: &str,
    size: Size,
) -> Result<(), TooLarge> {
    let limits = node.append_limit();
    if let Some(limit) = limits.event
        && size.event > limit
    {
        return Err(TooLarge::Event {
            id: size.id,
            size: size.event,
            limit,
        });
    }
    let limit = limits.append;
    if size.append > limit {
        return Err(TooLarge::Append { limit });
    }
    match node
        .cluster
        .faults
        .peek(Point::Size, place(node, call, Some(stream)))
    {
        Some((FaultKind::SizeLimit { bytes }, id))
            if size.append > bytes && node.cluster.faults.count(id) =>
        {
            Err(TooLarge::Append { limit: bytes })
        }
        _ => Ok(()),
    }
}

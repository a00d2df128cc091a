//! What a mirror keeps at the destination of the streams that it holds.
//!
//! Plain data. Never says where a stream stands at the destination: that is looked up.

use crate::event::StreamName;
use crate::port::{Expected, HeldReason, LogPosition};

/// Changes of the record of held streams in one write, at most.
pub const HELD_CHANGES: usize = 200;

/// Streams on record as held, at most: beyond it the mirror stops.
pub const HELD_STREAMS: usize = 10_000;

/// Bytes of their names and reasons, at most: beyond it the mirror stops.
pub const HELD_BYTES: usize = 8 * 1024 * 1024;

/// Bytes of a reason on record, at most.
pub const HELD_REASON_BYTES: usize = 500;

/// A stream that is held, as it stands on record at the destination: what the log brings of it is passed, and read again
/// from the stream once that can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldStream {
    /// Its name.
    pub stream: StreamName,
    /// The first revision that was held.
    pub revision: u64,
    /// Kind of the reason.
    pub kind: HeldReason,
    /// The reason in full, for the operator.
    pub reason: String,
    /// No event of it before this position was passed; `None`: not known, as of a record that an older ditto wrote.
    pub first: Option<LogPosition>,
}

/// A change of the record of held streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeldChange {
    /// It is held from now on; one that is on record already: the newer word counts.
    Held(HeldStream),
    /// It is held no longer: all of it is at the destination.
    Released(StreamName),
}

/// What a read of the record of held streams brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeldPage {
    /// The streams that are held now, all changes taken together.
    Held {
        /// In any order, each once.
        streams: Vec<HeldStream>,
        /// What the next change expects.
        expected: Expected,
    },
    /// There is an event that this ditto does not understand: text for the operator.
    Unreadable(String),
    /// No right to read it.
    Denied,
    /// No answer.
    Failed,
}

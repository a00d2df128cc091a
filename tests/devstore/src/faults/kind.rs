//! The kinds of faults, and where in a server each of them strikes.
//!
//! Only names; what a fault does is done where it strikes.

use serde::{Deserialize, Serialize};

/// What goes wrong.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Nothing listens: connections are refused. Not counted; limit it by time or remove it.
    RefuseConnections,
    /// New connections are accepted, and nothing is ever read from or written to them.
    HalfOpen,
    /// Calls fail with UNAVAILABLE.
    Unavailable,
    /// Calls fail as on a node that does not lead.
    NotLeader {
        /// Where the leader is said to be.
        host: String,
        /// Its port.
        port: u16,
    },
    /// Access is denied, in a batch append to the single write.
    AccessDenied,
    /// Calls are never answered.
    Unanswered,
    /// Open calls of many answers end with OK, which the real server never does.
    EndCleanly,
    /// Open calls of many answers end as for a consumer that is too slow.
    ConsumerTooSlow,
    /// A batch-append call ends with OK instead of an answer.
    BatchEnds {
        /// Whether the write was done.
        written: bool,
    },
    /// An answer of a batch append comes that much later.
    BatchLate {
        /// Milliseconds.
        ms: u64,
    },
    /// An answer of a batch append comes after the next one.
    BatchReordered,
    /// Before an answer of a batch append comes one to a correlation id that nobody waits for.
    BatchStray,
    /// A write of a batch append is done, and answered in-band with a timeout: the server does not know.
    BatchUndecided,
    /// A write of a batch append is refused in-band as by a server that is not ready.
    BatchNotReady,
    /// Writes take that much longer.
    SlowAppend {
        /// Milliseconds.
        ms: u64,
    },
    /// Appends may hold only that much data.
    SizeLimit {
        /// Bytes.
        bytes: usize,
    },
    /// Finite reads of a stream answer as on a node that is behind the others.
    StalePages {
        /// Last revision that the node has; `None`: it does not have the stream.
        last: Option<u64>,
    },
    /// A group delivers an event twice.
    DeliverTwice,
    /// A group delivers an event after the one that follows it.
    DeliverOutOfOrder,
    /// A group stores a checkpoint that lies that many events ahead.
    CheckpointAhead {
        /// Events.
        by: u64,
    },
    /// A group pushes nothing although there is more. Not counted; limit it by time or remove it.
    PushNothing,
    /// A group drops its consumers.
    DropConsumers,
    /// A group parks an event by itself and delivers the next one.
    ParkInstead,
}

/// Where in a server something may be struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// A connection that comes.
    Connection,
    /// A call that begins.
    Call,
    /// A call of many answers that is open.
    Running,
    /// Whether the caller may do that.
    Access,
    /// A write of a batch append.
    BatchWrite,
    /// An answer to a batch write.
    BatchAnswer,
    /// A write that is about to be done.
    Write,
    /// The size of a write.
    Size,
    /// A finite read of a stream.
    Page,
    /// An event that a group is about to push.
    Delivery,
    /// A checkpoint that a group is about to store.
    Checkpoint,
    /// A group that has something to push.
    Pushing,
    /// A group that has consumers.
    Joined,
}

impl FaultKind {
    pub(crate) fn point(&self) -> Point {
        match self {
            Self::RefuseConnections | Self::HalfOpen => Point::Connection,
            Self::Unavailable | Self::NotLeader { .. } | Self::Unanswered => Point::Call,
            Self::AccessDenied => Point::Access,
            Self::BatchNotReady => Point::BatchWrite,
            Self::EndCleanly | Self::ConsumerTooSlow => Point::Running,
            Self::BatchEnds { .. }
            | Self::BatchLate { .. }
            | Self::BatchReordered
            | Self::BatchStray
            | Self::BatchUndecided => Point::BatchAnswer,
            Self::SlowAppend { .. } => Point::Write,
            Self::SizeLimit { .. } => Point::Size,
            Self::StalePages { .. } => Point::Page,
            Self::DeliverTwice | Self::DeliverOutOfOrder | Self::ParkInstead => Point::Delivery,
            Self::CheckpointAhead { .. } => Point::Checkpoint,
            Self::PushNothing => Point::Pushing,
            Self::DropConsumers => Point::Joined,
        }
    }
}

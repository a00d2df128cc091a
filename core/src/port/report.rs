//! What happened, for logs and metrics, and a reading of the core for status.
//!
//! Never decides anything: the loop may drop it.

use std::sync::Arc;
use std::time::Duration;

use super::state::{DeletionKind, OnMetadataConflict};
use super::{LogPosition, Moment, Side};
use crate::event::{SkipReason, StreamName};

/// Why an event was found to be at the destination already. The word is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DuplicateReason {
    /// This process wrote or saw it.
    Known,
    /// A lookup, or the answer to the append, found it by its id.
    Found,
    /// Its revision is no longer readable at the destination.
    Unreadable,
}

impl DuplicateReason {
    /// Every reason: each is a label of its counter.
    pub const ALL: [Self; 3] = [Self::Known, Self::Found, Self::Unreadable];

    /// Returns the word for logs and for the metric label `reason`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Found => "found",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Why a stream is held. The word is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeldReason {
    /// The destination's stream holds something else.
    Conflict,
    /// The source no longer has what comes next.
    MissingHistory,
    /// The destination refuses an event.
    Refused,
    /// Nothing tells whether the destination's events, which cannot be read, are the source's.
    Unverified,
}

impl HeldReason {
    /// All of them, in the order of [`Status::held`].
    pub const ALL: [Self; 4] = [
        Self::Conflict,
        Self::MissingHistory,
        Self::Refused,
        Self::Unverified,
    ];

    /// The word used in logs and as the metric label `reason`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::MissingHistory => "missing_history",
            Self::Refused => "refused",
            Self::Unverified => "unverified",
        }
    }
}

/// What the pipeline as a whole is doing. The word is a metric label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PipelineState {
    /// Not joined yet, nothing known to be wrong.
    #[default]
    Connecting,
    /// Joined, and the destination answers.
    Running,
    /// One side does not answer; ditto keeps retrying.
    Retrying(Side),
    /// Another consumer has the group.
    Standby,
    /// Copies streams whose events may have been missed from the source's log; joins after that. Text for the operator.
    Searching(String),
    /// Cannot go on without an operator; looked at again every 30 s. Text for the operator.
    Stopped(String),
}

impl PipelineState {
    /// One of each, in the order in which STATUS counts them.
    pub const ALL: [Self; 6] = [
        Self::Connecting,
        Self::Running,
        Self::Searching(String::new()),
        Self::Retrying(Side::Source),
        Self::Standby,
        Self::Stopped(String::new()),
    ];

    /// Returns the word for STATUS, `/status` and the metric label `state`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Running => "running",
            Self::Retrying(_) => "retrying",
            Self::Standby => "standby",
            Self::Searching(_) => "searching",
            Self::Stopped(_) => "stopped",
        }
    }
}

/// Something that happened, for logs and metrics.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// The destination has the events of one append.
    Copied {
        /// Stream that the events are in, on both sides.
        stream: StreamName,
        /// Events, in the order of their revisions.
        events: Vec<CopiedEvent>,
        /// Time from the first sending of the append to its answer.
        took: Duration,
    },
    /// An event is already present at the destination.
    Duplicate {
        /// Stream of the event.
        stream: StreamName,
        /// Revision of the event.
        revision: u64,
        /// How ditto knows.
        reason: DuplicateReason,
    },
    /// An event has the same id and other content at the destination; reported each time that it is seen.
    Differs {
        /// Stream of the event.
        stream: StreamName,
        /// Revision of the event.
        revision: u64,
    },
    /// A delivery that is never copied, acknowledged.
    Skipped {
        /// Rule that leaves it out.
        reason: SkipReason,
    },
    /// An event was passed by policy: one of a held stream, or of a mirror one whose place a placeholder took before it came.
    Passed {
        /// Stream of the event.
        stream: StreamName,
        /// Revision of the event.
        revision: u64,
        /// Why the stream is held.
        reason: HeldReason,
    },
    /// An event was put into the group's parked queue.
    Parked {
        /// Stream of the event.
        stream: StreamName,
        /// Revision of the event.
        revision: u64,
        /// Kind of the reason.
        reason: HeldReason,
        /// The whole reason, as parked.
        text: String,
    },
    /// A stream is held: ditto no longer writes to it.
    Held {
        /// Stream that is held.
        stream: StreamName,
        /// First revision that cannot be written.
        revision: u64,
        /// Kind of the reason.
        reason: HeldReason,
        /// The reason in full, for the operator.
        text: String,
    },
    /// A held stream is copied again.
    Released {
        /// Stream that was held.
        stream: StreamName,
    },
    /// The destination's tail could not be compared: readable on one side only, or on none.
    Unverified {
        /// Stream whose tails were to be compared.
        stream: StreamName,
        /// Its tail at the destination.
        revision: u64,
    },
    /// The destination no longer shows events that the source shows, and the stream was proven to be the source's all the
    /// same. Told once a stream.
    Unreadable {
        /// Stream that the source shows and the destination does not.
        stream: StreamName,
        /// First revision that cannot be read.
        from: u64,
        /// The stream's last revision at the destination.
        tail: u64,
    },
    /// Another writer truncated the destination's stream, or deleted it while ditto wrote it, so that the next append
    /// revived it (protocol §5.1.12). Told once a stream.
    Truncated {
        /// Stream that was truncated or deleted.
        stream: StreamName,
        /// First revision that the destination shows.
        destination: u64,
        /// First revision that the source shows.
        source: u64,
    },
    /// With `skip_version_check`: a source event older than the newest one copied was appended behind it.
    Late {
        /// Stream of the event.
        stream: StreamName,
        /// Revision of the event at the source.
        revision: u64,
    },
    /// Events between the destination's tail and what was delivered are being read from the source.
    RepairStarted {
        /// Stream with the gap.
        stream: StreamName,
        /// First revision that is missing.
        from: u64,
        /// First revision that was delivered.
        to: u64,
    },
    /// A repair is done.
    RepairEnded {
        /// Stream with the gap.
        stream: StreamName,
        /// Events that the repair wrote.
        events: u64,
    },
    /// Without revisions at the destination: the source no longer has `from..to`, and the stream goes on behind it.
    PassedOver {
        /// Stream that continues after the gap.
        stream: StreamName,
        /// First revision that is missing.
        from: u64,
        /// First revision after the gap.
        to: u64,
    },
    /// Placeholders were written for events that the source no longer has.
    Placeholders {
        /// Stream with the placeholders.
        stream: StreamName,
        /// How many were written in this append.
        count: u64,
    },
    /// An event that the group never delivered and the destination did not have.
    Hole {
        /// The number in the subscription's stream.
        number: u64,
        /// Stream of the event.
        stream: StreamName,
        /// Revision of the event.
        revision: u64,
    },
    /// Numbers of the subscription's stream that can no longer be read and were not done: nothing is taken from the group
    /// until the streams of their events are found and copied.
    Unseen {
        /// First of them.
        from: u64,
        /// Last of them.
        to: u64,
    },
    /// The streams of these numbers were found in the log, and each is copied or held.
    UnseenFound {
        /// First of the numbers.
        from: u64,
        /// Last of them.
        to: u64,
        /// Events found in the log, copied before or now.
        events: u64,
    },
    /// Events of a plain stream under these numbers are gone from the source, and were not done.
    Gone {
        /// First of them.
        from: u64,
        /// Last of them.
        to: u64,
    },
    /// The operator accepted the loss of the events of these numbers.
    UnseenAccepted {
        /// First of them.
        from: u64,
        /// Last of them.
        to: u64,
    },
    /// The server parked this by itself; the entry stays.
    ServerParked {
        /// Entry in the parked stream.
        entry: u64,
        /// The server's reason.
        reason: String,
        /// Why there is nothing to copy; `None`: ditto copies it.
        never: Option<SkipReason>,
    },
    /// The parked stream may not be read.
    ParkedUnreadable,
    /// Metadata of a stream was copied.
    MetadataWritten {
        /// Stream that has it now.
        stream: StreamName,
    },
    /// A deletion was copied.
    Deleted {
        /// Stream that was deleted.
        stream: StreamName,
        /// How.
        kind: DeletionKind,
    },
    /// A deletion is not copied, by rule.
    DeletionPassed {
        /// Stream that was deleted at the source.
        stream: StreamName,
        /// How.
        kind: DeletionKind,
    },
    /// Metadata at the destination is somebody else's.
    MetadataConflict {
        /// Stream whose metadata it is.
        stream: StreamName,
        /// What becomes of it.
        policy: OnMetadataConflict,
    },
    /// Metadata of a stream could not be copied: why, for the operator.
    MetadataRefused {
        /// Stream whose metadata it is.
        stream: StreamName,
        /// The reason.
        why: String,
    },
    /// Metadata was not written because the stream has some already.
    MetadataKept {
        /// Stream that has metadata already.
        stream: StreamName,
    },
    /// The server redelivered an event in the same session, since it was not acknowledged in time.
    TimedOut {
        /// Event number of the delivery.
        number: u64,
    },
    /// The pipeline asked for another buffer size.
    BufferSize {
        /// Buffer size of the next session.
        buffer_size: u32,
    },
    /// A mirror wants more than the checkpoint before it was made for: the log is read again from its beginning.
    BeginsAgain,
    /// The pipeline's state changed.
    State(PipelineState),
}

/// One event of [`Report::Copied`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedEvent {
    /// The event's type as the source has it.
    pub event_type: Arc<str>,
    /// Its revision at the source.
    pub revision: u64,
    /// Its number in the subscription's stream, if it was delivered.
    pub number: Option<u64>,
    /// When the source stored it: ticks of 100 ns since 1970.
    pub created: i64,
    /// Not delivered, but read from the source to fill a gap.
    pub repaired: bool,
}

/// A reading of the core, for status, metrics and the stall detector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// What the pipeline as a whole is doing.
    pub state: PipelineState,
    /// Buffer size of the present or next session.
    pub buffer_size: u32,
    /// Streams that may have an append in flight.
    pub append_limit: u32,
    /// Appends sent and not answered.
    pub appends_in_flight: usize,
    /// Events in those appends.
    pub events_in_flight: usize,
    /// Events held, in flight or waiting.
    pub events_buffered: usize,
    /// Bytes of those events, as they count against `max_buffered_bytes`.
    pub bytes_buffered: usize,
    /// Whether the source answers; `None` before it was heard of.
    pub source_answers: Option<bool>,
    /// Whether the destination answers; `None` before it was heard of.
    pub destination_answers: Option<bool>,
    /// Highest number up to which everything is done; `None` before the first.
    pub done_up_to: Option<u64>,
    /// Last number of the subscription's stream, as last seen.
    pub last_number: Option<u64>,
    /// When the source stored the oldest event that is not acknowledged.
    pub oldest_created: Option<i64>,
    /// Grows with every outcome, repair page and hole page: what the stall detector watches.
    pub progress: u64,
    /// Until when nothing needs to happen, on purpose (throttle, back-off, a number that may still come): not a stall.
    pub waits_until: Option<Moment>,
    /// Held streams by reason, in the order of [`HeldReason::ALL`].
    pub held: [usize; 4],
    /// Up to 100 held streams with first bad revision and text.
    pub held_streams: Vec<(StreamName, u64, HeldReason, String)>,
    /// Streams being repaired.
    pub repairs: usize,
    /// How far the log is copied; `None` for other sources.
    pub log: Option<LogStatus>,
}

/// How far a log is copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogStatus {
    /// Everything up to here is done; `None`: nothing is.
    pub mark: Option<LogPosition>,
    /// Events that were handed out and are not done.
    pub open: usize,
    /// Everything that the node that is read had was handed out.
    pub caught_up: bool,
    /// Time since the last checkpoint that was accepted was first sent; `None`: none was.
    pub checkpoint_age: Option<Duration>,
}

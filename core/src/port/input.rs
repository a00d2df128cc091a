//! What the loop reports to the core.
//!
//! Plain data; an answer to an id that the core does not wait for is ignored.

use std::time::Duration;

use uuid::Uuid;

use super::log::LogInput;
use super::state::{ChangeId, StateInput};
use super::{AppendId, AppendOutcome, LookupId, Moment, ReadId, SessionId, Side, WriteId};
use crate::event::{Event, Item, StreamName};

/// What GetInfo says of the group, as far as the core decides by it (protocol §8.11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSeen {
    /// How long the server lets a delivery wait for its acknowledgement before it takes it back.
    pub message_timeout: Duration,
    /// After how many take-backs the server parks by itself.
    pub max_retry_count: u32,
    /// Number of the last event that the stored checkpoint covers; `None` without a checkpoint.
    pub checkpoint: Option<u64>,
    /// The group's configured start: `None` for "end".
    pub start: Option<u64>,
    /// The server's count of parked entries. It rises with each entry that the server parks, but does not fall when another
    /// program truncates the queue, and it may jump (protocol §8.8).
    pub parked: u64,
    /// Entries of the parked queue that can be read; `None`: the queue was not read, for example for want of permission.
    pub parked_readable: Option<u64>,
    /// Number of the last event in the subscription's stream, read over another connection; `None`: the stream is empty.
    pub last_number: Option<u64>,
}

impl GroupSeen {
    /// Events in the parked queue: those that can be read, or else the server's count.
    #[must_use]
    pub fn parked_events(&self) -> u64 {
        self.parked_readable.unwrap_or(self.parked)
    }
}

/// Why joining was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinRefusal {
    /// Another consumer has the group (maximum subscribers reached).
    Taken,
    /// There is no such group, and it may not be created.
    Missing,
    /// Wrong credentials or no permission to read the group.
    Denied,
    /// The group exists, but nothing can be copied through it as it is set up: text for the operator.
    Unsuitable(&'static str),
    /// No answer, not ready, not leader, no connection.
    Unavailable,
}

/// How a session in the subscription ended, or why ditto ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaveReason {
    /// The server ended it: dropped, restarted, connection lost.
    Ended,
    /// Deliveries would wait past the message timeout: nothing came from the destination, or polling is paused.
    Waiting,
    /// To join again with another buffer size.
    BufferSize,
    /// Nothing was delivered for long although there is more: a new session may bring it.
    Quiet,
    /// The pipeline stops.
    Stopping,
}

/// What a mirror's note in a stream's metadata says of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The change of the source that was copied; `None`: ditto only hid placeholders.
    pub of: Option<ChangeId>,
    /// Up to this revision the stream is the source's, or hidden as it is there; `None`: it held no event.
    pub to: Option<u64>,
}

/// What a lookup found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupResult {
    /// The stream exists. `last` is the number of its last event ever (readable or not); `events` are what was
    /// readable of the range asked for, ascending.
    Tail {
        /// Last event number (protocol §3.2 `last_stream_position`).
        last: u64,
        /// The readable events of the range asked for.
        events: Vec<Event>,
        /// `$tb` of the stream's metadata; `None`: none is set, or it was not asked for (searches).
        truncate_before: Option<u64>,
        /// A mirror copied the stream's metadata; `None`: none did, or it was not asked for.
        copied: Option<Copied>,
    },
    /// The stream does not exist (and is not soft-deleted, where metadata was asked for).
    NotFound,
    /// `$tb` of its metadata says that it was soft-deleted: by a mirror, as the source was, or by somebody else. A stream that
    /// was empty then and holds events all the same counts as deleted by somebody else.
    SoftDeleted(Option<Copied>),
    /// It was tombstoned.
    Tombstoned,
    /// The metadata says nothing of a deletion: the answer to [`LookupRange::Metadata`].
    NotDeleted,
    /// No right to read it; to [`super::Command::Recognise`]: to write it.
    Denied,
    /// No right to read its metadata, which tells whether it was deleted.
    MetadataDenied,
    /// This stream cannot be read, for a lasting reason: the server's own words.
    Refused(String),
    /// The answer to [`super::Command::Recognise`]: the destination's stream holds this event at its revision.
    Recognised,
    /// The answer to [`super::Command::Recognise`]: it holds another event there.
    Foreign,
    /// The answer to [`super::Command::Recognise`]: the server cannot be asked, for this reason.
    Unproven(String),
    /// No answer, or none that says anything about the stream.
    Failed,
}

/// Whether the user may write a stream: the answer to [`super::Command::AskRights`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rights {
    /// The server judged the write by its expected revision: rights are there.
    Allowed,
    /// No right to write it.
    Denied,
    /// No answer, or none that says anything about rights.
    Unknown,
}

/// What a read of a source stream brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourcePage {
    /// Readable events in the direction asked for; `last` is the stream's last event number.
    Events {
        /// Readable events, in reading order. May be fewer than asked for; empty if the range holds none.
        events: Vec<Event>,
        /// Number of the stream's last event.
        last: u64,
    },
    /// The node that was asked knows no such stream and no deletion of it: it may only be behind, so this says nothing of
    /// a stream that is known to exist.
    NotFound,
    /// The metadata of the same node says that it was soft-deleted.
    SoftDeleted,
    /// It was tombstoned.
    Tombstoned,
    /// No right to read it.
    Denied,
    /// This stream cannot be read, for a lasting reason, while the same node answers other reads: text for the operator.
    Refused(String),
    /// No answer in time, or one that says nothing: it is asked again.
    Failed,
}

/// What a read of the subscription's own stream brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkPage {
    /// What is readable from the number asked for on, ascending.
    Items {
        /// Number in the subscription's stream, and what stands there.
        items: Vec<(u64, Item)>,
        /// Number of the stream's last event.
        last: u64,
    },
    /// The node that was asked knows no such stream and no deletion of it; it may only be behind.
    NotFound,
    /// It was deleted, softly or for good: the metadata of the same node, or a tombstone, says so.
    Deleted,
    /// No right to read it.
    Denied,
    /// No answer in time, or one that says nothing: it is asked again.
    Failed,
}

/// One entry of the group's parked stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedEntry {
    /// Its revision in the parked stream.
    pub entry: u64,
    /// The reason as stored, the server's prefix included (protocol §8.6, §8.8).
    pub reason: String,
    /// What was parked. The link that was parked tells it; the entry names that link's target alone.
    pub item: Item,
}

/// What a read of the group's parked stream brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParkedPage {
    /// Ascending from the entry asked for; may be fewer than asked for. Empty: the end.
    Entries(Vec<ParkedEntry>),
    /// The parked stream was tombstoned: what is parked is lost (protocol §8.8).
    Tombstoned,
    /// No right to read it: the server's own parking cannot be seen.
    Denied,
    /// No answer in time, or one that says nothing: it is asked again.
    Failed,
}

/// A record's position in the server's log: the pair that the server gave, never made up (protocol §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition {
    /// Bytes from the log's beginning to the commit of the record.
    pub commit: u64,
    /// Bytes from the log's beginning to the record itself; at most the commit.
    pub prepare: u64,
}

/// What a search of the log found: the answer to [`super::Command::SearchLog`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogPage {
    /// Events of the part of the log that this page covers, whether their streams still show them or not.
    Events {
        /// Stream and revision of each, in the order of the log.
        found: Vec<(StreamName, u64)>,
        /// Where the next page begins; `None`: this was the last one.
        next: Option<LogPosition>,
    },
    /// The log cannot tell which streams there were: why, for the operator.
    Unsearchable(String),
    /// No answer in time, or one that says nothing: it is asked again.
    Failed,
}

/// How a write of metadata was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetadataOutcome {
    /// `$$S` is written.
    Written,
    /// The stream has metadata already: it stays as it is.
    Exists,
    /// No right to write it.
    Denied,
    /// No answer, or the server was not ready.
    NoAnswer,
}

/// What the loop reports.
#[derive(Clone, Debug)]
pub enum Input {
    /// Confirmed by the server. `buffer_size` is the buffer size that was asked for.
    Joined {
        /// The new session.
        session: SessionId,
        /// Buffer size of this session.
        buffer_size: u32,
        /// The group as it was just before joining.
        group: GroupSeen,
    },
    /// Joining did not succeed.
    Refused {
        /// Decides whether ditto joins again later, stands by or stops.
        why: JoinRefusal,
    },
    /// The session is over; nothing of it will come or be sent any more.
    Left {
        /// The session that is over.
        session: SessionId,
        /// [`LeaveReason::Ended`] if the server ended it, otherwise the reason of the command.
        why: LeaveReason,
    },
    /// The subscription handed something over.
    Delivery {
        /// The session that it came over.
        session: SessionId,
        /// What to acknowledge: the link's id if it came through a link (protocol §8.6).
        ack: Uuid,
        /// Number of the original event in the subscription's stream; `None` for a replayed parked entry.
        number: Option<u64>,
        /// What it is.
        item: Item,
    },
    /// An append was answered.
    Appended {
        /// [`Append::id`](super::Append::id) of the append that is answered.
        append: AppendId,
        /// The destination's answer, or that none came in time.
        outcome: AppendOutcome,
    },
    /// A batch call ended, or was given up; these appends were in flight on it.
    CallEnded {
        /// The lane whose call it was; a stream's appends always go over the same one.
        lane: u32,
        /// Appends without an answer, in the order of sending.
        unanswered: Vec<AppendId>,
        /// It was given up because it gave no answer for too long: that names no culprit, for a server without a
        /// leader answers reads and leaves appends unanswered (protocol §14.2).
        silent: bool,
        /// The server's own words for it, or what ditto found.
        said: String,
    },
    /// A lookup was answered.
    LookedUp {
        /// The id that [`Command::Lookup`](super::Command::Lookup) or [`Recognise`](super::Command::Recognise) gave it.
        lookup: LookupId,
        /// What it found.
        result: LookupResult,
    },
    /// Rights were asked for and answered.
    RightsSeen {
        /// The id that [`Command::AskRights`](super::Command::AskRights) gave it.
        ask: LookupId,
        /// What the server said.
        rights: Rights,
    },
    /// A read of a source stream was answered.
    SourceRead {
        /// The id that the command of this read gave it.
        read: ReadId,
        /// What it brought.
        page: SourcePage,
    },
    /// A read of the subscription's stream was answered.
    LinksRead {
        /// The id that the command of this read gave it.
        read: ReadId,
        /// What it brought.
        page: LinkPage,
    },
    /// A read of the parked stream was answered.
    ParkedRead {
        /// The id that the command of this read gave it.
        read: ReadId,
        /// What it brought.
        page: ParkedPage,
    },
    /// A search of the log was answered.
    LogSearched {
        /// The id that the command of this read gave it.
        read: ReadId,
        /// What it found.
        page: LogPage,
    },
    /// A write of metadata was answered.
    MetadataDone {
        /// The id that [`Command::WriteMetadata`](super::Command::WriteMetadata) gave it.
        write: WriteId,
        /// Whether `$$S` is there now, and whose it is.
        outcome: MetadataOutcome,
    },
    /// The group as GetInfo shows it now, with the stream's last number.
    GroupSeen(GroupSeen),
    /// GetInfo could not be had.
    GroupUnseen(JoinRefusal),
    /// Bytes that this pipeline may hold in events from now on.
    Budget {
        /// This pipeline's share of `max_buffered_bytes`.
        bytes: usize,
    },
    /// The answer to a probe.
    Reachable {
        /// The server that was asked.
        side: Side,
        /// Whether it answered a read.
        reachable: bool,
    },
    /// What a source that reads the log says.
    Log(LogInput),
    /// What is learnt of metadata and deletions.
    State(StateInput),
    /// The time of [`Command::WakeAt`] has come, or the loop's own second passed.
    Tick,
    /// Stop: take nothing more, finish what is in flight until `deadline`.
    Stop {
        /// When to give up.
        deadline: Moment,
    },
}

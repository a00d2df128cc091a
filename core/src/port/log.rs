//! What a source that reads the log, `$all`, says and is asked: records, positions, epochs, and what is kept at the
//! destination: the checkpoint, and the streams that are held (`held`).
//!
//! Plain data. Positions are the pairs that a server gave, never completed or made up (protocol §3.3).

mod held;

use std::fmt;

use uuid::Uuid;

use super::state::Metadata;
use super::{AppendOutcome, Expected, LogPosition, ReadId, SessionId, WriteId};
use crate::event::{Event, StreamName};

pub use self::held::{
    HELD_BYTES, HELD_CHANGES, HELD_REASON_BYTES, HELD_STREAMS, HeldChange, HeldPage, HeldStream,
};

/// A record of the log, by what tells it from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it stands.
    pub position: LogPosition,
    /// The stream that it is in.
    pub stream: StreamName,
    /// Its revision there.
    pub revision: u64,
    /// The event's id, which tells it from another event that a restored source has at the same place.
    pub id: Uuid,
}

impl Record {
    /// The record of an event at its position.
    #[must_use]
    pub fn of(event: &Event, position: LogPosition) -> Self {
        Self {
            position,
            stream: event.stream.clone(),
            revision: event.revision,
            id: event.id,
        }
    }
}

/// A place in the log after which a copy may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The position of a record that was read, or one that the server named while it looked through others.
    pub position: LogPosition,
    /// The last record that was read at the position or before it: what the position can be recognised by; `None`: none.
    pub record: Option<Record>,
}

/// A position, and the newest epoch at or before it when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// A position of the log.
    pub position: LogPosition,
    /// The epoch that it lies in.
    pub epoch: Uuid,
}

/// The time of one leader (protocol §15.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Chosen by the leader, never used twice.
    pub id: Uuid,
    /// Commit position of its record.
    pub position: u64,
}

/// The epoch that a position lies in: the newest one that begins at or before it; `None`: no such is known.
#[must_use]
pub fn epoch_of(epochs: &[Epoch], position: LogPosition) -> Option<Uuid> {
    let before = epochs
        .iter()
        .filter(|epoch| epoch.position <= position.commit);
    Some(before.max_by_key(|epoch| epoch.position)?.id)
}

/// The process that copies a mirror, as it stands in the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// For people: machine and process.
    pub name: String,
    /// Chosen at the process's start, never used twice.
    pub instance: Uuid,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What a mirror keeps at the destination: how far it is, in which log, under which rules, and who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Everything up to here is done; `None`: nothing is.
    pub mark: Option<Mark>,
    /// The epoch of the mark; `None`: the source does not let epochs be read, or there is no mark.
    pub mark_epoch: Option<Uuid>,
    /// The highest position that was handed out when the checkpoint before this one was there, with its epoch.
    pub highest: Option<Proof>,
    /// The first epoch of the log: what tells a stranger while nothing else is known.
    pub origin: Option<Uuid>,
    /// It only says who holds the mirror now; mark and highest position are those of the checkpoint before it.
    pub taken_over: bool,
    /// Its holder wrote it as the last one, with nothing in flight: whoever wants the mirror may take it over at once.
    pub released: bool,
    /// The rules that decide what is copied, in canonical form.
    pub rules: String,
    /// Who wrote it.
    pub holder: Holder,
}

/// Why the log cannot be read from a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogRefusal {
    /// The position is none of this log (protocol §16: UNKNOWN or INVALID_ARGUMENT). Never an outage.
    NoPosition,
    /// No right to read `$all`.
    Denied,
    /// No answer, no node that may be read, no connection.
    Unavailable,
}

/// What a read of the record at a position brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordPage {
    /// The first record at the position or after it.
    Found(Box<(LogPosition, Event)>),
    /// The log ends before the position.
    End,
    /// It cannot be read from there.
    Refused(LogRefusal),
}

/// What a search of the leader's log for events of one stream found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchPage {
    /// A part of the log was looked through.
    Searched {
        /// Events of that stream and where they stand, ascending; those of the part up to the last one named here.
        found: Vec<(LogPosition, Event)>,
        /// Where the next part begins, inclusive; `None`: the log ends.
        next: Option<LogPosition>,
    },
    /// The position is none of this log.
    NoPosition,
    /// No answer.
    Failed,
}

/// What a read of the source's epochs brought, all of the leader's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EpochsPage {
    /// Every epoch, and the position of the log's last record.
    Epochs {
        /// In any order; empty: the server keeps none.
        epochs: Vec<Epoch>,
        /// The last record's position.
        end: LogPosition,
    },
    /// No right to read them.
    Denied,
    /// No answer in time, or one that says nothing: it is asked again.
    Failed,
}

/// What a read of the checkpoint's stream brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckpointPage {
    /// The newest one.
    Newest {
        /// Its revision in the checkpoint's stream.
        revision: u64,
        /// What it says.
        checkpoint: Box<Checkpoint>,
        /// Its holder was a process of this machine, since its last start, and is gone.
        is_gone: bool,
    },
    /// There is none yet; the stream's last revision, if it had events before.
    None {
        /// What the next one expects.
        expected: Expected,
    },
    /// The newest event is none that this ditto understands: text for the operator.
    Unreadable(String),
    /// No right to read it.
    Denied,
    /// No answer in time, or one that says nothing: it is asked again.
    Failed,
}

/// What a source that reads the log reports.
#[derive(Clone, Debug)]
pub enum LogInput {
    /// The subscription is open.
    Opened {
        /// The new session.
        session: SessionId,
    },
    /// The subscription could not be opened.
    Refused {
        /// Decides whether ditto opens it again, or stops.
        why: LogRefusal,
    },
    /// The subscription is over.
    Ended {
        /// The session that is over.
        session: SessionId,
        /// Why; `None`: it was left, or the server ended it.
        why: Option<LogRefusal>,
    },
    /// A connection to the source was opened: nothing of it is believed before [`LogCommand::Trust`].
    Reconnected,
    /// A record that the filter matches.
    Record {
        /// The session that it came over.
        session: SessionId,
        /// Where it stands.
        position: LogPosition,
        /// What it is.
        event: Box<Event>,
    },
    /// A record of a metadata stream `$$S` that the filter matches, for a mirror that copies metadata.
    State {
        /// The session that it came over.
        session: SessionId,
        /// Where it stands.
        position: LogPosition,
        /// The stream S.
        stream: StreamName,
        /// What it says of it.
        metadata: Box<Metadata>,
    },
    /// The server has looked through everything up to this position.
    LookedThrough {
        /// The session that it came over.
        session: SessionId,
        /// Up to where.
        position: LogPosition,
    },
    /// The server has handed over everything that it has, or has fallen behind again.
    CaughtUp {
        /// The session that it came over.
        session: SessionId,
        /// Whether everything was handed over.
        caught_up: bool,
    },
    /// The record at a position was read.
    RecordRead {
        /// The id that the command of this read gave it.
        read: ReadId,
        /// What it brought.
        page: RecordPage,
    },
    /// A part of the log was searched for a stream's events.
    StreamSearched {
        /// Which read.
        read: ReadId,
        /// What it found.
        page: SearchPage,
    },
    /// The epochs were read.
    EpochsRead {
        /// The id that the command of this read gave it.
        read: ReadId,
        /// What it brought.
        page: EpochsPage,
    },
    /// The newest checkpoint was read.
    CheckpointRead {
        /// The id that the command of this read gave it.
        read: ReadId,
        /// What it brought.
        page: CheckpointPage,
    },
    /// A checkpoint was written, or not.
    CheckpointWritten {
        /// The id that the command of this write gave it.
        write: WriteId,
        /// How it was answered.
        outcome: AppendOutcome,
    },
    /// The record of held streams was read.
    HeldRead {
        /// The id that the command of this read gave it.
        read: ReadId,
        /// What it brought.
        page: HeldPage,
    },
    /// Changes of the record of held streams were written, or not.
    HeldWritten {
        /// The id that the command of this write gave it.
        write: WriteId,
        /// How it was answered; written: the revision of the last change's event.
        outcome: AppendOutcome,
    },
}

/// What a source that reads the log is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogCommand {
    /// Subscribe to the log after this position; `None`: from its beginning. Answered once, with [`LogInput::Opened`] or
    /// [`LogInput::Refused`], and not asked again before that, nor while a subscription is open.
    Open {
        /// The record at this position is not delivered again.
        after: Option<LogPosition>,
    },
    /// Read one record at this position, without a filter. [`LogInput::RecordRead`].
    ReadRecord {
        /// Id for the answer.
        read: ReadId,
        /// The position of the record itself.
        at: LogPosition,
    },
    /// Search the leader's log for events of one stream, whether the stream still shows them or not.
    /// [`LogInput::StreamSearched`].
    SearchStream {
        /// Id for the answer.
        read: ReadId,
        /// The stream whose events are wanted.
        stream: StreamName,
        /// Where to begin, inclusive; `None`: at the log's beginning.
        at: Option<LogPosition>,
        /// Events below this revision are not wanted.
        from: u64,
        /// Nothing is wanted after the first event of this revision or a higher one; `None`: up to the log's end.
        to: Option<u64>,
        /// Stop when this many bytes of events were found (at least one event is brought).
        max_bytes: usize,
    },
    /// Read the leader's epochs. [`LogInput::EpochsRead`].
    ReadEpochs {
        /// Id for the answer.
        read: ReadId,
    },
    /// The source is the copied one, as these epochs show: what comes over the connections that were open when they were
    /// read is believed. Until then every other read of the source fails.
    Trust {
        /// The read that brought them.
        read: ReadId,
    },
    /// Read the newest checkpoint. [`LogInput::CheckpointRead`].
    ReadCheckpoint {
        /// Id for the answer.
        read: ReadId,
    },
    /// Write a checkpoint; asked for again under the same id, it is the same event. [`LogInput::CheckpointWritten`].
    WriteCheckpoint {
        /// Id for the answer, and what the event's id is made of.
        write: WriteId,
        /// The revision before it.
        expected: Expected,
        /// What it says.
        checkpoint: Box<Checkpoint>,
    },
    /// Read the record of held streams. [`LogInput::HeldRead`].
    ReadHeld {
        /// Id for the answer.
        read: ReadId,
    },
    /// Write changes of the record of held streams, all or none; asked for again under the same id, they are the same
    /// events. [`LogInput::HeldWritten`].
    WriteHeld {
        /// Id for the answer, and what the events' ids are made of.
        write: WriteId,
        /// The revision before them.
        expected: Expected,
        /// In this order; at least one, at most [`HELD_CHANGES`].
        changes: Vec<HeldChange>,
    },
    /// The lease is over: nothing that was sent and is not at the destination may arrive there later. Its connections are
    /// aborted, which blames no append; writes wait.
    Abort,
}

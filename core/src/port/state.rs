//! What a stream is beside its events: its metadata, a soft deletion among it, and whether it was deleted for good.
//!
//! Plain data, for mirrors. Metadata is state and no history: `$$S` shows only its newest event (protocol §5.2, §15.3).

use std::sync::Arc;

use uuid::Uuid;

use super::log::{EpochsPage, RecordPage};
use super::{AppendOutcome, Expected, LogPosition, LookupId, ReadId, WriteId};
use crate::event::{Event, StreamName};

/// `$tb` of a stream that was soft-deleted (protocol §15.4).
pub const SOFT_DELETED: u64 = i64::MAX as u64;

/// Namespace of the ids of metadata that says nothing.
const NO_METADATA: Uuid = Uuid::from_u128(0x6469_7474_6f00_4d65_7461_2d6e_6f6e_6501);

/// Metadata of a stream S: the newest event of `$$S`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// As it is stored, with its revision in `$$S`.
    pub event: Event,
    /// `$tb`, if it says one that counts.
    pub truncate_before: Option<u64>,
    /// Everything else that it says, in one form for all ways to write it: JSON without blanks, keys sorted, numbers as the
    /// server writes them, `$tb` left out. What no server reads as metadata says nothing, which is `{}`.
    pub rest: Arc<str>,
    /// What ditto noted when it copied it; `None`: somebody else wrote it.
    pub note: Option<Note>,
}

impl Metadata {
    /// What a stream without metadata has: it says nothing.
    #[must_use]
    pub fn none(stream: &StreamName) -> Self {
        let stream = stream.metadata_stream();
        Self {
            event: Event {
                id: Uuid::new_v5(&NO_METADATA, stream.as_str().as_bytes()),
                stream,
                revision: 0,
                event_type: "$metadata".into(),
                is_json: true,
                data: bytes::Bytes::from_static(b"{}"),
                metadata: bytes::Bytes::new(),
                created: 0,
            },
            truncate_before: None,
            rest: "{}".into(),
            note: None,
        }
    }

    /// The stream is soft-deleted by it.
    #[must_use]
    pub fn is_deletion(&self) -> bool {
        self.truncate_before == Some(SOFT_DELETED)
    }
}

/// What ditto writes into the custom metadata of a state that it copies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// Which state of the source it is; `None`: none yet, ditto only hid placeholders.
    pub of: Option<ChangeId>,
    /// The stream's last revision when it was written, up to which it is the source's; `None`: it held no event.
    pub last: Option<u64>,
    /// There are placeholders below this revision, which `$tb` hides; `None`: there are none.
    pub filled_below: Option<u64>,
}

/// A change of a stream's state, by its place in the log that it was made in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeId {
    /// The epoch of its position; `None`: the source does not let epochs be read.
    pub epoch: Option<Uuid>,
    /// The first epoch of the log, which tells one that was cut from another one; `None` as above.
    pub log: Option<Uuid>,
    /// Where `$$S` was written.
    pub position: LogPosition,
    /// The revision in `$$S`.
    pub revision: u64,
}

/// What the destination has of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct There {
    /// How the stream ends.
    pub end: End,
    /// The id of its last event; `None`: it shows none, or not that one.
    pub last_id: Option<Uuid>,
    /// Its metadata; `None`: there never was any.
    pub metadata: Option<Metadata>,
    /// The server wrote that metadata when an append revived the stream: it has no note, and the event at its `$tb` was
    /// stored at the same time (protocol §5.1.7).
    pub is_revived: bool,
}

impl There {
    /// What ditto noted in its metadata, if it wrote it.
    #[must_use]
    pub fn note(&self) -> Option<&Note> {
        self.metadata.as_ref()?.note.as_ref()
    }
}

/// How a stream of the destination ends. A truncated stream ends as if it were not (protocol §15.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It never held an event.
    Empty,
    /// With this revision.
    At(u64),
    /// It is soft-deleted; `None`: it never held an event.
    SoftDeleted(Option<u64>),
    /// It was deleted for good.
    Tombstoned,
}

impl End {
    /// The last revision; `None`: it never held an event, or it was deleted for good.
    #[must_use]
    pub fn last(self) -> Option<u64> {
        match self {
            Self::At(last) | Self::SoftDeleted(Some(last)) => Some(last),
            Self::Empty | Self::SoftDeleted(None) | Self::Tombstoned => None,
        }
    }
}

/// A change as ditto writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The source's event of `$$S`: its id, type, flag and bytes.
    pub event: Event,
    /// What `$tb` must be where that is not what the event says; the rest stays as it is.
    pub truncate_before: Option<Option<u64>>,
    /// Goes into the custom metadata.
    pub note: Note,
}

/// What a read of a stream's metadata at the source's leader brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatePage {
    /// The newest, and its place in the log.
    Found(Box<(LogPosition, Metadata)>),
    /// There is none.
    None,
    /// The stream was deleted for good, and its metadata with it.
    Tombstoned,
    /// No right to read it.
    Denied,
    /// No answer.
    Failed,
}

/// What a look at a stream's state at the destination brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateFound {
    /// It was seen.
    There(Box<There>),
    /// No right to read it.
    Denied,
    /// No answer.
    Failed,
}

/// What the loop reports of states.
#[derive(Clone, Debug)]
pub enum StateInput {
    /// The source's metadata of a stream was read.
    SourceRead {
        /// Which read.
        read: ReadId,
        /// What it brought.
        page: StatePage,
    },
    /// The last event of a stream before a position was looked for.
    LastRead {
        /// Which read.
        read: ReadId,
        /// The event; [`RecordPage::End`]: the log has none.
        page: RecordPage,
    },
    /// The destination's epochs were read.
    EpochsRead {
        /// Which read.
        read: ReadId,
        /// What it brought.
        page: EpochsPage,
    },
    /// The destination's state was looked up.
    LookedUp {
        /// Which lookup.
        lookup: LookupId,
        /// What it found.
        found: StateFound,
    },
    /// A state was written, or not; of a tombstone, [`AppendOutcome::Written`] names no revision.
    Written {
        /// Which write.
        write: WriteId,
        /// How it was answered.
        outcome: AppendOutcome,
    },
}

/// What the loop is told to do with states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateCommand {
    /// Read `$$S` of the source's leader: [`StateInput::SourceRead`].
    ReadSource {
        /// Id for the answer.
        read: ReadId,
        /// The stream S.
        stream: StreamName,
    },
    /// Read the last event of a stream that stands before this position in the source's log, backwards, also if the stream
    /// does not show it; a tombstone is none. A scavenge keeps it (protocol §15.6). [`StateInput::LastRead`].
    ReadLast {
        /// Id for the answer.
        read: ReadId,
        /// The stream S.
        stream: StreamName,
        /// Exclusive; `None`: at the log's end.
        before: Option<LogPosition>,
        /// Later revisions are not wanted; `None`: the last one, whatever it is.
        revision: Option<u64>,
    },
    /// Read the epochs of the destination's leader: which changes of the source were copied to it from there.
    /// [`StateInput::EpochsRead`].
    ReadEpochs {
        /// Id for the answer.
        read: ReadId,
    },
    /// Look how the destination's stream ends, and at its metadata: [`StateInput::LookedUp`].
    LookUp {
        /// Id for the answer.
        lookup: LookupId,
        /// The stream S.
        stream: StreamName,
    },
    /// Append to `$$S` at the destination; asked for again under the same id, it is the same event.
    /// [`StateInput::Written`].
    Write {
        /// Id for the answer.
        write: WriteId,
        /// The stream S.
        stream: StreamName,
        /// The revision before it in `$$S`.
        expected: Expected,
        /// What is written.
        change: Box<Change>,
    },
    /// Delete the destination's stream for good: [`StateInput::Written`].
    Tombstone {
        /// Id for the answer.
        write: WriteId,
        /// The stream S.
        stream: StreamName,
        /// The stream's last revision (protocol §15.5).
        expected: Expected,
    },
}

/// Which deletions are copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deletions {
    /// None; `$tb` is not followed either, since a revival cannot be told from a truncation.
    None,
    /// Soft deletions.
    #[default]
    Soft,
    /// Tombstones, too, which are for ever.
    All,
}

impl Deletions {
    /// Each of them, from the fewest deletions to the most.
    pub const ALL: [Self; 3] = [Self::None, Self::Soft, Self::All];

    /// The word of the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Soft => "soft",
            Self::All => "all",
        }
    }
}

/// What becomes of somebody else's metadata at the destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnMetadataConflict {
    /// It stays.
    #[default]
    Keep,
    /// The source's takes its place.
    Overwrite,
}

/// What a mirror makes of states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateRules {
    /// Which deletions are copied.
    pub deletions: Deletions,
    /// What becomes of somebody else's metadata.
    pub on_conflict: OnMetadataConflict,
}

/// A deletion that was copied, or not. The word is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeletionKind {
    /// A soft deletion.
    Soft,
    /// A tombstone.
    Tombstone,
}

impl DeletionKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Soft, Self::Tombstone];

    /// The word used in logs and as the metric label `kind`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Soft => "soft",
            Self::Tombstone => "tombstone",
        }
    }
}

//! The core's whole contact with the world: inputs that the loop reports, commands that it carries out.
//!
//! Plain data. Every input comes with the time ([`Moment`]); every command that is answered carries an id given by the
//! core, and an answer to an id that the core does not wait for is ignored. Never does anything by itself.

use std::time::Duration;

use uuid::Uuid;

use crate::event::{Event, Item, SkipReason, StreamName};

/// Monotonic time since the pipeline's start. The core has no clock of its own.
pub type Moment = Duration;

/// One stay in the subscription: given by the loop, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// Identifies an append from its first sending to its answer; sent again under the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppendId(pub u64);

/// Identifies a look at a destination stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LookId(pub u64);

/// Identifies a read at the source (of a stream, of links, of parked entries).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReadId(pub u64);

/// Identifies a write of metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WriteId(pub u64);

/// Which of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Where events come from.
    Source,
    /// Where they go.
    Destination,
}

/// What GetInfo says of the group, as far as the core decides by it (`protocol.md` §8.11).
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
    /// The group's count of parked entries (it may jump: `protocol.md` §8.8).
    pub parked: u64,
    /// Number of the last event in the subscription's stream, read over another connection; `None`: the stream is empty.
    pub last_number: Option<u64>,
}

/// Why joining was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinRefusal {
    /// Another consumer has the group (maximum subscribers reached).
    Taken,
    /// There is no such group, and it may not be created.
    Missing,
    /// Wrong credentials or no right to read the group.
    Denied,
    /// The group exists, but nothing can be copied through it as it is set up: text for the operator.
    Unsuitable(&'static str),
    /// No answer, not ready, not leader, no connection.
    Unavailable,
}

/// How a stay in the subscription ended, or why ditto ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaveReason {
    /// The server ended it: dropped, restarted, connection lost.
    Ended,
    /// Deliveries would wait past the message timeout: nothing came from the destination, or polling is paused.
    Waiting,
    /// To join again with another credit.
    Credit,
    /// The pipeline stops.
    Stopping,
}

/// How an append was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendOutcome {
    /// Stored (or recognised as stored); the revision of the last event as the server says it.
    Written(u64),
    /// The destination's stream does not end where the append expected it to.
    WrongRevision,
    /// Larger than the server accepts.
    TooLarge,
    /// No right to write this stream.
    Denied,
    /// The stream is deleted.
    Deleted,
    /// Refused for another lasting reason, in the server's own words.
    Refused(String),
    /// Not written: the server is not ready, too busy, or not the leader.
    NotReady,
    /// No answer within the time limit: written or not, nobody knows.
    NoAnswer,
}

/// What a look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookResult {
    /// The stream exists. `last` is the number of its last event ever (readable or not); `events` are what was
    /// readable of the range asked for, ascending.
    Tail {
        /// Last event number (`protocol.md` §3.2 `last_stream_position`).
        last: u64,
        /// The readable events of the range asked for.
        events: Vec<Event>,
    },
    /// The stream does not exist (and is not soft-deleted, where metadata was asked for).
    NotFound,
    /// `$tb` of its metadata says that it was soft-deleted.
    SoftDeleted,
    /// It was tombstoned.
    Tombstoned,
    /// The metadata says nothing of a deletion: the answer to [`LookRange::Metadata`].
    NotDeleted,
    /// No right to read it.
    Denied,
    /// No answer, or none that says anything about the stream.
    Failed,
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
    /// There is no such stream, or it is soft-deleted.
    NotFound,
    /// It was tombstoned.
    Tombstoned,
    /// No right to read it.
    Denied,
    /// No answer.
    Failed,
}

/// What a read of the subscription's own stream brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkPage {
    /// What is readable from the number asked for on, ascending.
    Items {
        /// Number in the subscription's stream, and what stands there.
        items: Vec<(u64, Item)>,
        /// Number of the stream's last event; `None`: no such stream.
        last: Option<u64>,
    },
    /// No right to read it.
    Denied,
    /// No answer.
    Failed,
}

/// One entry of the group's parked stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedEntry {
    /// Its revision in the parked stream.
    pub entry: u64,
    /// The reason as stored, the server's prefix included (`protocol.md` §8.6, §8.8).
    pub reason: String,
    /// What the entry points to.
    pub item: Item,
}

/// What a read of the group's parked stream brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParkedPage {
    /// Ascending from the entry asked for. Fewer than asked for: the end.
    Entries(Vec<ParkedEntry>),
    /// No right to read it: the server's own parking cannot be seen.
    Denied,
    /// No answer.
    Failed,
}

/// How a write of metadata was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetadataOutcome {
    /// Stored.
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
    /// Confirmed by the server. `credit` is the buffer size that was asked for.
    Joined {
        /// The new stay.
        conn: ConnId,
        /// Buffer size of this stay.
        credit: u32,
        /// The group as it was just before joining.
        group: GroupSeen,
    },
    /// Joining did not succeed.
    Refused {
        /// Why.
        why: JoinRefusal,
    },
    /// The stay is over; nothing of it will come or be sent any more.
    Left {
        /// Which stay.
        conn: ConnId,
        /// [`LeaveReason::Ended`] if the server ended it, otherwise the reason of the command.
        why: LeaveReason,
    },
    /// The subscription handed something over.
    Delivery {
        /// The stay that it came over.
        conn: ConnId,
        /// What to acknowledge: the link's id if it came through a link (`protocol.md` §8.6).
        ack: Uuid,
        /// Number of the original event in the subscription's stream; `None` for a replayed parked entry.
        number: Option<u64>,
        /// What it is.
        item: Item,
    },
    /// An append was answered.
    Appended {
        /// Which.
        append: AppendId,
        /// How.
        outcome: AppendOutcome,
    },
    /// A batch call ended, or was given up after it gave no answer for too long; these appends were in flight on it.
    CallEnded {
        /// Appends without an answer, in the order of sending.
        unanswered: Vec<AppendId>,
    },
    /// A look was answered.
    Looked {
        /// Which.
        look: LookId,
        /// What it found.
        result: LookResult,
    },
    /// A read of a source stream was answered.
    SourceRead {
        /// Which.
        read: ReadId,
        /// What it brought.
        page: SourcePage,
    },
    /// A read of the subscription's stream was answered.
    LinksRead {
        /// Which.
        read: ReadId,
        /// What it brought.
        page: LinkPage,
    },
    /// A read of the parked stream was answered.
    ParkedRead {
        /// Which.
        read: ReadId,
        /// What it brought.
        page: ParkedPage,
    },
    /// A write of metadata was answered.
    MetadataDone {
        /// Which.
        write: WriteId,
        /// How.
        outcome: MetadataOutcome,
    },
    /// The group as GetInfo shows it now, with the stream's last number.
    GroupSeen(GroupSeen),
    /// GetInfo could not be had.
    GroupUnseen(JoinRefusal),
    /// Bytes that this pipeline may hold in events from now on.
    Budget {
        /// The limit.
        bytes: usize,
    },
    /// The answer to a probe.
    Reachable {
        /// Which server.
        side: Side,
        /// Whether it answered a read.
        reachable: bool,
    },
    /// The time of [`Command::WakeAt`] has come, or the loop's own second passed.
    Tick,
    /// Stop: take nothing more, finish what is in flight until `deadline`.
    Stop {
        /// When to give up.
        deadline: Moment,
    },
}

/// The stream revision an append expects. Never "any" (`protocol.md` §5.1.3: not idempotent across a restart).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Expected {
    /// The stream holds no event.
    NoStream,
    /// The stream's last event has this revision.
    Exact(u64),
}

/// What to read of a destination stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LookRange {
    /// Only `$$S`: has it been soft-deleted?
    Metadata,
    /// Forwards from a revision; if the stream is not found, `$$S` too.
    Forwards {
        /// First revision wanted.
        from: u64,
        /// At most this many events.
        count: u32,
    },
    /// Backwards; `from: None` begins at the tail.
    Backwards {
        /// First revision wanted.
        from: Option<u64>,
        /// At most this many events.
        count: u32,
    },
}

/// Where a read of a source stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadFrom {
    /// At a revision, forwards.
    Revision(u64),
    /// At the tail, backwards.
    Tail,
}

/// Why a pipeline ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// As asked by [`Input::Stop`]; `clean` is false if appends were still unanswered at the deadline.
    Asked {
        /// Whether everything in flight was brought to an answer.
        clean: bool,
    },
    /// By a policy `stop`, an impossible throttle, or rights missing for every stream. Text for the operator.
    Policy(String),
}

/// What the loop is told to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Look at the group (create it if allowed), then join with this buffer size: [`Input::Joined`] or [`Input::Refused`].
    Join {
        /// Buffer size to ask for.
        credit: u32,
    },
    /// Send what is acknowledged, then leave: [`Input::Left`].
    Leave {
        /// The stay to end.
        conn: ConnId,
        /// Why, to be handed back.
        why: LeaveReason,
    },
    /// Take deliveries from the subscription, or do not for now.
    Poll {
        /// Which stay.
        conn: ConnId,
        /// Whether to take.
        on: bool,
    },
    /// Acknowledge.
    Ack {
        /// The stay that they were delivered over.
        conn: ConnId,
        /// Ids to acknowledge.
        ids: Vec<Uuid>,
    },
    /// Park at the source.
    Park {
        /// The stay that they were delivered over.
        conn: ConnId,
        /// Ids to park.
        ids: Vec<Uuid>,
        /// Begins with `ditto: `.
        reason: String,
    },
    /// Append to a destination stream. The same id again is the same append sent again.
    Append {
        /// Id for the answer.
        append: AppendId,
        /// Stream to write to.
        stream: StreamName,
        /// What must be there.
        expected: Expected,
        /// In order; never empty. Their `revision` is the source's.
        events: Vec<Event>,
    },
    /// Look at a destination stream: [`Input::Looked`].
    Look {
        /// Id for the answer.
        look: LookId,
        /// Stream to look at.
        stream: StreamName,
        /// What to read.
        range: LookRange,
        /// Stop reading when this many bytes of events were read (at least one event is read).
        max_bytes: usize,
    },
    /// Write `$$S` at the destination with *no stream* expected: [`Input::MetadataDone`].
    WriteMetadata {
        /// Id for the answer.
        write: WriteId,
        /// The stream `S`.
        stream: StreamName,
        /// `$maxAge`.
        max_age: Option<Duration>,
        /// `$tb`.
        truncate_before: Option<u64>,
    },
    /// Read a source stream, links not resolved: [`Input::SourceRead`].
    ReadSource {
        /// Id for the answer.
        read: ReadId,
        /// Stream to read.
        stream: StreamName,
        /// Where to begin, and in which direction.
        from: ReadFrom,
        /// At most this many events.
        count: u32,
        /// Stop reading when this many bytes of events were read (at least one event is read).
        max_bytes: usize,
    },
    /// Read the subscription's stream, links resolved: [`Input::LinksRead`].
    ReadLinks {
        /// Id for the answer.
        read: ReadId,
        /// First number wanted.
        from: u64,
        /// At most this many.
        count: u32,
        /// Stop reading when this many bytes of events were read (at least one is read).
        max_bytes: usize,
    },
    /// Read the group's parked stream, links resolved: [`Input::ParkedRead`].
    ReadParked {
        /// Id for the answer.
        read: ReadId,
        /// First entry wanted.
        from: u64,
        /// At most this many.
        count: u32,
    },
    /// Look at the group: [`Input::GroupSeen`] or [`Input::GroupUnseen`].
    AskGroup,
    /// Does this server answer a read? [`Input::Reachable`].
    Probe {
        /// Which server.
        side: Side,
    },
    /// Send [`Input::Tick`] at this time; replaces an earlier wish. The loop may add jitter and may tick earlier.
    WakeAt {
        /// When.
        at: Moment,
    },
    /// Nothing more will come; the loop ends.
    Finished {
        /// Why.
        why: StopReason,
        /// Entries that were dropped without an acknowledgement (the source delivers them again).
        left: usize,
    },
    /// For logs and metrics only.
    Tell(Tell),
}

/// Why an event was found to be at the destination already. The word is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DuplicateReason {
    /// Ditto wrote or saw it in this process.
    Known,
    /// A look found it by its id.
    Found,
    /// Its revision is no longer readable at the destination.
    Unreadable,
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
}

impl HeldReason {
    /// The word used in logs and as the metric label `reason`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::MissingHistory => "missing_history",
            Self::Refused => "refused",
        }
    }
}

/// What the pipeline as a whole is doing. The word is a metric label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PipelineState {
    /// Not joined yet, nothing known to be wrong.
    Connecting,
    /// Joined, and the destination answers.
    Running,
    /// One side does not answer; tried again for ever.
    Retrying(Side),
    /// Another consumer has the group.
    Standby,
    /// Cannot go on without an operator; looked at again every 30 s. Text for the operator.
    Stopped(String),
}

/// Something that happened, for logs and metrics.
#[derive(Clone, Debug, PartialEq)]
pub enum Tell {
    /// Events were written: all of one append.
    Copied {
        /// Stream they are in, both sides.
        stream: StreamName,
        /// The events, in order.
        events: Vec<CopiedEvent>,
        /// From the first sending of the append to its answer.
        took: Duration,
    },
    /// An event was at the destination already.
    Duplicate {
        /// Its stream.
        stream: StreamName,
        /// Its revision.
        revision: u64,
        /// How that is known.
        reason: DuplicateReason,
    },
    /// Equal id, other content at the destination (reported once for each time that it is seen).
    Differs {
        /// The stream.
        stream: StreamName,
        /// The revision.
        revision: u64,
    },
    /// A delivery that is never copied, acknowledged.
    Skipped {
        /// Why.
        reason: SkipReason,
    },
    /// An event of a held stream was acknowledged by policy `skip`.
    Passed {
        /// Its stream.
        stream: StreamName,
        /// Its revision.
        revision: u64,
        /// Why the stream is held.
        reason: HeldReason,
    },
    /// An event was put into the group's parked queue.
    Parked {
        /// Its stream.
        stream: StreamName,
        /// Its revision.
        revision: u64,
        /// Why the stream is held.
        reason: HeldReason,
        /// The whole reason as parked.
        text: String,
    },
    /// A stream is no longer written to.
    Held {
        /// Which.
        stream: StreamName,
        /// First bad revision.
        revision: u64,
        /// Why.
        reason: HeldReason,
        /// Text for the operator.
        text: String,
    },
    /// A held stream goes on.
    Released {
        /// Which.
        stream: StreamName,
    },
    /// The destination's tail could not be compared: readable on one side only, or on none.
    Unverified {
        /// Which stream.
        stream: StreamName,
        /// Its tail at the destination.
        revision: u64,
    },
    /// With `skip_version_check`: a source event older than the newest one copied was appended behind it.
    Late {
        /// Its stream.
        stream: StreamName,
        /// Its source revision.
        revision: u64,
    },
    /// Events between the destination's tail and what was delivered are being read from the source.
    RepairStarted {
        /// Which stream.
        stream: StreamName,
        /// First revision that is lacking.
        from: u64,
        /// First revision that was delivered.
        to: u64,
    },
    /// That repair is done.
    RepairEnded {
        /// Which stream.
        stream: StreamName,
        /// Events that it wrote.
        events: u64,
    },
    /// Placeholders were written for events that the source no longer has.
    Placeholders {
        /// Which stream.
        stream: StreamName,
        /// How many.
        count: u64,
    },
    /// A number that the group never delivered, whose event the destination lacked.
    Hole {
        /// The number in the subscription's stream.
        number: u64,
        /// Stream of the event.
        stream: StreamName,
        /// Revision of the event.
        revision: u64,
    },
    /// The server parked this by itself; ditto copies it, the entry stays.
    ServerParked {
        /// Entry in the parked stream.
        entry: u64,
        /// The server's reason.
        reason: String,
    },
    /// The parked stream may not be read.
    ParkedUnreadable,
    /// Metadata was not written because the stream has some already.
    MetadataKept {
        /// Which stream.
        stream: StreamName,
    },
    /// A delivery came again over the same stay: the server took it back.
    TimedOut {
        /// Its number.
        number: u64,
    },
    /// The pipeline asked for another buffer size.
    Credit {
        /// The new one.
        credit: u32,
    },
    /// The pipeline's state changed.
    State(PipelineState),
}

/// One event of [`Tell::Copied`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedEvent {
    /// Its type.
    pub event_type: std::sync::Arc<str>,
    /// Its revision at the source.
    pub revision: u64,
    /// Its number in the subscription's stream, if it was delivered.
    pub number: Option<u64>,
    /// When the source stored it: ticks of 100 ns since 1970.
    pub created: i64,
    /// Not delivered, but read from the source to fill a gap.
    pub repaired: bool,
}

/// What one subscription's core is made for. Comes validated; the core does not check again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreSettings {
    /// How revisions are kept.
    pub mode: Mode,
    /// The buffer size given by the operator; `None`: chosen by what is observed.
    pub buffer_size: Option<u32>,
    /// The number of streams that may have an append in flight; `None`: chosen by what is observed.
    pub appends_in_flight: Option<u32>,
    /// At least this long between two events; zero: no limit.
    pub throttle_interval: Duration,
    /// Merging stops at this many events.
    pub max_append_events: u32,
    /// Merging stops at this many bytes; a single event is always tried.
    pub max_append_bytes: usize,
    /// `$maxAge` for streams that ditto begins.
    pub time_to_live: Option<Duration>,
    /// What to do when the destination's stream holds something else.
    pub on_conflict: OnConflict,
    /// What to do when the source no longer has what comes next.
    pub on_missing_history: OnMissingHistory,
    /// Streams to know at once; only idle ones are forgotten.
    pub known_streams: usize,
}

/// How revisions are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Revision N of a stream at the source is revision N at the destination.
    Exact,
    /// `skip_version_check`: ids in order behind the destination's own tail.
    Behind,
    /// The destination has no revisions (Kinesis): nothing is looked at, order is kept, a refused event is parked.
    Unnumbered,
}

/// Policy for a destination stream that holds something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnConflict {
    /// Hold the stream, park its deliveries.
    Park,
    /// Hold the stream, acknowledge and count its deliveries.
    Skip,
    /// Stop the subscription.
    Stop,
}

/// Policy for history that the source no longer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnMissingHistory {
    /// Hold the stream, park its deliveries.
    Park,
    /// Write a placeholder for each missing revision.
    Fill,
    /// Stop the subscription.
    Stop,
}

/// A reading of the core, for status, metrics and the stall detector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What the pipeline as a whole is doing.
    pub state: PipelineState,
    /// Buffer size of the present or next stay.
    pub credit: u32,
    /// Streams that may have an append in flight.
    pub append_limit: u32,
    /// Appends sent and not answered.
    pub appends_in_flight: usize,
    /// Events in those appends.
    pub events_in_flight: usize,
    /// Events held, in flight or waiting.
    pub events_buffered: usize,
    /// Their bytes.
    pub bytes_buffered: usize,
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
    /// Held streams by reason: conflict, missing history, refused.
    pub held: [usize; 3],
    /// Up to 100 held streams with first bad revision and text.
    pub held_streams: Vec<(StreamName, u64, HeldReason, String)>,
    /// Streams being repaired.
    pub repairs: usize,
}

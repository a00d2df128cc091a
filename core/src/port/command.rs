//! What the core tells the loop to do.
//!
//! Plain data; every command that is answered carries the id that its answer must name.

use std::time::Duration;

use uuid::Uuid;

use super::log::LogCommand;
use super::state::StateCommand;
use super::{
    Append, LeaveReason, LogPosition, LookupId, Moment, ReadId, Report, SessionId, Side, WriteId,
};
use crate::event::{Event, StreamName};

/// What every reason begins with that ditto parks with.
pub const OWN_REASON: &str = "ditto: ";

/// The reason without that, of an entry that ditto parked; `None` if the server or another program did. The server puts a
/// line of its own before it (protocol §8.6).
#[must_use]
pub fn own_reason(stored: &str) -> Option<&str> {
    stored
        .lines()
        .find_map(|line| line.strip_prefix(OWN_REASON))
}

/// What to read of a destination stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LookupRange {
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
        buffer_size: u32,
    },
    /// Send what is acknowledged, then leave: [`Input::Left`].
    Leave {
        /// The session to end.
        session: SessionId,
        /// Why, to be handed back.
        why: LeaveReason,
    },
    /// Take deliveries from the subscription, or do not for now.
    Poll {
        /// The session whose deliveries are meant.
        session: SessionId,
        /// Whether to take.
        on: bool,
    },
    /// Acknowledge deliveries at the source: they are copied, or pass.
    Ack {
        /// The session that they were delivered over.
        session: SessionId,
        /// Ids to acknowledge.
        ids: Vec<Uuid>,
    },
    /// Park at the source.
    Park {
        /// The session that they were delivered over.
        session: SessionId,
        /// Ids to park.
        ids: Vec<Uuid>,
        /// Begins with [`OWN_REASON`].
        reason: String,
    },
    /// Append to a destination stream. The same id again is the same append sent again.
    Append(Append),
    /// Look at a destination stream: [`Input::LookedUp`].
    Lookup {
        /// Id for the answer.
        lookup: LookupId,
        /// Stream to look at.
        stream: StreamName,
        /// What to read.
        range: LookupRange,
        /// Stop reading when this many bytes of events were read (at least one event is read).
        max_bytes: usize,
    },
    /// Does the destination's stream hold exactly this event at its revision, which is the stream's last or below it?
    /// An append of the event with the revision before it expected: recognised as stored or refused, never written
    /// (protocol §5.1.12). [`Input::LookedUp`].
    Recognise {
        /// Id for the answer.
        lookup: LookupId,
        /// Stream to ask about.
        stream: StreamName,
        /// The source's event; its revision is 1 or more.
        event: Event,
    },
    /// May this stream be written? An append of no events that cannot succeed (protocol §15.2): [`Input::RightsSeen`].
    AskRights {
        /// Id for the answer.
        ask: LookupId,
        /// Stream to ask about.
        stream: StreamName,
    },
    /// Write `$$S` at the destination with *no stream* expected: [`Input::MetadataDone`].
    WriteMetadata {
        /// Id for the answer.
        write: WriteId,
        /// The stream `S`.
        stream: StreamName,
        /// `$maxAge` to write; `None`: the key is left out.
        max_age: Option<Duration>,
        /// `$tb` to write, the first revision that is no placeholder; `None`: the key is left out.
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
    /// Which is the first number, from this one on, that can be read in the subscription's stream? A page of one:
    /// [`Input::LinksRead`].
    FirstLink {
        /// Id for the answer.
        read: ReadId,
        /// First number wanted.
        from: u64,
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
    /// Find what the subscription's stream linked before its first readable link: events that stand in the log before
    /// the target of that link. [`Input::LogSearched`].
    SearchLog {
        /// Id for the answer.
        read: ReadId,
        /// Where an earlier page ended; `None`: from the log's beginning.
        after: Option<LogPosition>,
    },
    /// Look at the group: [`Input::GroupSeen`] or [`Input::GroupUnseen`].
    AskGroup,
    /// Does this server answer a read? [`Input::Reachable`].
    Probe {
        /// The server that is asked.
        side: Side,
    },
    /// Send [`Input::Tick`] at this time; replaces an earlier wish. The loop may add jitter and may tick earlier.
    WakeAt {
        /// The time at which the core wants an [`Input::Tick`].
        at: Moment,
    },
    /// Nothing more will come; the loop ends.
    Finished {
        /// As asked, or by which policy.
        why: StopReason,
        /// Entries that were dropped without an acknowledgement (the source delivers them again).
        left: usize,
    },
    /// For a source that reads the log.
    Log(LogCommand),
    /// For a mirror that copies metadata and deletions.
    State(StateCommand),
    /// For logs and metrics only.
    Report(Report),
}

#[cfg(test)]
mod tests {
    use super::own_reason;

    #[test]
    fn dittos_own_reasons_are_known_with_and_without_the_servers_line() {
        for (reason, own) in [
            (
                "Client explicitly NAK'ed message.\nditto: conflict: x",
                Some("conflict: x"),
            ),
            ("ditto: refused: x", Some("refused: x")),
            ("Reached retry count of 10", None),
            ("Client explicitly NAK'ed message.\nby hand", None),
            ("", None),
        ] {
            assert_eq!(own_reason(reason), own, "{reason}");
        }
    }
}

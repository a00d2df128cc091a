//! A source whose log is read: one subscription to `$all`, single records, epochs, and plain reads of streams for repairs.
//!
//! `database` is that source, `session` its subscription, `watch` the node that is subscribed to, `search` looks through the
//! log for one stream, `state` reads what a stream is beside its events. Believes nothing of a
//! connection before the log behind it was judged, and judges nothing itself. Never writes.

mod database;
mod search;
mod session;
mod state;
mod watch;

use std::future::Future;

pub use self::database::{Database, Seen};
pub use self::search::Search;
pub use self::session::LogSession;
use super::{Session, Source};
use crate::eventstore::{Class, Error};
use ditto_core::event::{Event, StreamName};
use ditto_core::port::LogPosition;
use ditto_core::port::log::{EpochsPage, LogRefusal, RecordPage, SearchPage};
use ditto_core::port::state::{Metadata, StatePage};

/// What a source can do whose log is read, beyond other sources. A session begins after a position, or at the beginning.
pub trait Log:
    Source<
        Opening = Option<LogPosition>,
        Seen = (),
        Refusal = Refusal,
        Session: Session<Delivered = Message>,
    >
{
    /// What was asked when the log was judged.
    type Judged: Send;

    /// Reads the leader's epochs, and what would have to be believed if they are those of the log that is copied.
    fn epochs(&self) -> impl Future<Output = (EpochsPage, Option<Self::Judged>)> + Send;

    /// It is the log that is copied: the connections that were open when it was judged are believed from now on. Until then,
    /// and once another one was opened, everything but [`Log::epochs`] fails.
    fn trust(&self, judged: Self::Judged);

    /// Whether a connection was opened since the log was last judged. Says so once.
    fn has_reconnected(&self) -> bool;

    /// Returns the position of the leader's last record; `None`: not known.
    fn end(&self) -> impl Future<Output = Option<LogPosition>> + Send;

    /// Reads the record at this position, or the first one after it, from the node that is subscribed to (protocol §15.6).
    fn record_at(&self, position: LogPosition) -> impl Future<Output = RecordPage> + Send;

    /// Searches a part of the leader's log for events of one stream.
    fn search(&self, search: Search) -> impl Future<Output = SearchPage> + Send;

    /// Reads a stream's metadata from the leader.
    fn state(&self, stream: StreamName) -> impl Future<Output = StatePage> + Send;

    /// Reads the last event of a stream that stands before this position in the leader's log (`None`: in all of it) and whose
    /// revision is not above this one, also if the stream does not show it; a tombstone is none.
    fn last_before(
        &self,
        stream: StreamName,
        position: Option<LogPosition>,
        revision: Option<u64>,
    ) -> impl Future<Output = RecordPage> + Send;
}

/// Why the log cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it means.
    pub why: LogRefusal,
    /// What the operator should read.
    pub text: String,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let why = match error.class() {
            Class::InvalidPosition => LogRefusal::NoPosition,
            Class::Denied | Class::Unauthenticated => LogRefusal::Denied,
            _ => LogRefusal::Unavailable,
        };
        Self {
            why,
            text: error.with_hint(),
        }
    }
}

/// What a session hands over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A record that the filter matches.
    Record(LogPosition, Box<Event>),
    /// The same of a metadata stream `$$S`: S, and what it says of it.
    State(LogPosition, StreamName, Box<Metadata>),
    /// The server has looked through everything up to this position.
    LookedThrough(LogPosition),
    /// Everything that the node has was handed over, or, if false, it has fallen behind again.
    CaughtUp(bool),
    /// The session ends, for this reason.
    Refused(LogRefusal),
}

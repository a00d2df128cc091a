//! Where events come from: what a pipeline asks of a source, and the sources there are.
//!
//! Never writes an event anywhere; at most it acknowledges and parks at the source, as it is told.

pub mod decode;
pub mod dry_run;
pub(crate) mod empty;
pub mod found;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod handoff;
pub mod history;
pub mod log;
pub mod parked;
pub(crate) mod pick;
pub mod selected;
pub mod subscription;

use std::collections::VecDeque;
use std::future::Future;

use uuid::Uuid;

use ditto_core::event::{Item, StreamName};
use ditto_core::port::{
    GroupSeen, JoinRefusal, LinkPage, LogPage, LogPosition, ParkedPage, ReadFrom, SourcePage,
};

/// What a pipeline asks of its source. Every call has a time limit of its own and can be dropped at any time.
pub trait Source: Send + Sync + 'static {
    /// One session in the subscription.
    type Session: Session;

    /// Looks whether the subscription is as it should be (sets it up, if that is allowed), then enters it with this
    /// buffer size.
    fn join(
        &self,
        buffer_size: u32,
    ) -> impl Future<Output = Result<Joined<Self::Session>, Refusal>> + Send;

    /// How far the subscription is, without entering it.
    fn group(&self) -> impl Future<Output = Result<GroupSeen, Refusal>> + Send;

    /// Reads a stream that events are in, links not resolved.
    fn read_stream(
        &self,
        stream: StreamName,
        from: ReadFrom,
        count: u32,
        max_bytes: usize,
    ) -> impl Future<Output = SourcePage> + Send;

    /// Reads the subscription's own stream from a number on, links resolved.
    fn read_links(
        &self,
        from: u64,
        count: u32,
        max_bytes: usize,
    ) -> impl Future<Output = LinkPage> + Send;

    /// The first number of the subscription's stream, from this one on, that can be read: a page of one, without its event.
    fn first_link(&self, from: u64) -> impl Future<Output = LinkPage> + Send;

    /// Finds what the subscription's stream linked before its first readable link, a page from a position on.
    fn search_log(&self, after: Option<LogPosition>) -> impl Future<Output = LogPage> + Send;

    /// Reads what was parked, from an entry on.
    fn read_parked(&self, from: u64, count: u32) -> impl Future<Output = ParkedPage> + Send;

    /// Whether the source answers a read.
    ///
    /// # Errors
    /// It does not: why, in words for the operator.
    fn probe(&self) -> impl Future<Output = Result<(), String>> + Send;

    /// Why its last plain call was not answered, in words for the operator; `None` once one was, and where nobody keeps it.
    fn trouble(&self) -> Option<String> {
        None
    }
}

/// Why the source did not let ditto in, or did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it means.
    pub why: JoinRefusal,
    /// What the operator should read.
    pub text: String,
}

/// A session that the source confirmed.
#[derive(Debug)]
pub struct Joined<S> {
    /// The session; deliveries come at once, unless it is told not to poll.
    pub session: S,
    /// The subscription as it was just before.
    pub group: GroupSeen,
    /// What an operator should know of the subscription's set-up; texts that do not change from one join to the next
    /// unless the set-up did.
    pub warnings: Vec<String>,
}

/// One session. Calls never wait: what they ask for is done in the background, in order. Dropping a session cuts it short.
pub trait Session: Send + 'static {
    /// Takes deliveries, or does not for now. A session begins with taking them.
    fn poll(&self, on: bool);

    /// Acknowledges.
    fn ack(&self, ids: Vec<Uuid>);

    /// Parks at the source.
    fn park(&self, ids: Vec<Uuid>, reason: String);

    /// Sends what was acknowledged and parked, then ends the session.
    fn leave(&self);

    /// Waits until there is something, then moves all of it to the end of `into`. Loses nothing when dropped.
    fn arrivals(&mut self, into: &mut VecDeque<Delivered>) -> impl Future<Output = Arrival> + Send;
}

/// What [`Session::arrivals`] waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Deliveries.
    Deliveries,
    /// The session is over, asked for or not; nothing will come any more.
    Over {
        /// What ended it, for the operator; `None` if it ended as asked.
        why: Option<String>,
    },
}

/// What a session hands over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// What to acknowledge: the link's id if it came through a link (protocol §8.6).
    pub ack: Uuid,
    /// Number in the subscription's stream; `None` for a replayed parked entry.
    pub number: Option<u64>,
    /// What it is.
    pub item: Item,
}

//! Where events come from: what a pipeline asks of any source, and which kind of source it gets.
//!
//! What only one kind can do is in that kind's folder. Never writes an event anywhere.

pub mod history;
pub mod log;
pub mod persistent;
pub(crate) mod pick;
pub mod resolve;

use std::collections::VecDeque;
use std::future::Future;

use self::persistent::{Persistent, Subscription};
use crate::config::settings::SubscriptionSettings;
use crate::eventstore::client::Client;
use ditto_core::event::StreamName;
use ditto_core::port::{ReadFrom, SourcePage};

/// The source of these settings, of the kind that they ask for, on the server that `client` talks to. Connects when first
/// used.
#[must_use]
pub fn open(client: Client, settings: SubscriptionSettings) -> impl Persistent {
    if settings.replication.read_only {
        Subscription::dry_run(client, settings)
    } else {
        Subscription::new(client, settings)
    }
}

/// What every source can do. Every call has a time limit of its own and can be dropped at any time.
pub trait Source: Send + Sync + 'static {
    /// One session: deliveries from its opening to its end.
    type Session: Session;

    /// What a session is opened with.
    type Opening: Send;

    /// What opening a session shows of the source.
    type Seen: Send;

    /// Why a session is not opened.
    type Refusal: Send;

    /// Looks whether all is as it should be (sets it up, if that is allowed), then opens a session.
    ///
    /// # Errors
    /// The source does not let ditto in, or does not answer.
    fn open(
        &self,
        opening: Self::Opening,
    ) -> impl Future<Output = Result<Opened<Self::Session, Self::Seen>, Self::Refusal>> + Send;

    /// Reads a stream that events are in, links not resolved.
    fn read_stream(
        &self,
        stream: StreamName,
        from: ReadFrom,
        count: u32,
        max_bytes: usize,
    ) -> impl Future<Output = SourcePage> + Send;

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

/// A session that the source confirmed.
#[derive(Debug)]
pub struct Opened<T, S> {
    /// The session; deliveries come at once, unless it is told not to poll.
    pub session: T,
    /// The source as it was just before.
    pub seen: S,
    /// What an operator should know of the source's set-up; texts that do not change from one session to the next unless
    /// the set-up did.
    pub warnings: Vec<String>,
}

/// One session. Calls never wait: what they ask for is done in the background, in order. Dropping a session cuts it short.
pub trait Session: Send + 'static {
    /// What the source delivers.
    type Delivered: Send;

    /// Takes deliveries, or does not for now. A session begins with taking them.
    fn poll(&self, on: bool);

    /// Sends what was said before, then ends the session.
    fn leave(&self);

    /// Waits until there is something, then moves all of it to the end of `into`. Loses nothing when dropped.
    fn next(
        &mut self,
        into: &mut VecDeque<Self::Delivered>,
    ) -> impl Future<Output = Arrival> + Send;
}

/// What [`Session::next`] waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Deliveries wait to be taken.
    Deliveries,
    /// The session is over, asked for or not; nothing will come any more.
    Over {
        /// What ended it, for the operator; `None` if it ended as asked.
        why: Option<String>,
    },
}

//! A source that is a persistent subscription: its group, sessions in it, its own stream, and what it parked.
//!
//! Beside `eventstore` the only place that names types of the eventstore crate. Never acknowledges by itself.

mod clients;
mod dry_run;
pub(crate) mod empty;
pub mod found;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod group;
pub mod handoff;
pub mod links;
mod listing;
pub mod parked;
mod reader;
pub mod search;
pub mod selected;
mod session;
mod subscription;

use std::future::Future;

use uuid::Uuid;

pub use self::subscription::{Inspected, Subscription};
use super::{Opened, Session, Source};
use crate::eventstore::{Class, Error};
use ditto_core::event::Item;
use ditto_core::port::{GroupSeen, JoinRefusal, LinkPage, LogPage, LogPosition, ParkedPage};

/// What a persistent subscription can do beyond other sources. A session is opened with a buffer size.
pub trait Persistent:
    Source<Opening = u32, Seen = GroupSeen, Refusal = Refusal, Session: GroupSession>
{
    /// How far the group is, without entering it.
    fn group(&self) -> impl Future<Output = Result<GroupSeen, Refusal>> + Send;

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
}

/// A session in a group, which is told what became of each delivery.
pub trait GroupSession: Session<Delivered = Delivered> {
    /// These are done: no later session delivers them.
    fn done(&self, ids: Vec<Uuid>);

    /// Parks at the source.
    fn park(&self, ids: Vec<Uuid>, reason: String);
}

/// A session in a group, with the group as it was just before.
pub type Joined<T> = Opened<T, GroupSeen>;

/// Why the group did not let ditto in, or did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it means.
    pub why: JoinRefusal,
    /// What the operator should read.
    pub text: String,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let why = match error.class() {
            Class::GroupTaken => JoinRefusal::Taken,
            Class::GroupNotFound => JoinRefusal::Missing,
            Class::Denied | Class::Unauthenticated => JoinRefusal::Denied,
            _ => JoinRefusal::Unavailable,
        };
        Self {
            why,
            text: error.with_hint(),
        }
    }
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

//! Ditto's own client for every plain call: reads, appends, gossip, the server's features.
//!
//! Exists because the crate's client hangs, leaks and never leaves a dead node (protocol §11 T6, T11, T12, T15,
//! T26). Every call has a time limit, goes to the leader, and follows a *not leader* at most twice. One that is not
//! authenticated is made once more if the password file has changed. A subscription to the log alone may be at another node
//! and stay open without a limit: pings tell whether its server is there. Never repeats a write whose outcome is not known.

mod addresses;
mod append;
mod batch;
mod connection;
mod discovery;
mod encryption;
mod epochs;
mod features;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod landmark;
mod log_node;
mod log_point;
mod newest;
mod notes;
mod page;
mod position;
mod projection;
mod proven;
mod read;
mod read_all;
#[cfg(feature = "simulated")]
#[doc(hidden)]
pub mod simulated;
mod state;
mod stream_end;
mod subscribe_log;
mod tombstone;
mod wire;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::error::{Class, Error, Side};
use crate::config::cluster::{ClusterSettings, Endpoint};

pub use append::outcome_of;
pub use batch::{BatchAppender, BatchOptions};
pub use connection::connection_name;
pub use discovery::Clock;
pub use features::Features;
pub use log_node::{LogNode, LogStanding, NodeRole};
pub use notes::notes;
pub use page::{Deletion, ProvenPage, ResolvedRecord, StreamPage, Unread, events, says_deleted};
pub use position::LogPlace;
pub use read::{Direction, ReadStream, StartAt};
pub use read_all::{LogFilter, LogRecord, LogRecords, LogStart, ReadLog};
pub use state::StreamState;
pub use stream_end::{NEVER_REACHED, StreamEnd};
pub use subscribe_log::{LogMessage, LogSubscription, SubscribeLog};

pub(crate) use addresses::{Resolver, dial};
pub(crate) use connection::{Node, Proven};
pub(crate) use page::of_metadata;

/// How often one call follows a server that says who leads.
const HOPS: usize = 2;

/// A client of one Event Store. Cheap to clone; clones share one connection.
#[derive(Clone, Debug)]
pub struct Client {
    finder: Arc<discovery::Finder>,
    /// Why the last call was not answered.
    trouble: Arc<Mutex<Option<String>>>,
    landmarks: landmark::Landmarks,
}

impl Client {
    /// Makes a client without connecting: the first call does, and every call after a connection was lost.
    #[must_use]
    pub fn connect(side: Side, settings: ClusterSettings) -> Self {
        Self::resolving(side, settings, Resolver::default())
    }

    /// The same with another way to find the addresses of names.
    pub(crate) fn resolving(side: Side, settings: ClusterSettings, resolver: Resolver) -> Self {
        Self {
            finder: Arc::new(discovery::Finder::new(side, settings, resolver)),
            trouble: Arc::default(),
            landmarks: landmark::Landmarks::default(),
        }
    }

    /// Which of the two servers it talks to.
    #[must_use]
    pub fn side(&self) -> Side {
        self.finder.side()
    }

    /// The settings that the client was made with.
    #[must_use]
    pub fn settings(&self) -> &ClusterSettings {
        self.finder.settings()
    }

    /// When the first of the certificates in use expires, as time since 1970: the server's as last shown, or ditto's
    /// own. `None` without TLS, and before the first connection.
    #[must_use]
    pub fn certificate_expiry(&self) -> Option<Duration> {
        self.finder.certificate_expiry()
    }

    /// How often it has begun to open a connection, those of subscriptions to the log left out: while that stays, whatever
    /// answered before still answers.
    #[must_use]
    pub fn openings(&self) -> u64 {
        self.finder.openings()
    }

    /// The node that leads now, as far as anybody says.
    ///
    /// # Errors
    /// No node answers, none leads, or a file of the configuration is bad.
    pub async fn leader(&self) -> Result<Endpoint, Error> {
        Ok(self.leading().await?.endpoint().clone())
    }

    /// The same with everything that is known of it.
    pub(crate) async fn leading(&self) -> Result<Arc<Node>, Error> {
        self.on_leader("find the leader", |node| async move { Ok(node) })
            .await
    }

    /// The ids that the members gave themselves, by gossip: what tells whether two addresses are one cluster.
    ///
    /// # Errors
    /// No node answers, or a file of the configuration is bad.
    pub async fn instances(&self) -> Result<BTreeSet<Uuid>, Error> {
        self.finder.instances().await
    }

    /// The clocks of the living members, to some seconds.
    ///
    /// # Errors
    /// As [`Client::instances`].
    pub async fn clocks(&self) -> Result<Vec<Clock>, Error> {
        self.finder.clocks().await
    }

    /// What the leader can do (protocol §1.1).
    ///
    /// # Errors
    /// As [`Client::leader`].
    pub async fn features(&self) -> Result<Features, Error> {
        self.on_leader("ask for the server's features", |node| async move {
            Ok(node.features().clone())
        })
        .await
    }

    /// Whether the server answers a read at all; a refusal of rights is an answer.
    ///
    /// # Errors
    /// No answer, or one that says that the server cannot answer.
    pub async fn probe(&self) -> Result<(), Error> {
        match self
            .read_stream(ReadStream::newest(read::PROBED.into()))
            .await
        {
            Err(error) if *error.class() != Class::Denied => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes note of what the crate's client met at a node: it has no other way to leave one that leads no more.
    pub(crate) fn report_at(&self, node: &Endpoint, error: &Error) {
        self.finder.report_at(node, error);
    }

    /// Why the last call was not answered, in words for the operator; `None` once one was.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Makes one call on the leader, inside the configured time limit.
    ///
    /// `call` is no async closure: the compiler does not see that the future of one is `Send` whatever it borrows, and
    /// then no caller's is.
    pub(crate) async fn on_leader<T, F>(
        &self,
        action: &'static str,
        call: impl Fn(Arc<Node>) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let limit = self.settings().call_timeout;
        self.on_leader_within(limit, action, call).await
    }

    /// The same inside a time limit of its own.
    pub(crate) async fn on_leader_within<T, F>(
        &self,
        limit: Duration,
        action: &'static str,
        call: impl Fn(Arc<Node>) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let answer = self.call_leader(limit, action, call).await;
        let trouble = answer.as_ref().err().filter(|error| error.is_silence());
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) =
            trouble.map(Error::with_hint);
        answer
    }

    async fn call_leader<T, F>(
        &self,
        limit: Duration,
        action: &'static str,
        call: impl Fn(Arc<Node>) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let deadline = Instant::now() + limit;
        let late = || {
            Error::new(
                self.side(),
                Class::Timeout,
                action,
                format!("no answer within {limit:?}"),
            )
        };
        let (mut hops, mut is_renewed) = (0, false);
        loop {
            let node = timeout_at(deadline, self.finder.node())
                .await
                .map_err(|_| late())??;
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = timeout_at(deadline, call(node.clone()))
                .await
                .unwrap_or_else(|_| Err(late()));
            let Err(error) = answer else { return answer };
            // Over a long line a search may leave less than any node takes to answer: silence proves nothing then, and the
            // next call begins where this one ended.
            if left >= limit / 2 || *error.class() != Class::Timeout {
                self.finder.report(&node, &error);
            }
            match error.class() {
                Class::NotLeader(Some(_)) if hops < HOPS => hops += 1,
                Class::Unauthenticated if !is_renewed => {
                    let changed = timeout_at(deadline, self.finder.has_new_password(&node));
                    if !changed.await.unwrap_or(false) {
                        return Err(error);
                    }
                    is_renewed = true;
                }
                _ => return Err(error),
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;

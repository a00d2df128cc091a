//! One configured mirror: a copy of what the source's log holds, without a group.
//!
//! Never says how a log is read.

use std::sync::Arc;

use super::{Replication, SubscriptionKey};
use ditto_core::event::StreamName;
use ditto_core::filter::StreamFilter;
use ditto_core::port::state::StateRules;

/// The source's log, as servers call it.
pub(super) const LOG: &str = "$all";

/// One configured mirror, its replication settings resolved (own ones over `[replication]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorSettings {
    /// Its name: of its checkpoint, and the group in metrics and on the page.
    pub name: Arc<str>,
    /// The streams that it copies.
    pub filter: StreamFilter,
    /// The nodes that it reads the log from; `None`: ditto chooses.
    pub read_from: Option<ReadFrom>,
    /// What becomes of metadata and deletions; `None`: they are not copied.
    pub states: Option<StateRules>,
    /// How events are copied. The keys of subscriptions alone have no effect; a policy of a mirror that holds a stream is
    /// `Park`.
    pub replication: Replication,
}

impl MirrorSettings {
    /// What identifies it: a stream that no subscription can have, and its name.
    #[must_use]
    pub fn key(&self) -> SubscriptionKey {
        SubscriptionKey {
            stream: StreamName::from(LOG),
            group: self.name.clone(),
        }
    }
}

/// Key `read_from`: which node of the source cluster a mirror reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// The node that takes the writes.
    Leader,
    /// A node that may become the leader.
    Follower,
    /// A node that never becomes the leader.
    ReadOnlyReplica,
}

//! One node, as its services see it: its place in the cluster, and what is counted on it.
//!
//! Never listens and never answers a call itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cluster::{Cluster, Phase};
use crate::generation::Generation;
use crate::limits::AppendLimit;
use crate::store::Store;

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) index: usize,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) tally: Tally,
}

impl Node {
    pub(crate) fn new(index: usize, cluster: Arc<Cluster>) -> Self {
        Self {
            index,
            cluster,
            tally: Tally::default(),
        }
    }

    /// What all nodes share: where writes go.
    pub(crate) fn store(&self) -> &Store {
        &self.cluster.store
    }

    /// The log as this node has it: where reads look.
    pub(crate) fn log(&self) -> Store {
        self.cluster.log_of(self.index)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.cluster.phase(self.index)
    }

    pub(crate) fn leads(&self) -> bool {
        self.cluster.leader() == Some(self.index)
    }

    pub(crate) fn generation(&self) -> Generation {
        self.cluster.options.server
    }

    pub(crate) fn append_limit(&self) -> AppendLimit {
        self.cluster.options.append_limit
    }
}

/// Running totals.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    open_calls: AtomicU64,
    calls: AtomicU64,
    appends: AtomicU64,
    appended_events: AtomicU64,
    recognised_events: AtomicU64,
    batch_calls: AtomicU64,
    oversized: AtomicU64,
}

/// What a server has counted since it was made, over all nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// gRPC calls that are open now.
    pub open_calls: u64,
    /// gRPC calls begun.
    pub calls: u64,
    /// Writes that succeeded, by either kind of append.
    pub appends: u64,
    /// Events in them, not counting those that were recognised as written before.
    pub appended_events: u64,
    /// Events of appends that were recognised as written before.
    pub recognised_events: u64,
    /// Batch-append calls begun.
    pub batch_calls: u64,
    /// Appends refused for their size.
    pub oversized: u64,
}

impl Tally {
    pub(crate) fn call_begins(&self) {
        self.open_calls.fetch_add(1, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn call_ends(&self) {
        self.open_calls.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn batch_call_begins(&self) {
        self.batch_calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn appended(&self, events: u64, recognised: bool) {
        self.appends.fetch_add(1, Ordering::Relaxed);
        let counter = if recognised {
            &self.recognised_events
        } else {
            &self.appended_events
        };
        counter.fetch_add(events, Ordering::Relaxed);
    }

    pub(crate) fn oversized(&self) {
        self.oversized.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Counters {
        let now = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            open_calls: now(&self.open_calls),
            calls: now(&self.calls),
            appends: now(&self.appends),
            appended_events: now(&self.appended_events),
            recognised_events: now(&self.recognised_events),
            batch_calls: now(&self.batch_calls),
            oversized: now(&self.oversized),
        }
    }
}

impl std::iter::Sum for Counters {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            open_calls: sum.open_calls + one.open_calls,
            calls: sum.calls + one.calls,
            appends: sum.appends + one.appends,
            appended_events: sum.appended_events + one.appended_events,
            recognised_events: sum.recognised_events + one.recognised_events,
            batch_calls: sum.batch_calls + one.batch_calls,
            oversized: sum.oversized + one.oversized,
        })
    }
}

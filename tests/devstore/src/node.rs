//! What the services of one node share: the store, its name to others, what is counted.
//!
//! Never listens and never answers a call itself.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use crate::groups::Groups;
use crate::options::Options;
use crate::store::Store;

/// The version that is imitated.
pub(crate) const VERSION: &str = "23.10.4";

/// One node, as its services see it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) store: Store,
    pub(crate) groups: Groups,
    pub(crate) instance: Uuid,
    pub(crate) advertised: (String, u16),
    pub(crate) options: Options,
    pub(crate) tally: Tally,
}

/// Running totals.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    open_calls: AtomicU64,
    calls: AtomicU64,
    appends: AtomicU64,
    appended_events: AtomicU64,
    batch_calls: AtomicU64,
}

/// What a server has counted since its start, for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// gRPC calls that are open now.
    pub open_calls: u64,
    /// gRPC calls begun.
    pub calls: u64,
    /// Writes that succeeded, by either kind of append.
    pub appends: u64,
    /// Events in them, not counting those that were recognised as written before.
    pub appended_events: u64,
    /// Batch-append calls begun.
    pub batch_calls: u64,
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

    pub(crate) fn appended(&self, events: u64) {
        self.appends.fetch_add(1, Ordering::Relaxed);
        self.appended_events.fetch_add(events, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Counters {
        let now = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            open_calls: now(&self.open_calls),
            calls: now(&self.calls),
            appends: now(&self.appends),
            appended_events: now(&self.appended_events),
            batch_calls: now(&self.batch_calls),
        }
    }
}

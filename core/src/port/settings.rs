//! What one subscription's core is made for.
//!
//! Comes validated from the configuration; never checked again.

use std::time::Duration;

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
    /// Merging stops at this many bytes, counted by [`crate::event::Event::append_size`]; a single event is always tried.
    pub max_append_bytes: usize,
    /// `$maxAge` for streams that ditto begins.
    pub time_to_live: Option<Duration>,
    /// What to do when the destination's stream holds something else.
    pub on_conflict: OnConflict,
    /// What to do when the source no longer has what comes next.
    pub on_missing_history: OnMissingHistory,
    /// What to do with a destination stream of which nobody can say whose events it holds.
    pub on_unverified: OnUnverified,
    /// Streams to know at once; only idle ones are forgotten.
    pub known_streams: usize,
    /// What the subscription's stream holds.
    pub feed: Feed,
    /// The operator goes on without events whose numbers in the subscription's stream are below this one and can no longer
    /// be read; 0: without none.
    pub accept_unseen_below: u64,
}

/// What the subscription's stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feed {
    /// Events of its own.
    Plain,
    /// Links to all events of its streams: a category.
    Whole,
    /// Links to some events of streams: those of one type, or of one correlation.
    Parts,
}

/// How revisions are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Revision N of a stream at the source is revision N at the destination.
    Exact,
    /// `skip_version_check`: ids in order behind the destination's own tail.
    Unversioned,
    /// The destination has no revisions (Kinesis): nothing is looked at, order is kept, a refused event is parked.
    AppendOnly,
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

/// Policy for a destination stream whose last event can be read on neither side, so that nothing tells whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnUnverified {
    /// Hold the stream, park its deliveries.
    Hold,
    /// Take it for a copy, count it and warn.
    Pass,
}

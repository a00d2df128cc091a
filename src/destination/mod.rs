//! Where events go: what a pipeline asks of a destination, and the destinations there are.
//!
//! Never decides whether an event may be written, and never acknowledges anything.

pub mod dry_run;
pub mod event_store;
#[cfg(feature = "kinesis")]
pub mod kinesis;

use std::future::Future;
use std::time::Duration;

use crate::eventstore::stream_state;
use ditto_core::event::{Event, StreamName};
use ditto_core::port::log::{Checkpoint, CheckpointPage, EpochsPage, HeldChange, HeldPage};
use ditto_core::port::state::{Change, StateFound};
use ditto_core::port::{
    Answer, Append, AppendOutcome, Expected, LookupRange, LookupResult, MetadataOutcome, Rights,
};
use uuid::Uuid;

/// What a pipeline asks of its destination. Every call has a time limit of its own and can be dropped at any time.
pub trait Destination: Send + Sync + 'static {
    /// False for one that is only looked at: what is "written" there is what would be.
    const WRITES: bool = true;

    /// False for one that has no revisions: nothing is looked at there, and one event of a stream is on its way at a time.
    const NUMBERED: bool = true;

    /// What it is, as a word for metrics.
    const SYSTEM: &'static str = "eventstore";

    /// A pipeline's own way of sending appends.
    type Appends: Appends;

    /// Opens a way of sending appends; connects when the first is sent.
    fn appends(&self) -> Self::Appends;

    /// Reads what the decision about a stream needs; at most `max_bytes` of events, but one event at least.
    fn lookup(
        &self,
        stream: StreamName,
        range: LookupRange,
        max_bytes: usize,
    ) -> impl Future<Output = LookupResult> + Send;

    /// Whether the stream holds exactly this event at its revision (1 or more), asked by an append that is recognised or
    /// refused and never written (protocol §5.1.12).
    fn recognise(
        &self,
        stream: StreamName,
        event: Event,
    ) -> impl Future<Output = LookupResult> + Send;

    /// Whether the stream may be written, asked by an append of no events that cannot succeed (protocol §15.2).
    fn rights(&self, stream: StreamName) -> impl Future<Output = Rights> + Send;

    /// Writes the stream's metadata, if it has none.
    fn write_metadata(
        &self,
        stream: StreamName,
        max_age: Option<Duration>,
        truncate_before: Option<u64>,
    ) -> impl Future<Output = MetadataOutcome> + Send;

    /// Whether the destination answers a read.
    ///
    /// # Errors
    /// It does not: why, in words for the operator.
    fn probe(&self) -> impl Future<Output = Result<(), String>> + Send;

    /// Why its last call was not answered, in words for the operator; `None` once one was, and where nobody keeps it.
    fn trouble(&self) -> Option<String> {
        None
    }
}

/// A destination that keeps, beside what is copied, what a mirror has to know after a restart.
pub trait Keeper: Destination<Appends: Abort> {
    /// Reads the newest checkpoint of this mirror.
    fn newest_checkpoint(&self, mirror: &str) -> impl Future<Output = CheckpointPage> + Send;

    /// Writes one, as the event with this id.
    fn write_checkpoint(
        &self,
        mirror: &str,
        id: Uuid,
        expected: Expected,
        checkpoint: &Checkpoint,
    ) -> impl Future<Output = AppendOutcome> + Send;

    /// Reads which streams of this mirror are on record as held.
    fn held_streams(&self, mirror: &str) -> impl Future<Output = HeldPage> + Send;

    /// The same for its holder: a record that holds little but what was released is written anew first.
    fn take_up_held(&self, mirror: &str) -> impl Future<Output = HeldPage> + Send;

    /// Writes changes of that record, as events whose ids follow from this one; all or none.
    fn write_held(
        &self,
        mirror: &str,
        id: Uuid,
        expected: Expected,
        changes: &[HeldChange],
    ) -> impl Future<Output = AppendOutcome> + Send;

    /// Makes the event of `$$S` that copies a change of a stream's state.
    fn state_event(stream: &StreamName, change: Change) -> Event {
        stream_state::changed(stream, change)
    }

    /// Opens a way of sending metadata, apart from the events': a state that ends its call blames none of them.
    fn state_appends(&self) -> Self::Appends;

    /// Reads how a stream ends, whatever can be read of it, and its metadata.
    fn state(&self, stream: StreamName) -> impl Future<Output = StateFound> + Send;

    /// Reads the destination's own epochs.
    fn epochs(&self) -> impl Future<Output = EpochsPage> + Send;

    /// Deletes a stream for good. Dropped, it leaves nothing under way.
    fn tombstone(
        &self,
        stream: StreamName,
        expected: Expected,
    ) -> impl Future<Output = AppendOutcome> + Send;
}

/// Appends on their way that can be called back.
pub trait Abort {
    /// Ends all calls: what is not on its way stays, and what is unanswered is told as that of a call that ended.
    fn abort(&mut self);
}

/// Appends on their way. Many at once; the answers come in any order.
pub trait Appends: Send + 'static {
    /// Sends an append, or an earlier one again under the same id. Never waits.
    fn send(&mut self, append: Append);

    /// Waits until there are answers, then moves all of them to the end of `into`. Loses nothing when dropped.
    fn answers(&mut self, into: &mut Vec<Answer>) -> impl Future<Output = ()> + Send;
}

//! The store: one log of records, streams as lists into it, metadata, system projections. All in memory.
//!
//! [`Store`] is a handle, cheap to clone; every method takes one short lock and none waits for I/O. Whoever wants to
//! know of new records watches ([`Store::watch_stream`], [`Store::watch_log`]) and reads pages. Never speaks gRPC and
//! knows neither groups nor faults: what a client is told is decided in the services.

mod append;
mod delete;
mod epochs;
mod links;
mod live;
mod log;
mod metadata;
mod projections;
mod read;
mod record;
mod scavenge;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use uuid::Uuid;

use log::Log;

pub use metadata::{Acl, StreamMetadata};
pub use read::{AllPage, NotARecord, StreamPage, StreamRead};
pub use record::{Proposed, Record};

/// The revision of a tombstone, and the `$tb` of a soft delete (protocol §4.3).
pub const MAX_REVISION: u64 = i64::MAX as u64;

/// What a write expects of the stream it goes to (protocol §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Any,
    /// That it has no event.
    NoStream,
    /// That it has one, or metadata.
    StreamExists,
    /// That its last event has this number.
    Exact(u64),
}

/// A write that was done, or recognised as done before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Number of the last event of this write; `None` if it had no events and the stream has none.
    pub last_revision: Option<u64>,
    /// Log position of that event; `None` if it was recognised and is not readable any more (protocol §5.1.6).
    pub position: Option<u64>,
    /// True if nothing was written, because it had been before.
    pub recognised: bool,
}

/// A write that was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The stream is not as expected; `current` is its last event number, `None` without events.
    WrongExpectedVersion {
        /// Last event number.
        current: Option<u64>,
    },
    /// The stream is tombstoned, or soft-deleted and expected to exist.
    StreamDeleted,
}

/// What is known of a stream without reading it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamInfo {
    /// Number of its last event, readable or not; `None` without events.
    pub last: Option<u64>,
    /// It was tombstoned, or is the metadata stream of one that was.
    pub tombstoned: bool,
    /// `$tb` of its metadata says that it was deleted.
    pub soft_deleted: bool,
    /// Number of the first event that `$tb`, `$maxCount` and `$maxAge` leave readable (may lie behind the last).
    pub first_readable: u64,
}

/// What following a link led to (protocol §6.1).
#[derive(Clone, Debug)]
pub enum Resolved {
    /// Not a link.
    Plain,
    /// A link whose text is no `number@stream`.
    Unparsable,
    /// A link; its target, if that can be read.
    Link(Option<Arc<Record>>),
}

/// The store. Clones share the log.
#[derive(Clone, Debug)]
pub struct Store {
    log: Arc<Mutex<Log>>,
    tail: watch::Sender<u64>,
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

impl Store {
    /// A store with nothing in it but the first record that every real log begins with.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Log::new())
    }

    /// Appends events to a stream, all or none, or recognises that they are there (protocol §5.1).
    ///
    /// # Errors
    /// The stream is not as expected, or deleted.
    pub fn append(
        &self,
        stream: &str,
        expected: Expected,
        events: Vec<Proposed>,
    ) -> Result<Written, Refused> {
        self.write(|log| log.append(stream, expected, events))
    }

    /// Writes that many events like this one into the log. Only readers of the log see them: a read of the stream, a link and
    /// a projection know nothing of them. They take no memory.
    pub fn append_stretch(&self, stream: &str, event: Proposed, count: u64) {
        self.write(|log| log.push_stretch(stream, event, count));
    }

    /// Deletes a stream softly: hides its events by a metadata event, whose position is returned (protocol §4.3).
    ///
    /// # Errors
    /// The stream is not as expected, or deleted for good.
    pub fn delete(&self, stream: &str, expected: Expected) -> Result<u64, Refused> {
        self.write(|log| log.soft_delete(stream, expected))
    }

    /// Deletes a stream for good; returns the position of its tombstone (protocol §4.3).
    ///
    /// # Errors
    /// The stream is not as expected, or deleted for good before.
    pub fn tombstone(&self, stream: &str, expected: Expected) -> Result<u64, Refused> {
        self.write(|log| log.tombstone(stream, expected))
    }

    /// Up to `max` readable events from revision `from` on, ascending. Of the range `from .. from + max` only, as the
    /// server's own pages are (protocol §3.2): go on at `next` until `at_end`.
    #[must_use]
    pub fn read_forward(&self, stream: &str, from: u64, max: usize) -> StreamRead {
        self.lock().read_forward(stream, from, max)
    }

    /// Up to `max` readable events from revision `from` (`None`: the last) down.
    #[must_use]
    pub fn read_backward(&self, stream: &str, from: Option<u64>, max: usize) -> StreamRead {
        self.lock().read_backward(stream, from, max)
    }

    /// Up to `max` events of a stream from revision `from` on as they were written: metadata hides nothing, a tombstone
    /// is not among them.
    #[must_use]
    pub fn appended(&self, stream: &str, from: u64, max: usize) -> Vec<Arc<Record>> {
        self.lock().appended(stream, from, max)
    }

    /// The record that ended a stream for good.
    #[must_use]
    pub fn tombstone_of(&self, stream: &str) -> Option<Arc<Record>> {
        self.lock().tombstone_of(stream)
    }

    /// Up to `max` records of the log from position `from` on, whatever their streams' metadata says.
    ///
    /// # Errors
    /// A position before the log's end at which no record begins.
    pub fn read_all_forward(&self, from: u64, max: usize) -> Result<AllPage, NotARecord> {
        self.lock().read_all_forward(from, max)
    }

    /// Up to `max` records that lie before position `before` (`None`: the log's end), newest first.
    ///
    /// # Errors
    /// A position before the log's end at which no record begins.
    pub fn read_all_backward(
        &self,
        before: Option<u64>,
        max: usize,
    ) -> Result<AllPage, NotARecord> {
        self.lock().read_all_backward(before, max)
    }

    /// One event, if it can be read now.
    #[must_use]
    pub fn event(&self, stream: &str, revision: u64) -> Option<Arc<Record>> {
        self.lock().readable_event(stream, revision)
    }

    /// Follows each record that is a link, one step (protocol §6.1).
    #[must_use]
    pub fn resolve(&self, records: &[Arc<Record>]) -> Vec<Resolved> {
        let log = self.lock();
        records.iter().map(|record| log.resolve(record)).collect()
    }

    /// What is known of a stream. One that was never written is like an empty one.
    #[must_use]
    pub fn stream_info(&self, stream: &str) -> StreamInfo {
        self.lock().stream_info(stream)
    }

    /// Whether a system projection runs; `None`: there is none of this name.
    #[must_use]
    pub fn is_projection_running(&self, name: &str) -> Option<bool> {
        self.lock().is_projection_running(name)
    }

    /// The stream's metadata in force; empty if there is none or it does not parse.
    #[must_use]
    pub fn metadata(&self, stream: &str) -> StreamMetadata {
        self.lock().metadata_of(stream)
    }

    /// Position behind the last record.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.lock().end()
    }

    /// Position of the last record.
    #[must_use]
    pub fn last_position(&self) -> u64 {
        self.lock().last_position()
    }

    /// The number of records in the log.
    #[must_use]
    pub fn record_count(&self) -> usize {
        self.lock().record_count()
    }

    /// Changes whenever something is appended to this stream, or it is deleted. Mark seen *before* reading.
    #[must_use]
    pub fn watch_stream(&self, stream: &str) -> watch::Receiver<u64> {
        self.lock().watch(stream)
    }

    /// Changes whenever anything is written; holds the log's end. Mark seen *before* reading.
    #[must_use]
    pub fn watch_log(&self) -> watch::Receiver<u64> {
        self.tail.subscribe()
    }

    /// Forgets the ids that recent writes are recognised by, as a restart does (protocol §5.1, §14.3).
    pub fn forget_recent_ids(&self) {
        self.lock().forget_recent_ids();
    }

    /// Writes the epoch of a leader that begins (protocol §15.1).
    pub fn begin_epoch(&self, leader: Uuid) {
        self.write(|log| log.begin_epoch(leader));
    }

    /// Removes the events that metadata hides, but for each stream's last one; returns how many that were
    /// (protocol §5.1.12, §15.6).
    pub fn scavenge(&self) -> usize {
        self.lock().scavenge()
    }

    /// A store of its own that holds what this one held when its log ended at this position: a backup, or the log of a
    /// node that is behind. Within a record the position stands for that record's end.
    #[must_use]
    pub fn copy_until(&self, position: u64) -> Self {
        Self::of(self.lock().until(position))
    }

    /// Cuts the log: what stands at this position or after it is gone. Numbers of epochs that are gone are not given again
    /// (protocol §15.1). Meant for a server that is down: nobody who reads now is told.
    pub fn cut(&self, position: u64) {
        let (next_epoch, mut kept) = {
            let log = self.lock();
            (log.next_epoch, log.until(position))
        };
        kept.next_epoch = next_epoch;
        self.become_log(kept);
    }

    /// Holds from now on what the other one holds: a database that was restored from a backup, or exchanged. Meant for a
    /// server that is down, as [`Self::cut`].
    pub fn become_copy_of(&self, other: &Self) {
        let log = other.lock().until(u64::MAX);
        self.become_log(log);
    }

    /// Whether this log holds everything that the other one holds.
    #[must_use]
    pub fn continues(&self, other: &Self) -> bool {
        let Some(last) = other.lock().records().last().cloned() else {
            return true;
        };
        let ours = self.lock().record_at(last.position);
        ours.is_some_and(|ours| Arc::ptr_eq(&ours, &last))
    }

    fn become_log(&self, mut log: Log) {
        let end = {
            let mut current = self.lock();
            log.take_watches(&mut current);
            *current = log;
            current.end()
        };
        self.tail.send_replace(end);
    }

    fn of(log: Log) -> Self {
        let (tail, _) = watch::channel(log.end());
        Self {
            log: Arc::new(Mutex::new(log)),
            tail,
        }
    }

    /// Makes an event that nobody proposed: JSON, with an id of its own.
    #[must_use]
    pub fn json_event(event_type: &str, data: impl Into<bytes::Bytes>) -> Proposed {
        Proposed {
            id: Uuid::new_v4(),
            event_type: event_type.into(),
            is_json: true,
            data: data.into(),
            metadata: bytes::Bytes::new(),
        }
    }

    fn write<T>(&self, change: impl FnOnce(&mut Log) -> T) -> T {
        let (outcome, end) = {
            let mut log = self.lock();
            let outcome = change(&mut log);
            (outcome, log.end())
        };
        self.tail.send_if_modified(|seen| {
            let grown = end > *seen;
            *seen = end.max(*seen);
            grown
        });
        outcome
    }

    /// A panic inside one write cannot leave records half-linked in a way that later calls depend on, so the log goes
    /// on being served.
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

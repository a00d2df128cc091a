//! The bounded queue between whoever logs and the thread that writes.
//!
//! Never makes whoever logs wait for the writer.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::record::Record;

/// Bytes of lines that may wait; about half a minute of a busy debug log.
const CAPACITY: usize = 8 * 1024 * 1024;
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Lines on their way.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    records: VecDeque<Record>,
    bytes: usize,
    closed: bool,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::default(),
            filled: Condvar::new(),
            dropped: AtomicU64::new(0),
        }
    }

    /// Adds a line, or drops and counts it if there is no room.
    pub(super) fn push(&self, record: Record) {
        let size = record.size();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed || state.bytes + size > CAPACITY {
            drop(state);
            self.count_dropped();
            return;
        }
        state.bytes += size;
        state.records.push_back(record);
        drop(state);
        self.filled.notify_one();
    }

    /// Waits for a line; `None` once the queue is closed and empty.
    pub(super) fn pop(&self) -> Option<Record> {
        loop {
            match self.pop_within(LONGEST_WAIT) {
                Ok(record) => return Some(record),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Waits this long for a line. Fails once the queue is closed and empty.
    pub(super) fn pop_within(&self, time: Duration) -> Result<Record, RecvTimeoutError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_idle = |state: &mut State| state.records.is_empty() && !state.closed;
        let waited = self.filled.wait_timeout_while(state, time, is_idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.records.pop_front() {
            Some(record) => {
                state.bytes -= record.size();
                Ok(record)
            }
            None if state.closed => Err(RecvTimeoutError::Disconnected),
            None => Err(RecvTimeoutError::Timeout),
        }
    }

    /// Waits for a line, and then a little for others: at most so many, and about so many bytes. `None` once the queue is
    /// closed and empty.
    pub(super) fn pop_many(
        &self,
        most: usize,
        bytes: usize,
        linger: Duration,
    ) -> Option<Vec<Record>> {
        let mut records = vec![self.pop()?];
        let mut size = records.first().map_or(0, Record::size);
        let deadline = Instant::now() + linger;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            while size < bytes
                && records.len() < most
                && let Some(record) = state.records.pop_front()
            {
                state.bytes -= record.size();
                size += record.size();
                records.push(record);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.closed || size >= bytes || records.len() >= most || left.is_zero() {
                return Some(records);
            }
            (state, _) = self
                .filled
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits this long, or until the queue is closed.
    pub(super) fn closes_within(&self, time: Duration) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .filled
            .wait_timeout_while(state, time, |state| !state.closed);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn is_closed(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed
    }

    /// Takes no more lines.
    pub(super) fn close(&self) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .closed = true;
        self.filled.notify_all();
    }

    pub(super) fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::log::record::Place;

    fn record(bytes: usize) -> Record {
        Record {
            time: SystemTime::UNIX_EPOCH,
            place: Place::here(tracing::Level::INFO, "ditto"),
            message: "x".repeat(bytes),
            message_id: None,
            fields: Vec::new(),
        }
    }

    #[test]
    fn a_full_queue_drops_and_counts_and_never_waits() {
        let queue = Queue::new();
        for _ in 0..100 {
            queue.push(record(1024 * 1024));
        }
        assert_eq!(queue.dropped(), 93);
        assert!(queue.pop().is_some());
        queue.push(record(10));
        assert_eq!(queue.dropped(), 93, "there is room again");
    }

    #[test]
    fn many_lines_are_taken_together_up_to_a_limit() {
        let queue = Queue::new();
        for _ in 0..5 {
            queue.push(record(1_000));
        }
        let moment = Duration::from_millis(1);
        let take = |most, bytes| queue.pop_many(most, bytes, moment).map(|all| all.len());
        assert_eq!(take(2, 1_000_000), Some(2));
        assert_eq!(
            take(100, 2_000),
            Some(2),
            "the one that reaches the limit is the last"
        );
        assert_eq!(
            take(100, 1_000_000),
            Some(1),
            "what there is, after a while"
        );
        queue.close();
        assert_eq!(take(100, 1_000_000), None);
        queue.closes_within(Duration::MAX);
    }

    #[test]
    fn what_was_queued_is_handed_out_after_the_close() {
        let queue = Queue::new();
        queue.push(record(1));
        queue.close();
        queue.push(record(1));
        assert!(queue.pop().is_some());
        assert!(queue.pop().is_none());
        assert_eq!(queue.dropped(), 1);
    }
}

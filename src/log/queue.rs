//! The bounded queue between whoever logs and the thread that writes.
//!
//! Never makes whoever logs wait for the writer.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use super::record::Record;

/// Bytes of lines that may wait; about half a minute of a busy debug log.
const CAPACITY: usize = 8 * 1024 * 1024;

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
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(record) = state.records.pop_front() {
                state.bytes -= record.size();
                return Some(record);
            }
            if state.closed {
                return None;
            }
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
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

    fn record(bytes: usize) -> Record {
        Record {
            time: SystemTime::UNIX_EPOCH,
            level: tracing::Level::INFO,
            target: "ditto",
            message: "x".repeat(bytes),
            message_id: None,
            fields: Vec::new(),
            suppressed: 0,
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

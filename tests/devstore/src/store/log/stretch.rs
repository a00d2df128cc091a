//! Stretches of the log whose records are made when they are read, so that ten million of them take no memory.
//!
//! They are what others wrote: in the log, and in no stream that can be read by its name. Never changes once it is in the log.

use std::ops::Range;
use std::sync::Arc;

use uuid::Uuid;

use super::{Log, Record, now_ticks, record_size};
use crate::store::record::{Body, Proposed};

/// As many events of one stream as there are, all alike but for their numbers and ids.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    start: u64,
    count: u64,
    /// What each takes in the log.
    size: u64,
    stream: Arc<str>,
    event: Proposed,
    created: i64,
}

impl Stretch {
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    fn end(&self) -> u64 {
        self.start + self.size * self.count
    }

    /// Position of its last record.
    pub(super) fn last_position(&self) -> u64 {
        self.end() - self.size
    }

    /// What is left of it in a log that ends there; `None`: nothing.
    pub(super) fn until(&self, end: u64) -> Option<Self> {
        let count = self.first_from(end);
        (count > 0).then(|| Self {
            count,
            ..self.clone()
        })
    }

    /// Number of its first record that begins there or later.
    fn first_from(&self, position: u64) -> u64 {
        let into = position.saturating_sub(self.start);
        into.div_ceil(self.size).min(self.count)
    }

    fn record(&self, number: u64) -> Arc<Record> {
        let position = self.start + number * self.size;
        let (high, low) = self.event.id.as_u64_pair();
        Arc::new(Record {
            id: Uuid::from_u64_pair(high, low ^ position),
            stream: Arc::clone(&self.stream),
            revision: number,
            position,
            event_type: Arc::clone(&self.event.event_type),
            is_json: self.event.is_json,
            created: self.created,
            body: Body::Stored {
                data: self.event.data.clone(),
                metadata: self.event.metadata.clone(),
            },
        })
    }

    fn records(&self, numbers: Range<u64>) -> impl DoubleEndedIterator<Item = Arc<Record>> {
        numbers.map(|number| self.record(number))
    }
}

impl Log {
    /// Writes that many events like this one.
    pub(in crate::store) fn push_stretch(&mut self, stream: &str, event: Proposed, count: u64) {
        if count == 0 {
            return;
        }
        let payload = event.data.len() + event.metadata.len();
        let stretch = Stretch {
            start: self.end,
            count,
            size: record_size(stream, &event.event_type, payload),
            stream: stream.into(),
            event,
            created: now_ticks(),
        };
        self.end = stretch.end();
        self.stretches.push(stretch);
    }

    /// Whether a record begins there.
    pub(in crate::store) fn begins_at(&self, position: u64) -> bool {
        let place = self
            .records
            .partition_point(|record| record.position < position);
        let is_written = |record: &Arc<Record>| record.position == position;
        self.records.get(place).is_some_and(is_written)
            || self
                .stretches_from(position)
                .first()
                .is_some_and(|stretch| {
                    stretch.start <= position
                        && (position - stretch.start).is_multiple_of(stretch.size)
                })
    }

    /// The records from a position on.
    pub(in crate::store) fn forward(&self, from: u64) -> impl Iterator<Item = Arc<Record>> {
        let place = self
            .records
            .partition_point(|record| record.position < from);
        Merged {
            written: self.records[place..].iter().cloned().peekable(),
            made: self
                .stretches_from(from)
                .iter()
                .flat_map(move |stretch| stretch.records(stretch.first_from(from)..stretch.count))
                .peekable(),
            is_next: |one, other| one < other,
        }
    }

    /// The records before a position, newest first.
    pub(in crate::store) fn backward(&self, before: u64) -> impl Iterator<Item = Arc<Record>> {
        let place = self
            .records
            .partition_point(|record| record.position < before);
        let stretches = self
            .stretches
            .partition_point(|stretch| stretch.start < before);
        Merged {
            written: self.records[..place].iter().rev().cloned().peekable(),
            made: self.stretches[..stretches]
                .iter()
                .rev()
                .flat_map(move |stretch| stretch.records(0..stretch.first_from(before)).rev())
                .peekable(),
            is_next: |one, other| one > other,
        }
    }

    /// The stretches that end behind a position.
    fn stretches_from(&self, position: u64) -> &[Stretch] {
        let place = self
            .stretches
            .partition_point(|stretch| stretch.end() <= position);
        &self.stretches[place..]
    }
}

/// What was written, and what is made, in the log's order or against it.
struct Merged<W: Iterator, M: Iterator> {
    written: std::iter::Peekable<W>,
    made: std::iter::Peekable<M>,
    /// Of two positions, whether the one comes before the other.
    is_next: fn(u64, u64) -> bool,
}

impl<W, M> Iterator for Merged<W, M>
where
    W: Iterator<Item = Arc<Record>>,
    M: Iterator<Item = Arc<Record>>,
{
    type Item = Arc<Record>;

    fn next(&mut self) -> Option<Arc<Record>> {
        let Some(made) = self.made.peek() else {
            return self.written.next();
        };
        let is_next = |record: &Arc<Record>| (self.is_next)(record.position, made.position);
        match self.written.next_if(is_next) {
            None => self.made.next(),
            written => written,
        }
    }
}

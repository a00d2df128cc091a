//! Reading pages of a stream and of the whole log (protocol §3.2, §3.3, §5.2).
//!
//! Never skips a readable record, and never shows one that metadata hides.

use std::sync::Arc;

use super::log::{Kind, Log, StreamId, now_ticks};
use super::{MAX_REVISION, Record};

/// What a read of a stream found.
#[derive(Clone, Debug)]
pub enum StreamRead {
    /// No such stream, no event in it, or deleted softly.
    NotFound,
    /// Tombstoned, or the metadata of a tombstoned stream.
    Deleted,
    /// It exists.
    Page(StreamPage),
}

/// A page of a stream.
#[derive(Clone, Debug)]
pub struct StreamPage {
    /// The readable events of the page's range, in reading order.
    pub events: Vec<Arc<Record>>,
    /// Where to go on.
    pub next: u64,
    /// Number of the stream's last event, readable or not.
    pub last: u64,
    /// Nothing more in this direction now.
    pub at_end: bool,
}

/// A page of the log.
#[derive(Clone, Debug)]
pub struct AllPage {
    /// Records in reading order.
    pub events: Vec<Arc<Record>>,
    /// Position to go on from: of the next record (or the end) forwards; backwards, the bound before which to read.
    pub next: u64,
    /// Nothing more in this direction now.
    pub at_end: bool,
}

/// A position within the log at which no record begins (protocol §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotARecord;

impl Log {
    pub(super) fn read_forward(&self, name: &str, from: u64, max: usize) -> StreamRead {
        let (stream, last) = match self.readable(name) {
            Ok(found) => found,
            Err(read) => return read,
        };
        let range_end = from
            .saturating_add(max as u64 - u64::from(max > 0))
            .min(MAX_REVISION);
        let first = self.first_readable(stream);
        if range_end < first {
            return StreamRead::Page(StreamPage {
                events: Vec::new(),
                next: first,
                last,
                at_end: false,
            });
        }
        let events = self.kept(slice(
            &self.stream(stream).events,
            from.max(first),
            range_end,
        ));
        StreamRead::Page(StreamPage {
            events,
            next: range_end.saturating_add(1).min(last + 1),
            last,
            at_end: range_end >= last,
        })
    }

    pub(super) fn read_backward(&self, name: &str, from: Option<u64>, max: usize) -> StreamRead {
        let (stream, last) = match self.readable(name) {
            Ok(found) => found,
            Err(read) => return read,
        };
        let top = from.map_or(last, |from| from.min(last));
        let range_start = top.saturating_sub((max as u64).saturating_sub(1));
        let first = self.first_readable(stream);
        let events = if top < first {
            Vec::new()
        } else {
            self.kept(slice(
                &self.stream(stream).events,
                range_start.max(first),
                top,
            ))
        };
        StreamRead::Page(StreamPage {
            events: events.into_iter().rev().collect(),
            next: range_start.saturating_sub(1),
            last,
            at_end: range_start <= first || range_start == 0,
        })
    }

    pub(super) fn read_all_forward(&self, from: u64, max: usize) -> Result<AllPage, NotARecord> {
        self.must_begin_at(from)?;
        let mut rest = self
            .forward(from)
            .filter(|record| !self.is_scavenged(record));
        let events: Vec<_> = rest.by_ref().take(max).collect();
        let rest = rest.next();
        Ok(AllPage {
            next: rest
                .as_ref()
                .map_or(self.end().max(from), |record| record.position),
            at_end: rest.is_none(),
            events,
        })
    }

    pub(super) fn read_all_backward(
        &self,
        before: Option<u64>,
        max: usize,
    ) -> Result<AllPage, NotARecord> {
        let before = before.unwrap_or(u64::MAX);
        self.must_begin_at(before)?;
        let mut rest = self
            .backward(before)
            .filter(|record| !self.is_scavenged(record));
        let events: Vec<_> = rest.by_ref().take(max).collect();
        Ok(AllPage {
            next: events.last().map_or(0, |record| record.position),
            at_end: rest.next().is_none(),
            events,
        })
    }

    pub(super) fn readable_event(&self, name: &str, revision: u64) -> Option<Arc<Record>> {
        let (stream, _) = self.readable(name).ok()?;
        if revision < self.first_readable(stream) {
            return None;
        }
        self.stream(stream)
            .events
            .get(usize::try_from(revision).ok()?)
            .filter(|record| !self.is_scavenged(record))
            .cloned()
    }

    fn kept(&self, events: &[Arc<Record>]) -> Vec<Arc<Record>> {
        let kept = events.iter().filter(|record| !self.is_scavenged(record));
        kept.cloned().collect()
    }

    /// Lowest number that `$tb`, `$maxCount` and `$maxAge` leave readable.
    pub(super) fn first_readable(&self, stream: StreamId) -> u64 {
        let found = self.stream(stream);
        let length = found.events.len() as u64;
        if let Kind::MetadataOf(_) = found.kind {
            return length.saturating_sub(1);
        }
        let metadata = &found.metadata;
        let by_count = metadata
            .max_count
            .map_or(0, |count| length.saturating_sub(count));
        let by_age = metadata.max_age.map_or(0, |age| {
            let age = i64::try_from(age.as_nanos() / 100).unwrap_or(i64::MAX);
            let oldest = now_ticks().saturating_sub(age);
            found
                .events
                .partition_point(|record| record.created < oldest) as u64
        });
        by_count
            .max(by_age)
            .max(metadata.truncate_before.unwrap_or(0))
    }

    /// The stream and its last number, or why there is nothing to read.
    fn readable(&self, name: &str) -> Result<(StreamId, u64), StreamRead> {
        let stream = self.find(name).ok_or(StreamRead::NotFound)?;
        if self.is_gone(stream) {
            return Err(StreamRead::Deleted);
        }
        match self.stream(stream).last() {
            Some(last) if !self.is_soft_deleted(stream) => Ok((stream, last)),
            _ => Err(StreamRead::NotFound),
        }
    }

    /// Whether a record, or an epoch, begins at this position, or the log has ended before it.
    fn must_begin_at(&self, position: u64) -> Result<(), NotARecord> {
        let is_one = position >= self.end() || self.is_epoch(position) || self.begins_at(position);
        is_one.then_some(()).ok_or(NotARecord)
    }
}

/// The events numbered `from` to `to`, both included, as far as there are such.
fn slice(events: &[Arc<Record>], from: u64, to: u64) -> &[Arc<Record>] {
    let bound = |number: u64| {
        usize::try_from(number)
            .unwrap_or(usize::MAX)
            .min(events.len())
    };
    let (from, to) = (bound(from), bound(to.saturating_add(1)));
    events.get(from..to).unwrap_or(&[])
}

//! The newest event of a stream with its place in the log, and the last one before a place in the log.
//!
//! Never makes up a position: where a read of the stream names none, the log is read.

use std::time::Duration;

use ditto_core::event::{StreamName, TOMBSTONE_REVISION};
use ditto_core::filter::name_regex;
use ditto_core::port::LogPosition;
use tokio::time::Instant;

use super::super::error::{Class, Error};
use super::{Client, LogFilter, LogRecord, LogStart, ReadLog, ReadStream};

const ACTION: &str = "read the newest event of a stream";

/// Records of a page after the first one: mostly the first one is the one.
const PAGE: u64 = 200;

/// A server looks through the whole log for an event that stands at its beginning (protocol §15.7).
const SEARCH: Duration = Duration::from_secs(600);

impl Client {
    /// Reads the newest event of a stream from the leader, and where the log holds it; `None`: the stream shows none.
    ///
    /// # Errors
    /// As [`Client::read_stream`]; [`Class::Deleted`] if it is tombstoned.
    pub async fn newest_record(&self, stream: &StreamName) -> Result<Option<LogRecord>, Error> {
        let read = &ReadStream::newest(stream.clone());
        let opened = self.on_leader(ACTION, |node| async move { self.begin(&node, read).await });
        let (node, first, rest) = opened.await?;
        let event = self.first_event(ACTION, first, rest).await;
        let record = event.and_then(|event| event.map_or(Ok(None), |event| self.log_record(event)));
        if let Err(error) = &record {
            self.finder.report(&node, error);
        }
        match record? {
            // Servers before 22.10 name no positions in reads of streams (protocol §3.3).
            Some(record) if !is_known(record.position) => self.last_record(stream, None).await,
            record => Ok(record),
        }
    }

    /// Reads the last record of a stream that stands before this position in the leader's log, or in all of it, whether the
    /// stream shows it or not; `None`: the log has none.
    ///
    /// # Errors
    /// As [`Client::read_log`].
    pub async fn last_record(
        &self,
        stream: &StreamName,
        before: Option<LogPosition>,
    ) -> Result<Option<LogRecord>, Error> {
        let read = ReadLog {
            start: before.map_or(LogStart::End, LogStart::Before),
            filter: LogFilter::Matching(name_regex(stream)),
            count: 1,
            patience: SEARCH,
        };
        let page = self.read_log(&read, |record| record).await?;
        Ok(page.records.into_iter().next())
    }

    /// Reads the last event of a stream that stands before this position in the leader's log, or in all of it, and whose
    /// revision is not above this one; `None`: the log has none. A tombstone is no event.
    ///
    /// # Errors
    /// As [`Client::read_log`]; also if all of it takes too long.
    pub async fn last_event(
        &self,
        stream: &StreamName,
        before: Option<LogPosition>,
        revision: Option<u64>,
    ) -> Result<Option<LogRecord>, Error> {
        let highest = revision.map_or(TOMBSTONE_REVISION - 1, |revision| {
            revision.min(TOMBSTONE_REVISION - 1)
        });
        let deadline = Instant::now() + SEARCH;
        let mut read = ReadLog {
            start: before.map_or(LogStart::End, LogStart::Before),
            filter: LogFilter::Matching(name_regex(stream)),
            count: 1,
            patience: SEARCH,
        };
        loop {
            let wanted = |record: LogRecord| Some(record).filter(|it| it.event.revision <= highest);
            let page = self.read_log(&read, wanted).await?;
            if let Some(found) = page.records.into_iter().flatten().next() {
                return Ok(Some(found));
            }
            let Some(last) = page.last.filter(|_| !page.ended) else {
                return Ok(None);
            };
            read.patience = deadline.saturating_duration_since(Instant::now());
            if read.patience.is_zero() {
                let text = format!("not found within {SEARCH:?}");
                return Err(Error::new(self.side(), Class::Timeout, ACTION, text));
            }
            read.start = LogStart::Before(last);
            read.count = PAGE;
        }
    }
}

/// The first records of a log are the server's own.
fn is_known(position: LogPosition) -> bool {
    let is_one = |offset: u64| offset > 0 && offset < u64::MAX;
    is_one(position.commit) && is_one(position.prepare)
}

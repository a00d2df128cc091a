//! Finding the streams of a mirror: the source's log, page by page, links not followed.
//!
//! Reads ahead of the comparison by two pages. Never keeps a name longer than that, and no event at all.

use std::time::Duration;

use tokio::sync::mpsc;

use super::links::{Link, Met};
use super::point::Cursor;
use super::reading::{Failure, Reader, patiently};
use super::seen::Fingerprint;
use crate::eventstore::client::{LogFilter, LogRecord, LogStart, ReadLog};
use ditto_core::event::TOMBSTONE_REVISION;
use ditto_core::filter::StreamFilter;
use ditto_core::port::LogPosition;

const PAGE_RECORDS: u64 = 1_000;

/// Streams that are wanted may be far apart: the server may look so long for the next record of one.
const PATIENCE: Duration = Duration::from_secs(600);

/// Which records lead to a stream.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Rules for the names.
    pub(super) filter: StreamFilter,
    /// Only records that were stored from this time on.
    pub(super) since: Option<i64>,
    /// Commit position of the last one.
    pub(super) end: u64,
}

/// What is kept of a record.
struct Looked {
    place: Cursor,
    is_old: bool,
    link: Option<Link>,
}

impl Wanted {
    /// The server's filter is not believed: its word for a beginning is not ditto's.
    fn look(&self, record: LogRecord) -> Looked {
        let LogPosition { commit, prepare } = record.position;
        let place = Cursor {
            at: commit,
            prepare,
        };
        let event = record.event;
        let is_wanted = commit <= self.end && self.filter.wants(&event.stream);
        let is_old = is_wanted && self.since.is_some_and(|since| event.created < since);
        Looked {
            place,
            is_old,
            link: (is_wanted && !is_old).then(|| Link {
                place,
                fingerprint: Fingerprint::of(&event.stream),
                stream: event.stream,
                // That of a tombstone is no place to begin at.
                revision: (event.revision < TOMBSTONE_REVISION).then_some(event.revision),
            }),
        }
    }
}

/// Commit position of the log's last record; `None`: it has none.
pub(super) async fn end(source: &Reader) -> Result<Option<u64>, Failure> {
    let end = patiently(|| source.client().log_end()).await?;
    Ok(end.map(|end| end.commit))
}

/// Reads the log from the record at `next` on, and hands on what it leads to. Ends when all is read, after a failure, or when
/// nobody listens.
pub(super) async fn read(
    source: Reader,
    wanted: Wanted,
    mut next: Cursor,
    to: mpsc::Sender<Result<Met, Failure>>,
) {
    while next.at <= wanted.end {
        let met = page(&source, &wanted, next).await;
        let is_failure = met.is_err();
        next = met.as_ref().map_or(next, |met| met.next);
        if to.send(met).await.is_err() || is_failure {
            return;
        }
    }
}

/// A page. The record that it begins at comes once more, which does no harm: its stream was met.
async fn page(source: &Reader, wanted: &Wanted, next: Cursor) -> Result<Met, Failure> {
    let start = match next {
        Cursor { at: 0, prepare: 0 } => LogStart::Beginning,
        Cursor { at, prepare } => LogStart::At(LogPosition {
            commit: at,
            prepare,
        }),
    };
    let read = ReadLog {
        start,
        filter: LogFilter::Matching(wanted.filter.regex()),
        count: PAGE_RECORDS,
        patience: PATIENCE,
    };
    let page = patiently(|| {
        source
            .client()
            .read_log(&read, |record| wanted.look(record))
    });
    let page = page.await?;
    let last = page.records.last().map(|seen| seen.place);
    let mut met = Met::of(
        Vec::new(),
        match last {
            Some(last) if !page.ended && last.at <= wanted.end => last,
            _ => Cursor::number(wanted.end + 1),
        },
    );
    for seen in page.records {
        met.left_out += u64::from(seen.is_old && seen.place != next);
        let Some(link) = seen.link else { continue };
        let before = met.streams.last();
        if before.is_none_or(|before| before.stream != link.stream) {
            met.streams.push(link);
        }
    }
    Ok(met)
}

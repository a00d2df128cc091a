//! Finding the streams of a subscription: its own stream, page by page, links not followed. `log` finds those of a mirror.
//!
//! Reads ahead of the comparison by two pages. Never keeps a name longer than that.

use tokio::sync::mpsc;

use super::lost;
use super::point::Cursor;
use super::reading::{Failure, Reader};
use super::seen::Fingerprint;
use super::side_buffer::Page;
use crate::source::persistent::search::Scope;
use crate::source::resolve::stream_of;
use ditto_core::event::{Event, StreamName};

const PAGE_EVENTS: u64 = 1_000;
const PAGE_BYTES: usize = 1024 * 1024;

/// What a page of the subscription's stream or of the log leads to.
#[derive(Debug)]
pub(super) struct Met {
    /// Streams in the order of their links or records; one that was met a moment before is left out.
    pub(super) streams: Vec<Link>,
    /// The next place to read.
    pub(super) next: Cursor,
    /// Records that are too old to be looked at.
    pub(super) left_out: u64,
    /// What cannot be compared, for the operator.
    pub(super) not_seen: Option<String>,
}

/// One link, or one record of the log.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) place: Cursor,
    pub(super) fingerprint: Fingerprint,
    pub(super) stream: StreamName,
    /// The event's revision, if the link says it.
    pub(super) revision: Option<u64>,
}

impl Met {
    /// These streams, and where to go on.
    pub(super) fn of(streams: Vec<Link>, next: Cursor) -> Self {
        Self {
            streams,
            next,
            left_out: 0,
            not_seen: None,
        }
    }
}

/// Reads the numbers `next..=end` and hands them on. Ends when all is read, after a failure, or when nobody listens.
pub(super) async fn read(
    source: Reader,
    stream: StreamName,
    mut next: u64,
    end: u64,
    to: mpsc::Sender<Result<Met, Failure>>,
) {
    let begin = next;
    while next <= end {
        let page = source.page_of(&stream, next, PAGE_EVENTS, PAGE_BYTES).await;
        if next == begin
            && let Ok(page) = &page
            && let Some(first) = first_behind(page, next, end)
            && Scope::of(&stream).is_some()
            && !lost::search(source.client(), &stream, (next, first), &to).await
        {
            return;
        }
        let met = page.map(|page| match page {
            Page::Found { events, first, .. } => {
                let behind = events.last().map(|event| event.revision + 1);
                // An empty page: nothing is readable up to `first`, or to the end.
                let behind = behind.or(first.filter(|first| *first > next));
                Met::of(
                    links(&events, end),
                    Cursor::number(behind.unwrap_or(end + 1)),
                )
            }
            Page::Absent => Met::of(Vec::new(), Cursor::number(end + 1)),
        });
        let is_failure = met.is_err();
        next = met.as_ref().map_or(next, |met| met.next.at);
        if to.send(met).await.is_err() || is_failure {
            return;
        }
    }
}

/// The first number that a page shows, if numbers from `next` on before it cannot be read any more.
fn first_behind(page: &Page, next: u64, end: u64) -> Option<u64> {
    let first = match page {
        Page::Found { events, first, .. } => {
            let shown = events.first().map(|event| event.revision);
            shown.or(*first).unwrap_or(end + 1)
        }
        Page::Absent => end + 1,
    };
    (first > next).then_some(first)
}

fn links(events: &[Event], end: u64) -> Vec<Link> {
    let mut found: Vec<Link> = Vec::new();
    for event in events.iter().filter(|event| event.revision <= end) {
        let Some((stream, revision)) = stream_of(event) else {
            continue;
        };
        if found.last().is_some_and(|last| last.stream == stream) {
            continue;
        }
        found.push(Link {
            place: Cursor::number(event.revision),
            fingerprint: Fingerprint::of(&stream),
            stream,
            revision,
        });
    }
    found
}

/// The first number of the subscription's stream whose event was stored at this time or later; behind `end` if none was.
pub(super) async fn since(
    source: &Reader,
    stream: &StreamName,
    created: i64,
    end: u64,
) -> Result<u64, Failure> {
    let (mut low, mut high) = (0, end + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        match source.place(stream, middle).await? {
            Some(place) if place.created < created => low = place.revision.max(middle) + 1,
            // Nothing is readable from there on, or it is late enough.
            _ => high = middle,
        }
    }
    Ok(low)
}

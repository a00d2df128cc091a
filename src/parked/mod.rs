//! What a group's parked queue holds, by stream; and the end of entries that are done with.
//!
//! The queue is a stream of links, one entry for each parking (`protocol.md` §8.8). It is read directly: the server's own
//! replay forgets entries before they are done. Never writes an event; the only write is the queue's `$tb`.

mod truncate;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::cluster::client::{Client, Direction, ReadStream, StartAt, StreamPage};
use crate::cluster::{Class, Error};
use crate::config::settings::SubscriptionKey;
use crate::source::decode::stream_of;
use crate::source::history::parked_stream;
use ditto_core::event::{Event, StreamName};
use ditto_core::port::own_reason;

pub use truncate::truncate;

const PAGE: u64 = 1_000;
const PAGE_BYTES: usize = 1024 * 1024;

/// More streams than this are not told apart.
const MOST_STREAMS: usize = 100_000;

/// One entry of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its revision in the queue.
    pub entry: u64,
    /// The parked event's stream and revision; `None`: it points to nothing.
    pub target: Option<(StreamName, u64)>,
    /// Why, as stored, without the server's own line.
    pub reason: String,
    /// When it was parked, as the server writes it.
    pub added: String,
    /// Parked by ditto on purpose, not by the server or another program.
    pub by_ditto: bool,
}

impl Entry {
    fn of(event: &Event) -> Self {
        let notes: Notes = serde_json::from_slice(&event.metadata).unwrap_or_default();
        let own = own_reason(&notes.reason);
        Self {
            entry: event.revision,
            target: stream_of(event)
                .and_then(|(stream, revision)| revision.map(|revision| (stream, revision))),
            by_ditto: own.is_some(),
            reason: own.map_or_else(|| notes.reason.trim().replace('\n', " "), str::to_owned),
            added: notes.added,
        }
    }
}

/// What the server writes beside an entry.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Notes {
    reason: String,
    added: String,
}

/// The entries of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// How many.
    pub count: u64,
    /// The lowest parked revision.
    pub first: u64,
    /// The highest.
    pub last: u64,
    /// The oldest entry.
    pub oldest: Entry,
}

/// The queue, by stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Each stream that has entries.
    pub streams: BTreeMap<StreamName, Parked>,
    /// The first entry that is of no stream in `streams`: it points to nothing, or there are too many streams.
    pub other: Option<u64>,
    /// One more than the last entry.
    pub end: u64,
}

impl Queue {
    fn take(&mut self, entry: Entry) {
        self.end = self.end.max(entry.entry + 1);
        let is_full = self.streams.len() >= MOST_STREAMS;
        let Some((stream, revision)) = entry.target.clone() else {
            self.other.get_or_insert(entry.entry);
            return;
        };
        if is_full && !self.streams.contains_key(&stream) {
            self.other.get_or_insert(entry.entry);
            return;
        }
        let parked = self.streams.entry(stream).or_insert(Parked {
            count: 0,
            first: revision,
            last: revision,
            oldest: entry,
        });
        parked.count += 1;
        parked.first = parked.first.min(revision);
        parked.last = parked.last.max(revision);
    }

    /// Up to where the queue may be forgotten, once these streams are done with.
    #[must_use]
    pub fn done_before(&self, is_done: impl Fn(&StreamName) -> bool) -> u64 {
        let kept = self.streams.iter().filter(|(stream, _)| !is_done(stream));
        kept.map(|(_, parked)| parked.oldest.entry)
            .chain(self.other)
            .min()
            .unwrap_or(self.end)
    }
}

/// Reads the whole queue of a group.
///
/// # Errors
/// No answer, or no right to read it.
pub async fn read(client: &Client, group: &SubscriptionKey) -> Result<Queue, Error> {
    let mut queue = Queue::default();
    each(client, group, |entry| queue.take(entry)).await?;
    Ok(queue)
}

/// Reads every entry of a group's queue, oldest first.
///
/// # Errors
/// As [`read`].
pub async fn each(
    client: &Client,
    group: &SubscriptionKey,
    mut take: impl FnMut(Entry),
) -> Result<(), Error> {
    let mut from = Some(0);
    while let Some(at) = from {
        let (entries, next) = page(client, group, at).await?;
        entries.into_iter().for_each(&mut take);
        from = next;
    }
    Ok(())
}

/// Reads some entries from this one on, and says where the next begin; `None`: that was all.
///
/// # Errors
/// As [`read`].
pub async fn page(
    client: &Client,
    group: &SubscriptionKey,
    from: u64,
) -> Result<(Vec<Entry>, Option<u64>), Error> {
    let read = ReadStream {
        stream: parked_stream(group),
        start: StartAt::Revision(from),
        direction: Direction::Forwards,
        count: PAGE,
        resolve_links: false,
        max_bytes: PAGE_BYTES,
    };
    let StreamPage::Found { records, first, .. } = client.read_stream(read).await? else {
        return Ok((Vec::new(), None));
    };
    let events: Vec<Event> = records
        .into_iter()
        .filter_map(|record| record.event)
        .collect();
    // An empty page names the next readable entry, or the end.
    let behind = events.last().map(|event| event.revision + 1).or(first);
    Ok((
        events.iter().map(Entry::of).collect(),
        behind.filter(|next| *next > from),
    ))
}

/// What to do about an error of a queue.
#[must_use]
pub fn advice(error: &Error, group: &SubscriptionKey) -> String {
    match error.class() {
        Class::Denied => format!(
            "{error}: let the user read and truncate {} (only $admins may, unless its metadata says otherwise)",
            parked_stream(group)
        ),
        _ => error.with_hint(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use uuid::Uuid;

    fn entry(number: u64, text: &'static str, metadata: &'static str) -> Entry {
        Entry::of(&Event {
            id: Uuid::from_u128(number.into()),
            stream: "$persistentsubscription-$ce-a::g-parked".into(),
            revision: number,
            event_type: "$>".into(),
            is_json: false,
            data: Bytes::from_static(text.as_bytes()),
            metadata: Bytes::from_static(metadata.as_bytes()),
            created: 0,
        })
    }

    #[test]
    fn an_entry_says_who_parked_what_when_and_why() {
        for (metadata, by_ditto, reason) in [
            (
                "{\n  \"added\": \"2026-01-01\",\n  \"reason\": \"Client explicitly NAK'ed message.\\nditto: conflict: x\"\n}",
                true,
                "conflict: x",
            ),
            (
                r#"{"added":"2026-01-01","reason":"Reached retry count of 10","subscriptionEventNumber":4}"#,
                false,
                "Reached retry count of 10",
            ),
        ] {
            let entry = entry(3, "7@a-1", metadata);
            assert_eq!(entry.target, Some(("a-1".into(), 7)));
            assert_eq!((entry.by_ditto, &*entry.reason), (by_ditto, reason));
            assert_eq!(entry.added, "2026-01-01");
        }
        assert_eq!(entry(3, "rubbish", "").target, None);
    }

    #[test]
    fn the_queue_is_forgotten_up_to_the_first_entry_that_is_not_done() {
        let mut queue = Queue::default();
        for (number, text) in ["5@a-1", "2@b-1", "6@a-1", "4@a-1", "0@c-1"]
            .iter()
            .enumerate()
        {
            queue.take(entry(number as u64 + 10, text, ""));
        }
        let a = &queue.streams[&StreamName::from("a-1")];
        assert_eq!((a.count, a.first, a.last, a.oldest.entry), (3, 4, 6, 10));
        let rows: [(&[&str], u64); 4] = [
            (&["a-1", "b-1", "c-1"], 15),
            (&["a-1"], 11),
            (&["b-1", "c-1"], 10),
            (&["a-1", "b-1"], 14),
        ];
        for (done, expected) in rows {
            let before = queue.done_before(|stream| done.contains(&stream.as_str()));
            assert_eq!(before, expected, "{done:?}");
        }
        queue.take(entry(15, "rubbish", ""));
        queue.take(entry(16, "1@a-1", ""));
        assert_eq!(queue.done_before(|_| true), 15);
    }
}

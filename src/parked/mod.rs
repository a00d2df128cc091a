//! What a group's parked queue holds, by stream; and the end of entries that are done with.
//!
//! The queue is a stream of links, one entry for each parking (`protocol.md` §8.8). It is read directly: the server's own
//! replay forgets entries before they are done. Never writes an event; the only write is the queue's `$tb`.

mod proof;
mod queue;
mod truncate;

use crate::cluster::client::{Client, Direction, ReadStream, StartAt, StreamPage};
use crate::cluster::{Class, Error};
use crate::config::settings::SubscriptionKey;
use crate::source::history::parked_stream;
use crate::source::parked::trace;
use ditto_core::event::Event;

pub use proof::unproven;
pub use queue::{Entry, Kind, Parked, Queue};
pub use truncate::truncate;

const PAGE: u64 = 1_000;
const PAGE_BYTES: usize = 1024 * 1024;

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
    let traced = trace(client, group, &events).await?;
    let entries = events.iter().zip(traced);
    Ok((
        entries
            .map(|(event, what)| Entry::of(event, what))
            .collect(),
        behind.filter(|next| *next > from),
    ))
}

/// What to do about an error of a queue.
#[must_use]
pub fn advice(error: &Error, group: &SubscriptionKey) -> String {
    match error.class() {
        Class::Denied => format!(
            "{error}: let the user read {} and read and truncate {} (only $admins may, unless its metadata says otherwise)",
            group.stream,
            parked_stream(group)
        ),
        _ => error.with_hint(),
    }
}

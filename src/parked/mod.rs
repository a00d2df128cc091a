//! What a group's parked queue holds, by stream; and the end of entries that are done with.
//!
//! The queue is a stream of links, one entry for each parking (protocol §8.8). It is read directly: the server's own
//! replay forgets entries before they are done. Never writes an event; the only write is the queue's `$tb`.

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod proof;
mod queue;
mod truncate;

use std::collections::BTreeSet;

use crate::config::settings::SubscriptionKey;
use crate::eventstore::client::{Client, ReadStream, StreamPage, events};
use crate::eventstore::{Class, Error};
use crate::source::persistent::found::{Found, find};
use crate::source::persistent::links::parked_stream;
use crate::source::persistent::parked::{Traced, trace};

pub use proof::unproven;
pub use queue::{Entry, Kind, Parked, Queue};
pub use truncate::truncate;

const PAGE: u64 = 1_000;
const PAGE_BYTES: usize = 1024 * 1024;

/// Events whose links are searched for; more stay untraced.
const MOST_LOST: usize = 100_000;

/// Reads the whole queue of a group.
///
/// # Errors
/// No answer, or no permission to read it or the subscription's stream.
pub async fn read(client: &Client, group: &SubscriptionKey) -> Result<Queue, Error> {
    let found = search(client, group).await?;
    let mut queue = Queue::default();
    let mut from = Some(0);
    while let Some(at) = from {
        let (entries, next) = page(client, group, at, &found).await?;
        entries.into_iter().for_each(|entry| queue.take(entry));
        from = next;
    }
    Ok(queue)
}

/// Looks through the subscription's stream for the links of entries that their numbers do not lead to; reads it only if
/// there are such entries.
///
/// # Errors
/// As [`read`].
pub async fn search(client: &Client, group: &SubscriptionKey) -> Result<Found, Error> {
    let mut lost = BTreeSet::new();
    let nothing = Found::default();
    let mut from = Some(0);
    while let Some(at) = from {
        let (entries, next) = page(client, group, at, &nothing).await?;
        for entry in entries {
            if let Traced::Lost(stream, revision) = entry.what
                && lost.len() < MOST_LOST
            {
                lost.insert((stream, revision));
            }
        }
        from = next;
    }
    if lost.is_empty() {
        return Ok(nothing);
    }
    find(client, &group.stream, lost).await
}

/// Reads some entries from this one on, and says where the next begin; `None`: that was all.
///
/// # Errors
/// As [`read`].
pub async fn page(
    client: &Client,
    group: &SubscriptionKey,
    from: u64,
    found: &Found,
) -> Result<(Vec<Entry>, Option<u64>), Error> {
    let read = ReadStream::forwards(parked_stream(group), from, PAGE, PAGE_BYTES);
    let (records, first) = match client.read_stream(read).await? {
        StreamPage::Found { records, first, .. } => (records, first),
        StreamPage::NotFound => return Ok((Vec::new(), None)),
        StreamPage::Tombstoned => {
            let action = "read the parked queue";
            let text = "it is tombstoned";
            return Err(Error::new(client.side(), Class::Deleted, action, text));
        }
    };
    let events = events(records);
    // An empty page names the next readable entry, or the end.
    let behind = events.last().map(|event| event.revision + 1).or(first);
    let traced = trace(client, group, &events).await?;
    let entries = events.iter().zip(traced);
    Ok((
        entries
            .map(|(event, what)| Entry::of(event, found.instead_of(what)))
            .collect(),
        behind.filter(|next| *next > from),
    ))
}

/// What to do about an error of a queue.
#[must_use]
pub fn advice(error: &Error, group: &SubscriptionKey) -> String {
    match error.class() {
        Class::Denied => format!(
            "{error}: grant the user the permission to read {} and to read and truncate {} (only $admins have it, unless its metadata grants it)",
            group.stream,
            parked_stream(group)
        ),
        Class::Deleted => format!(
            "{error}: what was parked is lost, and the group can park nothing more; let ditto copy through a group of \
             another name"
        ),
        _ => error.with_hint(),
    }
}

//! What the entries of a group's parked queue stand for, told by the link that was parked.
//!
//! An entry keeps only the text of the event that the parked link resolved to (protocol §8.8). Of a user's own link in
//! a category that is an event of another stream, which nobody may have subscribed to: the stream that holds the link is
//! named by the `$o` of the category's link alone. The entry's number leads back to that link. Never takes an entry's
//! target for the parked event unless the link says so, and never writes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::links::parked_stream;
use crate::config::settings::SubscriptionKey;
use crate::eventstore::Error;
use crate::eventstore::client::{Client, ReadStream, ResolvedRecord, StreamPage, Unread, notes};
use crate::source::pick::pick;
use crate::source::resolve::{LinkText, by_link, is_link, resolve};
use ditto_core::event::{Event, Item, SkipReason, StreamName, TOMBSTONE_REVISION};
use ditto_core::port::{ParkedEntry, ParkedPage, own_reason};

/// Bytes of one page of the parked stream; it only stops there.
const PAGE_BYTES: usize = 1024 * 1024;

/// What an entry stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Traced {
    /// The event that its text names.
    Target(StreamName, u64),
    /// A user's own link, in this stream; the text names what it points to.
    Link(StreamName),
    /// Nothing that is ever copied.
    Never(SkipReason),
    /// Nothing proves which link was parked; the event that the text names.
    Lost(StreamName, u64),
}

impl Traced {
    /// The event that was most likely parked, though nothing proves it: of a link that is lost the one that its text
    /// names, if that is of the category. It is subscribed to, whatever was parked.
    #[must_use]
    pub fn likely(&self, subscription: &StreamName) -> Option<(&StreamName, u64)> {
        match self {
            Self::Target(stream, revision) => Some((stream, *revision)),
            Self::Lost(stream, revision) => {
                let category = subscription.as_str().strip_prefix("$ce-")?;
                let rest = stream.as_str().strip_prefix(category)?;
                rest.starts_with('-').then_some((stream, *revision))
            }
            Self::Link(_) | Self::Never(_) => None,
        }
    }
}

/// What the server writes beside an entry (protocol §8.8).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Notes {
    /// Why it was parked, the server's own line included.
    pub reason: String,
    /// When, as the server writes it.
    pub added: String,
    /// The number that the parked record had where it was delivered from. The server leaves a 0 out.
    subscription_event_number: u64,
}

impl Notes {
    /// Of an entry. Metadata that is no such JSON says nothing.
    #[must_use]
    pub fn of(entry: &Event) -> Self {
        notes(&entry.metadata)
    }
}

/// The event that a link's text names.
pub(super) type Target = (StreamName, u64);

pub(super) fn target(link: &Event) -> Option<Target> {
    match LinkText::of(link) {
        LinkText::Target { revision, stream } => Some((StreamName::new(stream), revision)),
        LinkText::Nothing | LinkText::Other => None,
    }
}

/// The text of an entry, for people.
#[must_use]
pub fn text(entry: &Event) -> String {
    String::from_utf8_lossy(&entry.data).into_owned()
}

/// An entry whose link is still looked for.
struct Quest {
    /// Its place among the entries.
    at: usize,
    target: Target,
    /// Where the link should stand.
    number: u64,
    /// The entry of the parked stream that says so.
    told_by: u64,
}

/// Finds out what entries of a group's parked stream stand for.
///
/// # Errors
/// No answer, or no permission to read the subscription's stream or the parked stream.
pub async fn trace(
    client: &Client,
    group: &SubscriptionKey,
    entries: &[Event],
) -> Result<Vec<Traced>, Error> {
    let mut traced = Vec::new();
    let mut open = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let Some(target) = target(entry) else {
            traced.push(Traced::Never(SkipReason::Unresolved));
            continue;
        };
        traced.push(untraced(&group.stream, &target));
        if target.0 == group.stream && !group.stream.is_system() {
            continue;
        }
        open.push(Quest {
            at,
            target,
            number: Notes::of(entry).subscription_event_number,
            told_by: entry.revision,
        });
    }
    // Each round leads to earlier entries.
    while !open.is_empty() {
        open = round(client, group, open, &mut traced).await?;
    }
    Ok(traced)
}

/// Looks for the links where they should stand. What was parked again after a replay has the number of its earlier entry
/// (protocol §8.8): those are looked for where that entry says.
async fn round(
    client: &Client,
    group: &SubscriptionKey,
    open: Vec<Quest>,
    traced: &mut [Traced],
) -> Result<Vec<Quest>, Error> {
    let numbers: BTreeSet<u64> = open.iter().map(|quest| quest.number).collect();
    let links = pick(client, &group.stream, &numbers, |record| {
        is_link(record).then(|| (target(record), by_link(record)))
    })
    .await?;
    let mut astray = Vec::new();
    for quest in open {
        match links.get(&quest.number) {
            Some(Some((Some(target), decided))) if *target == quest.target => {
                traced[quest.at] = by_own_link(quest.target, decided.as_ref());
            }
            _ => astray.push(quest),
        }
    }
    astray.retain(|quest| quest.number < quest.told_by);
    let numbers: BTreeSet<u64> = astray.iter().map(|quest| quest.number).collect();
    let parked = parked_stream(group);
    let earlier = pick(client, &parked, &numbers, |entry| {
        (target(entry), Notes::of(entry).subscription_event_number)
    })
    .await?;
    let mut next = Vec::new();
    for quest in astray {
        if let Some((Some(target), number)) = earlier.get(&quest.number)
            && *target == quest.target
        {
            next.push(Quest {
                told_by: quest.number,
                number: *number,
                ..quest
            });
        }
    }
    Ok(next)
}

/// What the link that was parked says of itself.
pub(super) fn by_own_link(target: Target, decided: Option<&Item>) -> Traced {
    match decided {
        Some(Item::Never(reason)) => Traced::Never(*reason),
        Some(Item::Forward(origin)) => Traced::Link(origin.clone()),
        Some(Item::Event(_)) | None => Traced::Target(target.0, target.1),
    }
}

/// What is known where no link is found. Only categories hold links that stand for another stream than their text names
/// (protocol §6.2), and those to `$$…` or a tombstone are notices of deletions.
fn untraced(subscription: &StreamName, target: &Target) -> Traced {
    let (stream, revision) = target;
    if stream.as_str().starts_with("$$") {
        Traced::Never(SkipReason::SystemStream)
    } else if *revision == TOMBSTONE_REVISION {
        Traced::Never(SkipReason::Tombstone)
    } else if subscription.as_str().starts_with("$ce-") {
        Traced::Lost(stream.clone(), *revision)
    } else if stream.is_system() {
        Traced::Never(SkipReason::SystemStream)
    } else {
        Traced::Target(stream.clone(), *revision)
    }
}

/// Entries that can be read in a group's parked queue; `None` if it cannot be read. The server's own count ignores what
/// other programs truncate (protocol §8.8).
pub(super) async fn readable(client: &Client, group: &SubscriptionKey) -> Option<u64> {
    let read = ReadStream::forwards(parked_stream(group), 0, 1, usize::MAX);
    let StreamPage::Found {
        records,
        first,
        last,
    } = client.read_page(read).await.ok()?
    else {
        return Some(0);
    };
    // Where the beginning is truncated, a page without entries names the first one that can be read.
    let entry = records.first().and_then(ResolvedRecord::original);
    let first = entry.map(|entry| entry.revision).or(first);
    match (first, last) {
        (Some(first), Some(last)) => Some((last + 1).saturating_sub(first)),
        _ => Some(0),
    }
}

/// Reads what a group has parked, for the core.
pub async fn parked(client: &Client, group: &SubscriptionKey, from: u64, count: u32) -> ParkedPage {
    match read(client, group, from, count).await {
        Ok(page) => page,
        Err(error) if Unread::of(&error) == Unread::Denied => ParkedPage::Denied,
        Err(_) => ParkedPage::Failed,
    }
}

async fn read(
    client: &Client,
    group: &SubscriptionKey,
    from: u64,
    count: u32,
) -> Result<ParkedPage, Error> {
    let read = ReadStream {
        resolve_links: true,
        ..ReadStream::forwards(parked_stream(group), from, count.into(), PAGE_BYTES)
    };
    let records = match client.read_stream(read).await? {
        StreamPage::Found { records, .. } => records,
        StreamPage::NotFound => Vec::new(),
        StreamPage::Tombstoned => return Ok(ParkedPage::Tombstoned),
    };
    // What ditto parked stays out: it does not matter what it was.
    let foreign: Vec<Event> = records
        .iter()
        .filter_map(ResolvedRecord::original)
        .filter(|entry| own_reason(&Notes::of(entry).reason).is_none())
        .cloned()
        .collect();
    let traced = trace(client, group, &foreign).await?;
    let traced: BTreeMap<u64, Traced> = foreign
        .iter()
        .map(|entry| entry.revision)
        .zip(traced)
        .collect();
    let entries = records.into_iter().filter_map(|record| {
        let original = record.original()?;
        let (entry, reason) = (original.revision, Notes::of(original).reason);
        let item = match traced.get(&entry) {
            Some(Traced::Link(origin)) => Item::Forward(origin.clone()),
            Some(Traced::Never(reason)) => Item::Never(*reason),
            Some(lost @ Traced::Lost(..)) if lost.likely(&group.stream).is_none() => {
                Item::Never(SkipReason::Unresolved)
            }
            Some(Traced::Target(..) | Traced::Lost(..)) | None => resolve(record),
        };
        Some(ParkedEntry {
            entry,
            reason,
            item,
        })
    });
    Ok(ParkedPage::Entries(entries.collect()))
}

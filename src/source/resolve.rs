//! From what a server hands over (an event, a link, or both) to what ditto does with it.
//!
//! Decided by stream name, link and revision, never by event type. Pure: no I/O, no logging.

#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::eventstore::client::{ResolvedRecord, notes};
use ditto_core::event::{Event, Item, SkipReason, StreamName, TOMBSTONE_REVISION};

/// The type of a link (protocol §6.1).
const LINK: &str = "$>";

/// Decides what becomes of it. A link is looked at first: what it says of a deletion or of its origin is lost in its
/// target.
#[must_use]
pub fn resolve(record: ResolvedRecord) -> Item {
    if let Some(item) = record.link.as_ref().and_then(by_link) {
        return item;
    }
    let Some(event) = record.event else {
        return Item::Never(SkipReason::Unresolved);
    };
    if event.stream.is_system() {
        Item::Never(SkipReason::SystemStream)
    } else if event.revision >= TOMBSTONE_REVISION {
        Item::Never(SkipReason::Tombstone)
    } else {
        Item::Event(event)
    }
}

/// The stream whose events a record of the subscription's stream stands for, links not followed: what tells which streams
/// there are without reading their events; and the event's revision there, if the record says it. `None` for what is
/// never copied.
///
/// Here, where no target is at hand, the type is what tells a link (protocol §6.1).
#[must_use]
pub fn stream_of(record: &Event) -> Option<(StreamName, Option<u64>)> {
    let text = if is_link(record) {
        LinkText::of(record)
    } else {
        LinkText::Other
    };
    match (text, by_link(record)) {
        (LinkText::Nothing, _) => None,
        (LinkText::Target { .. }, Some(Item::Forward(origin))) => Some((origin, None)),
        (LinkText::Target { .. }, Some(_)) => None,
        (LinkText::Target { revision, stream }, None) => {
            Some((StreamName::new(stream), Some(revision)))
        }
        (LinkText::Other, _)
            if record.stream.is_system() || record.revision >= TOMBSTONE_REVISION =>
        {
            None
        }
        (LinkText::Other, _) => Some((record.stream.clone(), Some(record.revision))),
    }
}

/// Whether a record that was not followed is a link.
pub(crate) fn is_link(record: &Event) -> bool {
    &*record.event_type == LINK
}

/// What the link alone decides, if it does.
pub(crate) fn by_link(link: &Event) -> Option<Item> {
    let notes: LinkNotes = notes(&link.metadata);
    if notes.deleted.is_some() {
        return Some(Item::Never(SkipReason::Deleted));
    }
    let (revision, stream) = match LinkText::of(link) {
        LinkText::Target { revision, stream } => (revision, stream),
        LinkText::Nothing => return Some(Item::Never(SkipReason::Unresolved)),
        LinkText::Other => return None,
    };
    match notes.origin.filter(|origin| !origin.is_empty()) {
        // Servers' `$by_category` links to the event itself: the stream in the text is the one in `$o`. Where they
        // differ, the event in `$o` is a user's own link, and the text is that link's (protocol §6.2): whatever
        // it points to, the link is an event of a stream that is copied.
        Some(origin) if origin != stream => Some(if origin.starts_with('$') {
            Item::Never(SkipReason::SystemStream)
        } else {
            Item::Forward(StreamName::new(origin))
        }),
        _ if stream.starts_with('$') => Some(Item::Never(SkipReason::SystemStream)),
        _ if revision == TOMBSTONE_REVISION => Some(Item::Never(SkipReason::Tombstone)),
        _ => None,
    }
}

/// The text of a link: `<revision>@<stream>`, split at the first `@` (protocol §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkText<'a> {
    /// It names an event.
    Target { revision: u64, stream: &'a str },
    /// It has that form and names nothing: no event has such a number, since a server's are signed, or stands in a
    /// stream without a name.
    Nothing,
    /// It is no such text.
    Other,
}

impl<'a> LinkText<'a> {
    /// Of a record that is a link.
    pub(super) fn of(link: &'a Event) -> Self {
        let text = std::str::from_utf8(&link.data).ok();
        let Some((revision, stream)) = text.and_then(|text| text.split_once('@')) else {
            return Self::Other;
        };
        if revision.is_empty() || !revision.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::Other;
        }
        match revision.parse() {
            Ok(revision) if revision <= TOMBSTONE_REVISION && !stream.is_empty() => {
                Self::Target { revision, stream }
            }
            _ => Self::Nothing,
        }
    }
}

/// What the projection notes in a link's metadata (protocol §6.2). Metadata that is no such JSON says nothing.
#[derive(Default, Deserialize)]
struct LinkNotes {
    #[serde(rename = "$o", default)]
    origin: Option<String>,
    #[serde(rename = "$deleted", default)]
    deleted: Option<IgnoredAny>,
}

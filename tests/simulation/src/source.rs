//! The source server's streams and the stream that is subscribed to, as protocol §5.2 and §6 describe them.
//!
//! Holds the truth that every check is made against. Knows nothing of groups, and never of ditto.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ditto_core::event::{Event, Item, SkipReason, StreamName};
use ditto_core::port::{LinkPage, ReadFrom, SourcePage};
use uuid::Uuid;

/// When simulated time begins: ticks of 100 ns since 1970.
pub(crate) const EPOCH: i64 = 17_000_000_000_000_000;
static FILLING: [u8; 4096] = [b'x'; 4096];

/// What the destination makes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Takes it.
    Ordinary,
    /// Never takes it, for its content.
    Refused,
    /// Ends the call that brings it.
    Poison,
}

/// How a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Being {
    /// Written and read.
    Live,
    /// Soft-deleted: not found, and may be begun again.
    SoftDeleted,
    /// Never again.
    Tombstoned,
}

/// One stream of the source.
#[derive(Debug)]
pub(crate) struct SourceStream {
    pub(crate) name: StreamName,
    /// Every event ever, readable or not.
    pub(crate) events: Vec<Event>,
    /// What the destination makes of each.
    pub(crate) kinds: Vec<Kind>,
    /// First readable revision.
    pub(crate) first: u64,
    /// `$maxCount`.
    pub(crate) max_count: Option<u64>,
    /// How it is now.
    pub(crate) being: Being,
    /// It was deleted at some time.
    pub(crate) ever_deleted: bool,
    /// It may not be read by plain reads.
    pub(crate) denied: bool,
    /// Plain reads of it fail for good, and of no other.
    pub(crate) broken: bool,
}

/// What stands at a number of the subscription's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// An event.
    Event { stream: usize, revision: u64 },
    /// A user's own link, an event of `stream`, which the category replaced by a link to its target.
    Forward { stream: usize, revision: u64 },
    /// Something that is never copied.
    Never(SkipReason),
}

#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) streams: Vec<SourceStream>,
    /// The subscription's stream.
    pub(crate) entries: Vec<Target>,
    /// Links below this number of a category can no longer be read.
    pub(crate) links_from: u64,
    /// The log may not be read.
    pub(crate) log_denied: bool,
    /// Numbers are revisions of stream 0, acknowledged by the events' ids.
    pub(crate) plain: bool,
    /// Plain reads are answered by a node that does not have so many of the newest events of each stream.
    pub(crate) behind: u64,
}

impl Source {
    pub(crate) fn new(streams: usize, plain: bool) -> Self {
        let streams = (0..streams)
            .map(|index| SourceStream {
                name: StreamName::new(format!("s-{index}")),
                events: Vec::with_capacity(16),
                kinds: Vec::with_capacity(16),
                first: 0,
                max_count: None,
                being: Being::Live,
                ever_deleted: false,
                denied: false,
                broken: false,
            })
            .collect();
        Self {
            streams,
            entries: Vec::with_capacity(64),
            links_from: 0,
            log_denied: false,
            plain,
            behind: 0,
        }
    }

    /// Appends an event of this size; links it unless `unlinked`. A soft-deleted stream begins again.
    pub(crate) fn write(
        &mut self,
        now: Duration,
        stream: usize,
        size: usize,
        kind: Kind,
        how: Writing,
    ) {
        let plain = self.plain;
        let at = &mut self.streams[stream];
        if at.being == Being::Tombstoned {
            return;
        }
        let revision = at.events.len() as u64;
        if at.being == Being::SoftDeleted {
            at.being = Being::Live;
            at.first = revision;
        }
        let own = event_id(stream, revision);
        let id = if how.repeat_id {
            at.events.last().map_or(own, |event| event.id)
        } else {
            own
        };
        at.events.push(Event {
            id,
            stream: at.name.clone(),
            revision,
            event_type: event_type(how.forward),
            is_json: true,
            data: Bytes::from_static(&FILLING[..size.min(FILLING.len())]),
            metadata: Bytes::new(),
            created: created(now),
        });
        at.kinds.push(kind);
        if let Some(count) = at.max_count {
            at.first = at.first.max((revision + 1).saturating_sub(count));
        }
        if how.forward && !plain {
            self.entries.push(Target::Forward { stream, revision });
        } else if plain || !how.unlinked {
            self.entries.push(Target::Event { stream, revision });
        }
    }

    /// Which stream has this name.
    pub(crate) fn index_of(&self, name: &StreamName) -> Option<usize> {
        let index = name.as_str().strip_prefix("s-")?.parse().ok()?;
        (index < self.streams.len()).then_some(index)
    }

    /// The source's event, readable or not.
    pub(crate) fn event(&self, stream: usize, revision: u64) -> Option<&Event> {
        self.streams[stream]
            .events
            .get(usize::try_from(revision).ok()?)
    }

    /// The event, if a read would bring it.
    pub(crate) fn readable(&self, stream: usize, revision: u64) -> Option<&Event> {
        let at = &self.streams[stream];
        if at.being == Being::Live && revision >= at.first {
            self.event(stream, revision)
        } else {
            None
        }
    }

    /// What a link to this resolves to now.
    pub(crate) fn resolve(&self, target: Target) -> Item {
        match target {
            Target::Event { stream, revision } => self
                .readable(stream, revision)
                .map_or(Item::Never(SkipReason::Unresolved), |event| {
                    Item::Event(event.clone())
                }),
            Target::Forward { stream, .. } => Item::Forward(self.streams[stream].name.clone()),
            Target::Never(reason) => Item::Never(reason),
        }
    }

    /// What is acknowledged for this number: the link's id, or the event's own.
    pub(crate) fn ack_id(&self, number: u64) -> Uuid {
        if self.plain {
            self.event(0, number).map_or(Uuid::nil(), |event| event.id)
        } else {
            tagged(2, 0, number)
        }
    }

    /// The subscription's stream itself was deleted for good.
    pub(crate) fn is_tombstoned(&self) -> bool {
        self.plain && self.streams[0].being == Being::Tombstoned
    }

    /// The last number as a plain read shows it: none of a stream that is deleted.
    pub(crate) fn last_number_seen(&self) -> Option<u64> {
        let deleted = self.plain && self.streams[0].being != Being::Live;
        self.last_number().filter(|_| !deleted)
    }

    /// A plain read, links not resolved (protocol §3.2).
    pub(crate) fn read(
        &self,
        stream: &StreamName,
        from: ReadFrom,
        count: u32,
        max_bytes: usize,
    ) -> SourcePage {
        let Some(index) = self.index_of(stream) else {
            return SourcePage::NotFound;
        };
        let at = &self.streams[index];
        if at.denied {
            return SourcePage::Denied;
        }
        if at.broken {
            return SourcePage::Refused("this stream is broken".to_owned());
        }
        // What a user's link stands for is not asked of a node that is behind: nothing would tell.
        let behind = match from {
            ReadFrom::Revision(_) => self.behind,
            ReadFrom::Tail => 0,
        };
        let known = at.events.len().saturating_sub(skip(behind));
        match at.being {
            Being::SoftDeleted => return SourcePage::SoftDeleted,
            Being::Tombstoned => return SourcePage::Tombstoned,
            Being::Live if known == 0 => return SourcePage::NotFound,
            Being::Live => {}
        }
        let events = match from {
            ReadFrom::Revision(from) => page(
                at.events[..known].iter().skip(skip(from.max(at.first))),
                count,
                max_bytes,
            ),
            ReadFrom::Tail => page(
                at.events[..known].iter().skip(skip(at.first)).rev(),
                count,
                max_bytes,
            ),
        };
        SourcePage::Events {
            events,
            last: known as u64 - 1,
        }
    }

    /// A read of the subscription's stream, links resolved.
    pub(crate) fn read_links(&self, from: u64, count: u32, max_bytes: usize) -> LinkPage {
        if self.plain && self.streams[0].being != Being::Live {
            return LinkPage::Deleted;
        }
        let first = from.max(self.first_number());
        let known = self.entries.len().saturating_sub(skip(self.behind));
        let mut items = Vec::new();
        let mut bytes = 0;
        for (number, target) in (first..).zip(self.entries[..known].iter().skip(skip(first))) {
            let item = self.resolve(*target);
            bytes += if let Item::Event(event) = &item {
                event.size()
            } else {
                0
            };
            if items.len() >= count as usize || (bytes > max_bytes && !items.is_empty()) {
                break;
            }
            items.push((number, item));
        }
        (known as u64)
            .checked_sub(1)
            .map_or(LinkPage::NotFound, |last| LinkPage::Items { items, last })
    }
}

/// How an event is written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Writing {
    /// The category does not link it.
    pub(crate) unlinked: bool,
    /// It is a user's own link.
    pub(crate) forward: bool,
    /// With the id of the event before.
    pub(crate) repeat_id: bool,
}

/// The id of an event that nothing else has.
pub(crate) fn event_id(stream: usize, revision: u64) -> Uuid {
    tagged(1, stream as u64, revision)
}

/// An id made of a kind and two numbers.
pub(crate) fn tagged(kind: u64, high: u64, low: u64) -> Uuid {
    Uuid::from_u64_pair((kind << 48) | high, (1 << 63) | low)
}

/// The server's time stamp for this moment.
pub(crate) fn created(now: Duration) -> i64 {
    EPOCH + i64::try_from(now.as_nanos() / 100).unwrap_or(i64::MAX - EPOCH)
}

/// Events in reading order, up to these limits, but at least one.
pub(crate) fn page<'a>(
    events: impl Iterator<Item = &'a Event>,
    count: u32,
    max_bytes: usize,
) -> Vec<Event> {
    let mut page = Vec::new();
    let mut bytes = 0;
    for event in events.take(count as usize) {
        bytes += event.size();
        if bytes > max_bytes && !page.is_empty() {
            break;
        }
        page.push(event.clone());
    }
    page
}

/// A revision as an index; beyond everything if it is beyond this machine.
pub(crate) fn skip(revision: u64) -> usize {
    usize::try_from(revision).unwrap_or(usize::MAX)
}

fn event_type(forward: bool) -> Arc<str> {
    thread_local! {
        static TYPES: [Arc<str>; 2] = ["changed".into(), "$>".into()];
    }
    TYPES.with(|types| types[usize::from(forward)].clone())
}

//! Where a group's events come from: pages of history and what was just written, as items. Never writes.

use super::effect::Page;
use super::item::Item;
use super::pinned;
use super::position::Position;
use super::settings::{Settings, Strategy};
use crate::filter::{Filter, shows_in_all};
use crate::store::{Record, Resolved, Store, StreamRead};
use std::sync::Arc;

/// Most records examined for one page of a filtered source.
const MOST_EXAMINED: usize = 1000;

/// What is delivered: the event, the link it came through, or a link whose target is gone (protocol §6.1).
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    /// The event; absent if it cannot be read.
    pub(crate) event: Option<Arc<Record>>,
    pub(crate) link: Option<Arc<Record>>,
}

impl Payload {
    /// The record that is acknowledged and numbers the delivery: the link, else the event.
    pub(crate) fn original(&self) -> Option<&Arc<Record>> {
        self.link.as_ref().or(self.event.as_ref())
    }
}

/// The source of a group.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// One stream.
    Stream(String),
    /// The whole log, perhaps filtered.
    All(Option<Filter>),
}

impl Source {
    /// The stream's name, or `$all`.
    pub(crate) fn name(&self) -> &str {
        match self {
            Source::Stream(name) => name,
            Source::All(_) => "$all",
        }
    }

    fn takes(&self, record: &Record) -> bool {
        match self {
            Source::Stream(_) => true,
            Source::All(filter) => filter.as_ref().is_none_or(|filter| filter.matches(record)),
        }
    }

    fn position(&self, record: &Record) -> Position {
        match self {
            Source::Stream(_) => Position::Stream(signed(record.revision)),
            Source::All(_) => at(record.position),
        }
    }
}

/// The source as one group reads it.
#[derive(Debug)]
pub(crate) struct Reader {
    store: Store,
    source: Source,
    resolve_links: bool,
    strategy: Strategy,
    /// How many records of a filtered source a page of history examines.
    window: usize,
    /// What was written from here on is live: a revision, or a log position.
    live_from: u64,
    tombstone_seen: bool,
}

/// Something that was just written.
#[derive(Debug)]
pub(crate) enum Live {
    /// An event for the group.
    Item(Item<Payload>),
    /// An event the filter leaves out.
    Skipped(Position),
}

impl Reader {
    /// Live is what comes from now on.
    pub(crate) fn new(store: Store, source: Source, settings: &Settings) -> Reader {
        let (live_from, tombstone_seen) = match &source {
            Source::Stream(name) => {
                let info = store.stream_info(name);
                (info.last.map_or(0, |last| last + 1), info.tombstoned)
            }
            Source::All(_) => (store.end(), true),
        };
        let Settings {
            resolve_links,
            strategy,
            ..
        } = *settings;
        let window = usize::try_from(settings.history_buffer_size).unwrap_or(0);
        Reader {
            store,
            source,
            resolve_links,
            strategy,
            window: window.clamp(1, MOST_EXAMINED),
            live_from,
            tombstone_seen,
        }
    }

    /// Signals when something may have been written to the source.
    pub(crate) fn watch(&self) -> tokio::sync::watch::Receiver<u64> {
        match &self.source {
            Source::Stream(name) => self.store.watch_stream(name),
            Source::All(_) => self.store.watch_log(),
        }
    }

    /// The next of what was written, out of up to `max` records; `None` if there are no more.
    pub(crate) fn live(&mut self, max: usize) -> Option<Vec<Live>> {
        let records = self.written(max);
        if records.is_empty() {
            return None;
        }
        let resolved = self.resolve(&records);
        let each = records.into_iter().zip(resolved);
        let live = |(record, resolved): (Arc<Record>, Resolved)| match &self.source {
            Source::All(_) if !shows_in_all(&record) => None,
            source if source.takes(&record) => Some(Live::Item(self.item(record, resolved, true))),
            source => Some(Live::Skipped(source.position(&record))),
        };
        Some(each.filter_map(live).collect())
    }

    /// The position of the event that many further on, or of the last one.
    pub(crate) fn ahead(&self, position: Position, by: u64) -> Position {
        match position {
            Position::Stream(revision) => {
                let last = self
                    .store
                    .stream_info(self.source.name())
                    .last
                    .map_or(revision, signed);
                Position::Stream(revision.saturating_add(signed(by)).min(last))
            }
            Position::All { commit, .. } => {
                let count = usize::try_from(by).unwrap_or(usize::MAX).saturating_add(1);
                let page = self
                    .store
                    .read_all_forward(unsigned(commit), count.min(MOST_EXAMINED));
                let last = page
                    .ok()
                    .and_then(|page| page.events.last().map(|record| at(record.position)));
                last.unwrap_or(position)
            }
        }
    }

    /// A page of history; `None` if the source cannot be read.
    pub(crate) fn page(&self, from: Position, count: usize) -> Option<Page<Payload>> {
        match (&self.source, from) {
            (Source::Stream(name), Position::Stream(revision)) => {
                self.stream_page(name, unsigned(revision), count)
            }
            (_, Position::All { commit, .. } | Position::Stream(commit)) => {
                self.all_page(unsigned(commit), count)
            }
        }
    }

    fn stream_page(&self, name: &str, from: u64, count: usize) -> Option<Page<Payload>> {
        match self.store.read_forward(name, from, count) {
            StreamRead::NotFound => Some(Page {
                items: Vec::new(),
                next: Position::Stream(0),
                end: true,
                skipped: None,
            }),
            StreamRead::Deleted => None,
            StreamRead::Page(page) => Some(Page {
                items: self.items(page.events),
                next: Position::Stream(signed(page.next)),
                end: page.at_end,
                skipped: None,
            }),
        }
    }

    fn all_page(&self, from: u64, count: usize) -> Option<Page<Payload>> {
        let page = self.store.read_all_forward(from, self.window).ok()?;
        let (mut taken, mut examined, mut next, mut end) = (Vec::new(), 0, page.next, page.at_end);
        for record in page.events {
            if taken.len() == count {
                (next, end) = (record.position, false);
                break;
            }
            if shows_in_all(&record) {
                examined += 1;
                if self.source.takes(&record) {
                    taken.push(record);
                }
            }
        }
        // The real server's text for a page without a match: where it began, with prepare 0 (protocol §8.7).
        let none = Position::All {
            commit: signed(from),
            prepare: 0,
        };
        let skipped = (taken.is_empty() && examined > 0).then_some((none, examined));
        Some(Page {
            items: self.items(taken),
            next: at(next),
            end,
            skipped,
        })
    }

    fn written(&mut self, max: usize) -> Vec<Arc<Record>> {
        let Source::Stream(name) = &self.source else {
            let Ok(page) = self.store.read_all_forward(self.live_from, max) else {
                return Vec::new();
            };
            self.live_from = page.next;
            return page.events;
        };
        let mut records = self.store.appended(name, self.live_from, max);
        self.live_from += records.len() as u64;
        if records.len() < max && !self.tombstone_seen {
            let tombstone = self.store.tombstone_of(name);
            self.tombstone_seen = tombstone.is_some();
            records.extend(tombstone);
        }
        records
    }

    fn resolve(&self, records: &[Arc<Record>]) -> Vec<Resolved> {
        if self.resolve_links {
            self.store.resolve(records)
        } else {
            vec![Resolved::Plain; records.len()]
        }
    }

    fn items(&self, records: Vec<Arc<Record>>) -> Vec<Item<Payload>> {
        let resolved = self.resolve(&records);
        records
            .into_iter()
            .zip(resolved)
            .map(|(record, resolved)| self.item(record, resolved, false))
            .collect()
    }

    fn item(&self, record: Arc<Record>, resolved: Resolved, live: bool) -> Item<Payload> {
        let (id, position) = (record.id, Some(self.source.position(&record)));
        let payload = payload(record, resolved, live);
        Item {
            id,
            position,
            bucket: bucket(self.strategy, &payload),
            payload,
        }
    }
}

/// Entries of a parked stream as a replay delivers them: their own ids, no place in the source (protocol §8.8).
pub(crate) fn parked_entries(
    store: &Store,
    records: Vec<Arc<Record>>,
    strategy: Strategy,
) -> Vec<(i64, Item<Payload>)> {
    let resolved = store.resolve(&records);
    let entry = |(record, resolved): (Arc<Record>, Resolved)| {
        let (id, revision) = (record.id, signed(record.revision));
        let payload = payload(record, resolved, false);
        (
            revision,
            Item {
                id,
                position: None,
                bucket: bucket(strategy, &payload),
                payload,
            },
        )
    };
    records.into_iter().zip(resolved).map(entry).collect()
}

/// A link that names no event comes as a plain event from history, and as a link without event when live
/// (protocol §6.1).
fn payload(record: Arc<Record>, resolved: Resolved, live: bool) -> Payload {
    match resolved {
        Resolved::Unparsable if live => Payload {
            event: None,
            link: Some(record),
        },
        Resolved::Plain | Resolved::Unparsable => Payload {
            event: Some(record),
            link: None,
        },
        Resolved::Link(event) => Payload {
            event,
            link: Some(record),
        },
    }
}

fn bucket(strategy: Strategy, payload: &Payload) -> u16 {
    let by_correlation = strategy == Strategy::PinnedByCorrelation;
    if !by_correlation && strategy != Strategy::Pinned {
        return 0;
    }
    let Some(record) = payload.event.as_ref().or(payload.link.as_ref()) else {
        return 0;
    };
    if by_correlation && let Some(id) = correlation_id(record) {
        return pinned::bucket(&id);
    }
    match record.link_target() {
        Some((_, stream)) if record.is_link() => pinned::bucket(&stream),
        _ => pinned::bucket(&record.stream),
    }
}

fn correlation_id(record: &Record) -> Option<String> {
    let metadata: serde_json::Value = serde_json::from_slice(&record.metadata()).ok()?;
    metadata.get("$correlationId")?.as_str().map(str::to_owned)
}

fn at(position: u64) -> Position {
    Position::All {
        commit: signed(position),
        prepare: signed(position),
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests;

//! The log of a source as protocol §15 describes it: positions, epochs, scavenges, and a tail that can be cut.
//!
//! Never knows who reads it.

use std::collections::{BTreeMap, BTreeSet};

use ditto_core::event::{Event, StreamName, TOMBSTONE_REVISION};
use ditto_core::port::log::LogRefusal;
use ditto_core::port::log::{Epoch, RecordPage, SearchPage};
use ditto_core::port::{LogPosition, ReadFrom, SourcePage};
use uuid::Uuid;

use super::state::Said;

/// A record of the log.
#[derive(Clone, Debug)]
pub(super) struct Logged {
    pub(super) position: LogPosition,
    pub(super) event: Event,
    pub(super) scavenged: bool,
}

/// How much of the log one search looks through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) records: usize,
    pub(super) found: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) log: Vec<Logged>,
    pub(super) epochs: Vec<Epoch>,
    /// First readable revision of a stream.
    pub(super) truncated: BTreeMap<StreamName, u64>,
    /// Streams that are soft-deleted.
    deleted: BTreeSet<StreamName>,
    /// First revision that was never hidden.
    pub(super) floors: BTreeMap<StreamName, u64>,
    /// A subscription from a scavenged position skips the first record that survived (23.10).
    pub(super) skips: bool,
    next_position: u64,
    next_id: u128,
}

impl Source {
    /// An empty log with its first epoch. `salt` makes ids unlike those of another source.
    pub(super) fn new(skips: bool, salt: u64) -> Self {
        let mut source = Self {
            log: Vec::new(),
            epochs: Vec::new(),
            truncated: BTreeMap::new(),
            deleted: BTreeSet::new(),
            floors: BTreeMap::new(),
            skips,
            next_position: 0,
            next_id: u128::from(salt) << 64,
        };
        source.begin_epoch();
        source
    }

    fn id(&mut self) -> Uuid {
        self.next_id += 1;
        Uuid::from_u128(self.next_id)
    }

    /// A leader begins.
    pub(super) fn begin_epoch(&mut self) {
        let id = self.id();
        let position = self.next_position;
        self.epochs.push(Epoch { id, position });
        self.next_position += 10;
    }

    /// Somebody writes one event.
    pub(super) fn write(&mut self, stream: &StreamName) {
        let revision = self.last(stream).map_or(0, |last| last + 1);
        self.append(stream.clone(), revision, vec![0; 40].into());
    }

    /// A record at the end of the log.
    pub(super) fn append(&mut self, stream: StreamName, revision: u64, data: bytes::Bytes) {
        let id = self.id();
        let position = LogPosition {
            commit: self.next_position,
            prepare: self.next_position,
        };
        self.next_position += 10;
        self.deleted.remove(&stream);
        let event = Event {
            id,
            stream,
            revision,
            event_type: "t".into(),
            is_json: false,
            data,
            metadata: bytes::Bytes::new(),
            created: 0,
        };
        self.log.push(Logged {
            position,
            event,
            scavenged: false,
        });
    }

    /// It is soft-deleted.
    pub(super) fn is_deleted(&self, stream: &StreamName) -> bool {
        self.deleted.contains(stream)
    }

    /// The stream shows nothing of what it has so far; `deleted`: and is gone until somebody writes to it.
    pub(super) fn hide(&mut self, stream: &StreamName, deleted: bool) {
        let Some(last) = self.last(stream) else {
            return;
        };
        self.truncated.insert(stream.clone(), last + 1);
        if deleted {
            self.deleted.insert(stream.clone());
        }
    }

    /// Number of a stream's last event.
    pub(super) fn last(&self, stream: &StreamName) -> Option<u64> {
        self.of(stream).last().map(|logged| logged.event.revision)
    }

    fn of(&self, stream: &StreamName) -> impl DoubleEndedIterator<Item = &Logged> {
        self.log
            .iter()
            .filter(move |logged| logged.event.stream == *stream)
            .filter(|logged| logged.event.revision != TOMBSTONE_REVISION)
    }

    /// Ids of everything that was written to the stream.
    pub(super) fn ids(&self, stream: &StreamName) -> impl Iterator<Item = Uuid> {
        self.of(stream).map(|logged| logged.event.id)
    }

    /// What the stream shows, ascending.
    pub(super) fn shown(&self, stream: &StreamName) -> impl DoubleEndedIterator<Item = &Event> {
        let first = self.truncated.get(stream).copied().unwrap_or(0);
        self.of(stream)
            .filter(move |logged| logged.event.revision >= first && !logged.scavenged)
            .map(|logged| &logged.event)
    }

    /// What the log shows of the stream, whether the stream shows it or not, ascending.
    pub(super) fn logged(&self, stream: &StreamName) -> impl DoubleEndedIterator<Item = &Logged> {
        self.of(stream).filter(|logged| !logged.scavenged)
    }

    /// Removes what streams do not show, but for each stream's last event.
    pub(super) fn scavenge(&mut self) {
        let lasts: BTreeMap<StreamName, u64> = self
            .log
            .iter()
            .map(|logged| (logged.event.stream.clone(), logged.event.revision))
            .collect();
        for logged in &mut self.log {
            let first = self.truncated.get(&logged.event.stream).copied();
            let is_last = lasts.get(&logged.event.stream) == Some(&logged.event.revision);
            // A metadata stream shows its newest event alone.
            let is_old = logged.event.stream.described().is_some();
            let is_gone = is_old || first.is_some_and(|first| logged.event.revision < first);
            logged.scavenged |= is_gone && !is_last;
        }
    }

    /// The records from this one on never were; another leader goes on.
    pub(super) fn cut(&mut self, keep: usize) {
        self.log.truncate(keep);
        let left: BTreeSet<&StreamName> =
            self.log.iter().map(|logged| &logged.event.stream).collect();
        self.deleted.retain(|stream| left.contains(stream));
        self.next_position = self
            .log
            .last()
            .map_or(10, |logged| logged.position.commit + 10);
        let end = self.next_position;
        self.epochs.retain(|epoch| epoch.position < end);
        self.begin_epoch();
        self.say_again();
    }

    /// The last record's position.
    pub(super) fn end(&self) -> LogPosition {
        let last = self.log.iter().rfind(|logged| !logged.scavenged);
        last.map_or(
            LogPosition {
                commit: 0,
                prepare: 0,
            },
            |logged| logged.position,
        )
    }

    fn is_position(&self, at: LogPosition) -> bool {
        let mut positions = self.log.iter().map(|logged| logged.position.commit);
        at.commit >= self.next_position || positions.any(|commit| commit == at.commit)
    }

    /// The first record at a position or after it.
    pub(super) fn record_at(&self, at: LogPosition) -> RecordPage {
        if !self.is_position(at) {
            return RecordPage::Refused(LogRefusal::NoPosition);
        }
        let found = self
            .log
            .iter()
            .find(|logged| logged.position >= at && !logged.scavenged);
        found.map_or(RecordPage::End, |logged| {
            RecordPage::Found(Box::new((logged.position, logged.event.clone())))
        })
    }

    /// What a part of the log, from a position on, has of a stream.
    pub(super) fn search(
        &self,
        stream: &StreamName,
        at: Option<LogPosition>,
        (from, to): (u64, Option<u64>),
        part: Part,
    ) -> SearchPage {
        if at.is_some_and(|at| !self.is_position(at)) {
            return SearchPage::NoPosition;
        }
        let begin = self
            .log
            .iter()
            .position(|logged| Some(logged.position) >= at);
        let mut found = Vec::new();
        for (looked, logged) in self
            .log
            .iter()
            .skip(begin.unwrap_or(self.log.len()))
            .enumerate()
        {
            if looked >= part.records || found.len() >= part.found {
                let next = Some(logged.position);
                return SearchPage::Searched { found, next };
            }
            let event = &logged.event;
            if logged.scavenged || event.stream != *stream || event.revision < from {
                continue;
            }
            found.push((logged.position, event.clone()));
            if Some(event.revision) >= to.or(Some(u64::MAX)) {
                let next = Some(logged.position);
                return SearchPage::Searched { found, next };
            }
        }
        SearchPage::Searched { found, next: None }
    }

    /// The index of the first record that a subscription brings; `None`: the position is none.
    pub(super) fn subscribe(&self, after: Option<LogPosition>) -> Option<usize> {
        let Some(after) = after else { return Some(0) };
        if !self.is_position(after) {
            return None;
        }
        let begin = self
            .log
            .iter()
            .position(|logged| logged.position > after)
            .unwrap_or(self.log.len());
        let at = self.log.iter().find(|logged| logged.position == after);
        let gone = at.is_none_or(|logged| logged.scavenged) && after.commit < self.next_position;
        if !(self.skips && gone) {
            return Some(begin);
        }
        // The server reads one event at the position, and starts after it.
        let survivor = self.log[begin..]
            .iter()
            .position(|logged| !logged.scavenged);
        Some(survivor.map_or(self.log.len(), |skipped| begin + skipped + 1))
    }

    /// A page of a stream.
    pub(super) fn read(&self, stream: &StreamName, from: ReadFrom, count: u32) -> SourcePage {
        if self.is_tombstoned(stream) {
            return SourcePage::Tombstoned;
        }
        if self.said(stream).is_some_and(Said::is_deletion) {
            return SourcePage::SoftDeleted;
        }
        let Some(last) = self.last(stream) else {
            return SourcePage::NotFound;
        };
        if self.deleted.contains(stream) {
            return SourcePage::SoftDeleted;
        }
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let events = match from {
            ReadFrom::Revision(from) => self
                .shown(stream)
                .filter(|event| event.revision >= from)
                .take(count)
                .cloned()
                .collect(),
            ReadFrom::Tail => self.shown(stream).rev().take(count).cloned().collect(),
        };
        SourcePage::Events { events, last }
    }
}

//! The destination server's streams: expected revisions and idempotency exactly as protocol §5.1 says.
//!
//! Counts where every source event was placed, for the checks. Never trusts what an append says about itself.

use std::time::Duration;

use ditto_core::event::Event;
use ditto_core::port::{AppendOutcome, Expected, LookupRange, LookupResult, MetadataOutcome};

use crate::happening::Lost;
use crate::source::{Kind, Source, created, page, skip};

/// The server takes no more payload than this in one append.
pub(crate) const MAX_APPEND_BYTES: usize = 1000;

/// One stream of the destination.
#[derive(Debug, Default)]
pub(crate) struct DestinationStream {
    /// Every event ever, with the revision it has here.
    pub(crate) events: Vec<Event>,
    /// First readable revision.
    pub(crate) first: u64,
    /// A scavenge has removed the events before this one but for the last (protocol §15.6): what they were is gone.
    pub(crate) scavenged: u64,
    /// Ids of so many events are no longer remembered since the server was started again.
    pub(crate) forgotten: usize,
    /// Soft-deleted now.
    pub(crate) soft_deleted: bool,
    /// Tombstoned.
    pub(crate) tombstoned: bool,
    /// `$$S` has an event; who wrote it, if a ditto did.
    pub(crate) metadata: Option<Option<(usize, u64)>>,
    /// It may be neither written nor read.
    pub(crate) denied: bool,
    /// Reads of it fail for good, and of no other.
    pub(crate) broken: bool,
    /// Somebody who is no ditto wrote, deleted or tombstoned it, or a placeholder was put into it.
    pub(crate) disturbed: bool,
    /// Where each source revision was placed: how often, and last at which revision.
    pub(crate) placed: Vec<Placed>,
}

/// Where a source event is at the destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Placed {
    /// How often it was stored.
    pub(crate) times: u32,
    /// Revision of the last time.
    pub(crate) at: u64,
}

/// What an append did.
#[derive(Debug)]
pub(crate) struct Effect {
    pub(crate) outcome: AppendOutcome,
    /// It stored something: from this revision on.
    pub(crate) stored_from: Option<u64>,
    /// It ended the call.
    pub(crate) ends_call: bool,
}

impl Effect {
    fn refused(outcome: AppendOutcome) -> Self {
        Self {
            outcome,
            stored_from: None,
            ends_call: false,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Destination {
    /// Its streams, in the order of the source's.
    pub(crate) streams: Vec<DestinationStream>,
    /// It has no revisions (Kinesis).
    pub(crate) append_only: bool,
    /// What the user may no longer do.
    pub(crate) lost: Option<Lost>,
    /// How often rights were lost.
    pub(crate) losses: u32,
}

impl Destination {
    pub(crate) fn new(streams: usize, append_only: bool) -> Self {
        Self {
            streams: (0..streams).map(|_| DestinationStream::default()).collect(),
            append_only,
            lost: None,
            losses: 0,
        }
    }

    /// As if any revision were expected: what a deliberate mistake would make of it (protocol §5.1.3).
    pub(crate) fn append_anywhere(
        &mut self,
        now: Duration,
        stream: usize,
        events: &[Event],
    ) -> Effect {
        let at = &self.streams[stream];
        let recent = || at.events.iter().skip(at.forgotten);
        let place = |event: &Event| recent().find(|stored| stored.id == event.id);
        let places: Vec<Option<u64>> = events
            .iter()
            .map(|event| place(event).map(|stored| stored.revision))
            .collect();
        match (places.first(), places.last()) {
            (Some(Some(_)), Some(Some(last))) => Effect::refused(AppendOutcome::Written(*last)),
            _ if at.tombstoned => Effect::refused(AppendOutcome::Deleted),
            _ => {
                let from = self.store(now, stream, events);
                Effect {
                    stored_from: Some(from),
                    ..Effect::refused(AppendOutcome::Written(from + events.len() as u64 - 1))
                }
            }
        }
    }

    /// The server starts again: ids it remembered are forgotten. Exact revisions are found in the log all the same.
    pub(crate) fn restart(&mut self) {
        for stream in &mut self.streams {
            stream.forgotten = stream.events.len();
        }
    }

    /// Carries out an append.
    pub(crate) fn append(
        &mut self,
        source: &Source,
        now: Duration,
        stream: usize,
        expected: Expected,
        events: &[Event],
    ) -> Effect {
        let kind = |event: &Event| {
            source.streams[stream]
                .kinds
                .get(skip(event.revision))
                .copied()
        };
        if events.iter().any(|event| kind(event) == Some(Kind::Poison)) {
            return Effect {
                ends_call: true,
                ..Effect::refused(AppendOutcome::NoAnswer)
            };
        }
        if self.streams[stream].denied || self.lost.is_some() {
            return Effect::refused(AppendOutcome::Denied);
        }
        if events.iter().map(Event::append_size).sum::<usize>() > MAX_APPEND_BYTES {
            let limit = Some(MAX_APPEND_BYTES);
            return Effect::refused(AppendOutcome::TooLarge { limit });
        }
        if events
            .iter()
            .any(|event| kind(event) == Some(Kind::Refused))
        {
            return Effect::refused(AppendOutcome::Refused("not to my taste".to_owned()));
        }
        let last = events.last().map_or(0, |event| event.revision);
        if self.append_only {
            let from = self.store(now, stream, events);
            return Effect {
                stored_from: Some(from),
                ..Effect::refused(AppendOutcome::Written(last))
            };
        }
        self.append_expecting(now, stream, expected, events)
    }

    /// The rules of protocol §5.1 for *no stream* and exact revisions.
    fn append_expecting(
        &mut self,
        now: Duration,
        stream: usize,
        expected: Expected,
        events: &[Event],
    ) -> Effect {
        let at = &mut self.streams[stream];
        if at.tombstoned {
            return Effect::refused(AppendOutcome::Deleted);
        }
        let next = match expected {
            Expected::NoStream => 0,
            Expected::Exact(revision) => revision + 1,
        };
        let length = at.events.len() as u64;
        if next > length {
            return Effect::refused(AppendOutcome::WrongRevision);
        }
        if next < length {
            let stored = at.events.iter().skip(skip(next));
            let there =
                |stored: &Event| stored.revision >= at.scavenged || stored.revision + 1 == length;
            let equal = stored
                .zip(events)
                .take_while(|(stored, sent)| there(stored) && stored.id == sent.id)
                .count();
            if equal == events.len() {
                return Effect::refused(AppendOutcome::Written(next + events.len() as u64 - 1));
            }
            let begins_again = equal == 0 && next == 0 && at.soft_deleted;
            if !begins_again {
                return Effect::refused(AppendOutcome::WrongRevision);
            }
        }
        if at.soft_deleted {
            at.soft_deleted = false;
            at.first = length;
        }
        let from = self.store(now, stream, events);
        let last = from + events.len() as u64 - 1;
        Effect {
            stored_from: Some(from),
            ..Effect::refused(AppendOutcome::Written(last))
        }
    }

    /// The answer to an append of this event with the revision before it expected (protocol §5.1.12).
    pub(crate) fn recognise(&mut self, stream: usize, event: &Event) -> LookupResult {
        if self.streams[stream].denied || self.lost.is_some() {
            return LookupResult::Denied;
        }
        let expected = Expected::Exact(event.revision.saturating_sub(1));
        let effect = self.append_expecting(
            Duration::ZERO,
            stream,
            expected,
            std::slice::from_ref(event),
        );
        match effect.outcome {
            AppendOutcome::Written(_) => LookupResult::Recognised,
            AppendOutcome::Deleted => LookupResult::Tombstoned,
            _ => LookupResult::Foreign,
        }
    }

    /// Stores events behind the tail; the answer is where the first one is.
    pub(crate) fn store(&mut self, now: Duration, stream: usize, events: &[Event]) -> u64 {
        let at = &mut self.streams[stream];
        let from = at.events.len() as u64;
        for (revision, event) in (from..).zip(events) {
            let source_revision = skip(event.revision);
            at.events.push(Event {
                revision,
                created: created(now),
                ..event.clone()
            });
            if at.placed.len() <= source_revision {
                at.placed.resize(source_revision + 1, Placed::default());
            }
            at.placed[source_revision].times += 1;
            at.placed[source_revision].at = revision;
        }
        from
    }

    /// Somebody who is no ditto writes.
    pub(crate) fn store_foreign(&mut self, now: Duration, stream: usize, event: Event) {
        let at = &mut self.streams[stream];
        if at.tombstoned {
            return;
        }
        let revision = at.events.len() as u64;
        if at.soft_deleted {
            at.soft_deleted = false;
            at.first = revision;
        }
        at.disturbed = true;
        at.events.push(Event {
            revision,
            created: created(now),
            ..event
        });
    }

    pub(crate) fn lookup(
        &self,
        stream: usize,
        range: LookupRange,
        max_bytes: usize,
    ) -> LookupResult {
        let at = &self.streams[stream];
        if at.denied || self.lost == Some(Lost::Everything) {
            return LookupResult::Denied;
        }
        if at.broken {
            return LookupResult::Refused("this stream is broken".to_owned());
        }
        if at.tombstoned {
            return LookupResult::Tombstoned;
        }
        let readable = || at.events.iter().skip(skip(at.first));
        let (backwards, events) = match range {
            LookupRange::Metadata if at.soft_deleted => {
                return LookupResult::SoftDeleted(None);
            }
            LookupRange::Metadata => return LookupResult::NotDeleted,
            _ if at.soft_deleted => return LookupResult::SoftDeleted(None),
            _ if at.events.is_empty() => return LookupResult::NotFound,
            LookupRange::Forwards { from, count } => (
                false,
                page(
                    at.events.iter().skip(skip(from.max(at.first))),
                    count,
                    max_bytes,
                ),
            ),
            LookupRange::Backwards { from, count } => {
                let from = from.unwrap_or(u64::MAX);
                (
                    true,
                    page(
                        readable().rev().skip_while(|event| event.revision > from),
                        count,
                        max_bytes,
                    ),
                )
            }
        };
        let mut events = events;
        if backwards {
            events.reverse();
        }
        LookupResult::Tail {
            last: at.events.len() as u64 - 1,
            events,
            truncate_before: (!backwards && at.first > 0).then_some(at.first),
            copied: None,
        }
    }

    /// Writes `$$S`, *no stream* expected. The same write again is recognised by its id.
    pub(crate) fn write_metadata(
        &mut self,
        stream: usize,
        writer: (usize, u64),
        truncate_before: Option<u64>,
    ) -> MetadataOutcome {
        let lost = self.lost.is_some();
        let at = &mut self.streams[stream];
        if at.denied || lost {
            return MetadataOutcome::Denied;
        }
        match at.metadata {
            Some(by) if by == Some(writer) => MetadataOutcome::Written,
            Some(_) => MetadataOutcome::Exists,
            None => {
                at.metadata = Some(Some(writer));
                at.first = at.first.max(truncate_before.unwrap_or(0));
                MetadataOutcome::Written
            }
        }
    }

    /// Soft-deletes a stream that has events (protocol §4.3).
    pub(crate) fn soft_delete(&mut self, stream: usize) {
        let at = &mut self.streams[stream];
        if at.events.is_empty() || at.tombstoned {
            return;
        }
        at.soft_deleted = true;
        at.disturbed = true;
        at.metadata.get_or_insert(None);
    }
}

#[cfg(test)]
mod tests;

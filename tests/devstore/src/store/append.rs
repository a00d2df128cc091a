//! Appending: what is expected, what is recognised as written before, what is written (protocol §5.1).
//!
//! Compares ids only; never compares data.

use bytes::Bytes;
use uuid::Uuid;

use super::log::{Kind, Log, StreamId};
use super::metadata::with_truncate_before;
use super::record::{Body, Proposed};
use super::{Expected, Record, Refused, Store, Written};

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Write,
    /// Done before; the number of its last event.
    Recognised(u64),
}

impl Log {
    pub(super) fn append(
        &mut self,
        name: &str,
        expected: Expected,
        events: Vec<Proposed>,
    ) -> Result<Written, Refused> {
        let ids: Vec<Uuid> = events.iter().map(|event| event.id).collect();
        let known = self.find(name);
        match self.check(known, expected, &ids)? {
            Verdict::Recognised(last) => Ok(Written {
                last_revision: Some(last),
                position: self
                    .readable_event(name, last)
                    .map(|record| record.position),
                recognised: true,
            }),
            // Nothing comes into being by a write of nothing.
            Verdict::Write if events.is_empty() => Ok(Written {
                last_revision: known.and_then(|id| self.stream(id).last()),
                position: Some(self.last_position()),
                recognised: false,
            }),
            Verdict::Write => {
                let stream = self.intern(name);
                Ok(self.write(stream, events))
            }
        }
    }

    /// Compares the stream with what is expected of it. `ids` are those of the events to be written.
    pub(super) fn check(
        &self,
        stream: Option<StreamId>,
        expected: Expected,
        ids: &[Uuid],
    ) -> Result<Verdict, Refused> {
        let Some(stream) = stream else {
            return match expected {
                Expected::Any | Expected::NoStream => Ok(Verdict::Write),
                Expected::StreamExists | Expected::Exact(_) => Err(wrong(None)),
            };
        };
        if self.refuses_writes(stream) {
            return Err(Refused::StreamDeleted);
        }
        let last = self.stream(stream).last();
        match expected {
            Expected::StreamExists if self.is_soft_deleted(stream) => Err(Refused::StreamDeleted),
            Expected::StreamExists if last.is_none() && !self.has_metadata(stream) => {
                Err(wrong(None))
            }
            Expected::Any | Expected::StreamExists => self.recognise_anywhere(stream, ids),
            Expected::NoStream => self.recognise_from(stream, 0, ids),
            Expected::Exact(after) => self.recognise_from(stream, after.saturating_add(1), ids),
        }
    }

    /// Without an exact number: all ids known in this stream, or the first of them not.
    fn recognise_anywhere(&self, stream: StreamId, ids: &[Uuid]) -> Result<Verdict, Refused> {
        let mut verdict = Verdict::Write;
        for (i, id) in ids.iter().enumerate() {
            match self.known_id(stream, *id) {
                Some(number) => verdict = Verdict::Recognised(number),
                None if i == 0 => return Ok(Verdict::Write),
                None => return Err(wrong(self.stream(stream).last())),
            }
        }
        Ok(verdict)
    }

    /// With an exact number: at the end it is written, before it every id must be the one that stands there.
    fn recognise_from(
        &self,
        stream: StreamId,
        first: u64,
        ids: &[Uuid],
    ) -> Result<Verdict, Refused> {
        let events = &self.stream(stream).events;
        let wrong = wrong(self.stream(stream).last());
        if first == events.len() as u64 {
            return Ok(Verdict::Write);
        }
        let Some(there) = usize::try_from(first)
            .ok()
            .and_then(|first| events.get(first..))
        else {
            return Err(wrong);
        };
        let equal = there
            .iter()
            .zip(ids)
            .take_while(|(event, id)| event.id == **id && self.is_known(stream, event))
            .count();
        if first == 0 && self.is_soft_deleted(stream) && equal == 0 {
            return Ok(Verdict::Write);
        }
        if ids.is_empty() || equal < ids.len() {
            return Err(wrong);
        }
        Ok(Verdict::Recognised(first + ids.len() as u64 - 1))
    }

    /// Whether the server still knows that this event is there: from the log, or for what was scavenged from the ids
    /// that it remembers until it ends (protocol §5.1.12).
    fn is_known(&self, stream: StreamId, event: &Record) -> bool {
        !self.is_scavenged(event) || self.known_id(stream, event.id) == Some(event.revision)
    }

    fn write(&mut self, stream: StreamId, events: Vec<Proposed>) -> Written {
        let first = self.stream(stream).events.len() as u64;
        let was_deleted = self.is_soft_deleted(stream);
        let undeletes = match self.stream(stream).kind {
            Kind::MetadataOf(of) if self.is_soft_deleted(of) => Some(of),
            _ => None,
        };
        let mut position = None;
        for event in events {
            let record = self.push_event(stream, event);
            position = Some(record.position);
            self.project(stream, &record);
        }
        let last_revision = self.stream(stream).last();
        if was_deleted {
            self.truncate_by_server(stream, first);
        }
        if let Some(of) = undeletes {
            let next = self.stream(of).events.len() as u64;
            self.truncate_by_server(of, next);
        }
        Written {
            last_revision,
            position,
            recognised: false,
        }
    }

    /// The metadata event with which the server itself brings a deleted stream back (protocol §5.1.7, §5.1.8).
    fn truncate_by_server(&mut self, stream: StreamId, before: u64) {
        let metadata_stream = self.metadata_stream(stream);
        let previous = match self
            .stream(metadata_stream)
            .events
            .last()
            .map(|record| &record.body)
        {
            Some(Body::Stored { data, .. }) => data.clone(),
            _ => Bytes::new(),
        };
        self.write_metadata(stream, with_truncate_before(&previous, before));
    }

    /// Writes a metadata event of the server's own; returns its position.
    pub(super) fn write_metadata(&mut self, stream: StreamId, data: String) -> u64 {
        let metadata_stream = self.metadata_stream(stream);
        let record = self.push_event(metadata_stream, Store::json_event("$metadata", data));
        self.project(metadata_stream, &record);
        record.position
    }

    pub(super) fn metadata_stream(&mut self, stream: StreamId) -> StreamId {
        if let Some(id) = self.stream(stream).metadata_stream {
            return id;
        }
        let name = format!("$${}", self.stream(stream).name);
        self.intern(&name)
    }

    pub(super) fn has_metadata(&self, stream: StreamId) -> bool {
        let metadata_stream = self.stream(stream).metadata_stream;
        metadata_stream.is_some_and(|id| !self.stream(id).events.is_empty())
    }

    /// A tombstone refuses everything, but its metadata stream only if that was empty (protocol §4.3).
    fn refuses_writes(&self, stream: StreamId) -> bool {
        let found = self.stream(stream);
        found.tombstoned || (found.events.is_empty() && self.is_gone(stream))
    }
}

fn wrong(current: Option<u64>) -> Refused {
    Refused::WrongExpectedVersion { current }
}

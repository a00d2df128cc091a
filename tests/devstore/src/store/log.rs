//! The log and the streams in it: what all other parts of the store work on, under one lock.
//!
//! Knows how a record gets its place and what a name stands for. Never decides whether something may be written.

mod cut;
mod stretch;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::watch;
use uuid::Uuid;

use self::stretch::Stretch;

use super::epochs::Epoch;
use super::projections::Projections;
use super::record::{Body, Proposed, Record};
use super::{MAX_REVISION, StreamInfo, StreamMetadata};
use crate::clock;

/// Place of a stream in [`Log::streams`]. Streams are never forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamId(usize);

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) name: Arc<str>,
    /// Event `n` at index `n`: numbers have no gaps.
    pub(super) events: Vec<Arc<Record>>,
    pub(super) tombstoned: bool,
    /// Somebody wrote to it who is no projection.
    pub(super) written_by_others: bool,
    /// Of the latest event of its metadata stream.
    pub(super) metadata: StreamMetadata,
    pub(super) kind: Kind,
    pub(super) metadata_stream: Option<StreamId>,
    pub(super) category: Option<StreamId>,
    watch: Option<watch::Sender<u64>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    System,
    /// `$$` and the name of that stream.
    MetadataOf(StreamId),
}

#[derive(Debug)]
pub(super) struct Log {
    records: Vec<Arc<Record>>,
    /// What lies between them.
    stretches: Vec<Stretch>,
    end: u64,
    streams: Vec<Stream>,
    by_name: HashMap<Arc<str>, StreamId>,
    /// Where each id was written last; places in `records`.
    recent_ids: HashMap<Uuid, u32>,
    types: HashMap<Arc<str>, Option<StreamId>>,
    pub(super) projections: Projections,
    /// The epoch records, which are no events.
    pub(super) epochs: Vec<Epoch>,
    /// Number of the next epoch.
    pub(super) next_epoch: u64,
    /// Positions of the events that a scavenge removed.
    pub(super) scavenged: HashSet<u64>,
}

impl Log {
    pub(super) fn new() -> Self {
        let mut log = Self {
            records: Vec::new(),
            stretches: Vec::new(),
            end: 0,
            streams: Vec::new(),
            by_name: HashMap::new(),
            recent_ids: HashMap::new(),
            types: HashMap::new(),
            projections: Projections::default(),
            epochs: Vec::new(),
            next_epoch: 0,
            scavenged: HashSet::new(),
        };
        // A real log begins with records of the server, so that position 0 is never a client's event (protocol §3.3).
        log.begin_epoch(Uuid::new_v4());
        // The epoch shows to nobody; the first records that readers of an unfiltered `$all` see are the server's too.
        let scavenges = log.intern("$$$scavenges");
        let event = super::Store::json_event("$metadata", r#"{"$maxAge":2592000}"#);
        log.push_event(scavenges, event);
        let projections = log.intern("$projections-$all");
        let event = super::Store::json_event("$ProjectionsInitialized", "{}");
        log.push_event(projections, event);
        log
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Leaves room in the log for something that is no event.
    pub(super) fn leave_out(&mut self, size: u64) {
        self.end += size;
    }

    pub(super) fn stream_ids(&self) -> impl Iterator<Item = StreamId> + use<> {
        (0..self.streams.len()).map(StreamId)
    }

    pub(super) fn records(&self) -> &[Arc<Record>] {
        &self.records
    }

    /// The record that begins there, scavenged or not.
    pub(super) fn record_at(&self, position: u64) -> Option<Arc<Record>> {
        let place = |record: &Arc<Record>| record.position.cmp(&position);
        let place = self.records.binary_search_by(place).ok()?;
        self.records.get(place).cloned()
    }

    pub(super) fn record_count(&self) -> usize {
        let made: u64 = self.stretches.iter().map(Stretch::count).sum();
        self.records.len() + usize::try_from(made).unwrap_or(usize::MAX)
    }

    pub(super) fn last_position(&self) -> u64 {
        let written = self.records.last().map_or(0, |record| record.position);
        let made = self.stretches.last().map_or(0, Stretch::last_position);
        written.max(made)
    }

    pub(super) fn find(&self, name: &str) -> Option<StreamId> {
        self.by_name.get(name).copied()
    }

    pub(super) fn stream(&self, id: StreamId) -> &Stream {
        &self.streams[id.0]
    }

    pub(super) fn stream_mut(&mut self, id: StreamId) -> &mut Stream {
        &mut self.streams[id.0]
    }

    /// The stream of that name, made if it is new.
    pub(super) fn intern(&mut self, name: &str) -> StreamId {
        if let Some(id) = self.find(name) {
            return id;
        }
        let kind = match name.strip_prefix("$$") {
            Some(of) if !of.is_empty() => Kind::MetadataOf(self.intern(of)),
            _ if name.starts_with('$') => Kind::System,
            _ => Kind::User,
        };
        let id = StreamId(self.streams.len());
        let name: Arc<str> = name.into();
        self.streams.push(Stream {
            name: Arc::clone(&name),
            events: Vec::new(),
            tombstoned: false,
            written_by_others: false,
            metadata: StreamMetadata::default(),
            kind,
            metadata_stream: None,
            category: None,
            watch: None,
        });
        self.by_name.insert(name, id);
        if let Kind::MetadataOf(of) = kind {
            self.streams[of.0].metadata_stream = Some(id);
        }
        id
    }

    /// The shared text of a type, and the `$et-` stream noted for it.
    pub(super) fn intern_type(&mut self, event_type: Arc<str>) -> Arc<str> {
        if let Some((known, _)) = self.types.get_key_value(&event_type) {
            return Arc::clone(known);
        }
        self.types.insert(Arc::clone(&event_type), None);
        event_type
    }

    pub(super) fn type_stream(&mut self, event_type: &Arc<str>) -> StreamId {
        if let Some(Some(id)) = self.types.get(event_type) {
            return *id;
        }
        let id = self.intern(&format!("$et-{event_type}"));
        self.types.insert(Arc::clone(event_type), Some(id));
        id
    }

    /// Writes an event behind the stream's last one and remembers its id.
    pub(super) fn push_event(&mut self, stream: StreamId, event: Proposed) -> Arc<Record> {
        let Proposed {
            id,
            event_type,
            is_json,
            data,
            metadata,
        } = event;
        let event_type = self.intern_type(event_type);
        let revision = self.stream(stream).events.len() as u64;
        let size = data.len() + metadata.len();
        let record = self.push(
            stream,
            revision,
            size,
            id,
            event_type,
            is_json,
            Body::Stored { data, metadata },
        );
        if let Ok(place) = u32::try_from(self.records.len() - 1) {
            self.recent_ids.insert(id, place);
        }
        let written = self.stream_mut(stream);
        written.events.push(Arc::clone(&record));
        written.written_by_others = true;
        self.note_metadata(stream, &record);
        record
    }

    /// Writes what a projection emits.
    pub(super) fn push_emitted(&mut self, stream: StreamId, event_type: &Arc<str>, body: Body) {
        let revision = self.stream(stream).events.len() as u64;
        let record = self.push(
            stream,
            revision,
            0,
            Uuid::new_v4(),
            Arc::clone(event_type),
            false,
            body,
        );
        self.stream_mut(stream).events.push(record);
    }

    /// Writes the record that ends a stream.
    pub(super) fn push_tombstone(&mut self, stream: StreamId) -> Arc<Record> {
        let event_type = self.intern_type("$streamDeleted".into());
        let body = Body::Stored {
            data: bytes::Bytes::new(),
            metadata: bytes::Bytes::new(),
        };
        let record = self.push(
            stream,
            MAX_REVISION,
            0,
            Uuid::new_v4(),
            event_type,
            false,
            body,
        );
        self.stream_mut(stream).tombstoned = true;
        record
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one record")]
    fn push(
        &mut self,
        stream: StreamId,
        revision: u64,
        size: usize,
        id: Uuid,
        event_type: Arc<str>,
        is_json: bool,
        body: Body,
    ) -> Arc<Record> {
        let name = Arc::clone(&self.stream(stream).name);
        let position = self.end;
        self.end += record_size(&name, &event_type, size);
        let record = Arc::new(Record {
            id,
            stream: name,
            revision,
            position,
            event_type,
            is_json,
            created: now_ticks(),
            body,
        });
        self.records.push(Arc::clone(&record));
        self.notify(stream);
        record
    }

    fn notify(&self, stream: StreamId) {
        if let Some(watch) = &self.stream(stream).watch {
            watch.send_replace(self.end);
        }
    }

    fn note_metadata(&mut self, stream: StreamId, record: &Record) {
        let Kind::MetadataOf(of) = self.stream(stream).kind else {
            return;
        };
        let metadata = match &record.body {
            Body::Stored { data, .. } if record.is_json => StreamMetadata::parse(data),
            _ => StreamMetadata::default(),
        };
        self.stream_mut(of).metadata = metadata;
        // What can be read of it may have changed.
        self.notify(of);
    }

    /// The number under which this id was last written, if that was in this stream.
    pub(super) fn known_id(&self, stream: StreamId, id: Uuid) -> Option<u64> {
        let record = &self.records[*self.recent_ids.get(&id)? as usize];
        Arc::ptr_eq(&record.stream, &self.stream(stream).name).then_some(record.revision)
    }

    pub(super) fn forget_recent_ids(&mut self) {
        self.recent_ids = HashMap::new();
    }

    /// Metadata streams have none of their own and show only their newest event (protocol §5.2).
    pub(super) fn metadata_in_force(&self, stream: StreamId) -> StreamMetadata {
        match self.stream(stream).kind {
            Kind::MetadataOf(_) => StreamMetadata {
                max_count: Some(1),
                ..StreamMetadata::default()
            },
            Kind::User | Kind::System => self.stream(stream).metadata.clone(),
        }
    }

    pub(super) fn metadata_of(&self, name: &str) -> StreamMetadata {
        self.find(name)
            .map(|id| self.metadata_in_force(id))
            .unwrap_or_default()
    }

    pub(super) fn is_soft_deleted(&self, stream: StreamId) -> bool {
        let found = self.stream(stream);
        !matches!(found.kind, Kind::MetadataOf(_)) && found.metadata.is_soft_deleted()
    }

    /// Reads fail: tombstoned itself, or metadata of a tombstoned stream.
    pub(super) fn is_gone(&self, stream: StreamId) -> bool {
        let found = self.stream(stream);
        found.tombstoned || matches!(found.kind, Kind::MetadataOf(of) if self.stream(of).tombstoned)
    }

    pub(super) fn stream_info(&self, name: &str) -> StreamInfo {
        let Some(id) = self.find(name) else {
            return StreamInfo::default();
        };
        StreamInfo {
            last: self.stream(id).last(),
            tombstoned: self.is_gone(id),
            soft_deleted: self.is_soft_deleted(id),
            first_readable: self.first_readable(id),
        }
    }

    pub(super) fn watch(&mut self, name: &str) -> watch::Receiver<u64> {
        let end = self.end;
        let id = self.intern(name);
        let sender = self
            .stream_mut(id)
            .watch
            .get_or_insert_with(|| watch::channel(end).0);
        sender.subscribe()
    }
}

/// What a record takes in the log. As in the real one, records differ in size, so no position follows from another.
fn record_size(stream: &str, event_type: &str, payload: usize) -> u64 {
    (128 + stream.len() + event_type.len() + payload) as u64
}

impl Stream {
    /// Number of the last event.
    pub(super) fn last(&self) -> Option<u64> {
        (self.events.len() as u64).checked_sub(1)
    }
}

/// Now, in ticks of 100 ns since 1970-01-01 UTC.
pub(super) fn now_ticks() -> i64 {
    i64::try_from(clock::since_1970().as_nanos() / 100).unwrap_or(i64::MAX)
}

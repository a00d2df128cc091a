//! The system projections `$by_category`, `$by_event_type`, `$streams`, `$stream_by_category` (protocol §6.2).
//!
//! They run inside the write, so their links follow the source at once; on a real server they come some milliseconds
//! later. Never reads anything back from its own output.

use std::sync::Arc;

use bytes::Bytes;

use super::log::{Kind, Log, StreamId};
use super::metadata::StreamMetadata;
use super::record::{
    Body, Emission, LINK_TYPE, LinkMetadata, REFERENCE_TYPE, Record, correlation_id, link_metadata,
};

/// What `$ce-` and the like are readable by.
const OUTPUT_METADATA: &str = r#"{"$acl":{"$r":"$all","$mr":"$all"}}"#;

/// State of the projections.
#[derive(Clone, Debug, Default)]
pub(super) struct Projections {
    /// Somebody else wrote into the output: no links any more, for good.
    by_category_faulted: bool,
    by_event_type_faulted: bool,
    streams_faulted: bool,
    stream_by_category_faulted: bool,
}

/// What the projections make of an event.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Event,
    /// A tombstone, or the metadata event of a soft delete.
    Deletion,
    Metadata,
}

impl Log {
    /// Lets every projection see a record just written to `stream`.
    pub(super) fn project(&mut self, stream: StreamId, record: &Arc<Record>) {
        let Some((source, of)) = self.classify(stream, record) else {
            return;
        };
        if record.revision == 0 {
            self.emit_stream(of, source, record);
        }
        match source {
            Source::Event if record.is_link() => self.emit_copied_link(of, record),
            Source::Event => self.emit_category(of, record, Emission::Category),
            Source::Deletion => self.emit_category(of, record, Emission::CategoryDeleted),
            Source::Metadata => {}
        }
        let event_type = match source {
            Source::Event if record.is_link() => return,
            Source::Event | Source::Metadata => Arc::clone(&record.event_type),
            Source::Deletion => self.intern_type("$deleted".into()),
        };
        let output = self.type_stream(&event_type);
        if self.may_emit(output, |projections| &mut projections.by_event_type_faulted) {
            self.emit(output, LINK_TYPE, record, Emission::EventType);
        }
    }

    pub(super) fn is_projection_running(&self, name: &str) -> Option<bool> {
        let projections = &self.projections;
        let faulted = match name {
            "$by_category" => projections.by_category_faulted,
            "$by_event_type" => projections.by_event_type_faulted,
            "$streams" => projections.streams_faulted,
            "$stream_by_category" => projections.stream_by_category_faulted,
            _ => return None,
        };
        Some(!faulted)
    }

    /// What a record is to the projections, and the user's stream that it is about; `None` if they do not see it.
    fn classify(&self, stream: StreamId, record: &Record) -> Option<(Source, StreamId)> {
        let (source, of) = match self.stream(stream).kind {
            Kind::System => return None,
            Kind::User if record.is_tombstone() => (Source::Deletion, stream),
            Kind::User => (Source::Event, stream),
            Kind::MetadataOf(of) => match &record.body {
                Body::Stored { data, .. } if StreamMetadata::parse(data).is_soft_deleted() => {
                    (Source::Deletion, of)
                }
                _ => (Source::Metadata, of),
            },
        };
        let sound = match &record.body {
            Body::Stored { data, .. } => !record.is_json || is_json(data),
            Body::Emitted { .. } => true,
        };
        (self.stream(of).kind == Kind::User && sound).then_some((source, of))
    }

    fn emit_stream(&mut self, of: StreamId, source: Source, record: &Arc<Record>) {
        let output = self.intern("$streams");
        if self.may_emit(output, |projections| &mut projections.streams_faulted) {
            self.emit(output, LINK_TYPE, record, Emission::Streams);
        }
        if source != Source::Event {
            return;
        }
        let Some(category) = category(&self.stream(of).name) else {
            return;
        };
        let output = format!("$category-{category}");
        let output = self.intern(&output);
        if self.may_emit(output, |projections| {
            &mut projections.stream_by_category_faulted
        }) {
            self.emit(output, REFERENCE_TYPE, record, Emission::CategoryStream);
        }
    }

    fn emit_category(&mut self, of: StreamId, record: &Arc<Record>, by: Emission) {
        if let Some(output) = self.category_output(of) {
            self.emit(output, LINK_TYPE, record, by);
        }
    }

    /// A link of a user's own is not linked to: its final target is, under the name of the stream that holds the link.
    fn emit_copied_link(&mut self, of: StreamId, record: &Arc<Record>) {
        let Some(target) = self.final_target(record) else {
            return;
        };
        let Some(output) = self.category_output(of) else {
            return;
        };
        let metadata = link_metadata(&LinkMetadata {
            projection: 3,
            position: record.position,
            stream: Some(&record.stream),
            deleted: false,
            cause: target.id,
            correlation: correlation_id(&target),
        });
        let body = Body::Stored {
            data: format!("{}@{}", target.revision, target.stream).into(),
            metadata: metadata.into(),
        };
        let event_type = self.intern_type(LINK_TYPE.into());
        self.prepare(output);
        self.push_emitted(output, &event_type, body);
    }

    fn category_output(&mut self, of: StreamId) -> Option<StreamId> {
        let output = match self.stream(of).category {
            Some(output) => output,
            None => {
                let name = format!("$ce-{}", category(&self.stream(of).name)?);
                let output = self.intern(&name);
                self.stream_mut(of).category = Some(output);
                output
            }
        };
        self.may_emit(output, |projections| &mut projections.by_category_faulted)
            .then_some(output)
    }

    fn emit(&mut self, output: StreamId, event_type: &str, source: &Arc<Record>, by: Emission) {
        self.prepare(output);
        let event_type = self.intern_type(event_type.into());
        let source = Arc::clone(source);
        self.push_emitted(output, &event_type, Body::Emitted { source, by });
    }

    /// The first event of an output comes with metadata.
    fn prepare(&mut self, output: StreamId) {
        if self.stream(output).events.is_empty() {
            self.write_metadata(output, OUTPUT_METADATA.to_owned());
        }
    }

    /// A projection whose output somebody else wrote to, or deleted, is faulted for good.
    fn may_emit(
        &mut self,
        output: StreamId,
        faulted: impl Fn(&mut Projections) -> &mut bool,
    ) -> bool {
        let touched = self.stream(output).written_by_others || self.stream(output).tombstoned;
        let faulted = faulted(&mut self.projections);
        *faulted |= touched;
        !*faulted
    }
}

/// The part of a name before its first `-`, if there is one (protocol §6.2).
fn category(stream: &str) -> Option<&str> {
    stream
        .split_once('-')
        .map(|(category, _)| category)
        .filter(|category| !category.is_empty())
}

fn is_json(data: &Bytes) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok()
}

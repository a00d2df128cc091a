//! One record of the log: an event of a stream.
//!
//! What a projection emits is not stored as text but made when it is read: two or three links for each event would
//! otherwise be most of the memory. Never changes once it is in the log.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

use super::MAX_REVISION;

/// Type of a link event.
pub(super) const LINK_TYPE: &str = "$>";
/// Type of a reference to a stream, which is never followed.
pub(super) const REFERENCE_TYPE: &str = "$@";

/// An event as a client, or the server itself, asks to write it.
#[derive(Clone, Debug)]
pub struct Proposed {
    /// Chosen by the writer.
    pub id: Uuid,
    /// The event type.
    pub event_type: Arc<str>,
    /// Content type `application/json`, exactly (protocol §3.5).
    pub is_json: bool,
    /// The payload, never looked into.
    pub data: Bytes,
    /// The custom metadata, never looked into.
    pub metadata: Bytes,
}

/// An event in the log.
#[derive(Debug)]
pub struct Record {
    /// Chosen by the writer.
    pub id: Uuid,
    /// The stream it is in.
    pub stream: Arc<str>,
    /// Its number there; [`MAX_REVISION`] for a tombstone.
    pub revision: u64,
    /// Where it begins in the log: commit and prepare position alike.
    pub position: u64,
    /// The event type.
    pub event_type: Arc<str>,
    /// The JSON flag.
    pub is_json: bool,
    /// When it was written: ticks of 100 ns since 1970-01-01 UTC.
    pub created: i64,
    pub(super) body: Body,
}

#[derive(Debug)]
pub(super) enum Body {
    Stored { data: Bytes, metadata: Bytes },
    Emitted { source: Arc<Record>, by: Emission },
}

/// What a projection wrote about its source event (protocol §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Emission {
    /// A link in `$ce-…`.
    Category,
    /// A link in `$ce-…` that tells of a deletion.
    CategoryDeleted,
    /// A link in `$et-…`.
    EventType,
    /// A link in `$streams`.
    Streams,
    /// A reference in `$category-…`.
    CategoryStream,
}

impl Emission {
    /// Number of the projection, as `$v` of its links shows it.
    fn projection(self) -> u8 {
        match self {
            Self::Category | Self::CategoryDeleted => 3,
            Self::EventType => 4,
            Self::Streams => 1,
            Self::CategoryStream => 2,
        }
    }
}

impl Record {
    /// The payload.
    #[must_use]
    pub fn data(&self) -> Bytes {
        match &self.body {
            Body::Stored { data, .. } => data.clone(),
            Body::Emitted {
                source,
                by: Emission::CategoryStream,
            } => Bytes::copy_from_slice(source.stream.as_bytes()),
            Body::Emitted { source, .. } => format!("{}@{}", source.revision, source.stream).into(),
        }
    }

    /// The custom metadata.
    #[must_use]
    pub fn metadata(&self) -> Bytes {
        match &self.body {
            Body::Stored { metadata, .. } => metadata.clone(),
            Body::Emitted { source, by } => emitted_metadata(source, *by).into(),
        }
    }

    /// True for an event of the link type, whether its text can be followed or not.
    #[must_use]
    pub fn is_link(&self) -> bool {
        &*self.event_type == LINK_TYPE
    }

    /// True for what makes a stream end for good.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        self.revision == MAX_REVISION
    }

    /// Revision and stream that a link's text names; `None` if it names none.
    #[must_use]
    pub fn link_target(&self) -> Option<(u64, Cow<'_, str>)> {
        match &self.body {
            Body::Stored { data, .. } => {
                let (revision, stream) = parse_link(data)?;
                Some((revision, Cow::Borrowed(stream)))
            }
            Body::Emitted { source, by } => (*by != Emission::CategoryStream)
                .then(|| (source.revision, Cow::Owned(source.stream.to_string()))),
        }
    }
}

/// `number@stream`, split at the first `@`: names may contain more (protocol §6.1).
fn parse_link(text: &[u8]) -> Option<(u64, &str)> {
    let (revision, stream) = std::str::from_utf8(text).ok()?.split_once('@')?;
    let revision = revision
        .parse()
        .ok()
        .filter(|&number| number <= MAX_REVISION)?;
    Some((revision, stream))
}

/// The metadata of an emitted event; the order of the keys is the real server's (protocol §6.2).
fn emitted_metadata(source: &Record, by: Emission) -> String {
    let stream = match by {
        Emission::Category => Some(&*source.stream),
        Emission::CategoryDeleted => {
            Some(source.stream.strip_prefix("$$").unwrap_or(&source.stream))
        }
        Emission::EventType | Emission::Streams | Emission::CategoryStream => None,
    };
    link_metadata(&LinkMetadata {
        projection: by.projection(),
        position: source.position,
        stream,
        deleted: by == Emission::CategoryDeleted,
        cause: source.id,
        correlation: correlation_id(source),
    })
}

pub(super) struct LinkMetadata<'a> {
    pub(super) projection: u8,
    pub(super) position: u64,
    pub(super) stream: Option<&'a str>,
    pub(super) deleted: bool,
    pub(super) cause: Uuid,
    pub(super) correlation: Option<Value>,
}

pub(super) fn link_metadata(link: &LinkMetadata<'_>) -> String {
    let mut text = format!(
        r#"{{"$v":"{}:-1:1:4","$c":{position},"$p":{position}"#,
        link.projection,
        position = link.position
    );
    if let Some(stream) = link.stream {
        text.push_str(r#","$o":"#);
        text.push_str(&Value::from(stream).to_string());
    }
    if link.deleted {
        text.push_str(r#","$deleted":-1"#);
    }
    text.push_str(&format!(r#","$causedBy":"{}""#, link.cause));
    if let Some(correlation) = &link.correlation {
        text.push_str(r#","$correlationId":"#);
        text.push_str(&correlation.to_string());
    }
    text.push('}');
    text
}

/// `$correlationId` of an event's metadata, if that is a JSON object with one.
pub(super) fn correlation_id(record: &Record) -> Option<Value> {
    let Body::Stored { metadata, .. } = &record.body else {
        return None;
    };
    let mut object: serde_json::Map<String, Value> = serde_json::from_slice(metadata).ok()?;
    object.swap_remove("$correlationId")
}

//! What ditto's own streams at the destination have in common: where they end, and what is forgotten of them.
//!
//! Never touches a stream that is copied.

use ditto_core::event::StreamName;
use ditto_core::port::Expected;

use super::metadata;
use crate::eventstore::client::{Client, StreamEnd};
use crate::eventstore::{Class, Error};

/// Why the end of a stream is not known.
pub(super) enum NoEnd {
    /// It was deleted for good: text for the operator.
    Deleted(String),
    /// No right to ask.
    Denied,
    /// No answer in time: it is asked again.
    Failed,
}

/// What the next event of a stream expects of which nothing can be read: it may have been deleted or truncated.
pub(super) async fn end(client: &Client, stream: &StreamName) -> Result<Expected, NoEnd> {
    match client.stream_end(stream).await {
        Ok(StreamEnd::NoEvent) => Ok(Expected::NoStream),
        Ok(StreamEnd::At(revision)) => Ok(Expected::Exact(revision)),
        Ok(StreamEnd::Tombstoned) => Err(NoEnd::Deleted(deleted(stream))),
        Err(error) if is_denied(&error) => Err(NoEnd::Denied),
        Err(_) => Err(NoEnd::Failed),
    }
}

/// For the operator.
pub(super) fn deleted(stream: &StreamName) -> String {
    format!(
        "stream {stream} was deleted for good at the destination: choose another name for the mirror"
    )
}

pub(super) fn is_denied(error: &Error) -> bool {
    matches!(error.class(), Class::Denied | Class::MetadataDenied)
}

/// Lets the server forget all but the newest events, unless an operator wrote metadata. A failure costs room and nothing else.
pub(super) async fn keep_newest(client: &Client, stream: &StreamName, count: u32) {
    let event = metadata::of(stream, format!(r#"{{"$maxCount":{count}}}"#));
    let written = std::slice::from_ref(&event);
    client
        .append_outcome(&event.stream, Expected::NoStream, written)
        .await;
}

/// Lets the server forget what stands before this revision. A failure costs room and nothing else.
pub(super) async fn truncate(client: &Client, stream: &StreamName, before: u64) {
    let event = metadata::of(stream, format!(r#"{{"$tb":{before}}}"#));
    if let Ok(expected) = end(client, &event.stream).await {
        let written = std::slice::from_ref(&event);
        client
            .append_outcome(&event.stream, expected, written)
            .await;
    }
}

//! The statuses of calls that fail: codes, texts and trailers as the real server has them (protocol §9).
//!
//! Never words a status of its own: what the real server says differently is a fault of this file.

use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::{Code, Status};

use crate::limits::TooLarge;
use crate::net::UNSENDABLE;
use crate::store::Expected;

/// What the real server answers when its handler throws.
pub(crate) fn handler_exception() -> Status {
    Status::unknown("Exception was thrown by handler.")
}

/// An option, or a combination of options, that there is not.
pub(crate) fn invalid(text: impl Into<String>) -> Status {
    Status::invalid_argument(text)
}

pub(crate) fn stream_deleted(stream: &str) -> Status {
    with_trailers(
        Code::FailedPrecondition,
        format!("Event stream '{stream}' is deleted."),
        &[("exception", "stream-deleted"), ("stream-name", stream)],
    )
}

/// A delete of either kind that found the stream otherwise.
pub(crate) fn delete_wrong_expected(
    stream: &str,
    expected: Expected,
    current: Option<u64>,
) -> Status {
    let expected = match expected {
        Expected::NoStream => "-1".to_owned(),
        Expected::Any => "-2".to_owned(),
        Expected::StreamExists => "-4".to_owned(),
        Expected::Exact(revision) => revision.to_string(),
    };
    let actual = current.map_or_else(|| "-1".to_owned(), |last| last.to_string());
    with_trailers(
        Code::FailedPrecondition,
        format!(
            "Delete failed due to WrongExpectedVersion. Stream: {stream}, Expected version: {expected}, Actual version: {actual}"
        ),
        &[
            ("exception", "wrong-expected-version"),
            ("stream-name", stream),
            ("expected-version", &expected),
            ("actual-version", &actual),
        ],
    )
}

pub(crate) fn too_large(over: TooLarge) -> Status {
    match over {
        TooLarge::Append { limit } => with_trailers(
            Code::InvalidArgument,
            format!("Maximum Append Size of {limit} Exceeded."),
            &[
                ("exception", "maximum-append-size-exceeded"),
                ("maximum-append-size", &limit.to_string()),
            ],
        ),
        TooLarge::Event { id, size, limit } => with_trailers(
            Code::InvalidArgument,
            format!(
                "Event with Id: {id}, Size: {size}, exceeds Maximum Append Event Size of {limit}."
            ),
            &[
                ("exception", "maximum-append-event-size-exceeded"),
                ("event-id", &id.to_string()),
                ("proposed-append-event-size", &size.to_string()),
                ("maximum-append-event-size", &limit.to_string()),
            ],
        ),
    }
}

pub(crate) fn missing_metadata_property(name: &str) -> Status {
    with_trailers(
        Code::InvalidArgument,
        format!("Required Metadata Property '{name}' is missing"),
        &[
            ("exception", "missing-required-metadata-property"),
            ("required-metadata-properties", "type,content-type"),
        ],
    )
}

/// What reading a client's messages failed with: only a message over the limit is the client's fault.
pub(crate) fn bad_message(error: Status) -> Status {
    match error.code() {
        Code::OutOfRange => Status::resource_exhausted(
            "Received message exceeds the maximum configured message size.",
        ),
        _ => error,
    }
}

/// A status with trailers. Names may be any text, trailers are ASCII: a status with one that does not fit cannot be sent.
pub(crate) fn with_trailers(code: Code, text: String, trailers: &[(&'static str, &str)]) -> Status {
    let mut metadata = MetadataMap::new();
    for &(key, value) in trailers {
        let fits = value
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic());
        match AsciiMetadataValue::try_from(value) {
            Ok(value) if fits => drop(metadata.insert(key, value)),
            _ => drop(metadata.insert(UNSENDABLE, AsciiMetadataValue::from_static(key))),
        }
    }
    Status::with_metadata(code, text, metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_with_other_than_ascii_names_cannot_be_sent() {
        for (name, sendable) in [
            ("a b", true),
            ("100%", true),
            ("ü", false),
            ("line\nbreak", false),
        ] {
            let status = stream_deleted(name);
            let found = status.metadata().get("stream-name").is_some();
            let marked = status.metadata().get(UNSENDABLE).is_some();
            assert_eq!((found, marked), (sendable, !sendable), "{name:?}");
        }
    }
}

//! Stream metadata: what ditto writes before revision 0 (protocol §5.2).
//!
//! Never replaces metadata that is there.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::eventstore::client::Client;
use crate::eventstore::stream_state::noted;
use ditto_core::event::{Event, StreamName};
use ditto_core::port::state::Note;
use ditto_core::port::{AppendOutcome, Expected, MetadataOutcome};

/// Writes `$$S`, if there is none.
pub(super) async fn write(
    client: &Client,
    stream: &StreamName,
    max_age: Option<Duration>,
    truncate_before: Option<u64>,
) -> MetadataOutcome {
    let event = event(stream, max_age, truncate_before);
    let outcome = client
        .append_outcome(
            &event.stream,
            Expected::NoStream,
            std::slice::from_ref(&event),
        )
        .await;
    match outcome {
        AppendOutcome::Written(_) | AppendOutcome::Present(_) => MetadataOutcome::Written,
        // Of a tombstoned stream too: the append that follows finds that out.
        AppendOutcome::WrongRevision | AppendOutcome::Deleted => MetadataOutcome::Exists,
        AppendOutcome::Denied | AppendOutcome::TooLarge { .. } | AppendOutcome::Refused(_) => {
            MetadataOutcome::Denied
        }
        AppendOutcome::NotReady | AppendOutcome::NoAnswer => MetadataOutcome::NoAnswer,
    }
}

fn event(stream: &StreamName, max_age: Option<Duration>, truncate_before: Option<u64>) -> Event {
    let mut metadata = Map::new();
    if let Some(max_age) = max_age {
        metadata.insert("$maxAge".to_owned(), max_age.as_secs().max(1).into());
    }
    if let Some(truncate_before) = truncate_before {
        metadata.insert("$tb".to_owned(), truncate_before.into());
    }
    let written = of(stream, Value::Object(metadata).to_string());
    Event {
        // A mirror that copies metadata knows by it that the placeholders before it are to stay hidden.
        metadata: truncate_before.map_or_else(Bytes::new, |below| {
            noted(&Note {
                filled_below: Some(below),
                ..Note::default()
            })
        }),
        ..written
    }
}

/// The event to write. Its id follows from stream and content, so that one sent twice is recognised.
pub(super) fn of(stream: &StreamName, data: String) -> Event {
    Event {
        id: Uuid::new_v5(
            &Uuid::NAMESPACE_URL,
            format!("ditto:metadata:{stream}:{data}").as_bytes(),
        ),
        stream: stream.metadata_stream(),
        revision: 0,
        event_type: "$metadata".into(),
        is_json: true,
        data: Bytes::from(data),
        metadata: Bytes::new(),
        created: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::event;
    use crate::eventstore::stream_state::note;
    use ditto_core::event::StreamName;
    use std::time::Duration;

    #[test]
    fn only_what_is_set_is_written() {
        let day = Some(Duration::from_secs(86_400));
        let rows = [
            (day, None, r#"{"$maxAge":86400}"#),
            (None, Some(7), r#"{"$tb":7}"#),
            (day, Some(7), r#"{"$maxAge":86400,"$tb":7}"#),
            // 0 would count as absent.
            (Some(Duration::from_millis(3)), None, r#"{"$maxAge":1}"#),
        ];
        for (max_age, truncate_before, expected) in rows {
            let event = event(&StreamName::from("customer-1"), max_age, truncate_before);
            assert_eq!(event.data, expected.as_bytes());
            assert_eq!(event.stream.as_str(), "$$customer-1");
            assert!(event.is_json);
            let note = note(&event.metadata);
            assert_eq!(note.and_then(|note| note.filled_below), truncate_before);
        }
    }

    #[test]
    fn the_id_is_the_same_for_the_same_and_another_for_another() {
        let id = |stream: &str, truncate_before| {
            event(&StreamName::from(stream), None, Some(truncate_before)).id
        };
        assert_eq!(id("a", 1), id("a", 1));
        assert_ne!(id("a", 1), id("b", 1));
        assert_ne!(id("a", 1), id("a", 2));
    }
}

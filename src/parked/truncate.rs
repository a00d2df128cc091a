//! Forgetting the beginning of a parked queue: its `$tb`, as the server itself sets it (protocol §8.8).
//!
//! Everything else in the queue's metadata stays as it is, if the server takes it for metadata, and `$tb` never goes back.

use bytes::Bytes;
use uuid::Uuid;

use crate::config::settings::SubscriptionKey;
use crate::eventstore::client::{Client, ReadStream};
use crate::eventstore::stream_state::{truncated_before, with_truncate_before};
use crate::eventstore::{Class, Error};
use crate::source::persistent::links::parked_stream;
use ditto_core::event::{Event, StreamName};
use ditto_core::port::Expected;

/// Others write this metadata too: the server does, at a replay of its own.
const ATTEMPTS: usize = 5;

/// Forgets every entry below `before`.
///
/// # Errors
/// No answer, no permission, or somebody else keeps writing the queue's metadata.
pub async fn truncate(client: &Client, group: &SubscriptionKey, before: u64) -> Result<(), Error> {
    let stream = parked_stream(group).metadata_stream();
    let mut attempt = 1;
    loop {
        let newest = client.read_stream(ReadStream::newest(stream.clone()));
        let newest = newest.await?.into_first_event();
        let expected = newest
            .as_ref()
            .map_or(Expected::NoStream, |event| Expected::Exact(event.revision));
        let Some(event) = truncated(&stream, newest.as_ref(), before) else {
            return Ok(());
        };
        match client.append(&stream, expected, &[event]).await {
            Err(error) if *error.class() == Class::WrongRevision && attempt < ATTEMPTS => {
                attempt += 1;
            }
            written => return written.map(drop),
        }
    }
}

/// The metadata to write; `None` if the queue is truncated that far already.
pub(super) fn truncated(stream: &StreamName, newest: Option<&Event>, before: u64) -> Option<Event> {
    let present = newest.and_then(truncated_before);
    if present.unwrap_or_default() >= before {
        return None;
    }
    let counts = newest.filter(|newest| newest.is_json);
    let counts = counts.map_or(&b""[..], |newest| &newest.data);
    Some(Event {
        id: Uuid::new_v4(),
        stream: stream.clone(),
        revision: 0,
        event_type: "$metadata".into(),
        is_json: true,
        data: with_truncate_before(counts, Some(before)),
        metadata: Bytes::new(),
        created: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_else_stays_and_nothing_goes_back() {
        let stream = StreamName::from("$$q");
        let written = |present: Option<&'static str>| {
            let newest = present.map(|data| Event {
                data: Bytes::from_static(data.as_bytes()),
                ..truncated(&stream, None, 1).unwrap()
            });
            let event = truncated(&stream, newest.as_ref(), 7)?;
            Some(String::from_utf8(event.data.to_vec()).unwrap())
        };
        for (present, expected) in [
            (None, Some(r#"{"$tb":7}"#)),
            (Some(""), Some(r#"{"$tb":7}"#)),
            (
                Some(r#"{"$acl":{"$r":"$admins"},"$tb":3}"#),
                Some(r#"{"$acl":{"$r":"$admins"},"$tb":7}"#),
            ),
            (
                Some(r#"{"a":[1.0,1e999],"$tb":3,"n":123456789012345678901234567890}"#),
                Some(r#"{"a":[1.0,1e999],"$tb":7,"n":123456789012345678901234567890}"#),
            ),
            (
                Some(r#"{"$acl":{"$r":"$admins"},"$tb":null}"#),
                Some(r#"{"$tb":7}"#),
            ),
            (Some(r#"{"$tb":7}"#), None),
            (Some(r#"{"$tb":8}"#), None),
        ] {
            assert_eq!(written(present).as_deref(), expected, "{present:?}");
        }
    }
}

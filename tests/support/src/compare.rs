//! Compares what two servers hold of a stream, event by event. Does no I/O and trusts neither side.

use std::fmt::Write;

use bytes::Bytes;
use uuid::Uuid;

/// An event as a server gave it back: everything that a copy has to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its place in its stream.
    pub revision: u64,
    /// Its id.
    pub id: Uuid,
    /// Its type.
    pub event_type: String,
    /// `application/json`, or `application/octet-stream`.
    pub content_type: String,
    /// Its bytes.
    pub data: Bytes,
    /// The user's metadata.
    pub metadata: Bytes,
}

/// The outcome for one stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Events that are the same on both sides.
    pub identical: usize,
    /// One line for each difference, with the event that it is about.
    pub differences: Vec<String>,
}

/// Compares position by position; what only one side has is a difference too.
#[must_use]
pub fn compare(stream: &str, source: &[Recorded], destination: &[Recorded]) -> Comparison {
    let mut found = Comparison::default();
    for at in 0..source.len().max(destination.len()) {
        let difference = match (source.get(at), destination.get(at)) {
            (Some(ours), Some(theirs)) => differing_fields(ours, theirs),
            (Some(ours), None) => Some(format!("#{}: missing at the destination", ours.revision)),
            (None, Some(theirs)) => Some(format!("#{}: not at the source", theirs.revision)),
            (None, None) => None,
        };
        match difference {
            None => found.identical += 1,
            Some(text) => found.differences.push(format!("{stream} {text}")),
        }
    }
    found
}

fn differing_fields(source: &Recorded, destination: &Recorded) -> Option<String> {
    let fields = [
        (
            "revision",
            source.revision.to_string(),
            destination.revision.to_string(),
        ),
        ("id", source.id.to_string(), destination.id.to_string()),
        (
            "type",
            source.event_type.clone(),
            destination.event_type.clone(),
        ),
        (
            "content type",
            source.content_type.clone(),
            destination.content_type.clone(),
        ),
        ("data", readable(&source.data), readable(&destination.data)),
        (
            "metadata",
            readable(&source.metadata),
            readable(&destination.metadata),
        ),
    ];
    let text: Vec<String> = fields
        .into_iter()
        .filter(|(_, ours, theirs)| ours != theirs)
        .map(|(name, ours, theirs)| format!("{name} is {theirs}, at the source {ours}"))
        .collect();
    (!text.is_empty()).then(|| format!("#{}: {}", source.revision, text.join("; ")))
}

/// Text as it is, anything else in hexadecimal: two different byte strings never look the same.
fn readable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => format!("{text:?}"),
        Err(_) => bytes.iter().fold(String::from("0x"), |mut text, byte| {
            // Writing to a String cannot fail.
            let _infallible = write!(text, "{byte:02x}");
            text
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(revision: u64) -> Recorded {
        Recorded {
            revision,
            id: Uuid::from_u128(revision.into()),
            event_type: "customer_registered".to_owned(),
            content_type: "application/json".to_owned(),
            data: Bytes::from_static(b"{}"),
            metadata: Bytes::new(),
        }
    }

    #[test]
    fn equal_streams_are_identical() {
        let events = [event(0), event(1)];
        let found = compare("s", &events, &events);
        assert_eq!(
            found,
            Comparison {
                identical: 2,
                differences: Vec::new()
            }
        );
    }

    #[test]
    fn every_field_that_a_copy_keeps_is_compared() {
        type Change = fn(&mut Recorded);
        let changes: [(Change, &str); 6] = [
            (|e| e.revision = 7, "s #0: revision is 7, at the source 0"),
            (
                |e| e.id = Uuid::from_u128(1),
                "s #0: id is 00000000-0000-0000-0000-000000000001, at the source 00000000-0000-0000-0000-000000000000",
            ),
            (
                |e| e.event_type = "x".to_owned(),
                "s #0: type is x, at the source customer_registered",
            ),
            (
                |e| e.content_type = "y".to_owned(),
                "s #0: content type is y, at the source application/json",
            ),
            (
                |e| e.data = Bytes::from_static(&[0xff]),
                "s #0: data is 0xff, at the source \"{}\"",
            ),
            (
                |e| e.metadata = Bytes::from_static(b" "),
                "s #0: metadata is \" \", at the source \"\"",
            ),
        ];
        for (change, expected) in changes {
            let mut changed = event(0);
            change(&mut changed);
            let found = compare("s", &[event(0)], &[changed]);
            assert_eq!(
                found,
                Comparison {
                    identical: 0,
                    differences: vec![expected.to_owned()]
                }
            );
        }
    }

    #[test]
    fn an_event_on_one_side_only_is_a_difference() {
        for (source, destination, expected) in [
            (
                vec![event(0), event(1)],
                vec![event(0)],
                "s #1: missing at the destination",
            ),
            (
                vec![event(0)],
                vec![event(0), event(1)],
                "s #1: not at the source",
            ),
        ] {
            let found = compare("s", &source, &destination);
            assert_eq!(
                found,
                Comparison {
                    identical: 1,
                    differences: vec![expected.to_owned()]
                }
            );
        }
    }
}

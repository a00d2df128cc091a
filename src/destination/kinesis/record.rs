//! From an event to a record of a data stream: the partition key and one JSON object.
//!
//! Pure. Never changes a byte of what it embeds.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use ditto_core::event::{Event, StreamName};

/// Longest partition key that Kinesis takes. It counts characters; what lies beyond U+FFFF counts as two here, so that
/// a key is never too long whichever way they are counted.
const LONGEST_KEY: usize = 256;

/// Event Store's clock ticks are 100 ns: seven digits of a second (protocol §3.5).
const TICKS_PER_SECOND: i64 = 10_000_000;

/// What is sent for one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Decides the shard, hence what keeps its order.
    pub(super) key: String,
    /// The JSON object.
    pub(super) data: Vec<u8>,
}

impl Record {
    /// The record of an event that is sent at the time `now`.
    ///
    /// # Errors
    /// If the object cannot be written, in words for the operator.
    pub(super) fn of(event: &Event, now: SystemTime) -> Result<Self, String> {
        let head = Head {
            stream_id: event.stream.as_str(),
            event_id: event.id.to_string(),
            event_number: event.revision,
            event_type: &event.event_type,
            event_timestamp: timestamp(event.created),
            replicated_on: timestamp(ticks(now)),
        };
        let mut data = serde_json::to_vec(&head).map_err(|error| error.to_string())?;
        // Members that are embedded as they are follow inside of the same braces.
        data.pop();
        embed(&mut data, "data", &event.data);
        embed(&mut data, "metadata", &event.metadata);
        data.push(b'}');
        Ok(Self {
            key: partition_key(&event.stream),
            data,
        })
    }

    /// What counts against the limits of a record and of a call: data and partition key.
    pub(super) fn size(&self) -> usize {
        self.key.len() + self.data.len()
    }
}

/// The members that every record has, in this order.
#[derive(Serialize)]
struct Head<'a> {
    stream_id: &'a str,
    event_id: String,
    event_number: u64,
    event_type: &'a str,
    event_timestamp: String,
    replicated_on: String,
}

/// JSON as it is, anything else in base64, nothing for nothing. The bytes decide, not the flag that they were stored
/// with: a text that is JSON can be read as JSON by whoever consumes it.
fn embed(object: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let is_json = serde_json::from_slice::<&RawValue>(bytes).is_ok();
    if is_json {
        object.extend_from_slice(format!(",\"{name}\":").as_bytes());
        object.extend_from_slice(bytes);
    } else {
        let encoded = STANDARD.encode(bytes);
        object.extend_from_slice(format!(",\"{name}_base64\":\"{encoded}\"").as_bytes());
    }
}

/// The stream's name, so that a stream's records are in one shard; the SHA-256 of a name that is too long.
fn partition_key(stream: &StreamName) -> String {
    let name = stream.as_str();
    if name.encode_utf16().count() <= LONGEST_KEY {
        return name.to_owned();
    }
    let digest = Sha256::digest(name.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn ticks(time: SystemTime) -> i64 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_nanos() / 100).unwrap_or(i64::MAX)
}

/// RFC 3339 with all seven digits that the source keeps. Times that no calendar of four digits holds are cut to the
/// first or last that it does.
fn timestamp(ticks: i64) -> String {
    /// The last one that it does, 9999-12-31T23:59:59.9999999Z, in ticks since 1970.
    const LAST: i64 = 253_402_300_800 * TICKS_PER_SECOND - 1;
    let ticks = ticks.clamp(0, LAST);
    let (seconds, rest) = (ticks / TICKS_PER_SECOND, ticks % TICKS_PER_SECOND);
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
    let whole = humantime::format_rfc3339_seconds(time).to_string();
    format!("{}.{rest:07}Z", whole.trim_end_matches('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use uuid::Uuid;

    fn event(data: &[u8], metadata: &[u8]) -> Event {
        Event {
            id: Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
            stream: "customer-1".into(),
            revision: 7,
            event_type: "customer_registered".into(),
            is_json: true,
            data: Bytes::copy_from_slice(data),
            metadata: Bytes::copy_from_slice(metadata),
            created: 17_000_000_001_234_567,
        }
    }

    fn written(event: &Event) -> String {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_001_500);
        let record = Record::of(event, now).expect("a record");
        String::from_utf8(record.data).expect("text")
    }

    #[test]
    fn an_event_becomes_one_object_and_its_json_stays_as_it_is() {
        let head = concat!(
            r#"{"stream_id":"customer-1","event_id":"01020304-0506-0708-090a-0b0c0d0e0f10","event_number":7,"#,
            r#""event_type":"customer_registered","event_timestamp":"2023-11-14T22:13:20.1234567Z","#,
            r#""replicated_on":"2023-11-14T22:13:21.5000000Z""#
        );
        let rows: &[(&str, &[u8], &[u8], &str)] = &[
            (
                "JSON on both sides",
                br#"{"a":1}"#,
                br#"{"b":2}"#,
                r#","data":{"a":1},"metadata":{"b":2}"#,
            ),
            (
                "spaces and repeated keys",
                b"{ \"b\" : 1,\n \"a\":1.0, \"a\":2 }",
                b"[ ]",
                ",\"data\":{ \"b\" : 1,\n \"a\":1.0, \"a\":2 },\"metadata\":[ ]",
            ),
            (
                "huge numbers",
                b"[123456789012345678901234567890, 1e999, 0.10000000000000000000001]",
                b"-0",
                r#","data":[123456789012345678901234567890, 1e999, 0.10000000000000000000001],"metadata":-0"#,
            ),
            (
                "texts and single values",
                "\"Zoë \\ud83e 🦀\"".as_bytes(),
                b"null",
                ",\"data\":\"Zoë \\ud83e 🦀\",\"metadata\":null",
            ),
            (
                "spaces around",
                b" {}\n",
                b"\t1 ",
                ",\"data\": {}\n,\"metadata\":\t1 ",
            ),
            ("nothing", b"", b"", ""),
            ("no data", b"", b"{}", r#","metadata":{}"#),
            (
                "no UTF-8",
                b"\xff\x00",
                b"\"\xff\"",
                r#","data_base64":"/wA=","metadata_base64":"Iv8i""#,
            ),
            (
                "no JSON",
                b"{a:1}",
                b"{} {}",
                r#","data_base64":"e2E6MX0=","metadata_base64":"e30ge30=""#,
            ),
            (
                "cut off",
                br#"{"a":"#,
                b"nul",
                r#","data_base64":"eyJhIjo=","metadata_base64":"bnVs""#,
            ),
            (
                "a control character in a text",
                b"\"\n\"",
                b"\xef\xbb\xbf{}",
                r#","data_base64":"Igoi","metadata_base64":"77u/e30=""#,
            ),
        ];
        for (name, data, metadata, tail) in rows {
            assert_eq!(
                written(&event(data, metadata)),
                format!("{head}{tail}}}"),
                "{name}"
            );
        }
    }

    #[test]
    fn deep_json_is_embedded_without_a_limit() {
        let deep = [vec![b'['; 10_000], vec![b']'; 10_000]].concat();
        let text = written(&event(&deep, b""));
        assert!(text.ends_with(&format!(
            ",\"data\":{}}}",
            String::from_utf8(deep).expect("text")
        )));
    }

    #[test]
    fn names_are_escaped_and_nothing_else() {
        let named = Event {
            stream: "cus\"tomer-\u{1}🦀".into(),
            event_type: "a\\b".into(),
            ..event(b"", b"")
        };
        let text = written(&named);
        assert!(
            text.starts_with("{\"stream_id\":\"cus\\\"tomer-\\u0001🦀\","),
            "{text}"
        );
        assert!(text.contains("\"event_type\":\"a\\\\b\""), "{text}");
    }

    #[test]
    fn times_keep_all_digits_and_stay_in_the_calendar() {
        for (ticks, expected) in [
            (0, "1970-01-01T00:00:00.0000000Z"),
            (-1, "1970-01-01T00:00:00.0000000Z"),
            (1, "1970-01-01T00:00:00.0000001Z"),
            (17_090_000_009_999_999, "2024-02-27T02:13:20.9999999Z"),
            (i64::MAX, "9999-12-31T23:59:59.9999999Z"),
        ] {
            assert_eq!(timestamp(ticks), expected);
        }
    }

    #[test]
    fn a_name_that_is_too_long_for_a_key_is_hashed() {
        for (name, is_kept) in [
            ("customer-1".to_owned(), true),
            ("a".repeat(256), true),
            ("a".repeat(257), false),
            ("ä".repeat(256), true),
            ("🦀".repeat(128), true),
            ("🦀".repeat(129), false),
        ] {
            let key = partition_key(&StreamName::from(name.as_str()));
            assert_eq!(key == name, is_kept, "{name}");
            assert!(key.encode_utf16().count() <= LONGEST_KEY);
            assert_eq!(
                key.len() == 64 && key.chars().all(|sign| sign.is_ascii_hexdigit()),
                !is_kept
            );
        }
        let expected = "e8d95cc2b4bc198c54b40bd214df958afb65f5e73d2c2eafe0593cf5c635c1f0";
        assert_eq!(
            partition_key(&StreamName::from("a".repeat(257).as_str())),
            expected
        );
    }
}

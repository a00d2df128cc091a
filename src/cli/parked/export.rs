//! `ditto parked export`: the parked events with their data, one JSON line each.
//!
//! Never overwrites a file, and holds one page of entries and one event at a time.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use serde::Serialize;
use serde_json::value::RawValue;

use super::show::by;
use crate::cli::{Exit, complain};
use crate::config::settings::SubscriptionSettings;
use crate::escape;
use crate::eventstore::client::{Client, ReadStream};
use crate::parked::{self, Entry};
use ditto_core::event::{Event, StreamName};

pub(super) async fn export(
    source: &Client,
    subscriptions: &[SubscriptionSettings],
    file: &Path,
) -> anyhow::Result<Exit> {
    let failed = || format!("failed to write {}", file.display());
    let mut out: Box<dyn Write + Send> = if file == Path::new("-") {
        Box::new(io::stdout())
    } else {
        let created = OpenOptions::new().write(true).create_new(true).open(file);
        Box::new(BufWriter::new(created.with_context(failed)?))
    };
    let mut count = 0_u64;
    for subscription in subscriptions {
        let key = subscription.key();
        let explain = |error| anyhow::anyhow!("{key}: {}", parked::advice(&error, &key));
        let found = parked::search(source, &key).await.map_err(explain)?;
        let mut from = Some(0);
        while let Some(at) = from {
            let (entries, next) = parked::page(source, &key, at, &found)
                .await
                .map_err(explain)?;
            for entry in entries {
                let event = match entry.revision() {
                    Some(revision) => event(source, &entry.stream(), revision).await?,
                    None => None,
                };
                let line = line(&key.to_string(), &entry, event.as_ref()).with_context(failed)?;
                if let Err(error) = writeln!(out, "{}", escape::json(&line)) {
                    return cut_short(error).with_context(failed);
                }
                count += 1;
            }
            from = next;
        }
    }
    if let Err(error) = out.flush() {
        return cut_short(error).with_context(failed);
    }
    complain(&format!("{count} parked events written"));
    Ok(Exit::Ok)
}

/// A closed pipe is no failure: its reader has had enough.
fn cut_short(error: io::Error) -> io::Result<Exit> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(Exit::Ok),
        _ => Err(error),
    }
}

async fn event(
    source: &Client,
    stream: &StreamName,
    revision: u64,
) -> anyhow::Result<Option<Event>> {
    let read = ReadStream::forwards(stream.clone(), revision, 1, usize::MAX);
    let first = source.read_stream(read).await?.into_first_event();
    Ok(first.filter(|event| event.revision == revision))
}

fn line(key: &str, entry: &Entry, event: Option<&Event>) -> serde_json::Result<String> {
    serde_json::to_string(&Line {
        subscription: key,
        entry: entry.entry,
        kind: entry.kind().word(),
        stream: entry.stream().as_str(),
        revision: entry.revision(),
        link: &entry.text,
        parked: &entry.added,
        by: by(entry),
        reason: &entry.reason,
        event: event.map(|event| Content {
            id: event.id.to_string(),
            r#type: &event.event_type,
            content_type: if event.is_json {
                "application/json"
            } else {
                "application/octet-stream"
            },
            data: Payload::of(&event.data),
            metadata: Payload::of(&event.metadata),
        }),
    })
}

/// One line of the file.
#[derive(Serialize)]
struct Line<'a> {
    subscription: &'a str,
    entry: u64,
    kind: &'a str,
    stream: &'a str,
    revision: Option<u64>,
    link: &'a str,
    parked: &'a str,
    by: &'a str,
    reason: &'a str,
    event: Option<Content<'a>>,
}

#[derive(Serialize)]
struct Content<'a> {
    id: String,
    r#type: &'a str,
    content_type: &'a str,
    data: Payload<'a>,
    metadata: Payload<'a>,
}

/// JSON as it is, any other text as a text, and other bytes in base64.
#[derive(Serialize)]
#[serde(untagged)]
enum Payload<'a> {
    Json(Box<RawValue>),
    Text(&'a str),
    Bytes { base64: String },
}

impl<'a> Payload<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        let Ok(text) = std::str::from_utf8(bytes) else {
            let base64 = base64::engine::general_purpose::STANDARD.encode(bytes);
            return Self::Bytes { base64 };
        };
        // A line's end can only stand between the parts of JSON, where a space is the same.
        let one_line = text.replace(['\n', '\r'], " ");
        RawValue::from_string(one_line).map_or(Self::Text(text), Self::Json)
    }
}

#[cfg(test)]
mod tests {
    use super::Payload;

    #[test]
    fn json_is_written_as_it_is_in_one_line() {
        for (bytes, expected) in [
            (&br#"{"b":1,"a":2,"a":3}"#[..], r#"{"b":1,"a":2,"a":3}"#),
            (
                b"[123456789012345678901234567890, 1e999, 0.10000000000000000000001]",
                "[123456789012345678901234567890, 1e999, 0.10000000000000000000001]",
            ),
            (b"{\r\n  \"a\": \"\\n\"\n}\n", "{    \"a\": \"\\n\" }"),
            (b"1 2", "\"1 2\""),
            (b"", "\"\""),
            (b"\xff", r#"{"base64":"/w=="}"#),
        ] {
            let written = serde_json::to_string(&Payload::of(bytes)).expect("JSON");
            assert_eq!(written, expected);
        }
    }
}

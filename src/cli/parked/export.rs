//! `ditto parked export`: the parked events with their data, one JSON line each.
//!
//! Never overwrites a file, and holds one page of entries and one event at a time.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use serde_json::{Value, json};

use super::show::by;
use crate::cli::{Exit, complain};
use crate::cluster::client::{Client, ReadStream, StreamPage};
use crate::config::settings::SubscriptionSettings;
use crate::escape;
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
                let line = line(&key.to_string(), &entry, event.as_ref()).to_string();
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
    Ok(match source.read_stream(read).await? {
        StreamPage::Found { records, .. } => records
            .into_iter()
            .find_map(|record| record.event)
            .filter(|event| event.revision == revision),
        StreamPage::NotFound | StreamPage::Tombstoned => None,
    })
}

fn line(key: &str, entry: &Entry, event: Option<&Event>) -> Value {
    json!({
        "subscription": key,
        "entry": entry.entry,
        "kind": entry.kind().word(),
        "stream": entry.stream().as_str(),
        "revision": entry.revision(),
        "link": entry.text,
        "parked": entry.added,
        "by": by(entry),
        "reason": entry.reason,
        "event": event.map(|event| json!({
            "id": event.id,
            "type": &*event.event_type,
            "content_type": if event.is_json { "application/json" } else { "application/octet-stream" },
            "data": payload(&event.data),
            "metadata": payload(&event.metadata),
        })),
    })
}

/// JSON as it is, any other text as a text, and other bytes in base64.
fn payload(bytes: &[u8]) -> Value {
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        return value;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({ "base64": base64::engine::general_purpose::STANDARD.encode(bytes) }),
    }
}

//! The stream in which the server keeps the list of its groups (protocol §8.8), for whoever reads it. Never read
//! back: the running server knows its groups.

use super::manager::Key;
use super::settings::Settings;
use crate::store::{Expected, Store};
use serde_json::{Value, json};

const STREAM: &str = "$persistentSubscriptionConfig";
const METADATA: &str = "$$$persistentSubscriptionConfig";

/// Writes the list as it is now.
pub(crate) fn write<'a>(store: &Store, groups: impl Iterator<Item = (&'a Key, &'a Settings)>) {
    let entries: Vec<Value> = groups.map(|(key, settings)| entry(key, settings)).collect();
    let data = json!({ "version": "2", "updatedBy": "system", "entries": entries }).to_string();
    let limit = (
        METADATA,
        Expected::NoStream,
        Store::json_event("$metadata", r#"{"$maxCount":2}"#),
    );
    let list = (
        STREAM,
        Expected::Any,
        Store::json_event("$PersistentConfig", data),
    );
    let first = store.stream_info(STREAM).last.is_none();
    for (stream, expected, event) in first.then_some(limit).into_iter().chain([list]) {
        if let Err(refused) = store.append(stream, expected, vec![event]) {
            tracing::warn!(stream, ?refused, "failed to write the list of groups");
        }
    }
}

fn entry(key: &Key, settings: &Settings) -> Value {
    json!({
        "stream": key.source,
        "group": key.group,
        "resolveLinkTos": settings.resolve_links,
        "startPosition": settings.start.to_string(),
        "extraStatistics": settings.extra_statistics,
        "messageTimeout": settings.message_timeout_ms,
        "maxRetryCount": settings.max_retry_count,
        "checkPointAfter": settings.checkpoint_after_ms,
        "minCheckPointCount": settings.min_checkpoint_count,
        "maxCheckPointCount": settings.max_checkpoint_count,
        "maxSubscriberCount": settings.max_subscriber_count,
        "liveBufferSize": settings.live_buffer_size,
        "readBatchSize": settings.read_batch_size,
        "historyBufferSize": settings.history_buffer_size,
        "namedConsumerStrategy": settings.strategy.name(),
    })
}

//! What the old HTTP pages tell of the groups (protocol §10): for people, and for clients that miss a method.
//! Never changes a group.

use super::info::Info;
use super::manager::{Groups, Key};
use super::position::Position;
use serde_json::{Value, json};

/// An answer: found or not, and what is shown; nothing: an empty body.
pub(crate) struct Page {
    /// There is something to show.
    pub(crate) found: bool,
    /// What is shown.
    pub(crate) body: Option<Value>,
}

/// The groups of a source, or all.
pub(crate) async fn list(groups: &Groups, source: Option<&str>) -> Page {
    let list = groups.list(source).await.unwrap_or_default();
    let shown: Vec<Value> = list.iter().map(|(key, info)| summary(key, info)).collect();
    Page {
        found: source.is_none() || !shown.is_empty(),
        body: Some(Value::Array(shown)),
    }
}

pub(crate) async fn info(groups: &Groups, source: &str, group: &str) -> Page {
    let key = Key {
        source: source.to_owned(),
        group: group.to_owned(),
    };
    let info = groups.info(&key).await.ok();
    Page {
        found: info.is_some(),
        body: info.map(|info| detail(&key, &info)),
    }
}

fn summary(key: &Key, info: &Info) -> Value {
    json!({
        "links": [{ "href": format!("{}/info", path(key)), "rel": "detail" }],
        "eventStreamId": key.source,
        "groupName": key.group,
        "parkedMessageUri": parked_uri(key),
        "getMessagesUri": path(key),
        "status": info.status,
        "averageItemsPerSecond": info.recent_items.saturating_mul(1000) / info.recent_ms.max(1),
        "totalItemsProcessed": info.total_items,
        "lastProcessedEventNumber": number(info.last_checkpoint),
        "lastCheckpointedEventPosition": text(info.last_checkpoint),
        "lastKnownEventNumber": number(info.last_known),
        "lastKnownEventPosition": text(info.last_known),
        "connectionCount": info.consumers.len(),
        "totalInFlightMessages": in_flight(info),
    })
}

fn detail(key: &Key, info: &Info) -> Value {
    let settings = &info.settings;
    let connections: Vec<Value> = info
        .consumers
        .iter()
        .map(|consumer| {
            json!({
                "from": "",
                "username": "system",
                "totalItemsProcessed": consumer.total,
                "availableSlots": consumer.slots.saturating_sub(consumer.in_flight),
                "inFlightMessages": consumer.in_flight,
                "connectionName": consumer.name,
            })
        })
        .collect();
    json!({
        "links": [{ "href": format!("{}/replayParked", path(key)), "rel": "replayParked" }],
        "config": {
            "resolveLinktos": settings.resolve_links,
            "startFrom": number(Some(settings.start)),
            "startPosition": settings.start.to_string(),
            "messageTimeoutMilliseconds": settings.message_timeout_ms,
            "extraStatistics": settings.extra_statistics,
            "maxRetryCount": settings.max_retry_count,
            "liveBufferSize": settings.live_buffer_size,
            "bufferSize": settings.history_buffer_size,
            "readBatchSize": settings.read_batch_size,
            "preferRoundRobin": settings.strategy.name() == "RoundRobin",
            "checkPointAfterMilliseconds": settings.checkpoint_after_ms,
            "minCheckPointCount": settings.min_checkpoint_count,
            "maxCheckPointCount": settings.max_checkpoint_count,
            "maxSubscriberCount": settings.max_subscriber_count,
            "namedConsumerStrategy": settings.strategy.name(),
        },
        "eventStreamId": key.source,
        "groupName": key.group,
        "status": info.status,
        "averageItemsPerSecond": info.recent_items.saturating_mul(1000) / info.recent_ms.max(1),
        "parkedMessageUri": parked_uri(key),
        "getMessagesUri": path(key),
        "totalItemsProcessed": info.total_items,
        "countSinceLastMeasurement": info.recent_items,
        "lastProcessedEventNumber": number(info.last_checkpoint),
        "lastCheckpointedEventPosition": text(info.last_checkpoint),
        "lastKnownEventNumber": number(info.last_known),
        "lastKnownEventPosition": text(info.last_known),
        "readBufferCount": info.read_buffer,
        "liveBufferCount": info.live_buffer,
        "retryBufferCount": info.retry_buffer,
        "totalInFlightMessages": in_flight(info),
        "outstandingMessagesCount": info.outstanding,
        "connections": connections,
        "parkedMessageCount": info.parked,
    })
}

fn path(key: &Key) -> String {
    format!("/subscriptions/{}/{}", key.source, key.group)
}

fn parked_uri(key: &Key) -> String {
    format!(
        "/streams/$persistentsubscription-{}::{}-parked",
        key.source, key.group
    )
}

fn in_flight(info: &Info) -> usize {
    info.consumers
        .iter()
        .map(|consumer| consumer.in_flight)
        .sum()
}

/// The number of a stream's event; positions in `$all` have none.
fn number(position: Option<Position>) -> i64 {
    match position {
        Some(Position::Stream(revision)) => revision,
        Some(Position::All { .. }) | None => -1,
    }
}

fn text(position: Option<Position>) -> Option<String> {
    position.map(|at| at.to_string())
}

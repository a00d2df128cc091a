//! Group messages on the wire: requests read, answers written (protocol §2.4). Never talks to a group.

use super::actor::Delivery;
use super::info::Info;
use super::manager::Key;
use crate::services::wire::event_metadata;
use crate::store::Record;
use ditto_protocol::ids::{IdForm, stream_identifier, to_wire};
use ditto_protocol::persistent_subscriptions::read_resp::{
    ReadEvent, SubscriptionConfirmation, read_event,
};
use ditto_protocol::persistent_subscriptions::subscription_info::{ConnectionInfo, Measurement};
use ditto_protocol::persistent_subscriptions::{ReadResp, SubscriptionInfo, read_resp};

/// The first answer of a Read call.
pub(crate) fn confirmation(key: &Key) -> ReadResp {
    let subscription_id = format!("{}::{}", key.source, key.group);
    ReadResp {
        content: Some(read_resp::Content::SubscriptionConfirmation(
            SubscriptionConfirmation { subscription_id },
        )),
    }
}

/// An event as it is delivered. Event and link both carry the position of the link (protocol §6.1).
pub(crate) fn delivery(delivery: &Delivery, form: IdForm) -> ReadResp {
    let payload = &delivery.payload;
    let position = payload.original().map_or(0, |record| record.position);
    let record = |record: &Option<std::sync::Arc<Record>>| {
        record
            .as_ref()
            .map(|record| recorded(record, position, form))
    };
    let event = ReadEvent {
        event: record(&payload.event),
        link: record(&payload.link),
        position: Some(read_event::Position::CommitPosition(position)),
        count: Some(read_event::Count::RetryCount(delivery.retry)),
    };
    ReadResp {
        content: Some(read_resp::Content::Event(event)),
    }
}

fn recorded(record: &Record, position: u64, form: IdForm) -> read_event::RecordedEvent {
    read_event::RecordedEvent {
        id: Some(to_wire(record.id, form)),
        stream_identifier: Some(stream_identifier(&record.stream)),
        stream_revision: record.revision,
        prepare_position: position,
        commit_position: position,
        metadata: event_metadata(record),
        custom_metadata: record.metadata(),
        data: record.data(),
    }
}

/// What GetInfo and List tell (protocol §8.11).
pub(crate) fn info(key: &Key, info: &Info) -> SubscriptionInfo {
    let settings = &info.settings;
    let text = |position: Option<super::position::Position>| {
        position.map(|at| at.to_string()).unwrap_or_default()
    };
    SubscriptionInfo {
        event_source: key.source.clone(),
        group_name: key.group.clone(),
        status: info.status.clone(),
        connections: info
            .consumers
            .iter()
            .map(|consumer| connection(consumer, info))
            .collect(),
        average_per_second: rate(info.recent_items, info.recent_ms),
        total_items: info.total_items,
        count_since_last_measurement: info.recent_items,
        last_checkpointed_event_position: text(info.last_checkpoint),
        last_known_event_position: text(info.last_known),
        resolve_link_tos: settings.resolve_links,
        start_from: settings.start.to_string(),
        message_timeout_milliseconds: settings.message_timeout_ms,
        extra_statistics: settings.extra_statistics,
        max_retry_count: settings.max_retry_count,
        live_buffer_size: settings.live_buffer_size,
        buffer_size: settings.history_buffer_size,
        read_batch_size: settings.read_batch_size,
        check_point_after_milliseconds: settings.checkpoint_after_ms,
        min_check_point_count: settings.min_checkpoint_count,
        max_check_point_count: settings.max_checkpoint_count,
        read_buffer_count: count(info.read_buffer),
        live_buffer_count: i64::from(count(info.live_buffer)),
        retry_buffer_count: count(info.retry_buffer),
        total_in_flight_messages: count(
            info.consumers
                .iter()
                .map(|consumer| consumer.in_flight)
                .sum(),
        ),
        outstanding_messages_count: count(info.outstanding),
        named_consumer_strategy: settings.strategy.name().to_owned(),
        max_subscriber_count: settings.max_subscriber_count,
        parked_message_count: info.parked,
    }
}

fn connection(consumer: &super::consumers::Consumer, info: &Info) -> ConnectionInfo {
    let free = consumer.slots.saturating_sub(consumer.in_flight);
    let measured = info.settings.extra_statistics && !consumer.latencies.is_empty();
    ConnectionInfo {
        from: String::new(),
        username: "system".to_owned(),
        average_items_per_second: rate(info.recent_items, info.recent_ms),
        total_items: consumer.total,
        count_since_last_measurement: info.recent_items.min(consumer.total),
        observed_measurements: if measured {
            measurements(&consumer.latencies)
        } else {
            Vec::new()
        },
        available_slots: count(free),
        in_flight_messages: count(consumer.in_flight),
        connection_name: consumer.name.clone(),
    }
}

/// How long the latest events were held, under the real server's names.
fn measurements(latencies: &std::collections::VecDeque<u64>) -> Vec<Measurement> {
    let mut sorted: Vec<u64> = latencies.iter().copied().collect();
    sorted.sort_unstable();
    let last = sorted.len() - 1;
    let at = |per_mille: usize| sorted[(last * per_mille).div_ceil(1000)];
    let mean = sorted.iter().sum::<u64>() / sorted.len() as u64;
    let named = [
        ("Mean", mean),
        ("Median", at(500)),
        ("Fastest", at(0)),
        ("Quintile 1", at(200)),
        ("Quintile 2", at(400)),
        ("Quintile 3", at(600)),
        ("Quintile 4", at(800)),
        ("Quintile 5", at(1000)),
        ("90%", at(900)),
        ("95%", at(950)),
        ("99%", at(990)),
        ("99.5%", at(995)),
        ("99.9%", at(999)),
        ("Highest", at(1000)),
    ];
    let measurement = |(key, value): (&str, u64)| Measurement {
        key: key.to_owned(),
        value: i64::try_from(value).unwrap_or(i64::MAX),
    };
    named.into_iter().map(measurement).collect()
}

fn rate(items: i64, ms: i64) -> i32 {
    i32::try_from(items.saturating_mul(1000) / ms.max(1)).unwrap_or(i32::MAX)
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

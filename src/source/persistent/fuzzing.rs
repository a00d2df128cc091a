//! What tests/fuzz calls of a persistent subscription: a group's information, the text of a link, what a category's
//! link shows.
//!
//! Only with the Cargo feature `fuzzing`. Never connects. The crate keeps its own conversion to itself: this one makes the
//! same of the same fields.

use std::time::Duration;

use ditto_protocol::persistent_subscriptions::SubscriptionInfo;
use eventstore::{
    PersistentSubscriptionConnectionInfo, PersistentSubscriptionSettings,
    PersistentSubscriptionStats, StreamPosition, SystemConsumerStrategy,
};
use prost::Message as _;

use super::group::{Info, seen, unsuitable, warnings};
use super::search::shown_by;
use crate::source::resolve::LinkText;
use ditto_core::event::{Event, StreamName};
use ditto_core::port::GroupSeen;

/// What ditto knows of a group afterwards.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What the core is told.
    pub seen: GroupSeen,
    /// Why it cannot be used.
    pub unsuitable: Option<&'static str>,
    /// What an operator is told.
    pub warnings: Vec<String>,
}

/// Judges the answer to a GetInfo, as it comes by gRPC or, where `by_http`, as the crate reads it from older servers;
/// `None`: the crate refuses it.
#[must_use]
pub fn judge(answer: &[u8], last_number: Option<u64>, by_http: bool) -> Option<Judged> {
    let answer = SubscriptionInfo::decode(answer).ok()?;
    let stream = StreamName::from(answer.event_source.as_str());
    let info = info(answer, by_http)?;
    Some(Judged {
        seen: seen(&info, last_number, None),
        unsuitable: unsuitable(&stream, &info),
        warnings: warnings(&info, "ditto/host/1"),
    })
}

fn info(answer: SubscriptionInfo, by_http: bool) -> Option<Info> {
    let checkpoint = &answer.last_checkpointed_event_position;
    let checkpoint = if by_http {
        // There a signed number is taken for an unsigned one.
        checkpoint.parse::<i64>().ok().map(i64::cast_unsigned)
    } else {
        checkpoint.parse::<u64>().ok()
    };
    let stats = PersistentSubscriptionStats {
        last_checkpointed_event_revision: checkpoint,
        last_known_event_revision: answer.last_known_event_position.parse().ok(),
        parked_message_count: usize::try_from(answer.parked_message_count.cast_unsigned()).ok()?,
        ..PersistentSubscriptionStats::default()
    };
    Some(Info {
        settings: settings(&answer),
        connections: answer.connections.iter().map(connection).collect(),
        event_source: answer.event_source,
        group_name: answer.group_name,
        status: answer.status,
        stats,
    })
}

fn settings(answer: &SubscriptionInfo) -> Option<PersistentSubscriptionSettings<u64>> {
    let millis = |millis: i32| Duration::from_millis(i64::from(millis).cast_unsigned());
    Some(PersistentSubscriptionSettings {
        resolve_link_tos: answer.resolve_link_tos,
        start_from: match answer.start_from.as_str() {
            "-1" => StreamPosition::End,
            "0" => StreamPosition::Start,
            number => StreamPosition::Position(number.parse().ok()?),
        },
        extra_statistics: answer.extra_statistics,
        message_timeout: millis(answer.message_timeout_milliseconds),
        max_retry_count: answer.max_retry_count,
        live_buffer_size: answer.live_buffer_size,
        read_batch_size: answer.read_batch_size,
        history_buffer_size: answer.buffer_size,
        checkpoint_after: millis(answer.check_point_after_milliseconds),
        checkpoint_lower_bound: answer.min_check_point_count,
        checkpoint_upper_bound: answer.max_check_point_count,
        max_subscriber_count: answer.max_subscriber_count,
        consumer_strategy_name: match answer.named_consumer_strategy.as_str() {
            "DispatchToSingle" => SystemConsumerStrategy::DispatchToSingle,
            "RoundRobin" => SystemConsumerStrategy::RoundRobin,
            "Pinned" => SystemConsumerStrategy::Pinned,
            "PinnedByCorrelation" => SystemConsumerStrategy::PinnedByCorrelation,
            other => SystemConsumerStrategy::Custom(other.to_owned()),
        },
    })
}

fn connection(
    answer: &ditto_protocol::persistent_subscriptions::subscription_info::ConnectionInfo,
) -> PersistentSubscriptionConnectionInfo {
    PersistentSubscriptionConnectionInfo {
        from: answer.from.clone(),
        username: answer.username.clone(),
        average_items_per_second: f64::from(answer.average_items_per_second),
        total_items: 0,
        count_since_last_measurement: 0,
        available_slots: 0,
        in_flight_messages: 0,
        connection_name: answer.connection_name.clone(),
        extra_statistics: Default::default(),
    }
}

/// The event that a link's text names.
#[must_use]
pub fn target(link: &Event) -> Option<(StreamName, u64)> {
    super::parked::target(link)
}

/// Whether a text of that form names nothing.
#[must_use]
pub fn names_nothing(link: &Event) -> bool {
    LinkText::of(link) == LinkText::Nothing
}

/// How the link's category is named, for people.
#[must_use]
pub fn naming(link: &Event) -> String {
    format!("{:?}", shown_by(link))
}

//! What a group is like: whether events can be copied through it, and what an operator should know of it.
//!
//! Pure: judges what GetInfo said (protocol §8.11). Never changes a group.

#[cfg(test)]
mod tests;

use std::time::Duration;

use eventstore::{
    PersistentSubscriptionConnectionInfo, PersistentSubscriptionInfo,
    PersistentSubscriptionOptions, PersistentSubscriptionSettings, StreamPosition,
    SystemConsumerStrategy,
};

use crate::config::settings::{GroupStart, NewGroup};
use ditto_core::event::{StreamName, TOMBSTONE_REVISION};
use ditto_core::port::GroupSeen;

/// Below this the server takes deliveries back during an ordinary hiccup of a destination.
const SHORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Below this a destination that is away for a while makes the server park.
const FEW_RETRIES: i32 = 10;

/// The streams that a server keeps for a group, by the end of their names, and what it means if one was deleted for good:
/// the server goes on without a word (protocol §8.8).
pub(super) const KEPT_STREAMS: &[(&str, &str)] = &[
    (
        "parked",
        "the group's parked queue was deleted for good: events that the server parks are lost, and ditto stops the subscription when it has to park one (use a group of another name)",
    ),
    (
        "checkpoint",
        "the group's checkpoint stream was deleted for good: after every restart of the server the group delivers everything again, and ditto recognises it (use a group of another name)",
    ),
];

/// A group's information, as the crate gives it.
pub(super) type Info = PersistentSubscriptionInfo<u64>;

/// What the core wants to know.
pub(super) fn seen(
    info: &Info,
    last_number: Option<u64>,
    parked_readable: Option<u64>,
) -> GroupSeen {
    let settings = settings(info);
    GroupSeen {
        message_timeout: settings.message_timeout,
        max_retry_count: u32::try_from(settings.max_retry_count).unwrap_or(0),
        checkpoint: possible(info.stats.last_checkpointed_event_revision),
        start: match settings.start_from {
            StreamPosition::Start => Some(0),
            StreamPosition::Position(number) => possible(Some(number)),
            StreamPosition::End => None,
        },
        parked: parked(info.stats.parked_message_count as u64),
        parked_readable,
        last_number,
    }
}

/// A server's numbers are signed: of a group without a checkpoint that older servers describe (over HTTP), the crate makes
/// the largest number of a -1 (protocol §11 T44).
fn possible(number: Option<u64>) -> Option<u64> {
    number.filter(|number| *number < TOMBSTONE_REVISION)
}

/// The server's count of parked entries; of a tombstoned queue it is a negative number (protocol §8.8).
fn parked(count: u64) -> u64 {
    i64::try_from(count).map_or(0, i64::unsigned_abs)
}

/// Why nothing can be copied through it, with what to do about it.
pub(super) fn unsuitable(stream: &StreamName, info: &Info) -> Option<&'static str> {
    let settings = settings(info);
    if stream.as_str() == "$all" {
        return Some(
            "a group on $all loses events when it is loaded again: use a category stream such as $ce-customer",
        );
    }
    if is_link_stream(stream) && !settings.resolve_link_tos {
        return Some(
            "the group does not resolve links, so it delivers links instead of events: switch resolve links on, or delete the group and let ditto create it",
        );
    }
    if is_no_timeout(settings.message_timeout) {
        return Some(
            "the group's message timeout is 0 or less, so that every delivery is taken back at once: set it to 60 s",
        );
    }
    None
}

/// What an operator should know of it. `me`: the name of ditto's own connections.
pub(super) fn warnings(info: &Info, me: &str) -> Vec<String> {
    let settings = settings(info);
    let others = info
        .connections
        .iter()
        .filter(|other| other.connection_name != me)
        .count();
    let rows = [
        (settings.max_subscriber_count != 1).then(|| {
            "the group allows more than one consumer: events of a stream can come out of order, which costs time; set max_subscriber_count to 1".to_owned()
        }),
        (others > 0).then(|| format!("other consumers are connected ({}): what they acknowledge is not copied until it is missed", names(&info.connections, me))),
        (settings.start_from == StreamPosition::End && info.stats.last_checkpointed_event_revision.is_none()).then(|| {
            "the group begins at the end and has no checkpoint yet: what was written before ditto joined is copied only if the group delivers it, and a restart of the server can lose it".to_owned()
        }),
        is_pinned(&settings.consumer_strategy_name).then(|| {
            "the group's strategy is Pinned, with which some server versions lose events when consumers come and go: use DispatchToSingle".to_owned()
        }),
        (settings.message_timeout < SHORT_TIMEOUT).then(|| {
            format!("the group's message timeout of {:?} is short: a destination that hesitates makes the server deliver again; 60 s is usual", settings.message_timeout)
        }),
        (settings.max_retry_count < FEW_RETRIES).then(|| {
            format!("the group's max retry count of {} is low: the server might park events by itself; 1000 is better", settings.max_retry_count)
        }),
    ];
    rows.into_iter().flatten().collect()
}

/// The settings of a group that ditto creates.
pub(super) fn options(new: &NewGroup) -> PersistentSubscriptionOptions {
    PersistentSubscriptionOptions::default().settings(PersistentSubscriptionSettings {
        resolve_link_tos: true,
        start_from: match new.start {
            GroupStart::Beginning => StreamPosition::Start,
            GroupStart::End => StreamPosition::End,
            GroupStart::Number(number) => StreamPosition::Position(number),
        },
        extra_statistics: false,
        message_timeout: new.message_timeout,
        max_retry_count: i32::try_from(new.max_retry_count).unwrap_or(i32::MAX),
        live_buffer_size: 500,
        read_batch_size: 20,
        history_buffer_size: 500,
        checkpoint_after: Duration::from_secs(2),
        checkpoint_lower_bound: 10,
        checkpoint_upper_bound: 1000,
        max_subscriber_count: 1,
        consumer_strategy_name: SystemConsumerStrategy::DispatchToSingle,
    })
}

fn settings(info: &Info) -> PersistentSubscriptionSettings<u64> {
    info.settings.clone().unwrap_or_default()
}

fn is_link_stream(stream: &StreamName) -> bool {
    stream.as_str() == "$streams" || stream.holds_links()
}

/// The crate turns a negative number of milliseconds into an age of the world.
fn is_no_timeout(timeout: Duration) -> bool {
    timeout.is_zero() || timeout > Duration::from_millis(i32::MAX as u64)
}

fn is_pinned(strategy: &SystemConsumerStrategy) -> bool {
    matches!(
        strategy,
        SystemConsumerStrategy::Pinned | SystemConsumerStrategy::PinnedByCorrelation
    )
}

fn names(connections: &[PersistentSubscriptionConnectionInfo], me: &str) -> String {
    let mut names: Vec<&str> = connections
        .iter()
        .map(|other| other.connection_name.as_str())
        .filter(|name| *name != me)
        .collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

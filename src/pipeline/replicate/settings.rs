//! From a subscription's settings to what its core is made for.
//!
//! Never checks: settings come validated.

use crate::config::settings::{
    OnConflict, OnMissingHistory, OnUnverified, Replication, SubscriptionSettings,
};
use ditto_core::event::StreamName;
use ditto_core::port;
use ditto_core::port::{CoreSettings, Feed, Mode};

/// Streams that one pipeline remembers; about 200 bytes each. Only idle ones are forgotten, and are looked at again.
pub const KNOWN_STREAMS: usize = 100_000;

/// Records of a call of PutRecords, at most.
const RECORDS_OF_A_CALL: u32 = 500;

/// The settings of the core of a subscription.
#[must_use]
pub fn subscription_settings(subscription: &SubscriptionSettings, numbered: bool) -> CoreSettings {
    CoreSettings {
        feed: feed(&subscription.stream),
        accept_unseen_below: subscription.accept_unseen_below,
        ..core_settings(&subscription.replication, numbered)
    }
}

fn feed(stream: &StreamName) -> Feed {
    if stream.links_parts() {
        Feed::Parts
    } else if stream.holds_links() {
        Feed::Whole
    } else {
        Feed::Plain
    }
}

/// The settings of a core that is fed with events of its own choice. `numbered`: the destination has revisions (an Event
/// Store, unlike Kinesis).
#[must_use]
pub fn core_settings(replication: &Replication, numbered: bool) -> CoreSettings {
    CoreSettings {
        mode: match (numbered, replication.skip_version_check) {
            (false, _) => Mode::AppendOnly,
            (true, true) => Mode::Unversioned,
            (true, false) => Mode::Exact,
        },
        buffer_size: replication.buffer_size,
        // Without revisions a stream has one event on its way and the key means calls, each with the events of many.
        appends_in_flight: replication.appends_in_flight.map(|limit| {
            if numbered {
                limit
            } else {
                limit.saturating_mul(RECORDS_OF_A_CALL)
            }
        }),
        throttle_interval: replication.throttle_interval,
        max_append_events: replication.max_append_events,
        max_append_bytes: replication.max_append_bytes,
        time_to_live: replication.time_to_live,
        on_conflict: match replication.on_conflict {
            OnConflict::Park => port::OnConflict::Park,
            OnConflict::Skip => port::OnConflict::Skip,
            OnConflict::Stop => port::OnConflict::Stop,
        },
        on_missing_history: match replication.on_missing_history {
            OnMissingHistory::Park => port::OnMissingHistory::Park,
            OnMissingHistory::Fill => port::OnMissingHistory::Fill,
            OnMissingHistory::Stop => port::OnMissingHistory::Stop,
        },
        on_unverified: match replication.on_unverified {
            OnUnverified::Hold => port::OnUnverified::Hold,
            OnUnverified::Pass => port::OnUnverified::Pass,
        },
        known_streams: KNOWN_STREAMS,
        feed: Feed::Plain,
        accept_unseen_below: 0,
    }
}

//! Groups as GetInfo shows them, and what ditto says of each.

use std::time::Duration;

use eventstore::{
    PersistentSubscriptionConnectionInfo, PersistentSubscriptionSettings,
    PersistentSubscriptionStats, StreamPosition, SystemConsumerStrategy,
};

use super::{Info, options, seen, unsuitable, warnings};
use crate::config::settings::NewGroup;
use ditto_core::event::StreamName;
use ditto_core::port::GroupSeen;

const ME: &str = "ditto/host/1";

fn good() -> PersistentSubscriptionSettings<u64> {
    let mut options = options(&NewGroup::default());
    options.settings_mut().clone()
}

fn info(settings: PersistentSubscriptionSettings<u64>) -> Info {
    Info {
        event_source: "$ce-customer".to_owned(),
        group_name: "ditto".to_owned(),
        status: "Live".to_owned(),
        connections: Vec::new(),
        settings: Some(settings),
        stats: PersistentSubscriptionStats::default(),
    }
}

fn connection(name: &str) -> PersistentSubscriptionConnectionInfo {
    PersistentSubscriptionConnectionInfo {
        from: String::new(),
        username: String::new(),
        average_items_per_second: 0.0,
        total_items: 0,
        count_since_last_measurement: 0,
        available_slots: 0,
        in_flight_messages: 0,
        connection_name: name.to_owned(),
        extra_statistics: Default::default(),
    }
}

#[test]
fn a_group_that_ditto_creates_is_suitable_and_without_warnings() {
    for stream in ["$ce-customer", "$et-x", "customer-1", "$streams"] {
        assert_eq!(
            unsuitable(&StreamName::from(stream), &info(good())),
            None,
            "{stream}"
        );
    }
    assert_eq!(warnings(&info(good()), ME), [""; 0]);
}

#[test]
fn groups_that_cannot_work_are_refused_with_a_hint() {
    let no_links = || PersistentSubscriptionSettings {
        resolve_link_tos: false,
        ..good()
    };
    let timeout = |timeout| PersistentSubscriptionSettings {
        message_timeout: timeout,
        ..good()
    };
    let rows = [
        ("$all", good(), Some("$all")),
        ("$ce-customer", no_links(), Some("resolve links")),
        ("$et-x", no_links(), Some("resolve links")),
        ("$bc-x", no_links(), Some("resolve links")),
        ("$streams", no_links(), Some("resolve links")),
        ("customer-1", no_links(), None),
        (
            "customer-1",
            timeout(Duration::ZERO),
            Some("message timeout"),
        ),
        // -1 ms, as the crate shows it.
        (
            "customer-1",
            timeout(Duration::from_millis(u64::MAX)),
            Some("message timeout"),
        ),
        ("customer-1", timeout(Duration::from_millis(1)), None),
    ];
    for (stream, settings, expected) in rows {
        let found = unsuitable(&StreamName::from(stream), &info(settings));
        match expected {
            None => assert_eq!(found, None, "{stream}"),
            Some(word) => assert!(
                found.is_some_and(|text| text.contains(word)),
                "{stream}: {found:?}"
            ),
        }
    }
}

#[test]
fn what_an_operator_should_know_is_said() {
    let rows: [(&str, PersistentSubscriptionSettings<u64>); 6] = [
        (
            "more than one consumer",
            PersistentSubscriptionSettings {
                max_subscriber_count: 0,
                ..good()
            },
        ),
        (
            "more than one consumer",
            PersistentSubscriptionSettings {
                max_subscriber_count: 2,
                ..good()
            },
        ),
        (
            "begins at the end",
            PersistentSubscriptionSettings {
                start_from: StreamPosition::End,
                ..good()
            },
        ),
        (
            "Pinned",
            PersistentSubscriptionSettings {
                consumer_strategy_name: SystemConsumerStrategy::Pinned,
                ..good()
            },
        ),
        (
            "message timeout",
            PersistentSubscriptionSettings {
                message_timeout: Duration::from_secs(9),
                ..good()
            },
        ),
        (
            "retry count",
            PersistentSubscriptionSettings {
                max_retry_count: 9,
                ..good()
            },
        ),
    ];
    for (word, settings) in rows {
        let found = warnings(&info(settings), ME);
        assert!(
            found.len() == 1 && found[0].contains(word),
            "{word}: {found:?}"
        );
    }
    let mut with_checkpoint = info(PersistentSubscriptionSettings {
        start_from: StreamPosition::End,
        ..good()
    });
    with_checkpoint.stats.last_checkpointed_event_revision = Some(3);
    assert_eq!(warnings(&with_checkpoint, ME), [""; 0]);
}

#[test]
fn other_consumers_are_named_and_ditto_itself_is_not() {
    let mut crowded = info(good());
    crowded.connections = vec![connection(ME), connection("other"), connection("other")];
    let found = warnings(&crowded, ME);
    assert!(
        found.len() == 1 && found[0].contains("(other)"),
        "{found:?}"
    );
    crowded.connections.truncate(1);
    assert_eq!(warnings(&crowded, ME), [""; 0]);
}

#[test]
fn the_core_is_told_checkpoint_start_and_parked() {
    let mut group = info(PersistentSubscriptionSettings {
        start_from: StreamPosition::Position(7),
        ..good()
    });
    group.stats.last_checkpointed_event_revision = Some(41);
    group.stats.parked_message_count = 3;
    let mut tombstoned = group.clone();
    tombstoned.stats.parked_message_count = 18_446_744_071_562_067_969;
    assert_eq!(seen(&tombstoned, None, None).parked, 0, "a negative count");
    let expected = GroupSeen {
        message_timeout: Duration::from_secs(60),
        max_retry_count: 1000,
        checkpoint: Some(41),
        start: Some(7),
        parked: 3,
        parked_readable: Some(2),
        last_number: Some(99),
    };
    assert_eq!(seen(&group, Some(99), Some(2)), expected);
    assert_eq!(expected.parked_events(), 2, "what can be read");
    let unread = seen(&group, Some(99), None);
    assert_eq!(unread.parked_events(), 3, "the server's count");
    // -1, as the crate makes it of what older servers say over HTTP.
    let mut fresh = group.clone();
    fresh.stats.last_checkpointed_event_revision = Some(u64::MAX);
    assert_eq!(seen(&fresh, None, None).checkpoint, None);
    let starts = [
        (StreamPosition::Position(u64::MAX), None),
        (StreamPosition::Start, Some(0)),
        (StreamPosition::End, None),
    ];
    for (start_from, start) in starts {
        let group = info(PersistentSubscriptionSettings {
            start_from,
            ..good()
        });
        assert_eq!(seen(&group, None, None).start, start);
    }
}

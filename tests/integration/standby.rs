//! Two daemons on one group: one copies, the other waits and takes over.

use std::time::Duration;

use ditto::eventstore::Side;
use ditto::source::persistent::Subscription;
use ditto_core::port::PipelineState;
use eventstore::{PersistentSubscriptionSettings, SystemConsumerStrategy};

use crate::support::groups::{self, eager};
use crate::support::servers::client;
use crate::support::{Copying, Servers, seed, subscription, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_second_stands_by_and_takes_over_when_the_first_is_killed() {
    let servers = Servers::start().await;
    let settings = subscription("$ce-customer", "ditto");
    let first = Copying::start(&servers, settings.clone());
    first.until_running().await;
    let second = Copying::start(&servers, settings);
    second
        .until_state("it stands by", |state| *state == PipelineState::Standby)
        .await;
    for number in 0..50 {
        seed(servers.source.store(), &format!("customer-{number}"), 20);
    }
    until("part of it is copied", || {
        match servers.destination.counters().appended_events {
            events if events >= 100 => Ok(()),
            events => Err(events),
        }
    })
    .await;
    drop(first);
    second.until_running().await;
    servers.until_equal().await;
    servers.until_written(1000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_allows_several_consumers_is_copied_exactly_all_the_same() {
    for strategy in [
        SystemConsumerStrategy::RoundRobin,
        SystemConsumerStrategy::Pinned,
    ] {
        let servers = Servers::start().await;
        let shared = PersistentSubscriptionSettings {
            max_subscriber_count: 0,
            consumer_strategy_name: strategy,
            message_timeout: Duration::from_secs(2),
            ..eager()
        };
        groups::create(&servers.source, "$ce-customer", "ditto", shared).await;
        let both: Vec<Copying> = (0..2)
            .map(|_| Copying::start(&servers, subscription("$ce-customer", "ditto")))
            .collect();
        for copying in &both {
            copying.until_running().await;
        }
        for number in 0..30 {
            seed(servers.source.store(), &format!("customer-{number}"), 20);
        }
        servers.until_equal().await;
        servers.until_written(600).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_daemons_count_each_event_once() {
    let servers = Servers::start().await;
    let shared = PersistentSubscriptionSettings {
        max_subscriber_count: 0,
        consumer_strategy_name: SystemConsumerStrategy::RoundRobin,
        message_timeout: Duration::from_secs(2),
        ..eager()
    };
    groups::create(&servers.source, "$ce-customer", "ditto", shared).await;
    let both: Vec<Copying> = (0..2)
        .map(|_| Copying::start(&servers, subscription("$ce-customer", "ditto")))
        .collect();
    for copying in &both {
        copying.until_running().await;
    }
    for number in 0..300 {
        seed(servers.source.store(), &format!("customer-{number}"), 20);
    }
    servers.until_equal().await;
    servers.until_written(6000).await;
    for copying in &both {
        copying.until_done(&servers).await;
    }
    for Copying { seen, .. } in &both {
        let present = seen.total("ditto_events_duplicate_total");
        let repaired = seen.total("ditto_repaired_events_total");
        let counted = seen.copied() - repaired + present;
        assert!(
            counted >= 6000,
            "{counted} of the group's events are counted"
        );
    }
    let copied: u64 = both.iter().map(|copying| copying.seen.copied()).sum();
    assert!(copied >= 6000, "{copied} are counted as copied");
    // A server answers an append of what is there as it answers one that it writes. Some are told apart by the position.
    let recognised = servers.destination.counters().recognised_events;
    assert!(
        copied < 6000 + recognised,
        "{copied} are counted as copied, {recognised} of 6000 were sent again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstoned_checkpoint_stream_is_warned_of() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 3);
    let settings = subscription("$ce-customer", "ditto");
    let copying = Copying::start(&servers, settings.clone());
    servers.until_equal().await;
    drop(copying);
    let kept = "$persistentsubscription-$ce-customer::ditto-checkpoint";
    let store = servers.source.store();
    store
        .tombstone(kept, devstore::store::Expected::Any)
        .unwrap();
    let own = client(Side::Source, &servers.source);
    let inspected = Subscription::new(own, settings).inspect().await.unwrap();
    let reported = |text: &String| text.contains("checkpoint stream was deleted for good");
    assert!(inspected.warnings.iter().any(reported));
}

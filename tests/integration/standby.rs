//! Two daemons on one group: one copies, the other waits and takes over.

use std::sync::Arc;
use std::time::Duration;

use devstore::{Fault, FaultKind};
use ditto::source::persistent::Subscription;
use ditto_core::port::{PipelineState, Report, Side};
use eventstore::{PersistentSubscriptionSettings, SystemConsumerStrategy};

use crate::support::copying::BUDGET;
use crate::support::groups::{self, eager};
use crate::support::heard::Heard;
use crate::support::servers::{client, cluster};
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
        let _both = start_both(&servers).await;
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
    share(&servers).await;
    let both = start_both(&servers).await;
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

/// Two daemons that run.
async fn start_both(servers: &Servers) -> Vec<Copying> {
    let both: Vec<Copying> = (0..2)
        .map(|_| Copying::start(servers, subscription("$ce-customer", "ditto")))
        .collect();
    for copying in &both {
        copying.until_running().await;
    }
    both
}

/// A group whose events the consumers share.
async fn share(servers: &Servers) {
    let shared = PersistentSubscriptionSettings {
        max_subscriber_count: 0,
        consumer_strategy_name: SystemConsumerStrategy::RoundRobin,
        message_timeout: Duration::from_secs(2),
        ..eager()
    };
    groups::create(&servers.source, "$ce-customer", "ditto", shared).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn undecided_append_of_two_daemons_is_no_outage() {
    let servers = Servers::start().await;
    share(&servers).await;
    let heard = Arc::new(Heard::default());
    let _both = [(); 2].map(|()| {
        let (source, destination) = (cluster(&servers.source), cluster(&servers.destination));
        let settings = subscription("$ce-customer", "ditto");
        Copying::heard_by(&heard, source, destination, settings, BUDGET)
    });
    for number in 0..100 {
        let stream = format!("customer-{number}");
        let undecided = Fault::new(FaultKind::BatchUndecided).times(1);
        servers
            .destination
            .faults()
            .add(undecided.on_stream(&stream));
        seed(servers.source.store(), &stream, 20);
    }
    servers.until_equal().await;
    servers.until_written(2000).await;
    let away = Report::State(PipelineState::Retrying(Side::Destination));
    let told = heard.count(|report| *report == away);
    assert_eq!(told, 0, "times that the destination is said not to answer");
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
    let own = client(ditto::eventstore::Side::Source, &servers.source);
    let inspected = Subscription::new(own, settings).inspect().await.unwrap();
    let reported = |text: &String| text.contains("checkpoint stream was deleted for good");
    assert!(inspected.warnings.iter().any(reported));
}

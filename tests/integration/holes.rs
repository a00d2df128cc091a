//! Events that the group does not hand over: what others took, what a checkpoint jumped over, what the server parked.

use std::sync::Arc;
use std::time::Duration;

use devstore::store::Expected;
use devstore::{Fault, FaultKind};
use ditto_core::port::Report;
use eventstore::{PersistentSubscriptionSettings, SystemConsumerStrategy};

use crate::support::compare::events;
use crate::support::copying::BUDGET;
use crate::support::groups::{self, eager};
use crate::support::heard::Heard;
use crate::support::servers::cluster;
use crate::support::wait::until_async;
use crate::support::{Copying, Servers, seed, subscription, until};

/// A number that does not come is missed after twice this.
const SHORT: Duration = Duration::from_secs(1);

/// Between two events of a writer that goes on until something has happened.
const PACE: Duration = Duration::from_millis(20);

fn impatient() -> PersistentSubscriptionSettings<u64> {
    PersistentSubscriptionSettings {
        message_timeout: SHORT,
        ..eager()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_acknowledged_by_another_consumer_are_copied() {
    let servers = Servers::start().await;
    let shared = PersistentSubscriptionSettings {
        max_subscriber_count: 0,
        consumer_strategy_name: SystemConsumerStrategy::RoundRobin,
        ..impatient()
    };
    groups::create(&servers.source, "$ce-customer", "ditto", shared).await;
    seed(servers.source.store(), "customer-0", 1);
    let copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
    servers.until_equal().await;
    let foreign = groups::foreign_consumer(&servers.source, "$ce-customer", "ditto", 4, false);
    let writing = async {
        // One at a time, until the other one has taken its share: each event is the last of its stream.
        for number in 1.. {
            seed(servers.source.store(), &format!("customer-{number}"), 1);
            tokio::time::sleep(PACE).await;
        }
    };
    tokio::select! {
        () = foreign => {}
        () = writing => {}
    }
    servers.until_equal().await;
    assert!(copying.seen.total("ditto_holes_total") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_checkpoint_jumped_over_is_copied() {
    let servers = Servers::start().await;
    groups::create(&servers.source, "$ce-customer", "ditto", impatient()).await;
    let mut settings = subscription("$ce-customer", "ditto");
    // So slow that the server ends while most of what its checkpoint says is done was not delivered.
    settings.replication.throttle_interval = Duration::from_millis(200);
    for number in 0..12 {
        seed(servers.source.store(), &format!("customer-{number}"), 1);
    }
    servers
        .source
        .faults()
        .add(Fault::new(FaultKind::CheckpointAhead { by: 6 }));
    let copying = Copying::start(&servers, settings);
    until("a checkpoint is stored", || {
        match events(
            servers.source.store(),
            "$persistentsubscription-$ce-customer::ditto-checkpoint",
        )
        .len()
        {
            0 => Err("there is none"),
            _ => Ok(()),
        }
    })
    .await;
    servers.source.stop().await;
    servers.source.faults().clear();
    servers.source.start_again().await.unwrap();
    servers.until_equal().await;
    assert!(copying.seen.total("ditto_holes_total") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_parked_by_itself_is_copied_and_stays_parked() {
    let servers = Servers::start().await;
    let strict = PersistentSubscriptionSettings {
        max_retry_count: 0,
        ..impatient()
    };
    groups::create(&servers.source, "$ce-customer", "ditto", strict).await;
    let settings = subscription("$ce-customer", "ditto");
    for number in 0..5 {
        seed(servers.source.store(), &format!("customer-{number}"), 1);
    }
    // Somebody takes them and says nothing, until the server gives up.
    let client = groups::foreign_client(&servers.source);
    let silent = client
        .subscribe_to_persistent_subscription("$ce-customer", "ditto", &Default::default())
        .await
        .unwrap();
    until_async("the server has parked them", async || {
        match groups::seen(&servers.source, &settings).await.parked {
            5 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    drop(silent);
    // The status counts what is parked; that the server parked it is told in the journal alone.
    let heard = Arc::new(Heard::default());
    let copying = Copying::heard_by(
        &heard,
        cluster(&servers.source),
        cluster(&servers.destination),
        settings.clone(),
        BUDGET,
    );
    servers.until_equal().await;
    let by_server = |report: &Report| matches!(report, Report::ServerParked { .. });
    assert_eq!(heard.count(by_server), 5);
    assert_eq!(copying.seen.total("ditto_parked_events"), 5);
    assert_eq!(copying.seen.total("ditto_events_parked_total"), 0);
    assert_eq!(groups::seen(&servers.source, &settings).await.parked, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_lost_by_a_pinned_group_at_a_restart_are_copied() {
    // Which consumer gets which event is by chance, and so is whether the group passes over any.
    let mut found = None;
    for _ in 0..8 {
        found = passed_over().await;
        if found.is_some() {
            break;
        }
    }
    let (servers, copying, foreign) = found.expect("a checkpoint that passes over events");
    servers.source.stop().await;
    drop(foreign);
    servers.source.start_again().await.unwrap();
    servers.until_equal().await;
    servers.until_written(40).await;
    assert!(copying.seen.total("ditto_holes_total") > 0);
}

/// A pinned group whose checkpoint lies behind events that nobody was sent; `None` if it does not come to that in time.
async fn passed_over() -> Option<(Servers, Copying, groups::Foreign)> {
    let servers = Servers::start().await;
    // Longer, so that the restart comes before anything is missed.
    let timeout = Duration::from_secs(5);
    let pinned = PersistentSubscriptionSettings {
        consumer_strategy_name: SystemConsumerStrategy::Pinned,
        max_subscriber_count: 0,
        message_timeout: timeout,
        ..eager()
    };
    groups::create(&servers.source, "$ce-customer", "ditto", pinned).await;
    let settings = subscription("$ce-customer", "ditto");
    let mut foreign = groups::Foreign::join(&servers.source, "$ce-customer", "ditto", 1).await;
    let copying = Copying::start(&servers, settings.clone());
    copying.until_running().await;
    for number in 0..40 {
        seed(servers.source.store(), &format!("customer-{number}"), 1);
    }
    // Its only slot is taken, so that the server passes over its other events and counts progress in the order of what
    // it has sent (protocol §8.4, §8.7): one answer, and the checkpoint lies after events that nobody was sent.
    let first = foreign.next().await;
    until("the other half is copied", || {
        let copied = copying.seen.copied();
        if copied >= 15 { Ok(()) } else { Err(copied) }
    })
    .await;
    foreign.ack(first).await;
    let passes = until_async("the checkpoint passes over events", async || {
        let checkpoint = groups::seen(&servers.source, &settings).await.checkpoint;
        let sent = copying.seen.copied() + 2;
        match checkpoint {
            Some(checkpoint) if checkpoint + 1 > sent => Ok(()),
            other => Err(format!("it is {other:?}, {sent} were sent")),
        }
    });
    let passes = tokio::time::timeout(timeout, passes).await.is_ok();
    passes.then_some((servers, copying, foreign))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_gap_is_read_in_pages_while_other_streams_go_on() {
    let servers = Servers::start().await;
    let source = servers.source.store();
    // Not linked by the category, so never delivered: a gap before the event that is.
    let unlinked: Vec<_> = (0..5_000)
        .map(|_| devstore::store::Proposed {
            data: bytes::Bytes::new(),
            ..crate::support::event("customer-1", 1)
        })
        .collect();
    source
        .append("customer-1", Expected::NoStream, unlinked)
        .unwrap();
    seed(source, "customer-1", 1);
    for number in 2..20 {
        seed(source, &format!("customer-{number}"), 10);
    }
    let copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
    servers.until_equal().await;
    assert_eq!(copying.seen.total("ditto_repairs_total"), 1);
    assert_eq!(copying.seen.total("ditto_repaired_events_total"), 5_000);
}

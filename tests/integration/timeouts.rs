//! The server's clock for a delivery runs whether ditto gets on or not: healthy events are never parked for that.

use std::sync::Arc;
use std::time::Duration;

use ditto_core::port::{PipelineState, Report};
use eventstore::PersistentSubscriptionSettings;

use crate::support::copying::BUDGET;
use crate::support::groups::{self, eager};
use crate::support::heard::Heard;
use crate::support::servers::cluster;
use crate::support::{Copying, Servers, event, seed, subscription, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_away_for_longer_than_all_retries_parks_nothing() {
    let servers = Servers::start().await;
    let impatient = PersistentSubscriptionSettings {
        message_timeout: Duration::from_secs(1),
        max_retry_count: 3,
        ..eager()
    };
    groups::create(&servers.source, "$ce-customer", "ditto", impatient).await;
    let settings = subscription("$ce-customer", "ditto");
    for number in 0..20 {
        seed(servers.source.store(), &format!("customer-{number}"), 10);
    }
    servers.destination.stop().await;
    let copying = Copying::start(&servers, settings.clone());
    copying
        .until_state("it retries", |state| {
            matches!(state, PipelineState::Retrying(_))
        })
        .await;
    // The outage itself: longer than four message timeouts.
    tokio::time::sleep(Duration::from_secs(6)).await;
    servers.destination.start_again().await.unwrap();
    servers.until_equal().await;
    groups::until_checkpoint(&servers.source, &settings, 199).await;
    assert_eq!(groups::seen(&servers.source, &settings).await.parked, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttle_takes_no_more_than_it_can_work_off_in_time() {
    let servers = Servers::start().await;
    let short = PersistentSubscriptionSettings {
        message_timeout: Duration::from_secs(2),
        ..eager()
    };
    groups::create(&servers.source, "$ce-customer", "ditto", short).await;
    let mut settings = subscription("$ce-customer", "ditto");
    settings.replication.throttle_interval = Duration::from_millis(50);
    seed(servers.source.store(), "customer-1", 120);
    // No metric counts what times out.
    let heard = Arc::new(Heard::default());
    let _copying = Copying::heard_by(
        &heard,
        cluster(&servers.source),
        cluster(&servers.destination),
        settings.clone(),
        BUDGET,
    );
    servers.until_equal().await;
    groups::until_checkpoint(&servers.source, &settings, 119).await;
    // A join for a larger buffer may bring again what was just copied; nothing may time out.
    let timed_out = |report: &Report| matches!(report, Report::TimedOut { .. });
    assert_eq!(heard.count(timed_out), 0);
    assert_eq!(groups::seen(&servers.source, &settings).await.parked, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_of_200_000_events_holds_up_no_other_stream() {
    let servers = Servers::start().await;
    let source = servers.source.store();
    // The category does not link these, so that all of them must be read.
    for _ in 0..20 {
        let unlinked = (0..10_000)
            .map(|_| devstore::store::Proposed {
                data: bytes::Bytes::new(),
                ..event("customer-long", 1)
            })
            .collect();
        source
            .append("customer-long", devstore::store::Expected::Any, unlinked)
            .unwrap();
    }
    seed(source, "customer-long", 1);
    for number in 0..50 {
        seed(source, &format!("customer-{number}"), 10);
    }
    // The order of two happenings is in no reading: both may come between two of them.
    let heard = Arc::new(Heard::default());
    let _copying = Copying::heard_by(
        &heard,
        cluster(&servers.source),
        cluster(&servers.destination),
        subscription("$ce-customer", "ditto"),
        1024 * 1024,
    );
    // Each part has a deadline of its own: a busy machine takes its time, and still gets on.
    for part in 1..=20 {
        until("the next 10,000 are copied", || {
            match servers
                .destination
                .store()
                .stream_info("customer-long")
                .last
            {
                Some(last) if last >= part * 10_000 => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }
    servers.until_equal().await;
    let others = heard.last(
        |report| matches!(report, Report::Copied { stream, .. } if stream.as_str() != "customer-long"),
    );
    let repaired = heard.first(|report| {
        matches!(
            report,
            Report::RepairEnded {
                events: 200_000,
                ..
            }
        )
    });
    assert!(others < repaired, "{others:?} {repaired:?}");
}

//! Appends hold what waited, and only consecutive revisions.

use bytes::Bytes;
use devstore::store::{Expected, Proposed};
use devstore::{AppendLimit, Options};

use crate::support::groups::{self, eager};
use crate::support::{Copying, Servers, event, seed, subscription, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_takes_fewer_appends_than_events() {
    let servers = Servers::start().await;
    for number in 0..10 {
        seed(servers.source.store(), &format!("customer-{number}"), 200);
    }
    let _copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
    servers.until_equal().await;
    servers.until_written(2000).await;
    let counters = servers.destination.counters();
    assert!(counters.appends < 1000, "{} appends", counters.appends);
}

#[tokio::test(flavor = "multi_thread")]
async fn max_append_events_is_kept() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 500);
    let mut settings = subscription("$ce-customer", "ditto");
    // One of the sizes that the metric counts up to.
    settings.replication.max_append_events = 5;
    let copying = Copying::start(&servers, settings);
    servers.until_equal().await;
    until("all is counted", || match copying.seen.copied() {
        500 => Ok(()),
        copied => Err(copied),
    })
    .await;
    let up_to_five = copying
        .seen
        .metric("ditto_append_events_bucket", r#"le="5""#);
    let appends = copying.seen.total("ditto_append_events_count");
    assert_eq!(up_to_five, appends);
}

/// Servers 24.10.4 to 24.10.14 and 25.0 count metadata and types, too (protocol §16): events that are mostly these
/// fill an append long before their data does.
#[tokio::test(flavor = "multi_thread")]
async fn full_appends_are_accepted_at_once() {
    for limit in [AppendLimit::V23_10, AppendLimit::V24_10] {
        let servers = Servers::with(
            Options::default(),
            Options {
                append_limit: limit,
                ..Options::default()
            },
        )
        .await;
        let heavy = |number: u64| Proposed {
            event_type: "t".repeat(1_000).into(),
            data: Bytes::from(vec![b'1'; 3_000]),
            metadata: Bytes::from(vec![b' '; 2_000]),
            ..event("customer-1", number)
        };
        servers
            .source
            .store()
            .append(
                "customer-1",
                Expected::NoStream,
                (0..1_000).map(heavy).collect(),
            )
            .unwrap();
        let copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
        servers.until_equal().await;
        let counters = servers.destination.counters();
        assert_eq!(counters.oversized, 0, "{limit:?}");
        drop(copying);
    }
}

/// An append over the limit is refused once; those that follow are as large as the destination takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_named_is_kept_from_then_on() {
    let servers = Servers::with(
        Options::default(),
        Options {
            append_limit: AppendLimit {
                append: 10_000,
                ..AppendLimit::V24_10
            },
            ..Options::default()
        },
    )
    .await;
    seed(servers.source.store(), "customer-1", 2_000);
    let _copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
    servers.until_equal().await;
    let counters = servers.destination.counters();
    assert!(counters.oversized <= 1, "{} refused", counters.oversized);
}

#[tokio::test(flavor = "multi_thread")]
async fn revisions_acknowledged_by_another_consumer_are_repaired() {
    let servers = Servers::start().await;
    let store = servers.source.store();
    seed(store, "customer-1", 9);
    groups::create(&servers.source, "$ce-customer", "ditto", eager()).await;
    // Another consumer has acknowledged 0 to 4 and 7, so that ditto gets 5, 6 and 8.
    let mut foreign = groups::Foreign::join(&servers.source, "$ce-customer", "ditto", 9).await;
    for number in 0..9 {
        let event = foreign.next().await;
        if !matches!(number, 5 | 6 | 8) {
            foreign.ack(event).await;
        }
    }
    let answered =
        |seen: Option<(usize, usize)>| seen.is_some_and(|(_, unanswered)| unanswered == 3);
    foreign.until("its answers have arrived", answered).await;
    foreign.leave().await;
    let copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
    servers.until_equal().await;
    servers.until_written(9).await;
    until("all is counted", || match copying.seen.copied() {
        9 => Ok(()),
        copied => Err(copied),
    })
    .await;
    // All but the three that were delivered.
    assert_eq!(copying.seen.total("ditto_repaired_events_total"), 6);
    seed(store, "customer-1", 3);
    servers.until_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_written_twice_at_the_source_is_copied_twice() {
    let servers = Servers::start().await;
    let store = servers.source.store();
    let twice = event("customer-1", 0);
    store
        .append("customer-1", Expected::NoStream, vec![twice.clone()])
        .unwrap();
    store
        .append(
            "customer-1",
            Expected::Exact(0),
            vec![event("customer-1", 1)],
        )
        .unwrap();
    store
        .append("customer-1", Expected::Exact(1), vec![twice])
        .unwrap();
    let _copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
    servers.until_equal().await;
}

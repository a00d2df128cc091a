//! The real program that is frozen or killed by the system, between real sockets.

use devstore::{Fault, FaultKind};
use eventstore::{PersistentSubscriptionOptions, SystemConsumerStrategy};

use crate::support::{Ditto, Servers, foreign_client, seed, until};

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_parks_while_ditto_is_frozen_is_copied_and_reported() {
    const PARKED: &str = "$persistentsubscription-$ce-customer::ditto-parked";
    let servers = Servers::start().await;
    let impatient = "[subscription.new_group]\nmessage_timeout = \"1s\"\nmax_retry_count = 1\n";
    let ditto = Ditto::start(&(servers.configuration(&["ditto"]) + impatient));
    ditto.until_logged("joined the subscription").await;
    ditto.signal("STOP");
    let streams: Vec<String> = (0..5).map(|number| format!("customer-{number}")).collect();
    for stream in &streams {
        seed(servers.source.store(), stream, 2);
    }
    until("the server parks everything", || {
        let last = servers.source.store().stream_info(PARKED).last;
        (last == Some(9)).then_some(())
    })
    .await;
    ditto.signal("CONT");
    servers.until_copied(&streams).await;
    ditto
        .until_logged("the server parked an event; copying it")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_takes_over_from_one_that_was_killed_with_appends_in_flight() {
    let servers = Servers::start().await;
    let configuration = servers.configuration(&["ditto"]);
    let first = Ditto::start(&configuration);
    first.until_logged("joined the subscription").await;
    let second = Ditto::start(&configuration);
    second
        .until_logged("another consumer has the group; standing by")
        .await;
    // Written, and not answered as long as the first one lives.
    let late = Fault::new(FaultKind::BatchLate { ms: 60_000 });
    servers.destination.faults().add(late);
    let streams: Vec<String> = (0..50).map(|number| format!("customer-{number}")).collect();
    for stream in &streams {
        seed(servers.source.store(), stream, 4);
    }
    until("something is written", || {
        (servers.destination.counters().appended_events > 0).then_some(())
    })
    .await;
    first.signal("KILL");
    servers.destination.faults().clear();
    second.until_logged("joined the subscription").await;
    servers.until_copied(&streams).await;
    // As long as the source's streams: so nothing is there twice, and nothing came later either.
    assert_eq!(servers.destination.counters().appended_events, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_several_daemons_share_is_copied_once_and_warned_about() {
    for (strategy, warning) in [
        (
            SystemConsumerStrategy::RoundRobin,
            "set max_subscriber_count to 1",
        ),
        (
            SystemConsumerStrategy::Pinned,
            "the group's strategy is Pinned",
        ),
    ] {
        let servers = Servers::start().await;
        let shared = PersistentSubscriptionOptions::default()
            .resolve_link_tos(true)
            .max_subscriber_count(0)
            .consumer_strategy_name(strategy);
        foreign_client(&servers.source)
            .create_persistent_subscription("$ce-customer", "ditto", &shared)
            .await
            .expect("the group");
        let configuration = servers.configuration(&["ditto"]);
        let daemons = [Ditto::start(&configuration), Ditto::start(&configuration)];
        for daemon in &daemons {
            daemon.until_logged("joined the subscription").await;
            daemon.until_logged(warning).await;
        }
        let streams: Vec<String> = (0..30).map(|number| format!("customer-{number}")).collect();
        let appended = || servers.destination.counters().appended_events;
        // More comes while gaps are repaired.
        for round in 0..10 {
            for stream in &streams {
                seed(servers.source.store(), stream, 4);
            }
            until("the round has begun", || {
                (appended() > round * 120).then_some(())
            })
            .await;
        }
        servers.until_copied(&streams).await;
        assert_eq!(appended(), 1_200);
        for daemon in &daemons {
            let log = daemon.log();
            let silent = log
                .lines()
                .find(|line| line.contains("unreachable or failing requests"));
            assert_eq!(silent, None, "both servers answer all the time");
        }
    }
}

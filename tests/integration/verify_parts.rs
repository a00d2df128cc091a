//! Comparing both sides: what is on its way, what is asked for in part, and a server that fails.

use devstore::store::Proposed;
use ditto::verify::{Class, End};

use crate::support::groups::{self, eager};
use crate::support::verifying::{self, job};
use crate::support::{Copying, Servers, event, seed, subscription, until, write};
use crate::verify::append;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_group_has_not_come_to_is_behind_and_what_it_is_done_with_is_missing() {
    let servers = Servers::start().await;
    let source = servers.source.store();
    for number in 0..6 {
        seed(source, &format!("customer-{number}"), 10);
    }
    let settings = subscription("$ce-customer", "ditto");
    let behind = |point: &ditto::verify::Point| {
        let events = &point.tally.events;
        (events.of(Class::Missing), events.of(Class::Behind))
    };
    let (end, point, reported) = verifying::run(&job(&servers, &settings, |_| {})).await;
    assert_eq!((end, behind(&point)), (End::Complete, (0, 60)));
    assert!(
        reported.notes[0].contains("no checkpoint yet"),
        "{reported:?}"
    );
    groups::create(&servers.source, "$ce-customer", "ditto", eager()).await;
    groups::foreign_consumer(&servers.source, "$ce-customer", "ditto", 25, false).await;
    groups::until_checkpoint(&servers.source, &settings, 24).await;
    let (end, point, reported) = verifying::run(&job(&servers, &settings, |_| {})).await;
    assert_eq!((end, reported.notes), (End::Complete, Vec::new()));
    assert_eq!(behind(&point), (25, 35));
    let half: Vec<_> = reported
        .findings
        .iter()
        .filter(|one| one.stream.as_str() == "customer-2")
        .map(|one| (one.class, one.revision, one.events))
        .collect();
    assert_eq!(half, [(Class::Missing, 0, 5), (Class::Behind, 5, 5)]);
    let repairs: Vec<_> = point
        .repairs
        .iter()
        .map(|one| (one.stream.as_str(), one.from, one.to))
        .collect();
    assert_eq!(repairs.len(), 3);
    assert!(repairs.contains(&("customer-2", 0, 4)), "{repairs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_on_an_ordinary_stream_is_compared_by_its_own_numbers() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "orders", 20);
    groups::create(&servers.source, "orders", "ditto", eager()).await;
    groups::foreign_consumer(&servers.source, "orders", "ditto", 8, false).await;
    let settings = subscription("orders", "ditto");
    groups::until_checkpoint(&servers.source, &settings, 7).await;
    let (point, _) = verifying::complete(&job(&servers, &settings, |_| {})).await;
    assert_eq!(point.tally.events.of(Class::Missing), 8);
    assert_eq!(point.tally.events.of(Class::Behind), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_compared_where_a_part_is_asked_for_and_the_rest_is_told() {
    let servers = Servers::start().await;
    let (source, destination) = (servers.source.store(), servers.destination.store());
    for number in 0..40 {
        let stream = format!("customer-{number}");
        let events: Vec<Proposed> = (0..5).map(|number| event(&stream, number)).collect();
        append(source, &stream, events.clone());
        append(destination, &stream, events);
    }
    let settings = subscription("$ce-customer", "ditto");
    let half = job(&servers, &settings, |job| job.scope.sample = Some(0.5));
    let (point, _) = verifying::complete(&half).await;
    assert_eq!(point.tally.compared + point.tally.left_out_streams, 40);
    assert!((5..35).contains(&point.tally.compared), "{:?}", point.tally);
    assert_eq!(point.tally.events.sum(), 5 * point.tally.compared);

    let one = job(&servers, &settings, |job| {
        job.streams = vec!["customer-7".into()]
    });
    let (point, _) = verifying::complete(&one).await;
    assert_eq!((point.tally.compared, point.tally.events.sum()), (1, 5));

    let newest = source.event("customer-39", 4).unwrap();
    until("a later time", || match now() > newest.created {
        true => Ok(()),
        false => Err("the clock stands"),
    })
    .await;
    let since = now();
    for number in 38..42 {
        let stream = format!("customer-{number}");
        let events = vec![event(&stream, 6), event(&stream, 7)];
        append(source, &stream, events.clone());
        append(destination, &stream, events);
    }
    let late = job(&servers, &settings, |job| job.scope.since = Some(since));
    let (point, _) = verifying::complete(&late).await;
    assert_eq!(
        (point.tally.compared, point.tally.events.of(Class::Equal)),
        (4, 8)
    );
    assert_eq!(
        (point.tally.left_out_events, point.tally.left_out_links),
        (10, 200)
    );
}

/// Ticks of 100 ns since 1970.
fn now() -> i64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_nanos() / 100).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fails_in_between_ends_it_with_what_was_compared_until_then() {
    let servers = Servers::start().await;
    for number in 0..200 {
        let stream = format!("customer-{number}");
        let events: Vec<Proposed> = (0..20).map(|number| event(&stream, number)).collect();
        append(servers.source.store(), &stream, events.clone());
        append(servers.destination.store(), &stream, events);
    }
    let settings = subscription("$ce-customer", "ditto");
    let slow = job(&servers, &settings, |job| job.scope.rate = Some(500));
    let failing = async {
        until("it has begun", || {
            match servers.destination.counters().calls {
                0..=20 => Err("hardly a read"),
                _ => Ok(()),
            }
        })
        .await;
        servers.destination.stop().await;
    };
    let ((end, point, _), ()) = tokio::join!(verifying::run(&slow), failing);
    let End::Failed(why) = end else {
        panic!("{end:?}")
    };
    assert!(why.starts_with("destination: failed to"), "{why}");
    assert!(
        (1..200).contains(&point.tally.compared),
        "{:?}",
        point.tally
    );
    assert_eq!(
        point.tally.events.of(Class::Equal),
        20 * point.tally.compared
    );
    assert!(!point.is_complete && !point.tally.has_faults());
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_with_revisions_of_their_own_are_compared_by_ids_in_their_order() {
    let servers = Servers::start().await;
    let (source, destination) = (servers.source.store(), servers.destination.store());
    for number in 0..10 {
        let stream = format!("customer-{number}");
        seed(source, &stream, 8);
        // Somebody else's, before what is copied.
        seed(destination, &stream, number);
    }
    let mut settings = subscription("$ce-customer", "ditto");
    settings.replication.skip_version_check = true;
    groups::create(&servers.source, "$ce-customer", "ditto", eager()).await;
    let copying = Copying::start(&servers, settings.clone());
    groups::until_checkpoint(&servers.source, &settings, 79).await;
    let compared = job(&servers, &settings, |_| {});
    let (end, point, reported) = verifying::run(&compared).await;
    assert_eq!((end, reported.findings), (End::Complete, Vec::new()));
    assert_eq!(point.tally.events.of(Class::Equal), 80);
    copying.stop().await;
    // Another program takes what comes next, and copies nothing.
    seed(source, "customer-3", 3);
    groups::foreign_consumer(&servers.source, "$ce-customer", "ditto", 3, false).await;
    groups::until_checkpoint(&servers.source, &settings, 82).await;
    let (point, reported) = verifying::complete(&compared).await;
    assert_eq!(point.tally.events.of(Class::Missing), 3, "{reported:?}");
    assert_eq!(point.tally.events.of(Class::Equal), 80);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_name_nothing_are_no_streams_to_compare() {
    let servers = Servers::start().await;
    let all: Vec<Proposed> = (0..2).map(|number| event("customer-1", number)).collect();
    append(servers.source.store(), "customer-1", all.clone());
    append(servers.destination.store(), "customer-1", all);
    for text in ["0@customer-1", "1@", "18446744073709551615@customer-2"] {
        write(servers.source.store(), "index", "$>", false, text);
    }
    let settings = subscription("index", "ditto");
    let (end, point, _) = verifying::run(&job(&servers, &settings, |_| {})).await;
    assert_eq!((end, point.tally.refused), (End::Complete, 0));
    assert_eq!(point.tally.compared, 1);
    assert_eq!(point.tally.events.of(Class::Equal), 2);
}

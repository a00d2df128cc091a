//! Comparing both sides: every class of difference is found and named, and nothing else, while events are copied.

use std::collections::BTreeMap;

use bytes::Bytes;
use devstore::store::{Expected, Proposed, Store};
use ditto::verify::{Class, End, Finding, What};
use eventstore::{
    NakAction, PersistentSubscriptionSettings, SubscribeToPersistentSubscriptionOptions,
};
use uuid::Uuid;

use crate::support::groups::{self, eager};
use crate::support::verifying::{self, job};
use crate::support::{Copying, Servers, event, seed, subscription, until, write, write_metadata};

const STREAMS: usize = 500;
const EVENTS: usize = 100;

/// What a stream of a hundred events becomes at the destination, and what must be told of it.
struct Mischief {
    name: &'static str,
    change: fn(&mut Vec<Proposed>),
    then: fn(&Servers, &str),
    expected: Expectation,
}

type Expectation = (Class, What, u64, u64);

fn nothing(_: &Servers, _: &str) {}

fn changed(name: &'static str, change: fn(&mut Vec<Proposed>), expected: Expectation) -> Mischief {
    Mischief {
        name,
        change,
        then: nothing,
        expected,
    }
}

fn afterwards(name: &'static str, then: fn(&Servers, &str), expected: Expectation) -> Mischief {
    Mischief {
        name,
        change: |_| {},
        then,
        expected,
    }
}

fn mischief() -> Vec<Mischief> {
    contents()
        .into_iter()
        .chain(places())
        .chain(retentions())
        .collect()
}

/// Events that are changed where they stand.
fn contents() -> Vec<Mischief> {
    use Class::Different;
    use What::{Content, OtherEvent};
    vec![
        changed(
            "data",
            |all| all[10].data = Bytes::from_static(b"{}"),
            (Different, Content, 10, 1),
        ),
        changed(
            "metadata",
            |all| all[0].metadata = Bytes::new(),
            (Different, Content, 0, 1),
        ),
        changed(
            "type",
            |all| all[99].event_type = "other".into(),
            (Different, Content, 99, 1),
        ),
        changed(
            "content-type",
            |all| all[50].is_json = false,
            (Different, Content, 50, 1),
        ),
        changed(
            "several",
            |all| {
                all[20..23]
                    .iter_mut()
                    .for_each(|one| one.data = Bytes::from_static(b"1"))
            },
            (Different, Content, 20, 3),
        ),
        changed(
            "replaced",
            |all| all[60].id = Uuid::new_v4(),
            (Different, OtherEvent, 60, 1),
        ),
    ]
}

/// Events that are left out, added or moved.
fn places() -> Vec<Mischief> {
    use Class::{Different, HeldOrParked, Missing};
    use What::{AsClassed, Doubled, Extra, Renumbered, Reordered, Stream, Tail};
    vec![
        changed("tail", |all| all.truncate(95), (Missing, Tail, 95, 5)),
        changed("last", |all| all.truncate(99), (Missing, Tail, 99, 1)),
        changed("whole", Vec::clear, (Missing, Stream, 0, 100)),
        changed(
            "middle",
            |all| drop(all.remove(40)),
            (Missing, Renumbered, 40, 1),
        ),
        changed(
            "head",
            |all| drop(all.drain(..5)),
            (Missing, Renumbered, 0, 5),
        ),
        changed(
            "extra-end",
            |all| all.extend([event("x", 1), event("x", 2)]),
            (Different, Extra, 100, 2),
        ),
        changed(
            "extra-inside",
            |all| all.insert(30, event("x", 1)),
            (Different, Extra, 30, 70),
        ),
        changed(
            "doubled-end",
            |all| all.push(all[99].clone()),
            (Different, Doubled, 100, 1),
        ),
        changed(
            "doubled-inside",
            |all| all.insert(31, all[30].clone()),
            (Different, Doubled, 31, 69),
        ),
        changed(
            "reordered",
            |all| all.swap(70, 71),
            (Different, Reordered, 70, 2),
        ),
        changed(
            "parked",
            |all| all.truncate(97),
            (HeldOrParked, AsClassed, 97, 3),
        ),
    ]
}

/// Streams that are deleted, truncated or not linked.
fn retentions() -> Vec<Mischief> {
    use Class::{AgedAtDestination, GoneAtSource, Missing, NeverLinked};
    use What::{AsClassed, Deleted, Truncated};
    vec![
        afterwards(
            "deleted-there",
            |servers, stream| {
                servers
                    .destination
                    .store()
                    .delete(stream, Expected::Any)
                    .unwrap();
            },
            (Missing, Deleted, 0, 100),
        ),
        afterwards(
            "tombstoned-there",
            |servers, stream| {
                servers
                    .destination
                    .store()
                    .tombstone(stream, Expected::Any)
                    .unwrap();
            },
            (Missing, Deleted, 0, 100),
        ),
        afterwards(
            "deleted-here",
            |servers, stream| {
                servers
                    .source
                    .store()
                    .delete(stream, Expected::Any)
                    .unwrap();
            },
            (GoneAtSource, AsClassed, 0, 100),
        ),
        afterwards(
            "truncated-here",
            |servers, stream| write_metadata(servers.source.store(), stream, r#"{"$tb":10}"#),
            (GoneAtSource, AsClassed, 0, 10),
        ),
        afterwards(
            "aged-there",
            |servers, stream| write_metadata(servers.destination.store(), stream, r#"{"$tb":7}"#),
            (AgedAtDestination, Truncated, 0, 7),
        ),
        afterwards(
            "never-linked",
            |servers, stream| write(servers.source.store(), stream, "empty", true, ""),
            (NeverLinked, AsClassed, 100, 1),
        ),
    ]
}

/// Both sides hold the same streams, but for the mischief; the group is done with all of them.
async fn with_mischief(servers: &Servers, all: &[Mischief]) {
    let plain = (0..STREAMS - all.len()).map(|number| format!("customer-{number}"));
    let bad = all.iter().map(|one| format!("customer-{}", one.name));
    for stream in plain.chain(bad) {
        let events: Vec<Proposed> = (0..EVENTS)
            .map(|number| event(&stream, number as u64))
            .collect();
        let mut copy = events.clone();
        if let Some(one) = all
            .iter()
            .find(|one| stream.strip_prefix("customer-") == Some(one.name))
        {
            (one.change)(&mut copy);
        }
        append(servers.source.store(), &stream, events);
        append(servers.destination.store(), &stream, copy);
    }
    consume(servers, STREAMS * EVENTS).await;
    for one in all {
        (one.then)(servers, &format!("customer-{}", one.name));
    }
}

pub(crate) fn append(store: &Store, stream: &str, events: Vec<Proposed>) {
    if !events.is_empty() {
        store.append(stream, Expected::Any, events).unwrap();
    }
}

/// Another program is done with so many events, and has parked the last of one stream as ditto would.
async fn consume(servers: &Servers, count: usize) {
    let settings = PersistentSubscriptionSettings {
        checkpoint_upper_bound: 1_000,
        ..eager()
    };
    groups::create(&servers.source, "$ce-customer", "ditto", settings).await;
    let options = SubscribeToPersistentSubscriptionOptions::default().buffer_size(2_000);
    let mut consumer = groups::foreign_client(&servers.source)
        .subscribe_to_persistent_subscription("$ce-customer", "ditto", &options)
        .await
        .unwrap();
    for _ in 0..count {
        let delivered = consumer.next().await.unwrap();
        let event = delivered.event.as_ref().unwrap();
        if event.stream_id == "customer-parked" && event.revision >= 97 {
            let reason = "ditto: refused: for the test";
            consumer
                .nack(delivered, NakAction::Park, reason)
                .await
                .unwrap();
        } else {
            consumer.ack(delivered).await.unwrap();
        }
    }
    let settings = subscription("$ce-customer", "ditto");
    groups::until_checkpoint(&servers.source, &settings, count as u64 - 1).await;
}

fn reported(findings: &[Finding]) -> BTreeMap<String, Vec<Expectation>> {
    let mut reported: BTreeMap<String, Vec<Expectation>> = BTreeMap::new();
    for one in findings {
        let row = (one.class, one.what, one.revision, one.events);
        reported
            .entry(one.stream.to_string())
            .or_default()
            .push(row);
    }
    reported
}

#[tokio::test(flavor = "multi_thread")]
async fn every_difference_is_found_and_named_and_nothing_else_while_events_are_copied() {
    let servers = Servers::start().await;
    let all = mischief();
    with_mischief(&servers, &all).await;
    let settings = subscription("$ce-customer", "ditto");
    let copying = Copying::start(&servers, settings.clone());
    copying.until_running().await;
    let source = servers.source.store().clone();
    let load = tokio::spawn(async move {
        let mut number = 0;
        loop {
            seed(&source, &format!("customer-load-{}", number % 50), 1);
            number += 1;
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    });
    until("the load is copied", || match copying.seen.copied() {
        copied if copied > 100 => Ok(()),
        copied => Err(copied),
    })
    .await;
    let (end, point, seen) = verifying::run(&job(&servers, &settings, |_| {})).await;
    load.abort();
    assert_eq!((end, seen.notes), (End::Complete, Vec::new()));
    let expected: BTreeMap<String, Vec<Expectation>> = all
        .iter()
        .map(|one| (format!("customer-{}", one.name), vec![one.expected]))
        .collect();
    let mut found = reported(&seen.findings);
    // What is on its way right now is behind, and may be told.
    found.retain(|_, rows| rows.iter().any(|row| row.0 != Class::Behind));
    assert_eq!(found, expected);
    let plain = (STREAMS - all.len()) as u64;
    assert!(point.tally.streams.of(Class::Equal) >= plain);
    assert_eq!(point.tally.streams.of(Class::Missing), 7);
    assert_eq!(point.tally.streams.of(Class::Different), 13);
    assert_eq!(point.findings.len(), 19);
}

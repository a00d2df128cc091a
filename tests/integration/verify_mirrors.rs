//! Comparing both sides of a mirror: streams come from the source's log, and the checkpoint says what is behind.

use std::collections::BTreeMap;

use devstore::store::{Expected, Proposed, Store};
use devstore::{Generation, Options};
use ditto::config::settings::{MirrorSettings, OnMissingHistory, Replication};
use ditto::verify::{Class, End, Finding, Point, What};
use ditto_core::filter::StreamFilter;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::verifying::{self, Told, job};
use crate::support::{Copying, Servers, event, seed, until, write};
use crate::verify::append;

fn mirror(rules: &str) -> MirrorSettings {
    MirrorSettings {
        name: "all".into(),
        filter: rules.parse::<StreamFilter>().unwrap(),
        read_from: None,
        states: None,
        replication: Replication {
            on_missing_history: OnMissingHistory::Fill,
            ..Replication::default()
        },
    }
}

/// Class, what is particular, first revision, number of events.
type Row = (Class, What, u64, u64);

/// A stream of the source, and so many of its events at the destination.
struct Copied {
    stream: &'static str,
    events: u64,
    copied: u64,
    expected: &'static [Row],
}

fn row(stream: &'static str, events: u64, copied: u64, expected: &'static [Row]) -> Copied {
    Copied {
        stream,
        events,
        copied,
        expected,
    }
}

/// Appends the events at the source, and the first ones at the destination.
fn copy(servers: &Servers, row: &Copied) {
    let events: Vec<Proposed> = (0..row.events).map(|at| event(row.stream, at)).collect();
    let copied = events[..usize::try_from(row.copied).unwrap()].to_vec();
    append(servers.source.store(), row.stream, events);
    append(servers.destination.store(), row.stream, copied);
}

fn checkpoint(mark: Option<u64>, prepare: Option<u64>, rules: &str) -> Value {
    json!({
        "version": 1,
        "mark": mark.map(|commit| json!({
            "commit": commit, "prepare": prepare.unwrap_or(commit), "epoch": null, "record": null,
        })),
        "highest": null,
        "origin": null,
        "takenOver": false,
        "rules": rules,
        "holder": "ditto/elsewhere/1",
        "instance": Uuid::nil(),
        "process": null,
    })
}

fn note(servers: &Servers, stream: &str, event_type: &str, data: &Value) {
    let event = Store::json_event(event_type, data.to_string());
    let store = servers.destination.store();
    store.append(stream, Expected::Any, vec![event]).unwrap();
}

fn mark(servers: &Servers, checkpoint: &Value) {
    note(servers, "$ditto-mirror-all", "ditto-checkpoint", checkpoint);
}

/// Position of the newest event of a stream of the source.
fn position(servers: &Servers, stream: &str) -> u64 {
    let store = servers.source.store();
    let last = store.stream_info(stream).last.unwrap();
    store.appended(stream, last, 1)[0].position
}

fn reported(findings: &[Finding]) -> BTreeMap<&str, Vec<Row>> {
    let mut reported: BTreeMap<&str, Vec<Row>> = BTreeMap::new();
    for one in findings {
        let row = (one.class, one.what, one.revision, one.events);
        reported.entry(one.stream.as_str()).or_default().push(row);
    }
    reported
}

async fn compared(servers: &Servers, settings: &MirrorSettings) -> (Point, Told) {
    let (end, point, told) = verifying::run(&job(servers, settings, |_| {})).await;
    assert_eq!(end, End::Complete, "{told:?}");
    (point, told)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_class_of_a_mirror_is_found_and_nothing_else() {
    use Class::{Behind, Different, GoneAtSource, HeldOrParked, Missing};
    use What::{AsClassed, Extra, Held, Stream, Tail};
    let before = [
        row("customer-1", 5, 5, &[]),
        row("plain", 5, 5, &[]),
        row("customer-tail", 5, 3, &[(Missing, Tail, 3, 2)]),
        row("customer-whole", 5, 0, &[(Missing, Stream, 0, 5)]),
        row("customer-extra", 5, 5, &[(Different, Extra, 5, 2)]),
        row("customer-held", 5, 2, &[(HeldOrParked, Held, 2, 3)]),
        row("customer-deleted", 5, 5, &[(GoneAtSource, AsClassed, 0, 5)]),
        row("left-out-1", 5, 0, &[]),
        row(
            "half",
            5,
            4,
            &[(Missing, Tail, 4, 1), (Behind, AsClassed, 5, 3)],
        ),
    ];
    let after = [
        row("order-new", 5, 0, &[(Behind, AsClassed, 0, 5)]),
        row("order-ahead", 5, 5, &[]),
        row("order-part", 5, 2, &[(Behind, AsClassed, 2, 3)]),
    ];
    for generation in Generation::ALL {
        let servers =
            Servers::exactly(Options::playing(generation), Options::playing(generation)).await;
        let (source, destination) = (servers.source.store(), servers.destination.store());
        before.iter().for_each(|row| copy(&servers, row));
        seed(destination, "customer-extra", 2);
        // Links that users wrote are events like others, and so is what no projection links.
        write(source, "favourites", "$>", false, "2@customer-1");
        write(source, "favourites", "empty", true, "");
        mark(
            &servers,
            &checkpoint(Some(position(&servers, "favourites")), None, "+*"),
        );
        let held = json!({"stream": "customer-held",
            "held": {"revision": 2, "kind": "conflict", "reason": "another event"}});
        note(&servers, "$ditto-held-all", "ditto-held", &held);
        seed(source, "half", 3);
        after.iter().for_each(|row| copy(&servers, row));
        source.delete("customer-deleted", Expected::Any).unwrap();

        let (point, told) = compared(&servers, &mirror("+*\n-left-out-*")).await;
        let rows = before.iter().chain(&after);
        let mut expected: BTreeMap<&str, Vec<Row>> = rows
            .filter(|row| !row.expected.is_empty())
            .map(|row| (row.stream, row.expected.to_vec()))
            .collect();
        expected.insert("favourites", vec![(Missing, Stream, 0, 2)]);
        assert_eq!(reported(&told.findings), expected, "{generation:?}");
        assert_eq!(told.notes, Vec::<String>::new());
        assert_eq!(point.tally.compared, 12, "{generation:?}");
        assert_eq!(point.tally.streams.of(Class::Equal), 3, "{generation:?}");
        let is_held = |one: &&Finding| one.class == HeldOrParked;
        let held = told.findings.iter().find(is_held).unwrap().to_string();
        assert!(held.contains("holds the stream: another event"), "{held}");
        let mut repairs: Vec<_> = point.repairs.iter().collect();
        repairs.sort_by(|one, other| one.stream.cmp(&other.stream));
        let repairs: Vec<_> = repairs
            .iter()
            .map(|one| (one.stream.as_str(), one.from, one.to))
            .collect();
        assert_eq!(
            repairs,
            [
                ("customer-tail", 3, 4),
                ("customer-whole", 0, 4),
                ("favourites", 0, 1),
                ("half", 4, 4),
            ]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mark_decides_what_is_behind_and_without_one_all_is() {
    let servers = Servers::start().await;
    copy(&servers, &row("a-1", 3, 0, &[]));
    let place = position(&servers, "a-1");
    copy(&servers, &row("b-1", 4, 0, &[]));
    let at = |commit, prepare, rules: &str| Some(checkpoint(commit, prepare, rules));
    let behind = Err::<(u64, u64), _>;
    for (name, written, expected) in [
        ("none", None, behind("the mirror has no checkpoint yet: ")),
        (
            "no mark",
            at(None, None, "+*"),
            behind("the mirror has no checkpoint of copied events yet: "),
        ),
        ("at a record", at(Some(place), None, "+*"), Ok((3, 4))),
        (
            "of wider rules",
            at(Some(place), None, "+*\n-c-*"),
            Ok((3, 4)),
        ),
        // As servers put it where no record matched: before the record at that position.
        (
            "before a record",
            at(Some(place), Some(0), "+*"),
            Ok((2, 5)),
        ),
        (
            "of narrower rules",
            at(Some(place), None, "+a-*"),
            behind("its checkpoint is of narrower rules: "),
        ),
    ] {
        if let Some(written) = &written {
            mark(&servers, written);
        }
        let (point, told) = compared(&servers, &mirror("+*\n-c-*")).await;
        let events = &point.tally.events;
        let found = (events.of(Class::Missing), events.of(Class::Behind));
        match expected {
            Ok(expected) => {
                assert_eq!(found, expected, "{name}");
                assert_eq!(told.notes, Vec::<String>::new(), "{name}");
            }
            Err(note) => {
                assert_eq!(found, (0, 7), "{name}");
                assert!(told.notes[0].contains(note), "{name}: {told:?}");
            }
        }
    }
    let mut newer = checkpoint(Some(place), None, "+*");
    newer["version"] = json!(2);
    mark(&servers, &newer);
    let (end, ..) = verifying::run(&job(&servers, &mirror("+*"), |_| {})).await;
    let End::Failed(why) = end else {
        panic!("{end:?}")
    };
    assert!(why.contains("has version 2, expected 1"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn part_of_a_mirror_is_compared_where_a_part_is_asked_for() {
    let servers = Servers::start().await;
    let streams: Vec<String> = (0..40).map(|number| format!("a-{number}")).collect();
    for stream in &streams {
        let events: Vec<Proposed> = (0..5).map(|at| event(stream, at)).collect();
        append(servers.source.store(), stream, events.clone());
        append(servers.destination.store(), stream, events);
    }
    let settings = mirror("+*");
    let sampled = job(&servers, &settings, |job| job.scope.sample = Some(0.5));
    let (point, _) = verifying::complete(&sampled).await;
    assert_eq!(point.tally.compared + point.tally.left_out_streams, 40);
    assert!((5..35).contains(&point.tally.compared), "{:?}", point.tally);

    let one = job(&servers, &settings, |job| job.streams = vec!["a-7".into()]);
    let (point, _) = verifying::complete(&one).await;
    assert_eq!((point.tally.compared, point.tally.events.sum()), (1, 5));

    let newest = servers.source.store().event("a-39", 4).unwrap().created;
    let late = job(&servers, &settings, |job| {
        job.scope.since = Some(newest + 1)
    });
    let (end, point, _) = verifying::run(&late).await;
    assert_eq!((end, point.tally.compared), (End::Complete, 0));
    assert_eq!(point.tally.left_out_links, 200);
    let old = servers.source.store().event("a-0", 0).unwrap().created;
    let early = job(&servers, &settings, |job| job.scope.since = Some(old));
    let (point, told) = verifying::complete(&early).await;
    assert_eq!((point.tally.compared, point.tally.left_out_links), (40, 0));
    let store = servers.source.store();
    for stream in ["a-1", "a-2", "a-3"] {
        store.tombstone(stream, Expected::Any).unwrap();
    }
    let (point, _) = verifying::complete(&late).await;
    let tally = &point.tally;
    assert_eq!((tally.compared, tally.left_out_events), (3, 0));
    assert_eq!(tally.streams.of(Class::GoneAtSource), 3, "{tally:?}");
    let last = told.progress.last().unwrap();
    assert!(last.of > 0 && last.done == last.of, "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mirror_is_compared_over_many_pages_while_it_copies() {
    let servers = Servers::start().await;
    for number in 0..300 {
        seed(servers.source.store(), &format!("a-{number}"), 10);
    }
    let settings = mirror("+*");
    let copying = Copying::with_budget(&servers, settings.clone(), crate::support::copying::BUDGET);
    servers.until_equal().await;
    let source = servers.source.store().clone();
    let load = tokio::spawn(async move {
        for number in 0.. {
            seed(&source, &format!("load-{}", number % 50), 1);
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    });
    until("the load is copied", || match copying.seen.copied() {
        copied if copied > 3_100 => Ok(()),
        copied => Err(copied),
    })
    .await;
    let (point, told) = compared(&servers, &settings).await;
    load.abort();
    // What is on its way right now is behind, and may be told.
    let others = told
        .findings
        .iter()
        .filter(|one| one.class != Class::Behind);
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&Finding>::new());
    assert!(
        point.tally.streams.of(Class::Equal) >= 300,
        "{:?}",
        point.tally
    );
}

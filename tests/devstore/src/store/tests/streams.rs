//! Expectations, recognition, deletion, truncation, positions. Never looks at a projection's output.

use super::super::{Expected, MAX_REVISION, Refused, Store};
use super::{append, links, metadata, shown};

#[test]
fn appends_are_compared_and_recognised_by_ids() {
    use Expected::{Any, Exact, NoStream, StreamExists};
    let store = Store::new();
    for (stream, expected, ids, answer) in [
        ("a", NoStream, &[1, 2][..], "1"),
        ("a", NoStream, &[3], "wrong 1"),
        ("a", NoStream, &[1, 2], "1 again"),
        ("a", NoStream, &[1], "0 again"),
        ("a", Any, &[1, 2], "1 again"),
        ("a", Exact(1), &[4], "2"),
        ("a", Exact(0), &[2], "1 again"),
        ("a", NoStream, &[1, 2, 4, 5], "wrong 2"),
        ("a", Exact(1), &[4, 5], "wrong 2"),
        ("a", Exact(9), &[5], "wrong 2"),
        ("a", Any, &[2, 1], "0 again"),
        ("a", Any, &[4, 5], "wrong 2"),
        ("a", StreamExists, &[2], "1 again"),
        ("a", Any, &[6, 1], "4"),
        ("a", Any, &[], "4"),
        ("a", Exact(4), &[], "4"),
        ("a", Exact(2), &[], "wrong 4"),
        ("a", Exact(4), &[1], "5"),
        ("b", StreamExists, &[7], "wrong none"),
        ("b", Exact(3), &[7], "wrong none"),
        ("b", Any, &[], "none"),
        ("b", NoStream, &[1], "0"),
        ("c", NoStream, &[8, 8], "1"),
        ("d", Exact(u64::MAX), &[9], "wrong none"),
    ] {
        assert_eq!(
            append(&store, stream, expected, ids),
            answer,
            "{stream} {expected:?} {ids:?}"
        );
    }
    store.forget_recent_ids();
    assert_eq!(
        append(&store, "a", Any, &[1, 2]),
        "7",
        "`any` knows no ids after a restart"
    );
    assert_eq!(
        append(&store, "a", NoStream, &[1, 2]),
        "1 again",
        "exact revisions do"
    );
}

#[test]
fn deletes_follow_the_table() {
    let expectations = [
        Expected::Any,
        Expected::NoStream,
        Expected::StreamExists,
        Expected::Exact(1),
        Expected::Exact(0),
    ];
    type Make = fn(&Store, &str);
    let states: [(&str, Make); 5] = [
        ("missing", |_, _| {}),
        ("metadata only", |store, stream| {
            metadata(store, stream, r#"{"mine":1}"#)
        }),
        ("two events", |store, stream| {
            drop(append(store, stream, Expected::Any, &[1, 2]))
        }),
        ("soft-deleted", |store, stream| {
            append(store, stream, Expected::Any, &[1, 2]);
            store.delete(stream, Expected::Any).unwrap();
        }),
        ("tombstoned", |store, stream| {
            append(store, stream, Expected::Any, &[1, 2]);
            store.tombstone(stream, Expected::Any).unwrap();
        }),
    ];
    let none = ["wrong none"; 5];
    let soft = [
        none,
        ["ok", "ok", "ok", "wrong none", "wrong none"],
        ["ok", "wrong 1", "ok", "ok", "wrong 1"],
        ["ok", "ok", "deleted", "ok", "wrong 1"],
        ["deleted"; 5],
    ];
    let hard = [
        ["ok", "ok", "wrong none", "wrong none", "wrong none"],
        soft[1],
        soft[2],
        soft[3],
        soft[4],
    ];
    for (hardly, table) in [(false, soft), (true, hard)] {
        for ((state, make), row) in states.iter().zip(table) {
            for (expected, answer) in expectations.into_iter().zip(row) {
                let store = Store::new();
                make(&store, "s-1");
                let outcome = if hardly {
                    store.tombstone("s-1", expected)
                } else {
                    store.delete("s-1", expected)
                };
                let got = match outcome {
                    Ok(_) => "ok".to_owned(),
                    Err(Refused::StreamDeleted) => "deleted".to_owned(),
                    Err(Refused::WrongExpectedVersion { current }) => {
                        format!(
                            "wrong {}",
                            current.map_or("none".to_owned(), |last| last.to_string())
                        )
                    }
                };
                assert_eq!(got, answer, "hard {hardly}, {state}, {expected:?}");
            }
        }
    }
}

#[test]
fn a_soft_deleted_stream_comes_back_with_the_next_number() {
    let store = Store::new();
    append(&store, "s", Expected::NoStream, &[1, 2]);
    metadata(&store, "s", r#"{"$maxCount":9,"mine":1}"#);
    store.delete("s", Expected::Exact(1)).unwrap();
    assert_eq!(shown(store.read_forward("s", 0, 10)), "not found");
    assert_eq!(
        append(&store, "s", Expected::Any, &[1, 2]),
        "1 again unreadable"
    );
    assert_eq!(append(&store, "s", Expected::NoStream, &[3]), "2");
    assert_eq!(shown(store.read_forward("s", 0, 10)), "[2] next 3 last 2");
    assert_eq!(links(&store, "$$s"), [r#"{"$tb":2}"#]);
    store.delete("s", Expected::Any).unwrap();
    metadata(&store, "s", r#"{"mine":2}"#);
    assert_eq!(links(&store, "$$s"), [r#"{"mine":2,"$tb":3}"#]);
    assert_eq!(shown(store.read_forward("s", 0, 10)), "[] next 3 last 2");
}

#[test]
fn a_tombstone_takes_the_metadata_with_it() {
    let store = Store::new();
    append(&store, "a", Expected::NoStream, &[1]);
    append(&store, "b", Expected::NoStream, &[2]);
    metadata(&store, "b", "{}");
    for stream in ["a", "b"] {
        store.tombstone(stream, Expected::Exact(0)).unwrap();
        assert_eq!(shown(store.read_forward(stream, 0, 10)), "deleted");
        assert_eq!(
            shown(store.read_backward(&format!("$${stream}"), None, 1)),
            "deleted"
        );
    }
    assert_eq!(append(&store, "$$a", Expected::Any, &[3]), "deleted");
    assert_eq!(append(&store, "$$b", Expected::Any, &[3]), "1");
    let last = store.read_all_backward(None, 20).unwrap().events;
    let tombstone = last
        .iter()
        .find(|record| record.is_tombstone() && &*record.stream == "a")
        .unwrap();
    assert_eq!(
        (
            &*tombstone.event_type,
            tombstone.is_json,
            tombstone.revision
        ),
        ("$streamDeleted", false, MAX_REVISION)
    );
}

#[test]
fn pages_keep_to_what_metadata_leaves() {
    let forward = |from, max| move |store: &Store| shown(store.read_forward("s", from, max));
    let backward = |from, max| move |store: &Store| shown(store.read_backward("s", from, max));
    type Ask = Box<dyn Fn(&Store) -> String>;
    for (data, asks) in [
        (
            "{}",
            vec![
                (Box::new(forward(0, 32)) as Ask, "[0 1 2 3 4] next 5 last 4"),
                (Box::new(forward(1, 2)), "[1 2] next 3 last 4"),
                (Box::new(forward(9, 32)), "[] next 5 last 4"),
                (Box::new(backward(None, 2)), "[4 3] next 2 last 4"),
                (Box::new(backward(Some(9), 2)), "[4 3] next 2 last 4"),
                (Box::new(backward(Some(0), 9)), "[0] next 0 last 4"),
            ],
        ),
        (
            r#"{"$maxCount":2}"#,
            vec![
                (Box::new(forward(0, 32)), "[3 4] next 5 last 4"),
                (Box::new(forward(0, 1)), "[] next 3 last 4"),
                (Box::new(backward(Some(1), 32)), "[] next 0 last 4"),
            ],
        ),
        (
            r#"{"$tb":100}"#,
            vec![
                (Box::new(forward(0, 32)), "[] next 100 last 4"),
                (Box::new(forward(100, 32)), "[] next 5 last 4"),
                (Box::new(backward(None, 32)), "[] next 0 last 4"),
            ],
        ),
        (
            r#"{"$maxCount":4,"$tb":3}"#,
            vec![(Box::new(forward(0, 4)), "[3] next 4 last 4")],
        ),
    ] {
        let store = Store::new();
        append(&store, "s", Expected::NoStream, &[1, 2, 3, 4, 5]);
        metadata(&store, "s", data);
        for (i, (ask, answer)) in asks.iter().enumerate() {
            assert_eq!(ask(&store), *answer, "{data}, question {i}");
        }
        let all = store.read_all_forward(0, 1000).unwrap().events;
        assert_eq!(
            all.iter().filter(|record| &*record.stream == "s").count(),
            5,
            "$all shows everything"
        );
    }
}

#[test]
fn positions_grow_with_gaps_and_are_the_only_places_to_read_from() {
    let store = Store::new();
    append(&store, "s", Expected::NoStream, &[1, 2, 3]);
    let all = store.read_all_forward(0, 1000).unwrap();
    assert!(all.at_end && all.next == store.end());
    assert!(
        all.events
            .windows(2)
            .all(|pair| pair[0].position + 1 < pair[1].position)
    );
    let second = all.events[1].position;
    assert!(store.read_all_forward(second + 1, 1).is_err());
    assert!(
        store
            .read_all_forward(store.end() + 5, 1)
            .unwrap()
            .events
            .is_empty()
    );
    let (from, before) = (
        store.read_all_forward(second, 1).unwrap(),
        store.read_all_backward(Some(second), 1).unwrap(),
    );
    assert_eq!(
        (from.events[0].position, before.events[0].position),
        (second, all.events[0].position)
    );
}

#[test]
fn watchers_learn_of_writes_to_their_stream_only() {
    let store = Store::new();
    let (mut log, mut mine) = (store.watch_log(), store.watch_stream("$ce-cat"));
    for (stream, seen) in [("other", false), ("cat-1", true)] {
        log.mark_unchanged();
        mine.mark_unchanged();
        append(&store, stream, Expected::Any, &[1]);
        assert_eq!(
            (log.has_changed().unwrap(), mine.has_changed().unwrap()),
            (true, seen),
            "{stream}"
        );
    }
}

//! What an append proves of a stream whose events cannot be read (protocol §5.1.12, §15.2, §15.6).
//!
//! Never reads the events of those streams.

use super::*;

/// A stream of ten events that was hidden, and what happened since.
fn hidden(how: &str, since: &str) -> Store {
    let store = Store::new();
    let ids: Vec<u128> = (1..=10).collect();
    append(&store, "s", Expected::NoStream, &ids);
    match how {
        "truncated" => metadata(&store, "s", r#"{"$tb":10}"#),
        "counted" => metadata(&store, "s", r#"{"$maxCount":1}"#),
        "deleted" => drop(store.delete("s", Expected::Exact(9)).unwrap()),
        "tombstoned" => drop(store.tombstone("s", Expected::Exact(9)).unwrap()),
        other => panic!("{other}"),
    }
    if matches!(since, "scavenged" | "both") {
        assert_eq!(store.scavenge(), if how == "tombstoned" { 10 } else { 9 });
        assert_eq!(store.scavenge(), 0, "nothing is removed twice");
    }
    if matches!(since, "restarted" | "both") {
        store.forget_recent_ids();
    }
    store
}

/// What was done to the stream | what happened since | expected revision | ids | answer.
const ANSWERS: &str = "
truncated counted | nothing scavenged restarted both | none | 77 | wrong 9
truncated counted | nothing scavenged restarted both | 3 | 77 | wrong 9
truncated counted | nothing scavenged restarted | 3 | 5 | 4 again unreadable
truncated counted | both | 3 | 5 | wrong 9
truncated | nothing scavenged restarted | none | 1 2 | 1 again unreadable
truncated | both | none | 1 2 | wrong 9
truncated deleted | nothing scavenged restarted both | 8 | 10 | 9 again unreadable
counted | nothing scavenged restarted both | 8 | 10 | 9 again
truncated counted deleted | nothing scavenged restarted both | 8 | 77 | wrong 9
truncated | nothing scavenged restarted | 7 | 9 10 | 9 again unreadable
truncated | both | 7 | 9 10 | wrong 9
deleted | nothing scavenged restarted both | none | 77 | 10
deleted | nothing scavenged restarted both | any | 77 | 10
deleted | nothing scavenged restarted both | 9 | 77 | 10
deleted | nothing scavenged restarted both | 4 | 77 | wrong 9
deleted | nothing scavenged restarted both | exists | 77 | deleted
deleted | nothing restarted | none | 1 | 0 again unreadable
deleted | nothing restarted | 3 | 5 | 4 again unreadable
tombstoned | nothing scavenged restarted both | any | 1 | deleted
tombstoned | nothing scavenged restarted both | 9 | 77 | deleted
truncated counted deleted | nothing scavenged restarted both | 9223372036854775806 | | wrong 9
tombstoned | nothing scavenged restarted both | 9223372036854775806 | | deleted
";

#[test]
fn appends_to_unreadable_streams_prove_what_they_do() {
    for row in ANSWERS.lines().skip(1) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let expected = match cells[2] {
            "none" => Expected::NoStream,
            "any" => Expected::Any,
            "exists" => Expected::StreamExists,
            revision => Expected::Exact(revision.parse().unwrap()),
        };
        let ids: Vec<u128> = cells[3]
            .split_whitespace()
            .map(|id| id.parse().unwrap())
            .collect();
        for how in cells[0].split(' ') {
            for since in cells[1].split(' ') {
                let store = hidden(how, since);
                let got = append(&store, "s", expected, &ids);
                assert_eq!(got, cells[4], "{how}, {since}: {row}");
            }
        }
    }
}

#[test]
fn a_scavenge_leaves_the_last_event_in_the_log() {
    for (how, left) in [
        ("truncated", vec!["9@s", "0@$$s"]),
        ("counted", vec!["9@s", "0@$$s"]),
        ("deleted", vec!["9@s", "0@$$s"]),
        ("tombstoned", vec!["9223372036854775807@s"]),
    ] {
        let store = hidden(how, "nothing");
        let first = store.appended("s", 0, 1)[0].position;
        store.scavenge();
        let forward = store.read_all_forward(first, 1000).unwrap().events;
        let mut backward = store.read_all_backward(None, 1000).unwrap().events;
        backward.retain(|event| event.position >= first);
        backward.reverse();
        for records in [forward, backward] {
            let names = records
                .iter()
                .filter(|event| event.stream.ends_with('s') && !event.stream.ends_with("ms"));
            let names: Vec<_> = names
                .map(|event| format!("{}@{}", event.revision, event.stream))
                .collect();
            assert_eq!(names, left, "{how}");
        }
    }
}

#[test]
fn epochs_follow_each_other_at_their_records() {
    let store = Store::new();
    let end = store.end();
    let leader = Uuid::from_u128(7);
    store.begin_epoch(leader);
    store.begin_epoch(leader);
    let epochs: Vec<serde_json::Value> = records(&store, "$epoch-information")
        .iter()
        .map(|record| serde_json::from_slice(&record.data()).unwrap())
        .collect();
    let of = |key: &str| {
        epochs
            .iter()
            .map(|epoch| epoch[key].as_i64())
            .collect::<Vec<_>>()
    };
    let positions = of("epochPosition");
    assert_eq!(positions[..2], [None, i64::try_from(end).ok()]);
    assert_eq!(of("epochNumber"), [None, Some(1), Some(2)]);
    assert_eq!(of("prevEpochPosition"), [Some(-1), None, positions[1]]);
    assert!(
        store.read_all_forward(end, 10).is_ok(),
        "where an epoch begins is a place to read from"
    );
}

//! Logs that end earlier: copies and cuts show what was there, and nothing else. Never goes through a server.

use uuid::Uuid;

use super::{append, events, metadata, records, shown, text, typed};
use crate::store::{Expected, Store};

/// All that a reader can see.
fn seen(store: &Store) -> String {
    let mut lines = vec![format!(
        "end {} last {}",
        store.end(),
        store.last_position()
    )];
    let records = store.read_all_forward(0, 1000).unwrap().events;
    lines.extend(
        records
            .iter()
            .map(|record| format!("{} {record:?}", text(&record.data()))),
    );
    for stream in [
        "a-1",
        "a-2",
        "gone-1",
        "$ce-a",
        "$ce-gone",
        "$streams",
        "$et-happened",
    ] {
        lines.push(format!("{stream} {:?}", store.stream_info(stream)));
        lines.push(shown(store.read_forward(stream, 0, 1000)));
        lines.push(format!("{:?}", store.metadata(stream)));
        lines.push(format!("{:?}", store.tombstone_of(stream)));
        // Recognised or refused, never written: nothing is that far.
        lines.push(append(store, stream, Expected::Exact(1 << 40), &[1]));
    }
    lines.join("\n")
}

/// A store with something of everything; how it looked after each step, by where its log ended.
fn grown() -> (Store, Vec<(u64, String)>) {
    let store = Store::new();
    let mut looks = Vec::new();
    for step in 0..9 {
        looks.push((store.end(), seen(&store)));
        match step {
            0 => drop(store.append("a-1", Expected::NoStream, events(&[1, 2, 3]))),
            1 => drop(store.append("a-2", Expected::NoStream, events(&[4]))),
            2 => metadata(&store, "a-1", r#"{"$tb":2}"#),
            3 => store.begin_epoch(Uuid::from_u128(7)),
            4 => drop(store.delete("a-2", Expected::Any)),
            5 => drop(store.append("a-2", Expected::Any, events(&[5]))),
            6 => drop(store.append("gone-1", Expected::Any, events(&[6]))),
            7 => drop(store.tombstone("gone-1", Expected::Any)),
            _ => drop(store.append("a-1", Expected::Any, vec![typed(7, "$>", "0@a-2", false)])),
        }
    }
    looks.push((store.end(), seen(&store)));
    (store, looks)
}

#[test]
fn copy_shows_what_the_log_held_there_and_goes_on_alone() {
    let (store, looks) = grown();
    let (_, whole) = looks.last().unwrap();
    for (end, look) in &looks {
        let copy = store.copy_until(*end);
        assert_eq!(seen(&copy), *look, "until {end}");
        assert!(store.continues(&copy));
        append(&copy, "a-3", Expected::Any, &[8]);
        assert!(!store.continues(&copy), "it went on alone");
    }
    assert_eq!(seen(&store), *whole, "the log itself is as it was");
    // Within a record: until its end.
    let first = store.appended("a-1", 0, 1)[0].position;
    let copy = store.copy_until(first + 1);
    assert_eq!(copy.stream_info("a-1").last, Some(0));
}

#[test]
fn cut_log_goes_on_where_it_was_cut_with_another_epoch() {
    let (store, _) = grown();
    let epochs = |store: &Store, key: &str| -> Vec<Option<i64>> {
        let told = records(store, "$epoch-information");
        told.iter()
            .map(|record| {
                let epoch: serde_json::Value = serde_json::from_slice(&record.data()).unwrap();
                epoch[key].as_i64()
            })
            .collect()
    };
    let cut = store.appended("a-1", 1, 1)[0].position;
    store.cut(cut);
    assert_eq!(store.end(), cut);
    assert_eq!(append(&store, "a-1", Expected::Exact(0), &[2]), "1");
    store.begin_epoch(Uuid::from_u128(8));
    // The number of the epoch that is gone is not given again (protocol §15.1).
    assert_eq!(epochs(&store, "epochNumber"), [None, Some(2)]);
    assert_eq!(epochs(&store, "prevEpochPosition"), [Some(-1), None]);
    let backup = store.copy_until(cut);
    backup.begin_epoch(Uuid::from_u128(9));
    assert_eq!(epochs(&backup, "epochNumber"), [None, Some(1)]);
}

#[test]
fn exchanged_log_is_watched_as_the_one_before_was() {
    let (store, other) = (Store::new(), Store::new());
    append(&store, "s", Expected::Any, &[1]);
    let (mut log, mut stream) = (store.watch_log(), store.watch_stream("s"));
    store.become_copy_of(&other);
    assert_eq!(store.stream_info("s").last, None);
    assert_eq!(*log.borrow_and_update(), other.end());
    for watch in [&mut log, &mut stream] {
        watch.borrow_and_update();
    }
    append(&store, "s", Expected::Any, &[2]);
    for watch in [&log, &stream] {
        assert!(watch.has_changed().unwrap());
    }
    assert_eq!(
        other.stream_info("s").last,
        None,
        "the other one is its own"
    );
}

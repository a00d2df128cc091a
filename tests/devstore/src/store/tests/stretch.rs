//! Stretches of records that are made when they are read: the log reads as if they had been written one by one.

use super::{events, typed};
use crate::store::{Expected, NotARecord, Store};

/// A log that holds `s` and stretches of `other` between its events.
fn store() -> Store {
    let store = Store::new();
    for id in 0..3 {
        store.append("s", Expected::Any, events(&[id])).unwrap();
        store.append_stretch("other", typed(9, "happened", "{}", true), 5);
    }
    store.append_stretch("other", typed(10, "happened", "[]", true), 0);
    store.append("s", Expected::Any, events(&[3])).unwrap();
    store
}

fn forward(store: &Store, page: usize) -> Vec<(String, u64)> {
    let (mut all, mut from) = (Vec::new(), 0);
    loop {
        let read = store.read_all_forward(from, page).unwrap();
        let place = |record: &std::sync::Arc<crate::store::Record>| {
            (record.stream.to_string(), record.position)
        };
        all.extend(read.events.iter().map(place));
        from = read.next;
        if read.at_end {
            return all;
        }
    }
}

fn backward(store: &Store, page: usize) -> Vec<(String, u64)> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let read = store.read_all_backward(before, page).unwrap();
        let records = read.events.iter();
        all.extend(records.map(|record| (record.stream.to_string(), record.position)));
        before = Some(read.next);
        if read.at_end {
            return all;
        }
    }
}

#[test]
fn stretches_stand_where_they_were_written() {
    let store = store();
    let all = forward(&store, 1000);
    let written = all.iter().map(|(stream, _)| stream.as_str());
    let ours: Vec<&str> = written
        .filter(|stream| ["s", "other"].contains(stream))
        .collect();
    let once = ["s", "other", "other", "other", "other", "other"];
    assert_eq!(ours, [&once[..], &once, &once, &["s"]].concat());
    assert_eq!(store.record_count(), all.len());
    assert_eq!(store.last_position(), all[all.len() - 1].1);
    assert!(all.is_sorted_by_key(|(_, position)| *position));
    for page in 1..8 {
        assert_eq!(forward(&store, page), all, "pages of {page}");
        let mut back = backward(&store, page);
        back.reverse();
        assert_eq!(back, all, "pages of {page}, backwards");
    }
}

#[test]
fn only_positions_of_records_can_be_read_from() {
    let store = store();
    let all = forward(&store, 1000);
    let positions: Vec<u64> = all.iter().map(|(_, position)| *position).collect();
    for position in positions[0]..store.end() {
        let read = store.read_all_forward(position, 1);
        let expected = if positions.contains(&position) {
            Ok(position)
        } else {
            Err(NotARecord)
        };
        assert_eq!(
            read.map(|page| page.events[0].position),
            expected,
            "{position}"
        );
    }
}

#[test]
fn a_log_that_is_cut_within_a_stretch_keeps_what_begins_before() {
    let store = store();
    let all = forward(&store, 1000);
    // What stands before it is an epoch's, whose record and event are cut together.
    let first = all.iter().position(|(stream, _)| stream == "s").unwrap();
    for kept in first..all.len() {
        let copy = store.copy_until(all[kept].1);
        assert_eq!(forward(&copy, 1000), all[..kept], "{kept}");
        assert_eq!(copy.end(), all[kept].1);
    }
}

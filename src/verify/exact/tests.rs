//! Streams as texts: a letter is an event's id, its place the revision; `!` behind it is other data, `.` is a revision that
//! cannot be read.

use bytes::Bytes;
use uuid::Uuid;

use super::*;
use crate::verify::outcome::Whose;
use crate::verify::side_buffer::Page;

type Row = (Class, What, u64, u64);

fn events(text: &str) -> Vec<Event> {
    let mut all: Vec<Event> = Vec::new();
    let mut revision = 0;
    for letter in text.chars() {
        match letter {
            '!' => {
                if let Some(last) = all.last_mut() {
                    last.data = Bytes::from_static(b"2");
                }
                continue;
            }
            '.' => {}
            letter => all.push(Event {
                id: Uuid::from_u128(letter as u128),
                stream: "s-1".into(),
                revision,
                event_type: "t".into(),
                is_json: true,
                // A capital stands for an event that projections leave out.
                data: if letter.is_uppercase() {
                    Bytes::new()
                } else {
                    Bytes::from_static(b"1")
                },
                metadata: Bytes::new(),
                created: 0,
            }),
        }
        revision += 1;
    }
    all
}

fn last(text: &str) -> Option<u64> {
    let count = text.chars().filter(|letter| *letter != '!').count() as u64;
    count.checked_sub(1)
}

/// A page of at most `size` events, as a server gives it.
fn page(text: &str, from: u64, size: usize) -> Page {
    let Some(last) = last(text) else {
        return Page::Absent;
    };
    let found = events(text)
        .into_iter()
        .filter(|event| event.revision >= from);
    Page::Found {
        events: found.take(size).collect(),
        first: None,
        last,
    }
}

/// Compares with pages of this size.
fn compared(here: &str, there: &str, facts: &Facts, size: usize) -> (Outcome, Vec<Row>) {
    let mut comparison = Exact::new("s-1".into(), 0, Links::Projected);
    while let Step::Read {
        source,
        destination,
    } = comparison.step()
    {
        assert!(source || destination);
        if source {
            let page = page(here, comparison.source.next(), size);
            comparison.source.put(page);
        }
        if destination {
            let page = page(there, comparison.destination.next(), size);
            comparison.destination.put(page);
        }
    }
    let facts = Facts {
        source_last: facts.source_last.or(last(here)),
        ..facts.clone()
    };
    let outcome = comparison.finish(&facts);
    let rows = outcome
        .findings
        .iter()
        .map(|one| (one.class, one.what, one.revision, one.events))
        .collect();
    (outcome, rows)
}

fn reached(reached: u64) -> Facts {
    Facts {
        reached,
        ..Facts::default()
    }
}

#[test]
fn what_differs_is_named_whatever_the_pages_sizes() {
    use Class::{AgedAtDestination, Behind, Different, GoneAtSource, Missing, NeverLinked};
    use What::{
        AsClassed, Content, Doubled, Extra, OtherEvent, Renumbered, Reordered, Stream, Tail,
    };
    let all = reached(u64::MAX);
    let rows: [(&str, &str, &Facts, &[Row]); 24] = [
        ("abc", "abc", &all, &[]),
        ("abcd", "ab!cd", &all, &[(Different, Content, 1, 1)]),
        ("abcd", "ab!c!d", &all, &[(Different, Content, 1, 2)]),
        ("abcd", "axcd", &all, &[(Different, OtherEvent, 1, 1)]),
        ("abcd", "acbd", &all, &[(Different, Reordered, 1, 2)]),
        ("abcd", "abbcd", &all, &[(Different, Doubled, 2, 2)]),
        ("abcd", "axbcd", &all, &[(Different, Extra, 1, 3)]),
        ("abcd", "abcdd", &all, &[(Different, Doubled, 4, 1)]),
        ("abcd", "abcdxy", &all, &[(Different, Extra, 4, 2)]),
        ("abcd", "acd", &all, &[(Missing, Renumbered, 1, 1)]),
        ("abcd", "cd", &all, &[(Missing, Renumbered, 0, 2)]),
        ("abcd", "ab", &all, &[(Missing, Tail, 2, 2)]),
        ("abcd", "", &all, &[(Missing, Stream, 0, 4)]),
        ("abcd", "ab", &reached(0), &[(Behind, AsClassed, 2, 2)]),
        (
            "abcd",
            "a",
            &reached(2),
            &[(Missing, Tail, 1, 1), (Behind, AsClassed, 2, 2)],
        ),
        ("abcD", "abc", &all, &[(NeverLinked, AsClassed, 3, 1)]),
        (
            "abCd",
            "ab",
            &all,
            // A later event brings it.
            &[(Missing, Tail, 2, 2)],
        ),
        (
            "abcD",
            "ab",
            &reached(0),
            &[(Behind, AsClassed, 2, 1), (NeverLinked, AsClassed, 3, 1)],
        ),
        ("..cd", "abcd", &all, &[(GoneAtSource, AsClassed, 0, 2)]),
        ("..cd", "..cd", &all, &[(GoneAtSource, AsClassed, 0, 2)]),
        ("abc.", "abc.", &all, &[(GoneAtSource, AsClassed, 3, 1)]),
        (
            "abcd",
            "..cd",
            &all,
            &[(AgedAtDestination, AsClassed, 0, 2)],
        ),
        (
            "abcd",
            "....",
            &all,
            &[(AgedAtDestination, AsClassed, 0, 4)],
        ),
        (
            "..cd",
            "a",
            &all,
            &[(GoneAtSource, AsClassed, 0, 2), (Missing, Tail, 2, 2)],
        ),
    ];
    for size in [1, 2, 3, 100] {
        for (here, there, facts, expected) in &rows {
            let (outcome, found) = compared(here, there, facts, size);
            assert_eq!(found, *expected, "{here:?} {there:?}, pages of {size}");
            if !expected.iter().any(|row| matches!(row.1, Extra | Doubled)) {
                let count = last(here).map_or(0, |last| last + 1);
                assert_eq!(outcome.counts.sum(), count, "{here:?} {there:?}");
            }
        }
    }
}

#[test]
fn what_is_parked_or_deleted_there_is_told_so() {
    let facts = |is_parked, deleted| Facts {
        is_parked,
        deleted,
        ..reached(u64::MAX)
    };
    for (there, facts, expected) in [
        (
            "ab",
            facts(true, None),
            (Class::HeldOrParked, What::AsClassed, 2, 2),
        ),
        (
            "",
            facts(false, Some("deleted")),
            (Class::Missing, What::Deleted, 0, 4),
        ),
        (
            "",
            facts(true, Some("deleted")),
            (Class::HeldOrParked, What::AsClassed, 0, 4),
        ),
    ] {
        let (outcome, rows) = compared("abcd", there, &facts, 100);
        assert_eq!(rows, [expected], "{there:?} {facts:?}");
        assert_eq!(outcome.repair, None);
    }
}

#[test]
fn unreadable_copy_is_told_by_whose_it_is() {
    let facts = |whose: Option<Whose>, is_truncated| Facts {
        whose,
        is_truncated,
        ..reached(u64::MAX)
    };
    let unverified = Whose::Unverified("x".to_owned());
    let tail = (Class::Missing, What::Tail, 3, 1);
    for (there, facts, expected, repairs) in [
        (
            "...",
            facts(Some(Whose::Ours), false),
            (Class::AgedAtDestination, What::AsClassed, 0, 3),
            true,
        ),
        (
            "...",
            facts(Some(Whose::Ours), true),
            (Class::AgedAtDestination, What::Truncated, 0, 3),
            true,
        ),
        (
            "...",
            facts(Some(Whose::Foreign), false),
            (Class::Different, What::Unreadable, 0, 3),
            false,
        ),
        (
            "...",
            facts(Some(unverified), false),
            (Class::Unverified, What::AsClassed, 0, 3),
            false,
        ),
        (
            ".bc",
            facts(None, true),
            (Class::AgedAtDestination, What::Truncated, 0, 1),
            true,
        ),
    ] {
        let (outcome, rows) = compared("abcd", there, &facts, 2);
        assert_eq!(rows, [expected, tail], "{there:?} {facts:?}");
        assert_eq!(outcome.counts.of(expected.0), expected.3);
        assert_eq!(outcome.counts.sum(), 4);
        assert_eq!(outcome.repair.is_some(), repairs, "{facts:?}");
    }
}

#[test]
fn only_a_stream_without_readable_events_is_asked_about() {
    for (there, expected) in [
        ("....", Some(3)),
        ("..cd", None),
        ("", None),
        ("abcd", None),
    ] {
        let mut comparison = Exact::new("s-1".into(), 0, Links::Projected);
        comparison.source.put(page("abcd", 0, 100));
        comparison.destination.put(page(there, 0, 100));
        assert_eq!(comparison.step(), Step::Done);
        assert_eq!(comparison.unreadable(), expected, "{there:?}");
    }
}

#[test]
fn a_repair_brings_missing_tails_and_what_no_projection_links() {
    for (here, there, reached_to, expected) in [
        ("abcd", "abcd", u64::MAX, None),
        ("abcd", "ab", u64::MAX, Some((2, 3))),
        ("abcd", "", u64::MAX, Some((0, 3))),
        ("abcd", "ab", 0, None),
        ("abcd", "a", 2, Some((1, 1))),
        ("abcD", "abc", u64::MAX, Some((3, 3))),
        ("abcD", "ab", 0, None),
        ("abcd", "acd", u64::MAX, None),
        ("abcd", "abx", u64::MAX, Some((3, 3))),
    ] {
        let (outcome, _) = compared(here, there, &reached(reached_to), 100);
        let range = outcome.repair.map(|repair| (repair.from, repair.to));
        assert_eq!(range, expected, "{here:?} {there:?}");
    }
    let (outcome, _) = compared("abcd", "abx", &reached(u64::MAX), 100);
    let faults = outcome.repair.map(|repair| repair.faults);
    assert_eq!(faults, Some(2), "what differs stays a fault of the stream");
}

#[test]
fn copy_that_came_after_the_first_read_is_no_surplus() {
    let facts = Facts {
        source_last: Some(5),
        ..reached(u64::MAX)
    };
    let (outcome, rows) = compared("abcd", "abcdef", &facts, 100);
    assert_eq!(rows, []);
    assert_eq!(outcome.counts.of(Class::Equal), 4);
}

#[test]
fn a_long_stream_of_other_events_is_told_once() {
    let mut comparison = Exact::new("s-1".into(), 0, Links::All);
    let many = |first: u128| -> Vec<Event> {
        (0..5_000)
            .map(|revision| Event {
                id: Uuid::from_u128(first + u128::from(revision)),
                revision,
                ..events("a").remove(0)
            })
            .collect()
    };
    for (side_buffer, first) in [
        (&mut comparison.source, 10_000),
        (&mut comparison.destination, 90_000),
    ] {
        side_buffer.put(Page::Found {
            events: many(first),
            first: None,
            last: 4_999,
        });
    }
    assert_eq!(comparison.step(), Step::Done);
    let outcome = comparison.finish(&reached(0));
    assert_eq!(outcome.findings.len(), 1);
    assert_eq!(outcome.counts.of(Class::Different), 5_000);
}

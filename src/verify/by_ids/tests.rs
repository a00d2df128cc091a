//! Streams as texts: a letter is an event's id, its place the revision; `!` behind it is other data, `*` is an event of
//! somebody else.

use bytes::Bytes;

use super::*;
use crate::verify::side_buffer::Page;

type Row = (Class, What, u64, u64);

fn events(text: &str) -> Vec<Event> {
    let mut all: Vec<Event> = Vec::new();
    for letter in text.chars() {
        if letter == '!' {
            if let Some(last) = all.last_mut() {
                last.data = Bytes::from_static(b"2");
            }
            continue;
        }
        let revision = all.len() as u64;
        let id = if letter == '*' {
            0x1_0000 + u128::from(revision)
        } else {
            letter as u128
        };
        all.push(Event {
            id: Uuid::from_u128(id),
            stream: "s-1".into(),
            revision,
            event_type: if letter.is_ascii_digit() {
                "other"
            } else {
                "t"
            }
            .into(),
            is_json: true,
            data: if letter.is_uppercase() {
                Bytes::new()
            } else {
                Bytes::from_static(b"1")
            },
            metadata: Bytes::new(),
            created: 0,
        });
    }
    all
}

fn put(side_buffer: &mut SideBuffer, text: &str, size: usize) {
    let all = events(text);
    let from = side_buffer.next();
    side_buffer.put(match all.len().checked_sub(1) {
        None => Page::Absent,
        Some(last) => Page::Found {
            events: all
                .into_iter()
                .filter(|event| event.revision >= from)
                .take(size)
                .collect(),
            first: None,
            last: last as u64,
        },
    });
}

fn compared(here: &str, there: &str, part: Part, reached: u64, size: usize) -> (u64, Vec<Row>) {
    let mut comparison = ByIds::new("s-1".into(), 0, Links::Projected, part);
    while let Step::Read {
        source,
        destination,
    } = comparison.step()
    {
        if source {
            put(&mut comparison.source, here, size);
        }
        if destination {
            put(&mut comparison.destination, there, size);
        }
    }
    let outcome = comparison.finish(&Facts {
        reached,
        ..Facts::default()
    });
    let row = |one: &crate::verify::Finding| (one.class, one.what, one.revision, one.events);
    (
        outcome.counts.of(Class::Equal),
        outcome.findings.iter().map(row).collect(),
    )
}

#[test]
fn ids_are_compared_in_their_order_whatever_stands_between() {
    use Class::{Behind, Different, Missing, NeverLinked};
    use What::{AsClassed, Content, Doubled, Reordered, Stream, Tail};
    let rows: [(&str, &str, u64, u64, &[Row]); 13] = [
        ("abcd", "abcd", 99, 4, &[]),
        ("abcd", "*a**bcd*", 99, 4, &[]),
        ("abcd", "ab!cd", 99, 3, &[(Different, Content, 1, 1)]),
        ("abcd", "acd", 99, 3, &[(Missing, AsClassed, 1, 1)]),
        ("abcd", "*ab", 99, 2, &[(Missing, Tail, 2, 2)]),
        ("abcd", "*ab", 0, 2, &[(Behind, AsClassed, 2, 2)]),
        ("abcd", "", 99, 0, &[(Missing, Stream, 0, 4)]),
        ("abcd", "***", 99, 0, &[(Missing, Tail, 0, 4)]),
        ("abcd", "abbcd", 99, 4, &[(Different, Doubled, 2, 1)]),
        ("abCd", "abd", 99, 3, &[(NeverLinked, AsClassed, 2, 1)]),
        ("abcd", "acbd", 99, 3, &[(Different, Reordered, 1, 1)]),
        ("a1b2", "ab", 99, 2, &[]),
        ("a1b2c", "ac", 99, 2, &[(Missing, AsClassed, 2, 1)]),
    ];
    for size in [1, 2, 100] {
        for (here, there, reached, equal, expected) in &rows {
            let part = if here.contains('1') {
                Part::Type("t".to_owned())
            } else {
                Part::All
            };
            let (found_equal, found) = compared(here, there, part, *reached, size);
            // Which of two that changed places is told depends on which was read first.
            let is_moved = |rows: &[Row]| rows.iter().any(|row| row.1 == Reordered);
            if is_moved(expected) {
                assert!(
                    is_moved(&found),
                    "{here:?} {there:?}, pages of {size}: {found:?}"
                );
                continue;
            }
            assert_eq!(
                (found_equal, &*found),
                (*equal, *expected),
                "{here:?} {there:?}, pages of {size}"
            );
        }
    }
}

#[test]
fn the_part_follows_from_the_subscriptions_name() {
    let correlated = Event {
        metadata: Bytes::from_static(br#"{"factor":1e999,"$correlationId":"x"}"#),
        ..events("a").remove(0)
    };
    for (name, has_plain, has_correlated) in [
        ("$ce-a", true, true),
        ("$et-t", true, true),
        ("$et-u", false, false),
        ("$bc-x", false, true),
        ("$bc-y", false, false),
    ] {
        let part = Part::of(&name.into());
        let found = (part.has(&events("a")[0]), part.has(&correlated));
        assert_eq!(found, (has_plain, has_correlated), "{name}");
    }
}

#[test]
fn streams_longer_than_the_window_are_compared_to_their_ends() {
    let long = |first: u32, count: u32| -> String {
        (first..first + count).filter_map(char::from_u32).collect()
    };
    // From a range without capitals or digits.
    let here = long(0x4E00, 3_000);
    for (there, equal, missing) in [
        (here.clone(), 3_000, 0),
        ("*".repeat(2_000) + &here, 3_000, 0),
        (here.chars().skip(400).collect(), 2_600, 400),
    ] {
        let (found, rows) = compared(&here, &there, Part::All, u64::MAX, 100);
        let lacking: u64 = rows.iter().map(|row| row.3).sum();
        assert_eq!((found, lacking), (equal, missing), "{rows:?}");
    }
    let (_, rows) = compared(
        &here,
        &long(0x4E00 + 1_200, 1_800),
        Part::All,
        u64::MAX,
        100,
    );
    assert!(rows.iter().all(|row| row.0 == Class::Missing));
    assert!(
        rows.iter().map(|row| row.3).sum::<u64>() >= 1_200,
        "{rows:?}"
    );
}

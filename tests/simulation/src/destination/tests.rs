//! The destination's rules, row by row.
//!
//! Never runs a core.

use super::*;
use crate::source::Writing;

/// A destination that holds the source's first `held` of 5 events.
fn holding(held: usize) -> (Source, Destination) {
    let mut source = Source::new(1, false);
    for _ in 0..5 {
        source.write(Duration::ZERO, 0, 10, Kind::Ordinary, Writing::default());
    }
    let mut destination = Destination::new(1, false);
    let events = source.streams[0].events[..held].to_vec();
    destination.store(Duration::ZERO, 0, &events);
    (source, destination)
}

#[test]
fn exact_appends_are_idempotent_by_id_and_nothing_else() {
    use AppendOutcome::{Written, WrongRevision};
    let exact = Expected::Exact;
    for (held, expected, sent, outcome, length) in [
        (0, Expected::NoStream, 0..2, Written(1), 2),
        (2, Expected::NoStream, 0..2, Written(1), 2),
        (3, Expected::NoStream, 0..2, Written(1), 3),
        (1, Expected::NoStream, 0..2, WrongRevision, 1),
        (2, exact(1), 2..4, Written(3), 4),
        (4, exact(1), 2..4, Written(3), 4),
        (3, exact(1), 2..4, WrongRevision, 3),
        (3, exact(0), 2..3, WrongRevision, 3),
        (1, exact(1), 2..3, WrongRevision, 1),
        (3, exact(2), 2..3, Written(3), 4),
    ] {
        let (source, mut destination) = holding(held);
        let events = source.streams[0].events[sent.clone()].to_vec();
        let effect = destination.append(&source, Duration::ZERO, 0, expected, &events);
        assert_eq!(
            effect.outcome, outcome,
            "{held} held, {expected:?}, {sent:?}"
        );
        assert_eq!(
            destination.streams[0].events.len(),
            length,
            "{held} held, {expected:?}, {sent:?}"
        );
    }
}

#[test]
fn a_soft_deleted_stream_begins_again_behind_its_tail() {
    let (source, mut destination) = holding(2);
    destination.soft_delete(0);
    assert_eq!(
        destination.lookup(0, LookupRange::Metadata, 1000),
        LookupResult::SoftDeleted(None)
    );
    let events = source.streams[0].events[2..3].to_vec();
    let effect = destination.append(&source, Duration::ZERO, 0, Expected::NoStream, &events);
    assert_eq!(effect.outcome, AppendOutcome::Written(2));
    assert_eq!(destination.streams[0].first, 2);
}

#[test]
fn sizes_and_rights_are_judged_before_revisions() {
    let (mut source, mut destination) = holding(1);
    source.write(
        Duration::ZERO,
        0,
        MAX_APPEND_BYTES + 1,
        Kind::Ordinary,
        Writing::default(),
    );
    let events = source.streams[0].events[5..].to_vec();
    let wrong = Expected::Exact(77);
    assert_eq!(
        destination
            .append(&source, Duration::ZERO, 0, wrong, &events)
            .outcome,
        AppendOutcome::TooLarge {
            limit: Some(MAX_APPEND_BYTES)
        }
    );
    destination.streams[0].denied = true;
    assert_eq!(
        destination
            .append(&source, Duration::ZERO, 0, wrong, &events)
            .outcome,
        AppendOutcome::Denied
    );
}

#[test]
fn lookup_returns_the_tail_beside_what_can_be_read() {
    let (_, mut destination) = holding(4);
    destination.streams[0].first = 2;
    for (range, readable) in [
        (LookupRange::Forwards { from: 0, count: 1 }, vec![2]),
        (LookupRange::Forwards { from: 9, count: 5 }, vec![]),
        (
            LookupRange::Backwards {
                from: None,
                count: 5,
            },
            vec![2, 3],
        ),
        (
            LookupRange::Backwards {
                from: Some(2),
                count: 5,
            },
            vec![2],
        ),
    ] {
        let LookupResult::Tail { last, events, .. } = destination.lookup(0, range, 1000) else {
            panic!("{range:?}")
        };
        assert_eq!(last, 3);
        assert_eq!(
            events
                .iter()
                .map(|event| event.revision)
                .collect::<Vec<_>>(),
            readable,
            "{range:?}"
        );
    }
}

use super::*;
use crate::streams::queue::{Entry, Origin};
use bytes::Bytes;
use uuid::Uuid;

fn event(revision: u64, id: u64, data: &'static str) -> Event {
    Event {
        id: Uuid::from_u128(u128::from(id)),
        stream: "s-1".into(),
        revision,
        event_type: "t".into(),
        is_json: true,
        data: Bytes::from_static(data.as_bytes()),
        metadata: Bytes::new(),
        created: 0,
    }
}

fn waiting(revisions: &[u64]) -> Queue {
    let mut queue = Queue::default();
    for revision in revisions {
        queue.insert(Entry::new(
            event(*revision, *revision, "x"),
            Origin::Delivered,
            None,
        ));
    }
    queue
}

/// Each page event as (revision, id); ids equal to the revision are the source's.
fn lookup(queue: &[u64], last: u64, page: &[(u64, u64)]) -> Finding {
    let events: Vec<Event> = page
        .iter()
        .map(|(revision, id)| event(*revision, *id, "x"))
        .collect();
    full_lookup(&waiting(queue), queue[0] - 1, last, &events)
}

fn there(found: &[u64], unreadable: &[u64]) -> Finding {
    let mut revisions: Vec<_> = found
        .iter()
        .map(|revision| (*revision, Some(DuplicateReason::Found)))
        .collect();
    revisions.extend(
        unreadable
            .iter()
            .map(|revision| (*revision, Some(DuplicateReason::Unreadable))),
    );
    revisions.sort_by_key(|(revision, _)| *revision);
    Finding::There {
        revisions,
        differs: Vec::new(),
    }
}

fn tail(tail: u64, id: Option<u64>, unreadable: &[u64]) -> Finding {
    Finding::Tail {
        tail,
        event: id.map(|id| event(tail, id, "x")),
        unreadable: unreadable.to_vec(),
    }
}

fn clash(revision: u64, destination: u64) -> Finding {
    Finding::Conflict(Clash {
        revision,
        source: Uuid::from_u128(u128::from(revision)),
        destination: Uuid::from_u128(u128::from(destination)),
    })
}

#[test]
fn a_tail_at_or_beyond_what_waits_is_compared_by_ids() {
    for (name, got, expected) in [
        (
            "all there",
            lookup(&[5, 6], 6, &[(4, 4), (5, 5), (6, 6)]),
            there(&[5, 6], &[]),
        ),
        (
            "first there, second not written",
            lookup(&[5, 6], 5, &[(4, 4), (5, 5)]),
            there(&[5], &[]),
        ),
        (
            "other id",
            lookup(&[5, 6], 6, &[(4, 4), (5, 99), (6, 6)]),
            clash(5, 99),
        ),
        (
            "other id later: what is before is settled first",
            lookup(&[5, 6], 6, &[(5, 5), (6, 99)]),
            there(&[5], &[]),
        ),
        (
            "head truncated",
            lookup(&[5, 6, 7], 9, &[(7, 7), (8, 8)]),
            there(&[7], &[5, 6]),
        ),
        ("all aged", lookup(&[5, 6], 9, &[]), tail(9, None, &[5, 6])),
        (
            "all aged but for the tail, which is another's or not",
            lookup(&[5, 6], 9, &[(9, 9)]),
            tail(9, Some(9), &[5, 6]),
        ),
        (
            "aged, and the first that is not is another's",
            lookup(&[5, 6, 7], 9, &[(7, 99)]),
            clash(7, 99),
        ),
        (
            "page cut before what waits",
            lookup(&[5], 9, &[(4, 4)]),
            Finding::Short { from: 5 },
        ),
        (
            "tail before",
            lookup(&[5], 4, &[(4, 4)]),
            tail(4, Some(4), &[]),
        ),
        ("tail far before", lookup(&[5], 2, &[]), tail(2, None, &[])),
    ] {
        assert_eq!(got, expected, "{name}");
    }
}

#[test]
fn what_came_below_the_page_while_it_was_read_is_looked_for_again() {
    let page = [event(8, 8, "x"), event(9, 9, "x")];
    assert_eq!(
        full_lookup(&waiting(&[3, 9]), 8, 9, &page),
        Finding::Short { from: 2 }
    );
}

#[test]
fn equal_id_with_other_content_is_there_and_reported() {
    let page = [event(5, 5, "other")];
    assert_eq!(
        full_lookup(&waiting(&[5]), 4, 5, &page),
        Finding::There {
            revisions: vec![(5, Some(DuplicateReason::Found))],
            differs: vec![5]
        }
    );
}

#[test]
fn last_events_of_both_sides_decide_whose_stream_it_is() {
    let (same, changed, other) = (event(4, 4, "x"), event(4, 4, "y"), event(4, 9, "x"));
    let here = |event: &Event| SourceTail::Event(event.clone());
    let unverified = |passes| tail_lookup(4, None, &SourceTail::Gone, passes);
    for (name, got, expected) in [
        (
            "equal",
            tail_lookup(4, Some(&same), &here(&same), true),
            TailFinding::Equal { differs: false },
        ),
        (
            "equal but for its content",
            tail_lookup(4, Some(&changed), &here(&same), false),
            TailFinding::Equal { differs: true },
        ),
        (
            "another",
            tail_lookup(4, Some(&other), &here(&same), false),
            TailFinding::Conflict(Clash {
                revision: 4,
                source: same.id,
                destination: other.id,
            }),
        ),
        (
            "unreadable at the destination",
            tail_lookup(4, None, &here(&same), false),
            TailFinding::Ask(same.clone()),
        ),
        (
            "gone from the source",
            tail_lookup(4, Some(&same), &SourceTail::Gone, false),
            TailFinding::OneSided,
        ),
        (
            "behind the source's end, readable or not",
            tail_lookup(4, Some(&same), &SourceTail::Beyond, false),
            TailFinding::Foreign,
        ),
        (
            "behind the source's end, unreadable",
            tail_lookup(4, None, &SourceTail::Beyond, true),
            TailFinding::Foreign,
        ),
    ] {
        assert_eq!(got, expected, "{name}");
    }
    for readable in [None, Some(&same)] {
        let denied = tail_lookup(4, readable, &SourceTail::Denied, false);
        assert!(
            matches!(denied, TailFinding::Unverified(_)),
            "no permission to compare"
        );
    }
    assert_eq!(unverified(true), TailFinding::Gone);
    assert_eq!(unverified(false), TailFinding::Gone);
    assert_eq!(
        tail_lookup(4, Some(&same), &SourceTail::Gone, true),
        TailFinding::Gone,
        "what cannot be read does not pass on an event that was not compared"
    );
    let first = event(0, 0, "x");
    assert!(
        matches!(
            tail_lookup(0, None, &here(&first), false),
            TailFinding::Unverified(_)
        ),
        "a first event is never asked about: the question could be written"
    );
}

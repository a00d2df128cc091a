//! `skip_version_check`: copies behind the destination's own tail, found again by id.

use super::{Bench, event, settings, stranger};
use crate::event::Event;
use crate::port::{AppendOutcome, CoreSettings, LookupResult, Mode, Report};

fn bench() -> Bench {
    Bench::joined(CoreSettings {
        mode: Mode::Unversioned,
        ..settings()
    })
}

/// The source's event as a copy at another revision of the destination.
fn copy(source: u64, at: u64) -> Event {
    Event {
        revision: at,
        ..event("s-1", source)
    }
}

#[test]
fn at_first_contact_what_waits_is_searched_by_id_and_the_rest_goes_behind_the_tail() {
    let mut bench = bench();
    bench.deliver("s-1", 5);
    bench.deliver("s-1", 8);
    assert_eq!(bench.commands(), ["look s-1 back from end"]);
    bench.found(1, vec![copy(5, 0), stranger("s-1", 1)]);
    // Revision 8 came while the search was under way. Behind the copy of 5 may already be that of 8.
    assert_eq!(bench.commands(), ["look s-1 back from end", "ack 0"]);
    bench.found(1, vec![copy(5, 0), stranger("s-1", 1)]);
    assert_eq!(bench.commands(), ["append s-1 after 1: 8"]);
    bench.written(2);
    assert_eq!(bench.commands(), ["ack 1"]);
}

#[test]
fn copies_of_an_earlier_run_are_recognised_though_their_originals_come_one_by_one() {
    let mut bench = bench();
    bench.deliver("s-1", 0);
    bench.commands();
    bench.found(2, vec![copy(0, 0), copy(1, 1), copy(2, 2)]);
    bench.deliver("s-1", 1);
    assert_eq!(bench.commands(), ["ack 0", "look s-1 back from end"]);
    bench.found(2, vec![copy(0, 0), copy(1, 1), copy(2, 2)]);
    bench.deliver("s-1", 2);
    bench.deliver("s-1", 3);
    assert_eq!(bench.commands(), ["ack 1", "look s-1 back from end"]);
    bench.found(2, vec![copy(0, 0), copy(1, 1), copy(2, 2)]);
    // Revision 3 came while the search was under way: it gets one of its own.
    assert_eq!(bench.commands(), ["look s-1 back from end", "ack 2"]);
    bench.found(2, vec![copy(0, 0), copy(1, 1), copy(2, 2)]);
    assert_eq!(bench.commands(), ["append s-1 after 2: 3"]);
}

#[test]
fn what_the_source_wrote_long_after_the_newest_copy_is_not_looked_for() {
    let mut bench = bench();
    bench.deliver("s-1", 5);
    bench.commands();
    bench.found(0, vec![stranger("s-1", 0)]);
    bench.commands();
    bench.written(1);
    bench.deliver("s-1", 100_700);
    assert_eq!(bench.commands(), ["ack 0", "append s-1 after 1: 100700"]);
}

#[test]
fn a_run_is_ascending_and_need_not_be_consecutive() {
    let mut bench = bench();
    bench.deliver("s-1", 5);
    bench.looked_up(LookupResult::NotFound);
    bench.deliver("s-1", 8);
    bench.deliver("s-1", 12);
    bench.written(0);
    assert_eq!(
        bench.commands(),
        [
            "look s-1 back from end",
            "append s-1 after nothing: 5",
            "append s-1 after 0: 8 12",
            "ack 0"
        ]
    );
    bench.written(2);
    assert_eq!(bench.commands(), ["ack 1 2"]);
}

#[test]
fn a_search_goes_back_until_an_event_25_hours_older_than_the_original() {
    let mut bench = bench();
    bench.deliver("s-1", 100_700);
    bench.commands();
    let page: Vec<Event> = (100..200)
        .map(|at| Event {
            id: uuid::Uuid::from_u128(u128::from(at)),
            ..copy(100_650, at)
        })
        .collect();
    bench.found(199, page);
    assert_eq!(bench.commands(), ["look s-1 back from 99"]);
    bench.found(
        199,
        vec![Event {
            id: uuid::Uuid::from_u128(1),
            ..copy(50, 99)
        }],
    );
    assert_eq!(bench.commands(), ["append s-1 after 199: 100700"]);
}

#[test]
fn somebody_else_in_the_stream_makes_every_delivery_be_looked_for() {
    let mut bench = bench();
    bench.deliver("s-1", 5);
    bench.looked_up(LookupResult::NotFound);
    bench.commands();
    bench.append_answered(AppendOutcome::WrongRevision);
    assert_eq!(bench.commands(), ["look s-1 back from end"]);
    bench.found(0, vec![stranger("s-1", 0)]);
    assert_eq!(bench.commands(), ["append s-1 after 0: 5"]);
    bench.written(1);
    bench.deliver("s-1", 6);
    assert_eq!(bench.commands(), ["ack 0", "look s-1 back from end"]);
}

#[test]
fn an_event_older_than_the_newest_copy_is_searched_and_told_when_late() {
    let mut bench = bench();
    bench.deliver("s-1", 5);
    bench.looked_up(LookupResult::NotFound);
    bench.written(0);
    bench.commands();
    bench.deliver("s-1", 3);
    assert_eq!(bench.commands(), ["look s-1 back from end"]);
    bench.found(0, vec![copy(5, 0)]);
    assert_eq!(bench.commands(), ["append s-1 after 0: 3"]);
    assert!(bench.reports().contains(&Report::Late {
        stream: "s-1".into(),
        revision: 3
    }));
}

#[test]
fn a_stream_is_nobody_elses_again_once_a_copy_is_its_last_event() {
    for (last, events, looked_for) in [
        (2, vec![copy(5, 1), copy(6, 2)], false),
        (3, vec![copy(5, 1), copy(6, 2), stranger("s-1", 3)], true),
    ] {
        let mut bench = bench();
        bench.deliver("s-1", 5);
        bench.looked_up(LookupResult::NotFound);
        bench.append_answered(AppendOutcome::WrongRevision);
        bench.found(0, vec![stranger("s-1", 0)]);
        bench.written(1);
        bench.deliver("s-1", 6);
        bench.found(last, events);
        bench.commands();
        bench.deliver("s-1", 100_700);
        let expected = if looked_for {
            "look s-1 back from end".to_owned()
        } else {
            format!("append s-1 after {last}: 100700")
        };
        assert_eq!(bench.commands(), [expected]);
    }
}

#[test]
fn what_was_looked_for_is_not_looked_for_again() {
    let mut bench = Bench::joined(CoreSettings {
        mode: Mode::Unversioned,
        max_append_events: 1,
        ..settings()
    });
    bench.deliver("s-1", 5);
    bench.looked_up(LookupResult::NotFound);
    bench.deliver("s-1", 6);
    bench.append_answered(AppendOutcome::WrongRevision);
    bench.found(0, vec![stranger("s-1", 0)]);
    bench.commands();
    bench.written(1);
    assert_eq!(bench.commands(), ["append s-1 after 1: 6", "ack 0"]);
}

#[test]
fn an_older_event_that_came_meanwhile_is_looked_for() {
    let mut bench = bench();
    bench.deliver("s-1", 8);
    bench.looked_up(LookupResult::NotFound);
    bench.deliver("s-1", 5);
    bench.commands();
    bench.written(0);
    assert_eq!(bench.commands(), ["look s-1 back from end", "ack 0"]);
}

#[test]
fn an_event_is_surely_new_more_than_25_hours_after_the_newest() {
    for (seconds, expected) in [
        (90_000, "look s-1 back from end"),
        (90_001, "append s-1 after 1: 90001"),
    ] {
        let mut bench = bench();
        bench.deliver("s-1", 5);
        bench.found(0, vec![stranger("s-1", 0)]);
        bench.written(1);
        bench.commands();
        bench.deliver("s-1", seconds);
        assert_eq!(bench.commands().last().unwrap(), expected);
    }
}

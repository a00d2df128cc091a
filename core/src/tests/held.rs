//! Streams that are held for what a lookup found: by policy, again after a while, and for how long.
//!
//! Never decides whose a stream is: that is in `exactness`.

use std::time::Duration;

use super::exactness::source;
use super::{Bench, event, events, settings, stranger};
use crate::event::Event;
use crate::placeholder_id;
use crate::port::{AppendOutcome, CoreSettings, HeldReason, LookupResult, OnConflict, Report};

/// A name, and what the servers answer.
type Story = (&'static str, fn(&mut Bench));

/// All ways into a conflict; each ends with revision 5 set aside.
fn conflicts() -> Vec<Story> {
    vec![
        ("other id where the event belongs", |bench| {
            bench.found(5, vec![stranger("s-1", 5)])
        }),
        ("other id at the tail", |bench| {
            bench.found(4, vec![stranger("s-1", 4)]);
            bench.source_events(events("s-1", [4]), 9);
        }),
        ("soft-deleted", |bench| {
            bench.looked_up(LookupResult::SoftDeleted(None))
        }),
        ("tombstoned", |bench| {
            bench.looked_up(LookupResult::Tombstoned)
        }),
    ]
}

#[test]
fn a_conflict_holds_the_stream_and_parks_its_deliveries() {
    for (name, happens) in conflicts() {
        let mut bench = Bench::looking_up(settings());
        happens(&mut bench);
        let last = bench.commands().pop().unwrap_or_default();
        assert!(
            last.starts_with("park 0 ditto: conflict: "),
            "{name}: {last}"
        );
        bench.deliver("s-1", 6);
        assert!(
            bench.commands()[0].starts_with("park 1 ditto: conflict: "),
            "{name}: without any I/O"
        );
        assert_eq!(bench.core.status().held, [1, 0, 0, 0], "{name}");
    }
}

#[test]
fn a_conflict_acknowledges_or_stops_by_policy() {
    for (name, happens) in conflicts() {
        let mut bench = Bench::looking_up(CoreSettings {
            on_conflict: OnConflict::Skip,
            ..settings()
        });
        happens(&mut bench);
        assert_eq!(bench.commands().pop().as_deref(), Some("ack 0"), "{name}");
        let passed = Report::Passed {
            stream: "s-1".into(),
            revision: 5,
            reason: HeldReason::Conflict,
        };
        assert!(bench.reports().contains(&passed), "{name}");
        if !name.contains("id") {
            continue;
        }
        let mut bench = Bench::looking_up(CoreSettings {
            on_conflict: OnConflict::Stop,
            ..settings()
        });
        happens(&mut bench);
        assert_eq!(
            bench.commands().pop().as_deref(),
            Some("leave Stopping"),
            "{name}"
        );
        bench.left(crate::port::LeaveReason::Stopping);
        let finished = bench.commands().pop().unwrap_or_default();
        assert!(
            finished.starts_with("finished Policy(\"stream s-1: "),
            "{name}: {finished}"
        );
        assert!(
            finished.ends_with("left 1"),
            "{name}: the delivery comes again: {finished}"
        );
    }
}

#[test]
fn a_policy_stop_takes_no_more_while_it_finishes_what_is_in_flight() {
    let mut bench = Bench::joined(CoreSettings {
        on_conflict: OnConflict::Stop,
        ..settings()
    });
    bench.begun("s-2");
    bench.deliver("s-2", 1);
    bench.deliver("s-1", 5);
    bench.commands();
    bench.found(5, vec![stranger("s-1", 5)]);
    assert_eq!(bench.commands(), ["pause"]);
    bench.written(1);
    assert_eq!(bench.commands(), ["ack 1", "leave Stopping"]);
}

#[test]
fn a_held_stream_holds_up_no_other() {
    let mut bench = Bench::looking_up(settings());
    bench.looked_up(LookupResult::SoftDeleted(None));
    bench.commands();
    bench.deliver("s-2", 0);
    assert_eq!(bench.commands(), ["look s-2 metadata"]);
}

#[test]
fn a_held_stream_is_looked_at_again_after_a_minute_and_goes_on() {
    let mut bench = Bench::looking_up(settings());
    bench.found(5, vec![stranger("s-1", 5)]);
    bench.commands();
    bench.pass(Duration::from_secs(59));
    bench.deliver("s-1", 6);
    assert!(bench.commands()[0].starts_with("park"), "not yet a minute");
    bench.pass(Duration::from_secs(2));
    bench.deliver("s-1", 7);
    assert_eq!(bench.commands(), ["look s-1 from 6 count 2"]);
    bench.reports();
    bench.found(4, events("s-1", [4]));
    bench.commands();
    bench.source_events(events("s-1", [4]), 9);
    bench.found(4, events("s-1", [4]));
    assert_eq!(
        bench.commands(),
        ["source s-1 from 5 count 2"],
        "what was parked is repaired"
    );
    assert!(bench.reports().contains(&Report::Released {
        stream: "s-1".into()
    }));
    assert_eq!(bench.core.status().held, [0, 0, 0, 0]);
}

#[test]
fn an_event_that_a_placeholder_stands_for_is_parked_and_its_stream_goes_on() {
    let mut bench = Bench::looking_up(settings());
    bench.deliver("s-1", 6);
    bench.commands();
    let placeholder = Event {
        id: placeholder_id(&"s-1".into(), 5),
        ..event("s-1", 5)
    };
    bench.found(5, vec![placeholder]);
    let reason = "revision 5 was filled with a placeholder before it was delivered";
    assert_eq!(
        bench.commands(),
        [
            "append s-1 after 5: 6".to_owned(),
            format!("park 0 ditto: missing_history: {reason}")
        ]
    );
}

#[test]
fn what_lies_below_a_conflict_that_was_found_later_is_not_known() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.written(1);
    bench.deliver("s-1", 2);
    bench.append_answered(AppendOutcome::Refused("no".to_owned()));
    bench.ends_with("s-1", 1);
    bench.commands();
    bench.deliver("s-1", 1);
    assert_eq!(bench.commands(), ["ack 3"], "held after it");
    bench.pass(Duration::from_secs(61));
    bench.deliver("s-1", 3);
    bench.found(1, vec![stranger("s-1", 1)]);
    bench.source(source([1], 3));
    assert_eq!(bench.core.status().held_streams[0].1, 1);
    bench.commands();
    bench.deliver("s-1", 1);
    let parked = bench.commands();
    assert!(parked[0].starts_with("park 5"), "{parked:?}");
}

#[test]
fn a_conflict_that_is_found_again_is_told_once() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.append_answered(AppendOutcome::WrongRevision);
    bench.found(1, vec![event("s-1", 0), stranger("s-1", 1)]);
    for revision in 2..5 {
        bench.pass(Duration::from_secs(61));
        bench.deliver("s-1", revision);
        bench.found(1, vec![stranger("s-1", 1)]);
        bench.source(source([1], revision));
    }
    let reports = bench.reports().into_iter();
    let held = reports.filter(|report| matches!(report, Report::Held { .. }));
    assert_eq!(held.count(), 1);
    assert_eq!(bench.core.status().held, [1, 0, 0, 0]);
}

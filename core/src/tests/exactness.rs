//! Every row of the table of looks, and the streams that are held for what they found.

use std::time::Duration;

use super::super::port::{
    AppendOutcome, CoreSettings, DuplicateReason, HeldReason, Input, LookResult, OnConflict,
    SourcePage, Tell,
};
use super::{Bench, event, events, settings, stranger};

#[test]
fn a_tail_just_before_what_waits_is_compared_with_the_sources_event() {
    let mut bench = Bench::looking(settings());
    bench.found(4, events("s-1", [4]));
    assert_eq!(bench.commands(), ["source s-1 from 4 count 1"]);
    bench.source_events(events("s-1", [4]), 9);
    assert_eq!(bench.commands(), ["append s-1 after 4: 5"]);
}

#[test]
fn what_is_there_with_the_same_id_is_acknowledged() {
    let mut bench = Bench::looking(settings());
    bench.found(7, events("s-1", [4, 5]));
    assert_eq!(bench.commands(), ["ack 0"]);
    let found = Tell::Duplicate {
        stream: "s-1".into(),
        revision: 5,
        reason: DuplicateReason::Found,
    };
    assert!(bench.tells().contains(&found));
    bench.deliver("s-1", 6);
    assert_eq!(
        bench.commands(),
        ["append s-1 after 5: 6"],
        "the server compares ids itself"
    );
}

#[test]
fn what_is_no_longer_readable_there_is_acknowledged() {
    let mut bench = Bench::looking(settings());
    bench.found(7, events("s-1", [7]));
    assert_eq!(bench.commands(), ["ack 0"]);
    let unreadable = Tell::Duplicate {
        stream: "s-1".into(),
        revision: 5,
        reason: DuplicateReason::Unreadable,
    };
    assert!(bench.tells().contains(&unreadable));
}

#[test]
fn a_tail_readable_on_one_side_only_is_taken_as_equal_and_counted() {
    for (there, here) in [
        (vec![], events("s-1", [4])),
        (events("s-1", [4]), vec![]),
        (vec![], vec![]),
    ] {
        let mut bench = Bench::looking(settings());
        let asks_again = there.is_empty();
        bench.found(4, there);
        bench.source_events(here, 9);
        if asks_again {
            bench.found(4, Vec::new());
        }
        assert_eq!(
            bench.commands().last().map(String::as_str),
            Some("append s-1 after 4: 5")
        );
        assert!(bench.tells().contains(&Tell::Unverified {
            stream: "s-1".into(),
            revision: 4
        }));
    }
}

#[test]
fn equal_id_with_other_content_is_told() {
    let mut bench = Bench::looking(settings());
    let mut changed = event("s-1", 5);
    changed.data = bytes::Bytes::from_static(b"[]");
    bench.found(5, vec![changed]);
    assert_eq!(bench.commands(), ["ack 0"]);
    assert!(bench.tells().contains(&Tell::Differs {
        stream: "s-1".into(),
        revision: 5
    }));
}

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
            bench.looked(LookResult::SoftDeleted)
        }),
        ("tombstoned", |bench| bench.looked(LookResult::Tombstoned)),
    ]
}

#[test]
fn a_conflict_holds_the_stream_and_parks_its_deliveries() {
    for (name, happens) in conflicts() {
        let mut bench = Bench::looking(settings());
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
        assert_eq!(bench.core.status().held, [1, 0, 0], "{name}");
    }
}

#[test]
fn a_conflict_acknowledges_or_stops_by_policy() {
    for (name, happens) in conflicts() {
        let mut bench = Bench::looking(CoreSettings {
            on_conflict: OnConflict::Skip,
            ..settings()
        });
        happens(&mut bench);
        assert_eq!(bench.commands().pop().as_deref(), Some("ack 0"), "{name}");
        let passed = Tell::Passed {
            stream: "s-1".into(),
            revision: 5,
            reason: HeldReason::Conflict,
        };
        assert!(bench.tells().contains(&passed), "{name}");
        if !name.contains("id") {
            continue;
        }
        let mut bench = Bench::looking(CoreSettings {
            on_conflict: OnConflict::Stop,
            ..settings()
        });
        happens(&mut bench);
        assert_eq!(
            bench.commands().pop().as_deref(),
            Some("leave Stopping"),
            "{name}"
        );
        bench.left(super::super::port::LeaveReason::Stopping);
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
    let mut bench = Bench::looking(settings());
    bench.looked(LookResult::SoftDeleted);
    bench.commands();
    bench.deliver("s-2", 0);
    assert_eq!(bench.commands(), ["look s-2 metadata"]);
}

#[test]
fn a_held_stream_is_looked_at_again_after_a_minute_and_goes_on() {
    let mut bench = Bench::looking(settings());
    bench.found(5, vec![stranger("s-1", 5)]);
    bench.commands();
    bench.pass(Duration::from_secs(59));
    bench.deliver("s-1", 6);
    assert!(bench.commands()[0].starts_with("park"), "not yet a minute");
    bench.pass(Duration::from_secs(2));
    bench.deliver("s-1", 7);
    assert_eq!(bench.commands(), ["look s-1 from 6 count 2"]);
    bench.tells();
    bench.found(4, events("s-1", [4]));
    bench.commands();
    bench.source_events(events("s-1", [4]), 9);
    bench.found(4, events("s-1", [4]));
    assert_eq!(
        bench.commands(),
        ["source s-1 from 5 count 2"],
        "what was parked is repaired"
    );
    assert!(bench.tells().contains(&Tell::Released {
        stream: "s-1".into()
    }));
    assert_eq!(bench.core.status().held, [0, 0, 0]);
}

#[test]
fn a_wrong_expected_revision_leads_to_the_full_look() {
    let mut bench = Bench::joined(settings());
    bench.deliver("s-1", 0);
    bench.looked(LookResult::NotDeleted);
    bench.commands();
    bench.append_answered(AppendOutcome::WrongRevision);
    assert_eq!(bench.commands(), ["look s-1 from 0 count 1"]);
    bench.found(0, vec![stranger("s-1", 0)]);
    assert!(bench.commands()[0].starts_with("park 0 ditto: conflict: revision 0 is event"));
}

#[test]
fn a_look_or_read_that_fails_is_asked_again() {
    let mut bench = Bench::looking(settings());
    bench.looked(LookResult::Failed);
    assert_eq!(bench.commands(), Vec::<String>::new());
    bench.pass(Duration::from_millis(200));
    assert_eq!(bench.commands(), ["probe"]);
    bench.input(Input::Reachable {
        side: super::super::port::Side::Destination,
        reachable: true,
    });
    assert_eq!(bench.commands(), ["look s-1 from 4 count 2"]);
    bench.looked(LookResult::NotFound);
    bench.source(SourcePage::Failed);
    bench.commands();
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.commands(), ["source s-1 from 0 count 5"]);
}

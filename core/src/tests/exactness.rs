//! Every row of the table of lookups, and the streams that are held for what they found.

use std::time::Duration;

use super::{Bench, event, events, settings, stranger};
use crate::port::{
    AppendOutcome, CoreSettings, DuplicateReason, Input, LookupResult, OnUnverified, Report,
    SourcePage,
};

#[test]
fn a_tail_just_before_what_waits_is_compared_with_the_sources_event() {
    let mut bench = Bench::looking_up(settings());
    bench.found(4, events("s-1", [4]));
    assert_eq!(bench.commands(), ["source s-1 from 4 count 1"]);
    bench.source_events(events("s-1", [4]), 9);
    assert_eq!(bench.commands(), ["append s-1 after 4: 5"]);
}

#[test]
fn what_is_there_with_the_same_id_is_acknowledged() {
    let mut bench = Bench::looking_up(settings());
    bench.found(7, events("s-1", [4, 5]));
    assert_eq!(bench.commands(), ["ack 0"]);
    let found = Report::Duplicate {
        stream: "s-1".into(),
        revision: 5,
        reason: DuplicateReason::Found,
    };
    assert!(bench.reports().contains(&found));
    bench.deliver("s-1", 6);
    assert_eq!(
        bench.commands(),
        ["append s-1 after 5: 6"],
        "the server compares ids itself"
    );
}

/// What waits is revision 5 of a stream whose destination ends at `tail` and shows only `shown`; the source shows `here`.
fn looked_up_at(
    policy: OnUnverified,
    tail: u64,
    shown: impl IntoIterator<Item = u64>,
    here: SourcePage,
) -> Bench {
    let mut bench = Bench::looking_up(CoreSettings {
        on_unverified: policy,
        ..settings()
    });
    let shown = events("s-1", shown);
    let asks_again = shown.is_empty();
    bench.found(tail, shown);
    bench.source(here);
    if asks_again {
        bench.found(tail, Vec::new());
    }
    bench
}

pub(super) fn source(revisions: impl IntoIterator<Item = u64>, last: u64) -> SourcePage {
    SourcePage::Events {
        events: events("s-1", revisions),
        last,
    }
}

fn unreadable(revision: u64) -> Report {
    Report::Duplicate {
        stream: "s-1".into(),
        revision,
        reason: DuplicateReason::Unreadable,
    }
}

#[test]
fn unreadable_events_before_the_sources_own_tail_are_acknowledged() {
    // The destination's last event is the source's last, or one before it.
    for last in [7, 9] {
        let mut bench = looked_up_at(OnUnverified::Hold, 7, [7], source([7], last));
        assert_eq!(bench.commands(), ["source s-1 from 7 count 1", "ack 0"]);
        let reports = bench.reports();
        assert!(reports.contains(&unreadable(5)));
        assert!(reports.contains(&Report::Unreadable {
            stream: "s-1".into(),
            from: 5,
            tail: 7,
        }));
    }
}

#[test]
fn unreadable_tail_is_asked_about_before_anything_passes() {
    for (tail, recognised, passed) in [
        (7, "recognise 7 in s-1", "ack 0"),
        (4, "recognise 4 in s-1", "append s-1 after 4: 5"),
    ] {
        let mut bench = looked_up_at(OnUnverified::Hold, tail, [], source([tail], 9));
        assert_eq!(bench.commands().pop().as_deref(), Some(recognised));
        bench.looked_up(LookupResult::Recognised);
        assert_eq!(bench.commands(), [passed]);
    }
}

#[test]
fn unreadable_tail_of_another_writer_holds_the_stream() {
    for tail in [7, 4] {
        let mut bench = looked_up_at(OnUnverified::Pass, tail, [], source([tail], 9));
        bench.commands();
        bench.looked_up(LookupResult::Foreign);
        assert_eq!(
            bench.commands(),
            [format!("look s-1 from {tail} count 1")],
            "is it still the last?"
        );
        bench.found(tail, Vec::new());
        assert_eq!(
            bench.commands(),
            [
                "park 0 ditto: conflict: the destination's events cannot be read and are not the source's"
            ]
        );
        assert_eq!(bench.core.status().held, [1, 0, 0, 0]);
    }
}

#[test]
fn refused_tail_that_is_no_longer_the_last_is_looked_at_again() {
    let mut bench = looked_up_at(OnUnverified::Hold, 7, [], source([7], 9));
    bench.looked_up(LookupResult::Foreign);
    bench.commands();
    bench.found(8, events("s-1", [8]));
    assert_eq!(bench.commands(), ["look s-1 from 4 count 2"]);
}

#[test]
fn unreadable_tail_that_nothing_proves_is_a_matter_of_policy() {
    for (name, tail, here, answer) in [
        ("gone from the source, too", 7, source([], 9), None),
        (
            "gone from the source, before what waits",
            4,
            source([], 9),
            None,
        ),
        ("deleted at the source", 7, SourcePage::SoftDeleted, None),
        (
            "the server cannot be asked",
            7,
            source([7], 9),
            Some(LookupResult::Unproven(
                "a dry run sends no appends".to_owned(),
            )),
        ),
    ] {
        for policy in [OnUnverified::Hold, OnUnverified::Pass] {
            let mut bench = looked_up_at(policy, tail, [], here.clone());
            bench.commands();
            answer
                .iter()
                .for_each(|answer| bench.looked_up(answer.clone()));
            let held = bench.core.status().held;
            let reported = bench.reports().contains(&Report::Unverified {
                stream: "s-1".into(),
                revision: tail,
            });
            match policy {
                OnUnverified::Hold => assert_eq!((held, reported), ([0, 0, 0, 1], false), "{name}"),
                OnUnverified::Pass => assert_eq!((held, reported), ([0; 4], true), "{name}"),
            }
        }
    }
}

#[test]
fn unreadable_first_event_is_never_asked_about() {
    let mut bench = Bench::joined(settings());
    bench.deliver("s-1", 1);
    bench.found(0, Vec::new());
    bench.source(source([0], 9));
    bench.found(0, Vec::new());
    assert_eq!(bench.core.status().held, [0, 0, 0, 1]);
    let asked = bench.commands();
    assert!(!asked.iter().any(|command| command.starts_with("recognise")));
}

#[test]
fn tail_after_the_sources_end_holds_the_stream_once_it_is_certain() {
    for shown in [vec![], vec![7]] {
        let mut bench = looked_up_at(OnUnverified::Pass, 7, shown.clone(), source([], 6));
        for _ in 0..6 {
            assert_eq!(bench.core.status().held, [0; 4], "a node may be behind");
            bench.pass(Duration::from_secs(4));
            bench.commands();
            bench.found(7, events("s-1", shown.clone()));
            bench.source(source([], 6));
            if shown.is_empty() {
                bench.found(7, Vec::new());
            }
            if bench.core.status().held != [0; 4] {
                break;
            }
        }
        assert_eq!(bench.core.status().held, [1, 0, 0, 0]);
        assert!(bench.now >= Duration::from_secs(10));
    }
}

#[test]
fn readable_tail_that_is_gone_from_the_source_is_taken_as_equal() {
    let mut bench = looked_up_at(OnUnverified::Hold, 4, [4], source([], 9));
    assert_eq!(
        bench.commands().last().map(String::as_str),
        Some("append s-1 after 4: 5")
    );
    assert!(bench.reports().contains(&Report::Unverified {
        stream: "s-1".into(),
        revision: 4
    }));
}

#[test]
fn stream_truncated_by_another_writer_is_told_once() {
    let mut bench = Bench::looking_up(settings());
    for _ in 0..2 {
        bench.looked_up(LookupResult::Tail {
            last: 5,
            events: events("s-1", [5]),
            truncate_before: Some(4),
            copied: None,
        });
        bench.source(source([0], 9));
        bench.pass(Duration::from_secs(1));
    }
    let truncated = Report::Truncated {
        stream: "s-1".into(),
        destination: 4,
        source: 0,
    };
    let reported = bench
        .reports()
        .into_iter()
        .filter(|report| *report == truncated);
    assert_eq!(reported.count(), 1);
}

#[test]
fn stream_that_begins_with_its_first_event_is_not_truncated() {
    for (truncate_before, source_first) in [(None, 0), (Some(0), 0), (Some(4), 4), (Some(4), 5)] {
        let mut bench = Bench::looking_up(settings());
        bench.looked_up(LookupResult::Tail {
            last: 5,
            events: events("s-1", [5]),
            truncate_before,
            copied: None,
        });
        let asks = bench.commands().len() == 2;
        assert_eq!(asks, truncate_before > Some(0));
        bench.source(source([source_first], 9));
        let reports = bench.reports();
        let reported = reports
            .iter()
            .any(|report| matches!(report, Report::Truncated { .. }));
        assert!(!reported, "{truncate_before:?}");
    }
}

#[test]
fn stream_whose_reads_alone_fail_is_held_and_pauses_no_other() {
    for failure in [
        LookupResult::Refused("cannot be read".to_owned()),
        LookupResult::Failed,
    ] {
        let mut bench = Bench::looking_up(settings());
        for attempt in 0..6 {
            bench.pass(Duration::from_millis(1));
            let other = format!("s-{}", attempt + 2);
            bench.deliver(&other, 0);
            bench.lookup_of(&other, LookupResult::NotDeleted);
            bench.written(0);
            bench.lookup_of("s-1", failure.clone());
            let commands = bench.commands();
            assert!(
                !commands.contains(&"probe".to_owned()),
                "{failure:?} {attempt}: the server is not taken for away: {commands:?}"
            );
            bench.pass(Duration::from_secs(8));
        }
        let status = bench.core.status();
        assert_eq!(
            status.held,
            [0, 0, 1, 0],
            "{failure:?} {:?}",
            bench.commands()
        );
    }
}

#[test]
fn equal_id_with_other_content_is_told() {
    let mut bench = Bench::looking_up(settings());
    let mut changed = event("s-1", 5);
    changed.data = bytes::Bytes::from_static(b"[]");
    bench.found(5, vec![changed]);
    assert_eq!(bench.commands(), ["ack 0"]);
    assert!(bench.reports().contains(&Report::Differs {
        stream: "s-1".into(),
        revision: 5
    }));
}

#[test]
fn wrong_expected_revision_leads_to_the_full_lookup() {
    let mut bench = Bench::joined(settings());
    bench.deliver("s-1", 0);
    bench.looked_up(LookupResult::NotDeleted);
    bench.commands();
    bench.append_answered(AppendOutcome::WrongRevision);
    assert_eq!(bench.commands(), ["look s-1 from 0 count 1"]);
    bench.found(0, vec![stranger("s-1", 0)]);
    assert!(bench.commands()[0].starts_with("park 0 ditto: conflict: revision 0 is event"));
}

#[test]
fn failed_lookup_or_read_is_asked_again() {
    let mut bench = Bench::looking_up(settings());
    bench.looked_up(LookupResult::Failed);
    assert_eq!(bench.commands(), Vec::<String>::new());
    bench.pass(Duration::from_millis(200));
    assert_eq!(bench.commands(), ["probe"]);
    bench.input(Input::Reachable {
        side: crate::port::Side::Destination,
        reachable: true,
    });
    assert_eq!(bench.commands(), ["look s-1 from 4 count 2"]);
    bench.looked_up(LookupResult::NotFound);
    bench.source(SourcePage::Failed);
    bench.commands();
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.commands(), ["source s-1 from 0 count 5"]);
}

#[test]
fn a_comparison_with_a_node_that_is_behind_is_made_again_later() {
    let mut bench = Bench::looking_up(settings());
    bench.found(2, events("s-1", [2]));
    bench.commands();
    bench.source(source([2], 4));
    bench.deliver("s-1", 6);
    assert_eq!(bench.commands(), [""; 0], "not before its time");
    bench.pass(Duration::from_millis(199));
    assert_eq!(bench.commands(), [""; 0]);
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.commands(), ["look s-1 from 4 count 3"]);
}

//! Gaps: repair page by page, and every policy for history that the source no longer has.

use std::time::Duration;

use super::{Bench, events, settings};
use crate::port::{
    AppendOutcome, CoreSettings, DuplicateReason, HeldReason, Input, LookupResult, MetadataOutcome,
    OnMissingHistory, OnUnverified, PipelineState, Report, SourcePage,
};

#[test]
fn a_tail_further_back_is_repaired() {
    let mut bench = Bench::looking_up(settings());
    bench.found(2, Vec::new());
    assert_eq!(
        bench.commands(),
        ["source s-1 from 2 count 1", "look s-1 from 2 count 1"]
    );
    bench.source_events(events("s-1", [2]), 9);
    bench.found(2, events("s-1", [2]));
    assert_eq!(bench.commands(), ["source s-1 from 3 count 2"]);
    let before = bench.core.status().progress;
    bench.source_events(events("s-1", [3, 4]), 9);
    assert_eq!(bench.commands(), ["append s-1 after 2: 3 4 5"]);
    assert_eq!(bench.core.status().progress, before + 1, "a page is one");
    bench.written(5);
    assert_eq!(bench.commands(), ["ack 0"]);
    let reports = bench.reports();
    assert!(reports.contains(&Report::RepairStarted {
        stream: "s-1".into(),
        from: 3,
        to: 5
    }));
    assert!(reports.contains(&Report::RepairEnded {
        stream: "s-1".into(),
        events: 2
    }));
}

#[test]
fn append_present_before_it_was_sent_copies_nothing() {
    for sent_again in [false, true] {
        let mut bench = Bench::looking_up(settings());
        bench.found(2, Vec::new());
        bench.source_events(events("s-1", [2]), 9);
        bench.found(2, events("s-1", [2]));
        bench.source_events(events("s-1", [3, 4]), 9);
        if sent_again {
            bench.call_ended();
        }
        bench.commands();
        bench.append_answered(AppendOutcome::Present(5));
        assert_eq!(bench.commands(), ["ack 0"]);
        let reports = bench.reports();
        let copied = reports
            .iter()
            .any(|report| matches!(report, Report::Copied { .. }));
        assert_eq!(
            copied, sent_again,
            "what is there may be of the first sending"
        );
        let present = Report::Duplicate {
            stream: "s-1".into(),
            revision: 5,
            reason: DuplicateReason::Found,
        };
        assert_eq!(reports.contains(&present), !sent_again);
        let events = if sent_again { 2 } else { 0 };
        let stream = "s-1".into();
        assert!(reports.contains(&Report::RepairEnded { stream, events }));
    }
}

#[test]
fn a_stream_that_is_not_there_is_repaired_from_its_beginning() {
    let mut bench = Bench::looking_up(settings());
    bench.looked_up(LookupResult::NotFound);
    assert_eq!(bench.commands(), ["source s-1 from 0 count 5"]);
}

#[test]
fn history_that_the_source_lacks_holds_the_stream_and_names_the_first_readable_revision() {
    for (name, page, readable) in [
        (
            "truncated up to 4",
            SourcePage::Events {
                events: events("s-1", [4]),
                last: 9,
            },
            4,
        ),
        (
            "nothing before 5",
            SourcePage::Events {
                events: Vec::new(),
                last: 9,
            },
            5,
        ),
        ("stream deleted", SourcePage::SoftDeleted, 5),
        ("stream tombstoned", SourcePage::Tombstoned, 5),
    ] {
        let mut bench = Bench::looking_up(settings());
        bench.looked_up(LookupResult::NotFound);
        bench.source(page);
        let last = bench.commands().pop().unwrap_or_default();
        let expected = format!(
            "park 0 ditto: missing_history: revision 0 is no longer at the source, the next one that ditto has is {readable}"
        );
        assert_eq!(last, expected, "{name}");
    }
}

#[test]
fn a_hole_in_the_middle_of_a_repair_is_missing_history_too() {
    let mut bench = Bench::looking_up(settings());
    bench.looked_up(LookupResult::NotFound);
    bench.source_events(events("s-1", [0, 1, 4]), 9);
    assert_eq!(
        bench.commands(),
        [
            "source s-1 from 0 count 5",
            "append s-1 after nothing: 0 1",
            "source s-1 from 2 count 3"
        ]
    );
    // Read ahead: it waits until what is in flight is answered, and is asked for again.
    bench.source_events(events("s-1", [4]), 9);
    assert_eq!(bench.commands(), [""; 0]);
    bench.written(1);
    assert_eq!(bench.commands(), ["source s-1 from 2 count 3"]);
    bench.source_events(events("s-1", [4]), 9);
    let held = Report::Held {
        stream: "s-1".into(),
        revision: 2,
        reason: HeldReason::MissingHistory,
        text: "revision 2 is no longer at the source, the next one that ditto has is 4".to_owned(),
    };
    assert!(bench.reports().contains(&held));
}

#[test]
fn missing_history_is_filled_with_placeholders_where_that_is_the_policy() {
    let mut bench = Bench::looking_up(CoreSettings {
        on_missing_history: OnMissingHistory::Fill,
        max_append_events: 2,
        ..settings()
    });
    bench.looked_up(LookupResult::NotFound);
    bench.source_events(events("s-1", [3, 4]), 9);
    assert_eq!(
        bench.commands(),
        ["source s-1 from 0 count 5", "metadata s-1 None Some(3)"]
    );
    let write = bench.last_write();
    bench.input(Input::MetadataDone {
        write,
        outcome: MetadataOutcome::Written,
    });
    assert_eq!(bench.commands(), ["append s-1 after nothing: 0 1"]);
    bench.written(1);
    assert_eq!(bench.commands(), ["append s-1 after 1: 2"]);
    bench.written(2);
    bench.source_events(events("s-1", [3, 4]), 9);
    assert_eq!(
        bench.commands(),
        ["source s-1 from 3 count 2", "append s-1 after 2: 3 4"]
    );
    let counts: Vec<u64> = bench
        .reports()
        .into_iter()
        .filter_map(|report| {
            if let Report::Placeholders { count, .. } = report {
                Some(count)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(counts, [2, 1]);
}

/// `$tb` is written before the placeholders and hides them: a process that goes on with a fill sees none.
#[test]
fn interrupted_fill_continues_after_its_hidden_placeholders() {
    let begun = |answer: LookupResult| {
        let mut bench = Bench::looking_up(CoreSettings {
            on_missing_history: OnMissingHistory::Fill,
            ..settings()
        });
        bench.found(2, Vec::new());
        bench.found(2, Vec::new());
        bench.source_events(Vec::new(), 9);
        let asked = bench.commands().pop();
        assert_eq!(asked.as_deref(), Some("recognise 2 in s-1"));
        bench.looked_up(answer);
        bench
    };
    let mut ours = begun(LookupResult::Recognised);
    assert_eq!(ours.commands(), ["source s-1 from 3 count 2"]);
    ours.source_events(events("s-1", [5]), 9);
    assert_eq!(ours.commands(), ["append s-1 after 2: 3 4 5"]);
    // Not a conflict: it may be an event of the source that went since it was copied.
    let others = begun(LookupResult::Foreign);
    assert_eq!(others.core.status().held, [0, 0, 0, 1]);
}

#[test]
fn missing_history_stops_the_subscription_where_that_is_the_policy() {
    let mut bench = Bench::looking_up(CoreSettings {
        on_missing_history: OnMissingHistory::Stop,
        ..settings()
    });
    bench.looked_up(LookupResult::NotFound);
    bench.source(SourcePage::SoftDeleted);
    assert_eq!(bench.commands().pop().as_deref(), Some("leave Stopping"));
}

#[test]
fn a_repair_goes_on_page_by_page_and_reads_ahead() {
    let mut bench = Bench::joined(settings());
    bench.deliver("s-1", 1200);
    bench.commands();
    bench.looked_up(LookupResult::NotFound);
    assert_eq!(bench.commands(), ["source s-1 from 0 count 500"]);
    bench.source_events(events("s-1", 0..500), 1200);
    let commands = bench.commands();
    assert!(commands[0].starts_with("append s-1 after nothing: 0 1 2"));
    assert_eq!(
        commands.len(),
        1,
        "a whole page waits: the next one is not needed yet"
    );
    bench.written(499);
    assert_eq!(bench.commands(), ["source s-1 from 500 count 500"]);
}

#[test]
fn placeholders_that_somebody_was_ahead_of_are_never_compared_with_what_is_there() {
    // What somebody else wrote: the source's own events (read before they went), or placeholders.
    for (name, tail, page) in [
        ("events", 2, events("s-1", [2])),
        ("nothing readable", 3, Vec::new()),
        ("all but the last", 3, events("s-1", [3])),
    ] {
        let mut bench = Bench::looking_up(CoreSettings {
            on_missing_history: OnMissingHistory::Fill,
            on_unverified: OnUnverified::Pass,
            ..settings()
        });
        bench.looked_up(LookupResult::NotFound);
        bench.source(SourcePage::Tombstoned);
        let write = bench.last_write();
        bench.input(Input::MetadataDone {
            write,
            outcome: MetadataOutcome::Exists,
        });
        assert_eq!(
            bench.commands().pop().as_deref(),
            Some("append s-1 after nothing: 0 1 2 3 4 5"),
            "{name}"
        );
        bench.append_answered(AppendOutcome::WrongRevision);
        assert_eq!(bench.commands(), ["look s-1 from 4 count 2"], "{name}");
        bench.found(tail, Vec::new());
        bench.found(tail, page);
        bench.source(SourcePage::Tombstoned);
        bench.source(SourcePage::Tombstoned);
        let last = bench.commands().pop().unwrap_or_default();
        let rest = &["3 4 5", "4 5"][usize::try_from(tail - 2).unwrap()];
        assert_eq!(last, format!("append s-1 after {tail}: {rest}"), "{name}");
        assert_eq!(bench.core.status().held, [0, 0, 0, 0], "{name}");
    }
}

#[test]
fn page_of_a_node_that_is_behind_is_read_again() {
    for page in [
        SourcePage::Events {
            events: events("s-1", [0, 1]),
            last: 4,
        },
        SourcePage::Events {
            events: Vec::new(),
            last: 4,
        },
        SourcePage::NotFound,
    ] {
        let mut bench = Bench::looking_up(CoreSettings {
            on_missing_history: OnMissingHistory::Fill,
            ..settings()
        });
        bench.looked_up(LookupResult::NotFound);
        bench.source(page);
        assert_eq!(bench.commands(), ["source s-1 from 0 count 5"]);
        bench.pass(Duration::from_millis(200));
        assert_eq!(bench.commands(), ["source s-1 from 0 count 5"]);
        bench.source_events(events("s-1", 0..5), 5);
        assert_eq!(
            bench.commands(),
            ["append s-1 after nothing: 0 1 2 3 4 5"],
            "nothing was filled"
        );
    }
}

#[test]
fn delivery_after_a_read_was_asked_proves_no_node_behind() {
    let running = |bench: &Bench| bench.core.status().state == PipelineState::Running;
    let mut bench = Bench::looking_up(settings());
    bench.found(2, Vec::new());
    // It was written at the source after the page was read.
    bench.deliver("s-1", 6);
    bench.source_events(events("s-1", [2]), 5);
    assert!(running(&bench), "the comparison of the tails");
    bench.found(2, events("s-1", [2]));
    assert_eq!(
        bench.commands().pop().as_deref(),
        Some("source s-1 from 3 count 2")
    );
    bench.deliver("s-1", 7);
    bench.source_events(events("s-1", [3, 4]), 6);
    assert!(running(&bench), "the repair");
    assert_eq!(bench.commands(), ["append s-1 after 2: 3 4 5 6 7"]);
}

#[test]
fn a_repair_far_into_a_stream_reads_ahead() {
    let mut bench = Bench::joined(settings());
    bench.deliver("s-1", 2_100);
    bench.found(2_000, Vec::new());
    bench.source_events(events("s-1", [2_000]), 2_100);
    bench.found(2_000, events("s-1", [2_000]));
    assert_eq!(
        bench.commands().pop().as_deref(),
        Some("source s-1 from 2001 count 99")
    );
    bench.source_events(events("s-1", 2_001..2_003), 2_100);
    assert_eq!(
        bench.commands(),
        [
            "append s-1 after 2000: 2001 2002",
            "source s-1 from 2003 count 97"
        ]
    );
}

#[test]
fn sixteen_pages_are_read_at_once() {
    let mut bench = Bench::joined(settings());
    let streams: Vec<String> = (0..20).map(|number| format!("s-{number}")).collect();
    for stream in &streams {
        bench.begun(stream);
    }
    for stream in &streams {
        bench.deliver(stream, 2);
    }
    let reads: Vec<String> = (0..16)
        .map(|number| format!("source s-{number} from 1 count 1"))
        .collect();
    assert_eq!(bench.commands(), reads);
    bench.source_events(events("s-15", [1]), 2);
    assert_eq!(
        bench.commands(),
        ["append s-15 after 0: 1 2", "source s-16 from 1 count 1"]
    );
}

#[test]
fn the_status_counts_streams_under_repair() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.begun("s-2");
    assert_eq!(bench.core.status().repairs, 0);
    bench.deliver("s-1", 2);
    bench.deliver("s-2", 2);
    assert_eq!(bench.core.status().repairs, 2);
    bench.source_events(events("s-2", [1]), 2);
    bench.written(2);
    assert_eq!(bench.core.status().repairs, 1);
}

#[test]
fn a_repair_is_over_when_its_gap_is_closed() {
    let mut bench = Bench::joined(CoreSettings {
        max_append_events: 1,
        ..settings()
    });
    bench.begun("s-1");
    bench.deliver("s-1", 2);
    bench.deliver("s-1", 3);
    bench.source_events(events("s-1", [1]), 3);
    assert_eq!(bench.core.status().repairs, 1);
    bench.written(1);
    assert_eq!(bench.core.status().repairs, 0);
    assert_eq!(bench.core.status().events_in_flight, 1);
}

#[test]
fn the_tail_itself_is_acknowledged_if_it_came_meanwhile() {
    let mut bench = Bench::looking_up(settings());
    bench.found(2, Vec::new());
    bench.deliver("s-1", 2);
    bench.commands();
    bench.source_events(events("s-1", [2]), 9);
    bench.found(2, events("s-1", [2]));
    assert_eq!(bench.commands(), ["source s-1 from 3 count 2", "ack 1"]);
}

#[test]
fn what_was_copied_is_told_with_where_it_came_from() {
    let mut bench = Bench::looking_up(CoreSettings {
        on_missing_history: OnMissingHistory::Fill,
        ..settings()
    });
    bench.looked_up(LookupResult::NotFound);
    bench.source_events(events("s-1", [3, 4]), 9);
    let write = bench.last_write();
    let outcome = MetadataOutcome::Written;
    bench.input(Input::MetadataDone { write, outcome });
    bench.written(2);
    bench.source_events(events("s-1", [3, 4]), 9);
    bench.pass(Duration::from_millis(700));
    bench.written(5);
    let reports = bench.reports();
    let placeholders: Vec<u64> = reports
        .iter()
        .filter_map(|report| match report {
            Report::Placeholders { count, .. } => Some(*count),
            _ => None,
        })
        .collect();
    assert_eq!(placeholders, [3]);
    let copied: Vec<_> = reports
        .into_iter()
        .filter_map(|report| match report {
            Report::Copied { events, took, .. } => Some((took.as_millis(), events)),
            _ => None,
        })
        .flat_map(|(took, events)| events.into_iter().map(move |event| (took, event)))
        .map(|(took, event)| (took, event.revision, event.number, event.repaired))
        .collect();
    // Placeholders are no copies.
    assert_eq!(
        copied,
        [
            (700, 3, None, true),
            (700, 4, None, true),
            (700, 5, Some(0), false)
        ]
    );
}

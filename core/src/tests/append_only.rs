//! A destination without revisions: order, gaps and repeats as far as one process can know. Never looks.

use super::{Bench, events, settings};
use crate::port::{AppendOutcome, CoreSettings, Mode, Report, SourcePage};

fn bench() -> Bench {
    Bench::joined(CoreSettings {
        mode: Mode::AppendOnly,
        ..settings()
    })
}

/// A stream whose revision 4 was delivered first and written.
fn met_at_four() -> Bench {
    let mut bench = bench();
    bench.deliver("s-1", 4);
    assert_eq!(bench.commands(), ["append s-1 after 3: 4"]);
    bench.written(4);
    assert_eq!(bench.commands(), ["ack 0"]);
    bench
}

#[test]
fn nothing_is_looked_at_and_one_record_of_a_stream_is_in_flight() {
    let mut bench = bench();
    bench.deliver("s-1", 4);
    bench.deliver("s-1", 5);
    assert_eq!(bench.commands(), ["append s-1 after 3: 4"]);
    bench.written(4);
    assert_eq!(bench.commands(), ["append s-1 after 4: 5", "ack 0"]);
}

#[test]
fn what_this_process_wrote_is_not_written_again() {
    let mut bench = met_at_four();
    bench.deliver("s-1", 4);
    assert_eq!(bench.commands(), ["ack 1"]);
    bench.deliver("s-1", 5);
    bench.deliver("s-1", 4);
    assert_eq!(
        bench.commands(),
        ["append s-1 after 4: 5", "ack 3"],
        "also while its successor is in flight"
    );
}

#[test]
fn what_an_earlier_process_may_have_left_open_is_written_late() {
    let mut bench = met_at_four();
    bench.deliver("s-1", 2);
    assert_eq!(
        bench.commands(),
        ["append s-1 after 1: 2"],
        "no gap is read"
    );
    bench.written(2);
    bench.commands();
    bench.deliver("s-1", 3);
    assert_eq!(bench.commands(), ["append s-1 after 2: 3"]);
    bench.written(3);
    bench.commands();
    bench.deliver("s-1", 3);
    assert_eq!(bench.commands(), ["ack 3"], "known once it was written");
    bench.deliver("s-1", 5);
    assert_eq!(bench.commands(), ["append s-1 after 4: 5"]);
}

#[test]
fn a_gap_behind_what_was_written_is_read_from_the_source_and_keeps_its_order() {
    let mut bench = met_at_four();
    bench.deliver("s-1", 7);
    assert_eq!(bench.commands(), ["source s-1 from 5 count 2"]);
    bench.source_events(events("s-1", [5, 6]), 7);
    assert_eq!(bench.commands(), ["append s-1 after 4: 5"]);
    bench.written(5);
    assert_eq!(bench.commands(), ["append s-1 after 5: 6"]);
    bench.deliver("s-1", 5);
    assert_eq!(bench.commands(), ["ack 2"], "it came with the repair");
    bench.written(6);
    assert_eq!(bench.commands(), ["append s-1 after 6: 7"]);
}

#[test]
fn history_that_cannot_be_read_is_passed_over_and_written_if_it_comes() {
    let gone = SourcePage::Events {
        events: events("s-1", [7]),
        last: 7,
    };
    for page in [gone, SourcePage::SoftDeleted, SourcePage::Denied] {
        let mut bench = met_at_four();
        bench.deliver("s-1", 7);
        bench.commands();
        bench.source(page);
        assert_eq!(bench.commands(), ["append s-1 after 6: 7"]);
        let reported = Report::PassedOver {
            stream: "s-1".into(),
            from: 5,
            to: 7,
        };
        assert!(bench.reports().contains(&reported));
        bench.written(7);
        bench.commands();
        bench.deliver("s-1", 6);
        assert_eq!(bench.commands(), ["append s-1 after 5: 6"]);
    }
}

#[test]
fn what_was_refused_is_parked_and_is_tried_again_when_it_is_replayed() {
    let mut bench = met_at_four();
    bench.deliver("s-1", 5);
    bench.deliver("s-1", 6);
    bench.commands();
    bench.append_answered(AppendOutcome::Refused("too large".to_owned()));
    let commands = bench.commands();
    assert_eq!(
        commands,
        [
            "append s-1 after 5: 6",
            "park 1 ditto: refused: revision 5 was refused: too large"
        ]
    );
    bench.written(6);
    bench.commands();
    bench.deliver("s-1", 5);
    assert_eq!(bench.commands(), ["append s-1 after 4: 5"]);
}

#[test]
fn what_is_known_is_acknowledged_while_something_older_is_written() {
    let mut bench = met_at_four();
    bench.deliver("s-1", 5);
    bench.written(5);
    bench.deliver("s-1", 2);
    bench.commands();
    bench.deliver("s-1", 5);
    assert_eq!(bench.commands(), ["ack 3"]);
}

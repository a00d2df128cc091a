//! Appends that are refused, calls that end, and destinations that are away.

use std::time::Duration;

use super::{Bench, event, events, settings};
use crate::port::{
    AppendOutcome, CoreSettings, HeldReason, Input, LookupResult, Mode, PipelineState, Report, Side,
};

const NOTHING: [String; 0] = [];

fn reachable(bench: &mut Bench, reachable: bool) {
    bench.input(Input::Reachable {
        side: Side::Destination,
        reachable,
    });
}

#[test]
fn a_refused_merge_is_sent_again_one_by_one_and_the_culprit_holds_its_stream() {
    for (outcome, text) in [
        (
            AppendOutcome::TooLarge { limit: None },
            "larger than the destination accepts",
        ),
        (AppendOutcome::Refused("no".to_owned()), "no"),
    ] {
        let mut bench = Bench::joined(settings());
        bench.begun("s-1");
        bench.deliver("s-1", 1);
        (2..=4).for_each(|revision| bench.deliver("s-1", revision));
        bench.written(1);
        bench.commands();
        bench.append_answered(outcome.clone());
        assert_eq!(bench.commands(), ["look s-1 from 1 count 4"]);
        bench.found(1, events("s-1", [1]));
        bench.source_events(events("s-1", [1]), 4);
        assert_eq!(
            bench.commands(),
            ["source s-1 from 1 count 1", "append s-1 after 1: 2"]
        );
        bench.written(2);
        assert_eq!(bench.commands(), ["append s-1 after 2: 3", "ack 2"]);
        bench.append_answered(outcome.clone());
        assert_eq!(bench.commands(), ["look s-1 from 2 count 3"]);
        bench.ends_with("s-1", 2);
        let expected = format!("ditto: refused: revision 3 was refused: {text}");
        assert_eq!(
            bench.commands().of("park"),
            [format!("park 3 {expected}"), format!("park 4 {expected}")]
        );
    }
}

#[test]
fn a_refused_event_that_is_at_the_destination_is_acknowledged() {
    let mut bench = Bench::joined(settings());
    bench.deliver("s-1", 0);
    bench.looked_up(LookupResult::NotDeleted);
    assert_eq!(
        bench.commands(),
        ["look s-1 metadata", "append s-1 after nothing: 0"],
        "its events are not read"
    );
    bench.append_answered(AppendOutcome::TooLarge { limit: None });
    assert_eq!(bench.commands(), ["look s-1 from 0 count 1"]);
    bench.found(7, events("s-1", [0]));
    assert_eq!(bench.commands(), ["ack 0"]);
    assert_eq!(bench.core.status().held, [0, 0, 0, 0]);
}

#[test]
fn merged_appends_stay_under_a_limit_that_is_named() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    (2..=7).for_each(|revision| bench.deliver("s-1", revision));
    bench.written(1);
    assert!(
        bench
            .commands()
            .contains(&"append s-1 after 1: 2 3 4 5 6 7".to_owned())
    );
    // Two events of 14 bytes, but not three.
    bench.append_answered(AppendOutcome::TooLarge { limit: Some(41) });
    bench.found(1, events("s-1", [1]));
    bench.source_events(events("s-1", [1]), 7);
    let mut sent = bench.commands();
    for last in [3, 5, 7] {
        bench.written(last);
        sent.extend(bench.commands());
    }
    sent.retain(|command| command.starts_with("append"));
    assert_eq!(
        sent,
        [
            "append s-1 after 1: 2 3",
            "append s-1 after 3: 4 5",
            "append s-1 after 5: 6 7"
        ]
    );
}

#[test]
fn a_single_event_over_a_named_limit_holds_its_stream() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.commands();
    bench.append_answered(AppendOutcome::TooLarge { limit: Some(13) });
    bench.ends_with("s-1", 0);
    let reason = "refused: revision 1 was refused: larger than the destination accepts";
    assert_eq!(
        bench.commands().of("park"),
        [format!("park 1 ditto: {reason}")]
    );
}

#[test]
fn a_refused_event_of_a_destination_without_revisions_is_parked_and_the_stream_goes_on() {
    let mut bench = Bench::joined(CoreSettings {
        mode: Mode::AppendOnly,
        ..settings()
    });
    bench.deliver("s-1", 0);
    bench.deliver("s-1", 1);
    bench.commands();
    bench.append_answered(AppendOutcome::TooLarge { limit: None });
    let commands = bench.commands();
    assert_eq!(commands[0], "append s-1 after 0: 1");
    assert!(
        commands[1].starts_with("park 0 ditto: refused: "),
        "{commands:?}"
    );
}

#[test]
fn what_was_in_flight_on_a_call_that_ended_is_sent_again_as_it_was() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.commands();
    bench.deliver("s-1", 2);
    bench.call_ended();
    assert_eq!(
        bench.commands(),
        ["append s-1 after 0: 1"],
        "frozen: the second event does not join it"
    );
    bench.call_ended();
    assert_eq!(
        bench.commands(),
        ["append s-1 after 0: 1 alone"],
        "twice, while no other call ended: it goes over a call of its own"
    );
    bench.written(1);
    assert_eq!(bench.commands(), ["append s-1 after 1: 2", "ack 1"]);
}

#[test]
fn what_ends_the_call_alone_while_the_server_answers_is_refused() {
    let mut bench = Bench::joined(settings());
    ["s-1", "s-2"].iter().for_each(|stream| bench.begun(stream));
    bench.deliver("s-1", 1);
    bench.call_ended();
    bench.call_ended();
    bench.pass(Duration::from_millis(200));
    bench.commands();
    bench.call_ended();
    assert_eq!(bench.commands(), ["probe"]);
    for _ in 0..2 {
        reachable(&mut bench, true);
        assert_eq!(
            bench.commands(),
            ["append s-1 after 0: 1 alone"],
            "no proof yet"
        );
        bench.call_ended();
        assert_eq!(bench.commands(), ["probe"]);
    }
    // The words of another call are not its own.
    bench.deliver("s-2", 1);
    let unanswered = vec![bench.newest_append()];
    bench.input(Input::CallEnded {
        lane: 1,
        unanswered,
        silent: false,
        said: "another".to_owned(),
    });
    reachable(&mut bench, true);
    bench.lookup_of(
        "s-1",
        LookupResult::Tail {
            last: 0,
            events: events("s-1", [0]),
            truncate_before: None,
            copied: None,
        },
    );
    bench.source_events(events("s-1", [0]), 10);
    assert_eq!(
        bench.commands().of("park"),
        [
            "park 2 ditto: refused: revision 1 was refused: the destination ended the call each time: it is over"
        ]
    );
}

#[test]
fn a_destination_that_is_away_is_tried_with_one_append_until_it_answers() {
    let mut bench = Bench::joined(settings());
    ["a-1", "b-1"].iter().for_each(|stream| bench.begun(stream));
    bench.deliver("a-1", 1);
    bench.deliver("b-1", 1);
    bench.commands();
    bench.append_answered(AppendOutcome::NotReady);
    assert_eq!(
        bench.core.status().state,
        PipelineState::Retrying(Side::Destination)
    );
    bench.pass(Duration::from_millis(200));
    assert_eq!(bench.commands(), ["append b-1 after 0: 1 alone"]);
    bench.append_answered(AppendOutcome::NotReady);
    bench.pass(Duration::from_millis(300));
    assert_eq!(bench.commands(), NOTHING, "the pause grows");
    bench.pass(Duration::from_millis(100));
    bench.written(1);
    assert_eq!(bench.commands(), ["append b-1 after 0: 1 alone", "ack 3"]);
    assert_eq!(bench.core.status().state, PipelineState::Running);
}

#[test]
fn nothing_new_is_sent_to_a_destination_that_is_away() {
    let mut bench = Bench::joined(settings());
    bench.begun("a-1");
    bench.deliver("a-1", 1);
    bench.append_answered(AppendOutcome::NotReady);
    bench.commands();
    bench.deliver("b-1", 0);
    assert_eq!(bench.commands(), NOTHING);
}

#[test]
fn no_right_to_read_the_source_stream_holds_the_stream() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 5);
    bench.source(crate::port::SourcePage::Denied);
    assert_eq!(bench.core.status().held, [0, 0, 1, 0]);
    let parked = bench.commands().pop().unwrap_or_default();
    assert!(
        parked
            .starts_with("park 1 ditto: refused: no permission to read this stream at the source"),
        "{parked}"
    );
    let held = bench.reports().into_iter().any(|report| {
        matches!(
            report,
            Report::Held {
                reason: HeldReason::Refused,
                ..
            }
        )
    });
    assert!(held);
    bench.deliver_event(event("s-1", 0));
    assert_eq!(
        bench.commands(),
        ["ack 2"],
        "what is known to be there is acknowledged all the same"
    );
}

#[test]
fn an_append_without_an_answer_is_sent_again_as_it_was() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.commands();
    bench.append_answered(AppendOutcome::NoAnswer);
    assert_eq!(bench.commands(), ["append s-1 after 0: 1"]);
    bench.written(1);
    assert_eq!(bench.commands(), ["ack 1"]);
}

//! Joining, leaving, standing by, buffer size and stopping.

use std::time::Duration;

use super::{Bench, event, group, settings};
use crate::event::Item;
use crate::port::{
    AppendOutcome, CoreSettings, GroupSeen, Input, JoinRefusal, LeaveReason, LinkPage,
    LookupResult, PipelineState, Side,
};

const NOTHING: [String; 0] = [];

#[test]
fn a_refused_join_is_tried_again_as_the_reason_demands() {
    for (why, state, after, again) in [
        (JoinRefusal::Taken, PipelineState::Standby, 2000, "join 100"),
        (
            JoinRefusal::Unavailable,
            PipelineState::Retrying(Side::Source),
            200,
            "join 100",
        ),
        (
            JoinRefusal::Missing,
            PipelineState::Stopped("the group does not exist and create = false".to_owned()),
            2_000,
            "ask group",
        ),
        (
            JoinRefusal::Unsuitable("why"),
            PipelineState::Stopped("why".to_owned()),
            2_000,
            "ask group",
        ),
    ] {
        let mut bench = Bench::joined(settings());
        bench.left(LeaveReason::BufferSize);
        assert_eq!(bench.commands(), ["join 100"]);
        bench.input(Input::Refused { why });
        assert_eq!(bench.core.status().state, state);
        bench.pass(Duration::from_millis(after - 1));
        assert_eq!(bench.commands(), NOTHING, "{why:?}");
        bench.pass(Duration::from_millis(1));
        assert_eq!(bench.commands(), [again], "{why:?}");
    }
}

#[test]
fn a_stopped_pipeline_looks_again_soon_and_then_less_often() {
    let mut bench = Bench::joined(settings());
    for round in 0..2 {
        bench.left(LeaveReason::BufferSize);
        bench.commands();
        bench.input(Input::Refused {
            why: JoinRefusal::Denied,
        });
        for seconds in [2, 4, 8, 16, 30, 30] {
            bench.pass(Duration::from_secs(seconds) - Duration::from_millis(1));
            assert_eq!(bench.commands(), NOTHING, "{round}: {seconds}");
            bench.pass(Duration::from_millis(1));
            assert_eq!(bench.commands(), ["ask group"], "{round}: {seconds}");
            // The group is there, and ditto is refused all the same: that is the same stop.
            bench.input(Input::GroupSeen(group()));
            assert_eq!(bench.commands(), ["join 100"]);
            bench.input(Input::Refused {
                why: JoinRefusal::Denied,
            });
            if round == 0 {
                break;
            }
        }
        bench.pass(Duration::from_secs(30));
        bench.input(Input::GroupSeen(group()));
        bench.join(group());
    }
}

#[test]
fn a_stopped_pipeline_joins_when_the_group_is_there_again() {
    let mut bench = Bench::joined(settings());
    bench.left(LeaveReason::BufferSize);
    bench.input(Input::Refused {
        why: JoinRefusal::Missing,
    });
    bench.commands();
    bench.input(Input::GroupSeen(group()));
    assert_eq!(bench.commands(), ["join 100"]);
}

#[test]
fn a_standby_drops_what_waits_and_keeps_what_is_in_flight() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.deliver("s-1", 2);
    bench.deliver("s-2", 7);
    bench.left(LeaveReason::BufferSize);
    bench.input(Input::Refused {
        why: JoinRefusal::Taken,
    });
    assert_eq!(bench.core.status().appends_in_flight, 1);
    bench.commands();
    bench.written(1);
    assert!(
        !bench.commands().iter().any(|line| line.starts_with("ack")),
        "the session is over"
    );
}

#[test]
fn event_redelivered_over_the_next_session_is_acknowledged() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.left(LeaveReason::Ended);
    bench.written(1);
    bench.pass(Duration::from_millis(200));
    assert_eq!(
        bench.commands().last().map(String::as_str),
        Some("join 100")
    );
    bench.join(group());
    bench.commands();
    bench.deliver_as(1, Item::Event(event("s-1", 1)));
    assert_eq!(bench.commands(), ["ack 1"]);
}

#[test]
fn a_silent_destination_makes_ditto_leave_before_the_server_takes_events_back() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.commands();
    bench.pass(Duration::from_millis(14_900));
    assert_eq!(bench.commands(), NOTHING);
    bench.pass(Duration::from_millis(200));
    assert_eq!(bench.commands(), ["leave Waiting"]);
    bench.left(LeaveReason::Waiting);
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.commands(), NOTHING, "not before a verdict");
    bench.written(1);
    assert_eq!(bench.commands(), ["join 100"]);
}

#[test]
fn what_comes_while_the_destination_is_away_makes_ditto_leave_too() {
    let mut bench = Bench::joined(settings());
    bench.deliver("s-1", 1);
    bench.looked_up(LookupResult::Failed);
    bench.left(LeaveReason::Ended);
    bench.pass(Duration::from_secs(1));
    // The probe goes unanswered for long, and the group lets ditto in again.
    bench.join(group());
    bench.deliver("s-2", 0);
    bench.commands();
    bench.pass(Duration::from_millis(14_900));
    assert_eq!(bench.commands(), NOTHING);
    bench.pass(Duration::from_millis(200));
    assert_eq!(bench.commands(), ["leave Waiting"]);
}

/// Three events of a stream wait, more than the budget allows; the first of them is in flight.
fn over_budget() -> Bench {
    let mut bench = Bench::joined(settings());
    bench.input(Input::Budget { bytes: 2500 });
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.deliver("s-1", 2);
    assert_eq!(bench.commands(), ["append s-1 after 0: 1"]);
    bench.deliver("s-1", 3);
    assert_eq!(bench.commands(), ["pause"]);
    bench
}

#[test]
fn deliveries_pause_over_the_budget_and_resume_below_it() {
    let mut bench = over_budget();
    bench.written(1);
    assert_eq!(
        bench.commands(),
        ["append s-1 after 1: 2 3", "ack 1"],
        "three quarters of the budget still wait"
    );
    bench.written(3);
    assert_eq!(bench.commands(), ["resume", "ack 2 3"]);
    assert_eq!(bench.core.status().bytes_buffered, 0);
}

#[test]
fn streams_in_which_something_waits_count_against_the_budget() {
    let mut bench = Bench::joined(settings());
    bench.input(Input::Budget { bytes: 5600 });
    let streams = ["s-1", "s-2", "s-3", "s-4"];
    streams.iter().for_each(|stream| bench.begun(stream));
    for (stream, pauses) in streams.into_iter().zip([false, false, false, true]) {
        bench.deliver(stream, 1);
        let commands = bench.commands();
        assert_eq!(!commands.of("pause").is_empty(), pauses, "{stream}");
    }
}

#[test]
fn a_pause_that_lasts_makes_ditto_leave_though_answers_come() {
    let mut bench = over_budget();
    for _ in 0..15 {
        // The destination is there, so that only the pause is left to leave for.
        bench.input(Input::Reachable {
            side: Side::Destination,
            reachable: true,
        });
        assert_eq!(bench.commands(), NOTHING);
        bench.pass(Duration::from_secs(1));
    }
    assert_eq!(bench.commands(), ["leave Waiting"]);
}

#[test]
fn a_pipeline_with_nothing_buffered_takes_a_delivery_whatever_the_budget() {
    let mut bench = Bench::joined(settings());
    bench.input(Input::Budget { bytes: 0 });
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    assert_eq!(bench.commands(), ["append s-1 after 0: 1", "pause"]);
}

#[test]
fn number_delivered_twice_over_a_session_lowers_the_buffer_size() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.commands();
    bench.deliver_as(1, Item::Event(event("s-1", 1)));
    assert_eq!(bench.commands(), ["leave BufferSize"]);
    bench.left(LeaveReason::BufferSize);
    assert_eq!(
        bench.commands(),
        ["join 1"],
        "one got an outcome in the last quarter of the timeout"
    );
}

#[test]
fn stream_in_a_lookup_may_be_slow_without_anybody_leaving() {
    let mut bench = Bench::joined(settings());
    bench.deliver("s-1", 5);
    bench.commands();
    bench.deliver_as(0, Item::Event(event("s-1", 5)));
    assert_eq!(bench.commands(), NOTHING);
}

#[test]
fn a_throttle_that_cannot_work_stops_the_pipeline_with_the_reason() {
    let throttled = CoreSettings {
        throttle_interval: Duration::from_secs(60),
        ..settings()
    };
    let bench = Bench::joined_to(
        throttled,
        GroupSeen {
            message_timeout: Duration::from_secs(30),
            ..group()
        },
    );
    let text = "throttle_interval 60s needs a message timeout of at least 240s, the group has 30s";
    assert_eq!(
        bench.core.status().state,
        PipelineState::Stopped(text.to_owned())
    );
}

#[test]
fn deliveries_of_an_ended_session_are_ignored() {
    let mut bench = Bench::joined(settings());
    bench.left(LeaveReason::Ended);
    bench.commands();
    bench.deliver("s-1", 0);
    bench.append_answered(AppendOutcome::Written(0));
    bench.looked_up(LookupResult::NotDeleted);
    assert_eq!(bench.commands(), NOTHING);
}

/// What a group does that has to read a tombstoned stream: it lets a consumer in and drops it.
fn dropped_at_once(bench: &mut Bench) {
    bench.join(group());
    bench.left(LeaveReason::Ended);
}

#[test]
fn a_stream_deleted_for_good_stops_its_subscription() {
    let mut bench = Bench::joined(settings());
    bench.left(LeaveReason::Ended);
    bench.pass(Duration::from_millis(200));
    assert_eq!(bench.commands(), ["join 100"], "once may be anything");
    dropped_at_once(&mut bench);
    assert_eq!(bench.commands(), ["links from 0 count 1"]);
    let read = bench.last_read();
    let page = LinkPage::Deleted;
    bench.input(Input::LinksRead { read, page });
    let stopped = |bench: &Bench| match bench.core.status().state {
        PipelineState::Stopped(text) => text.contains("deleted for good"),
        _ => false,
    };
    assert!(stopped(&bench));
    bench.pass(Duration::from_millis(1_999));
    assert_eq!(bench.commands(), NOTHING);
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.commands(), ["ask group"]);
    bench.input(Input::GroupSeen(group()));
    assert_eq!(bench.commands(), ["join 100"]);
    dropped_at_once(&mut bench);
    assert!(stopped(&bench), "looking again is not told");
    assert_eq!(bench.commands(), NOTHING);
    bench.pass(Duration::from_secs(30));
    bench.input(Input::GroupSeen(group()));
    bench.join(group());
    bench.deliver("s-1", 0);
    assert_eq!(bench.core.status().state, PipelineState::Running);
}

#[test]
fn stays_that_end_at_once_stop_nothing_by_themselves() {
    for page in [LinkPage::NotFound, LinkPage::Denied, LinkPage::Failed] {
        let mut bench = Bench::joined(settings());
        bench.left(LeaveReason::Ended);
        bench.pass(Duration::from_millis(200));
        dropped_at_once(&mut bench);
        let read = bench.last_read();
        bench.input(Input::LinksRead { read, page });
        let state = bench.core.status().state;
        assert_eq!(state, PipelineState::Retrying(Side::Source));
    }
}

#[test]
fn a_source_that_is_away_is_asked_ever_less_often() {
    let mut bench = Bench::joined(settings());
    bench.left(LeaveReason::BufferSize);
    for after in [200, 400, 800, 1600, 3200] {
        assert_eq!(bench.commands(), ["join 100"]);
        let why = JoinRefusal::Unavailable;
        bench.input(Input::Refused { why });
        bench.pass(Duration::from_millis(after - 1));
        assert_eq!(bench.commands(), NOTHING, "{after} ms");
        bench.pass(Duration::from_millis(1));
    }
}

#[test]
fn one_ended_session_is_no_trouble_yet() {
    let mut bench = Bench::joined(settings());
    for state in [
        PipelineState::Running,
        PipelineState::Retrying(Side::Source),
    ] {
        bench.left(LeaveReason::Ended);
        assert_eq!(bench.core.status().state, state);
        bench.pass(Duration::from_millis(400));
        bench.commands();
        bench.join(group());
    }
}

#[test]
fn progress_counts_what_is_acknowledged() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    for _ in 0..3 {
        let before = bench.core.status().progress;
        bench.deliver("s-1", 0);
        assert_eq!(bench.core.status().progress, before + 1);
    }
}

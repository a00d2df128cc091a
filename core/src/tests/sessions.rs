//! While joined: when the buffer size grows, and where the budget begins and ends to hold deliveries up.
//!
//! Never leaves a group for the destination's silence: that is in `membership`.

use std::time::Duration;

use super::{Bench, event, group, settings};
use crate::budget::STREAM_OVERHEAD;
use crate::event::Item;
use crate::port::{CoreSettings, Input, LeaveReason, LookupResult, Side};

const NOTHING: [String; 0] = [];

fn wait(bench: &mut Bench, milliseconds: u64) {
    bench.pass(Duration::from_millis(milliseconds));
}

fn leaves(bench: &mut Bench) -> bool {
    let commands = bench.commands();
    commands.iter().any(|line| line.starts_with("leave"))
}

/// Joined again with a buffer size of one, half a second after a tick: a delivery had timed out.
fn with_buffer_size_of_one() -> Bench {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.deliver_as(1, Item::Event(event("s-1", 1)));
    bench.left(LeaveReason::BufferSize);
    bench.written(1);
    wait(&mut bench, 500);
    bench.join(group());
    assert_eq!(bench.core.status().buffer_size, 1);
    bench.commands();
    bench
}

/// Copies event after event of which each is answered after so many milliseconds: until ditto leaves, and for a minute
/// at most.
fn leaves_within_a_minute(bench: &mut Bench, answered_after: u64) -> Option<u64> {
    let end = bench.now + Duration::from_secs(60);
    (2..60_000).find(|revision| {
        if bench.now < end {
            bench.deliver("s-1", *revision);
            wait(bench, answered_after);
            bench.written(*revision);
        }
        leaves(bench)
    })
}

#[test]
fn buffer_size_grows_by_how_soon_answers_come() {
    // As much as fits into half a quarter of the message timeout, and none once appends wait for a second.
    for (answered_after, buffer_size) in [(600, 25), (900, 16), (1_500, 1), (2_000, 1)] {
        let mut bench = with_buffer_size_of_one();
        let grew = leaves_within_a_minute(&mut bench, answered_after).is_some();
        bench.left(LeaveReason::BufferSize);
        assert_eq!(
            bench.core.status().buffer_size,
            buffer_size,
            "{answered_after} ms"
        );
        assert_eq!(grew, buffer_size > 1, "{answered_after} ms");
    }
}

#[test]
fn the_smallest_credit_stays_while_the_budget_is_narrow() {
    let mut bench = with_buffer_size_of_one();
    bench.input(Input::Budget { bytes: 1 });
    assert_eq!(leaves_within_a_minute(&mut bench, 900), None);
}

#[test]
fn a_throttle_keeps_full_stays_from_joining_for_more() {
    let mut bench = Bench::joined(CoreSettings {
        buffer_size: None,
        throttle_interval: Duration::from_secs(1),
        ..settings()
    });
    // The throttle is the reason that so many wait, and there is no more to ask for.
    bench.left(LeaveReason::BufferSize);
    bench.join(group());
    assert_eq!(bench.core.status().buffer_size, 15);
    wait(&mut bench, 500);
    let copy = |bench: &mut Bench, stream: u64| {
        bench.deliver(&format!("s-{stream}"), 0);
        bench.looked_up(LookupResult::NotDeleted);
    };
    (0..15).for_each(|stream| copy(&mut bench, stream));
    assert!(!leaves(&mut bench));
    for stream in 15..35 {
        bench.written(0);
        copy(&mut bench, stream);
        wait(&mut bench, 1_000);
        assert!(!leaves(&mut bench), "after {stream} streams");
    }
}

#[test]
fn deliveries_resume_below_three_quarters_of_the_budget() {
    let mut bench = Bench::joined(settings());
    for stream in ["s-1", "s-2", "s-3", "s-4"] {
        bench.begun(stream);
    }
    bench.deliver("s-1", 1);
    let one = bench.core.status().bytes_buffered + STREAM_OVERHEAD;
    let mut appends = vec![bench.newest_append()];
    bench.input(Input::Budget { bytes: 8 * one });
    for stream in ["s-2", "s-3", "s-4"] {
        assert!(!bench.commands().contains(&"pause".to_owned()));
        bench.deliver(stream, 1);
        appends.push(bench.newest_append());
    }
    let session = bench.commands().of("pause").len();
    assert_eq!(session, 1, "all of the budget is in use");
    let written = crate::port::AppendOutcome::Written(1);
    bench.answered(appends[0], written.clone());
    assert_eq!(bench.commands(), ["ack 4"], "three quarters are in use");
    bench.answered(appends[1], written);
    assert_eq!(bench.commands(), ["resume", "ack 5"]);
}

#[test]
fn no_budget_pauses_a_pipeline_that_holds_nothing() {
    let mut bench = Bench::joined(settings());
    bench.input(Input::Budget { bytes: 0 });
    assert_eq!(bench.commands(), NOTHING);
}

#[test]
fn short_pauses_far_apart_leave_the_buffer_size() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.input(Input::Budget { bytes: 1 });
    for revision in 1..20 {
        bench.deliver("s-1", revision);
        bench.written(revision);
        let expected = [
            format!("append s-1 after {}: {revision}", revision - 1),
            "pause".to_owned(),
            "resume".to_owned(),
            format!("ack {revision}"),
        ];
        assert_eq!(bench.commands(), expected);
        wait(&mut bench, 2_000);
    }
}

#[test]
fn what_waits_long_for_its_next_try_is_a_reason_to_leave() {
    let mut bench = Bench::looking_up(settings());
    let left = (0..9).any(|_| {
        // Its look is not answered, and then the destination is.
        bench.looked_up(LookupResult::Failed);
        wait(&mut bench, 200);
        bench.input(Input::Reachable {
            side: Side::Destination,
            reachable: true,
        });
        loop {
            wait(&mut bench, 100);
            let commands = bench.commands();
            if commands.contains(&"leave Waiting".to_owned()) {
                return true;
            }
            if commands.iter().any(|line| line.starts_with("look")) {
                return false;
            }
        }
    });
    assert!(left);
}

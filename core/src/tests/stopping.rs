//! Stopping: what is finished, what is waited for, and for how long.
//!
//! Never stops for a policy: that is in `held`.

use std::time::Duration;

use super::{Bench, settings};
use crate::port::{Input, LeaveReason};

const NOTHING: [String; 0] = [];

#[test]
fn stopping_finishes_what_is_in_flight_and_takes_nothing_more() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.deliver("s-1", 2);
    bench.commands();
    bench.input(Input::Stop {
        deadline: Duration::from_secs(10),
    });
    bench.deliver("s-1", 3);
    assert_eq!(bench.commands(), ["pause"]);
    bench.written(1);
    assert_eq!(bench.commands(), ["ack 1", "leave Stopping"]);
    bench.left(LeaveReason::Stopping);
    assert_eq!(bench.commands(), ["finished Asked { clean: true } left 1"]);
}

#[test]
fn stopping_ends_at_the_deadline_whatever_is_unanswered() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.input(Input::Stop {
        deadline: Duration::from_secs(10),
    });
    bench.commands();
    bench.pass(Duration::from_secs(10));
    assert_eq!(bench.commands(), ["leave Stopping"]);
    bench.left(LeaveReason::Stopping);
    assert_eq!(bench.commands(), ["finished Asked { clean: false } left 1"]);
}

#[test]
fn stopping_leaves_before_the_server_takes_events_back_and_goes_on_waiting_for_answers() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.input(Input::Stop {
        deadline: Duration::from_secs(100),
    });
    bench.commands();
    bench.pass(Duration::from_millis(14_900));
    assert_eq!(bench.commands(), NOTHING);
    bench.pass(Duration::from_millis(200));
    assert_eq!(bench.commands(), ["leave Stopping"]);
    bench.left(LeaveReason::Stopping);
    assert_eq!(bench.commands(), NOTHING, "an append is unanswered");
    bench.written(1);
    assert_eq!(bench.commands(), ["finished Asked { clean: true } left 0"]);
    bench.pass(Duration::from_secs(60));
    bench.input(Input::Stop {
        deadline: bench.now,
    });
    assert_eq!(bench.commands(), NOTHING, "once");
}

#[test]
fn stopping_waits_for_a_join_until_the_deadline_only() {
    let mut bench = Bench::joined(settings());
    bench.left(LeaveReason::BufferSize);
    assert_eq!(bench.commands(), ["join 100"]);
    bench.input(Input::Stop {
        deadline: Duration::from_secs(10),
    });
    bench.pass(Duration::from_millis(9_999));
    assert_eq!(bench.commands(), NOTHING);
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.commands(), ["finished Asked { clean: true } left 0"]);
}

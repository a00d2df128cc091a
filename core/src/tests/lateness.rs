//! Deliveries that the server takes back, and what is made of the buffer size then.

use std::time::Duration;

use super::{Bench, event, group, settings};
use crate::event::Item;
use crate::port::{CoreSettings, Input, LeaveReason, Report, SourcePage};

const NOTHING: [String; 0] = [];
const MINUTE: Duration = Duration::from_secs(60);

/// Passes so much time as the loop does, with a tick every second.
fn wait(bench: &mut Bench, seconds: u64) {
    (0..seconds).for_each(|_| bench.pass(Duration::from_secs(1)));
}

fn times_out(bench: &mut Bench, number: u64) -> bool {
    bench.reports().contains(&Report::TimedOut { number })
}

#[test]
fn redelivery_after_the_answer_lowers_the_buffer_size() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.written(1);
    bench.commands();
    bench.deliver_as(1, Item::Event(event("s-1", 1)));
    assert_eq!(bench.commands(), ["ack 1", "leave BufferSize"]);
    assert!(times_out(&mut bench, 1));
    bench.left(LeaveReason::BufferSize);
    bench.join(group());
    bench.commands();
    // Over another session: the acknowledgement may have been lost.
    bench.deliver_as(1, Item::Event(event("s-1", 1)));
    assert_eq!(bench.commands(), ["ack 1"]);
}

#[test]
fn what_waited_for_a_repair_is_answered_late_without_blame() {
    let mut bench = Bench::joined(CoreSettings {
        max_append_events: 2,
        ..settings()
    });
    bench.begun("s-1");
    bench.deliver("s-1", 3);
    assert_eq!(bench.commands(), ["source s-1 from 1 count 2"]);
    wait(&mut bench, 70);
    bench.source_events(vec![event("s-1", 1), event("s-1", 2)], 3);
    bench.written(2);
    bench.written(3);
    assert_eq!(
        bench.commands(),
        ["append s-1 after 0: 1 2", "append s-1 after 2: 3", "ack 1"],
        "the repair is over by then, and nobody leaves"
    );
}

#[test]
fn frozen_process_leaves_the_buffer_size() {
    for (second_copy, frozen) in [(true, MINUTE * 3), (false, MINUTE * 3)] {
        let mut bench = Bench::joined(settings());
        bench.begun("s-1");
        bench.deliver("s-1", 1);
        bench.commands();
        bench.now += frozen;
        if second_copy {
            bench.deliver_as(1, Item::Event(event("s-1", 1)));
            assert!(times_out(&mut bench, 1));
        }
        bench.written(1);
        let left = bench.commands();
        let buffer_size = |line: &String| line.contains("BufferSize");
        assert!(!left.iter().any(buffer_size), "{left:?}");
        assert_eq!(bench.core.status().buffer_size, 100);
    }
}

#[test]
fn slow_destination_lowers_the_buffer_size() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.deliver("s-1", 2);
    for answered in [1, 2] {
        for _ in 0..31 {
            // Others are answered meanwhile.
            wait(&mut bench, 1);
            bench.core.handle(
                bench.now,
                Input::Reachable {
                    side: crate::port::Side::Destination,
                    reachable: true,
                },
                &mut Vec::new(),
            );
        }
        bench.written(answered);
    }
    let last = bench.commands().pop();
    assert_eq!(last.as_deref(), Some("leave BufferSize"));
}

#[test]
fn budget_for_one_event_lowers_the_buffer_size_in_time() {
    let mut bench = Bench::joined(CoreSettings {
        buffer_size: Some(1000),
        ..settings()
    });
    bench.begun("s-1");
    bench.input(Input::Budget { bytes: 1 });
    let mut revision = 1;
    let left = (0..60).find(|_| {
        bench.deliver("s-1", revision);
        wait(&mut bench, 1);
        bench.written(revision);
        revision += 1;
        bench
            .commands()
            .iter()
            .any(|line| line == "leave BufferSize")
    });
    assert_eq!(left, Some(14), "after a quarter of the message timeout");
    bench.left(LeaveReason::BufferSize);
    let asked = bench.commands();
    assert!(
        ["join 15", "join 16", "join 17"].contains(&asked[0].as_str()),
        "what got done in it: {asked:?}"
    );
}

#[test]
fn a_page_that_never_comes_excuses_a_second_copy() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 3);
    bench.commands();
    wait(&mut bench, 61);
    bench.deliver_as(1, Item::Event(event("s-1", 3)));
    assert!(times_out(&mut bench, 1));
    assert_eq!(bench.commands(), NOTHING);
    bench.source(SourcePage::Failed);
    bench.deliver_as(1, Item::Event(event("s-1", 3)));
    assert_eq!(bench.commands(), NOTHING);
}

#[test]
fn delivery_of_an_earlier_session_answered_late_blames_nothing() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.left(LeaveReason::BufferSize);
    bench.join(group());
    for _ in 0..70 {
        wait(&mut bench, 1);
        bench.input(Input::Reachable {
            side: crate::port::Side::Destination,
            reachable: true,
        });
    }
    bench.commands();
    bench.written(1);
    assert_eq!(bench.commands(), NOTHING);
    assert_eq!(bench.core.status().buffer_size, 100);
}

#[test]
fn delivery_of_the_next_session_is_no_second_copy() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.left(LeaveReason::BufferSize);
    bench.join(group());
    bench.commands();
    bench.deliver_as(1, Item::Event(event("s-1", 1)));
    assert!(!times_out(&mut bench, 1));
    bench.written(1);
    assert_eq!(bench.commands(), ["ack 1"]);
}

#[test]
fn redelivery_crossing_a_late_answer_leaves_the_buffer_size() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    for _ in 0..40 {
        wait(&mut bench, 1);
        bench.input(Input::Reachable {
            side: crate::port::Side::Destination,
            reachable: true,
        });
    }
    bench.written(1);
    bench.commands();
    bench.deliver_as(1, Item::Event(event("s-1", 1)));
    assert_eq!(bench.commands(), ["ack 1"]);
    assert!(!times_out(&mut bench, 1));
}

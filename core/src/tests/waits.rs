//! Times: how long the core waits before it tries again or leaves, and what it tells of its waits.

use std::time::Duration;

use super::{Bench, group, settings};
use crate::port::{GroupSeen, Input, LookupResult, SourcePage};

const NOTHING: [String; 0] = [];

/// The time until the core asks for something, in milliseconds.
fn waits(bench: &mut Bench) -> u128 {
    let begun = bench.now;
    for _ in 0..600 {
        let second = Duration::from_secs(bench.now.as_secs() + 1);
        let wake = bench.wake().filter(|at| *at > bench.now);
        let next = wake.map_or(second, |at| at.min(second));
        bench.pass(next - bench.now);
        if bench.commands() != NOTHING {
            return (bench.now - begun).as_millis();
        }
    }
    0
}

#[test]
fn a_read_that_keeps_failing_is_tried_ever_less_often() {
    let mut bench = Bench::looking_up(settings());
    bench.looked_up(LookupResult::NotFound);
    let waited: Vec<u128> = (0..10)
        .map(|_| {
            bench.commands();
            bench.source(SourcePage::Failed);
            waits(&mut bench)
        })
        .collect();
    assert_eq!(
        waited,
        [200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]
    );
}

#[test]
fn a_stop_with_time_to_spare_leaves_before_the_server_parks() {
    let mut bench = Bench::joined_to(
        settings(),
        GroupSeen {
            message_timeout: Duration::from_millis(10_400),
            ..group()
        },
    );
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.commands();
    bench.input(Input::Stop {
        deadline: bench.now + Duration::from_secs(60),
    });
    assert_eq!(bench.commands(), ["pause"]);
    bench.pass(Duration::from_millis(2_590));
    assert_eq!(bench.commands(), NOTHING);
    bench.pass(Duration::from_millis(10));
    assert_eq!(bench.commands(), ["leave Stopping"], "a quarter of it");
}

#[test]
fn the_status_names_the_oldest_event_that_waits() {
    let mut bench = Bench::joined(settings());
    assert_eq!(bench.core.status().oldest_created, None);
    bench.begun("s-1");
    bench.deliver("s-1", 7);
    bench.deliver("s-2", 5);
    bench.deliver("s-2", 6);
    assert_eq!(bench.core.status().oldest_created, Some(50_000_000));
}

#[test]
fn the_status_names_the_time_at_which_a_hole_is_read() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    assert_eq!(bench.core.status().waits_until, None);
    bench.skip_number();
    bench.pass(Duration::from_secs(3));
    bench.deliver("s-1", 1);
    bench.written(1);
    assert_eq!(
        bench.core.status().waits_until,
        Some(Duration::from_secs(123)),
        "two message timeouts after the next number came"
    );
}

#[test]
fn a_time_to_be_woken_at_is_asked_for_once() {
    let mut bench = Bench::looking_up(settings());
    bench.looked_up(LookupResult::NotFound);
    bench.source(SourcePage::Failed);
    let wake = bench.wake().unwrap();
    for milliseconds in [1, 2, 3] {
        let mut out = Vec::new();
        let now = bench.now + Duration::from_millis(milliseconds);
        bench.core.handle(now, Input::Tick, &mut out);
        assert_eq!(out, [], "{wake:?}");
    }
}

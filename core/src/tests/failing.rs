//! Reads of one stream that fail although the servers answer others.
//!
//! Never fails a read of everything: that is in `refusals`.

use std::time::Duration;

use super::{Bench, settings};
use crate::port::{HeldReason, Input, LookupResult, Side, SourcePage};

#[test]
fn a_repair_that_is_refused_for_ten_seconds_holds_its_stream() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.written(1);
    bench.deliver("s-1", 5);
    let begun = bench.now;
    let held = (0..60).find_map(|_| {
        bench.source(SourcePage::Refused("no".to_owned()));
        let at = bench.now - begun;
        let held = bench.core.status().held_streams;
        bench.pass(Duration::from_secs(1));
        held.into_iter().next().map(|held| (at, held))
    });
    let text = "the source does not let this stream be read: no".to_owned();
    let (at, held) = held.unwrap();
    assert_eq!(held, ("s-1".into(), 2, HeldReason::Refused, text));
    assert!((10..20).contains(&at.as_secs()), "{at:?}");
}

#[test]
fn a_comparison_that_the_source_refuses_holds_its_stream_in_time() {
    let mut bench = Bench::looking_up(settings());
    let held = (0..60).find_map(|second| {
        bench.found(2, Vec::new());
        bench.source(SourcePage::Refused("no".to_owned()));
        let held = bench.core.status().held_streams;
        bench.pass(Duration::from_secs(1));
        held.into_iter().next().map(|held| (second, held))
    });
    let text = "the source does not let this stream be read: no".to_owned();
    let (second, held) = held.unwrap();
    assert_eq!(held, ("s-1".into(), 5, HeldReason::Refused, text));
    assert!((10..20).contains(&second), "{second}");
}

#[test]
fn a_stream_refused_after_an_outage_is_held_without_the_pauses_of_the_outage() {
    let mut bench = Bench::looking_up(settings());
    for _ in 0..12 {
        bench.looked_up(LookupResult::Failed);
        bench.pass(Duration::from_secs(31));
        bench.input(Input::Reachable {
            side: Side::Destination,
            reachable: true,
        });
    }
    let held = (0..60).find(|_| {
        bench.lookup_of("s-1", LookupResult::Refused("no".to_owned()));
        bench.pass(Duration::from_secs(1));
        !bench.core.status().held_streams.is_empty()
    });
    assert!(held.is_some_and(|seconds| seconds < 30), "{held:?}");
}

#[test]
fn lookups_that_fail_in_turn_prove_nothing_of_each_other() {
    let mut bench = Bench::joined(settings());
    bench.deliver("s-1", 5);
    bench.deliver("s-2", 5);
    bench.pass(Duration::from_secs(1));
    // One answer while both are on their way, and none after it.
    bench.input(Input::Reachable {
        side: Side::Destination,
        reachable: true,
    });
    for round in 0..40 {
        bench.pass(Duration::from_secs(4));
        bench.lookup_of(["s-1", "s-2"][round % 2], LookupResult::Failed);
    }
    assert_eq!(bench.core.status().held_streams, []);
}

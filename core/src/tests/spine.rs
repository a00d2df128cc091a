//! The way of an event when nothing is wrong.

use std::time::Duration;

use bytes::Bytes;

use super::{Bench, event, settings};
use crate::event::{Event, Item, SkipReason};
use crate::port::{AppendOutcome, CoreSettings, DuplicateReason, Input, LookupResult, Report};

#[test]
fn a_new_stream_is_looked_at_written_and_only_then_acknowledged() {
    let mut bench = Bench::joined(settings());
    bench.deliver("s-1", 0);
    assert_eq!(bench.commands(), ["look s-1 metadata"]);
    bench.looked_up(LookupResult::NotDeleted);
    assert_eq!(bench.commands(), ["append s-1 after nothing: 0"]);
    bench.written(0);
    assert_eq!(bench.commands(), ["ack 0"]);
}

#[test]
fn what_waits_is_merged_and_only_consecutive_revisions_are() {
    for (delivered, first, second) in [
        (&[1, 2, 3][..], "append s-1 after 0: 1 2 3", None),
        (
            &[1, 2, 4],
            "append s-1 after 0: 1 2",
            Some("source s-1 from 3 count 1"),
        ),
        (&[1, 2, 2, 3], "append s-1 after 0: 1 2 3", None),
        (&[3, 1, 2], "append s-1 after 0: 1 2 3", None),
    ] {
        // Something in flight keeps the rest waiting.
        let mut bench = Bench::joined(CoreSettings {
            appends_in_flight: Some(1),
            ..settings()
        });
        bench.begun("other-1");
        bench.begun("s-1");
        bench.deliver("other-1", 1);
        bench.commands();
        delivered
            .iter()
            .for_each(|revision| bench.deliver("s-1", *revision));
        bench.commands();
        bench.written(1);
        let sent: Vec<String> = bench
            .commands()
            .into_iter()
            .filter(|line| line.starts_with("append"))
            .collect();
        assert_eq!(sent, [first], "{delivered:?}");
        if let Some(second) = second {
            bench.written(2);
            assert!(
                bench.commands().iter().any(|line| line == second),
                "{delivered:?}"
            );
        }
    }
}

#[test]
fn an_append_stops_merging_at_its_limits_but_takes_one_event_always() {
    for (events, bytes, expected) in [
        (2, 1000, "1 2"),
        (500, 27, "1"),
        (500, 1, "1"),
        (500, 28, "1 2"),
    ] {
        let limits = CoreSettings {
            max_append_events: events,
            max_append_bytes: bytes,
            ..settings()
        };
        let mut bench = Bench::joined(limits);
        bench.begun("s-1");
        bench.deliver("s-1", 1);
        [2, 3]
            .iter()
            .for_each(|revision| bench.deliver("s-1", *revision));
        bench.append_answered(AppendOutcome::WrongRevision);
        bench.commands();
        // After the lookup everything waits at once.
        bench.found(0, vec![event("s-1", 0)]);
        bench.source_events(vec![event("s-1", 0)], 3);
        let sent = bench.commands().pop();
        assert_eq!(
            sent,
            Some(format!("append s-1 after 0: {expected}")),
            "{events} events, {bytes} bytes"
        );
    }
}

#[test]
fn one_append_of_a_stream_is_in_flight_and_many_streams_at_once() {
    let mut bench = Bench::joined(settings());
    ["a-1", "b-1"].iter().for_each(|stream| bench.begun(stream));
    for stream in ["a-1", "b-1"] {
        bench.deliver(stream, 1);
        bench.deliver(stream, 2);
    }
    assert_eq!(
        bench.commands(),
        ["append a-1 after 0: 1", "append b-1 after 0: 1"]
    );
    bench.written(1);
    assert_eq!(bench.commands(), ["append b-1 after 1: 2", "ack 4"]);
}

#[test]
fn a_second_delivery_joins_the_first_and_both_are_acknowledged() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.deliver("s-1", 1);
    bench.commands();
    bench.written(1);
    assert_eq!(bench.commands(), ["ack 1 2"]);
    bench.deliver("s-1", 1);
    assert_eq!(bench.commands(), ["ack 3"], "known without any I/O");
    let known = Report::Duplicate {
        stream: "s-1".into(),
        revision: 1,
        reason: DuplicateReason::Known,
    };
    assert!(bench.reports().contains(&known));
}

#[test]
fn only_the_last_events_revision_counts_as_success() {
    for answered in [0, 2, 7] {
        let mut bench = Bench::joined(settings());
        bench.begun("s-1");
        bench.deliver("s-1", 1);
        bench.commands();
        bench.written(answered);
        assert_eq!(
            bench.commands(),
            ["look s-1 from 0 count 2"],
            "answered {answered}"
        );
    }
}

#[test]
fn answers_to_unknown_ids_are_ignored() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.commands();
    bench.written(1);
    assert_eq!(bench.commands(), ["ack 1"]);
    bench.written(1);
    bench.append_answered(AppendOutcome::WrongRevision);
    bench.looked_up(LookupResult::Tombstoned);
    assert_eq!(bench.commands(), Vec::<String>::new());
}

#[test]
fn what_is_never_copied_is_acknowledged_at_once() {
    for (item, reason) in [
        (Item::Never(SkipReason::Deleted), SkipReason::Deleted),
        (Item::Event(event("$ce-x", 3)), SkipReason::SystemStream),
        (
            Item::Event(event("s-1", i64::MAX as u64)),
            SkipReason::Tombstone,
        ),
    ] {
        let mut bench = Bench::joined(settings());
        bench.deliver_as(0, item);
        assert_eq!(bench.commands(), ["ack 0"]);
        assert!(bench.reports().contains(&Report::Skipped { reason }));
    }
}

#[test]
fn a_users_link_stands_for_the_tail_of_its_stream() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver_as(7, Item::Forward("s-1".into()));
    assert_eq!(bench.commands(), ["source s-1 tail"]);
    bench.source_events(vec![event("s-1", 1)], 1);
    assert_eq!(bench.commands(), ["append s-1 after 0: 1"]);
    bench.written(1);
    assert_eq!(bench.commands(), ["ack 7"]);
}

#[test]
fn the_throttle_lets_one_event_through_at_a_time() {
    let mut bench = Bench::joined(CoreSettings {
        throttle_interval: Duration::from_millis(100),
        buffer_size: Some(10),
        ..settings()
    });
    bench.begun("s-1");
    bench.pass(Duration::from_millis(100));
    (1..=3).for_each(|revision| bench.deliver("s-1", revision));
    assert_eq!(bench.commands(), ["append s-1 after 0: 1"]);
    bench.written(1);
    assert_eq!(bench.commands(), ["ack 1"], "the next one waits");
    bench.pass(Duration::from_millis(99));
    assert_eq!(bench.commands(), Vec::<String>::new());
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.commands(), ["append s-1 after 1: 2"]);
}

#[test]
fn time_to_live_is_written_before_the_first_event() {
    let day = Duration::from_secs(86_400);
    let mut bench = Bench::joined(CoreSettings {
        time_to_live: Some(day),
        ..settings()
    });
    bench.deliver("s-1", 0);
    bench.looked_up(LookupResult::NotDeleted);
    assert_eq!(
        bench.commands(),
        ["look s-1 metadata", "metadata s-1 Some(86400s) None"]
    );
    let write = bench.last_write();
    bench.input(Input::MetadataDone {
        write,
        outcome: crate::port::MetadataOutcome::Exists,
    });
    assert_eq!(bench.commands(), ["append s-1 after nothing: 0"]);
    assert!(bench.reports().contains(&Report::MetadataKept {
        stream: "s-1".into()
    }));
}

#[test]
fn what_the_destination_has_is_acknowledged_while_more_is_sent() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.deliver("s-1", 0);
    assert_eq!(bench.commands(), ["append s-1 after 0: 1", "ack 2"]);
}

#[test]
fn more_appends_may_be_in_flight_once_others_wait_for_a_place() {
    let mut bench = Bench::joined(settings());
    let streams: Vec<String> = (0..300).map(|number| format!("s-{number}")).collect();
    for stream in &streams {
        bench.begun(stream);
    }
    assert_eq!(bench.core.status().append_limit, 256);
    for stream in &streams {
        bench.deliver(stream, 1);
    }
    let full = bench.core.status();
    assert_eq!((full.append_limit, full.appends_in_flight), (256, 256));
    bench.written(1);
    let grown = bench.core.status();
    assert_eq!((grown.append_limit, grown.appends_in_flight), (257, 257));
}

#[test]
fn a_merged_append_stays_below_a_message_of_grpc() {
    let mut bench = Bench::joined(CoreSettings {
        max_append_bytes: usize::MAX,
        ..settings()
    });
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    for revision in 2..=5 {
        bench.deliver_event(Event {
            data: Bytes::from(vec![0; 6 * 1024 * 1024]),
            ..event("s-1", revision)
        });
    }
    bench.commands();
    bench.written(1);
    assert_eq!(bench.commands(), ["append s-1 after 1: 2 3", "ack 1"]);
}

#[test]
fn every_answer_is_progress() {
    let mut bench = Bench::joined(settings());
    bench.deliver("s-1", 0);
    let progress = |bench: &Bench| bench.core.status().progress;
    let begun = progress(&bench);
    bench.looked_up(LookupResult::NotDeleted);
    assert_eq!(progress(&bench), begun + 1);
    bench.written(0);
    assert_eq!(progress(&bench), begun + 3, "written and acknowledged");
}

#[test]
fn the_compared_tail_is_known_though_older_events_wait_to_be_looked_at() {
    let mut bench = Bench::looking_up(settings());
    bench.found(4, vec![event("s-1", 4)]);
    bench.source_events(vec![event("s-1", 4)], 9);
    bench.deliver("s-1", 2);
    bench.commands();
    bench.deliver("s-1", 4);
    assert_eq!(bench.commands(), ["ack 2"]);
    bench.written(5);
    assert_eq!(bench.commands(), ["look s-1 from 1 count 2", "ack 0"]);
}

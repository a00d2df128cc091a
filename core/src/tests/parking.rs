//! Parking waits for a lookup at the queue, and a queue that is gone stops the subscription.

use std::time::Duration;

use super::lines::Lines;
use super::{Bench, event, group, settings, stranger};
use crate::event::Item;
use crate::port::{
    AppendOutcome, CoreSettings, Input, JoinRefusal, LeaveReason, LookupResult, OnConflict,
    ParkedEntry, ParkedPage, PipelineState, Report, Side,
};

const NOTHING: [String; 0] = [];

/// A stream that is held for a conflict: its delivery wants to be parked.
fn wants_to_park(on_conflict: OnConflict) -> Bench {
    let mut bench = Bench::joined(CoreSettings {
        on_conflict,
        ..settings()
    });
    bench.queue = None;
    conflicts(&mut bench);
    bench
}

fn conflicts(bench: &mut Bench) {
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.append_answered(AppendOutcome::WrongRevision);
    bench.commands();
    bench.found(1, vec![event("s-1", 0), stranger("s-1", 1)]);
}

fn queue_read(bench: &mut Bench, page: ParkedPage) {
    let read = bench.last_parked_read();
    bench.input(Input::ParkedRead { read, page });
}

fn parks(bench: &mut Bench) -> Lines {
    let mut commands = bench.commands();
    commands.retain(|line| line != "queue");
    for line in commands.iter_mut() {
        line.truncate(6);
    }
    commands
}

fn is_told(bench: &mut Bench) -> bool {
    let reports = bench.reports();
    reports
        .iter()
        .any(|report| matches!(report, Report::Parked { .. }))
}

fn stopped(bench: &Bench) -> bool {
    match bench.core.status().state {
        PipelineState::Stopped(text) => text.contains("parked queue was deleted for good"),
        _ => false,
    }
}

#[test]
fn a_copy_that_comes_after_the_parking_was_late_on_its_way() {
    let mut bench = wants_to_park(OnConflict::Park);
    queue_read(&mut bench, ParkedPage::Entries(Vec::new()));
    assert_eq!(parks(&mut bench), ["park 1"]);
    assert!(!bench.reports().contains(&Report::TimedOut { number: 1 }));
    bench.deliver_as(1, Item::Event(event("s-1", 1)));
    assert!(bench.reports().contains(&Report::TimedOut { number: 1 }));
}

#[test]
fn park_unanswered_at_the_end_of_a_session_is_read_in_time() {
    let mut bench = wants_to_park(OnConflict::Park);
    bench.pass(Duration::from_secs(10 * 60));
    bench.left(LeaveReason::Ended);
    bench.pass(Duration::from_secs(1));
    bench.join(group());
    bench.commands();
    bench.pass(Duration::from_secs(125));
    assert!(
        bench
            .commands()
            .contains(&"links from 1 count 1".to_owned()),
        "after two message timeouts, however long the session was"
    );
}

#[test]
fn parking_waits_until_the_queue_is_seen() {
    let mut bench = wants_to_park(OnConflict::Park);
    assert_eq!(bench.commands(), ["queue"]);
    assert!(!is_told(&mut bench));
    bench.deliver("s-1", 2);
    assert_eq!(bench.commands(), NOTHING, "one look at a time");
    queue_read(&mut bench, ParkedPage::Failed);
    assert_eq!(bench.commands(), NOTHING);
    bench.pass(Duration::from_millis(200));
    assert_eq!(bench.commands(), ["queue"]);
    queue_read(&mut bench, ParkedPage::Entries(Vec::new()));
    assert_eq!(parks(&mut bench), ["park 1", "park 2"]);
    assert!(is_told(&mut bench));
    // Once more, for what was parked just now.
    queue_read(&mut bench, ParkedPage::Entries(Vec::new()));
    bench.pass(Duration::from_secs(10));
    assert_eq!(bench.commands(), NOTHING);
}

#[test]
fn a_tombstoned_queue_stops_what_would_have_to_park() {
    let mut bench = wants_to_park(OnConflict::Park);
    bench.commands();
    queue_read(&mut bench, ParkedPage::Tombstoned);
    assert_eq!(bench.commands(), ["leave Stopping"], "nothing is answered");
    assert!(stopped(&bench) && !is_told(&mut bench));
    bench.left(LeaveReason::Stopping);
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.commands(), ["queue"]);
    queue_read(&mut bench, ParkedPage::Tombstoned);
    assert!(stopped(&bench));
    bench.pass(Duration::from_secs(4));
    assert_eq!(bench.commands(), ["queue"]);
    queue_read(&mut bench, ParkedPage::Entries(Vec::new()));
    assert_eq!(bench.commands(), ["ask group"]);
    bench.input(Input::GroupSeen(group()));
    assert_eq!(bench.commands(), ["join 100"]);
}

#[test]
fn a_queue_that_goes_while_ditto_parks_stops_it() {
    let mut bench = wants_to_park(OnConflict::Park);
    bench.commands();
    queue_read(&mut bench, ParkedPage::Entries(Vec::new()));
    queue_read(&mut bench, ParkedPage::Tombstoned);
    assert!(stopped(&bench));
}

#[test]
fn what_is_skipped_needs_no_queue() {
    let mut bench = wants_to_park(OnConflict::Skip);
    assert_eq!(bench.commands(), ["ack 1"]);
}

#[test]
fn a_queue_that_may_not_be_read_is_parked_in() {
    let mut bench = wants_to_park(OnConflict::Park);
    bench.commands();
    queue_read(&mut bench, ParkedPage::Denied);
    assert_eq!(parks(&mut bench), ["park 1"]);
}

#[test]
fn a_second_copy_of_what_waits_to_be_parked_is_parked_once() {
    let mut bench = wants_to_park(OnConflict::Park);
    bench.deliver_as(1, Item::Event(event("s-1", 1)));
    bench.looked_up(LookupResult::Failed);
    assert_eq!(bench.commands(), ["queue"]);
    queue_read(&mut bench, ParkedPage::Entries(Vec::new()));
    assert_eq!(parks(&mut bench), ["park 1"]);
}

#[test]
fn what_waits_to_be_parked_counts_against_the_budget() {
    let mut bench = wants_to_park(OnConflict::Park);
    bench.commands();
    let waiting = bench.core.status();
    queue_read(&mut bench, ParkedPage::Entries(Vec::new()));
    let parked = bench.commands();
    let reason = parked.of("park")[0].strip_prefix("park 1 ").unwrap();
    assert_eq!(
        (waiting.events_buffered, waiting.bytes_buffered),
        (1, crate::ENTRY_OVERHEAD + reason.len())
    );
    let left = bench.core.status();
    assert_eq!((left.events_buffered, left.bytes_buffered), (0, 0));
    assert_eq!(left.progress, waiting.progress + 1);
    assert_eq!(left.done_up_to, Some(1));
}

#[test]
fn what_came_after_the_look_waits_for_the_next() {
    let mut bench = wants_to_park(OnConflict::Park);
    bench.deliver("s-1", 2);
    for expected in ["park 1", "park 2"] {
        bench.commands();
        queue_read(&mut bench, ParkedPage::Entries(Vec::new()));
        assert_eq!(parks(&mut bench), [expected]);
    }
}

#[test]
fn a_queue_that_cannot_be_read_is_tried_ever_less_often() {
    let mut bench = wants_to_park(OnConflict::Park);
    for after in [200, 400, 800, 1600] {
        bench.commands();
        queue_read(&mut bench, ParkedPage::Failed);
        let state = bench.core.status().state;
        assert_eq!(state, PipelineState::Retrying(Side::Source));
        bench.pass(Duration::from_millis(after - 1));
        assert_eq!(bench.commands(), NOTHING, "{after} ms");
        bench.pass(Duration::from_millis(1));
        assert_eq!(bench.commands(), ["queue"], "{after} ms");
    }
}

#[test]
fn park_unanswered_at_the_end_of_a_session_comes_again() {
    let mut bench = wants_to_park(OnConflict::Park);
    bench.left(LeaveReason::BufferSize);
    bench.commands();
    let status = bench.core.status();
    queue_read(&mut bench, ParkedPage::Entries(Vec::new()));
    assert_eq!(bench.commands(), NOTHING);
    assert_eq!((status.events_buffered, status.bytes_buffered), (0, 0));
    assert_eq!(status.done_up_to, Some(0));
    bench.join(group());
    bench.deliver_as(1, Item::Event(event("s-1", 1)));
    assert_eq!(bench.commands(), ["queue"]);
    queue_read(&mut bench, ParkedPage::Entries(Vec::new()));
    assert_eq!(parks(&mut bench), ["park 1"]);
    assert_eq!(bench.core.status().done_up_to, Some(1));
}

#[test]
fn a_standby_does_not_stop_for_a_queue_that_is_gone() {
    let mut bench = wants_to_park(OnConflict::Park);
    bench.left(LeaveReason::BufferSize);
    bench.input(Input::Refused {
        why: JoinRefusal::Taken,
    });
    queue_read(&mut bench, ParkedPage::Tombstoned);
    assert_eq!(bench.core.status().state, PipelineState::Standby);
}

#[test]
fn a_queue_that_may_not_be_read_is_not_read_again() {
    let mut bench = Bench::joined(settings());
    bench.queue = None;
    queue_read(&mut bench, ParkedPage::Denied);
    conflicts(&mut bench);
    let mut commands = bench.commands();
    commands.iter_mut().for_each(|line| line.truncate(6));
    assert_eq!(commands, ["park 1"]);
}

#[test]
fn a_queue_is_looked_at_where_its_unread_entries_begin() {
    let mut bench = Bench::joined(settings());
    bench.queue = None;
    let own = |entry| ParkedEntry {
        entry,
        reason: "ditto: conflict".to_owned(),
        item: Item::Event(event("s-1", 1)),
    };
    queue_read(&mut bench, ParkedPage::Entries(vec![own(6), own(7)]));
    assert_eq!(bench.commands(), ["parked from 8"]);
    queue_read(&mut bench, ParkedPage::Entries(Vec::new()));
    conflicts(&mut bench);
    assert_eq!(bench.commands(), ["queue from 8"]);
}

#[test]
fn conflict_found_after_the_session_parks_nothing() {
    let mut bench = Bench::joined(settings());
    bench.queue = None;
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.append_answered(AppendOutcome::WrongRevision);
    bench.left(LeaveReason::BufferSize);
    bench.join(group());
    bench.commands();
    bench.found(1, vec![event("s-1", 0), stranger("s-1", 1)]);
    assert_eq!(bench.commands(), NOTHING);
    let status = bench.core.status();
    assert_eq!((status.events_buffered, status.done_up_to), (0, Some(0)));
}

#[test]
fn a_queue_that_is_gone_hides_no_other_reason_to_be_stopped() {
    let mut bench = wants_to_park(OnConflict::Park);
    bench.left(LeaveReason::BufferSize);
    bench.input(Input::Refused {
        why: JoinRefusal::Missing,
    });
    let before = bench.core.status().state;
    queue_read(&mut bench, ParkedPage::Tombstoned);
    assert_eq!(bench.core.status().state, before);
    assert!(!stopped(&bench));
}

//! Parking waits for a look at the queue, and a queue that is gone stops the subscription.

use std::time::Duration;

use super::super::port::{
    AppendOutcome, CoreSettings, Input, LookResult, OnConflict, ParkedPage, PipelineState, Tell,
};
use super::{Bench, event, group, settings, stranger};
use crate::event::Item;

const NOTHING: [String; 0] = [];

/// A stream that is held for a conflict: its delivery wants to be parked.
fn wants_to_park(on_conflict: OnConflict) -> Bench {
    let mut bench = Bench::joined(CoreSettings {
        on_conflict,
        ..settings()
    });
    bench.queue = None;
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    bench.append_answered(AppendOutcome::WrongRevision);
    bench.commands();
    bench.found(1, vec![event("s-1", 0), stranger("s-1", 1)]);
    bench
}

fn queue_read(bench: &mut Bench, page: ParkedPage) {
    let read = bench.last_read();
    bench.input(Input::ParkedRead { read, page });
}

fn parks(bench: &mut Bench) -> Vec<String> {
    let mut commands = bench.commands();
    commands.retain(|line| line != "queue");
    for line in &mut commands {
        line.truncate(6);
    }
    commands
}

fn is_told(bench: &mut Bench) -> bool {
    let tells = bench.tells();
    tells.iter().any(|tell| matches!(tell, Tell::Parked { .. }))
}

fn stopped(bench: &Bench) -> bool {
    match bench.core.status().state {
        PipelineState::Stopped(text) => text.contains("parked queue was deleted for good"),
        _ => false,
    }
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
    bench.left(super::super::port::LeaveReason::Stopping);
    bench.pass(Duration::from_secs(30));
    assert_eq!(bench.commands(), ["queue"]);
    queue_read(&mut bench, ParkedPage::Tombstoned);
    assert!(stopped(&bench));
    bench.pass(Duration::from_secs(30));
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
    bench.looked(LookResult::Failed);
    assert_eq!(bench.commands(), ["queue"]);
    queue_read(&mut bench, ParkedPage::Entries(Vec::new()));
    assert_eq!(parks(&mut bench), ["park 1"]);
}

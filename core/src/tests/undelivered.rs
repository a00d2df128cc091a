//! Holes in the group's numbers, and events that the server parked by itself.

use std::time::Duration;

use super::{Bench, event, group, settings};
use crate::event::{Item, SkipReason};
use crate::port::{
    CoreSettings, GroupSeen, Input, JoinRefusal, LeaveReason, LinkPage, LookupResult,
    MetadataOutcome, OnMissingHistory, ParkedEntry, ParkedPage, ReadId, Report, SourcePage,
};
use crate::stall::StallDetector;

pub(super) fn links(bench: &mut Bench, items: Vec<(u64, Item)>) {
    let page = LinkPage::Items { items, last: 100 };
    let read = bench.last_read();
    bench.input(Input::LinksRead { read, page });
}

#[test]
fn what_lies_between_the_checkpoint_and_the_first_delivery_is_read_at_once() {
    let mut bench = Bench::joined_to(
        settings(),
        GroupSeen {
            checkpoint: Some(9),
            ..group()
        },
    );
    bench.deliver_as(12, Item::Event(event("s-1", 2)));
    assert_eq!(
        bench.commands(),
        ["look s-1 from 1 count 2", "links from 10 count 2"]
    );
    links(
        &mut bench,
        vec![
            (10, Item::Event(event("s-2", 0))),
            (11, Item::Never(SkipReason::Unresolved)),
        ],
    );
    assert_eq!(bench.commands(), ["look s-2 metadata"]);
    bench.looked_up(LookupResult::NotDeleted);
    bench.written(0);
    assert_eq!(
        bench.commands(),
        ["append s-2 after nothing: 0"],
        "nothing to acknowledge"
    );
    assert!(bench.reports().contains(&Report::Hole {
        number: 10,
        stream: "s-2".into(),
        revision: 0
    }));
    assert_eq!(bench.core.status().done_up_to, Some(11));
}

#[test]
fn a_hole_that_the_destination_has_is_not_counted() {
    let mut bench = Bench::joined_to(
        settings(),
        GroupSeen {
            checkpoint: Some(9),
            ..group()
        },
    );
    bench.deliver_as(11, Item::Event(event("s-1", 0)));
    links(&mut bench, vec![(10, Item::Event(event("s-2", 3)))]);
    bench.found(3, vec![event("s-2", 3)]);
    assert!(
        !bench
            .reports()
            .iter()
            .any(|report| matches!(report, Report::Hole { .. }))
    );
    assert_eq!(bench.core.status().done_up_to, Some(10));
}

#[test]
fn a_later_hole_is_read_after_twice_the_message_timeout() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver_as(3, Item::Event(event("s-1", 1)));
    bench.written(1);
    bench.commands();
    bench.pass(Duration::from_secs(119));
    assert_eq!(bench.commands(), Vec::<String>::new());
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.commands(), ["links from 1 count 2"]);
}

#[test]
fn a_group_that_is_quiet_at_first_is_read_up_to_its_streams_last_number() {
    let mut bench = Bench::joined_to(
        settings(),
        GroupSeen {
            checkpoint: Some(4),
            last_number: Some(7),
            ..group()
        },
    );
    bench.pass(Duration::from_millis(4900));
    assert_eq!(bench.commands(), Vec::<String>::new());
    bench.pass(Duration::from_millis(100));
    assert_eq!(bench.commands(), ["links from 5 count 3"]);
    links(&mut bench, Vec::new());
    assert_eq!(
        bench.core.status().done_up_to,
        Some(7),
        "what cannot be read any more is closed"
    );
}

#[test]
fn what_the_server_parked_by_itself_is_copied_and_what_ditto_parked_is_not() {
    let mut bench = Bench::joined(settings());
    let entry = |entry, reason: &str, revision| ParkedEntry {
        entry,
        reason: reason.to_owned(),
        item: Item::Event(event("s-1", revision)),
    };
    let read: ReadId = bench.last_parked_read();
    let page = ParkedPage::Entries(vec![
        entry(
            0,
            "Client explicitly NAK'ed message.\nditto: conflict: x",
            0,
        ),
        entry(1, "Reached retry count of 10", 1),
    ]);
    bench.input(Input::ParkedRead { read, page });
    assert_eq!(
        bench.commands(),
        ["look s-1 from 0 count 2", "parked from 2"],
        "a page may have ended early"
    );
    let read = bench.last_parked_read();
    bench.input(Input::ParkedRead {
        read,
        page: ParkedPage::Entries(Vec::new()),
    });
    assert_eq!(bench.commands(), Vec::<String>::new());
    let reported = Report::ServerParked {
        entry: 1,
        reason: "Reached retry count of 10".to_owned(),
        never: None,
    };
    assert!(bench.reports().contains(&reported));
    let seen = |bench: &mut Bench, parked| {
        bench.input(Input::GroupSeen(GroupSeen { parked, ..group() }));
        bench.commands()
    };
    assert_eq!(seen(&mut bench, 0), [""; 0], "no more than before");
    assert_eq!(seen(&mut bench, 3), ["parked from 2"]);
    assert_eq!(seen(&mut bench, 4), [""; 0], "one read at a time");
    let read = bench.last_parked_read();
    let page = ParkedPage::Entries(Vec::new());
    bench.input(Input::ParkedRead { read, page });
    assert_eq!(bench.commands(), ["parked from 2"]);
}

#[test]
fn a_parked_entry_without_an_event_is_not_reported_as_copied() {
    let mut bench = Bench::joined(settings());
    let read = bench.last_parked_read();
    let unresolved = ParkedEntry {
        entry: 0,
        item: Item::Never(SkipReason::Unresolved),
        reason: "Reached retry count of 10".to_owned(),
    };
    bench.input(Input::ParkedRead {
        read,
        page: ParkedPage::Entries(vec![unresolved]),
    });
    let reported = Report::ServerParked {
        entry: 0,
        reason: "Reached retry count of 10".to_owned(),
        never: Some(SkipReason::Unresolved),
    };
    assert!(bench.reports().contains(&reported));
}

#[test]
fn a_parked_stream_that_may_not_be_read_is_said_once() {
    let mut bench = Bench::joined(settings());
    let read = bench.last_parked_read();
    bench.input(Input::ParkedRead {
        read,
        page: ParkedPage::Denied,
    });
    bench.input(Input::GroupSeen(GroupSeen {
        parked: 3,
        ..group()
    }));
    let said = bench
        .reports()
        .iter()
        .filter(|report| matches!(report, Report::ParkedUnreadable))
        .count();
    assert_eq!(said, 1);
}

#[test]
fn a_delivery_that_was_let_go_does_not_keep_a_quiet_group_from_being_read() {
    let mut bench = Bench::looking_up(CoreSettings {
        on_missing_history: OnMissingHistory::Fill,
        ..settings()
    });
    bench.looked_up(LookupResult::NotFound);
    bench.source(SourcePage::SoftDeleted);
    let write = bench.last_write();
    bench.input(Input::MetadataDone {
        write,
        outcome: MetadataOutcome::Exists,
    });
    // Its placeholder is on its way: it is not kept, and comes again.
    bench.deliver("s-1", 3);
    bench.written(5);
    bench.input(Input::GroupSeen(GroupSeen {
        last_number: Some(4),
        ..group()
    }));
    bench.commands();
    joins_again_when_quiet(&mut bench);
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.commands(), ["links from 2 count 3"]);
    links(&mut bench, Vec::new());
    bench.pass(Duration::from_secs(85));
    assert_eq!(bench.commands(), ["links from 1 count 1"]);
}

/// Half a minute without a delivery.
fn joins_again_when_quiet(bench: &mut Bench) {
    bench.pass(Duration::from_secs(29));
    assert_eq!(bench.commands(), [""; 0]);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.commands(), ["leave Quiet"]);
    bench.left(LeaveReason::Quiet);
    assert_eq!(bench.commands(), ["join 100"]);
    bench.join(GroupSeen {
        last_number: bench.core.status().last_number,
        ..group()
    });
    assert_eq!(bench.commands(), [""; 0]);
}

/// Seconds until the stall detector ends it, at most ten minutes; every five the group is looked at.
fn seconds_until_stall(bench: &mut Bench, group: &GroupSeen) -> Option<u64> {
    let mut detector = StallDetector::new(bench.now);
    (1..=600).find(|second| {
        bench.pass(Duration::from_secs(1));
        if second % 5 == 0 {
            bench.input(Input::GroupSeen(group.clone()));
        }
        detector.is_stalled(bench.now, &bench.core.status())
    })
}

/// A group that begins at the end of a stream whose last number is this, and has no checkpoint.
fn from_the_end(last: u64) -> GroupSeen {
    GroupSeen {
        start: None,
        last_number: Some(last),
        ..group()
    }
}

#[test]
fn a_quiet_group_that_begins_at_the_end_is_not_stalled() {
    let mut bench = Bench::joined_to(settings(), from_the_end(9));
    assert_eq!(seconds_until_stall(&mut bench, &from_the_end(9)), None);
    assert_eq!(bench.core.status().done_up_to, Some(9));
    assert_eq!(bench.commands(), [""; 0], "nothing is read");
}

#[test]
fn what_a_group_from_the_end_leaves_out_is_read() {
    let mut bench = Bench::joined_to(settings(), from_the_end(9));
    bench.pass(Duration::from_secs(10));
    bench.input(Input::GroupSeen(from_the_end(11)));
    assert_eq!(bench.commands(), ["links from 10 count 2"]);
}

#[test]
fn a_quiet_group_is_joined_again_then_read_and_no_stall() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.input(Input::GroupSeen(GroupSeen {
        last_number: Some(1),
        ..group()
    }));
    joins_again_when_quiet(&mut bench);
    let seen = GroupSeen {
        last_number: Some(1),
        ..group()
    };
    assert_eq!(
        seconds_until_stall(&mut bench, &seen),
        Some(64),
        "a minute after the read that nobody answers"
    );
    assert_eq!(bench.commands(), ["links from 1 count 1"]);
}

#[test]
fn a_standby_that_takes_over_gives_the_group_its_first_seconds_again() {
    let behind = GroupSeen {
        checkpoint: Some(4),
        last_number: Some(7),
        ..group()
    };
    let mut bench = Bench::joined(settings());
    bench.pass(Duration::from_secs(60));
    bench.left(LeaveReason::BufferSize);
    bench.input(Input::Refused {
        why: JoinRefusal::Taken,
    });
    bench.pass(Duration::from_secs(2));
    bench.join(behind);
    bench.commands();
    bench.pass(Duration::from_millis(4_999));
    assert_eq!(bench.commands(), [""; 0]);
    bench.pass(Duration::from_millis(1_001));
    assert_eq!(bench.commands(), ["links from 5 count 3"]);
}

#[test]
fn session_with_deliveries_that_wait_is_not_quiet() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.input(Input::GroupSeen(GroupSeen {
        last_number: Some(4),
        ..group()
    }));
    bench.deliver("s-2", 3);
    bench.looked_up(LookupResult::NotFound);
    bench.commands();
    bench.pass(Duration::from_secs(100));
    assert_eq!(bench.commands(), [""; 0], "its repair is slow");
}

#[test]
fn quiet_begins_at_the_last_delivery() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.pass(Duration::from_secs(20));
    bench.deliver("s-1", 1);
    bench.written(1);
    bench.input(Input::GroupSeen(GroupSeen {
        last_number: Some(2),
        ..group()
    }));
    bench.commands();
    joins_again_when_quiet(&mut bench);
}

#[test]
fn a_standby_reads_the_parked_queue_from_its_beginning() {
    let mut bench = Bench::joined(settings());
    let read = bench.last_parked_read();
    let entry = ParkedEntry {
        entry: 7,
        reason: "ditto: conflict".to_owned(),
        item: Item::Event(event("s-1", 0)),
    };
    let page = ParkedPage::Entries(vec![entry]);
    bench.input(Input::ParkedRead { read, page });
    assert_eq!(bench.commands(), ["parked from 8"]);
    let read = bench.last_parked_read();
    let page = ParkedPage::Entries(Vec::new());
    bench.input(Input::ParkedRead { read, page });
    bench.left(LeaveReason::BufferSize);
    bench.input(Input::Refused {
        why: JoinRefusal::Taken,
    });
    bench.pass(Duration::from_secs(2));
    bench.commands();
    bench.join(group());
    // Its read from the first entry on is in every join and left out of the log.
    assert_ne!(bench.last_read(), read);
    assert_eq!(bench.commands(), [""; 0]);
}

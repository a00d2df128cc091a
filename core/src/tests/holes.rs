//! Holes in the group's numbers: which are read, when, and how much of a page counts.
//!
//! Never waits for a group that is quiet: that is in `sweeping`.

use std::time::Duration;

use bytes::Bytes;

use super::undelivered::links;
use super::{Bench, event, group, settings};
use crate::event::{Event, Item, SkipReason, TOMBSTONE_REVISION};
use crate::port::{GroupSeen, Input, LeaveReason, LinkPage, LookupResult, ParkedPage, Report};
use crate::{ENTRY_OVERHEAD, RESERVE_BYTES};

#[test]
fn hole_page_of_a_node_that_is_behind_closes_nothing() {
    for page in [
        LinkPage::Items {
            items: Vec::new(),
            last: 1,
        },
        LinkPage::NotFound,
    ] {
        let mut bench = Bench::joined(settings());
        bench.deliver_as(3, Item::Event(event("s-1", 0)));
        assert_eq!(bench.commands().of("links"), ["links from 0 count 3"]);
        let read = bench.last_read();
        bench.input(Input::LinksRead { read, page });
        bench.pass(Duration::from_millis(200));
        assert_eq!(bench.commands(), ["links from 0 count 3"]);
    }
}

#[test]
fn holes_are_read_only_while_the_reserve_has_room() {
    let mut bench = Bench::joined_to(
        settings(),
        GroupSeen {
            checkpoint: Some(0),
            ..group()
        },
    );
    bench.deliver_as(6, Item::Event(event("s-9", 0)));
    bench.lookup_of("s-9", LookupResult::NotDeleted);
    let large = |number: u64| {
        let large = Event {
            data: Bytes::from(vec![0; RESERVE_BYTES / 4]),
            ..event(&format!("s-{number}"), 0)
        };
        (number, Item::Event(large))
    };
    bench.commands();
    links(&mut bench, vec![large(1)]);
    assert_eq!(
        bench.commands(),
        ["look s-1 metadata", "links from 2 count 4"],
        "half of the reserve is free for holes"
    );
    links(&mut bench, vec![large(2)]);
    assert_eq!(bench.commands(), ["look s-2 metadata"]);
    bench.lookup_of("s-1", LookupResult::NotDeleted);
    bench.written(0);
    assert_eq!(
        bench.commands(),
        ["append s-1 after nothing: 0", "links from 3 count 3"]
    );
}

#[test]
fn a_number_delivered_while_its_page_is_read_is_no_hole() {
    let mut bench = Bench::joined_to(
        settings(),
        GroupSeen {
            checkpoint: Some(9),
            ..group()
        },
    );
    bench.deliver_as(12, Item::Event(event("s-9", 0)));
    let read = bench.last_read();
    bench.deliver_as(10, Item::Event(event("s-1", 0)));
    let before = bench.core.status().progress;
    bench.input(Input::LinksRead {
        read,
        page: LinkPage::Items {
            items: vec![(10, Item::Event(event("s-1", 0)))],
            // The last that was asked for is the last there is: the node is not behind.
            last: 11,
        },
    });
    assert_eq!(bench.core.status().progress, before + 1, "a page is one");
    bench.lookup_of("s-1", LookupResult::NotDeleted);
    bench.written(0);
    assert!(
        !bench
            .reports()
            .iter()
            .any(|report| matches!(report, Report::Hole { .. }))
    );
}

#[test]
fn pages_that_fail_are_read_ever_less_often() {
    let mut holes = Bench::joined(settings());
    holes.deliver_as(3, Item::Event(event("s-1", 0)));
    holes.lookup_of("s-1", LookupResult::NotDeleted);
    let mut parked = Bench::joined(settings());
    let last = |bench: &Bench, holes: bool| {
        if holes {
            bench.last_read()
        } else {
            bench.last_parked_read()
        }
    };
    let fails = |bench: &mut Bench, holes: bool| {
        let read = last(bench, holes);
        bench.input(if holes {
            let page = LinkPage::Failed;
            Input::LinksRead { read, page }
        } else {
            let page = ParkedPage::Failed;
            Input::ParkedRead { read, page }
        });
    };
    for after in [200, 400, 800, 1600] {
        for (bench, are_holes) in [(&mut holes, true), (&mut parked, false)] {
            fails(bench, are_holes);
            let read = last(bench, are_holes);
            bench.pass(Duration::from_millis(after - 1));
            assert_eq!(last(bench, are_holes), read, "{after} ms");
            bench.pass(Duration::from_millis(1));
            assert_ne!(last(bench, are_holes), read, "{after} ms");
        }
    }
}

#[test]
fn a_tombstone_on_a_page_covers_no_number() {
    let mut bench = Bench::joined(settings());
    bench.deliver_as(3, Item::Event(event("s-1", 0)));
    bench.lookup_of("s-1", LookupResult::NotDeleted);
    bench.commands();
    links(
        &mut bench,
        vec![
            (0, Item::Never(SkipReason::Unresolved)),
            (TOMBSTONE_REVISION, Item::Never(SkipReason::Tombstone)),
        ],
    );
    assert_eq!(bench.commands(), ["links from 1 count 2"]);
}

#[test]
fn holes_are_read_only_while_joined_and_not_stopping() {
    for stops in [true, false] {
        let mut bench = Bench::joined(settings());
        bench.deliver_as(3, Item::Event(event("s-1", 0)));
        let read = bench.last_read();
        bench.lookup_of("s-1", LookupResult::NotDeleted);
        if stops {
            let deadline = Duration::from_secs(60);
            bench.input(Input::Stop { deadline });
        } else {
            bench.left(LeaveReason::Ended);
        }
        let page = LinkPage::Failed;
        bench.input(Input::LinksRead { read, page });
        bench.pass(Duration::from_secs(5));
        let commands = bench.commands();
        let again = commands.iter().filter(|line| line.starts_with("links"));
        assert_eq!(again.count(), 1, "{commands:?}");
    }
}

#[test]
fn a_page_that_names_more_than_was_asked_for_brings_no_more() {
    let mut bench = Bench::joined(settings());
    bench.deliver_as(1, Item::Event(event("s-9", 0)));
    assert_eq!(bench.commands().of("links"), ["links from 0 count 1"]);
    let read = bench.last_read();
    bench.deliver_as(4, Item::Event(event("s-8", 0)));
    bench.commands();
    let items = vec![
        (0, Item::Event(event("s-0", 0))),
        (2, Item::Event(event("s-2", 0))),
    ];
    let page = LinkPage::Items { items, last: 4 };
    bench.input(Input::LinksRead { read, page });
    assert_eq!(bench.commands(), ["look s-0 metadata"]);
}

#[test]
fn deliveries_that_wait_are_not_paid_from_the_reserve() {
    let mut bench = Bench::joined_to(
        settings(),
        GroupSeen {
            checkpoint: Some(0),
            ..group()
        },
    );
    let large = Event {
        data: Bytes::from(vec![0; RESERVE_BYTES]),
        ..event("s-1", 0)
    };
    bench.deliver_as(4, Item::Event(large));
    assert_eq!(
        bench.commands(),
        ["look s-1 metadata", "links from 1 count 3"]
    );
}

#[test]
fn a_full_reserve_leaves_one_repair_its_page() {
    // It has room for a page of a quarter MiB of each of sixteen repairs.
    assert!((4 * 1024 * 1024..64 * 1024 * 1024).contains(&RESERVE_BYTES));
    let mut bench = Bench::joined_to(
        settings(),
        GroupSeen {
            checkpoint: Some(0),
            ..group()
        },
    );
    bench.deliver_as(3, Item::Event(event("s-9", 0)));
    bench.lookup_of("s-9", LookupResult::NotDeleted);
    bench.written(0);
    let large = |number: u64| {
        let large = Event {
            data: Bytes::from(vec![0; RESERVE_BYTES / 2 - ENTRY_OVERHEAD - "tested".len()]),
            ..event(&format!("s-{number}"), 0)
        };
        (number, Item::Event(large))
    };
    bench.deliver_as(4, Item::Event(event("s-8", 0)));
    bench.lookup_of("s-8", LookupResult::NotDeleted);
    bench.written(0);
    links(&mut bench, vec![large(1), large(2)]);
    bench.commands();
    bench.deliver_as(5, Item::Event(event("s-9", 2)));
    bench.deliver_as(6, Item::Event(event("s-8", 2)));
    assert_eq!(bench.commands(), ["source s-9 from 1 count 1"]);
    bench.source_events(vec![event("s-9", 1)], 2);
    assert_eq!(
        bench.commands(),
        ["append s-9 after 0: 1 2", "source s-8 from 1 count 1"]
    );
}

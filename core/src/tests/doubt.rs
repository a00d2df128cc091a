//! Until it is known that nothing below is lost, nothing is acknowledged or parked.

use std::time::Duration;

use super::lines::Lines;
use super::unseen::category;
use super::{Bench, event, group};
use crate::event::{Item, SkipReason};
use crate::port::{CoreSettings, GroupSeen, Input, LeaveReason, LinkPage, LookupResult};

/// A group with a checkpoint at 3, on a stream of which 4 is the first readable number.
fn behind_the_checkpoint() -> Bench {
    let seen = GroupSeen {
        checkpoint: Some(3),
        last_number: Some(5),
        ..group()
    };
    let mut bench = Bench::joined_to(category(), seen);
    let read = bench.last_read();
    let items = vec![(4, Item::Never(SkipReason::Unresolved))];
    bench.input(Input::LinksRead {
        read,
        page: LinkPage::Items { items, last: 5 },
    });
    bench
}

#[test]
fn a_link_that_the_group_drops_is_copied_before_acknowledging() {
    let mut bench = behind_the_checkpoint();
    assert_eq!(bench.commands(), ["links from 4 count 1"], "at once");
    let read = bench.last_read();
    bench.deliver_as(5, Item::Event(event("s-1", 0)));
    bench.looked_up(LookupResult::NotDeleted);
    bench.written(0);
    assert!(!bench.commands().contains(&"ack 5".to_owned()));
    let items = vec![(4, Item::Event(event("s-2", 0)))];
    bench.input(Input::LinksRead {
        read,
        page: LinkPage::Items { items, last: 5 },
    });
    bench.looked_up(LookupResult::NotDeleted);
    assert!(!bench.commands().contains(&"ack 5".to_owned()));
    bench.written(0);
    assert_eq!(bench.commands(), ["ack 5"]);
}

#[test]
fn a_link_that_the_group_delivers_needs_no_waiting() {
    let mut bench = behind_the_checkpoint();
    bench.deliver_as(4, Item::Event(event("s-1", 0)));
    bench.deliver_as(5, Item::Event(event("s-2", 0)));
    bench.looked_up(LookupResult::NotDeleted);
    bench.commands();
    bench.written(0);
    assert_eq!(bench.commands(), ["ack 5"]);
}

#[test]
fn a_delivery_that_comes_again_in_doubt_is_not_looked_for() {
    let mut bench = Bench::joined(CoreSettings {
        known_streams: 1,
        ..category()
    });
    let read = bench.last_read();
    for (number, stream) in [(0, "s-1"), (1, "s-2")] {
        bench.deliver_as(number, Item::Event(event(stream, 0)));
        bench.looked_up(LookupResult::NotDeleted);
        bench.written(0);
    }
    bench.commands();
    bench.deliver_as(0, Item::Event(event("s-1", 0)));
    assert_eq!(bench.commands(), [""; 0], "its answer waits");
    let items = vec![(0, Item::Never(SkipReason::Unresolved))];
    bench.input(Input::LinksRead {
        read,
        page: LinkPage::Items { items, last: 1 },
    });
    assert_eq!(bench.commands(), ["ack 0 1"]);
    // Sent now: what comes again is delivered again, and judged like any other.
    bench.deliver_as(0, Item::Event(event("s-1", 0)));
    assert_ne!(bench.commands(), [""; 0]);
}

#[test]
fn first_readable_number_that_cannot_be_read_is_asked_for_ever_less_often() {
    let mut bench = Bench::joined(category());
    let pauses: Vec<u128> = (0..4)
        .map(|_| {
            bench.input(Input::LinksRead {
                read: bench.last_read(),
                page: LinkPage::Failed,
            });
            let failed = bench.now;
            while !bench.commands().iter().any(|line| line.contains("link")) {
                bench.pass(Duration::from_millis(100));
            }
            (bench.now - failed).as_millis()
        })
        .collect();
    assert_eq!(pauses, [200, 400, 800, 1_600]);
}

#[test]
fn a_delivery_that_comes_again_in_doubt_is_acknowledged_once() {
    let mut bench = Bench::joined(category());
    let read = bench.last_read();
    for _ in 0..2 {
        bench.deliver_as(0, Item::Never(SkipReason::Unresolved));
    }
    bench.commands();
    let items = vec![(0, Item::Never(SkipReason::Unresolved))];
    bench.input(Input::LinksRead {
        read,
        page: LinkPage::Items { items, last: 1 },
    });
    assert_eq!(bench.commands(), ["ack 0"]);
}

#[test]
fn parking_waits_until_the_first_number_is_known() {
    let mut bench = Bench::joined(category());
    let read = bench.last_read();
    bench.deliver("s-1", 0);
    bench.looked_up(LookupResult::Tombstoned);
    let parks = |commands: Lines| commands.iter().any(|line| line.starts_with("park 0"));
    assert!(!parks(bench.commands()));
    let items = vec![(0, Item::Never(SkipReason::Unresolved))];
    bench.input(Input::LinksRead {
        read,
        page: LinkPage::Items { items, last: 1 },
    });
    assert!(parks(bench.commands()));
}

#[test]
fn a_first_number_that_is_not_written_yet_is_not_read_at_once() {
    let beyond = GroupSeen {
        start: Some(3),
        last_number: Some(1),
        ..group()
    };
    let nothing = LinkPage::Items {
        items: Vec::new(),
        last: 1,
    };
    let mut bench = Bench::joined_to(category(), beyond.clone());
    bench.input(Input::LinksRead {
        read: bench.last_read(),
        page: nothing.clone(),
    });
    bench.left(LeaveReason::BufferSize);
    bench.join(GroupSeen {
        checkpoint: Some(1),
        ..beyond
    });
    bench.commands();
    bench.input(Input::LinksRead {
        read: bench.last_read(),
        page: nothing,
    });
    bench.pass(Duration::from_secs(10));
    let commands = bench.commands();
    let reads = |line: &String| line.starts_with("links from 2");
    assert!(!commands.iter().any(reads), "{commands:?}");
}

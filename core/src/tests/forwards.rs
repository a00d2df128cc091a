//! Users' links inside a category stream: the tail that one stands for is read, a few at once, and copied.
//!
//! Never reads a link: the harness hands over what `decode` made of it.

use std::time::Duration;

use super::{Bench, event, events, group, settings};
use crate::event::{Item, StreamName};
use crate::port::{
    AppendOutcome, GroupSeen, HeldReason, Input, LinkPage, LookupResult, PipelineState, ReadId,
    Side, SourcePage,
};

const NOTHING: [String; 0] = [];

fn refused() -> SourcePage {
    SourcePage::Refused("no".to_owned())
}

/// A group behind whose checkpoint a delivery left one number out: a link to the tail of "s-1", which is read now.
fn hole() -> Bench {
    let mut bench = Bench::joined_to(
        settings(),
        GroupSeen {
            checkpoint: Some(9),
            ..group()
        },
    );
    bench.deliver_as(11, Item::Event(event("s-9", 0)));
    bench.lookup_of("s-9", LookupResult::NotDeleted);
    bench.append_answered(AppendOutcome::Written(0));
    bench
}

/// Answers the read of the lacking number, which is this one.
fn hand_over_link(bench: &mut Bench, read: ReadId) {
    let page = LinkPage::Items {
        items: vec![(10, Item::Forward("s-1".into()))],
        last: 11,
    };
    bench.commands();
    bench.input(Input::LinksRead { read, page });
    assert_eq!(bench.commands(), ["source s-1 tail"]);
}

fn held(bench: &Bench) -> Vec<(StreamName, u64, HeldReason)> {
    let held = bench.core.status().held_streams.into_iter();
    held.map(|(stream, revision, reason, _)| (stream, revision, reason))
        .collect()
}

#[test]
fn sixteen_tails_are_read_at_once() {
    let mut bench = Bench::joined(settings());
    for stream in 0..20 {
        let item = Item::Forward(format!("s-{stream}").as_str().into());
        bench.deliver_as(stream, item);
    }
    let reads: Vec<String> = (0..16).map(|n| format!("source s-{n} tail")).collect();
    assert_eq!(bench.commands(), reads);
    bench.source(SourcePage::SoftDeleted);
    assert_eq!(bench.commands(), ["source s-16 tail", "ack 15"]);
}

#[test]
fn a_link_taken_back_while_its_tail_is_read_is_answered_once() {
    let mut bench = Bench::joined(settings());
    bench.deliver_as(0, Item::Forward("s-1".into()));
    bench.deliver_as(0, Item::Forward("s-1".into()));
    assert_eq!(bench.commands(), ["source s-1 tail"]);
    bench.deliver_as(1, Item::Forward("s-1".into()));
    assert_eq!(bench.commands(), ["source s-1 tail"], "another link");
    bench.source(SourcePage::SoftDeleted);
    assert_eq!(bench.commands(), ["ack 1"]);
}

#[test]
fn a_tail_that_is_refused_again_and_again_is_parked() {
    let mut bench = Bench::joined(settings());
    bench.deliver_as(0, Item::Forward("s-1".into()));
    let mut waited = Vec::new();
    for _ in 0..6 {
        bench.commands();
        bench.source(refused());
        waited.extend((1..60).find(|_| {
            bench.pass(Duration::from_secs(1));
            bench.commands() != NOTHING
        }));
    }
    assert_eq!(waited, [1, 1, 1, 2, 4, 7], "ever less often");
    let state = bench.core.status().state;
    assert_eq!(state, PipelineState::Retrying(Side::Source));
    bench.source(refused());
    let parked = "park 0 ditto: stream s-1: the source does not let this stream be read, which ditto needs to copy the event of a link: no";
    assert_eq!(bench.commands(), [parked]);

    bench.deliver_as(1, Item::Forward("s-1".into()));
    bench.commands();
    bench.source(refused());
    assert_eq!(
        bench.commands(),
        [parked.replace("park 0", "park 1")],
        "the next one at once"
    );

    bench.deliver_as(2, Item::Forward("s-1".into()));
    bench.source(SourcePage::Events {
        last: 0,
        events: vec![event("s-1", 0)],
    });
    bench.deliver_as(3, Item::Forward("s-1".into()));
    bench.commands();
    bench.source(refused());
    assert_eq!(bench.commands(), NOTHING, "readable in between");
}

#[test]
fn an_undelivered_link_to_a_denied_tail_holds_its_stream() {
    let mut unknown = hole();
    let read = unknown.last_read();
    hand_over_link(&mut unknown, read);
    unknown.source(SourcePage::Denied);
    assert_eq!(held(&unknown), [("s-1".into(), 0, HeldReason::Refused)]);
    assert_eq!(unknown.core.status().done_up_to, Some(11));

    let mut aligned = hole();
    let read = aligned.last_read();
    aligned.begun("s-1");
    assert_eq!(aligned.last_read(), read);
    hand_over_link(&mut aligned, read);
    aligned.source(SourcePage::Denied);
    assert_eq!(held(&aligned), [("s-1".into(), 1, HeldReason::Refused)]);
}

#[test]
fn a_stream_is_held_for_a_link_only_once_its_append_is_answered() {
    let mut bench = hole();
    let read = bench.last_read();
    bench.begun("s-1");
    bench.deliver("s-1", 1);
    assert_eq!(bench.last_read(), read);
    hand_over_link(&mut bench, read);
    bench.source(SourcePage::Denied);
    assert_eq!(held(&bench), []);
    bench.written(1);
    bench.pass(Duration::from_secs(1));
    bench.source(SourcePage::Denied);
    assert_eq!(held(&bench), [("s-1".into(), 2, HeldReason::Refused)]);
}

#[test]
fn a_held_stream_acknowledges_what_the_destination_has() {
    let mut bench = hole();
    let read = bench.last_read();
    bench.begun("s-1");
    assert_eq!(bench.last_read(), read);
    hand_over_link(&mut bench, read);
    bench.source(SourcePage::Denied);
    bench.commands();
    bench.pass(Duration::from_secs(61));
    bench.commands();
    bench.deliver_as(13, Item::Event(event("s-1", 0)));
    assert_eq!(bench.commands(), ["ack 13"], "without another look");
    bench.deliver_as(14, Item::Event(event("s-1", 1)));
    assert_ne!(bench.commands(), ["ack 14"]);
}

#[test]
fn a_tail_of_a_node_that_is_behind_is_read_again_and_copied() {
    let mut bench = Bench::joined(settings());
    bench.deliver_as(0, Item::Forward("s-1".into()));
    for page in [SourcePage::NotFound, SourcePage::Failed] {
        bench.commands();
        bench.source(page);
        assert_eq!(bench.commands(), NOTHING);
        bench.pass(Duration::from_secs(1));
        assert_eq!(bench.commands(), ["source s-1 tail"]);
    }
    bench.source_events(events("s-1", [0]), 0);
    assert_eq!(bench.commands(), ["look s-1 metadata"]);
}

#[test]
fn a_held_stream_keeps_its_reason_when_a_link_is_denied() {
    let mut bench = hole();
    let read = bench.last_read();
    bench.begun("s-1");
    bench.deliver_as(13, Item::Event(event("s-1", 1)));
    assert_eq!(bench.last_read(), read);
    bench.append_answered(AppendOutcome::Refused("no".to_owned()));
    bench.ends_with("s-1", 0);
    let before = bench.core.status().held_streams;
    assert_eq!(before.len(), 1);
    hand_over_link(&mut bench, read);
    bench.source(SourcePage::Denied);
    assert_eq!(bench.core.status().held_streams, before);
}

#[test]
fn many_links_in_back_off_keep_no_new_one_from_being_read() {
    let mut bench = Bench::joined(settings());
    for number in 0..100 {
        bench.deliver_as(number, Item::Forward(format!("s-{number}").as_str().into()));
        bench.source(SourcePage::Failed);
    }
    bench.commands();
    bench.deliver_as(100, Item::Forward("s-100".into()));
    let mut read = bench.commands();
    for _ in 0..3 {
        bench.input(Input::Tick);
        read.extend(bench.commands());
    }
    assert!(read.contains(&"source s-100 tail".to_owned()), "{read:?}");
}

//! Each row is something that a real server was seen to hand over (protocol §6, §8).

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::{resolve, stream_of};
use crate::eventstore::client::ResolvedRecord;
use ditto_core::event::{Event, Item, SkipReason, StreamName, TOMBSTONE_REVISION};

fn event(stream: &str, revision: u64) -> Event {
    Event {
        id: Uuid::from_u128(u128::from(revision) + 1),
        stream: StreamName::from(stream),
        revision,
        event_type: Arc::from("customer_registered"),
        is_json: true,
        data: Bytes::from_static(b"{}"),
        metadata: Bytes::new(),
        created: 17_000_000_000_000_000,
    }
}

fn link(text: &str, metadata: &str) -> Event {
    Event {
        event_type: Arc::from("$>"),
        is_json: false,
        data: Bytes::copy_from_slice(text.as_bytes()),
        metadata: Bytes::copy_from_slice(metadata.as_bytes()),
        ..event("$ce-customer", 16)
    }
}

fn check(name: &str, link: Option<Event>, event: Option<Event>, expected: Item) {
    assert_eq!(resolve(ResolvedRecord { event, link }), expected, "{name}");
}

fn never(reason: SkipReason) -> Item {
    Item::Never(reason)
}

#[test]
fn events_are_copied_whatever_their_type() {
    let target = event("customer-1", 3);
    let by_category = link(
        "3@customer-1",
        r#"{"$v":"3:-1:1:4","$o":"customer-1","$causedBy":"x"}"#,
    );
    check(
        "through a category",
        Some(by_category),
        Some(target.clone()),
        Item::Event(target.clone()),
    );
    let by_type = link("3@customer-1", r#"{"$v":"3:-1:1:4","$c":1,"$p":1}"#);
    check(
        "through an index without $o",
        Some(by_type),
        Some(target.clone()),
        Item::Event(target.clone()),
    );
    check(
        "without a link",
        None,
        Some(target.clone()),
        Item::Event(target),
    );

    for event_type in ["$streamDeleted", "$metadata", "$>", "$@", ""] {
        let odd = Event {
            event_type: Arc::from(event_type),
            ..event("customer-1", 3)
        };
        check(event_type, None, Some(odd.clone()), Item::Event(odd));
    }
    let at_sign = event("a@b@c", 0);
    let through = link("0@a@b@c", r#"{"$o":"a@b@c"}"#);
    check(
        "a name with @",
        Some(through),
        Some(at_sign.clone()),
        Item::Event(at_sign),
    );
}

#[test]
fn deletions_and_system_streams_are_never_copied() {
    let rows = [
        (
            "soft-delete notice that resolves to the metadata",
            Some(link(
                "0@$$customer-1",
                r#"{"$o":"$$customer-1","$deleted":-1}"#,
            )),
            Some(event("$$customer-1", 0)),
            SkipReason::Deleted,
        ),
        (
            "soft-delete notice whose metadata is gone",
            Some(link(
                "0@$$customer-1",
                r#"{"$o":"$$customer-1","$deleted":-1}"#,
            )),
            None,
            SkipReason::Deleted,
        ),
        (
            "tombstone notice",
            Some(link(
                "9223372036854775807@customer-1",
                r#"{"$o":"customer-1","$deleted":-1}"#,
            )),
            None,
            SkipReason::Deleted,
        ),
        (
            "link to a tombstone without a note",
            Some(link("9223372036854775807@customer-1", "{}")),
            None,
            SkipReason::Tombstone,
        ),
        (
            "tombstone itself",
            None,
            Some(event("customer-1", TOMBSTONE_REVISION)),
            SkipReason::Tombstone,
        ),
        (
            "a revision that no event has",
            None,
            Some(event("customer-1", TOMBSTONE_REVISION + 1)),
            SkipReason::Tombstone,
        ),
        (
            "metadata stream",
            None,
            Some(event("$$customer-1", 0)),
            SkipReason::SystemStream,
        ),
        (
            "link to a system stream",
            Some(link("4@$stats-1", "{}")),
            Some(event("$stats-1", 4)),
            SkipReason::SystemStream,
        ),
        (
            "link to a system stream that is gone",
            Some(link("4@$stats-1", "{}")),
            None,
            SkipReason::SystemStream,
        ),
        (
            "a link that stands in a system stream",
            Some(link("4@customer-1", r#"{"$o":"$index-x"}"#)),
            Some(event("customer-1", 4)),
            SkipReason::SystemStream,
        ),
    ];
    for (name, link, event, reason) in rows {
        check(name, link, event, never(reason));
    }
}

#[test]
fn what_a_link_points_to_may_be_gone() {
    let rows = [
        (
            "truncated target",
            link("3@customer-1", r#"{"$o":"customer-1"}"#),
        ),
        ("no metadata", link("3@customer-1", "")),
        ("a text that is no link", link("rubbish", "")),
        (
            "a text that is no UTF-8",
            Event {
                data: Bytes::from_static(b"\xff@x"),
                ..link("", "")
            },
        ),
    ];
    for (name, link) in rows {
        check(name, Some(link), None, never(SkipReason::Unresolved));
    }
    check("nothing at all", None, None, never(SkipReason::Unresolved));
}

/// Links that no server can follow.
const NAME_NOTHING: [&str; 4] = [
    "1@",
    "9223372036854775808@customer-1",
    "18446744073709551615@customer-1",
    "99999999999999999999999@customer-1",
];

#[test]
fn link_that_names_nothing_is_never_copied() {
    for text in NAME_NOTHING {
        check(
            text,
            Some(link(text, "")),
            None,
            never(SkipReason::Unresolved),
        );
        assert_eq!(stream_of(&link(text, "")), None, "{text}");
    }
}

#[test]
fn a_users_own_link_stands_for_the_stream_that_holds_it() {
    let own = || link("5@other-1", r#"{"$o":"customer-7","$causedBy":"x"}"#);
    let expected = || Item::Forward(StreamName::from("customer-7"));
    check(
        "target readable",
        Some(own()),
        Some(event("other-1", 5)),
        expected(),
    );
    check("target gone", Some(own()), None, expected());
    check(
        "a link to a system stream",
        Some(link("4@$stats-1", r#"{"$o":"customer-7"}"#)),
        Some(event("$stats-1", 4)),
        expected(),
    );
}

#[test]
fn metadata_that_is_no_note_says_nothing() {
    for metadata in [
        r#"["$deleted"]"#,
        r#"{"$o":7}"#,
        r#"{"$o":""}"#,
        "\u{feff}{}",
        "{\"$deleted\"",
        "text",
    ] {
        let target = event("customer-1", 3);
        check(
            metadata,
            Some(link("3@customer-1", metadata)),
            Some(target.clone()),
            Item::Event(target),
        );
    }
}

#[test]
fn a_link_that_was_not_followed_names_its_stream() {
    let named = |stream: &str, revision| Some((StreamName::from(stream), revision));
    let ordinary = event("customer-1", 3);
    let rows = [
        ("an event", ordinary, named("customer-1", Some(3))),
        (
            "a category's link",
            link("3@customer-1", r#"{"$o":"customer-1"}"#),
            named("customer-1", Some(3)),
        ),
        ("an index's link", link("3@a@b", ""), named("a@b", Some(3))),
        (
            "a user's link in a category",
            link("3@other", r#"{"$o":"customer-1"}"#),
            named("customer-1", None),
        ),
        (
            "a deletion",
            link("0@$$customer-1", r#"{"$o":"customer-1","$deleted":-1}"#),
            None,
        ),
        ("a system stream", link("0@$users", ""), None),
        ("rubbish", link("rubbish", ""), None),
        (
            "an event that only looks like a link",
            Event {
                event_type: "note".into(),
                ..event("3@customer-1", 0)
            },
            named("3@customer-1", Some(0)),
        ),
    ];
    for (name, record, expected) in rows {
        assert_eq!(stream_of(&record), expected, "{name}");
    }
}

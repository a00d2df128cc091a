//! What a group reads of a store: history, live events, links. Never runs a group.

use super::*;
use crate::filter::FilterOn;
use crate::store::{Expected, Proposed};
use bytes::Bytes;
use uuid::Uuid;

fn settings(resolve_links: bool) -> Settings {
    Settings {
        resolve_links,
        start: Position::Stream(0),
        extra_statistics: false,
        message_timeout_ms: 0,
        max_retry_count: 0,
        checkpoint_after_ms: 0,
        min_checkpoint_count: 0,
        max_checkpoint_count: 0,
        max_subscriber_count: 0,
        live_buffer_size: 0,
        read_batch_size: 20,
        history_buffer_size: 500,
        strategy: Strategy::DispatchToSingle,
    }
}

fn write(store: &Store, stream: &str, event_type: &str, data: &str, count: usize) {
    let event = || Proposed {
        id: Uuid::new_v4(),
        event_type: event_type.into(),
        is_json: event_type == "$metadata",
        data: Bytes::copy_from_slice(data.as_bytes()),
        metadata: Bytes::new(),
    };
    let events = (0..count).map(|_| event()).collect();
    store.append(stream, Expected::Any, events).unwrap();
}

fn stream(store: &Store, name: &str) -> Reader {
    Reader::new(
        store.clone(),
        Source::Stream(name.to_owned()),
        &settings(true),
    )
}

fn all(store: &Store, prefix: &str) -> Reader {
    let filter = Filter::new(FilterOn::Stream, "", vec![prefix.to_owned()]).unwrap();
    Reader::new(store.clone(), Source::All(Some(filter)), &settings(false))
}

/// `event`, `link event`, `link` or what was skipped, of each record.
fn shapes(live: Vec<Live>) -> Vec<String> {
    let shape = |live| match live {
        Live::Skipped(_) => "skipped".to_owned(),
        Live::Item(item) => shape(&item),
    };
    live.into_iter().map(shape).collect()
}

fn shape(item: &Item<Payload>) -> String {
    let (event, link) = (&item.payload.event, &item.payload.link);
    let names = [
        link.as_ref().map(|_| "link"),
        event.as_ref().map(|_| "event"),
    ];
    names.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

#[test]
fn live_events_come_whatever_metadata_hides_and_a_tombstone_once() {
    let store = Store::new();
    write(&store, "$$s", "$metadata", r#"{"$maxCount":1}"#, 1);
    let mut reader = stream(&store, "s");
    assert!(reader.live(10).is_none());
    write(&store, "s", "happened", "", 3);
    assert_eq!(reader.live(2).unwrap().len(), 2);
    store.tombstone("s", Expected::Any).unwrap();
    assert_eq!(
        reader.live(10).unwrap().len(),
        2,
        "the third event and the tombstone"
    );
    assert!(reader.live(10).is_none());
    assert!(
        reader.page(Position::Stream(0), 10).is_none(),
        "history cannot be read any more"
    );
    assert!(
        stream(&store, "s").live(10).is_none(),
        "a later group does not get it"
    );
}

#[test]
fn links_are_followed_and_bare_ones_look_different_when_live() {
    let store = Store::new();
    let mut reader = stream(&store, "links");
    write(&store, "target", "happened", "", 1);
    for text in ["0@target", "7@target", "rubbish"] {
        write(&store, "links", "$>", text, 1);
    }
    assert_eq!(
        shapes(reader.live(10).unwrap()),
        ["link event", "link", "link"]
    );
    let page = reader.page(Position::Stream(0), 10).unwrap();
    assert_eq!(
        page.items.iter().map(shape).collect::<Vec<_>>(),
        ["link event", "link", "event"]
    );
    assert!(page.end);
}

#[test]
fn a_filtered_group_sees_what_it_leaves_out_as_skipped_and_its_own_streams_not_at_all() {
    let store = Store::new();
    let mut reader = all(&store, "a");
    write(&store, "b", "happened", "", 2);
    let hidden = store.end();
    write(
        &store,
        "$persistentsubscription-$all::g-checkpoint",
        "SubscriptionCheckpoint",
        "",
        1,
    );
    write(&store, "a", "happened", "", 1);
    let live = reader.live(100).unwrap();
    let is_hidden =
        |live: &Live| matches!(live, Live::Skipped(position) if *position == at(hidden));
    assert!(!live.iter().any(is_hidden));
    let shapes = shapes(live);
    assert!(shapes.contains(&"skipped".to_owned()));
    assert_eq!(shapes.iter().filter(|shape| *shape == "event").count(), 1);
    let page = reader
        .page(
            Position::All {
                commit: 0,
                prepare: 0,
            },
            10,
        )
        .unwrap();
    assert_eq!((page.items.len(), page.end, page.skipped), (1, true, None));
    let page = all(&store, "c")
        .page(
            Position::All {
                commit: 0,
                prepare: 0,
            },
            10,
        )
        .unwrap();
    let from = Position::All {
        commit: 0,
        prepare: 0,
    };
    assert!(
        matches!(page.skipped, Some((at, count)) if at == from && count >= 3),
        "{:?}",
        page.skipped
    );
}

#[test]
fn a_page_ends_with_its_last_match_and_the_next_goes_on_behind() {
    let store = Store::new();
    for name in ["a-1", "b-1", "a-2", "a-3", "b-2"] {
        write(&store, name, "happened", "", 1);
    }
    let reader = all(&store, "a-");
    let (mut from, mut found) = (
        Position::All {
            commit: 0,
            prepare: 0,
        },
        Vec::new(),
    );
    loop {
        let page = reader.page(from, 2).unwrap();
        assert!(page.items.len() <= 2);
        found.extend(page.items.iter().filter_map(|item| {
            item.payload
                .event
                .as_ref()
                .map(|event| event.stream.to_string())
        }));
        from = page.next;
        if page.end {
            break;
        }
    }
    assert_eq!(found, ["a-1", "a-2", "a-3"]);
}

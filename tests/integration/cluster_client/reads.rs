//! Reads against the development server: where a stream begins and ends, and what its links point to. Never writes but
//! to set the scene.

use bytes::Bytes;
use devstore::Server;
use ditto::eventstore::client::{Client, Direction, StartAt, StreamPage};
use ditto_core::event::{Event, StreamName};
use ditto_core::port::Expected;

use super::{event, page, server, soon};

/// A stream of 40 events of which the first 30 cannot be read any more, and one that is tombstoned.
async fn truncated() -> (Server, Client) {
    let (server, client) = server().await;
    let stream = StreamName::from("customer-1");
    let stored: Vec<Event> = (0..40).map(|number| event(&stream, number * 2)).collect();
    soon(client.append(&stream, Expected::NoStream, &stored))
        .await
        .unwrap();
    let metadata = Event {
        event_type: "$metadata".into(),
        data: Bytes::from_static(b"{\"$tb\":30}"),
        ..event(&stream.metadata_stream(), 0)
    };
    soon(client.append(&stream.metadata_stream(), Expected::NoStream, &[metadata]))
        .await
        .unwrap();
    server
        .store()
        .tombstone("gone", devstore::store::Expected::NoStream)
        .unwrap();
    (server, client)
}

type Shape = (Option<u64>, usize, Option<u64>, Option<u64>);

fn shape(page: StreamPage) -> Shape {
    let StreamPage::Found {
        records,
        first,
        last,
    } = page
    else {
        panic!("{page:?}")
    };
    let revisions: Vec<u64> = records
        .iter()
        .filter_map(|r| r.event.as_ref())
        .map(|e| e.revision)
        .collect();
    (revisions.first().copied(), revisions.len(), first, last)
}

#[tokio::test]
async fn pages_tell_where_a_stream_begins_and_ends() {
    let (_server, client) = truncated().await;
    let (at, end) = (StartAt::Revision, StartAt::End);
    let (forwards, backwards) = (Direction::Forwards, Direction::Backwards);
    for (start, direction, count, expected) in [
        (
            StartAt::Start,
            forwards,
            100,
            (Some(30), 10, None, Some(39)),
        ),
        (at(0), forwards, 5, (Some(30), 5, Some(30), Some(39))),
        (at(35), forwards, 2, (Some(35), 2, None, Some(39))),
        (at(90), forwards, 2, (None, 0, Some(40), Some(39))),
        (end, backwards, 3, (Some(39), 3, None, Some(39))),
        (at(31), backwards, 9, (Some(31), 2, None, Some(39))),
    ] {
        let page = page(&client, "customer-1", start, direction, count).await;
        assert_eq!(shape(page), expected, "{start:?} {direction:?} {count}");
    }
}

#[tokio::test]
async fn missing_and_tombstoned_streams_are_told_apart() {
    let (_server, client) = truncated().await;
    for (name, expected) in [
        ("missing", StreamPage::NotFound),
        ("gone", StreamPage::Tombstoned),
    ] {
        let page = page(&client, name, StartAt::End, Direction::Backwards, 1).await;
        assert_eq!(page, expected);
    }
    for (name, last) in [("customer-1", Some(39)), ("missing", None), ("gone", None)] {
        assert_eq!(
            soon(client.last_revision(&name.into())).await,
            Ok(last),
            "{name}"
        );
    }
}

#[tokio::test]
async fn links_are_followed_as_far_as_their_targets_can_be_read() {
    let (_server, client) = truncated().await;
    let page = page(
        &client,
        "$ce-customer",
        StartAt::Start,
        Direction::Forwards,
        100,
    )
    .await;
    let StreamPage::Found { records, .. } = page else {
        panic!("{page:?}")
    };
    assert_eq!(records.len(), 40);
    for (number, record) in (0..).zip(&records) {
        assert_eq!(record.original().map(|link| link.revision), Some(number));
        let target = record.event.as_ref().map(|event| event.revision);
        assert_eq!(target, (number >= 30).then_some(number));
    }
}

//! What is read of a stream beside its events, from a development server over real sockets: how it ends whatever it shows, who
//! deleted it, and its last event. Never asserts a duration.

use devstore::store::{Expected, Proposed, Store};
use ditto::destination::Destination;
use ditto::destination::event_store::EventStore;
use ditto::eventstore::Side;
use ditto::eventstore::client::StreamState;
use ditto_core::port::{LogPosition, LookupRange, LookupResult};

use crate::support::servers::client;
use crate::support::{Servers, seed, write_metadata};

const DELETED: &str = r#"{"$tb":9223372036854775807}"#;

fn delete(store: &Store, stream: &str) {
    store.delete(stream, Expected::Any).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn state_of_a_stream_is_read_whatever_it_shows() {
    let servers = Servers::start().await;
    let there = servers.destination.store();
    seed(there, "live", 3);
    seed(there, "cut", 3);
    write_metadata(there, "cut", r#"{"$tb":3}"#);
    seed(there, "deleted", 3);
    delete(there, "deleted");
    write_metadata(there, "never", DELETED);
    write_metadata(there, "told", r#"{"$maxCount":1}"#);
    for stream in ["gone", "größe"] {
        seed(there, stream, 1);
        there.tombstone(stream, Expected::Exact(0)).unwrap();
    }
    let client = client(Side::Destination, &servers.destination);
    for (stream, expected) in [
        ("live", (Some(2), false)),
        ("cut", (Some(2), false)),
        ("deleted", (Some(2), true)),
        ("never", (None, true)),
        ("told", (None, false)),
        ("nothing", (None, false)),
    ] {
        let told = match client.stream_state(&stream.into()).await.unwrap() {
            StreamState::Shown { last, .. } => (last, false),
            StreamState::SoftDeleted { last, .. } => (last, true),
            StreamState::Tombstoned => panic!("{stream}"),
        };
        assert_eq!(told, expected, "{stream}");
    }
    for stream in ["gone", "größe"] {
        let state = client.stream_state(&stream.into()).await;
        assert_eq!(state, Ok(StreamState::Tombstoned), "{stream}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lookup_tells_whose_a_deletion_is() {
    let servers = Servers::start().await;
    let there = servers.destination.store();
    let deleted = |stream: &str, events, note: &'static str| {
        seed(there, stream, events);
        let deletion = Proposed {
            metadata: note.into(),
            ..Store::json_event("$metadata", DELETED)
        };
        let metadata = format!("$${stream}");
        there
            .append(&metadata, Expected::Any, vec![deletion])
            .unwrap();
    };
    let note = r#"{"$ditto":{"position":[7,7],"revision":3,"last":1}}"#;
    let empty = r#"{"$ditto":{"position":[7,7],"revision":3}}"#;
    deleted("mirrored", 2, note);
    deleted("never", 0, empty);
    deleted("filled", 2, empty);
    deleted("foreign", 2, r#"{"mine":1}"#);
    deleted("hidden", 2, r#"{"$ditto":{"fill":1}}"#);
    let destination = EventStore::new(client(Side::Destination, &servers.destination));
    for (stream, to) in [
        ("mirrored", Some(Some(1))),
        ("never", Some(None)),
        ("filled", None),
        ("foreign", None),
        ("hidden", None),
    ] {
        let forwards = LookupRange::Forwards { from: 0, count: 1 };
        for range in [LookupRange::Metadata, forwards] {
            let found = destination.lookup(stream.into(), range, 1_000).await;
            let LookupResult::SoftDeleted(by) = found else {
                panic!("{stream}: {found:?}");
            };
            assert_eq!(by.map(|by| by.to), to, "{stream}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn last_record_before_a_place_is_found_whatever_the_stream_shows() {
    let servers = Servers::start().await;
    let source = servers.source.store();
    for stream in ["a.b", "a-b", "axb", "a.b\n"] {
        seed(source, stream, 3);
        delete(source, stream);
        seed(source, stream, 1);
    }
    let client = client(Side::Source, &servers.source);
    for stream in ["a.b", "a-b", "axb", "a.b\n"] {
        let deletion = source.appended(&format!("$${stream}"), 0, 1);
        let before = LogPosition {
            commit: deletion[0].position,
            prepare: deletion[0].position,
        };
        let found = client
            .last_record(&stream.into(), Some(before))
            .await
            .unwrap();
        let found = found.map(|found| (found.event.stream, found.event.revision));
        assert_eq!(found, Some((stream.into(), 2)), "{stream:?}");
        let newest = client
            .newest_record(&format!("$${stream}").as_str().into())
            .await;
        let newest = newest.unwrap().map(|found| found.event.revision);
        assert_eq!(newest, Some(1), "{stream:?}");
        for (revision, expected) in [(None, 3), (Some(3), 3), (Some(1), 1)] {
            let found = client.last_event(&stream.into(), None, revision).await;
            let found = found.unwrap().map(|found| found.event.revision);
            assert_eq!(found, Some(expected), "{stream:?} {revision:?}");
        }
        let first = source.appended(stream, 0, 1)[0].position;
        let before = LogPosition {
            commit: first,
            prepare: first,
        };
        assert_eq!(
            client.last_record(&stream.into(), Some(before)).await,
            Ok(None)
        );
        let none = client
            .last_event(&stream.into(), Some(before), Some(1))
            .await;
        assert_eq!(none, Ok(None), "{stream:?}");
        // A tombstone is no event.
        source.tombstone(stream, Expected::Any).unwrap();
        let found = client.last_event(&stream.into(), None, None).await;
        let found = found.unwrap().map(|found| found.event.revision);
        assert_eq!(found, Some(3), "{stream:?}");
    }
}

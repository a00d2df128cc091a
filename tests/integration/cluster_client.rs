//! Ditto's own client against the development server: what is written is what is read, calls that end leave nothing
//! behind. Never asserts a duration: times are deadlines of waits.

mod ends;
mod log;
mod reads;
mod search;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use devstore::{Options, Server};
use ditto::config::cluster::{ClusterKeys, ClusterSettings, ConnectionString};
use ditto::eventstore::Side;
use ditto::eventstore::client::{
    BatchAppender, BatchOptions, Client, Direction, ReadStream, StartAt, StreamPage,
};
use ditto::eventstore::crate_client::CrateClient;
use ditto_core::event::{Event, StreamName};
use ditto_core::port::{Answer, Append, AppendId, AppendOutcome, Expected};
use uuid::Uuid;

use crate::support::servers::played;

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what)
        .await
        .expect("it never came")
}

async fn server() -> (Server, Client) {
    server_with(played(Options::default())).await
}

async fn server_with(options: Options) -> (Server, Client) {
    let server = Server::start(options).await.unwrap();
    let string = ConnectionString::parse(&server.connection_string()).unwrap();
    let settings = ClusterSettings::new(string, ClusterKeys::default()).unwrap();
    (server, Client::connect(Side::Destination, settings))
}

fn event(stream: &StreamName, revision: u64) -> Event {
    Event {
        id: Uuid::new_v4(),
        stream: stream.clone(),
        revision,
        event_type: format!("type-{}", revision % 3).into(),
        is_json: revision.is_multiple_of(2),
        data: Bytes::from(if revision.is_multiple_of(2) {
            format!("{{\"n\":{revision}}}")
        } else {
            String::new()
        }),
        metadata: Bytes::from(vec![0, 255, 10][..(revision % 4).min(3) as usize].to_vec()),
        created: 0,
    }
}

fn big(stream: &StreamName, bytes: usize) -> Event {
    Event {
        data: Bytes::from(vec![b'x'; bytes]),
        ..event(stream, 0)
    }
}

fn expected(before: u64) -> Expected {
    before
        .checked_sub(1)
        .map_or(Expected::NoStream, Expected::Exact)
}

fn append(tag: u64, stream: &StreamName, events: &[Event]) -> Append {
    let first = events.first().map_or(0, |event| event.revision);
    Append {
        id: AppendId(tag),
        stream: stream.clone(),
        expected: expected(first),
        events: events.to_vec(),
        alone: false,
    }
}

async fn answered(appender: &mut BatchAppender) -> (u64, AppendOutcome) {
    match soon(appender.next()).await {
        Answer::Appended { append, outcome } => (append.0, outcome),
        ended @ Answer::CallEnded { .. } => panic!("{ended:?}"),
    }
}

async fn page(
    client: &Client,
    stream: &str,
    start: StartAt,
    direction: Direction,
    count: u64,
) -> StreamPage {
    let (stream, resolve_links, max_bytes) = (stream.into(), true, usize::MAX);
    soon(client.read_stream(ReadStream {
        stream,
        start,
        direction,
        count,
        resolve_links,
        max_bytes,
    }))
    .await
    .unwrap()
}

async fn events(client: &Client, stream: &StreamName) -> Vec<Event> {
    match page(
        client,
        stream.as_str(),
        StartAt::Start,
        Direction::Forwards,
        10_000,
    )
    .await
    {
        StreamPage::Found { records, .. } => records
            .into_iter()
            .filter_map(|record| record.event)
            .collect(),
        other => panic!("{stream}: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_appended_in_batches_is_read_back_unchanged() {
    for lanes in [1, 3] {
        let (server, client) = server().await;
        let mut appender = BatchAppender::new(
            &client,
            BatchOptions {
                lanes,
                ..BatchOptions::default()
            },
        );
        let names = ["customer-1", "Kunde-ä€ @", " ", "a b-c", "$x"].map(StreamName::from);
        let more = (0..100).map(|number| StreamName::new(format!("order-{number}")));
        let streams: Vec<StreamName> = names.into_iter().chain(more).collect();
        let written: BTreeMap<StreamName, Vec<Event>> = streams
            .into_iter()
            .map(|stream| {
                (
                    stream.clone(),
                    (0..10).map(|revision| event(&stream, revision)).collect(),
                )
            })
            .collect();
        for part in [0..3, 3..4, 4..10] {
            for (tag, (stream, events)) in written.iter().enumerate() {
                appender.submit(append(tag as u64, stream, &events[part.clone()]));
            }
            let last = part.end as u64 - 1;
            let mut tags = BTreeSet::new();
            while appender.in_flight() > 0 {
                let (tag, outcome) = answered(&mut appender).await;
                assert_eq!(outcome, AppendOutcome::Written(last));
                assert!(tags.insert(tag), "{tag} was answered twice");
            }
            assert_eq!(tags.len(), written.len());
        }
        assert_eq!(server.counters().batch_calls, lanes as u64);
        for (stream, sent) in &written {
            let read = events(&client, stream).await;
            assert_eq!(read.len(), sent.len());
            for (read, sent) in read.iter().zip(sent) {
                assert_eq!(
                    (read.id, &read.stream, read.revision),
                    (sent.id, stream, sent.revision)
                );
                assert!(
                    read.same_content(sent) && read.created > 0,
                    "{read:?} is not {sent:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn refusals_are_told_apart() {
    // The newer server takes larger appends than a message may hold.
    let (server, client) = server_with(Options::default()).await;
    let mut appender = BatchAppender::new(&client, BatchOptions::default());
    let (plain, gone) = (StreamName::from("s"), StreamName::from("gone"));
    let stored: Vec<Event> = (0..3).map(|revision| event(&plain, revision)).collect();
    assert_eq!(
        soon(client.append(&plain, Expected::NoStream, &stored)).await,
        Ok(2)
    );
    server
        .store()
        .tombstone("gone", devstore::store::Expected::NoStream)
        .unwrap();
    for (append, outcome) in [
        (append(1, &plain, &stored), AppendOutcome::Written(2)),
        (append(2, &plain, &stored[1..]), AppendOutcome::Present(2)),
        (
            append(3, &plain, &[event(&plain, 1)]),
            AppendOutcome::WrongRevision,
        ),
        (
            append(4, &plain, &[event(&plain, 7)]),
            AppendOutcome::WrongRevision,
        ),
        (
            append(
                5,
                &plain,
                &[Event {
                    revision: 3,
                    ..big(&plain, (1 << 20) + 1)
                }],
            ),
            AppendOutcome::TooLarge {
                limit: Some(1 << 20),
            },
        ),
        (
            append(
                6,
                &plain,
                &[Event {
                    revision: 3,
                    ..big(&plain, 1 << 20)
                }],
            ),
            AppendOutcome::Written(3),
        ),
        (append(7, &gone, &[event(&gone, 0)]), AppendOutcome::Deleted),
    ] {
        let alone = client.append_outcome(&append.stream, append.expected, &append.events);
        let alone = soon(alone).await;
        // Only batch calls tell what was there before.
        let plainly = match outcome {
            AppendOutcome::Present(last) => AppendOutcome::Written(last),
            ref other => other.clone(),
        };
        assert_eq!(alone, plainly, "alone, {}", append.id.0);
        let tag = append.id.0;
        appender.submit(append);
        assert_eq!(answered(&mut appender).await, (tag, outcome), "in a batch");
    }
    assert_eq!(server.counters().batch_calls, 1);
}

#[tokio::test]
async fn append_stored_before_it_was_sent_is_told_apart() {
    let (_server, client) = server().await;
    let (shared, own) = (StreamName::from("s"), StreamName::from("own"));
    let [first, second]: [Event; 2] = [0, 1].map(|revision| event(&shared, revision));
    let mut ditto = BatchAppender::new(&client, BatchOptions::default());
    ditto.submit(append(1, &own, &[event(&own, 0)]));
    assert_eq!(answered(&mut ditto).await, (1, AppendOutcome::Written(0)));
    let mut other = BatchAppender::new(&client, BatchOptions::default());
    other.submit(append(2, &shared, std::slice::from_ref(&first)));
    assert_eq!(answered(&mut other).await, (2, AppendOutcome::Written(0)));
    // Stored after all that this call knows of: by whom, the answer does not say.
    ditto.submit(append(3, &shared, std::slice::from_ref(&first)));
    assert_eq!(answered(&mut ditto).await, (3, AppendOutcome::Written(0)));
    other.submit(append(4, &shared, std::slice::from_ref(&second)));
    assert_eq!(answered(&mut other).await, (4, AppendOutcome::Written(1)));
    ditto.submit(append(5, &own, &[event(&own, 1)]));
    assert_eq!(answered(&mut ditto).await, (5, AppendOutcome::Written(1)));
    ditto.submit(append(6, &shared, std::slice::from_ref(&second)));
    assert_eq!(answered(&mut ditto).await, (6, AppendOutcome::Present(1)));
    // The log of another server may begin again.
    let mut next = BatchAppender::new(&client, BatchOptions::default());
    next.submit(append(7, &shared, &[second]));
    assert_eq!(answered(&mut next).await, (7, AppendOutcome::Written(1)));
}

#[tokio::test]
async fn the_leader_its_features_and_the_crates_client() {
    let (server, client) = server().await;
    let features = soon(client.features()).await.unwrap();
    assert!(features.batch_append);
    let version = played(Options::default()).server.version();
    assert_eq!(features.version, version);
    soon(client.probe()).await.unwrap();
    let leader = soon(client.leader()).await.unwrap();
    assert_eq!(leader.to_string(), server.address().to_string());
    let made = soon(CrateClient::new(&client)).await.unwrap();
    assert!(made.credentials.is_none());
    soon(made.client.server_info()).await.unwrap();
}

//! The development server as the crate eventstore sees it: a smoke test of what applications do. Its sisters are
//! `test_kurrentdbclient.py` and `db-client.cjs`. Never asks for what a real server would not do.

// The helpers of a test may fail it, like the test itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::future::Future;
use std::time::Duration;

use eventstore::{
    AppendToStreamOptions, Client, DeleteStreamOptions, Error, EventData, ExpectedRevision,
    NakAction, PersistentSubscriptionOptions, ReadStreamOptions, ResolvedEvent,
    StreamMetadataBuilder, StreamMetadataResult, StreamPosition, SubscribeToAllOptions,
    SubscribeToStreamOptions, SubscriptionFilter, TombstoneStreamOptions,
};
use serde_json::json;
use uuid::Uuid;

/// How long anything here may take; the crate itself waits for ever (protocol §11 T26).
const LIMIT: Duration = Duration::from_secs(30);

/// A fresh server, a client of it, and the name of a stream of its own.
async fn fresh() -> (devstore::Server, Client, String) {
    let server = devstore::Server::start(devstore::Options::default())
        .await
        .unwrap();
    let settings = server.connection_string().parse().unwrap();
    (
        server,
        Client::new(settings).unwrap(),
        format!("customer-{}", Uuid::new_v4()),
    )
}

async fn limited<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, what)
        .await
        .expect("no answer in time")
}

/// Events and their ids.
fn events(count: usize, event_type: &str) -> (Vec<EventData>, Vec<Uuid>) {
    let ids: Vec<Uuid> = (0..count).map(|_| Uuid::new_v4()).collect();
    let event = |id: &Uuid| {
        EventData::json(event_type, &json!({"first_name": "Zoë"}))
            .unwrap()
            .id(*id)
    };
    (ids.iter().map(event).collect(), ids)
}

fn expecting(revision: ExpectedRevision) -> AppendToStreamOptions {
    AppendToStreamOptions::default().expected_revision(revision)
}

async fn read(
    client: &Client,
    stream: &str,
    options: &ReadStreamOptions,
) -> Result<Vec<(u64, Uuid)>, Error> {
    let mut answer = client.read_stream(stream, options).await?;
    let mut found = Vec::new();
    while let Some(event) = answer.next().await? {
        found.push((event.get_original_event().revision, id(&event)));
    }
    Ok(found)
}

fn id(event: &ResolvedEvent) -> Uuid {
    event.get_original_event().id
}

#[tokio::test]
async fn append_and_read_both_ways() {
    let (_server, client, stream) = fresh().await;
    let (events, ids) = events(3, "customer_registered");
    limited(async {
        let (new, wrong) = [ExpectedRevision::NoStream, ExpectedRevision::Exact(7)]
            .map(expecting)
            .into();
        let written = client
            .append_to_stream(&*stream, &new, events.clone())
            .await;
        assert_eq!(written.unwrap().next_expected_version, 2);
        let refused = client
            .append_to_stream(&*stream, &wrong, events[0].clone())
            .await;
        assert!(matches!(refused, Err(Error::WrongExpectedVersion { .. })));

        let all = ReadStreamOptions::default();
        let expected: Vec<_> = (0..).zip(ids.iter().copied()).collect();
        assert_eq!(read(&client, &stream, &all).await.unwrap(), expected);
        let newest = ReadStreamOptions::default()
            .backwards()
            .position(StreamPosition::End)
            .max_count(2);
        assert_eq!(
            read(&client, &stream, &newest).await.unwrap(),
            [(2, ids[2]), (1, ids[1])]
        );
    })
    .await;
}

#[tokio::test]
async fn catch_up_with_filter() {
    let (_server, client, stream) = fresh().await;
    let (old, old_ids) = events(2, "wanted");
    let (other, other_ids) = events(1, "unwanted");
    let (live, live_ids) = events(1, "wanted");
    limited(async {
        let options = AppendToStreamOptions::default();
        client
            .append_to_stream(&*stream, &options, [old, other].concat())
            .await
            .unwrap();
        let filter = SubscriptionFilter::on_event_type().add_prefix("wanted");
        let mut all = client
            .subscribe_to_all(&SubscribeToAllOptions::default().filter(filter))
            .await;
        for expected in &old_ids {
            assert_eq!(id(&all.next().await.unwrap()), *expected);
        }
        client
            .append_to_stream(&*stream, &options, live)
            .await
            .unwrap();
        assert_eq!(id(&all.next().await.unwrap()), live_ids[0]);

        let behind = SubscribeToStreamOptions::default().start_from(StreamPosition::Position(1));
        let mut one = client.subscribe_to_stream(&*stream, &behind).await;
        for expected in [other_ids[0], live_ids[0]] {
            assert_eq!(id(&one.next().await.unwrap()), expected);
        }
    })
    .await;
}

#[tokio::test]
async fn metadata() {
    let (_server, client, stream) = fresh().await;
    limited(async {
        let options = AppendToStreamOptions::default();
        client
            .append_to_stream(&*stream, &options, events(5, "a").0)
            .await
            .unwrap();
        let metadata = StreamMetadataBuilder::new().max_count(2).build();
        client
            .set_stream_metadata(&*stream, &options, &metadata)
            .await
            .unwrap();
        match client
            .get_stream_metadata(&*stream, &ReadStreamOptions::default())
            .await
            .unwrap()
        {
            StreamMetadataResult::Success(found) => assert_eq!(found.metadata().max_count, Some(2)),
            other => panic!("no metadata: {other:?}"),
        }
        let left = read(&client, &stream, &ReadStreamOptions::default())
            .await
            .unwrap();
        assert_eq!(
            left.iter()
                .map(|(revision, _)| *revision)
                .collect::<Vec<_>>(),
            [3, 4]
        );
    })
    .await;
}

#[tokio::test]
async fn delete() {
    let (_server, client, stream) = fresh().await;
    let all = ReadStreamOptions::default();
    limited(async {
        let options = AppendToStreamOptions::default();
        client
            .append_to_stream(&*stream, &options, events(2, "a").0)
            .await
            .unwrap();
        let exact = DeleteStreamOptions::default().expected_revision(ExpectedRevision::Exact(1));
        client.delete_stream(&*stream, &exact).await.unwrap();
        assert!(matches!(
            read(&client, &stream, &all).await,
            Err(Error::ResourceNotFound)
        ));
        let (again, ids) = events(1, "a");
        client
            .append_to_stream(&*stream, &options, again)
            .await
            .unwrap();
        assert_eq!(read(&client, &stream, &all).await.unwrap(), [(2, ids[0])]);
        client
            .tombstone_stream(&*stream, &TombstoneStreamOptions::default())
            .await
            .unwrap();
        assert!(matches!(
            read(&client, &stream, &all).await,
            Err(Error::ResourceDeleted)
        ));
    })
    .await;
}

#[tokio::test]
async fn persistent_subscription_with_ack_park_and_replay() {
    let (_server, client, stream) = fresh().await;
    let (events, ids) = events(3, "customer_registered");
    limited(async {
        client
            .append_to_stream(&*stream, &AppendToStreamOptions::default(), events)
            .await
            .unwrap();
        let from_start = PersistentSubscriptionOptions::default().start_from(StreamPosition::Start);
        client
            .create_persistent_subscription(&*stream, "group", &from_start)
            .await
            .unwrap();
        let mut subscription = client
            .subscribe_to_persistent_subscription(&*stream, "group", &Default::default())
            .await
            .unwrap();
        for expected in &ids {
            let event = subscription.next().await.unwrap();
            assert_eq!(id(&event), *expected);
            match *expected == ids[1] {
                true => subscription
                    .nack(event, NakAction::Park, "wanted")
                    .await
                    .unwrap(),
                false => subscription.ack(event).await.unwrap(),
            }
        }
        parked_count_is(&client, &stream, 1).await;
        client
            .replay_parked_messages(&stream, "group", &Default::default())
            .await
            .unwrap();
        let replayed = subscription.next().await.unwrap();
        assert_eq!(replayed.event.as_ref().map(|event| event.id), Some(ids[1]));
        subscription.ack(replayed).await.unwrap();
        parked_count_is(&client, &stream, 0).await;
        client
            .delete_persistent_subscription(&*stream, "group", &Default::default())
            .await
            .unwrap();
    })
    .await;
}

/// Asks until it is so; `limited` ends it otherwise.
async fn parked_count_is(client: &Client, stream: &str, expected: usize) {
    let options = Default::default();
    while client
        .get_persistent_subscription_info(stream, "group", &options)
        .await
        .unwrap()
        .stats
        .parked_message_count
        != expected
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

//! Groups whose source, parked queue or checkpoints were deleted for good (protocol §8.7, §8.8, §8.10).
//! Never deletes anything softly.

use super::client::*;
use devstore::store::Expected;
use devstore::{Options, Server};
use ditto_protocol::ids::from_wire;
use ditto_protocol::persistent_subscriptions::create_req;
use ditto_protocol::persistent_subscriptions::read_req::nack;
use ditto_protocol::persistent_subscriptions::read_resp::{Content, ReadEvent};
use tonic::Code;

const TOMBSTONE: u64 = i64::MAX as u64;

async fn event(consumer: &mut Consumer) -> ReadEvent {
    match consumer.next().await {
        Ok(Some(Content::Event(event))) => event,
        other => panic!("no event: {other:?}"),
    }
}

/// The data of the last event of a stream.
fn last(server: &Server, stream: &str) -> String {
    let info = server.store().stream_info(stream);
    let record = server.store().event(stream, info.last.unwrap()).unwrap();
    String::from_utf8(record.data().to_vec()).unwrap()
}

async fn quick_server() -> (Server, Client) {
    server_with(Options {
        time_scale: 20.0,
        ..Options::default()
    })
    .await
}

fn quick_settings() -> create_req::Settings {
    create_req::Settings {
        min_checkpoint_count: 1,
        max_retry_count: 0,
        ..settings()
    }
}

#[tokio::test]
async fn a_live_group_delivers_the_tombstone_as_an_event() {
    let (server, mut client) = quick_server().await;
    let ids = write(&server, "s-1", 1);
    create(&mut client, "s-1", quick_settings()).await.unwrap();
    let mut consumer = Consumer::join(&mut client, "s-1", 10).await.unwrap();
    consumer.take(1).await;
    consumer.ack(&ids).await;
    server.store().tombstone("s-1", Expected::Any).unwrap();
    let deleted = event(&mut consumer).await;
    assert!(deleted.link.is_none());
    let record = deleted.event.unwrap();
    assert_eq!(record.stream_revision, TOMBSTONE);
    assert_eq!(record.metadata["type"], "$streamDeleted");
    assert!(record.data.is_empty());
    consumer
        .nack(from_wire(record.id.as_ref()).unwrap(), nack::Action::Retry)
        .await;
    until(&mut client, "s-1", |info| info.parked_message_count == 1).await;
    let parked = last(&server, "$persistentsubscription-s-1::g-parked");
    assert_eq!(parked, format!("{TOMBSTONE}@s-1"));
    let known = info(&mut client, "s-1").await.unwrap();
    assert_eq!(known.last_known_event_position, TOMBSTONE.to_string());
}

#[tokio::test]
async fn a_category_group_gets_the_link_of_a_tombstone_alone() {
    let (server, mut client) = quick_server().await;
    write(&server, "s-1", 1);
    let settings = create_req::Settings {
        resolve_links: true,
        ..quick_settings()
    };
    create(&mut client, "$ce-s", settings).await.unwrap();
    let mut consumer = Consumer::join(&mut client, "$ce-s", 10).await.unwrap();
    consumer.take(1).await;
    server.store().tombstone("s-1", Expected::Any).unwrap();
    let deleted = event(&mut consumer).await;
    assert!(deleted.event.is_none());
    let link = deleted.link.unwrap();
    assert_eq!(link.data, format!("{TOMBSTONE}@s-1"));
}

#[tokio::test]
async fn a_reloaded_group_of_a_tombstoned_stream_drops_each_consumer() {
    let (server, mut client) = quick_server().await;
    write(&server, "s", 1);
    create(&mut client, "s", quick_settings()).await.unwrap();
    server.store().tombstone("s", Expected::Any).unwrap();
    server.stop().await;
    server.start_again().await.unwrap();
    let mut client = connect(&server).await;
    for _ in 0..2 {
        let mut consumer = Consumer::join(&mut client, "s", 10).await.unwrap();
        let status = consumer.next().await.unwrap_err();
        assert_eq!(status.code(), Code::Cancelled);
        let exception = status.metadata().get("exception").unwrap();
        assert_eq!(exception, "persistent-subscription-dropped");
    }
    let status = info(&mut client, "s").await.unwrap().status;
    assert_eq!(status, "Behind, OutstandingPageRequest");
}

#[tokio::test]
async fn a_tombstoned_parked_queue_swallows_what_is_parked() {
    let (server, mut client) = quick_server().await;
    let ids = write(&server, "s", 3);
    create(&mut client, "s", quick_settings()).await.unwrap();
    let mut consumer = Consumer::join(&mut client, "s", 10).await.unwrap();
    consumer.take(3).await;
    consumer.nack(ids[0], nack::Action::Park).await;
    until(&mut client, "s", |info| info.parked_message_count == 1).await;
    let queue = "$persistentsubscription-s::g-parked";
    server.store().tombstone(queue, Expected::Any).unwrap();
    consumer.nack(ids[1], nack::Action::Park).await;
    until(&mut client, "s", |info| {
        let checkpoint = info.last_checkpointed_event_position == "1";
        checkpoint && info.parked_message_count == -2_147_483_647
    })
    .await;
    server.stop().await;
    server.start_again().await.unwrap();
    let mut client = connect(&server).await;
    assert_eq!(
        info(&mut client, "s").await.unwrap().parked_message_count,
        0
    );
    let mut consumer = Consumer::join(&mut client, "s", 10).await.unwrap();
    assert_eq!(consumer.take(1).await[0].0, 2, "the parked ones are lost");
}

#[tokio::test]
async fn a_group_without_checkpoint_stream_starts_over_each_time() {
    let (server, mut client) = quick_server().await;
    let ids = write(&server, "s", 3);
    create(&mut client, "s", quick_settings()).await.unwrap();
    let mut consumer = Consumer::join(&mut client, "s", 10).await.unwrap();
    consumer.take(3).await;
    consumer.ack(&ids[..1]).await;
    until(&mut client, "s", |info| {
        info.last_checkpointed_event_position == "0"
    })
    .await;
    let checkpoints = "$persistentsubscription-s::g-checkpoint";
    server
        .store()
        .tombstone(checkpoints, Expected::Any)
        .unwrap();
    consumer.ack(&ids[1..]).await;
    until(&mut client, "s", |info| {
        info.outstanding_messages_count == 0
    })
    .await;
    server.stop().await;
    server.start_again().await.unwrap();
    let mut client = connect(&server).await;
    let mut consumer = Consumer::join(&mut client, "s", 10).await.unwrap();
    assert_eq!(consumer.take(3).await[0].0, 0);
}

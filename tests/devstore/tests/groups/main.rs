//! Groups over the wire: a generated client against a server in process. What is delivered when is tested on the state
//! machine itself; here it is that calls, statuses and streams fit together. Never measures time.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod client;
mod deleted;
mod faults;
mod names;
mod restart;

use client::*;
use ditto_protocol::ids::stream_identifier;
use ditto_protocol::persistent_subscriptions::create_req;
use ditto_protocol::persistent_subscriptions::read_req::nack;
use ditto_protocol::persistent_subscriptions::{DeleteReq, delete_req};
use tonic::{Code, Status};
use uuid::Uuid;

#[tokio::test]
async fn a_category_group_delivers_links_and_takes_answers_by_link_id() {
    let (server, mut client) = server().await;
    write(&server, "orders-1", 4);
    create(&mut client, "$ce-orders", settings()).await.unwrap();
    let mut consumer = Consumer::join(&mut client, "$ce-orders", 2).await.unwrap();
    let first = consumer.take(2).await;
    assert_eq!(
        first.iter().map(|event| event.0).collect::<Vec<_>>(),
        [0, 1]
    );
    consumer.ack(&[first[0].1]).await;
    assert_eq!(consumer.take(1).await[0].0, 2);
    consumer.nack(first[1].1, nack::Action::Park).await;
    assert_eq!(consumer.take(1).await[0].0, 3);
    until(&mut client, "$ce-orders", |info| {
        info.parked_message_count == 1
    })
    .await;
    let parked = server
        .store()
        .event("$persistentsubscription-$ce-orders::g-parked", 0)
        .unwrap();
    assert_eq!(parked.data(), "1@orders-1");
    write(&server, "orders-1", 1);
    drop(consumer);
    until(&mut client, "$ce-orders", |info| {
        info.connections.is_empty()
    })
    .await;
    let mut consumer = Consumer::join(&mut client, "$ce-orders", 10).await.unwrap();
    let again: Vec<_> = consumer
        .take(3)
        .await
        .iter()
        .map(|event| (event.0, event.2))
        .collect();
    assert_eq!(
        again,
        [(2, 1), (3, 1), (4, 0)],
        "what the first one held comes first"
    );
}

#[tokio::test]
async fn calls_are_refused_with_the_real_servers_statuses() {
    let (_server, mut client) = server().await;
    let trailer = |status: &Status| {
        status
            .metadata()
            .get("exception")
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    let missing = info(&mut client, "s").await.unwrap_err();
    assert_eq!(
        (missing.code(), trailer(&missing).as_str()),
        (Code::NotFound, "persistent-subscription-does-not-exist")
    );
    create(
        &mut client,
        "s",
        create_req::Settings {
            max_subscriber_count: 1,
            ..settings()
        },
    )
    .await
    .unwrap();
    let exists = create(&mut client, "s", settings()).await.unwrap_err();
    assert_eq!(
        (exists.code(), trailer(&exists).as_str()),
        (Code::AlreadyExists, "persistent-subscription-exists")
    );
    let failed = create(
        &mut client,
        "t",
        create_req::Settings {
            read_batch_size: 500,
            ..settings()
        },
    )
    .await
    .unwrap_err();
    assert_eq!(
        (failed.code(), trailer(&failed).as_str()),
        (Code::Internal, "persistent-subscription-failed")
    );
    let mut consumer = Consumer::join(&mut client, "s", 10).await.unwrap();
    let full = Consumer::join(&mut client, "s", 10).await.err().unwrap();
    assert_eq!(
        (full.code(), trailer(&full).as_str()),
        (Code::FailedPrecondition, "maximum-subscribers-reached")
    );

    let stream = delete_req::options::StreamOption::StreamIdentifier(stream_identifier("s"));
    let options = delete_req::Options {
        group_name: "g".to_owned(),
        stream_option: Some(stream),
    };
    client
        .delete(DeleteReq {
            options: Some(options),
        })
        .await
        .unwrap();
    let dropped = consumer.next().await.unwrap_err();
    assert_eq!(
        (dropped.code(), trailer(&dropped).as_str()),
        (Code::Cancelled, "persistent-subscription-dropped")
    );
}

#[tokio::test]
async fn large_buffer_size_is_worked_off_with_portions_of_answers() {
    let (server, mut client) = server().await;
    for _ in 0..20 {
        write(&server, "s", 1_000);
    }
    create(&mut client, "s", settings()).await.unwrap();
    let mut consumer = Consumer::join(&mut client, "s", 5_000).await.unwrap();
    let mut next = 0;
    while next < 20_000 {
        let portion = consumer.take(500).await;
        for (revision, _, retry) in &portion {
            assert_eq!((*revision, *retry), (next, 0));
            next += 1;
        }
        let ids: Vec<Uuid> = portion.iter().map(|event| event.1).collect();
        consumer.ack(&ids).await;
    }
    until(&mut client, "s", |info| {
        info.outstanding_messages_count == 0
    })
    .await;
}
